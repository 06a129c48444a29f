/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of k6/html: the table of accessors that a tag's elements have beside the common ones. */
#ifndef SCRIPT_K6_HTML_ELEMENT_H
#define SCRIPT_K6_HTML_ELEMENT_H

#include "script/k6/html.h"

struct html_element {
    struct html_doc *doc;
    const struct html_node *node;
};

/* One accessor method of the elements named in tags (words). What attr and extra mean depends on get. */
struct html_accessor {
    const char *tags, *name;
    JSValue (*get)(JSContext *ctx, const struct html_element *element, const struct html_accessor *row);
    const char *attr, *extra;
};
extern const struct html_accessor html_accessors[];
extern const size_t html_accessor_count;

/* Getters that the common methods share with the rows. */
JSValue html_get_words(JSContext *ctx, const struct html_element *element, const struct html_accessor *row); /* of attr */
JSValue html_get_text(JSContext *ctx, const struct html_element *element, const struct html_accessor *row);  /* attr, default extra */
/* The elements inside top that match a selector, as an array. */
JSValue html_list_inside(JSContext *ctx, struct html_doc *doc, const struct html_node *top, const char *selector);
/* The first of them; NULL when there is none. */
const struct html_node *html_first_inside(struct html_doc *doc, const struct html_node *top, const char *selector);

#endif
