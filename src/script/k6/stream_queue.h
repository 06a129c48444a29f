/* SPDX-License-Identifier: Apache-2.0 */
/* What readable and writable streams share: the queue with its strategy. */
#ifndef SCRIPT_K6_STREAM_QUEUE_H
#define SCRIPT_K6_STREAM_QUEUE_H

#include "script/k6/promise.h"

struct stream_queue {
    struct stream_chunk {
        JSValue value;
        double size;
        struct deferred written; /* of a writable stream */
    } *chunks;
    size_t count, cap;
    double total, high_water_mark;
    JSValue size_of; /* the strategy's function or undefined */
};

/* Reads a strategy {highWaterMark, size}. False: thrown. */
bool stream_queue_init(JSContext *ctx, struct stream_queue *queue, JSValueConst strategy);
/* Appends value; the size function may throw: false. */
bool stream_queue_add(JSContext *ctx, struct stream_queue *queue, JSValueConst value, struct deferred written);
/* Takes the first out; its value and deferred are the caller's. */
struct stream_chunk stream_queue_take(struct stream_queue *queue);
void stream_queue_clear(JSRuntime *rt, struct stream_queue *queue);
void stream_queue_free(JSRuntime *rt, struct stream_queue *queue);
void stream_queue_mark(JSRuntime *rt, const struct stream_queue *queue, JS_MarkFunc *mark);

/* A method of an underlying source or sink: undefined when it has none. False: thrown (it is no function). */
bool stream_method(JSContext *ctx, JSValueConst object, const char *name, JSValue *method);

/* Adds a class to the exports: constructor, prototype (taken) and, when not 0, the class id's prototype. */
void stream_class(JSContext *ctx, JSValueConst exports, const char *name, JSCFunction *constructor, int length, int class_id, JSValue proto);
/* streams_writable.c: WritableStream and its writer. */
void writable_install(JSContext *ctx, JSValueConst exports);

#endif
