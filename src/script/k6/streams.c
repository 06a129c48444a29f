/* SPDX-License-Identifier: Apache-2.0 */
/* k6/experimental/streams: ReadableStream with its controller and reader, and CountQueuingStrategy; the names and
 * rules are those of the WHATWG streams standard. Writable streams are in streams_writable.c. */
#include <string.h>

#include "core/mem.h"
#include "script/k6/modules.h"
#include "script/k6/stream_queue.h"

enum readable_state { READABLE, CLOSED, ERRORED };

struct readable {
    enum readable_state state;
    bool started, pulling, pull_again, close_requested;
    JSValue stored_error;
    JSValue source, pull, cancel, controller;
    JSValue reader; /* the object, undefined when not locked */
    struct stream_queue queue;
    struct deferred *requests; /* reads that wait for a chunk */
    size_t request_count, request_cap;
};

/* A reader; a controller has the stream only. */
struct reader {
    JSValue stream; /* undefined after releaseLock() */
    struct deferred closed;
};

/* ---- classes ---- */

static void readable_finalize(JSRuntime *rt, JSValueConst value)
{
    struct readable *s = JS_GetOpaque(value, JS_CLASS_READABLE_STREAM);
    if (!s)
        return;
    stream_queue_free(rt, &s->queue);
    for (size_t i = 0; i < s->request_count; i++)
        deferred_free(rt, &s->requests[i]);
    mem_free(s->requests);
    JSValue values[] = {s->stored_error, s->source, s->pull, s->cancel, s->controller, s->reader};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        JS_FreeValueRT(rt, values[i]);
    mem_free(s);
}

static void readable_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct readable *s = JS_GetOpaque(value, JS_CLASS_READABLE_STREAM);
    if (!s)
        return;
    stream_queue_mark(rt, &s->queue, mark);
    for (size_t i = 0; i < s->request_count; i++)
        deferred_mark(rt, &s->requests[i], mark);
    JSValue values[] = {s->stored_error, s->source, s->pull, s->cancel, s->controller, s->reader};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        JS_MarkValue(rt, values[i], mark);
}

static void reader_finalize(JSRuntime *rt, JSValueConst value)
{
    struct reader *r = JS_GetOpaque(value, JS_CLASS_STREAM_READER);
    if (!r)
        return;
    JS_FreeValueRT(rt, r->stream);
    deferred_free(rt, &r->closed);
    mem_free(r);
}

static void reader_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct reader *r = JS_GetOpaque(value, JS_CLASS_STREAM_READER);
    if (!r)
        return;
    JS_MarkValue(rt, r->stream, mark);
    deferred_mark(rt, &r->closed, mark);
}

static const JSClassDef readable_class = {"ReadableStream", .finalizer = readable_finalize, .gc_mark = readable_mark};
static const JSClassDef reader_class = {"ReadableStreamDefaultReader", .finalizer = reader_finalize, .gc_mark = reader_mark};

static struct readable *readable_of(JSValueConst value)
{
    return JS_GetOpaque(value, JS_CLASS_READABLE_STREAM);
}

static struct reader *reader_of_stream(const struct readable *s)
{
    return JS_GetOpaque(s->reader, JS_CLASS_STREAM_READER);
}

/* ---- the stream's rules; stream is the object of s ---- */

static JSValue read_result(JSContext *ctx, JSValueConst value, bool done)
{
    JSValue result = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, result, "value", JS_DupValue(ctx, value));
    JS_SetPropertyStr(ctx, result, "done", JS_NewBool(ctx, done));
    return result;
}

static void answer_request(JSContext *ctx, struct readable *s, JSValueConst value, bool done)
{
    struct deferred request = s->requests[0];
    s->request_count--;
    memmove(s->requests, s->requests + 1, s->request_count * sizeof(s->requests[0]));
    JSValue result = read_result(ctx, value, done);
    deferred_resolve(ctx, &request, result);
    JS_FreeValue(ctx, result);
    deferred_free(JS_GetRuntime(ctx), &request);
}

static void reject_requests(JSContext *ctx, struct readable *s, JSValueConst reason)
{
    while (s->request_count) {
        struct deferred request = s->requests[--s->request_count];
        deferred_reject(ctx, &request, reason);
        deferred_free(JS_GetRuntime(ctx), &request);
    }
}

static void close_stream(JSContext *ctx, struct readable *s)
{
    s->state = CLOSED;
    while (s->request_count)
        answer_request(ctx, s, JS_UNDEFINED, true);
    if (reader_of_stream(s))
        deferred_resolve(ctx, &reader_of_stream(s)->closed, JS_UNDEFINED);
}

static void fail_stream(JSContext *ctx, struct readable *s, JSValueConst reason)
{
    if (s->state != READABLE)
        return;
    s->state = ERRORED;
    s->stored_error = JS_DupValue(ctx, reason);
    stream_queue_clear(JS_GetRuntime(ctx), &s->queue);
    reject_requests(ctx, s, reason);
    struct reader *reader = reader_of_stream(s);
    if (reader) {
        deferred_reject(ctx, &reader->closed, reason);
        promise_mark_handled(ctx, reader->closed.promise);
    }
}

static void pull_if_needed(JSContext *ctx, JSValueConst stream);

static JSValue on_pulled(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    struct readable *s = readable_of(data[0]);
    if (magic) {
        fail_stream(ctx, s, argv[0]);
        return JS_UNDEFINED;
    }
    s->pulling = false;
    if (s->pull_again) {
        s->pull_again = false;
        pull_if_needed(ctx, data[0]);
    }
    return JS_UNDEFINED;
}

static JSValue on_started(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    struct readable *s = readable_of(data[0]);
    if (magic)
        fail_stream(ctx, s, argv[0]);
    s->started = true;
    pull_if_needed(ctx, data[0]);
    return JS_UNDEFINED;
}

static void pull_if_needed(JSContext *ctx, JSValueConst stream)
{
    struct readable *s = readable_of(stream);
    if (s->state != READABLE || s->close_requested || !s->started || JS_IsUndefined(s->pull) ||
        !(s->request_count || s->queue.high_water_mark - s->queue.total > 0))
        return;
    if (s->pulling) {
        s->pull_again = true;
        return;
    }
    s->pulling = true;
    promise_then(ctx, JS_Call(ctx, s->pull, s->source, 1, (JSValueConst *)&s->controller), on_pulled, stream);
}

static JSValue cancel_stream(JSContext *ctx, struct readable *s, JSValueConst reason)
{
    if (s->state == CLOSED)
        return JS_UNDEFINED;
    if (s->state == ERRORED)
        return JS_Throw(ctx, JS_DupValue(ctx, s->stored_error));
    close_stream(ctx, s);
    stream_queue_clear(JS_GetRuntime(ctx), &s->queue);
    return JS_IsUndefined(s->cancel) ? JS_UNDEFINED : JS_Call(ctx, s->cancel, s->source, 1, &reason);
}

/* A promise that becomes undefined when what cancel() gave is done, or its rejection. */
static JSValue cancel_promise(JSContext *ctx, struct readable *s, JSValueConst reason)
{
    return promise_without_value(ctx, cancel_stream(ctx, s, reason));
}

/* ---- controller ---- */

static JSValueConst stream_of_controller(JSContext *ctx, JSValueConst this_val)
{
    struct reader *link = JS_GetOpaque2(ctx, this_val, JS_CLASS_STREAM_CONTROLLER);
    return link ? link->stream : JS_UNDEFINED;
}

enum controller_method { CONTROLLER_ENQUEUE, CONTROLLER_CLOSE, CONTROLLER_ERROR };

static JSValue enqueue(JSContext *ctx, JSValueConst stream, JSValueConst chunk)
{
    struct readable *s = readable_of(stream);
    if (s->request_count) {
        answer_request(ctx, s, chunk, false);
    } else if (!stream_queue_add(ctx, &s->queue, chunk, DEFERRED_NONE)) {
        JSValue reason = JS_GetException(ctx);
        fail_stream(ctx, s, reason);
        return JS_Throw(ctx, reason);
    }
    pull_if_needed(ctx, stream);
    return JS_UNDEFINED;
}

static JSValue js_controller(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    JSValueConst stream = stream_of_controller(ctx, this_val), argument = argc > 0 ? argv[0] : JS_UNDEFINED;
    struct readable *s = readable_of(stream);
    if (!s)
        return JS_EXCEPTION;
    if (magic == CONTROLLER_ERROR) {
        fail_stream(ctx, s, argument);
        return JS_UNDEFINED;
    }
    if (s->close_requested || s->state != READABLE)
        return JS_ThrowTypeError(ctx, "the stream is closed or broken: nothing can be %s", magic == CONTROLLER_CLOSE ? "closed" : "enqueued");
    if (magic == CONTROLLER_ENQUEUE)
        return enqueue(ctx, stream, argument);
    s->close_requested = true;
    if (!s->queue.count)
        close_stream(ctx, s);
    return JS_UNDEFINED;
}

static JSValue get_desired_size(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct readable *s = readable_of(stream_of_controller(ctx, this_val));
    if (!s)
        return JS_EXCEPTION;
    if (s->state == ERRORED)
        return JS_NULL;
    return JS_NewFloat64(ctx, s->state == CLOSED ? 0 : s->queue.high_water_mark - s->queue.total);
}

/* ---- ReadableStream ---- */

static JSValue start_stream(JSContext *ctx, JSValueConst stream)
{
    struct readable *s = readable_of(stream);
    JSValue start;
    if (!stream_method(ctx, s->source, "start", &start) || !stream_method(ctx, s->source, "pull", &s->pull) || !stream_method(ctx, s->source, "cancel", &s->cancel))
        return JS_EXCEPTION;
    JSValue result = JS_IsUndefined(start) ? JS_UNDEFINED : JS_Call(ctx, start, s->source, 1, (JSValueConst *)&s->controller);
    JS_FreeValue(ctx, start);
    if (JS_IsException(result))
        return JS_EXCEPTION;
    promise_then(ctx, result, on_started, stream);
    return JS_UNDEFINED;
}

static JSValue js_new_readable(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    JSValueConst source = argc > 0 ? argv[0] : JS_UNDEFINED, strategy = argc > 1 ? argv[1] : JS_UNDEFINED;
    if (!JS_IsUndefined(source) && !JS_IsObject(source))
        return JS_ThrowTypeError(ctx, "the underlying source must be an object");
    JSValue type = JS_IsObject(source) ? JS_GetPropertyStr(ctx, source, "type") : JS_UNDEFINED;
    bool typed = !JS_IsUndefined(type);
    JS_FreeValue(ctx, type);
    if (typed)
        return JS_ThrowRangeError(ctx, "an underlying source with a type is not supported: there are no byte streams");
    struct readable *s = mem_zalloc(sizeof(*s));
    s->stored_error = s->pull = s->cancel = s->controller = s->reader = s->queue.size_of = JS_UNDEFINED;
    s->source = JS_DupValue(ctx, source);
    JSValue stream = JS_NewObjectClass(ctx, JS_CLASS_READABLE_STREAM);
    JS_SetOpaque(stream, s);
    bool valid = stream_queue_init(ctx, &s->queue, strategy);
    struct reader *link = mem_zalloc(sizeof(*link));
    *link = (struct reader){JS_DupValue(ctx, stream), DEFERRED_NONE};
    s->controller = JS_NewObjectClass(ctx, JS_CLASS_STREAM_CONTROLLER);
    JS_SetOpaque(s->controller, link);
    if (valid && !JS_IsException(start_stream(ctx, stream)))
        return stream;
    JS_FreeValue(ctx, stream);
    return JS_EXCEPTION;
}

static JSValue get_locked(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct readable *s = JS_GetOpaque2(ctx, this_val, JS_CLASS_READABLE_STREAM);
    return s ? JS_NewBool(ctx, !JS_IsUndefined(s->reader)) : JS_EXCEPTION;
}

static JSValue js_stream_cancel(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct readable *s = readable_of(this_val);
    if (!s || !JS_IsUndefined(s->reader))
        return js_settled(ctx, JS_ThrowTypeError(ctx, "a locked stream is cancelled by its reader"));
    return cancel_promise(ctx, s, argc > 0 ? argv[0] : JS_UNDEFINED);
}

/* ---- reader ---- */

static JSValue make_reader(JSContext *ctx, JSValueConst stream)
{
    struct readable *s = JS_GetOpaque2(ctx, stream, JS_CLASS_READABLE_STREAM);
    if (!s)
        return JS_EXCEPTION;
    if (!JS_IsUndefined(s->reader))
        return JS_ThrowTypeError(ctx, "the stream is locked: it has a reader already");
    struct reader *r = mem_alloc(sizeof(*r));
    *r = (struct reader){JS_DupValue(ctx, stream), deferred_new(ctx)};
    JSValue reader = JS_NewObjectClass(ctx, JS_CLASS_STREAM_READER);
    JS_SetOpaque(reader, r);
    s->reader = JS_DupValue(ctx, reader);
    if (s->state == CLOSED)
        deferred_resolve(ctx, &r->closed, JS_UNDEFINED);
    if (s->state == ERRORED) {
        deferred_reject(ctx, &r->closed, s->stored_error);
        promise_mark_handled(ctx, r->closed.promise);
    }
    return reader;
}

static JSValue js_get_reader(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue mode = argc > 0 && JS_IsObject(argv[0]) ? JS_GetPropertyStr(ctx, argv[0], "mode") : JS_UNDEFINED;
    bool given = !JS_IsUndefined(mode);
    JS_FreeValue(ctx, mode);
    if (given)
        return JS_ThrowTypeError(ctx, "getReader() has no modes here: there are no byte streams");
    return make_reader(ctx, this_val);
}

static JSValue js_new_reader(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return make_reader(ctx, argc > 0 ? argv[0] : JS_UNDEFINED);
}

static JSValue js_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct reader *r = JS_GetOpaque(this_val, JS_CLASS_STREAM_READER);
    struct readable *s = r ? readable_of(r->stream) : NULL;
    if (!s)
        return js_settled(ctx, JS_ThrowTypeError(ctx, "the reader has released its stream"));
    if (s->state == ERRORED)
        return js_settled(ctx, JS_Throw(ctx, JS_DupValue(ctx, s->stored_error)));
    if (s->state == CLOSED)
        return js_settled(ctx, read_result(ctx, JS_UNDEFINED, true));
    if (s->queue.count) {
        struct stream_chunk chunk = stream_queue_take(&s->queue);
        if (s->close_requested && !s->queue.count)
            close_stream(ctx, s);
        else
            pull_if_needed(ctx, r->stream);
        JSValue result = read_result(ctx, chunk.value, false);
        JS_FreeValue(ctx, chunk.value);
        return js_settled(ctx, result);
    }
    mem_grow(&s->requests, &s->request_cap, s->request_count + 1, sizeof(s->requests[0]));
    s->requests[s->request_count++] = deferred_new(ctx);
    JSValue promise = JS_DupValue(ctx, s->requests[s->request_count - 1].promise);
    pull_if_needed(ctx, r->stream);
    return promise;
}

static JSValue js_reader_cancel(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct reader *r = JS_GetOpaque(this_val, JS_CLASS_STREAM_READER);
    struct readable *s = r ? readable_of(r->stream) : NULL;
    if (!s)
        return js_settled(ctx, JS_ThrowTypeError(ctx, "the reader has released its stream"));
    return cancel_promise(ctx, s, argc > 0 ? argv[0] : JS_UNDEFINED);
}

static JSValue js_release_lock(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct reader *r = JS_GetOpaque2(ctx, this_val, JS_CLASS_STREAM_READER);
    struct readable *s = r ? readable_of(r->stream) : NULL;
    if (!s)
        return r ? JS_UNDEFINED : JS_EXCEPTION;
    JS_ThrowTypeError(ctx, "the reader has released its stream");
    JSValue reason = JS_GetException(ctx);
    if (s->state != READABLE) {
        deferred_free(JS_GetRuntime(ctx), &r->closed);
        r->closed = deferred_new(ctx);
    }
    deferred_reject(ctx, &r->closed, reason);
    promise_mark_handled(ctx, r->closed.promise);
    reject_requests(ctx, s, reason);
    JS_FreeValue(ctx, reason);
    JSValue reader = s->reader, stream = r->stream;
    s->reader = JS_UNDEFINED;
    r->stream = JS_UNDEFINED;
    JS_FreeValue(ctx, reader);
    JS_FreeValue(ctx, stream);
    return JS_UNDEFINED;
}

static JSValue get_closed(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct reader *r = JS_GetOpaque2(ctx, this_val, JS_CLASS_STREAM_READER);
    return r ? JS_DupValue(ctx, r->closed.promise) : JS_EXCEPTION;
}

/* ---- CountQueuingStrategy ---- */

static JSValue js_count_size(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return JS_NewInt32(ctx, 1);
}

static JSValue js_new_strategy(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    JSValue mark = argc > 0 && JS_IsObject(argv[0]) ? JS_GetPropertyStr(ctx, argv[0], "highWaterMark") : JS_UNDEFINED;
    double number;
    if (JS_IsUndefined(mark) || JS_ToFloat64(ctx, &number, mark)) {
        JS_FreeValue(ctx, mark);
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "new CountQueuingStrategy() needs {highWaterMark: number}");
    }
    JS_FreeValue(ctx, mark);
    JSValue proto = JS_GetPropertyStr(ctx, new_target, "prototype"), strategy = JS_NewObjectProto(ctx, proto);
    JS_FreeValue(ctx, proto);
    JS_DefinePropertyValueStr(ctx, strategy, "highWaterMark", JS_NewFloat64(ctx, number), JS_PROP_ENUMERABLE | JS_PROP_CONFIGURABLE);
    js_add_function(ctx, strategy, "size", js_count_size, 1);
    return strategy;
}

/* ---- the module ---- */

void stream_class(JSContext *ctx, JSValueConst exports, const char *name, JSCFunction *constructor, int length, int class_id, JSValue proto)
{
    JSValue function = JS_NewCFunction2(ctx, constructor, name, length, JS_CFUNC_constructor, 0);
    JS_SetConstructor(ctx, function, proto);
    if (class_id)
        JS_SetClassProto(ctx, (JSClassID)class_id, proto);
    else
        JS_FreeValue(ctx, proto);
    JS_DefinePropertyValueStr(ctx, exports, name, function, JS_PROP_C_W_E);
}

static void link_finalize(JSRuntime *rt, JSValueConst value)
{
    struct reader *link = JS_GetOpaque(value, JS_CLASS_STREAM_CONTROLLER);
    if (!link)
        return;
    JS_FreeValueRT(rt, link->stream);
    mem_free(link);
}

static void link_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct reader *link = JS_GetOpaque(value, JS_CLASS_STREAM_CONTROLLER);
    if (link)
        JS_MarkValue(rt, link->stream, mark);
}

static const JSClassDef controller_class = {"ReadableStreamDefaultController", .finalizer = link_finalize, .gc_mark = link_mark};

JSValue streams_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_READABLE_STREAM, &readable_class);
    js_class_register(ctx, JS_CLASS_STREAM_READER, &reader_class);
    js_class_register(ctx, JS_CLASS_STREAM_CONTROLLER, &controller_class);
    JSValue exports = JS_NewObject(ctx), controller = JS_NewObject(ctx), stream = JS_NewObject(ctx), reader = JS_NewObject(ctx);
    js_add_magic(ctx, controller, "enqueue", js_controller, 1, CONTROLLER_ENQUEUE);
    js_add_magic(ctx, controller, "close", js_controller, 0, CONTROLLER_CLOSE);
    js_add_magic(ctx, controller, "error", js_controller, 1, CONTROLLER_ERROR);
    js_add_getter(ctx, controller, "desiredSize", get_desired_size, 0);
    JS_SetClassProto(ctx, JS_CLASS_STREAM_CONTROLLER, controller);
    js_add_function(ctx, stream, "getReader", js_get_reader, 0);
    js_add_function(ctx, stream, "cancel", js_stream_cancel, 1);
    js_add_getter(ctx, stream, "locked", get_locked, 0);
    stream_class(ctx, exports, "ReadableStream", js_new_readable, 0, JS_CLASS_READABLE_STREAM, stream);
    js_add_function(ctx, reader, "read", js_read, 0);
    js_add_function(ctx, reader, "cancel", js_reader_cancel, 1);
    js_add_function(ctx, reader, "releaseLock", js_release_lock, 0);
    js_add_getter(ctx, reader, "closed", get_closed, 0);
    stream_class(ctx, exports, "ReadableStreamDefaultReader", js_new_reader, 1, JS_CLASS_STREAM_READER, reader);
    stream_class(ctx, exports, "CountQueuingStrategy", js_new_strategy, 1, 0, JS_NewObject(ctx));
    writable_install(ctx, exports);
    return exports;
}
