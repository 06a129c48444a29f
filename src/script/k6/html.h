/* SPDX-License-Identifier: Apache-2.0 */
/* Inside k6/html: sets of nodes and how they become Selections and Elements. */
#ifndef SCRIPT_K6_HTML_H
#define SCRIPT_K6_HTML_H

#include "html/dom.h"
#include "html/selector.h"
#include "script/host.h"

/* The nodes of a Selection in their order, each once. Ref-counted; holds its document and the set it came from. */
struct html_set {
    unsigned refs;
    struct html_doc *doc;
    struct html_set *previous; /* what .end() returns; may be NULL */
    const struct html_node **nodes;
    size_t count, cap;
    uint8_t *seen; /* a bit for each node of the document; NULL until the second node */
};

struct html_set *html_set_new(struct html_doc *doc, struct html_set *previous);
struct html_set *html_set_ref(struct html_set *set);
void html_set_unref(struct html_set *set);
/* Unless it is in there already. */
void html_set_add(struct html_set *set, const struct html_node *node);
bool html_set_has(const struct html_set *set, const struct html_node *node);

/* What a script may name nodes by: a selector, a Selection, an Element, or a function (if allowed). */
struct html_matcher {
    JSContext *ctx;
    struct html_selector *selector;
    const struct html_set *set;
    const struct html_node *node;
    JSValueConst function;
    bool is_function, matches_all;
};
/* undefined and null match everything if optional, else nothing; so does text that is no selector. False: exception. */
bool html_matcher_read(JSContext *ctx, JSValueConst value, bool optional, struct html_matcher *matcher);
void html_matcher_free(struct html_matcher *matcher);
/* 1, 0 or -1 (the function threw). index and doc are for the function. */
int html_matches(const struct html_matcher *matcher, const struct html_node *node, struct html_doc *doc, size_t index);

/* Registers the classes in this realm unless they are there. */
void html_classes(JSContext *ctx);
JSValue html_parse_selection(JSContext *ctx, const char *source, size_t len, const char *url);
/* Takes the set. */
JSValue html_selection_new(JSContext *ctx, struct html_set *set);
/* NULL when it is none; nothing thrown. */
struct html_set *html_set_of(JSValueConst value);
JSValue html_selection_of_node(JSContext *ctx, struct html_doc *doc, const struct html_node *node);
/* Everything inside the set's nodes that the selector text matches. */
struct html_set *html_find(struct html_set *set, const char *selector, bool only_first);

void html_element_classes(JSContext *ctx);
/* undefined for NULL. */
JSValue html_element_new(JSContext *ctx, struct html_doc *doc, const struct html_node *node);
const struct html_node *html_node_of(JSValueConst value);

/* ---- html_values.c ---- */
JSValue html_text_value(JSContext *ctx, struct text text);
JSValue html_inner_value(JSContext *ctx, const struct html_node *node);
/* An attribute as text; fallback (NULL: undefined) when it is missing. */
JSValue html_attr_value(JSContext *ctx, const struct html_node *node, const char *name, const char *fallback);
/* What a form field holds. */
JSValue html_field_value(JSContext *ctx, const struct html_node *node);
JSValue html_field_values(JSContext *ctx, const struct html_set *set);
void html_value_methods(JSContext *ctx, JSValueConst proto);

#endif
