/* SPDX-License-Identifier: Apache-2.0 */
/* k6/secrets. A value that was asked for is hidden in the log from then on. */
#include "core/error.h"
#include "core/log.h"
#include "script/k6/modules.h"
#include "script/secrets.h"

static JSValue value_of(JSContext *ctx, const char *source_name, JSValueConst key_value)
{
    struct error err = {0};
    const char *key = JS_IsString(key_value) ? JS_ToCString(ctx, key_value) : NULL;
    if (!key)
        return JS_ThrowTypeError(ctx, "get() needs the key of a secret");
    const struct secret_source *source = secrets_find(script_of(ctx)->secrets, source_name, &err);
    const char *value = source ? secret_get(source, key) : NULL;
    JSValue result;
    if (value) {
        log_add_secret(value);
        result = JS_NewString(ctx, value);
    } else {
        result = source ? js_throw_error(ctx, "no secret with the key '%s'", key) : js_throw_error(ctx, "%s", err.text);
    }
    error_clear(&err);
    JS_FreeCString(ctx, key);
    return result;
}

static JSValue js_get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_settled(ctx, value_of(ctx, NULL, argc > 0 ? argv[0] : JS_UNDEFINED));
}

static JSValue js_source_get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    const char *name = JS_ToCString(ctx, data[0]);
    JSValue promise = js_settled(ctx, name ? value_of(ctx, name, argc > 0 ? argv[0] : JS_UNDEFINED) : JS_EXCEPTION);
    JS_FreeCString(ctx, name);
    return promise;
}

static JSValue js_source(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct error err = {0};
    const char *name = argc > 0 && JS_IsString(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!name)
        return JS_ThrowTypeError(ctx, "source() needs the name of a secret source");
    bool known = secrets_find(script_of(ctx)->secrets, name, &err) != NULL;
    JS_FreeCString(ctx, name);
    if (!known) {
        js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
        return JS_EXCEPTION;
    }
    JSValue source = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, source, "get", JS_NewCFunctionData(ctx, js_source_get, 1, 0, 1, argv));
    return source;
}

JSValue secrets_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    js_add_function(ctx, exports, "get", js_get, 1);
    js_add_function(ctx, exports, "source", js_source, 1);
    return exports;
}
