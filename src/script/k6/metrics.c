/* SPDX-License-Identifier: Apache-2.0 */
/* k6/metrics: Counter, Gauge, Rate, Trend. */
#include <math.h>

#include "core/error.h"
#include "core/log.h"
#include "script/k6/modules.h"

static const JSClassDef metric_class = {"Metric", .finalizer = NULL};

/* A number as k6 takes it: booleans and numeric text too. False: not a value. */
static bool read_value(JSContext *ctx, JSValueConst value, double *number)
{
    *number = NAN;
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return false;
    if (JS_ToFloat64(ctx, number, value)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return false;
    }
    return !isnan(*number);
}

static JSValue refuse_value(JSContext *ctx, const struct metric *metric, JSValueConst value)
{
    const char *text = JS_ToCString(ctx, value);
    if (!text)
        JS_FreeValue(ctx, JS_GetException(ctx));
    JSValue result = JS_FALSE;
    if (script_of(ctx)->settings->throw_errors)
        result = js_throw_error(ctx, "'%s' is an invalid value for metric '%s': it must be a number or a boolean", text ? text : "", metric->name);
    else
        log_warning("'%s' is an invalid value for metric '%s': it must be a number or a boolean", text ? text : "", metric->name);
    JS_FreeCString(ctx, text);
    return result;
}

static JSValue metric_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct metric *metric = JS_GetOpaque2(ctx, this_val, JS_CLASS_METRIC);
    struct vu *vu = vu_of(ctx);
    struct js_tags tags = {0};
    double number;
    if (!metric || !vu_require_running(ctx, "a metric's add()"))
        return JS_EXCEPTION;
    if (argc < 1 || !read_value(ctx, argv[0], &number))
        return refuse_value(ctx, metric, argc > 0 ? argv[0] : JS_UNDEFINED);
    if (metric->type == METRIC_RATE)
        number = number != 0;
    if (argc > 1 && !js_tags_read(ctx, argv[1], &tags))
        return JS_EXCEPTION;
    struct sample sample = {metric, tags.count ? vu_tags_with(vu, tags.list, tags.count) : vu->tags, number};
    vu_emit(vu, &sample, 1, 0);
    js_tags_free(&tags);
    return JS_TRUE;
}

static JSValue metric_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv, int type)
{
    if (!vu_require_init(ctx, "making a metric"))
        return JS_EXCEPTION;
    const char *name = argc > 0 && JS_IsString(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!name)
        return js_throw_error(ctx, "a metric needs a name as its first argument");
    bool is_time = argc > 1 && JS_ToBool(ctx, argv[1]) > 0;
    struct error err = {0};
    const struct metric *metric = registry_add(script_of(ctx)->config.registry, name, (enum metric_type)type, is_time ? METRIC_TIME : METRIC_DEFAULT, &err);
    JS_FreeCString(ctx, name);
    if (!metric) {
        js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
        return JS_EXCEPTION;
    }
    JSValue proto = JS_GetPropertyStr(ctx, new_target, "prototype");
    JSValue object = JS_NewObjectProtoClass(ctx, proto, JS_CLASS_METRIC);
    JS_FreeValue(ctx, proto);
    JS_SetOpaque(object, (void *)(uintptr_t)metric);
    JSValue add = JS_GetPropertyStr(ctx, new_target, "add");
    JS_DefinePropertyValueStr(ctx, object, "name", JS_NewString(ctx, metric->name), JS_PROP_ENUMERABLE | JS_PROP_CONFIGURABLE);
    JS_DefinePropertyValueStr(ctx, object, "add", add, JS_PROP_C_W_E);
    return object;
}

static void add_class(JSContext *ctx, JSValueConst exports, const char *name, enum metric_type type, JSValueConst add)
{
    JSValue constructor = JS_NewCFunctionMagic(ctx, metric_new, name, 1, JS_CFUNC_constructor_magic, (int)type);
    JSValue proto = JS_NewObject(ctx);
    JS_SetConstructor(ctx, constructor, proto);
    JS_FreeValue(ctx, proto);
    JS_DefinePropertyValueStr(ctx, constructor, "add", JS_DupValue(ctx, add), 0);
    JS_DefinePropertyValueStr(ctx, exports, name, constructor, JS_PROP_C_W_E);
}

JSValue metrics_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_METRIC, &metric_class);
    JSValue exports = JS_NewObject(ctx), add = JS_NewCFunction(ctx, metric_add, "add", 2);
    add_class(ctx, exports, "Counter", METRIC_COUNTER, add);
    add_class(ctx, exports, "Gauge", METRIC_GAUGE, add);
    add_class(ctx, exports, "Rate", METRIC_RATE, add);
    add_class(ctx, exports, "Trend", METRIC_TREND, add);
    JS_FreeValue(ctx, add);
    return exports;
}
