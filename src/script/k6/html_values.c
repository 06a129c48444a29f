/* SPDX-License-Identifier: Apache-2.0 */
/* What a Selection says of its nodes: text, attributes, form values, data-*. */
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "http/form.h"
#include "script/k6/html.h"

static struct html_set *this_set(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_SELECTION);
}

JSValue html_text_value(JSContext *ctx, struct text text)
{
    return JS_NewStringLen(ctx, text.len ? text.data : "", text.len);
}

static JSValue take_buf(JSContext *ctx, struct buf *out)
{
    JSValue value = JS_NewStringLen(ctx, out->len ? out->data : "", out->len);
    buf_free(out);
    return value;
}

JSValue html_inner_value(JSContext *ctx, const struct html_node *node)
{
    struct buf out = {0};
    html_render_inner(&out, node);
    return take_buf(ctx, &out);
}

JSValue html_attr_value(JSContext *ctx, const struct html_node *node, const char *name, const char *fallback)
{
    const struct html_attr *attr = html_attr(node, name);
    if (attr)
        return html_text_value(ctx, attr->value);
    return fallback ? JS_NewString(ctx, fallback) : JS_UNDEFINED;
}

static JSValue selection_text(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    struct buf out = {0};
    for (size_t i = 0; set && i < set->count; i++)
        html_text(&out, set->nodes[i]);
    return set ? take_buf(ctx, &out) : JS_EXCEPTION;
}

static JSValue selection_html(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    return set->count ? html_inner_value(ctx, set->nodes[0]) : JS_NewString(ctx, "");
}

static JSValue selection_attr(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    const char *name = set && argc > 0 ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!set || (argc > 0 && !name))
        return JS_EXCEPTION;
    const struct html_attr *attr = name && set->count ? html_attr(set->nodes[0], name) : NULL;
    JS_FreeCString(ctx, name);
    if (attr)
        return html_text_value(ctx, attr->value);
    return argc > 1 ? JS_DupValue(ctx, argv[1]) : JS_UNDEFINED;
}

/* ---- form values ---- */

static JSValue value_or_inner(JSContext *ctx, const struct html_node *node)
{
    const struct html_attr *value = html_attr(node, "value");
    return value ? html_text_value(ctx, value->value) : html_inner_value(ctx, node);
}

static JSValue select_value(JSContext *ctx, const struct html_node *node)
{
    bool multiple = html_attr(node, "multiple") != NULL;
    JSValue list = multiple ? JS_NewArray(ctx) : JS_UNDEFINED;
    uint32_t count = 0;
    for (const struct html_node *at = html_walk(node, node); at; at = html_walk(node, at)) {
        if (!html_is(at, "option") || !html_attr(at, "selected"))
            continue;
        JSValue value = value_or_inner(ctx, at);
        if (!multiple)
            return value;
        JS_SetPropertyUint32(ctx, list, count++, value);
    }
    return multiple ? list : JS_NewString(ctx, "");
}

JSValue html_field_value(JSContext *ctx, const struct html_node *node)
{
    if (html_is(node, "input")) {
        bool is_choice = html_attr_is(node, "type", "radio") || html_attr_is(node, "type", "checkbox");
        return html_attr_value(ctx, node, "value", is_choice ? "on" : "");
    }
    if (html_is(node, "button"))
        return html_attr_value(ctx, node, "value", "");
    if (html_is(node, "textarea"))
        return html_inner_value(ctx, node);
    if (html_is(node, "option"))
        return value_or_inner(ctx, node);
    return html_is(node, "select") ? select_value(ctx, node) : JS_UNDEFINED;
}

static JSValue selection_val(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    return set->count ? html_field_value(ctx, set->nodes[0]) : JS_UNDEFINED;
}

/* Whether a form sends this field. That a bare `checked` does not count, nor a bare `disabled`, is k6's way. */
static bool is_sent(const struct html_node *node)
{
    static const char *const unsent[] = {"submit", "button", "reset", "image", "file"};
    if (!html_is(node, "input") && !html_is(node, "select") && !html_is(node, "textarea") && !html_is(node, "keygen"))
        return false;
    if (!html_attr(node, "name") || html_attr_is(node, "name", "") || html_attr_is(node, "disabled", "disabled"))
        return false;
    for (size_t i = 0; i < sizeof(unsent) / sizeof(unsent[0]); i++)
        if (html_attr_is(node, "type", unsent[i]))
            return false;
    bool is_choice = html_attr_is(node, "type", "radio") || html_attr_is(node, "type", "checkbox");
    return !is_choice || html_attr_is(node, "checked", "checked");
}

static struct html_set *sent_fields(const struct html_set *set)
{
    struct html_set *fields = html_set_new(set->doc, NULL);
    for (size_t i = 0; i < set->count; i++) {
        const struct html_node *top = set->nodes[i];
        if (is_sent(top))
            html_set_add(fields, top);
        for (const struct html_node *at = html_is(top, "form") ? html_walk(top, top) : NULL; at; at = html_walk(top, at))
            if (is_sent(at))
                html_set_add(fields, at);
    }
    return fields;
}

static JSValue selection_serialize_array(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    struct html_set *fields = sent_fields(set);
    JSValue list = JS_NewArray(ctx);
    for (size_t i = 0; i < fields->count; i++) {
        JSValue item = JS_NewObject(ctx);
        JS_SetPropertyStr(ctx, item, "name", html_attr_value(ctx, fields->nodes[i], "name", ""));
        JS_SetPropertyStr(ctx, item, "value", html_field_value(ctx, fields->nodes[i]));
        JS_SetPropertyUint32(ctx, list, (uint32_t)i, item);
    }
    html_set_unref(fields);
    return list;
}

JSValue html_field_values(JSContext *ctx, const struct html_set *set)
{
    struct html_set *fields = sent_fields(set);
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; i < fields->count; i++)
        JS_DefinePropertyValueStr(ctx, object, html_attr(fields->nodes[i], "name")->value.data, html_field_value(ctx, fields->nodes[i]), JS_PROP_C_W_E);
    html_set_unref(fields);
    return object;
}

static JSValue selection_serialize_object(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    return set ? html_field_values(ctx, set) : JS_EXCEPTION;
}

struct pairs {
    struct form_pair *list;
    size_t count, cap;
};

static void add_pair(JSContext *ctx, struct pairs *pairs, struct text name, JSValueConst value)
{
    struct form_pair pair = {.key = name.data, .key_len = name.len};
    pair.value = JS_ToCStringLen(ctx, &pair.value_len, value);
    if (!pair.value)
        return;
    mem_grow(&pairs->list, &pairs->cap, pairs->count + 1, sizeof(pair));
    pairs->list[pairs->count++] = pair;
}

static void add_field(JSContext *ctx, struct pairs *pairs, const struct html_node *field)
{
    JSValue value = html_field_value(ctx, field);
    struct text name = html_attr(field, "name")->value;
    if (JS_IsString(value))
        add_pair(ctx, pairs, name, value);
    int64_t length = 0;
    if (JS_IsArray(value))
        JS_GetLength(ctx, value, &length);
    for (int64_t i = 0; i < length; i++) {
        JSValue item = JS_GetPropertyInt64(ctx, value, i);
        add_pair(ctx, pairs, name, item);
        JS_FreeValue(ctx, item);
    }
    JS_FreeValue(ctx, value);
}

static JSValue selection_serialize(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    struct html_set *fields = sent_fields(set);
    struct pairs pairs = {0};
    struct buf out = {0};
    for (size_t i = 0; i < fields->count; i++)
        add_field(ctx, &pairs, fields->nodes[i]);
    form_encode(&out, pairs.list, pairs.count);
    for (size_t i = 0; i < pairs.count; i++)
        JS_FreeCString(ctx, pairs.list[i].value);
    mem_free(pairs.list);
    html_set_unref(fields);
    return take_buf(ctx, &out);
}

/* ---- data ---- */

static JSValue data_value(JSContext *ctx, struct text value)
{
    double number;
    if (value.len == 0 || text_equal(value, TEXT("undefined")) || text_equal(value, TEXT("null")))
        return JS_UNDEFINED;
    if (text_equal(value, TEXT("true")) || text_equal(value, TEXT("false")))
        return JS_NewBool(ctx, value.data[0] == 't');
    if (text_to_double(value, &number))
        return JS_NewNumber(ctx, number);
    if (value.data[0] == '{' || value.data[0] == '[') {
        JSValue parsed = JS_ParseJSON(ctx, value.data, value.len, "data");
        if (!JS_IsException(parsed))
            return parsed;
        JS_FreeValue(ctx, JS_GetException(ctx));
    }
    return html_text_value(ctx, value);
}

/* fooBar -> data-foo-bar */
static void data_attr_name(struct buf *out, const char *key)
{
    buf_add_text(out, "data-");
    for (; *key; key++) {
        bool upper = *key >= 'A' && *key <= 'Z';
        if (upper)
            buf_add_char(out, '-');
        buf_add_char(out, upper ? (char)(*key + 32) : *key);
    }
}

/* data-foo-bar -> fooBar */
static void data_key(struct buf *out, struct text name)
{
    for (size_t i = strlen("data-"); i < name.len; i++) {
        bool joint = name.data[i] == '-' && i + 1 < name.len && name.data[i + 1] >= 'a' && name.data[i + 1] <= 'z';
        buf_add_char(out, joint ? (char)(name.data[++i] - 32) : name.data[i]);
    }
}

static JSValue selection_data(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    struct buf name = {0};
    if (!set)
        return JS_EXCEPTION;
    const struct html_node *node = set->count ? set->nodes[0] : NULL;
    if (argc > 0 && !JS_IsUndefined(argv[0])) {
        const char *key = JS_ToCString(ctx, argv[0]);
        if (!key)
            return JS_EXCEPTION;
        data_attr_name(&name, key);
        JS_FreeCString(ctx, key);
        const struct html_attr *attr = node ? html_attr(node, name.data) : NULL;
        buf_free(&name);
        return attr ? data_value(ctx, attr->value) : JS_UNDEFINED;
    }
    if (!node)
        return JS_UNDEFINED;
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; i < node->attr_count; i++) {
        if (!text_starts(node->attrs[i].name, "data-") || node->attrs[i].name.len == strlen("data-"))
            continue;
        buf_clear(&name);
        data_key(&name, node->attrs[i].name);
        JS_DefinePropertyValueStr(ctx, object, name.data, data_value(ctx, node->attrs[i].value), JS_PROP_C_W_E);
    }
    buf_free(&name);
    return object;
}

void html_value_methods(JSContext *ctx, JSValueConst proto)
{
    static const struct {
        const char *name;
        JSCFunction *function;
    } rows[] = {
        {"text", selection_text}, {"html", selection_html}, {"attr", selection_attr}, {"val", selection_val}, {"data", selection_data},
        {"serialize", selection_serialize}, {"serializeArray", selection_serialize_array}, {"serializeObject", selection_serialize_object},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        js_add_function(ctx, proto, rows[i].name, rows[i].function, 1);
}
