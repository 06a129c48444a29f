/* SPDX-License-Identifier: Apache-2.0 */
/* CSS selectors as goquery and cascadia (under k6/html) understand them. Compiled ones are immutable. */
#ifndef HTML_SELECTOR_H
#define HTML_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

struct html_node;
struct html_selector;

/* NULL: the text is no selector. */
struct html_selector *html_selector_new(const char *text, size_t len);
void html_selector_free(struct html_selector *selector);
/* Whether a node is an element that the selector matches. */
bool html_selector_matches(const struct html_selector *selector, const struct html_node *node);

#endif
