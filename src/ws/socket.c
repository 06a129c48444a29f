/* SPDX-License-Identifier: Apache-2.0 */
#include "ws/socket.h"

#include <string.h>

#include <openssl/rand.h>
#include <wslay/wslay.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/header.h"
#include "http/url.h"
#include "ws/deflate.h"
#include "ws/handshake.h"

#define MAX_HEAD_BYTES ((size_t)1 << 16)
#define MAX_MESSAGE_BYTES ((size_t)1 << 30)
#define CLOSE_WAIT_NS (5 * NS_PER_S)

enum ws_state { WS_CONNECTING, WS_HANDSHAKE, WS_OPEN, WS_CLOSING, WS_DEAD };

struct ws_socket {
    struct net *net;
    struct conn *conn;
    const struct ws_handler *handler;
    void *arg;
    const struct http_url *url;
    struct cookie_jar *jar;
    enum ws_state state;
    bool deflate_offered, in_callback, freed;
    char key[WS_KEY_CHARS + 1];
    struct buf request, head;
    struct ws_answer answer;
    wslay_event_context_ptr frames;
    const uint8_t *input; /* what wslay reads next, during a data callback */
    size_t input_len;
    struct buf output; /* what wslay wants to write, joined */
    struct timer timer; /* the handshake's deadline, then that of the peer's close frame */
    uint32_t random; /* masks: unpredictable at first, cheap from then on */
    struct conn_times times;
    bool close_seen;
    int close_code;
    struct buf close_reason;
};

/* ---- ends ---- */

static void release(struct ws_socket *s)
{
    wslay_event_context_free(s->frames);
    ws_answer_fini(&s->answer);
    buf_free(&s->request);
    buf_free(&s->head);
    buf_free(&s->output);
    buf_free(&s->close_reason);
    http_url_unref(s->url);
    mem_free(s);
}

static void drop_conn(struct ws_socket *s)
{
    timer_stop(net_loop(s->net), &s->timer);
    if (s->conn) {
        s->times = conn_times(s->conn);
        conn_close(s->conn);
    }
    s->conn = NULL;
    s->state = WS_DEAD;
}

void ws_free(struct ws_socket *s)
{
    if (!s)
        return;
    drop_conn(s);
    s->freed = true;
    if (!s->in_callback)
        release(s);
}

/* Ends the socket with its last callback. */
static void finish(struct ws_socket *s, int code, const char *reason, size_t len)
{
    bool was_open = s->state == WS_OPEN || s->state == WS_CLOSING;
    if (s->state == WS_DEAD)
        return;
    drop_conn(s);
    if (was_open)
        s->handler->closed(s, s->arg, code, reason, len);
    else
        s->handler->refused(s, s->arg, reason);
}

static void finish_text(struct ws_socket *s, const char *text)
{
    finish(s, WS_CLOSE_ABNORMAL, text, strlen(text));
}

/* ---- frames ---- */

static ssize_t give_input(wslay_event_context_ptr ctx, uint8_t *to, size_t len, int flags, void *arg)
{
    struct ws_socket *s = arg;
    if (!s->input_len) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t count = len < s->input_len ? len : s->input_len;
    memcpy(to, s->input, count);
    s->input += count;
    s->input_len -= count;
    return (ssize_t)count;
}

static ssize_t take_output(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct ws_socket *s = arg;
    buf_add(&s->output, data, len);
    return (ssize_t)len;
}

static int make_mask(wslay_event_context_ptr ctx, uint8_t *to, size_t len, void *arg)
{
    struct ws_socket *s = arg;
    for (size_t i = 0; i < len; i++) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 17;
        s->random ^= s->random << 5;
        to[i] = (uint8_t)s->random;
    }
    return 0;
}

/* wslay has queued frames: they go out in one write. */
static void flush(struct ws_socket *s)
{
    if (!s->conn || !s->frames)
        return;
    wslay_event_send(s->frames);
    if (s->output.len)
        conn_write(s->conn, s->output.data, s->output.len);
    buf_clear(&s->output);
    if (s->output.cap > 65536)
        buf_free(&s->output);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
    struct ws_socket *s = arg;
    if (s->freed)
        return;
    if (m->opcode == WSLAY_PING) {
        s->handler->ping(s, s->arg, m->msg, m->msg_length);
    } else if (m->opcode == WSLAY_PONG) {
        s->handler->pong(s, s->arg, m->msg, m->msg_length);
    } else if (m->opcode == WSLAY_CONNECTION_CLOSE) {
        s->close_seen = true;
        s->close_code = m->status_code ? m->status_code : WS_CLOSE_NO_STATUS;
        if (m->msg_length > 2)
            buf_add(&s->close_reason, m->msg + 2, m->msg_length - 2);
    } else if (m->rsv & WSLAY_RSV1_BIT) {
        struct buf plain = {0};
        if (ws_inflate(&plain, m->msg, m->msg_length, MAX_MESSAGE_BYTES))
            s->handler->message(s, s->arg, m->opcode == WSLAY_TEXT_FRAME, (uint8_t *)(plain.data ? plain.data : ""), plain.len);
        else
            wslay_event_queue_close(ctx, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, NULL, 0);
        buf_free(&plain);
    } else {
        s->handler->message(s, s->arg, m->opcode == WSLAY_TEXT_FRAME, m->msg, m->msg_length);
    }
}

static const struct wslay_event_callbacks frame_callbacks = {
    .recv_callback = give_input, .send_callback = take_output, .genmask_callback = make_mask, .on_msg_recv_callback = on_message};

static void read_frames(struct ws_socket *s, const uint8_t *bytes, size_t len)
{
    s->input = bytes;
    s->input_len = len;
    int result = wslay_event_recv(s->frames);
    s->input_len = 0;
    if (s->freed || s->state == WS_DEAD)
        return;
    flush(s);
    if (s->close_seen)
        finish(s, s->close_code, s->close_reason.data ? s->close_reason.data : "", s->close_reason.len);
    else if (result != 0 || !wslay_event_get_read_enabled(s->frames))
        finish_text(s, "websocket: the server sent what is no valid frame");
}

/* ---- handshake ---- */

static void keep_cookies(struct ws_socket *s)
{
    for (size_t i = 0; s->jar && i < s->answer.header_count; i++) {
        const struct http_header *h = &s->answer.headers[i];
        struct cookie *cookie;
        if (strcmp(h->name, "Set-Cookie") == 0 && cookie_parse(h->value, h->value_len, &cookie)) {
            cookie_jar_set(s->jar, s->url, cookie, clock_wall_ns() / NS_PER_S);
            cookie_free(cookie);
        }
    }
}

static void read_head(struct ws_socket *s, const uint8_t *bytes, size_t len)
{
    buf_add(&s->head, bytes, len);
    size_t head_len = ws_handshake_head_length(s->head.data, s->head.len);
    if (!head_len) {
        if (s->head.len > MAX_HEAD_BYTES)
            finish_text(s, "websocket: the response's head is too long");
        return;
    }
    const char *error = ws_handshake_read(&s->answer, s->head.data, head_len, s->key, s->deflate_offered);
    keep_cookies(s);
    if (error) {
        finish_text(s, error);
        return;
    }
    timer_stop(net_loop(s->net), &s->timer);
    s->state = WS_OPEN;
    s->jar = NULL;
    s->times = conn_times(s->conn);
    wslay_event_context_client_init(&s->frames, &frame_callbacks, s);
    wslay_event_config_set_max_recv_msg_length(s->frames, MAX_MESSAGE_BYTES);
    if (s->answer.deflate)
        wslay_event_config_set_allowed_rsv_bits(s->frames, WSLAY_RSV1_BIT);
    s->handler->opened(s, s->arg);
    if (!s->freed && s->state != WS_DEAD && s->head.len > head_len)
        read_frames(s, (uint8_t *)s->head.data + head_len, s->head.len - head_len);
    if (!s->freed)
        buf_free(&s->head);
}

/* ---- the connection ---- */

static void on_opened(struct conn *c, void *arg)
{
    struct ws_socket *s = arg;
    s->state = WS_HANDSHAKE;
    conn_write(c, s->request.data, s->request.len);
    buf_free(&s->request);
}

static void leave_callback(struct ws_socket *s)
{
    s->in_callback = false;
    if (s->freed)
        release(s);
}

static void on_data(struct conn *c, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct ws_socket *s = arg;
    s->in_callback = true;
    if (s->state == WS_HANDSHAKE)
        read_head(s, bytes, len);
    else
        read_frames(s, bytes, len);
    leave_callback(s);
}

static void on_drained(struct conn *c, void *arg)
{
}

static void on_closed(struct conn *c, void *arg, const struct net_failure *why)
{
    struct ws_socket *s = arg;
    s->in_callback = true;
    s->times = conn_times(c);
    s->conn = NULL;
    finish_text(s, why->text && why->text[0] ? why->text : "unexpected EOF");
    leave_callback(s);
}

static const struct conn_handler conn_handler = {on_opened, on_data, on_drained, on_closed};

static void on_timer(struct timer *timer)
{
    struct ws_socket *s = CONTAINER_OF(timer, struct ws_socket, timer);
    s->in_callback = true;
    finish_text(s, s->state == WS_CLOSING ? "the server did not answer the close frame" : "websocket: the handshake timed out");
    leave_callback(s);
}

struct ws_socket *ws_open(struct net *net, const struct ws_request *request, struct conn_counter *counter, const struct ws_handler *handler, void *arg)
{
    struct ws_socket *s = mem_zalloc(sizeof(*s));
    s->net = net;
    s->handler = handler;
    s->arg = arg;
    s->url = http_url_ref(request->url);
    s->jar = request->jar;
    s->deflate_offered = request->deflate;
    RAND_bytes((uint8_t *)&s->random, sizeof(s->random));
    s->random |= 1;
    ws_handshake_key(s->key);
    ws_handshake_request(&s->request, request, s->key);
    int64_t deadline_ns = clock_mono_ns() + request->timeout_ns;
    struct conn_target target = {.host = s->url->host, .port = s->url->port, .tls = s->url->tls, .alpn = s->url->tls ? "http/1.1" : NULL,
                                 .local_ip_index = request->local_ip_index, .deadline_ns = deadline_ns};
    s->conn = conn_open(net, &target, &conn_handler, s);
    if (counter)
        conn_set_counter(s->conn, counter);
    timer_init(&s->timer, on_timer);
    timer_start(net_loop(net), &s->timer, deadline_ns);
    return s;
}

/* ---- sending ---- */

void ws_send(struct ws_socket *s, bool is_text, const void *data, size_t len)
{
    if (s->state != WS_OPEN)
        return;
    struct wslay_event_msg message = {.opcode = is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, .msg = data, .msg_length = len};
    struct buf small = {0};
    if (s->answer.deflate) {
        ws_deflate(&small, data, len);
        message.msg = (uint8_t *)small.data;
        message.msg_length = small.len;
    }
    wslay_event_queue_msg_ex(s->frames, &message, s->answer.deflate ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE);
    buf_free(&small);
    flush(s);
}

void ws_ping(struct ws_socket *s, const void *data, size_t len)
{
    if (s->state != WS_OPEN)
        return;
    struct wslay_event_msg message = {.opcode = WSLAY_PING, .msg = data, .msg_length = len};
    wslay_event_queue_msg(s->frames, &message);
    flush(s);
}

void ws_close(struct ws_socket *s, int code, const char *reason, size_t len)
{
    if (s->state != WS_OPEN)
        return;
    wslay_event_queue_close(s->frames, (uint16_t)code, (const uint8_t *)reason, len);
    flush(s);
    s->state = WS_CLOSING;
    timer_start(net_loop(s->net), &s->timer, clock_mono_ns() + CLOSE_WAIT_NS);
}

/* ---- facts ---- */

int ws_status(const struct ws_socket *s)
{
    return s->answer.status;
}

const struct http_header *ws_headers(const struct ws_socket *s, size_t *count)
{
    *count = s->answer.header_count;
    return s->answer.headers;
}

static const char *header_value(const struct ws_socket *s, const char *name)
{
    const struct http_header *h = header_find(s->answer.headers, s->answer.header_count, name, strlen(name));
    return h ? h->value : "";
}

const char *ws_protocol(const struct ws_socket *s)
{
    return header_value(s, "Sec-Websocket-Protocol");
}

const char *ws_extensions(const struct ws_socket *s)
{
    return header_value(s, "Sec-Websocket-Extensions");
}

struct conn_times ws_times(const struct ws_socket *s)
{
    return s->conn ? conn_times(s->conn) : s->times;
}
