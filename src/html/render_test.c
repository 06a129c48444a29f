/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "html/dom.h"

static void renders_as_go_does(void **state)
{
    static const struct {
        const char *source, *rendered;
    } rows[] = {
        {"<p>a<br>b", "<html><head></head><body><p>a<br/>b</p></body></html>"},
        {"<!doctype html><p title='\"&<'>1 < 2 & \"3\" 'x'", "<!DOCTYPE html><html><head></head><body><p title=\"&#34;&amp;&lt;\">1 &lt; 2 &amp; &#34;3&#34; &#39;x&#39;</p></body></html>"},
        {"<script>a<b</script><!--c-->", "<html><head><script>a<b</script><!--c--></head><body></body></html>"},
        {"<pre>\n\nx</pre>", "<html><head></head><body><pre>\n\nx</pre></body></html>"},
        {"<svg><linearGradient xlink:href='#a'/></svg>", "<html><head></head><body><svg><linearGradient xlink:href=\"#a\"></linearGradient></svg></body></html>"},
        {"<!DOCTYPE html PUBLIC \"-//W3C//DTD\" \"http://x\">", "<!DOCTYPE html PUBLIC \"-//W3C//DTD\" \"http://x\"><html><head></head><body></body></html>"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct html_doc *doc = html_parse(rows[i].source, strlen(rows[i].source), "");
        struct buf out = {0};
        html_render(&out, doc->root);
        assert_string_equal(out.data, rows[i].rendered);
        buf_free(&out);
        html_doc_unref(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(renders_as_go_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
