/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.Stream: calls with several messages, over the VU's event loop. The iteration lasts until they end. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/mem.h"
#include "metrics/metrics.h"
#include "script/k6/grpc_client.h"
#include "script/k6/modules.h"

struct grpc_metrics grpc_metrics;

enum event_kind { EVENT_DATA, EVENT_ERROR, EVENT_END, EVENT_METADATA, EVENT_KINDS };

static const char *const event_names[EVENT_KINDS] = {"data", "error", "end", "metadata"};

struct grpc_stream {
    struct vu_operation life;
    struct grpc_client *client;
    const struct proto_method *method;
    struct grpc_call *call; /* NULL: over */
    struct grpc_params params;
    const struct tagset *tags;
    JSValue self; /* held while the call lives */
    bool writing_ended;
    struct listeners {
        JSValue *list;
        size_t count, cap;
    } listeners[EVENT_KINDS];
    enum grpc_status status;
    char *text;
};

struct stream_message {
    struct vu_operation operation;
    struct grpc_stream *stream;
    size_t len;
    uint8_t data[];
};

static void stream_finalize(JSRuntime *rt, JSValueConst value)
{
    struct grpc_stream *s = JS_GetOpaque(value, JS_CLASS_GRPC_STREAM);
    if (!s)
        return;
    for (int i = 0; i < EVENT_KINDS; i++) {
        for (size_t k = 0; k < s->listeners[i].count; k++)
            JS_FreeValueRT(rt, s->listeners[i].list[k]);
        mem_free(s->listeners[i].list);
    }
    mem_free(s->text);
    mem_free(s);
}

static void stream_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct grpc_stream *s = JS_GetOpaque(value, JS_CLASS_GRPC_STREAM);
    for (int i = 0; s && i < EVENT_KINDS; i++)
        for (size_t k = 0; k < s->listeners[i].count; k++)
            JS_MarkValue(rt, s->listeners[i].list[k], mark);
}

static const JSClassDef stream_class = {"Stream", .finalizer = stream_finalize, .gc_mark = stream_mark};

static struct grpc_stream *stream_of(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetOpaque2(ctx, this_val, JS_CLASS_GRPC_STREAM);
}

static void emit(const struct grpc_stream *s, const struct metric *metric)
{
    struct sample sample = {metric, s->tags, 1};
    vu_emit(s->client->vu, &sample, 1, 0);
}

static void call_listeners(struct grpc_stream *s, enum event_kind kind, int argc, JSValueConst *argv)
{
    struct vu *vu = s->client->vu;
    JSContext *ctx = s->client->ctx;
    for (size_t i = 0; i < s->listeners[kind].count && !vu->cut; i++) {
        JSValue listener = JS_DupValue(ctx, s->listeners[kind].list[i]), result = JS_Call(ctx, listener, s->self, argc, argv);
        if (JS_IsException(result) && !vu->cut) {
            JSValue error = JS_GetException(ctx);
            if (JS_IsUndefined(vu->loop_error))
                vu->loop_error = error;
            else
                JS_FreeValue(ctx, error);
        }
        JS_FreeValue(ctx, result);
        JS_FreeValue(ctx, listener);
    }
}

/* ---- events ---- */

static void run_message(struct vu *vu, struct vu_operation *operation)
{
    struct stream_message *m = CONTAINER_OF(operation, struct stream_message, operation);
    struct grpc_stream *s = m->stream;
    JSContext *ctx = s->client->ctx;
    emit(s, grpc_metrics.received);
    JSValue values[2] = {grpc_decode(ctx, s->client, s->method->output, m->data, m->len), JS_NewObject(ctx)};
    if (JS_IsException(values[0])) {
        vu->loop_error = JS_GetException(ctx);
    } else {
        JS_SetPropertyStr(ctx, values[1], "ts", JS_NewInt64(ctx, clock_wall_ns() / NS_PER_MS));
        call_listeners(s, EVENT_DATA, 2, (JSValueConst *)values);
    }
    JS_FreeValue(ctx, values[0]);
    JS_FreeValue(ctx, values[1]);
    mem_free(m);
}

static void cancel_message(struct vu *vu, struct vu_operation *operation)
{
    mem_free(CONTAINER_OF(operation, struct stream_message, operation));
}

static void finish(struct grpc_stream *s)
{
    JSContext *ctx = s->client->ctx;
    grpc_call_free(s->call);
    s->call = NULL;
    grpc_params_free(&s->params);
    grpc_client_unref(s->client);
    JS_FreeValue(ctx, s->self);
}

static void run_end(struct vu *vu, struct vu_operation *operation)
{
    struct grpc_stream *s = CONTAINER_OF(operation, struct grpc_stream, life);
    JSContext *ctx = s->client->ctx;
    size_t count;
    const struct grpc_field *headers = grpc_call_headers(s->call, &count);
    if (s->listeners[EVENT_METADATA].count) {
        JSValue value = grpc_fields_value(ctx, headers, count);
        call_listeners(s, EVENT_METADATA, 1, (JSValueConst *)&value);
        JS_FreeValue(ctx, value);
    }
    if (s->status == GRPC_OK) {
        call_listeners(s, EVENT_END, 0, NULL);
    } else {
        JSValue error = grpc_error_value(ctx, s->status, s->text);
        call_listeners(s, EVENT_ERROR, 1, (JSValueConst *)&error);
        JS_FreeValue(ctx, error);
    }
    finish(s);
}

static void cancel_life(struct vu *vu, struct vu_operation *operation)
{
    finish(CONTAINER_OF(operation, struct grpc_stream, life));
}

static void on_message(struct grpc_call *call, void *arg, const void *bytes, size_t len)
{
    struct grpc_stream *s = arg;
    struct stream_message *m = mem_zalloc(sizeof(*m) + len);
    m->operation = (struct vu_operation){.run = run_message, .cancel = cancel_message};
    m->stream = s;
    m->len = len;
    if (len)
        memcpy(m->data, bytes, len);
    vu_operation_end(s->client->vu, &m->operation);
}

static void on_done(struct grpc_call *call, void *arg, enum grpc_status status, const char *text)
{
    struct grpc_stream *s = arg;
    s->status = status;
    s->text = mem_strdup(text);
    vu_operation_end(s->client->vu, &s->life);
}

static const struct grpc_call_handler call_handler = {on_message, on_done};

/* ---- what scripts call ---- */

static JSValue js_new_stream(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct grpc_client *client = argc > 0 ? JS_GetOpaque(argv[0], JS_CLASS_GRPC_CLIENT) : NULL;
    struct grpc_params params;
    if (!vu_require_running(ctx, "new grpc.Stream()"))
        return JS_EXCEPTION;
    if (!client)
        return JS_ThrowTypeError(ctx, "new grpc.Stream() needs a Client, a method and params");
    if (!client->is_open)
        return js_throw_error(ctx, "no gRPC connection, you must call connect first");
    const struct proto_method *method = grpc_find_method(ctx, client, argc > 1 ? argv[1] : JS_UNDEFINED);
    if (!method || !grpc_params_read(ctx, argc > 2 ? argv[2] : JS_UNDEFINED, 0, &params))
        return JS_EXCEPTION;
    struct grpc_stream *s = mem_zalloc(sizeof(*s));
    s->client = client;
    client->refs++;
    s->method = method;
    s->params = params;
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_GRPC_STREAM);
    JS_SetOpaque(object, s);
    s->self = JS_DupValue(ctx, object);
    s->tags = grpc_call_tags(client, method, &s->params.tags, NULL, client->vu->tags);
    s->life = (struct vu_operation){.run = run_end, .cancel = cancel_life};
    vu_operation_begin(client->vu, &s->life);
    s->call = grpc_call_open(client->session, method->path, s->params.metadata, s->params.metadata_count, s->params.timeout_ns, &call_handler, s);
    emit(s, grpc_metrics.streams);
    return object;
}

static JSValue js_on(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);
    if (!s)
        return JS_EXCEPTION;
    if (argc < 2 || !JS_IsFunction(ctx, argv[1]))
        return JS_ThrowTypeError(ctx, "on() needs the name of an event and a function");
    const char *name = JS_ToCString(ctx, argv[0]);
    int kind = -1;
    for (int i = 0; name && i < EVENT_KINDS; i++)
        if (strcmp(event_names[i], name) == 0)
            kind = i;
    if (name && kind < 0)
        js_throw_error(ctx, "unknown event '%s': data, error, end and metadata are known", name);
    JS_FreeCString(ctx, name);
    if (kind < 0)
        return JS_EXCEPTION;
    struct listeners *l = &s->listeners[kind];
    mem_grow(&l->list, &l->cap, l->count + 1, sizeof(l->list[0]));
    l->list[l->count++] = JS_DupValue(ctx, argv[1]);
    return JS_UNDEFINED;
}

static JSValue js_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);
    struct buf bytes = {0};
    if (!s)
        return JS_EXCEPTION;
    if (!s->call || s->life.ended || s->writing_ended)
        return JS_UNDEFINED; /* as k6: what comes after the end is dropped */
    if (!grpc_encode(ctx, s->client, s->method->input, argc > 0 ? argv[0] : JS_UNDEFINED, &bytes))
        return JS_EXCEPTION;
    bool fits = grpc_call_send(s->call, bytes.data ? bytes.data : "", bytes.len);
    buf_free(&bytes);
    if (!fits)
        return js_throw_error(ctx, "the message is longer than maxSendSize allows");
    emit(s, grpc_metrics.sent);
    return JS_UNDEFINED;
}

static JSValue js_end(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_stream *s = stream_of(ctx, this_val);
    if (!s)
        return JS_EXCEPTION;
    s->writing_ended = true;
    if (s->call)
        grpc_call_half_close(s->call);
    return JS_UNDEFINED;
}

void grpc_stream_class(JSContext *ctx, JSValueConst exports)
{
    js_class_register(ctx, JS_CLASS_GRPC_STREAM, &stream_class);
    JSValue proto = JS_NewObject(ctx), constructor = JS_NewCFunction2(ctx, js_new_stream, "Stream", 3, JS_CFUNC_constructor, 0);
    js_add_function(ctx, proto, "on", js_on, 2);
    js_add_function(ctx, proto, "write", js_write, 1);
    js_add_function(ctx, proto, "end", js_end, 0);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_GRPC_STREAM, proto);
    JS_DefinePropertyValueStr(ctx, exports, "Stream", constructor, JS_PROP_C_W_E);
}
