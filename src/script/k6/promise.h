/* SPDX-License-Identifier: Apache-2.0 */
/* Promises that C code keeps and settles later. */
#ifndef SCRIPT_K6_PROMISE_H
#define SCRIPT_K6_PROMISE_H

#include "script/host.h"

/* A promise and the two functions that settle it. DEFERRED_NONE is none. */
struct deferred {
    JSValue promise, functions[2];
};

#define DEFERRED_NONE ((struct deferred){JS_UNDEFINED, {JS_UNDEFINED, JS_UNDEFINED}})

struct deferred deferred_new(JSContext *ctx);
/* Settles it; a second time does nothing. value is borrowed. */
void deferred_resolve(JSContext *ctx, const struct deferred *d, JSValueConst value);
void deferred_reject(JSContext *ctx, const struct deferred *d, JSValueConst reason);
void deferred_free(JSRuntime *rt, struct deferred *d);
void deferred_mark(JSRuntime *rt, const struct deferred *d, JS_MarkFunc *mark);

/* What a promise calls when it is settled: magic says which way (0 fulfilled, 1 rejected), argv[0] the value, data[0]
 * what was given to promise_then. */
typedef JSValue promise_handler(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data);
/* Promise.resolve(value).then(...): value is taken; JS_EXCEPTION means a promise rejected with what is pending. */
void promise_then(JSContext *ctx, JSValue value, promise_handler *handler, JSValueConst data);
/* A promise that follows value (taken; as above) but is fulfilled with undefined. */
JSValue promise_without_value(JSContext *ctx, JSValue value);
/* A rejection of this promise is nobody's fault: it is not reported as unhandled. */
void promise_mark_handled(JSContext *ctx, JSValueConst promise);

#endif
