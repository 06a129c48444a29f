/* SPDX-License-Identifier: Apache-2.0 */
/* HTML out of the tree, byte for byte as Go's html package writes it. No recursion: pages nest deep. */
#include <string.h>

#include "core/buf.h"
#include "html/dom.h"

static bool is_one_of(const struct html_node *node, const char *names)
{
    return node->kind == HTML_ELEMENT && html_has_word(text_of(names), node->text);
}

static bool is_void(const struct html_node *node)
{
    return is_one_of(node, "area base br col embed hr img input keygen link meta param source track wbr");
}

void html_escape(struct buf *out, struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        static const char special[] = "&'<>\"\r";
        static const char *const escapes[] = {"&amp;", "&#39;", "&lt;", "&gt;", "&#34;", "&#13;"};
        const char *found = text.data[i] ? strchr(special, text.data[i]) : NULL;
        if (found)
            buf_add_text(out, escapes[found - special]);
        else
            buf_add_char(out, text.data[i]);
    }
}

static void render_doctype(struct buf *out, const struct html_node *node)
{
    bool has_public = false;
    buf_printf(out, "<!DOCTYPE %.*s", (int)node->text.len, node->text.data);
    for (size_t i = 0; i < node->attr_count; i++) {
        const struct html_attr *id = &node->attrs[i];
        bool is_public = text_equal(id->name, TEXT("public"));
        char quote = memchr(id->value.data, '"', id->value.len) ? '\'' : '"';
        buf_add_text(out, is_public ? " PUBLIC " : has_public ? " " : " SYSTEM ");
        buf_printf(out, "%c%.*s%c", quote, (int)id->value.len, id->value.data, quote);
        has_public = is_public;
    }
    buf_add_char(out, '>');
}

static void open_element(struct buf *out, const struct html_node *node)
{
    buf_add_char(out, '<');
    buf_add(out, node->text.data, node->text.len);
    for (size_t i = 0; i < node->attr_count; i++) {
        const struct html_attr *attr = &node->attrs[i];
        buf_add_char(out, ' ');
        if (attr->prefix.len)
            buf_printf(out, "%.*s:", (int)attr->prefix.len, attr->prefix.data);
        buf_add(out, attr->name.data, attr->name.len);
        buf_add_text(out, "=\"");
        html_escape(out, attr->value);
        buf_add_char(out, '"');
    }
    buf_add_text(out, is_void(node) ? "/>" : ">");
    /* a parser drops the first line end of these */
    if (node->first && node->first->kind == HTML_TEXT && text_starts(node->first->text, "\n") && is_one_of(node, "pre listing textarea"))
        buf_add_char(out, '\n');
}

static void open_node(struct buf *out, const struct html_node *node)
{
    switch (node->kind) {
    case HTML_DOCUMENT:
        break;
    case HTML_DOCTYPE:
        render_doctype(out, node);
        break;
    case HTML_ELEMENT:
        open_element(out, node);
        break;
    case HTML_TEXT:
        if (node->parent && is_one_of(node->parent, "iframe noembed noframes noscript plaintext script style xmp"))
            buf_add(out, node->text.data, node->text.len);
        else
            html_escape(out, node->text);
        break;
    case HTML_COMMENT:
        buf_add_text(out, "<!--");
        buf_add(out, node->text.data, node->text.len);
        buf_add_text(out, "-->");
        break;
    }
}

static void close_node(struct buf *out, const struct html_node *node)
{
    if (node->kind == HTML_ELEMENT && !is_void(node))
        buf_printf(out, "</%.*s>", (int)node->text.len, node->text.data);
}

void html_render(struct buf *out, const struct html_node *node)
{
    const struct html_node *at = node;
    for (;;) {
        open_node(out, at);
        if (at->first) {
            at = at->first;
            continue;
        }
        close_node(out, at);
        while (at != node && !at->next) {
            at = at->parent;
            close_node(out, at);
        }
        if (at == node)
            return;
        at = at->next;
    }
}

void html_render_inner(struct buf *out, const struct html_node *node)
{
    for (const struct html_node *child = node->first; child; child = child->next)
        html_render(out, child);
}
