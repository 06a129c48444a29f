/* SPDX-License-Identifier: Apache-2.0 */
/* console.log and its four companions, with k6's rendering of values. */
#include <math.h>
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "script/host.h"

#define MAX_DEPTH 200

struct renderer {
    JSContext *ctx;
    struct buf out;
    JSValueConst seen[MAX_DEPTH];
    int depth;
};

static void render(struct renderer *r, JSValueConst value);

static void add_string(struct renderer *r, JSValueConst value)
{
    size_t len;
    const char *text = JS_ToCStringLen(r->ctx, &len, value);
    if (text)
        buf_add(&r->out, text, len);
    else
        JS_FreeValue(r->ctx, JS_GetException(r->ctx));
    JS_FreeCString(r->ctx, text);
}

static void add_property(struct renderer *r, JSValueConst object, JSAtom name)
{
    JSValue value = JS_GetProperty(r->ctx, object, name);
    if (JS_IsException(value)) {
        JS_FreeValue(r->ctx, JS_GetException(r->ctx));
        value = JS_NULL;
    }
    render(r, value);
    JS_FreeValue(r->ctx, value);
}

static void render_list(struct renderer *r, JSValueConst list)
{
    int64_t length = 0;
    JS_GetLength(r->ctx, list, &length);
    if (length == 0) {
        buf_add_text(&r->out, "[]");
        return;
    }
    buf_add_text(&r->out, "[ ");
    for (int64_t i = 0; i < length; i++) {
        if (i)
            buf_add_text(&r->out, ", ");
        JSValue item = JS_GetPropertyInt64(r->ctx, list, i);
        if (JS_IsException(item))
            JS_FreeValue(r->ctx, JS_GetException(r->ctx));
        render(r, item);
        JS_FreeValue(r->ctx, item);
    }
    buf_add_text(&r->out, " ]");
}

static void render_typed_array(struct renderer *r, JSValueConst array)
{
    static const char *const names[] = {"Uint8ClampedArray", "Int8Array", "Uint8Array", "Int16Array", "Uint16Array", "Int32Array",
                                        "Uint32Array", "BigInt64Array", "BigUint64Array", "Float16Array", "Float32Array", "Float64Array"};
    int type = JS_GetTypedArrayType(array);
    int64_t length = 0;
    JS_GetLength(r->ctx, array, &length);
    buf_printf(&r->out, "%s(%lld) ", type >= 0 && type < 12 ? names[type] : "TypedArray", (long long)length);
    render_list(r, array);
}

static void render_buffer(struct renderer *r, const uint8_t *data, size_t len)
{
    buf_add_text(&r->out, "ArrayBuffer { [Uint8Contents]: <");
    for (size_t i = 0; i < len; i++)
        buf_printf(&r->out, "%s%02x", i ? " " : "", data[i]);
    buf_printf(&r->out, ">, byteLength: %zu }", len);
}

static void render_object(struct renderer *r, JSValueConst object)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(r->ctx, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) {
        JS_FreeValue(r->ctx, JS_GetException(r->ctx));
        buf_add_text(&r->out, "{}");
        return;
    }
    if (count == 0)
        buf_add_text(&r->out, "{}");
    for (uint32_t i = 0; i < count; i++) {
        const char *name = JS_AtomToCString(r->ctx, names[i].atom);
        buf_printf(&r->out, "%s%s: ", i ? ", " : "{ ", name ? name : "");
        JS_FreeCString(r->ctx, name);
        add_property(r, object, names[i].atom);
    }
    if (count)
        buf_add_text(&r->out, " }");
    JS_FreePropertyEnum(r->ctx, names, count);
}

static bool is_cycle(const struct renderer *r, JSValueConst object)
{
    for (int i = 0; i < r->depth; i++)
        if (JS_VALUE_GET_PTR(r->seen[i]) == JS_VALUE_GET_PTR(object))
            return true;
    return false;
}

static void render_date(struct renderer *r, JSValueConst date)
{
    JSAtom name = JS_NewAtom(r->ctx, "toJSON");
    JSValue text = JS_Invoke(r->ctx, date, name, 0, NULL);
    JS_FreeAtom(r->ctx, name);
    if (JS_IsException(text))
        JS_FreeValue(r->ctx, JS_GetException(r->ctx));
    buf_add_char(&r->out, '"');
    add_string(r, text);
    buf_add_char(&r->out, '"');
    JS_FreeValue(r->ctx, text);
}

static void render(struct renderer *r, JSValueConst value)
{
    size_t len;
    if (JS_IsUndefined(value) || JS_IsNull(value) || JS_IsException(value)) {
        buf_add_text(&r->out, "null");
        return;
    }
    if (JS_IsString(value)) {
        buf_add_char(&r->out, '"');
        add_string(r, value);
        buf_add_char(&r->out, '"');
        return;
    }
    if (JS_IsSymbol(value)) {
        JSAtom name = JS_NewAtom(r->ctx, "toString");
        JSValue text = JS_Invoke(r->ctx, value, name, 0, NULL);
        JS_FreeAtom(r->ctx, name);
        add_string(r, text);
        JS_FreeValue(r->ctx, text);
        return;
    }
    if (!JS_IsObject(value)) {
        add_string(r, value);
        return;
    }
    if (JS_IsFunction(r->ctx, value)) {
        buf_add_text(&r->out, "[object Function]");
        return;
    }
    if (is_cycle(r, value)) {
        buf_add_text(&r->out, "[Circular]");
        return;
    }
    if (r->depth == MAX_DEPTH) {
        buf_add_text(&r->out, "...");
        return;
    }
    r->seen[r->depth++] = value;
    if (JS_IsError(value))
        add_string(r, value);
    else if (JS_IsDate(value))
        render_date(r, value);
    else if (JS_IsArray(value))
        render_list(r, value);
    else if (JS_GetTypedArrayType(value) >= 0)
        render_typed_array(r, value);
    else if (JS_IsArrayBuffer(value)) {
        const uint8_t *data = JS_GetArrayBuffer(r->ctx, &len, value);
        render_buffer(r, data, data ? len : 0);
    } else {
        render_object(r, value);
    }
    r->depth--;
}

static void render_argument(struct renderer *r, JSValueConst value)
{
    if (JS_IsString(value))
        add_string(r, value);
    else if (JS_IsUndefined(value))
        buf_add_text(&r->out, "undefined");
    else
        render(r, value);
}

static JSValue console_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int level)
{
    if (!log_enabled((enum log_level)level))
        return JS_UNDEFINED;
    struct renderer *r = js_malloc(ctx, sizeof(*r));
    if (!r)
        return JS_EXCEPTION;
    r->ctx = ctx;
    r->out = (struct buf){0};
    r->depth = 0;
    for (int i = 0; i < argc; i++) {
        if (i)
            buf_add_char(&r->out, ' ');
        render_argument(r, argv[i]);
    }
    if (vu_of(ctx)->phase == PHASE_INIT) {
        static const struct log_field source = {"source", "console"};
        log_write((enum log_level)level, &source, 1, "%s", r->out.data ? r->out.data : "");
    } else {
        log_console((enum log_level)level, r->out.data ? r->out.data : "", r->out.len);
    }
    buf_free(&r->out);
    js_free(ctx, r);
    return JS_UNDEFINED;
}

void console_install(JSContext *ctx, JSValueConst global)
{
    static const struct {
        const char *name;
        enum log_level level;
    } methods[] = {
        {"log", LOG_INFO}, {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARNING}, {"error", LOG_ERROR},
    };
    JSValue console = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        JS_SetPropertyStr(ctx, console, methods[i].name,
                          JS_NewCFunctionMagic(ctx, console_write, methods[i].name, 0, JS_CFUNC_generic_magic, (int)methods[i].level));
    JS_DefinePropertyValueStr(ctx, global, "console", console, JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
}
