/* SPDX-License-Identifier: Apache-2.0 */
#include "script/k6/promise.h"

struct deferred deferred_new(JSContext *ctx)
{
    struct deferred d;
    d.promise = JS_NewPromiseCapability(ctx, d.functions);
    return d;
}

static void settle(JSContext *ctx, const struct deferred *d, int which, JSValueConst value)
{
    if (!JS_IsUndefined(d->functions[which]))
        JS_FreeValue(ctx, JS_Call(ctx, d->functions[which], JS_UNDEFINED, 1, &value));
}

void deferred_resolve(JSContext *ctx, const struct deferred *d, JSValueConst value)
{
    settle(ctx, d, 0, value);
}

void deferred_reject(JSContext *ctx, const struct deferred *d, JSValueConst reason)
{
    settle(ctx, d, 1, reason);
}

void deferred_free(JSRuntime *rt, struct deferred *d)
{
    JS_FreeValueRT(rt, d->promise);
    JS_FreeValueRT(rt, d->functions[0]);
    JS_FreeValueRT(rt, d->functions[1]);
    *d = DEFERRED_NONE;
}

void deferred_mark(JSRuntime *rt, const struct deferred *d, JS_MarkFunc *mark)
{
    JS_MarkValue(rt, d->promise, mark);
    JS_MarkValue(rt, d->functions[0], mark);
    JS_MarkValue(rt, d->functions[1], mark);
}

static JSValue promise_of(JSContext *ctx, JSValue value)
{
    if (!JS_IsException(value) && JS_PromiseState(ctx, value) != JS_PROMISE_NOT_A_PROMISE)
        return value;
    return js_settled(ctx, value);
}

static JSValue call_then(JSContext *ctx, JSValueConst promise, int argc, JSValueConst *handlers)
{
    JSValue then = JS_GetPropertyStr(ctx, promise, "then");
    JSValue derived = JS_Call(ctx, then, promise, argc, handlers);
    JS_FreeValue(ctx, then);
    return derived;
}

void promise_then(JSContext *ctx, JSValue value, promise_handler *handler, JSValueConst data)
{
    JSValue promise = promise_of(ctx, value);
    if (JS_IsException(promise))
        return;
    JSValue handlers[2] = {JS_NewCFunctionData(ctx, handler, 1, 0, 1, &data), JS_NewCFunctionData(ctx, handler, 1, 1, 1, &data)};
    JS_FreeValue(ctx, call_then(ctx, promise, 2, (JSValueConst *)handlers));
    JS_FreeValue(ctx, handlers[0]);
    JS_FreeValue(ctx, handlers[1]);
    JS_FreeValue(ctx, promise);
}

static JSValue ignore(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    return JS_UNDEFINED;
}

JSValue promise_without_value(JSContext *ctx, JSValue value)
{
    JSValueConst nothing = JS_UNDEFINED;
    JSValue promise = promise_of(ctx, value);
    if (JS_IsException(promise))
        return promise;
    JSValue handler = JS_NewCFunctionData(ctx, ignore, 1, 0, 1, &nothing), derived = call_then(ctx, promise, 1, (JSValueConst *)&handler);
    JS_FreeValue(ctx, handler);
    JS_FreeValue(ctx, promise);
    return derived;
}

void promise_mark_handled(JSContext *ctx, JSValueConst promise)
{
    promise_then(ctx, JS_DupValue(ctx, promise), ignore, JS_UNDEFINED);
}
