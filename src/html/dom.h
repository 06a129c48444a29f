/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed HTML page as an immutable tree. Nodes belong to their document, which is ref-counted; a document and
 * all that refers to it stay on one thread. */
#ifndef HTML_DOM_H
#define HTML_DOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/text.h"

struct buf;

enum html_kind { HTML_DOCUMENT, HTML_DOCTYPE, HTML_ELEMENT, HTML_TEXT, HTML_COMMENT };
enum html_space { HTML_SPACE_HTML, HTML_SPACE_SVG, HTML_SPACE_MATHML };

struct html_attr {
    struct text prefix; /* "xlink", "xml", "xmlns" of foreign elements; else empty */
    struct text name, value;
};

struct html_node {
    enum html_kind kind;
    enum html_space space;
    uint32_t order; /* position in the document: parents before children */
    struct html_node *parent, *first, *last, *prev, *next;
    struct text text; /* an element's name (lower case), a doctype's name, the text of texts and comments */
    struct html_attr *attrs; /* a doctype's are "public" and "system" */
    size_t attr_count;
};

struct html_doc {
    unsigned refs;
    struct html_node *root; /* of kind HTML_DOCUMENT */
    char *url;              /* what links resolve against; "" when unknown */
    uint32_t node_count;
    struct arena arena;
};

/* Parses any bytes (HTML has no syntax errors). One reference is the caller's. */
struct html_doc *html_parse(const char *source, size_t len, const char *url);
struct html_doc *html_doc_ref(struct html_doc *doc);
void html_doc_unref(struct html_doc *doc);

/* The next node in document order that lies inside top; NULL after the last. */
const struct html_node *html_walk(const struct html_node *top, const struct html_node *at);
bool html_is_inside(const struct html_node *node, const struct html_node *ancestor); /* not itself */
bool html_is(const struct html_node *node, const char *element_name);
const struct html_node *html_next_element(const struct html_node *node);
const struct html_node *html_prev_element(const struct html_node *node);
const struct html_node *html_first_element(const struct html_node *parent);
const struct html_node *html_last_element(const struct html_node *parent);
/* NULL when it is missing. */
const struct html_attr *html_attr(const struct html_node *node, const char *name);
bool html_attr_is(const struct html_node *node, const char *name, const char *value);
/* Whether a list of words separated by white space has this one. */
bool html_has_word(struct text list, struct text word);
/* Adds the text of a node and everything in it. */
void html_text(struct buf *out, const struct html_node *node);

/* Renders as Go's html.Render does: the node itself, or what is in it. */
void html_render(struct buf *out, const struct html_node *node);
void html_render_inner(struct buf *out, const struct html_node *node);
/* Adds text with & < > " ' and CR escaped. */
void html_escape(struct buf *out, struct text text);

#endif
