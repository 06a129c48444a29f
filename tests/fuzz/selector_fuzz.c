/* SPDX-License-Identifier: Apache-2.0 */
/* A selector, matched against every node of a small page: whatever it says, it does no harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "html/dom.h"
#include "html/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char page[] = "<title>t</title><div id=a class='x y'><p lang=en>one<b>two</b><p>3</div><form><input checked><select><option>o</select></form>";
    static struct html_doc *doc;
    if (!doc)
        doc = html_parse(page, sizeof(page) - 1, "");
    /* an exact copy, so that a read past its end is seen */
    char *text = malloc(size ? size : 1);
    memcpy(text, data, size);
    struct html_selector *selector = size < 200 ? html_selector_new(text, size) : NULL;
    for (const struct html_node *at = doc->root; selector && at; at = html_walk(doc->root, at))
        if (html_selector_matches(selector, at) && at->kind != HTML_ELEMENT)
            abort();
    html_selector_free(selector);
    free(text);
    return 0;
}
