/* SPDX-License-Identifier: Apache-2.0 */
/* Gumbo's tree is copied into a smaller one with sibling links and document order. Gumbo allocates from an arena that
 * is dropped as a whole: its own clean-up recurses, and a page may nest deeper than a VU's stack reaches. */
#include "html/dom.h"

#include <gumbo.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

static void *gumbo_arena_alloc(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void gumbo_arena_free(void *arena, void *memory)
{
}

static struct text keep(struct html_doc *doc, const char *data, size_t len)
{
    return (struct text){len ? arena_strndup(&doc->arena, data, len) : "", len};
}

static struct html_node *add_node(struct html_doc *doc, struct html_node *parent, enum html_kind kind)
{
    struct html_node *node = arena_alloc(&doc->arena, sizeof(*node));
    *node = (struct html_node){.kind = kind, .parent = parent, .order = doc->node_count++, .text = TEXT("")};
    if (!parent)
        return node;
    node->prev = parent->last;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    return node;
}

static struct text element_name(struct html_doc *doc, const GumboElement *element)
{
    const char *known = element->tag == GUMBO_TAG_UNKNOWN ? "" : gumbo_normalized_tagname(element->tag);
    GumboStringPiece original = element->original_tag;
    if (original.data)
        gumbo_tag_from_original_text(&original);
    if (element->tag_namespace == GUMBO_NAMESPACE_SVG && original.length) {
        const char *svg = gumbo_normalize_svg_tagname(&original);
        if (svg)
            return text_of(svg);
    }
    if (*known)
        return text_of(known);
    char *name = arena_strndup(&doc->arena, original.data ? original.data : "", original.length);
    for (char *at = name; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + 32);
    return text_of(name);
}

static void copy_element(struct html_doc *doc, struct html_node *node, const GumboElement *element)
{
    static const struct text prefixes[] = {TEXT(""), TEXT("xlink"), TEXT("xml"), TEXT("xmlns")};
    node->text = element_name(doc, element);
    node->space = (enum html_space)element->tag_namespace;
    node->attr_count = element->attributes.length;
    node->attrs = arena_alloc(&doc->arena, (node->attr_count + 1) * sizeof(node->attrs[0]));
    for (size_t i = 0; i < node->attr_count; i++) {
        const GumboAttribute *attr = element->attributes.data[i];
        node->attrs[i] = (struct html_attr){prefixes[attr->attr_namespace], keep(doc, attr->name, strlen(attr->name)),
                                            keep(doc, attr->value, strlen(attr->value))};
    }
}

static void copy_doctype(struct html_doc *doc, const GumboDocument *from)
{
    if (!from->has_doctype)
        return;
    struct html_node *node = add_node(doc, doc->root, HTML_DOCTYPE);
    node->text = keep(doc, from->name, strlen(from->name));
    node->attrs = arena_alloc(&doc->arena, 2 * sizeof(node->attrs[0]));
    if (*from->public_identifier)
        node->attrs[node->attr_count++] = (struct html_attr){TEXT(""), TEXT("public"), keep(doc, from->public_identifier, strlen(from->public_identifier))};
    if (*from->system_identifier)
        node->attrs[node->attr_count++] = (struct html_attr){TEXT(""), TEXT("system"), keep(doc, from->system_identifier, strlen(from->system_identifier))};
}

static const GumboVector *children_of(const GumboNode *node)
{
    if (node->type == GUMBO_NODE_DOCUMENT)
        return &node->v.document.children;
    if (node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE)
        return &node->v.element.children;
    return &kGumboEmptyVector;
}

static struct html_node *copy_node(struct html_doc *doc, struct html_node *parent, const GumboNode *from)
{
    if (from->type == GUMBO_NODE_ELEMENT || from->type == GUMBO_NODE_TEMPLATE) {
        struct html_node *node = add_node(doc, parent, HTML_ELEMENT);
        copy_element(doc, node, &from->v.element);
        return node;
    }
    struct html_node *node = add_node(doc, parent, from->type == GUMBO_NODE_COMMENT ? HTML_COMMENT : HTML_TEXT);
    node->text = keep(doc, from->v.text.text, strlen(from->v.text.text));
    return node;
}

/* Depth first without recursion; index_within_parent leads on to the next sibling. */
static void copy_tree(struct html_doc *doc, const GumboNode *top)
{
    const GumboNode *at = top;
    struct html_node *parent = doc->root;
    size_t index = 0;
    for (;;) {
        const GumboVector *children = children_of(at);
        if (index < children->length) {
            const GumboNode *child = children->data[index];
            struct html_node *node = copy_node(doc, parent, child);
            if (children_of(child)->length == 0) {
                index++;
                continue;
            }
            at = child;
            parent = node;
            index = 0;
        } else if (at == top) {
            return;
        } else {
            index = at->index_within_parent + 1;
            at = at->parent;
            parent = parent->parent;
        }
    }
}

struct html_doc *html_parse(const char *source, size_t len, const char *url)
{
    struct html_doc *doc = mem_zalloc(sizeof(*doc));
    doc->refs = 1;
    doc->url = mem_strdup(url);
    doc->root = add_node(doc, NULL, HTML_DOCUMENT);
    struct arena scratch = {0};
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = gumbo_arena_alloc;
    options.deallocator = gumbo_arena_free;
    options.userdata = &scratch;
    options.max_errors = 0;
    const GumboOutput *output = gumbo_parse_with_options(&options, source, len);
    copy_doctype(doc, &output->document->v.document);
    copy_tree(doc, output->document);
    arena_free(&scratch);
    return doc;
}

struct html_doc *html_doc_ref(struct html_doc *doc)
{
    doc->refs++;
    return doc;
}

void html_doc_unref(struct html_doc *doc)
{
    if (!doc || --doc->refs > 0)
        return;
    arena_free(&doc->arena);
    mem_free(doc->url);
    mem_free(doc);
}

const struct html_node *html_walk(const struct html_node *top, const struct html_node *at)
{
    if (at->first)
        return at->first;
    while (at != top && !at->next)
        at = at->parent;
    return at == top ? NULL : at->next;
}

bool html_is_inside(const struct html_node *node, const struct html_node *ancestor)
{
    for (node = node->parent; node; node = node->parent)
        if (node == ancestor)
            return true;
    return false;
}

bool html_is(const struct html_node *node, const char *element_name)
{
    return node->kind == HTML_ELEMENT && text_equal(node->text, text_of(element_name));
}

static const struct html_node *element_at(const struct html_node *node, bool forward)
{
    while (node && node->kind != HTML_ELEMENT)
        node = forward ? node->next : node->prev;
    return node;
}

const struct html_node *html_next_element(const struct html_node *node)
{
    return element_at(node->next, true);
}

const struct html_node *html_prev_element(const struct html_node *node)
{
    return element_at(node->prev, false);
}

const struct html_node *html_first_element(const struct html_node *parent)
{
    return element_at(parent->first, true);
}

const struct html_node *html_last_element(const struct html_node *parent)
{
    return element_at(parent->last, false);
}

const struct html_attr *html_attr(const struct html_node *node, const char *name)
{
    struct text wanted = text_of(name);
    for (size_t i = 0; node->kind == HTML_ELEMENT && i < node->attr_count; i++)
        if (text_equal(node->attrs[i].name, wanted))
            return &node->attrs[i];
    return NULL;
}

bool html_attr_is(const struct html_node *node, const char *name, const char *value)
{
    const struct html_attr *attr = html_attr(node, name);
    return attr && text_equal(attr->value, text_of(value));
}

bool html_has_word(struct text list, struct text word)
{
    for (size_t at = 0; at < list.len;) {
        size_t end = at;
        while (end < list.len && !strchr(" \t\r\n\f", list.data[end]))
            end++;
        if (end > at && text_equal((struct text){list.data + at, end - at}, word))
            return true;
        at = end + 1;
    }
    return false;
}

void html_text(struct buf *out, const struct html_node *node)
{
    for (const struct html_node *at = node; at; at = html_walk(node, at))
        if (at->kind == HTML_TEXT)
            buf_add(out, at->text.data, at->text.len);
}
