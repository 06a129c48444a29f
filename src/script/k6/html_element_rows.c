/* SPDX-License-Identifier: Apache-2.0 */
/* What an element of a certain tag knows beside the common methods: a row an accessor. Values are those of the page as
 * it was parsed; defaults are HTML's. */
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/url.h"
#include "script/k6/html_element.h"

#define ARGS JSContext *ctx, const struct html_element *e, const struct html_accessor *row
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

JSValue html_get_text(ARGS)
{
    return html_attr_value(ctx, e->node, row->attr, row->extra ? row->extra : "");
}

JSValue html_get_words(ARGS)
{
    const struct html_attr *attr = html_attr(e->node, row->attr);
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;
    for (struct text rest = attr ? text_trim(attr->value) : TEXT(""); rest.len;) {
        struct text word = text_cut(rest, ' ', &rest);
        if (word.len)
            JS_SetPropertyUint32(ctx, list, count++, html_text_value(ctx, word));
    }
    return list;
}

static JSValue flag(ARGS)
{
    return JS_NewBool(ctx, html_attr(e->node, row->attr) != NULL);
}

/* A number; extra when it is missing or none. */
static JSValue number(ARGS)
{
    const struct html_attr *attr = html_attr(e->node, row->attr);
    double value = 0;
    if (!attr || !text_to_double(text_trim(attr->value), &value))
        text_to_double(text_of(row->extra ? row->extra : "0"), &value);
    return JS_NewNumber(ctx, value);
}

/* One of the words in extra, the first of which is the default; in lower case. */
static JSValue choice(ARGS)
{
    const struct html_attr *attr = html_attr(e->node, row->attr);
    struct text rest = text_of(row->extra), first = text_cut(rest, ' ', &rest), word = first;
    while (attr && word.len) {
        if (text_equal_nocase(word, attr->value))
            return html_text_value(ctx, word);
        word = text_cut(rest, ' ', &rest);
    }
    return text_equal(first, TEXT("-")) ? JS_NewString(ctx, "") : html_text_value(ctx, first);
}

/* ---- URLs ---- */

/* The attribute resolved against the page's URL, or as it is when that cannot be. */
static char *resolved(const struct html_element *e, JSContext *ctx, const char *name)
{
    const struct html_attr *attr = html_attr(e->node, name);
    struct vu *vu = vu_of(ctx);
    char *text = NULL;
    if (attr && *e->doc->url && vu->worker) {
        const struct http_url *base = http_url_get(vu->worker->http, e->doc->url, strlen(e->doc->url), NULL);
        const struct http_url *url = base ? http_url_resolve(vu->worker->http, base, attr->value.data, attr->value.len, NULL) : NULL;
        if (url)
            text = mem_strdup(url->text);
        http_url_unref(url);
        http_url_unref(base);
    }
    return text ? text : mem_strdup(attr ? attr->value.data : "");
}

static JSValue link_to(ARGS)
{
    char *text = resolved(e, ctx, row->attr);
    JSValue value = JS_NewString(ctx, text);
    mem_free(text);
    return value;
}

struct parts {
    struct text scheme, user, password, hostname, port, path, search, hash;
};

static void split_url(const char *url, struct parts *p)
{
    *p = (struct parts){0};
    struct text rest = text_of(url);
    size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    if (scheme && url[scheme] == ':') {
        p->scheme = (struct text){url, scheme};
        rest = (struct text){url + scheme + 1, rest.len - scheme - 1};
    }
    if (text_starts(rest, "//")) {
        struct text authority = {rest.data + 2, strcspn(rest.data + 2, "/?#")};
        rest = (struct text){authority.data + authority.len, rest.len - 2 - authority.len};
        const char *at = memrchr(authority.data, '@', authority.len);
        if (at) {
            p->user = text_cut((struct text){authority.data, (size_t)(at - authority.data)}, ':', &p->password);
            authority = (struct text){at + 1, (size_t)(authority.data + authority.len - at - 1)};
        }
        const char *colon = memrchr(authority.data, ':', authority.len), *bracket = memrchr(authority.data, ']', authority.len);
        bool has_port = colon && (!bracket || colon > bracket);
        p->hostname = (struct text){authority.data, has_port ? (size_t)(colon - authority.data) : authority.len};
        if (has_port)
            p->port = (struct text){colon + 1, (size_t)(authority.data + authority.len - colon - 1)};
    }
    p->path = (struct text){rest.data, strcspn(rest.data, "?#")};
    const char *after = rest.data + p->path.len, *hash = after + strcspn(after, "#");
    if (hash - after > 1)
        p->search = (struct text){after, (size_t)(hash - after)};
    if (*hash && hash[1])
        p->hash = text_of(hash);
}

/* A part of the href, named by the row's extra. */
static JSValue href_part(ARGS)
{
    struct parts p;
    char *text = resolved(e, ctx, "href");
    split_url(text, &p);
    const struct {
        const char *name;
        struct text text;
    } parts[] = {{"username", p.user}, {"password", p.password}, {"hostname", p.hostname}, {"port", p.port},
                 {"pathname", p.path}, {"search", p.search}, {"hash", p.hash}};
    struct buf out = {0};
    for (size_t i = 0; i < COUNT(parts); i++)
        if (strcmp(parts[i].name, row->extra) == 0 && parts[i].text.len)
            buf_add(&out, parts[i].text.data, parts[i].text.len);
    bool is_origin = strcmp(row->extra, "origin") == 0;
    if (p.scheme.len && (is_origin || strcmp(row->extra, "protocol") == 0))
        buf_printf(&out, "%.*s:%s", (int)p.scheme.len, p.scheme.data, is_origin ? "//" : "");
    if (p.hostname.len && (is_origin || strcmp(row->extra, "host") == 0))
        buf_printf(&out, "%.*s%s%.*s", (int)p.hostname.len, p.hostname.data, p.port.len ? ":" : "", (int)p.port.len, p.port.len ? p.port.data : "");
    JSValue value = html_text_value(ctx, (struct text){out.data, out.len});
    buf_free(&out);
    mem_free(text);
    return value;
}

/* ---- content ---- */

static JSValue inner_text(ARGS)
{
    struct buf out = {0};
    html_text(&out, e->node);
    JSValue value = html_text_value(ctx, (struct text){out.data, out.len});
    buf_free(&out);
    return value;
}

static JSValue field_value(ARGS)
{
    return html_field_value(ctx, e->node);
}

/* The length of the text. */
static JSValue text_length(ARGS)
{
    JSValue text = html_field_value(ctx, e->node);
    int64_t length = 0;
    JS_GetLength(ctx, text, &length);
    JS_FreeValue(ctx, text);
    return JS_NewInt64(ctx, length);
}

static JSValue list(ARGS)
{
    return html_list_inside(ctx, e->doc, e->node, row->extra);
}

static JSValue list_length(ARGS)
{
    JSValue all = list(ctx, e, row);
    int64_t length = 0;
    JS_GetLength(ctx, all, &length);
    JS_FreeValue(ctx, all);
    return JS_NewInt64(ctx, length);
}

static JSValue first(ARGS)
{
    return html_element_new(ctx, e->doc, html_first_inside(e->doc, e->node, row->extra));
}

static JSValue select_type(ARGS)
{
    return JS_NewString(ctx, html_attr(e->node, "multiple") ? "select-multiple" : "select-one");
}

static JSValue fixed(ARGS)
{
    return JS_NewString(ctx, row->extra);
}

/* attr if it is there, else the text. */
static JSValue attr_or_text(ARGS)
{
    return html_attr(e->node, row->attr) ? html_get_text(ctx, e, row) : inner_text(ctx, e, row);
}

/* ---- relations ---- */

static const struct html_node *enclosing(const struct html_node *node, const char *names)
{
    for (node = node->parent; node; node = node->parent)
        if (node->kind == HTML_ELEMENT && html_has_word(text_of(names), node->text))
            return node;
    return NULL;
}

static const struct html_node *by_id(const struct html_doc *doc, struct text id)
{
    const struct html_node *at = doc->root;
    for (; at; at = html_walk(doc->root, at)) {
        const struct html_attr *own = html_attr(at, "id");
        if (own && text_equal(own->value, id))
            break;
    }
    return at;
}

/* The form that the attribute form names, or the one around. */
static JSValue owner_form(ARGS)
{
    const struct html_attr *named = html_attr(e->node, "form");
    const struct html_node *form = named ? by_id(e->doc, named->value) : NULL;
    return html_element_new(ctx, e->doc, form ? form : enclosing(e->node, "form"));
}

/* An attribute of the element, or of its form when it is missing there. */
static JSValue form_text(ARGS)
{
    const struct html_node *form = enclosing(e->node, "form");
    const char *fallback = row->extra ? row->extra : "";
    if (html_attr(e->node, row->attr) || !form)
        return html_attr_value(ctx, e->node, row->attr, fallback);
    return html_attr_value(ctx, form, row->attr + strlen("form"), fallback);
}

static JSValue labels(ARGS)
{
    const struct html_attr *id = html_attr(e->node, "id");
    JSValue all = JS_NewArray(ctx);
    uint32_t count = 0;
    for (const struct html_node *at = e->doc->root; at; at = html_walk(e->doc->root, at)) {
        const struct html_attr *target = html_is(at, "label") ? html_attr(at, "for") : NULL;
        if (html_is(at, "label") && (target ? id && text_equal(target->value, id->value) : html_is_inside(e->node, at)))
            JS_SetPropertyUint32(ctx, all, count++, html_element_new(ctx, e->doc, at));
    }
    return all;
}

/* What a label is for. */
static JSValue control(ARGS)
{
    const struct html_attr *target = html_attr(e->node, "for");
    const struct html_node *node = target ? by_id(e->doc, target->value) : html_first_inside(e->doc, e->node, ":input, meter, output, progress");
    return html_element_new(ctx, e->doc, node);
}

/* The place among the elements of extra inside the nearest ancestor of attr; -1 outside of one. */
static JSValue place(ARGS)
{
    const struct html_node *top = enclosing(e->node, row->attr), *at = top;
    int64_t index = 0;
    for (; at && at != e->node; at = html_walk(top, at))
        index += at != top && at->kind == HTML_ELEMENT && html_has_word(text_of(row->extra), at->text) && enclosing(at, row->attr) == top;
    return JS_NewInt64(ctx, at ? index : -1);
}

/* The element with the id that attr holds. */
static JSValue referenced(ARGS)
{
    const struct html_attr *attr = html_attr(e->node, row->attr);
    return html_element_new(ctx, e->doc, attr ? by_id(e->doc, attr->value) : NULL);
}

static JSValue selected_index(ARGS)
{
    int64_t index = 0;
    for (const struct html_node *at = html_walk(e->node, e->node); at; at = html_walk(e->node, at)) {
        if (!html_is(at, "option"))
            continue;
        if (html_attr(at, "selected"))
            return JS_NewInt64(ctx, index);
        index++;
    }
    return JS_NewInt64(ctx, -1);
}

/* Images that use a map. */
static JSValue map_images(ARGS)
{
    const struct html_attr *name = html_attr(e->node, "name");
    JSValue all = JS_NewArray(ctx);
    uint32_t count = 0;
    for (const struct html_node *at = name ? e->doc->root : NULL; at; at = html_walk(e->doc->root, at)) {
        const struct html_attr *map = html_is(at, "img") || html_is(at, "object") ? html_attr(at, "usemap") : NULL;
        if (map && map->value.len && map->value.data[0] == '#' && strcmp(map->value.data + 1, name->value.data) == 0)
            JS_SetPropertyUint32(ctx, all, count++, html_element_new(ctx, e->doc, at));
    }
    return all;
}

/* How much of a progress is done; -1 when nobody knows. */
static JSValue progress_position(ARGS)
{
    const struct html_attr *value = html_attr(e->node, "value"), *max = html_attr(e->node, "max");
    double done, all = 1;
    if (!value || !text_to_double(value->value, &done))
        return JS_NewNumber(ctx, -1);
    if (max && (!text_to_double(max->value, &all) || all <= 0))
        all = 1;
    return JS_NewNumber(ctx, done / all);
}

#define HREF "a area"
#define FIELDS "input button"
#define MEDIA "audio video"
#define REFERRER "- no-referrer no-referrer-when-downgrade origin origin-when-cross-origin unsafe-url"
#define CROSS_ORIGIN "- anonymous use-credentials"
#define ENCTYPES "application/x-www-form-urlencoded multipart/form-data text/plain"
#define SUBMITTED "input, select, textarea, button, fieldset, object, output, keygen"
#define text html_get_text
#define words html_get_words

const struct html_accessor html_accessors[] = {
#include "script/k6/html_element_rows.def"
};
const size_t html_accessor_count = COUNT(html_accessors);
