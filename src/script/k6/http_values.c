/* SPDX-License-Identifier: Apache-2.0 */
/* The small values of k6/http: expectedStatuses(), file(), url``. */
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "script/k6/http_job.h"

/* ---- expectedStatuses ---- */

static void unref(struct expected_statuses *ranges)
{
    if (ranges && --ranges->refs == 0)
        mem_free(ranges);
}

static void callback_finalize(JSRuntime *rt, JSValueConst value)
{
    unref(JS_GetOpaque(value, JS_CLASS_HTTP_CALLBACK));
}

static const JSClassDef callback_class = {"ExpectedStatuses", .finalizer = callback_finalize};

void http_callback_class(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_HTTP_CALLBACK, &callback_class);
}

void http_callback_fini(struct response_callback *callback)
{
    unref(callback->ranges);
    *callback = (struct response_callback){0};
}

bool http_callback_read(JSContext *ctx, JSValueConst value, struct response_callback *callback)
{
    if (JS_IsUndefined(value) || JS_IsNull(value)) {
        *callback = (struct response_callback){CALLBACK_NONE, NULL};
        return true;
    }
    struct expected_statuses *ranges = JS_GetOpaque(value, JS_CLASS_HTTP_CALLBACK);
    if (!ranges) {
        js_throw_error(ctx, "unsupported responseCallback: use http.expectedStatuses(...) or null");
        return false;
    }
    ranges->refs++;
    *callback = (struct response_callback){CALLBACK_RANGES, ranges};
    return true;
}

static bool read_range(JSContext *ctx, JSValueConst value, int *min, int *max)
{
    if (JS_IsNumber(value)) {
        if (JS_ToInt32(ctx, min, value))
            return false;
        *max = *min;
        return true;
    }
    if (!JS_IsObject(value)) {
        JS_ThrowTypeError(ctx, "expectedStatuses takes integers and objects {min, max}");
        return false;
    }
    JSValue low = JS_GetPropertyStr(ctx, value, "min"), high = JS_GetPropertyStr(ctx, value, "max");
    bool valid = JS_IsNumber(low) && JS_IsNumber(high) && !JS_ToInt32(ctx, min, low) && !JS_ToInt32(ctx, max, high);
    if (!valid)
        JS_ThrowTypeError(ctx, "both min and max need to be integers in expectedStatuses");
    JS_FreeValue(ctx, low);
    JS_FreeValue(ctx, high);
    return valid;
}

JSValue http_expected_statuses(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (argc < 1)
        return js_throw_error(ctx, "no arguments: expectedStatuses needs at least one status or {min, max}");
    struct expected_statuses *ranges = mem_alloc(sizeof(*ranges) + (size_t)argc * sizeof(ranges->ranges[0]));
    ranges->refs = 1;
    ranges->count = (size_t)argc;
    for (int i = 0; i < argc; i++) {
        if (!read_range(ctx, argv[i], &ranges->ranges[i].min, &ranges->ranges[i].max)) {
            mem_free(ranges);
            return JS_EXCEPTION;
        }
    }
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_HTTP_CALLBACK);
    JS_SetOpaque(object, ranges);
    return object;
}

/* ---- file ---- */

static const JSClassDef file_class = {"FileData", .finalizer = NULL};

void http_file_class(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_HTTP_FILE, &file_class);
}

JSValue http_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_bytes bytes;
    if (argc < 1 || !js_bytes_read(ctx, argv[0], &bytes))
        return JS_ThrowTypeError(ctx, "http.file() needs text or an ArrayBuffer as its first argument");
    js_bytes_free(ctx, &bytes);
    JSValue proto = JS_GetClassProto(ctx, 1), object = JS_NewObjectProtoClass(ctx, proto, JS_CLASS_HTTP_FILE);
    JS_FreeValue(ctx, proto);
    char *name = mem_printf("%lld", (long long)clock_wall_ns());
    bool has_name = argc > 1 && JS_IsString(argv[1]), has_type = argc > 2 && JS_IsString(argv[2]);
    JS_DefinePropertyValueStr(ctx, object, "data", JS_DupValue(ctx, argv[0]), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, object, "filename", has_name ? JS_DupValue(ctx, argv[1]) : JS_NewString(ctx, name), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, object, "content_type", has_type ? JS_DupValue(ctx, argv[2]) : JS_NewString(ctx, "application/octet-stream"), JS_PROP_C_W_E);
    mem_free(name);
    return object;
}
