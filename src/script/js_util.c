/* SPDX-License-Identifier: Apache-2.0 */
/* Small bridges between C and JavaScript values that the k6 modules share. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/files.h"
#include "script/host.h"

JSValue js_throw_error(JSContext *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    JS_ThrowPlainError(ctx, "%s", text);
    mem_free(text);
    return JS_EXCEPTION;
}

JSValue js_throw_named(JSContext *ctx, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    JSValue error = JS_NewError(ctx);
    JS_DefinePropertyValueStr(ctx, error, "name", JS_NewString(ctx, name), JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    JS_DefinePropertyValueStr(ctx, error, "message", JS_NewString(ctx, text), JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    mem_free(text);
    return JS_Throw(ctx, error);
}

JSValue js_settled(JSContext *ctx, JSValue value)
{
    JSValue functions[2], argument = value;
    bool failed = JS_IsException(value);
    if (failed) {
        if (vu_of(ctx)->cut)
            return JS_EXCEPTION;
        argument = JS_GetException(ctx);
    }
    JSValue promise = JS_NewPromiseCapability(ctx, functions);
    JS_FreeValue(ctx, JS_Call(ctx, functions[failed], JS_UNDEFINED, 1, (JSValueConst *)&argument));
    JS_FreeValue(ctx, argument);
    JS_FreeValue(ctx, functions[0]);
    JS_FreeValue(ctx, functions[1]);
    return promise;
}

/* A line of a stack ("at f (file:///a.ts:3:7)"), with the place where it was written. */
static void add_stack_line(struct buf *out, struct script *script, struct text line)
{
    buf_add_text(out, "\n\t");
    const char *open = memchr(line.data, '(', line.len), *begin = open ? open + 1 : NULL;
    struct text place = begin ? (struct text){begin, (size_t)(line.data + line.len - begin)} : (struct text){NULL, 0};
    if (place.len && place.data[place.len - 1] == ')')
        place.len--;
    size_t colons[2] = {0, 0}, found = 0;
    for (size_t i = place.len; i > 0 && found < 2; i--)
        if (place.data[i - 1] == ':')
            colons[found++] = i - 1;
    int64_t row, column;
    if (found < 2 || !text_to_int((struct text){place.data + colons[1] + 1, colons[0] - colons[1] - 1}, &row) ||
        !text_to_int((struct text){place.data + colons[0] + 1, place.len - colons[0] - 1}, &column)) {
        buf_add(out, line.data, line.len);
        return;
    }
    int at_line = (int)row, at_column = (int)column;
    char *name = mem_strndup(place.data, colons[1]), *source = files_place(script->files, name, &at_line, &at_column);
    if (source)
        buf_printf(out, "%.*s%s:%d:%d)", (int)(begin - line.data), line.data, source, at_line, at_column);
    else
        buf_add(out, line.data, line.len);
    mem_free(source);
    mem_free(name);
}

char *js_error_text(JSContext *ctx, JSValueConst error)
{
    struct buf out = {0};
    JSValue pending = JS_GetException(ctx);
    const char *message = JS_ToCString(ctx, error);
    if (!message)
        JS_FreeValue(ctx, JS_GetException(ctx));
    buf_add_text(&out, message ? message : "exception");
    JS_FreeCString(ctx, message);
    if (JS_IsError(error)) {
        JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
        const char *lines = JS_IsString(stack) ? JS_ToCString(ctx, stack) : NULL;
        for (struct text left = text_of(lines), rest; left.data && left.len; left = rest) {
            struct text line = text_trim(text_cut(left, '\n', &rest));
            if (line.len)
                add_stack_line(&out, script_of(ctx), line);
        }
        JS_FreeCString(ctx, lines);
        JS_FreeValue(ctx, stack);
    }
    if (!JS_IsUninitialized(pending))
        JS_Throw(ctx, pending);
    return buf_take(&out);
}

void vu_log_exception(struct vu *vu, JSValueConst error)
{
    char *text = js_error_text(vu->realm->ctx, error);
    struct log_field fields[3] = {{"source", "stacktrace"}};
    size_t count = 1;
    if (vu->scenario) {
        fields[count++] = (struct log_field){"executor", vu->scenario->executor};
        fields[count++] = (struct log_field){"scenario", vu->scenario->name};
    }
    char *hint = hint_for_error(vu->realm->script, text);
    if (hint)
        log_write(LOG_ERROR, fields, count, "%s\n\thint: %s", text, hint);
    else
        log_write(LOG_ERROR, fields, count, "%s", text);
    mem_free(hint);
    mem_free(text);
}

bool js_to_duration_ns(JSContext *ctx, JSValueConst value, int64_t *ns)
{
    if (JS_IsString(value)) {
        const char *text = JS_ToCString(ctx, value);
        double ms;
        bool valid = text && (text_to_duration_ns(text_of(text), ns) || (text_to_double(text_of(text), &ms) && (*ns = (int64_t)(ms * 1e6), true)));
        if (!valid)
            js_throw_error(ctx, "invalid duration '%s': write it like '30s', '1m30s' or '500ms'", text ? text : "");
        JS_FreeCString(ctx, text);
        return valid;
    }
    double ms;
    if (!JS_IsNumber(value) || JS_ToFloat64(ctx, &ms, value) || !isfinite(ms)) {
        js_throw_error(ctx, "invalid duration: a number of milliseconds or a text like '30s' is needed");
        return false;
    }
    *ns = (int64_t)(ms * 1e6);
    return true;
}

bool js_each_property(JSContext *ctx, JSValueConst object, const char *what, bool (*each)(JSContext *ctx, void *arg, const char *name, JSValueConst value), void *arg)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_IsUndefined(object) || JS_IsNull(object))
        return true;
    if (!JS_IsObject(object)) {
        JS_ThrowTypeError(ctx, "%s must be an object", what);
        return false;
    }
    if (JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    bool go_on = true;
    for (uint32_t i = 0; i < count && go_on; i++) {
        JSValue value = JS_GetProperty(ctx, object, names[i].atom);
        const char *name = JS_AtomToCString(ctx, names[i].atom);
        go_on = name && !JS_IsException(value) && each(ctx, arg, name, value);
        JS_FreeCString(ctx, name);
        JS_FreeValue(ctx, value);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return go_on;
}

bool js_bytes_read(JSContext *ctx, JSValueConst value, struct js_bytes *bytes)
{
    *bytes = (struct js_bytes){0};
    if (JS_IsString(value)) {
        bytes->cstring = JS_ToCStringLen(ctx, &bytes->len, value);
        bytes->data = (const uint8_t *)bytes->cstring;
        return bytes->cstring != NULL;
    }
    if (JS_IsArrayBuffer(value)) {
        bytes->data = JS_GetArrayBuffer(ctx, &bytes->len, value);
        return true;
    }
    if (JS_GetTypedArrayType(value) >= 0 || JS_IsDataView(value)) {
        size_t offset = 0, length = 0, element;
        JSValue buffer;
        if (JS_IsDataView(value)) {
            JSValue parts[3] = {JS_GetPropertyStr(ctx, value, "buffer"), JS_GetPropertyStr(ctx, value, "byteOffset"), JS_GetPropertyStr(ctx, value, "byteLength")};
            int64_t at = 0, len = 0;
            JS_ToInt64(ctx, &at, parts[1]);
            JS_ToInt64(ctx, &len, parts[2]);
            buffer = parts[0];
            offset = (size_t)at;
            length = (size_t)len;
        } else {
            buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &length, &element);
        }
        size_t whole = 0;
        const uint8_t *data = JS_IsException(buffer) ? NULL : JS_GetArrayBuffer(ctx, &whole, buffer);
        JS_FreeValue(ctx, buffer);
        if (!data && length)
            return false;
        bytes->data = data ? data + offset : NULL;
        bytes->len = length;
        return true;
    }
    return false;
}

void js_bytes_free(JSContext *ctx, struct js_bytes *bytes)
{
    JS_FreeCString(ctx, bytes->cstring);
    bytes->cstring = NULL;
}

JSValue js_new_array_buffer(JSContext *ctx, const void *data, size_t len)
{
    return JS_NewArrayBufferCopy(ctx, data, len);
}

/* ---- tags ---- */

void js_tags_free(struct js_tags *tags)
{
    for (size_t i = 0; i < tags->count; i++) {
        JS_FreeCString(tags->ctx, tags->list[i].key);
        JS_FreeCString(tags->ctx, tags->list[i].value);
    }
    mem_free(tags->list);
    tags->list = NULL;
    tags->count = 0;
}

bool js_tags_read(JSContext *ctx, JSValueConst object, struct js_tags *tags)
{
    *tags = (struct js_tags){.ctx = ctx};
    if (JS_IsUndefined(object) || JS_IsNull(object))
        return true;
    JSPropertyEnum *names;
    uint32_t count;
    if (!JS_IsObject(object)) {
        JS_ThrowTypeError(ctx, "tags must be an object of names and values");
        return false;
    }
    if (JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    tags->list = count ? mem_array(count, sizeof(tags->list[0])) : NULL;
    bool valid = true;
    for (uint32_t i = 0; i < count && valid; i++) {
        JSValue value = JS_GetProperty(ctx, object, names[i].atom);
        const char *name = JS_AtomToCString(ctx, names[i].atom);
        valid = JS_IsString(value) || JS_IsNumber(value) || JS_IsBool(value);
        if (valid) {
            tags->list[tags->count++] = (struct tag){name, JS_ToCString(ctx, value)};
        } else {
            if (!JS_IsException(value))
                JS_ThrowTypeError(ctx, "invalid value for metric tag '%s': only String, Boolean and Number types are accepted", name);
            JS_FreeCString(ctx, name);
        }
        JS_FreeValue(ctx, value);
    }
    JS_FreePropertyEnum(ctx, names, count);
    if (!valid)
        js_tags_free(tags);
    return valid;
}

const struct tagset *vu_tags_with(struct vu *vu, const struct tag *changes, size_t count)
{
    struct script *script = vu->realm->script;
    if (vu->worker && vu->worker->tag_cache)
        return tagset_with_cached(vu->worker->tag_cache, vu->tags, changes, count);
    return tagset_with(script->config.tags, vu->tags, changes, count);
}

bool vu_has_system_tag(const struct vu *vu, unsigned bit)
{
    return (vu->realm->script->settings->system_tags & bit) != 0;
}

void vu_emit_at(struct vu *vu, const struct sample *samples, size_t count, int64_t wall_ns, unsigned flags)
{
    struct shard *shard = vu->worker->shard;
    if (vu->cut)
        return;
    if (!shard_wants_metadata(shard)) {
        shard_add(shard, samples, count, wall_ns, flags, NULL, 0);
        return;
    }
    struct tag metadata[16];
    char number[2][24];
    size_t used = 0;
    for (size_t i = 0; i < vu->metadata_count && used < 14; i++)
        metadata[used++] = vu->metadata[i];
    if (vu_has_system_tag(vu, TAG_VU)) {
        snprintf(number[0], sizeof(number[0]), "%llu", (unsigned long long)vu->id_in_test);
        metadata[used++] = (struct tag){"vu", number[0]};
    }
    if (vu_has_system_tag(vu, TAG_ITER) && vu->phase == PHASE_ITERATION) {
        snprintf(number[1], sizeof(number[1]), "%llu", (unsigned long long)vu->iterations);
        metadata[used++] = (struct tag){"iter", number[1]};
    }
    shard_add(shard, samples, count, wall_ns, flags, metadata, used);
}

void vu_emit(struct vu *vu, const struct sample *samples, size_t count, unsigned flags)
{
    vu_emit_at(vu, samples, count, clock_wall_ns(), flags);
}

/* ---- phases ---- */

bool vu_require_running(JSContext *ctx, const char *what)
{
    if (vu_of(ctx)->phase != PHASE_INIT)
        return true;
    js_throw_error(ctx, "%s can't be used in the init context: call it from the default function, setup or teardown", what);
    return false;
}

bool vu_require_init(JSContext *ctx, const char *what)
{
    if (vu_of(ctx)->phase == PHASE_INIT)
        return true;
    js_throw_error(ctx, "%s is only available in the init stage (the top level of the script)", what);
    return false;
}

unsigned system_tag_bit(const char *name)
{
    static const char *const names[] = {"proto",  "subproto", "status",      "method",   "url",     "name",              "group", "check", "error",
                                        "error_code", "tls_version", "scenario", "service", "expected_response", "iter",  "vu",    "ocsp_status", "ip"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return 1u << i;
    return 0;
}

/* ---- Go's idea of a value as JSON ---- */

struct go_writer {
    JSContext *ctx;
    struct buf out;
    int depth;
};

static bool write_value(struct go_writer *w, JSValueConst value);

static void write_string(struct go_writer *w, JSValueConst value)
{
    size_t len;
    const char *text = JS_ToCStringLen(w->ctx, &len, value);
    json_quote(&w->out, text ? text : "", text ? len : 0);
    JS_FreeCString(w->ctx, text);
}

static void write_base64(struct go_writer *w, const struct js_bytes *bytes)
{
    buf_add_char(&w->out, '"');
    base64_encode(&w->out, bytes->data, bytes->len, BASE64_STD);
    buf_add_char(&w->out, '"');
}

static bool write_array(struct go_writer *w, JSValueConst value)
{
    int64_t length = 0;
    bool valid = true;
    JS_GetLength(w->ctx, value, &length);
    buf_add_char(&w->out, '[');
    for (int64_t i = 0; i < length && valid; i++) {
        if (i)
            buf_add_char(&w->out, ',');
        JSValue item = JS_GetPropertyInt64(w->ctx, value, i);
        valid = write_value(w, item);
        JS_FreeValue(w->ctx, item);
    }
    buf_add_char(&w->out, ']');
    return valid;
}

static bool write_object(struct go_writer *w, JSValueConst value)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(w->ctx, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    bool valid = true;
    buf_add_char(&w->out, '{');
    for (uint32_t i = 0; i < count && valid; i++) {
        if (i)
            buf_add_char(&w->out, ',');
        JSValue name = JS_AtomToString(w->ctx, names[i].atom), item = JS_GetProperty(w->ctx, value, names[i].atom);
        write_string(w, name);
        buf_add_char(&w->out, ':');
        valid = write_value(w, item);
        JS_FreeValue(w->ctx, name);
        JS_FreeValue(w->ctx, item);
    }
    buf_add_char(&w->out, '}');
    JS_FreePropertyEnum(w->ctx, names, count);
    return valid;
}

static bool write_with_to_json(struct go_writer *w, JSValueConst value, bool *handled)
{
    JSValue method = JS_GetPropertyStr(w->ctx, value, "toJSON");
    *handled = JS_IsFunction(w->ctx, method);
    bool valid = true;
    if (*handled) {
        JSValue replaced = JS_Call(w->ctx, method, value, 0, NULL);
        valid = !JS_IsException(replaced) && write_value(w, replaced);
        JS_FreeValue(w->ctx, replaced);
    }
    JS_FreeValue(w->ctx, method);
    return valid;
}

static bool write_value(struct go_writer *w, JSValueConst value)
{
    struct js_bytes bytes;
    double number;
    bool handled;
    if (JS_IsException(value) || JS_IsFunction(w->ctx, value) || JS_IsSymbol(value) || w->depth > 500)
        return false;
    if (JS_IsUndefined(value) || JS_IsNull(value)) {
        buf_add_text(&w->out, "null");
        return true;
    }
    if (JS_IsBool(value)) {
        buf_add_text(&w->out, JS_ToBool(w->ctx, value) ? "true" : "false");
        return true;
    }
    if (JS_IsNumber(value)) {
        JS_ToFloat64(w->ctx, &number, value);
        number_format(&w->out, number);
        return isfinite(number);
    }
    if (JS_IsString(value)) {
        write_string(w, value);
        return true;
    }
    if (JS_IsBigInt(value)) {
        const char *digits = JS_ToCString(w->ctx, value);
        buf_add_text(&w->out, digits ? digits : "null");
        JS_FreeCString(w->ctx, digits);
        return true;
    }
    if (js_bytes_read(w->ctx, value, &bytes)) {
        write_base64(w, &bytes);
        js_bytes_free(w->ctx, &bytes);
        return true;
    }
    bool valid = write_with_to_json(w, value, &handled);
    if (handled)
        return valid;
    w->depth++;
    valid = JS_IsArray(value) ? write_array(w, value) : write_object(w, value);
    w->depth--;
    return valid;
}

bool js_to_go_json(JSContext *ctx, JSValueConst value, char **json)
{
    struct go_writer w = {.ctx = ctx};
    *json = NULL;
    if (JS_IsUndefined(value))
        return true;
    bool valid = write_value(&w, value);
    if (valid)
        *json = buf_take(&w.out);
    else
        JS_FreeValue(ctx, JS_GetException(ctx));
    buf_free(&w.out);
    return valid;
}

/* ---- making modules ---- */

void js_class_register(JSContext *ctx, enum js_class id, const JSClassDef *def)
{
    JSRuntime *rt = JS_GetRuntime(ctx);
    if (!JS_IsRegisteredClass(rt, (JSClassID)id))
        JS_NewClass(rt, (JSClassID)id, def);
}

void js_add_function(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int length)
{
    JS_DefinePropertyValueStr(ctx, object, name, JS_NewCFunction(ctx, function, name, length), JS_PROP_C_W_E);
}

void js_add_magic(JSContext *ctx, JSValueConst object, const char *name, JSCFunctionMagic *function, int length, int magic)
{
    JS_DefinePropertyValueStr(ctx, object, name, JS_NewCFunctionMagic(ctx, function, name, length, JS_CFUNC_generic_magic, magic), JS_PROP_C_W_E);
}

void js_add_getter(JSContext *ctx, JSValueConst object, const char *name, JSValue (*get)(JSContext *, JSValueConst, int), int magic)
{
    JSCFunctionType function = {.getter_magic = get};
    JSAtom atom = JS_NewAtom(ctx, name);
    JSValue getter = JS_NewCFunction2(ctx, function.generic, name, 0, JS_CFUNC_getter_magic, magic);
    JS_DefinePropertyGetSet(ctx, object, atom, getter, JS_UNDEFINED, JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE);
    JS_FreeAtom(ctx, atom);
}

void js_deep_freeze(JSContext *ctx, JSValueConst value)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (!JS_IsObject(value) || JS_GetOwnPropertyNames(ctx, &names, &count, value, JS_GPN_STRING_MASK) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        JSValue item = JS_GetProperty(ctx, value, names[i].atom);
        js_deep_freeze(ctx, item);
        JS_FreeValue(ctx, item);
    }
    JS_FreePropertyEnum(ctx, names, count);
    JS_FreezeObject(ctx, value);
}
