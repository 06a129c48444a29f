/* SPDX-License-Identifier: Apache-2.0 */
/* k6/websockets: the WebSocket class over the VU's event loop. The iteration lasts until its sockets are closed. */
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "script/k6/blob.h"
#include "script/k6/modules.h"
#include "script/k6/ws_link.h"

enum ready_state { STATE_CONNECTING, STATE_OPEN, STATE_CLOSING, STATE_CLOSED };
enum event_kind { EVENT_OPEN, EVENT_MESSAGE, EVENT_ERROR, EVENT_CLOSE, EVENT_PING, EVENT_PONG, EVENT_KINDS };

static const char *const event_names[EVENT_KINDS] = {"open", "message", "error", "close", "ping", "pong"};

#define NO_CODE (-1)

struct websocket {
    struct vu_operation life; /* from the constructor to the close event */
    struct ws_link link;
    struct vu *vu;
    JSContext *ctx;
    JSValue self; /* held while the session lives */
    enum ready_state state;
    bool blobs; /* binaryType */
    bool was_open;
    char *url, *protocol, *extensions;
    struct listeners {
        JSValue on; /* null: none */
        JSValue *list;
        size_t count, cap;
    } listeners[EVENT_KINDS];
    /* how it ended */
    int close_code;
    struct buf close_reason;
    char *error;
};

/* Something that happened while the socket was open. */
struct socket_event {
    struct vu_operation operation;
    struct websocket *socket;
    enum event_kind kind;
    bool is_text;
    size_t len;
    uint8_t data[];
};

/* ---- the object ---- */

static void websocket_finalize(JSRuntime *rt, JSValueConst value)
{
    struct websocket *w = JS_GetOpaque(value, JS_CLASS_WEBSOCKET);
    if (!w)
        return;
    for (int i = 0; i < EVENT_KINDS; i++) {
        struct listeners *l = &w->listeners[i];
        JS_FreeValueRT(rt, l->on);
        for (size_t k = 0; k < l->count; k++)
            JS_FreeValueRT(rt, l->list[k]);
        mem_free(l->list);
    }
    buf_free(&w->close_reason);
    mem_free(w->error);
    mem_free(w->url);
    mem_free(w->protocol);
    mem_free(w->extensions);
    mem_free(w);
}

static void websocket_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct websocket *w = JS_GetOpaque(value, JS_CLASS_WEBSOCKET);
    for (int i = 0; w && i < EVENT_KINDS; i++) {
        JS_MarkValue(rt, w->listeners[i].on, mark);
        for (size_t k = 0; k < w->listeners[i].count; k++)
            JS_MarkValue(rt, w->listeners[i].list[k], mark);
    }
}

static const JSClassDef websocket_class = {"WebSocket", .finalizer = websocket_finalize, .gc_mark = websocket_mark};

static struct websocket *websocket_of(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetOpaque2(ctx, this_val, JS_CLASS_WEBSOCKET);
}

/* ---- events ---- */

static JSValue event_value(struct websocket *w, enum event_kind kind)
{
    JSValue event = JS_NewObject(w->ctx);
    JS_SetPropertyStr(w->ctx, event, "type", JS_NewString(w->ctx, event_names[kind]));
    JS_SetPropertyStr(w->ctx, event, "target", JS_DupValue(w->ctx, w->self));
    JS_SetPropertyStr(w->ctx, event, "timestamp", JS_NewFloat64(w->ctx, (double)(clock_wall_ns() / NS_PER_MS)));
    return event;
}

static void call_listener(struct websocket *w, JSValueConst function, JSValueConst event)
{
    JSValue result = JS_Call(w->ctx, function, w->self, 1, &event);
    if (JS_IsException(result) && !w->vu->cut) {
        JSValue error = JS_GetException(w->ctx);
        if (JS_IsUndefined(w->vu->loop_error))
            w->vu->loop_error = error;
        else
            JS_FreeValue(w->ctx, error);
    }
    JS_FreeValue(w->ctx, result);
}

/* Takes the event. */
static void dispatch(struct websocket *w, enum event_kind kind, JSValue event)
{
    struct listeners *l = &w->listeners[kind];
    size_t count = l->count; /* those that are added meanwhile come with the next event */
    if (!JS_IsNull(l->on)) {
        JSValue on = JS_DupValue(w->ctx, l->on);
        call_listener(w, on, event);
        JS_FreeValue(w->ctx, on);
    }
    for (size_t i = 0; i < count && !w->vu->cut; i++) {
        JSValue listener = JS_DupValue(w->ctx, l->list[i]);
        call_listener(w, listener, event);
        JS_FreeValue(w->ctx, listener);
    }
    JS_FreeValue(w->ctx, event);
}

static void run_event(struct vu *vu, struct vu_operation *operation)
{
    struct socket_event *e = CONTAINER_OF(operation, struct socket_event, operation);
    struct websocket *w = e->socket;
    JSContext *ctx = w->ctx;
    JSValue event = event_value(w, e->kind);
    if (e->kind == EVENT_OPEN) {
        w->state = STATE_OPEN;
        ws_link_connected(&w->link);
    } else if (e->kind == EVENT_PONG) {
        ws_link_pong(&w->link, e->data, e->len);
    } else if (e->kind == EVENT_MESSAGE) {
        ws_link_received(&w->link);
        JSValue data = e->is_text ? JS_NewStringLen(ctx, (char *)e->data, e->len) : w->blobs ? blob_new(ctx, e->data, e->len, "") : js_new_array_buffer(ctx, e->data, e->len);
        JS_SetPropertyStr(ctx, event, "data", data);
        JS_SetPropertyStr(ctx, event, "origin", JS_NewString(ctx, w->url));
    }
    dispatch(w, e->kind, event);
    mem_free(e);
}

static void cancel_event(struct vu *vu, struct vu_operation *operation)
{
    mem_free(CONTAINER_OF(operation, struct socket_event, operation));
}

static void queue_event(struct websocket *w, enum event_kind kind, bool is_text, const void *data, size_t len)
{
    struct socket_event *e = mem_zalloc(sizeof(*e) + len);
    e->operation = (struct vu_operation){.run = run_event, .cancel = cancel_event};
    e->socket = w;
    e->kind = kind;
    e->is_text = is_text;
    e->len = len;
    if (len)
        memcpy(e->data, data, len);
    vu_operation_end(w->vu, &e->operation);
}

/* The last events; the object may go after them. */
static void run_end(struct vu *vu, struct vu_operation *operation)
{
    struct websocket *w = CONTAINER_OF(operation, struct websocket, life);
    JSContext *ctx = w->ctx;
    if (w->was_open)
        ws_link_ended(&w->link);
    else if (w->link.socket)
        ws_link_connected(&w->link);
    w->state = STATE_CLOSED;
    if (w->error) {
        JSValue event = event_value(w, EVENT_ERROR);
        JS_SetPropertyStr(ctx, event, "error", JS_NewString(ctx, w->error));
        dispatch(w, EVENT_ERROR, event);
    }
    JSValue event = event_value(w, EVENT_CLOSE);
    if (w->close_code != NO_CODE) {
        JS_SetPropertyStr(ctx, event, "code", JS_NewInt32(ctx, w->close_code));
        JS_SetPropertyStr(ctx, event, "reason", JS_NewStringLen(ctx, w->close_reason.data ? w->close_reason.data : "", w->close_reason.len));
    }
    dispatch(w, EVENT_CLOSE, event);
    ws_link_fini(&w->link);
    JS_FreeValue(ctx, w->self);
}

static void cancel_life(struct vu *vu, struct vu_operation *operation)
{
    struct websocket *w = CONTAINER_OF(operation, struct websocket, life);
    if (w->link.socket && !operation->ended)
        ws_close(w->link.socket, WS_CLOSE_GOING_AWAY, NULL, 0);
    w->state = STATE_CLOSED;
    ws_link_fini(&w->link);
    JS_FreeValue(w->ctx, w->self);
}

/* ---- from the socket, on the worker's stack ---- */

static void on_opened(struct ws_socket *socket, void *arg)
{
    struct websocket *w = arg;
    w->was_open = true;
    mem_free(w->protocol);
    mem_free(w->extensions);
    w->protocol = mem_strdup(ws_protocol(socket));
    w->extensions = mem_strdup(ws_extensions(socket));
    queue_event(w, EVENT_OPEN, false, NULL, 0);
}

static void on_refused(struct ws_socket *socket, void *arg, const char *error)
{
    struct websocket *w = arg;
    w->error = mem_strdup(error);
    w->close_code = NO_CODE;
    vu_operation_end(w->vu, &w->life);
}

static void on_message(struct ws_socket *socket, void *arg, bool is_text, const uint8_t *data, size_t len)
{
    queue_event(arg, EVENT_MESSAGE, is_text, data, len);
}

static void on_ping(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len)
{
    queue_event(arg, EVENT_PING, false, NULL, 0);
}

static void on_pong(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len)
{
    queue_event(arg, EVENT_PONG, false, data, len);
}

static void on_closed(struct ws_socket *socket, void *arg, int code, const char *reason, size_t len)
{
    struct websocket *w = arg;
    w->close_code = code;
    if (code == WS_CLOSE_ABNORMAL)
        w->error = mem_strndup(reason, len);
    else
        buf_add(&w->close_reason, reason, len);
    if (code != WS_CLOSE_ABNORMAL && code != WS_CLOSE_NORMAL && code != WS_CLOSE_GOING_AWAY && w->state == STATE_OPEN)
        w->error = mem_printf("websocket: close %d %.*s", code, (int)len, reason);
    vu_operation_end(w->vu, &w->life);
}

static const struct ws_handler socket_handler = {on_opened, on_refused, on_message, on_ping, on_pong, on_closed};

/* ---- construction ---- */

/* "a, b" of a string or an array; false: thrown. */
static bool read_protocols(JSContext *ctx, JSValueConst value, struct buf *out)
{
    int64_t count = 1;
    bool is_array = JS_IsArray(value);
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return true;
    if (is_array)
        JS_GetLength(ctx, value, &count);
    for (int64_t i = 0; i < count; i++) {
        JSValue item = is_array ? JS_GetPropertyInt64(ctx, value, i) : JS_DupValue(ctx, value);
        const char *text = JS_ToCString(ctx, item);
        JS_FreeValue(ctx, item);
        if (!text)
            return false;
        if (i)
            buf_add_text(out, ", ");
        buf_add_text(out, text);
        JS_FreeCString(ctx, text);
    }
    return true;
}

static JSValue js_new_websocket(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct buf protocols = {0};
    if (!vu_require_running(ctx, "using WebSockets"))
        return JS_EXCEPTION;
    struct websocket *w = mem_zalloc(sizeof(*w));
    w->vu = vu_of(ctx);
    w->ctx = ctx;
    w->blobs = true;
    w->close_code = NO_CODE;
    w->protocol = mem_strdup("");
    w->extensions = mem_strdup("");
    for (int i = 0; i < EVENT_KINDS; i++)
        w->listeners[i].on = JS_NULL;
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_WEBSOCKET);
    JS_SetOpaque(object, w);
    bool valid = ws_link_init(&w->link, ctx, argc > 0 ? argv[0] : JS_UNDEFINED, argc > 2 ? argv[2] : JS_UNDEFINED, NULL, true) &&
                 read_protocols(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, &protocols);
    if (!valid) {
        ws_link_fini(&w->link);
        buf_free(&protocols);
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    w->url = mem_strdup(w->link.url_text);
    w->link.request.protocols = protocols.len ? protocols.data : NULL;
    w->self = JS_DupValue(ctx, object);
    w->life = (struct vu_operation){.run = run_end, .cancel = cancel_life};
    vu_operation_begin(w->vu, &w->life);
    ws_link_start(&w->link, &socket_handler, w);
    buf_free(&protocols);
    return object;
}

/* ---- methods ---- */

static int event_of(JSContext *ctx, JSValueConst name)
{
    const char *text = JS_ToCString(ctx, name);
    int found = -1;
    for (int i = 0; text && i < EVENT_KINDS; i++)
        if (strcmp(event_names[i], text) == 0)
            found = i;
    if (text && found < 0)
        js_throw_error(ctx, "unsupported event type: '%s'", text);
    JS_FreeCString(ctx, text);
    return found;
}

static JSValue js_add_listener(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct websocket *w = websocket_of(ctx, this_val);
    if (!w)
        return JS_EXCEPTION;
    if (argc < 2 || !JS_IsFunction(ctx, argv[1]))
        return JS_ThrowTypeError(ctx, "addEventListener() needs the name of an event and a function");
    int kind = event_of(ctx, argv[0]);
    if (kind < 0)
        return JS_EXCEPTION;
    struct listeners *l = &w->listeners[kind];
    mem_grow(&l->list, &l->cap, l->count + 1, sizeof(l->list[0]));
    l->list[l->count++] = JS_DupValue(ctx, argv[1]);
    return JS_UNDEFINED;
}

static bool require_open(JSContext *ctx, const struct websocket *w)
{
    if (w->state == STATE_OPEN)
        return true;
    js_throw_named(ctx, "InvalidStateError", "the WebSocket is not open (readyState %d)", w->state);
    return false;
}

static JSValue js_send(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct websocket *w = websocket_of(ctx, this_val);
    struct js_bytes bytes;
    if (!w || !require_open(ctx, w))
        return JS_EXCEPTION;
    if (argc < 1 || (!blob_bytes(argv[0], &bytes) && !js_bytes_read(ctx, argv[0], &bytes)))
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "send() takes a string, an ArrayBuffer, a view or a Blob");
    ws_send(w->link.socket, JS_IsString(argv[0]), bytes.data ? bytes.data : (const uint8_t *)"", bytes.len);
    ws_link_sent(&w->link);
    js_bytes_free(ctx, &bytes);
    return JS_UNDEFINED;
}

static JSValue js_ping(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct websocket *w = websocket_of(ctx, this_val);
    if (!w || !require_open(ctx, w))
        return JS_EXCEPTION;
    ws_link_ping(&w->link);
    return JS_UNDEFINED;
}

static JSValue close_socket(JSContext *ctx, struct websocket *w, int code, const char *reason, size_t len)
{
    if (code != WS_CLOSE_NORMAL && (code < 3000 || code > 4999))
        return js_throw_named(ctx, "InvalidAccessError", "invalid close code %d: 1000 or 3000 to 4999", code);
    if (len > 123)
        return js_throw_named(ctx, "SyntaxError", "the reason of a close is at most 123 bytes long, this one %zu", len);
    if (w->state == STATE_OPEN) {
        ws_close(w->link.socket, code, reason, len);
        w->state = STATE_CLOSING;
    } else if (w->state == STATE_CONNECTING) {
        w->state = STATE_CLOSING;
        w->close_code = WS_CLOSE_ABNORMAL;
        if (!w->life.ended) {
            mem_free(w->error);
            w->error = mem_strdup("the WebSocket was closed before it was open");
            ws_free(w->link.socket);
            w->link.socket = NULL;
            vu_operation_end(w->vu, &w->life);
        }
    }
    return JS_UNDEFINED;
}

static JSValue js_close(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct websocket *w = websocket_of(ctx, this_val);
    int32_t code = WS_CLOSE_NORMAL;
    size_t len = 0;
    if (!w || (argc > 0 && !JS_IsUndefined(argv[0]) && JS_ToInt32(ctx, &code, argv[0])))
        return JS_EXCEPTION;
    const char *reason = argc > 1 && !JS_IsUndefined(argv[1]) ? JS_ToCStringLen(ctx, &len, argv[1]) : NULL;
    JSValue result = JS_HasException(ctx) ? JS_EXCEPTION : close_socket(ctx, w, code, reason, len);
    JS_FreeCString(ctx, reason);
    return result;
}

/* ---- properties ---- */

enum property { PROPERTY_READY_STATE, PROPERTY_URL, PROPERTY_BUFFERED, PROPERTY_PROTOCOL, PROPERTY_EXTENSIONS, PROPERTY_COUNT };

static JSValue get_property(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct websocket *w = websocket_of(ctx, this_val);
    if (!w)
        return JS_EXCEPTION;
    switch (magic) {
    case PROPERTY_READY_STATE:
        return JS_NewInt32(ctx, w->state);
    case PROPERTY_BUFFERED:
        return JS_NewInt32(ctx, 0); /* the socket takes everything at once */
    case PROPERTY_URL:
        return JS_NewString(ctx, w->url);
    default:
        return JS_NewString(ctx, magic == PROPERTY_PROTOCOL ? w->protocol : w->extensions);
    }
}

static JSValue get_binary_type(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct websocket *w = websocket_of(ctx, this_val);
    return w ? JS_NewString(ctx, w->blobs ? "blob" : "arraybuffer") : JS_EXCEPTION;
}

static JSValue set_binary_type(JSContext *ctx, JSValueConst this_val, JSValueConst value, int magic)
{
    struct websocket *w = websocket_of(ctx, this_val);
    const char *text = w ? JS_ToCString(ctx, value) : NULL;
    bool blobs = text && strcmp(text, "blob") == 0, valid = blobs || (text && strcmp(text, "arraybuffer") == 0);
    if (valid)
        w->blobs = blobs;
    else if (text)
        js_throw_error(ctx, "unknown binaryType '%s': it is 'blob' or 'arraybuffer'", text);
    JS_FreeCString(ctx, text);
    return valid ? JS_UNDEFINED : JS_EXCEPTION;
}

static JSValue get_on(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct websocket *w = websocket_of(ctx, this_val);
    return w ? JS_DupValue(ctx, w->listeners[magic].on) : JS_EXCEPTION;
}

static JSValue set_on(JSContext *ctx, JSValueConst this_val, JSValueConst value, int magic)
{
    struct websocket *w = websocket_of(ctx, this_val);
    if (!w)
        return JS_EXCEPTION;
    if (!JS_IsNull(value) && !JS_IsUndefined(value) && !JS_IsFunction(ctx, value))
        return JS_ThrowTypeError(ctx, "on%s must be a function", event_names[magic]);
    JS_FreeValue(ctx, w->listeners[magic].on);
    w->listeners[magic].on = JS_IsFunction(ctx, value) ? JS_DupValue(ctx, value) : JS_NULL;
    return JS_UNDEFINED;
}

static void add_accessor(JSContext *ctx, JSValueConst proto, const char *name, JSValue (*get)(JSContext *, JSValueConst, int),
                         JSValue (*set)(JSContext *, JSValueConst, JSValueConst, int), int magic)
{
    JSCFunctionType getter = {.getter_magic = get}, setter = {.setter_magic = set};
    JSAtom atom = JS_NewAtom(ctx, name);
    JS_DefinePropertyGetSet(ctx, proto, atom, JS_NewCFunction2(ctx, getter.generic, name, 0, JS_CFUNC_getter_magic, magic),
                            JS_NewCFunction2(ctx, setter.generic, name, 1, JS_CFUNC_setter_magic, magic), JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE);
    JS_FreeAtom(ctx, atom);
}

JSValue websockets_make(JSContext *ctx)
{
    static const char *const properties[PROPERTY_COUNT] = {"readyState", "url", "bufferedAmount", "protocol", "extensions"};
    js_class_register(ctx, JS_CLASS_WEBSOCKET, &websocket_class);
    JSValue exports = JS_NewObject(ctx), proto = JS_NewObject(ctx);
    JSValue constructor = JS_NewCFunction2(ctx, js_new_websocket, "WebSocket", 1, JS_CFUNC_constructor, 0);
    js_add_function(ctx, proto, "addEventListener", js_add_listener, 2);
    js_add_function(ctx, proto, "send", js_send, 1);
    js_add_function(ctx, proto, "ping", js_ping, 0);
    js_add_function(ctx, proto, "close", js_close, 2);
    for (int i = 0; i < PROPERTY_COUNT; i++)
        js_add_getter(ctx, proto, properties[i], get_property, i);
    add_accessor(ctx, proto, "binaryType", get_binary_type, set_binary_type, 0);
    for (int i = 0; i < EVENT_KINDS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "on%s", event_names[i]);
        add_accessor(ctx, proto, name, get_on, set_on, i);
    }
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_WEBSOCKET, proto);
    JS_DefinePropertyValueStr(ctx, exports, "WebSocket", constructor, JS_PROP_C_W_E);
    blob_class(ctx, exports);
    return exports;
}
