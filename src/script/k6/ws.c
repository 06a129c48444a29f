/* SPDX-License-Identifier: Apache-2.0 */
/* k6/ws: connect() runs the socket to its end with an event loop of its own: the socket's events and timers, nothing
 * else of the VU. */
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/header.h"
#include "script/k6/modules.h"
#include "script/k6/ws_link.h"

enum event_kind { EVENT_OPEN, EVENT_MESSAGE, EVENT_BINARY, EVENT_PING, EVENT_PONG, EVENT_CLOSE, EVENT_ERROR, EVENT_KINDS };

static const char *const event_names[EVENT_KINDS] = {"open", "message", "binaryMessage", "ping", "pong", "close", "error"};

/* What the socket told, until the VU comes to it. */
struct ws_event {
    struct list_node node;
    enum event_kind kind;
    int code;
    size_t len;
    uint8_t data[];
};

struct ws_timer {
    struct ws_timer *next;
    int64_t due_ns, interval_ns; /* interval 0: once */
    JSValue function;
};

struct ws_session {
    struct ws_link link;
    struct vu *vu;
    JSContext *ctx;
    struct list_node events;
    bool connecting, waiting, ended; /* ended: no event follows */
    bool close_told;
    char *refusal;
    JSValue object;
    struct handlers {
        JSValue *list;
        size_t count, cap;
    } handlers[EVENT_KINDS];
    struct ws_timer *timers;
};

/* ---- from the socket, on the worker's stack ---- */

static void wake(struct ws_session *s)
{
    if (s->waiting)
        vu_unblock(s->vu);
}

static void queue_event(struct ws_session *s, enum event_kind kind, int code, const void *data, size_t len)
{
    struct ws_event *event = mem_alloc(sizeof(*event) + len + 1);
    event->kind = kind;
    event->code = code;
    event->len = len;
    if (len)
        memcpy(event->data, data, len);
    event->data[len] = 0;
    node_add_tail(&s->events, &event->node);
    wake(s);
}

static void on_opened(struct ws_socket *socket, void *arg)
{
    struct ws_session *s = arg;
    s->connecting = false;
    wake(s);
}

static void on_refused(struct ws_socket *socket, void *arg, const char *error)
{
    struct ws_session *s = arg;
    s->refusal = mem_strdup(error);
    s->connecting = false;
    wake(s);
}

static void on_message(struct ws_socket *socket, void *arg, bool is_text, const uint8_t *data, size_t len)
{
    queue_event(arg, is_text ? EVENT_MESSAGE : EVENT_BINARY, 0, data, len);
}

static void on_ping(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len)
{
    queue_event(arg, EVENT_PING, 0, NULL, 0);
}

static void on_pong(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len)
{
    queue_event(arg, EVENT_PONG, 0, data, len);
}

static void on_closed(struct ws_socket *socket, void *arg, int code, const char *reason, size_t len)
{
    struct ws_session *s = arg;
    if (code != WS_CLOSE_NORMAL && code != WS_CLOSE_GOING_AWAY) {
        char *text = code == WS_CLOSE_ABNORMAL ? mem_strndup(reason, len) : mem_printf("websocket: close %d %.*s", code, (int)len, reason);
        queue_event(s, EVENT_ERROR, code, text, strlen(text));
        mem_free(text);
    }
    queue_event(s, EVENT_CLOSE, code, NULL, 0);
}

static const struct ws_handler socket_handler = {on_opened, on_refused, on_message, on_ping, on_pong, on_closed};

static void start_link(void *arg)
{
    struct ws_session *s = arg;
    ws_link_start(&s->link, &socket_handler, s);
}

/* ---- calling the script ---- */

/* False: a handler threw, or the iteration is cut. */
static bool call_handlers(struct ws_session *s, enum event_kind kind, int argc, JSValueConst *argv)
{
    for (size_t i = 0; i < s->handlers[kind].count; i++) {
        JSValue result = JS_Call(s->ctx, s->handlers[kind].list[i], JS_UNDEFINED, argc, argv);
        if (JS_IsException(result))
            return false;
        JS_FreeValue(s->ctx, result);
    }
    return true;
}

static bool tell_close(struct ws_session *s, int code)
{
    if (s->close_told)
        return true;
    s->close_told = true;
    s->ended = true;
    JSValue value = JS_NewInt32(s->ctx, code);
    return call_handlers(s, EVENT_CLOSE, 1, (JSValueConst *)&value);
}

static JSValue js_error_method(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return JS_GetPropertyStr(ctx, this_val, "message");
}

static bool tell_error(struct ws_session *s, const char *text)
{
    JSValue error = JS_NewError(s->ctx);
    JS_DefinePropertyValueStr(s->ctx, error, "message", JS_NewString(s->ctx, text), JS_PROP_C_W_E);
    js_add_function(s->ctx, error, "error", js_error_method, 0);
    bool done = call_handlers(s, EVENT_ERROR, 1, (JSValueConst *)&error);
    JS_FreeValue(s->ctx, error);
    return done;
}

static bool run_event(struct ws_session *s, const struct ws_event *event)
{
    JSValue value = JS_UNDEFINED;
    switch (event->kind) {
    case EVENT_CLOSE:
        return tell_close(s, event->code);
    case EVENT_ERROR:
        return tell_error(s, (const char *)event->data);
    case EVENT_MESSAGE:
        ws_link_received(&s->link);
        value = JS_NewStringLen(s->ctx, (const char *)event->data, event->len);
        break;
    case EVENT_BINARY:
        ws_link_received(&s->link);
        value = js_new_array_buffer(s->ctx, event->data, event->len);
        break;
    case EVENT_PONG:
        ws_link_pong(&s->link, event->data, event->len);
        break;
    default:
        break;
    }
    bool done = call_handlers(s, event->kind, JS_IsUndefined(value) ? 0 : 1, (JSValueConst *)&value);
    JS_FreeValue(s->ctx, value);
    return done;
}

static void add_timer(struct ws_session *s, struct ws_timer *timer)
{
    struct ws_timer **at = &s->timers;
    while (*at && (*at)->due_ns <= timer->due_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static bool run_timer(struct ws_session *s)
{
    struct ws_timer *timer = s->timers;
    s->timers = timer->next;
    JSValue result = JS_Call(s->ctx, timer->function, JS_UNDEFINED, 0, NULL);
    bool done = !JS_IsException(result);
    JS_FreeValue(s->ctx, result);
    if (timer->interval_ns && done) {
        timer->due_ns += timer->interval_ns;
        add_timer(s, timer);
    } else {
        JS_FreeValue(s->ctx, timer->function);
        mem_free(timer);
    }
    return done;
}

/* Parks until something happens. False: the iteration is cut. */
static bool wait_for_socket(struct ws_session *s)
{
    s->waiting = true;
    bool went_on = s->timers ? vu_sleep_until(s->vu, s->timers->due_ns) : vu_block(s->vu, NULL, NULL);
    s->waiting = false;
    return went_on;
}

static bool run_session(struct ws_session *s)
{
    while (!s->ended) {
        if (node_is_linked(&s->events)) {
            struct ws_event *event = CONTAINER_OF(s->events.next, struct ws_event, node);
            node_remove(&event->node);
            bool done = run_event(s, event);
            mem_free(event);
            if (!done)
                return false;
        } else if (s->timers && s->timers->due_ns <= clock_mono_ns()) {
            if (!run_timer(s))
                return false;
        } else if (!wait_for_socket(s)) {
            vu_throw_cut(s->vu);
            return false;
        }
    }
    return true;
}

/* ---- the socket object ---- */

static struct ws_session *session_of(JSContext *ctx, JSValueConst this_val)
{
    struct ws_session *s = JS_GetOpaque(this_val, JS_CLASS_WS_SOCKET);
    if (!s)
        js_throw_error(ctx, "the WebSocket's session is over");
    return s;
}

static JSValue js_on(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct ws_session *s = session_of(ctx, this_val);
    const char *name = s && argc > 1 ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!name)
        return !s || argc > 1 ? JS_EXCEPTION : JS_ThrowTypeError(ctx, "on() needs the name of an event and a function");
    for (int i = 0; i < EVENT_KINDS && JS_IsFunction(ctx, argv[1]); i++) {
        struct handlers *h = &s->handlers[i];
        if (strcmp(event_names[i], name) != 0)
            continue;
        mem_grow(&h->list, &h->cap, h->count + 1, sizeof(h->list[0]));
        h->list[h->count++] = JS_DupValue(ctx, argv[1]);
    }
    JS_FreeCString(ctx, name);
    return JS_UNDEFINED;
}

static JSValue js_send(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int is_binary)
{
    struct ws_session *s = session_of(ctx, this_val);
    struct js_bytes bytes;
    if (!s)
        return JS_EXCEPTION;
    if (is_binary) {
        if (argc < 1 || !JS_IsArrayBuffer(argv[0]))
            return JS_ThrowTypeError(ctx, "sendBinary() needs an ArrayBuffer");
        js_bytes_read(ctx, argv[0], &bytes);
    } else {
        bytes.data = NULL;
        bytes.cstring = JS_ToCStringLen(ctx, &bytes.len, argc > 0 ? argv[0] : JS_UNDEFINED);
        bytes.data = (const uint8_t *)bytes.cstring;
        if (!bytes.cstring)
            return JS_EXCEPTION;
    }
    ws_send(s->link.socket, !is_binary, bytes.data ? bytes.data : (const uint8_t *)"", bytes.len);
    ws_link_sent(&s->link);
    js_bytes_free(ctx, &bytes);
    return JS_UNDEFINED;
}

static JSValue js_ping(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct ws_session *s = session_of(ctx, this_val);
    if (!s)
        return JS_EXCEPTION;
    ws_link_ping(&s->link);
    return JS_UNDEFINED;
}

static JSValue js_timer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int repeats)
{
    struct ws_session *s = session_of(ctx, this_val);
    double ms = 0;
    const char *name = repeats ? "setInterval" : "setTimeout";
    if (!s)
        return JS_EXCEPTION;
    if (argc < 1 || !JS_IsFunction(ctx, argv[0]))
        return JS_ThrowTypeError(ctx, "%s() needs a function and a delay", name);
    if (JS_ToFloat64(ctx, &ms, argc > 1 ? argv[1] : JS_UNDEFINED))
        return JS_EXCEPTION;
    if (!(ms > 0) || ms > 1e12)
        return js_throw_error(ctx, "%s requires a >0 timeout parameter, received %.2f", name, ms);
    struct ws_timer *timer = mem_zalloc(sizeof(*timer));
    int64_t delay_ns = (int64_t)(ms * 1e6);
    timer->interval_ns = repeats ? delay_ns : 0;
    timer->due_ns = clock_mono_ns() + delay_ns;
    timer->function = JS_DupValue(ctx, argv[0]);
    add_timer(s, timer);
    return JS_UNDEFINED;
}

static JSValue js_close(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct ws_session *s = session_of(ctx, this_val);
    int32_t code = WS_CLOSE_GOING_AWAY;
    if (!s || (argc > 0 && !JS_IsUndefined(argv[0]) && JS_ToInt32(ctx, &code, argv[0])))
        return JS_EXCEPTION;
    ws_close(s->link.socket, code, NULL, 0);
    return tell_close(s, code) ? JS_UNDEFINED : JS_EXCEPTION;
}

static const JSClassDef socket_class = {"Socket", .finalizer = NULL};

/* ---- connect ---- */

static JSValue response_value(struct ws_session *s)
{
    JSContext *ctx = s->ctx;
    JSValue response = JS_NewObject(ctx), headers = JS_NewObject(ctx);
    size_t count = 0;
    const struct http_header *list = s->link.socket ? ws_headers(s->link.socket, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct buf joined = {0};
        header_join(&joined, list, count, list[i].name, list[i].name_len);
        JS_SetPropertyStr(ctx, headers, list[i].name, JS_NewStringLen(ctx, joined.data, joined.len));
        buf_free(&joined);
    }
    JS_SetPropertyStr(ctx, response, "url", JS_NewString(ctx, s->link.url_text ? s->link.url_text : ""));
    JS_SetPropertyStr(ctx, response, "status", JS_NewInt32(ctx, s->link.socket ? ws_status(s->link.socket) : 0));
    JS_SetPropertyStr(ctx, response, "headers", headers);
    JS_SetPropertyStr(ctx, response, "body", JS_NewString(ctx, ""));
    JS_SetPropertyStr(ctx, response, "error", JS_NewString(ctx, s->refusal ? s->refusal : ""));
    return response;
}

static JSValue refused(struct ws_session *s)
{
    if (script_of(s->ctx)->settings->throw_errors)
        return js_throw_error(s->ctx, "%s", s->refusal);
    struct log_field field = {"error", s->refusal};
    log_write(LOG_WARNING, &field, 1, "Attempt to establish a WebSocket connection failed");
    return response_value(s);
}

static JSValue run_open_session(struct ws_session *s, JSValueConst setup)
{
    JSValue response = response_value(s);
    s->object = JS_NewObjectClass(s->ctx, JS_CLASS_WS_SOCKET);
    JS_SetOpaque(s->object, s);
    JSValue result = JS_Call(s->ctx, setup, JS_UNDEFINED, 1, (JSValueConst *)&s->object);
    bool done = !JS_IsException(result);
    JS_FreeValue(s->ctx, result);
    done = done && call_handlers(s, EVENT_OPEN, 0, NULL) && run_session(s);
    if (!s->close_told && s->link.socket)
        ws_close(s->link.socket, WS_CLOSE_GOING_AWAY, NULL, 0);
    ws_link_ended(&s->link);
    JS_SetOpaque(s->object, NULL);
    if (done)
        return response;
    JS_FreeValue(s->ctx, response);
    return JS_EXCEPTION;
}

static void session_fini(struct ws_session *s)
{
    ws_link_fini(&s->link);
    while (node_is_linked(&s->events)) {
        struct ws_event *event = CONTAINER_OF(s->events.next, struct ws_event, node);
        node_remove(&event->node);
        mem_free(event);
    }
    while (s->timers) {
        struct ws_timer *timer = s->timers;
        s->timers = timer->next;
        JS_FreeValue(s->ctx, timer->function);
        mem_free(timer);
    }
    for (int i = 0; i < EVENT_KINDS; i++) {
        for (size_t k = 0; k < s->handlers[i].count; k++)
            JS_FreeValue(s->ctx, s->handlers[i].list[k]);
        mem_free(s->handlers[i].list);
    }
    JS_FreeValue(s->ctx, s->object);
    mem_free(s->refusal);
    mem_free(s);
}

static JSValue connect_and_run(struct ws_session *s, JSValueConst setup)
{
    s->connecting = s->waiting = true;
    bool went_on = vu_block(s->vu, start_link, s);
    while (went_on && s->connecting)
        went_on = vu_block(s->vu, NULL, NULL);
    s->waiting = false;
    if (!went_on)
        return vu_throw_cut(s->vu);
    ws_link_connected(&s->link);
    return s->refusal ? refused(s) : run_open_session(s, setup);
}

static JSValue js_connect(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (!vu_require_running(ctx, "using WebSockets"))
        return JS_EXCEPTION;
    JSValueConst params = argc > 2 ? argv[1] : JS_UNDEFINED, setup = argc > 1 ? argv[argc > 2 ? 2 : 1] : JS_UNDEFINED;
    if (!JS_IsFunction(ctx, setup))
        return JS_ThrowTypeError(ctx, "connect() needs a URL, params (which may be left out) and a function");
    /* on the heap: a VU's stack is small */
    struct ws_session *s = mem_zalloc(sizeof(*s));
    s->vu = vu_of(ctx);
    s->ctx = ctx;
    s->object = JS_UNDEFINED;
    node_init(&s->events);
    JSValue result = ws_link_init(&s->link, ctx, argv[0], params, NULL, false) ? connect_and_run(s, setup) : JS_EXCEPTION;
    session_fini(s);
    return result;
}

JSValue ws_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_WS_SOCKET, &socket_class);
    JSValue proto = JS_NewObject(ctx), exports = JS_NewObject(ctx);
    js_add_function(ctx, proto, "on", js_on, 2);
    js_add_magic(ctx, proto, "send", js_send, 1, false);
    js_add_magic(ctx, proto, "sendBinary", js_send, 1, true);
    js_add_function(ctx, proto, "ping", js_ping, 0);
    js_add_magic(ctx, proto, "setTimeout", js_timer, 2, false);
    js_add_magic(ctx, proto, "setInterval", js_timer, 2, true);
    js_add_function(ctx, proto, "close", js_close, 1);
    JS_SetClassProto(ctx, JS_CLASS_WS_SOCKET, proto);
    js_add_function(ctx, exports, "connect", js_connect, 3);
    return exports;
}
