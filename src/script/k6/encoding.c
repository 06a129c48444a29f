/* SPDX-License-Identifier: Apache-2.0 */
/* k6/encoding: base64. */
#include <string.h>

#include "core/base64.h"
#include "script/k6/modules.h"

/* False: exception thrown. An unknown variant is "std", as in k6. */
static bool read_form(JSContext *ctx, int argc, JSValueConst *argv, enum base64_form *form)
{
    *form = BASE64_STD;
    if (argc < 2 || JS_IsUndefined(argv[1]) || JS_IsNull(argv[1]))
        return true;
    const char *name = JS_ToCString(ctx, argv[1]);
    if (!name)
        return false;
    if (strcmp(name, "rawstd") == 0)
        *form = BASE64_RAW;
    else if (strcmp(name, "url") == 0)
        *form = BASE64_URL;
    else if (strcmp(name, "rawurl") == 0)
        *form = BASE64_URL | BASE64_RAW;
    JS_FreeCString(ctx, name);
    return true;
}

static JSValue js_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    enum base64_form form;
    struct js_bytes bytes;
    if (!read_form(ctx, argc, argv, &form))
        return JS_EXCEPTION;
    if (argc < 1 || !js_bytes_read(ctx, argv[0], &bytes))
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "b64encode() needs a string or an ArrayBuffer");
    struct buf out = {0};
    base64_encode(&out, bytes.data, bytes.len, form);
    js_bytes_free(ctx, &bytes);
    JSValue text = JS_NewStringLen(ctx, out.data ? out.data : "", out.len);
    buf_free(&out);
    return text;
}

static JSValue js_decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    enum base64_form form;
    size_t len;
    if (!read_form(ctx, argc, argv, &form))
        return JS_EXCEPTION;
    const char *text = argc > 0 ? JS_ToCStringLen(ctx, &len, argv[0]) : NULL;
    if (!text)
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "b64decode() needs a string");
    struct buf out = {0};
    JSValue result;
    if (!base64_decode(&out, text, len, form)) {
        result = js_throw_error(ctx, "illegal base64 data: a letter or the padding is not of the variant asked for");
    } else {
        const char *format = argc > 2 && JS_IsString(argv[2]) ? JS_ToCString(ctx, argv[2]) : NULL;
        if (format && strcmp(format, "s") == 0)
            result = JS_NewStringLen(ctx, out.data ? out.data : "", out.len);
        else
            result = js_new_array_buffer(ctx, out.data, out.len);
        JS_FreeCString(ctx, format);
    }
    JS_FreeCString(ctx, text);
    buf_free(&out);
    return result;
}

JSValue encoding_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    js_add_function(ctx, exports, "b64encode", js_encode, 3);
    js_add_function(ctx, exports, "b64decode", js_decode, 3);
    return exports;
}
