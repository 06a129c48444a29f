/* SPDX-License-Identifier: Apache-2.0 */
/* Response.html(), submitForm() and clickLink(): a page and the way on from it. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/url.h"
#include "script/k6/html.h"
#include "script/k6/http_job.h"

/* The page of a response; NULL with an exception. */
static struct html_set *page_of(JSContext *ctx, JSValueConst response, JSValue *selection)
{
    JSValue body = JS_GetPropertyStr(ctx, response, "body");
    struct js_bytes bytes;
    *selection = JS_EXCEPTION;
    if (!js_bytes_read(ctx, body, &bytes)) {
        js_throw_error(ctx, "the body is null so we can't transform it to HTML - this likely was because of a request error getting the response");
    } else {
        JSValue url = JS_GetPropertyStr(ctx, response, "url");
        const char *base = JS_ToCString(ctx, url);
        *selection = html_parse_selection(ctx, (const char *)bytes.data, bytes.len, base ? base : "");
        JS_FreeCString(ctx, base);
        JS_FreeValue(ctx, url);
        js_bytes_free(ctx, &bytes);
    }
    JS_FreeValue(ctx, body);
    return JS_IsException(*selection) ? NULL : html_set_of(*selection);
}

static JSValue response_html(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue page;
    struct html_set *set = page_of(ctx, this_val, &page);
    if (!set || argc < 1 || JS_IsUndefined(argv[0]))
        return page;
    const char *selector = JS_ToCString(ctx, argv[0]);
    JSValue found = selector ? html_selection_new(ctx, html_find(set, selector, false)) : JS_EXCEPTION;
    JS_FreeCString(ctx, selector);
    JS_FreeValue(ctx, page);
    return found;
}

/* An option of the argument object: undefined when there is none. */
static JSValue option_of(JSContext *ctx, int argc, JSValueConst *argv, const char *name)
{
    return argc > 0 && JS_IsObject(argv[0]) ? JS_GetPropertyStr(ctx, argv[0], name) : JS_UNDEFINED;
}

static char *text_option(JSContext *ctx, int argc, JSValueConst *argv, const char *name, const char *fallback)
{
    JSValue value = option_of(ctx, argc, argv, name);
    const char *text = JS_IsUndefined(value) || JS_IsNull(value) ? NULL : JS_ToCString(ctx, value);
    char *option = mem_strdup(text ? text : fallback);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    return option;
}

/* Sends the VU on to a reference of the page; query (may be NULL) replaces the reference's own. */
static JSValue follow(JSContext *ctx, const struct html_set *page, const char *method, const char *reference, const struct buf *query, JSValueConst body, JSValueConst params)
{
    struct error err = {0};
    struct http_worker *worker = vu_of(ctx)->worker->http;
    const struct http_url *base = http_url_get(worker, page->doc->url, strlen(page->doc->url), &err);
    const struct http_url *url = base ? http_url_resolve(worker, base, reference, strlen(reference), &err) : NULL;
    http_url_unref(base);
    if (!url) {
        js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
        return JS_EXCEPTION;
    }
    struct buf target = {0};
    buf_add(&target, url->text, query ? strcspn(url->text, "?#") : strlen(url->text));
    if (query && query->len)
        buf_printf(&target, "?%s", query->data);
    JSValue address = JS_NewStringLen(ctx, target.data, target.len);
    buf_free(&target);
    http_url_unref(url);
    JSValue response = http_run_request(ctx, method, address, body, params);
    JS_FreeValue(ctx, address);
    return response;
}

static JSValue response_click_link(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue page, result = JS_EXCEPTION;
    struct html_set *set = vu_require_running(ctx, "making http requests") ? page_of(ctx, this_val, &page) : NULL;
    if (!set)
        return JS_EXCEPTION;
    char *selector = text_option(ctx, argc, argv, "selector", "a[href]");
    struct html_set *links = html_find(set, selector, true);
    const struct html_attr *href = links->count ? html_attr(links->nodes[0], "href") : NULL;
    if (!links->count) {
        js_throw_error(ctx, "no element found for selector '%s' in response '%s'", selector, set->doc->url);
    } else if (!href) {
        js_throw_error(ctx, "no valid href attribute value found on element '%s' in response '%s'", selector, set->doc->url);
    } else {
        JSValue params = option_of(ctx, argc, argv, "params");
        result = follow(ctx, set, "GET", href->value.data, NULL, JS_UNDEFINED, params);
        JS_FreeValue(ctx, params);
    }
    html_set_unref(links);
    mem_free(selector);
    JS_FreeValue(ctx, page);
    return result;
}

/* The form's fields, the button's, and what the script puts in their place. */
static JSValue form_fields(JSContext *ctx, int argc, JSValueConst *argv, struct html_set *form)
{
    JSValue fields = html_field_values(ctx, form), overrides = option_of(ctx, argc, argv, "fields");
    char *selector = text_option(ctx, argc, argv, "submitSelector", "[type=\"submit\"]");
    struct html_set *button = html_find(form, selector, true);
    const struct html_attr *name = button->count ? html_attr(button->nodes[0], "name") : NULL;
    if (name && name->value.len)
        JS_DefinePropertyValueStr(ctx, fields, name->value.data, html_field_value(ctx, button->nodes[0]), JS_PROP_C_W_E);
    html_set_unref(button);
    mem_free(selector);
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_IsObject(overrides) && JS_GetOwnPropertyNames(ctx, &names, &count, overrides, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) == 0) {
        for (uint32_t i = 0; i < count; i++)
            JS_DefinePropertyValue(ctx, fields, names[i].atom, JS_GetProperty(ctx, overrides, names[i].atom), JS_PROP_C_W_E);
        JS_FreePropertyEnum(ctx, names, count);
    }
    JS_FreeValue(ctx, overrides);
    return fields;
}

static void add_query_pair(JSContext *ctx, struct buf *out, const char *name, JSValueConst value)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, value);
    if (!text)
        return;
    if (out->len)
        buf_add_char(out, '&');
    http_query_escape(out, name, strlen(name));
    buf_add_char(out, '=');
    http_query_escape(out, text, len);
    JS_FreeCString(ctx, text);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fields as the query of a form that is sent by GET, sorted by name. */
static void query_of(JSContext *ctx, JSValueConst fields, struct buf *out)
{
    JSPropertyEnum *properties;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &properties, &count, fields, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return;
    const char **names = mem_array(count + 1, sizeof(names[0]));
    for (uint32_t i = 0; i < count; i++)
        names[i] = JS_AtomToCString(ctx, properties[i].atom);
    qsort(names, count, sizeof(names[0]), compare_names);
    for (uint32_t i = 0; i < count; i++) {
        JSValue value = JS_GetPropertyStr(ctx, fields, names[i]);
        int64_t length = 1;
        bool is_list = JS_IsArray(value);
        if (is_list)
            JS_GetLength(ctx, value, &length);
        for (int64_t k = 0; k < length; k++) {
            JSValue item = is_list ? JS_GetPropertyInt64(ctx, value, k) : JS_DupValue(ctx, value);
            add_query_pair(ctx, out, names[i], item);
            JS_FreeValue(ctx, item);
        }
        JS_FreeValue(ctx, value);
        JS_FreeCString(ctx, names[i]);
    }
    mem_free(names);
    JS_FreePropertyEnum(ctx, properties, count);
}

static JSValue send_form(JSContext *ctx, int argc, JSValueConst *argv, const struct html_set *page, struct html_set *form)
{
    const struct html_attr *method = html_attr(form->nodes[0], "method"), *action = html_attr(form->nodes[0], "action");
    bool is_post = method && text_equal_nocase(method->value, TEXT("post"));
    JSValue fields = form_fields(ctx, argc, argv, form), params = option_of(ctx, argc, argv, "params");
    struct buf query = {0};
    if (!is_post)
        query_of(ctx, fields, &query);
    const char *reference = action ? action->value.data : "";
    JSValue result = follow(ctx, page, is_post ? "POST" : "GET", reference, is_post ? NULL : &query, is_post ? fields : JS_UNDEFINED, params);
    buf_free(&query);
    JS_FreeValue(ctx, fields);
    JS_FreeValue(ctx, params);
    return result;
}

static JSValue response_submit_form(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue page, result;
    struct html_set *set = vu_require_running(ctx, "making http requests") ? page_of(ctx, this_val, &page) : NULL;
    if (!set)
        return JS_EXCEPTION;
    char *selector = text_option(ctx, argc, argv, "formSelector", "form");
    struct html_set *form = html_find(set, selector, true);
    if (form->count)
        result = send_form(ctx, argc, argv, set, form);
    else
        result = js_throw_error(ctx, "no form found for selector '%s' in response '%s'", selector, set->doc->url);
    html_set_unref(form);
    mem_free(selector);
    JS_FreeValue(ctx, page);
    return result;
}

void http_page_methods(JSContext *ctx, JSValueConst proto)
{
    js_add_function(ctx, proto, "html", response_html, 1);
    js_add_function(ctx, proto, "submitForm", response_submit_form, 1);
    js_add_function(ctx, proto, "clickLink", response_click_link, 1);
}
