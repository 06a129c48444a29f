/* SPDX-License-Identifier: Apache-2.0 */
/* WritableStream with its controller and writer: chunks are written one after another; ready says when the sink
 * keeps up. */
#include <string.h>

#include "core/mem.h"
#include "script/k6/stream_queue.h"

enum writable_state { WRITABLE, CLOSED, ERRORED };

struct writable {
    enum writable_state state;
    bool started, busy, close_requested;
    JSValue stored_error;
    JSValue sink, write, close, abort, controller;
    JSValue writer; /* the object, undefined when not locked */
    struct stream_queue queue;
    struct stream_chunk current; /* while busy with it */
    struct deferred closing;     /* of close() */
};

/* A writer; a controller has the stream only. */
struct writer {
    JSValue stream;
    struct deferred closed, ready;
    bool ready_pending;
};

static void writable_each(struct writable *s, void (*visit)(JSRuntime *rt, JSValue value, JS_MarkFunc *mark), JSRuntime *rt, JS_MarkFunc *mark)
{
    JSValue values[] = {s->stored_error, s->sink, s->write, s->close, s->abort, s->controller, s->writer, s->current.value};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        visit(rt, values[i], mark);
}

static void release_value(JSRuntime *rt, JSValue value, JS_MarkFunc *mark)
{
    JS_FreeValueRT(rt, value);
}

static void mark_value(JSRuntime *rt, JSValue value, JS_MarkFunc *mark)
{
    JS_MarkValue(rt, value, mark);
}

static void writable_finalize(JSRuntime *rt, JSValueConst value)
{
    struct writable *s = JS_GetOpaque(value, JS_CLASS_WRITABLE_STREAM);
    if (!s)
        return;
    writable_each(s, release_value, rt, NULL);
    stream_queue_free(rt, &s->queue);
    deferred_free(rt, &s->current.written);
    deferred_free(rt, &s->closing);
    mem_free(s);
}

static void writable_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct writable *s = JS_GetOpaque(value, JS_CLASS_WRITABLE_STREAM);
    if (!s)
        return;
    writable_each(s, mark_value, rt, mark);
    stream_queue_mark(rt, &s->queue, mark);
    deferred_mark(rt, &s->current.written, mark);
    deferred_mark(rt, &s->closing, mark);
}

static void writer_release(JSRuntime *rt, struct writer *w)
{
    if (!w)
        return;
    JS_FreeValueRT(rt, w->stream);
    deferred_free(rt, &w->closed);
    deferred_free(rt, &w->ready);
    mem_free(w);
}

static void writer_trace(JSRuntime *rt, struct writer *w, JS_MarkFunc *mark)
{
    if (!w)
        return;
    JS_MarkValue(rt, w->stream, mark);
    deferred_mark(rt, &w->closed, mark);
    deferred_mark(rt, &w->ready, mark);
}

static void writer_finalize(JSRuntime *rt, JSValueConst value) { writer_release(rt, JS_GetOpaque(value, JS_CLASS_STREAM_WRITER)); }
static void writer_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark) { writer_trace(rt, JS_GetOpaque(value, JS_CLASS_STREAM_WRITER), mark); }
static void sink_control_finalize(JSRuntime *rt, JSValueConst value) { writer_release(rt, JS_GetOpaque(value, JS_CLASS_SINK_CONTROLLER)); }
static void sink_control_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark) { writer_trace(rt, JS_GetOpaque(value, JS_CLASS_SINK_CONTROLLER), mark); }

static const JSClassDef writable_class = {"WritableStream", .finalizer = writable_finalize, .gc_mark = writable_mark};
static const JSClassDef writer_class = {"WritableStreamDefaultWriter", .finalizer = writer_finalize, .gc_mark = writer_mark};
static const JSClassDef sink_control_class = {"WritableStreamDefaultController", .finalizer = sink_control_finalize, .gc_mark = sink_control_mark};

static struct writable *writable_of(JSValueConst value)
{
    return JS_GetOpaque(value, JS_CLASS_WRITABLE_STREAM);
}

static struct writer *writer_of_stream(const struct writable *s)
{
    return JS_GetOpaque(s->writer, JS_CLASS_STREAM_WRITER);
}

/* ---- the stream's rules ---- */

static double desired_size(const struct writable *s)
{
    return s->queue.high_water_mark - s->queue.total - (s->busy ? s->current.size : 0);
}

/* ready is pending while the sink does not keep up. */
static void update_ready(JSContext *ctx, struct writable *s)
{
    struct writer *w = writer_of_stream(s);
    if (!w)
        return;
    bool pending = s->state == WRITABLE && !s->close_requested && desired_size(s) <= 0;
    if (pending && !w->ready_pending) {
        deferred_free(JS_GetRuntime(ctx), &w->ready);
        w->ready = deferred_new(ctx);
    } else if (!pending && w->ready_pending) {
        if (s->state == ERRORED) {
            deferred_reject(ctx, &w->ready, s->stored_error);
            promise_mark_handled(ctx, w->ready.promise);
        } else {
            deferred_resolve(ctx, &w->ready, JS_UNDEFINED);
        }
    }
    w->ready_pending = pending;
}

static void fail_stream(JSContext *ctx, struct writable *s, JSValueConst reason)
{
    if (s->state != WRITABLE)
        return;
    s->state = ERRORED;
    s->stored_error = JS_DupValue(ctx, reason);
    for (size_t i = 0; i < s->queue.count; i++)
        deferred_reject(ctx, &s->queue.chunks[i].written, reason);
    stream_queue_clear(JS_GetRuntime(ctx), &s->queue);
    deferred_reject(ctx, &s->closing, reason);
    struct writer *w = writer_of_stream(s);
    if (w) {
        deferred_reject(ctx, &w->closed, reason);
        promise_mark_handled(ctx, w->closed.promise);
    }
    update_ready(ctx, s);
}

static void advance(JSContext *ctx, JSValueConst stream);

static JSValue on_written(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    struct writable *s = writable_of(data[0]);
    struct stream_chunk done = s->current;
    s->current = (struct stream_chunk){JS_UNDEFINED, 0, DEFERRED_NONE};
    s->busy = false;
    if (magic) {
        deferred_reject(ctx, &done.written, argv[0]);
        fail_stream(ctx, s, argv[0]);
    } else {
        deferred_resolve(ctx, &done.written, JS_UNDEFINED);
    }
    JS_FreeValue(ctx, done.value);
    deferred_free(JS_GetRuntime(ctx), &done.written);
    update_ready(ctx, s);
    advance(ctx, data[0]);
    return JS_UNDEFINED;
}

static JSValue on_closed(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    struct writable *s = writable_of(data[0]);
    s->busy = false;
    if (magic) {
        fail_stream(ctx, s, argv[0]);
        return JS_UNDEFINED;
    }
    s->state = CLOSED;
    deferred_resolve(ctx, &s->closing, JS_UNDEFINED);
    if (writer_of_stream(s))
        deferred_resolve(ctx, &writer_of_stream(s)->closed, JS_UNDEFINED);
    return JS_UNDEFINED;
}

static JSValue on_started(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    struct writable *s = writable_of(data[0]);
    s->started = true;
    if (magic)
        fail_stream(ctx, s, argv[0]);
    advance(ctx, data[0]);
    return JS_UNDEFINED;
}

static void advance(JSContext *ctx, JSValueConst stream)
{
    struct writable *s = writable_of(stream);
    if (!s->started || s->busy || s->state != WRITABLE)
        return;
    if (s->queue.count) {
        s->current = stream_queue_take(&s->queue);
        s->busy = true;
        JSValueConst arguments[] = {s->current.value, s->controller};
        promise_then(ctx, JS_IsUndefined(s->write) ? JS_UNDEFINED : JS_Call(ctx, s->write, s->sink, 2, arguments), on_written, stream);
    } else if (s->close_requested) {
        s->busy = true;
        promise_then(ctx, JS_IsUndefined(s->close) ? JS_UNDEFINED : JS_Call(ctx, s->close, s->sink, 0, NULL), on_closed, stream);
    }
}

static JSValue abort_stream(JSContext *ctx, struct writable *s, JSValueConst reason)
{
    if (s->state != WRITABLE)
        return js_settled(ctx, JS_UNDEFINED);
    fail_stream(ctx, s, reason);
    return promise_without_value(ctx, JS_IsUndefined(s->abort) ? JS_UNDEFINED : JS_Call(ctx, s->abort, s->sink, 1, &reason));
}

static JSValue request_close(JSContext *ctx, JSValueConst stream)
{
    struct writable *s = writable_of(stream);
    if (s->close_requested || s->state != WRITABLE)
        return js_settled(ctx, JS_ThrowTypeError(ctx, "the stream is closed or broken already"));
    s->close_requested = true;
    s->closing = deferred_new(ctx);
    update_ready(ctx, s);
    advance(ctx, stream);
    return JS_DupValue(ctx, s->closing.promise);
}

/* ---- controller ---- */

static JSValue js_sink_error(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct writer *link = JS_GetOpaque2(ctx, this_val, JS_CLASS_SINK_CONTROLLER);
    if (!link)
        return JS_EXCEPTION;
    fail_stream(ctx, writable_of(link->stream), argc > 0 ? argv[0] : JS_UNDEFINED);
    return JS_UNDEFINED;
}

/* ---- WritableStream ---- */

static bool start_stream(JSContext *ctx, JSValueConst stream)
{
    struct writable *s = writable_of(stream);
    JSValue start;
    if (!stream_method(ctx, s->sink, "start", &start))
        return false;
    bool valid = stream_method(ctx, s->sink, "write", &s->write) && stream_method(ctx, s->sink, "close", &s->close) && stream_method(ctx, s->sink, "abort", &s->abort);
    JSValue result = valid && !JS_IsUndefined(start) ? JS_Call(ctx, start, s->sink, 1, (JSValueConst *)&s->controller) : JS_UNDEFINED;
    JS_FreeValue(ctx, start);
    if (!valid || JS_IsException(result))
        return false;
    promise_then(ctx, result, on_started, stream);
    return true;
}

static JSValue js_new_writable(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    JSValueConst sink = argc > 0 ? argv[0] : JS_UNDEFINED, strategy = argc > 1 ? argv[1] : JS_UNDEFINED;
    if (!JS_IsUndefined(sink) && !JS_IsObject(sink))
        return JS_ThrowTypeError(ctx, "the underlying sink must be an object");
    struct writable *s = mem_zalloc(sizeof(*s));
    s->stored_error = s->write = s->close = s->abort = s->controller = s->writer = s->queue.size_of = JS_UNDEFINED;
    s->current = (struct stream_chunk){JS_UNDEFINED, 0, DEFERRED_NONE};
    s->closing = DEFERRED_NONE;
    s->sink = JS_DupValue(ctx, sink);
    JSValue stream = JS_NewObjectClass(ctx, JS_CLASS_WRITABLE_STREAM);
    JS_SetOpaque(stream, s);
    struct writer *link = mem_zalloc(sizeof(*link));
    *link = (struct writer){JS_DupValue(ctx, stream), DEFERRED_NONE, DEFERRED_NONE, false};
    s->controller = JS_NewObjectClass(ctx, JS_CLASS_SINK_CONTROLLER);
    JS_SetOpaque(s->controller, link);
    if (stream_queue_init(ctx, &s->queue, strategy) && start_stream(ctx, stream))
        return stream;
    JS_FreeValue(ctx, stream);
    return JS_EXCEPTION;
}

static JSValue get_locked(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct writable *s = JS_GetOpaque2(ctx, this_val, JS_CLASS_WRITABLE_STREAM);
    return s ? JS_NewBool(ctx, !JS_IsUndefined(s->writer)) : JS_EXCEPTION;
}

enum ending { ENDING_CLOSE, ENDING_ABORT };

static JSValue js_stream_end(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    struct writable *s = writable_of(this_val);
    if (!s || !JS_IsUndefined(s->writer))
        return js_settled(ctx, JS_ThrowTypeError(ctx, "a locked stream is closed and aborted by its writer"));
    return magic == ENDING_CLOSE ? request_close(ctx, this_val) : abort_stream(ctx, s, argc > 0 ? argv[0] : JS_UNDEFINED);
}

/* ---- writer ---- */

static JSValue make_writer(JSContext *ctx, JSValueConst stream)
{
    struct writable *s = JS_GetOpaque2(ctx, stream, JS_CLASS_WRITABLE_STREAM);
    if (!s)
        return JS_EXCEPTION;
    if (!JS_IsUndefined(s->writer))
        return JS_ThrowTypeError(ctx, "the stream is locked: it has a writer already");
    struct writer *w = mem_alloc(sizeof(*w));
    *w = (struct writer){JS_DupValue(ctx, stream), deferred_new(ctx), deferred_new(ctx), true};
    JSValue writer = JS_NewObjectClass(ctx, JS_CLASS_STREAM_WRITER);
    JS_SetOpaque(writer, w);
    s->writer = JS_DupValue(ctx, writer);
    update_ready(ctx, s);
    if (s->state == CLOSED)
        deferred_resolve(ctx, &w->closed, JS_UNDEFINED);
    if (s->state == ERRORED) {
        deferred_reject(ctx, &w->closed, s->stored_error);
        promise_mark_handled(ctx, w->closed.promise);
    }
    return writer;
}

static JSValue js_get_writer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return make_writer(ctx, this_val);
}

static JSValue js_new_writer(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return make_writer(ctx, argc > 0 ? argv[0] : JS_UNDEFINED);
}

static JSValue write_chunk(JSContext *ctx, JSValueConst stream, JSValueConst chunk)
{
    struct writable *s = writable_of(stream);
    if (s->state == ERRORED)
        return js_settled(ctx, JS_Throw(ctx, JS_DupValue(ctx, s->stored_error)));
    if (s->state == CLOSED || s->close_requested)
        return js_settled(ctx, JS_ThrowTypeError(ctx, "the stream is closed: nothing can be written"));
    struct deferred written = deferred_new(ctx);
    JSValue promise = JS_DupValue(ctx, written.promise);
    if (!stream_queue_add(ctx, &s->queue, chunk, written)) {
        JSValue reason = JS_GetException(ctx);
        deferred_reject(ctx, &written, reason);
        deferred_free(JS_GetRuntime(ctx), &written);
        fail_stream(ctx, s, reason);
        JS_FreeValue(ctx, reason);
        return promise;
    }
    update_ready(ctx, s);
    advance(ctx, stream);
    return promise;
}

enum writer_method { WRITER_WRITE, WRITER_CLOSE, WRITER_ABORT };

static JSValue js_writer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct writer *w = JS_GetOpaque(this_val, JS_CLASS_STREAM_WRITER);
    JSValueConst argument = argc > 0 ? argv[0] : JS_UNDEFINED;
    if (!w || !writable_of(w->stream))
        return js_settled(ctx, JS_ThrowTypeError(ctx, "the writer has released its stream"));
    if (magic == WRITER_WRITE)
        return write_chunk(ctx, w->stream, argument);
    return magic == WRITER_CLOSE ? request_close(ctx, w->stream) : abort_stream(ctx, writable_of(w->stream), argument);
}

static void reject_again(JSContext *ctx, struct deferred *d, bool pending, JSValueConst reason)
{
    if (!pending) {
        deferred_free(JS_GetRuntime(ctx), d);
        *d = deferred_new(ctx);
    }
    deferred_reject(ctx, d, reason);
    promise_mark_handled(ctx, d->promise);
}

static JSValue js_release_lock(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct writer *w = JS_GetOpaque2(ctx, this_val, JS_CLASS_STREAM_WRITER);
    struct writable *s = w ? writable_of(w->stream) : NULL;
    if (!s)
        return w ? JS_UNDEFINED : JS_EXCEPTION;
    JS_ThrowTypeError(ctx, "the writer has released its stream");
    JSValue reason = JS_GetException(ctx), writer = s->writer, stream = w->stream;
    reject_again(ctx, &w->closed, s->state == WRITABLE, reason);
    reject_again(ctx, &w->ready, w->ready_pending, reason);
    w->ready_pending = false;
    s->writer = JS_UNDEFINED;
    w->stream = JS_UNDEFINED;
    JS_FreeValue(ctx, reason);
    JS_FreeValue(ctx, writer);
    JS_FreeValue(ctx, stream);
    return JS_UNDEFINED;
}

enum writer_property { PROPERTY_CLOSED, PROPERTY_READY, PROPERTY_DESIRED_SIZE };

static JSValue get_property(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct writer *w = JS_GetOpaque2(ctx, this_val, JS_CLASS_STREAM_WRITER);
    if (!w)
        return JS_EXCEPTION;
    if (magic != PROPERTY_DESIRED_SIZE)
        return JS_DupValue(ctx, magic == PROPERTY_CLOSED ? w->closed.promise : w->ready.promise);
    const struct writable *s = writable_of(w->stream);
    if (!s)
        return JS_ThrowTypeError(ctx, "the writer has released its stream");
    return s->state == ERRORED ? JS_NULL : JS_NewFloat64(ctx, s->state == CLOSED ? 0 : desired_size(s));
}

void writable_install(JSContext *ctx, JSValueConst exports)
{
    js_class_register(ctx, JS_CLASS_WRITABLE_STREAM, &writable_class);
    js_class_register(ctx, JS_CLASS_STREAM_WRITER, &writer_class);
    js_class_register(ctx, JS_CLASS_SINK_CONTROLLER, &sink_control_class);
    JSValue controller = JS_NewObject(ctx), stream = JS_NewObject(ctx), writer = JS_NewObject(ctx);
    js_add_function(ctx, controller, "error", js_sink_error, 1);
    JS_SetClassProto(ctx, JS_CLASS_SINK_CONTROLLER, controller);
    js_add_function(ctx, stream, "getWriter", js_get_writer, 0);
    js_add_magic(ctx, stream, "close", js_stream_end, 0, ENDING_CLOSE);
    js_add_magic(ctx, stream, "abort", js_stream_end, 1, ENDING_ABORT);
    js_add_getter(ctx, stream, "locked", get_locked, 0);
    stream_class(ctx, exports, "WritableStream", js_new_writable, 0, JS_CLASS_WRITABLE_STREAM, stream);
    js_add_magic(ctx, writer, "write", js_writer, 1, WRITER_WRITE);
    js_add_magic(ctx, writer, "close", js_writer, 0, WRITER_CLOSE);
    js_add_magic(ctx, writer, "abort", js_writer, 1, WRITER_ABORT);
    js_add_function(ctx, writer, "releaseLock", js_release_lock, 0);
    js_add_getter(ctx, writer, "closed", get_property, PROPERTY_CLOSED);
    js_add_getter(ctx, writer, "ready", get_property, PROPERTY_READY);
    js_add_getter(ctx, writer, "desiredSize", get_property, PROPERTY_DESIRED_SIZE);
    stream_class(ctx, exports, "WritableStreamDefaultWriter", js_new_writer, 1, JS_CLASS_STREAM_WRITER, writer);
}
