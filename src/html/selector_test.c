/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "html/dom.h"
#include "html/selector.h"

static const char page[] =
    "<!DOCTYPE html><html lang=en><body><div id=a class='x y'><p id=b>One</p><p id=c class=x>Two <b id=d>bold</b></p>text"
    "<ul id=u><li id=l1>1<li id=l2 data-k='v-1'>2<li id=l3>3<li id=l4>4</ul></div>"
    "<form id=f><input id=i1 type=checkbox checked><input id=i2 disabled><select id=s><option id=o1>x<option id=o2 selected>y</select>"
    "<textarea id=t></textarea><button id=g>Go</button></form><a id=h href=/x>link</a><p id=fr lang=fr-CA>oui</p></body></html>";

/* The ids of what a selector matches, in order; "!" when it is no selector. */
static char *ids(const struct html_doc *doc, const char *text)
{
    struct html_selector *selector = html_selector_new(text, strlen(text));
    struct buf out = {0};
    if (!selector)
        buf_add_char(&out, '!');
    for (const struct html_node *at = doc->root; selector && at; at = html_walk(doc->root, at)) {
        if (!html_selector_matches(selector, at))
            continue;
        const struct html_attr *id = html_attr(at, "id");
        buf_printf(&out, "%s%s", out.len ? " " : "", id ? id->value.data : at->text.data);
    }
    html_selector_free(selector);
    return buf_take(&out);
}

static void selects_as_cascadia_does(void **state)
{
    static const struct {
        const char *selector, *found;
    } rows[] = {
        {"p", "b c fr"}, {"P", "b c fr"}, {"#c", "c"}, {".x", "a c"}, {"div.x.y", "a"}, {"p.x, #b", "b c"},
        {"div p", "b c"}, {"div > b", ""}, {"p > b", "d"}, {"#b + p", "c"}, {"#b ~ ul", "u"}, {"div>ul>li:first-child", "l1"},
        {"li:last-child", "l4"}, {"li:nth-child(2)", "l2"}, {"li:nth-child(odd)", "l1 l3"}, {"li:nth-child(even)", "l2 l4"},
        {"li:nth-child(2n+1)", "l1 l3"}, {"li:nth-child(-n + 2)", "l1 l2"}, {"li:nth-last-child(1)", "l4"},
        {"p:nth-of-type(2)", "c"}, {"p:first-of-type", "b fr"}, {"div p:last-of-type", "c"}, {"b:only-child", "d"}, {"ul:only-of-type", "u"},
        {"[data-k]", "l2"}, {"[data-k=v-1]", "l2"}, {"[data-k^=v]", "l2"}, {"[data-k$='1']", "l2"}, {"[data-k*=\"-\"]", "l2"},
        {"[data-k|=v]", "l2"}, {"[class~=y]", "a"}, {"[data-k=V-1]", ""}, {"[data-k=V-1 i]", "l2"}, {"li[data-k!=v-1]", "l1 l3 l4"},
        {"[data-k#=^v-\\d$]", "l2"}, {"[data-k^='']", ""}, {"li:not(#l2)", "l1 l3 l4"}, {"li:not(#l2, #l3)", "l1 l4"}, {"p:has(b)", "c"},
        {"div:haschild(p)", "a"}, {"p:contains('two')", "c"}, {"p:contains(ONE)", "b"}, {"p:containsOwn(bold)", ""}, {"p:matches(^Two)", "c"},
        {":input", "i1 i2 s t g"}, {"form :empty", "i1 i2 t"}, {":checked", "i1 o2"}, {"input:disabled", "i2"}, {"input:enabled", "i1"},
        {":root", "html"}, {":link", "h"}, {":lang(fr)", "fr"}, {"\\70", "b c fr"}, {"#\\62 ", "b"}, {"*:not(*)", ""},
        {"", "!"}, {"p >", "!"}, {"p,,b", "!"}, {"[x", "!"}, {":nope", "!"}, {":not(p", "!"}, {"p)", "!"}, {"li:nth-child(x)", "!"},
        {"[a=]", "!"}, {":matches([)", "!"}, {".1", "!"}, {"a ! b", "!"},
    };
    struct html_doc *doc = html_parse(page, sizeof(page) - 1, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf found = {0}, wanted = {0};
        char *got = ids(doc, rows[i].selector);
        buf_printf(&found, "%s: %s", rows[i].selector, got);
        buf_printf(&wanted, "%s: %s", rows[i].selector, rows[i].found);
        assert_string_equal(found.data, wanted.data);
        mem_free(got);
        buf_free(&found);
        buf_free(&wanted);
    }
    html_doc_unref(doc);
}

static void refuses_selectors_that_nest_too_deep(void **state)
{
    struct buf text = {0};
    for (int i = 0; i < 1000; i++)
        buf_add_text(&text, ":not(");
    assert_null(html_selector_new(text.data, text.len));
    buf_clear(&text);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&text, "a ");
    assert_null(html_selector_new(text.data, text.len));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(selects_as_cascadia_does), cmocka_unit_test(refuses_selectors_that_nest_too_deep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
