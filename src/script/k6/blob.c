/* SPDX-License-Identifier: Apache-2.0 */
#include "script/k6/blob.h"

#include "core/buf.h"
#include "core/mem.h"
#include "script/k6/modules.h"

struct blob {
    char *type;
    size_t len;
    uint8_t *data;
};

static void blob_finalize(JSRuntime *rt, JSValueConst value)
{
    struct blob *b = JS_GetOpaque(value, JS_CLASS_BLOB);
    if (!b)
        return;
    mem_free(b->type);
    mem_free(b->data);
    mem_free(b);
}

static const JSClassDef blob_def = {"Blob", .finalizer = blob_finalize};

JSValue blob_new(JSContext *ctx, const void *data, size_t len, const char *type)
{
    struct blob *b = mem_alloc(sizeof(*b));
    *b = (struct blob){mem_strdup(type), len, mem_dup(len ? data : "", len ? len : 1)};
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_BLOB);
    JS_SetOpaque(object, b);
    return object;
}

bool blob_bytes(JSValueConst value, struct js_bytes *bytes)
{
    const struct blob *b = JS_GetOpaque(value, JS_CLASS_BLOB);
    if (b)
        *bytes = (struct js_bytes){b->data, b->len, NULL};
    return b != NULL;
}

static char *type_of(JSContext *ctx, JSValueConst options)
{
    JSValue value = JS_IsObject(options) ? JS_GetPropertyStr(ctx, options, "type") : JS_UNDEFINED;
    const char *text = JS_IsUndefined(value) ? NULL : JS_ToCString(ctx, value);
    char *type = mem_strdup(text ? text : "");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    return type;
}

static bool add_part(JSContext *ctx, struct buf *out, JSValueConst part)
{
    struct js_bytes bytes;
    if (!blob_bytes(part, &bytes) && !js_bytes_read(ctx, part, &bytes)) {
        if (!JS_HasException(ctx))
            JS_ThrowTypeError(ctx, "the parts of a Blob are strings, ArrayBuffers, views and Blobs");
        return false;
    }
    buf_add(out, bytes.data, bytes.len);
    js_bytes_free(ctx, &bytes);
    return true;
}

static JSValue js_new_blob(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct buf bytes = {0};
    int64_t count = 0;
    bool valid = true;
    if (argc > 0 && !JS_IsUndefined(argv[0]) && !JS_IsArray(argv[0]))
        return JS_ThrowTypeError(ctx, "new Blob() needs an array of parts");
    if (argc > 0 && JS_IsArray(argv[0]))
        JS_GetLength(ctx, argv[0], &count);
    for (int64_t i = 0; i < count && valid; i++) {
        JSValue part = JS_GetPropertyInt64(ctx, argv[0], i);
        valid = add_part(ctx, &bytes, part);
        JS_FreeValue(ctx, part);
    }
    char *type = type_of(ctx, argc > 1 ? argv[1] : JS_UNDEFINED);
    JSValue blob = valid ? blob_new(ctx, bytes.data, bytes.len, type) : JS_EXCEPTION;
    mem_free(type);
    buf_free(&bytes);
    return blob;
}

enum blob_read { READ_ARRAY_BUFFER, READ_BYTES, READ_TEXT };

static JSValue js_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct blob *b = JS_GetOpaque2(ctx, this_val, JS_CLASS_BLOB);
    if (!b)
        return js_settled(ctx, JS_EXCEPTION);
    if (magic == READ_TEXT)
        return js_settled(ctx, JS_NewStringLen(ctx, (char *)b->data, b->len));
    return js_settled(ctx, magic == READ_BYTES ? JS_NewUint8ArrayCopy(ctx, b->data, b->len) : js_new_array_buffer(ctx, b->data, b->len));
}

/* A slice's bound: negative ones count from the end. */
static bool read_bound(JSContext *ctx, JSValueConst value, size_t len, size_t fallback, size_t *bound)
{
    int64_t at;
    *bound = fallback;
    if (JS_IsUndefined(value))
        return true;
    if (JS_ToInt64(ctx, &at, value))
        return false;
    int64_t end = (int64_t)len, from_start = at < 0 ? end + (at < -end ? -end : at) : at;
    *bound = (size_t)(from_start > end ? end : from_start);
    return true;
}

static JSValue js_slice(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct blob *b = JS_GetOpaque2(ctx, this_val, JS_CLASS_BLOB);
    size_t start, end;
    if (!b || !read_bound(ctx, argc > 0 ? argv[0] : JS_UNDEFINED, b->len, 0, &start) || !read_bound(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, b->len, b->len, &end))
        return JS_EXCEPTION;
    const char *type = argc > 2 && !JS_IsUndefined(argv[2]) ? JS_ToCString(ctx, argv[2]) : NULL;
    JSValue slice = blob_new(ctx, b->data + start, end > start ? end - start : 0, type ? type : "");
    JS_FreeCString(ctx, type);
    return slice;
}

/* The start() of a stream over a Blob: all bytes as one chunk. */
static JSValue js_stream_start(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    const struct blob *b = JS_GetOpaque(data[0], JS_CLASS_BLOB);
    JSValue chunk = JS_NewUint8ArrayCopy(ctx, b->data, b->len);
    JSAtom enqueue = JS_NewAtom(ctx, "enqueue"), close = JS_NewAtom(ctx, "close");
    if (b->len)
        JS_FreeValue(ctx, JS_Invoke(ctx, argv[0], enqueue, 1, (JSValueConst *)&chunk));
    JS_FreeValue(ctx, JS_Invoke(ctx, argv[0], close, 0, NULL));
    JS_FreeAtom(ctx, enqueue);
    JS_FreeAtom(ctx, close);
    JS_FreeValue(ctx, chunk);
    return JS_UNDEFINED;
}

static JSValue js_stream(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (!JS_GetOpaque2(ctx, this_val, JS_CLASS_BLOB))
        return JS_EXCEPTION;
    JSValue streams = streams_make(ctx), constructor = JS_GetPropertyStr(ctx, streams, "ReadableStream"), source = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, source, "start", JS_NewCFunctionData(ctx, js_stream_start, 1, 0, 1, &this_val));
    JSValue stream = JS_CallConstructor(ctx, constructor, 1, (JSValueConst *)&source);
    JS_FreeValue(ctx, source);
    JS_FreeValue(ctx, constructor);
    JS_FreeValue(ctx, streams);
    return stream;
}

enum blob_property { PROPERTY_SIZE, PROPERTY_TYPE };

static JSValue get_property(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct blob *b = JS_GetOpaque2(ctx, this_val, JS_CLASS_BLOB);
    if (!b)
        return JS_EXCEPTION;
    return magic == PROPERTY_SIZE ? JS_NewInt64(ctx, (int64_t)b->len) : JS_NewString(ctx, b->type);
}

static void set_tag(JSContext *ctx, JSValueConst proto, const char *name)
{
    JSValue global = JS_GetGlobalObject(ctx), symbols = JS_GetPropertyStr(ctx, global, "Symbol"), symbol = JS_GetPropertyStr(ctx, symbols, "toStringTag");
    JSAtom atom = JS_ValueToAtom(ctx, symbol);
    JS_DefinePropertyValue(ctx, proto, atom, JS_NewString(ctx, name), JS_PROP_CONFIGURABLE);
    JS_FreeAtom(ctx, atom);
    JS_FreeValue(ctx, symbol);
    JS_FreeValue(ctx, symbols);
    JS_FreeValue(ctx, global);
}

void blob_class(JSContext *ctx, JSValueConst exports)
{
    js_class_register(ctx, JS_CLASS_BLOB, &blob_def);
    JSValue constructor = JS_NewCFunction2(ctx, js_new_blob, "Blob", 0, JS_CFUNC_constructor, 0), proto = JS_NewObject(ctx);
    js_add_magic(ctx, proto, "arrayBuffer", js_read, 0, READ_ARRAY_BUFFER);
    js_add_magic(ctx, proto, "bytes", js_read, 0, READ_BYTES);
    js_add_magic(ctx, proto, "text", js_read, 0, READ_TEXT);
    js_add_function(ctx, proto, "slice", js_slice, 2);
    js_add_function(ctx, proto, "stream", js_stream, 0);
    js_add_getter(ctx, proto, "size", get_property, PROPERTY_SIZE);
    js_add_getter(ctx, proto, "type", get_property, PROPERTY_TYPE);
    set_tag(ctx, proto, "Blob");
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_BLOB, proto);
    JS_DefinePropertyValueStr(ctx, exports, "Blob", constructor, JS_PROP_C_W_E);
}
