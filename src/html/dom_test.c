/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "html/dom.h"

static void builds_a_tree_in_document_order(void **state)
{
    static const char source[] = "<title>T&eacute;</title><p a=1 B=2>x<!-- c --><Foo-Bar>y</p>";
    struct html_doc *doc = html_parse(source, sizeof(source) - 1, "http://x/");
    struct buf names = {0};
    uint32_t order = 0;
    for (const struct html_node *at = doc->root; at; at = html_walk(doc->root, at)) {
        assert_int_equal(at->order, order++);
        if (at->kind == HTML_ELEMENT)
            buf_printf(&names, "%s ", at->text.data);
    }
    assert_int_equal(order, doc->node_count);
    assert_string_equal(names.data, "html head title body p foo-bar ");
    const struct html_node *body = html_last_element(doc->root->last), *p = html_first_element(body);
    assert_true(html_attr_is(p, "b", "2"));
    assert_null(html_attr(p, "c"));
    assert_true(html_is_inside(p, doc->root) && !html_is_inside(p, p));
    buf_clear(&names);
    html_text(&names, doc->root);
    assert_string_equal(names.data, "T\xc3\xa9xy");
    buf_free(&names);
    html_doc_unref(doc);
}

static void a_page_may_nest_deeper_than_the_stack(void **state)
{
    struct buf source = {0}, out = {0};
    for (int i = 0; i < 20000; i++)
        buf_add_text(&source, "<div>");
    struct html_doc *doc = html_parse(source.data, source.len, "");
    html_render(&out, doc->root);
    assert_true(out.len > 200000);
    html_doc_unref(doc);
    buf_free(&source);
    buf_free(&out);
}

static void any_bytes_are_a_page(void **state)
{
    static const char bytes[] = "\0\xff<\0a \xc3=\"\xe2\x82\">&#0;&#xffffff;</><!x><svg><![CDATA[q]]></svg><table>t<noscript><b>";
    for (size_t len = 0; len < sizeof(bytes); len++)
        html_doc_unref(html_parse(bytes, len, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(builds_a_tree_in_document_order), cmocka_unit_test(a_page_may_nest_deeper_than_the_stack),
                                       cmocka_unit_test(any_bytes_are_a_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
