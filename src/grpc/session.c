/* SPDX-License-Identifier: Apache-2.0 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/mem.h"
#include "grpc/grpc.h"

#define WINDOW_BYTES (4 << 20)
#define DEFAULT_MAX_RECEIVE ((size_t)4 << 20)
#define PREFIX_BYTES 5

struct field_list {
    struct grpc_field *list;
    size_t count, cap;
};

struct grpc_session {
    struct net *net;
    struct conn *conn;
    nghttp2_session *ng;
    const struct grpc_session_handler *handler;
    void *arg;
    char *authority, *user_agent;
    bool plaintext, opened, in_callback, freed;
    size_t max_receive, max_send;
    struct list_node calls; /* that are not done */
    struct timer timer;     /* the connection's deadline */
    struct task write_task; /* frames that were submitted outside a callback */
    bool write_queued;
};

struct grpc_call {
    struct grpc_session *session;
    struct list_node node;
    const struct grpc_call_handler *handler;
    void *arg;
    int32_t stream;
    struct field_list headers, trailers;
    bool has_headers, half_closed, deferred, done, freed, in_callback;
    int http_status;
    struct buf out;  /* what waits to be sent */
    struct buf in;   /* a message that is not complete */
    struct timer deadline;
    struct task cancel_task;
    char *refusal; /* why this side ends it, with the status in refusal_status */
    enum grpc_status refusal_status;
};

/* ---- fields ---- */

static void free_fields(struct field_list *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        mem_free(fields->list[i].name);
        mem_free(fields->list[i].value);
    }
    mem_free(fields->list);
}

static bool is_binary(const char *name, size_t len)
{
    return len > 4 && memcmp(name + len - 4, "-bin", 4) == 0;
}

static void add_received(struct field_list *fields, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct buf bytes = {0};
    mem_grow(&fields->list, &fields->cap, fields->count + 1, sizeof(fields->list[0]));
    bool decoded = is_binary(name, name_len) && base64_decode(&bytes, value, value_len, value_len && value[value_len - 1] == '=' ? BASE64_STD : BASE64_RAW);
    if (!decoded) {
        buf_clear(&bytes);
        buf_add(&bytes, value, value_len);
    }
    size_t len = bytes.len;
    fields->list[fields->count++] = (struct grpc_field){mem_strndup(name, name_len), buf_take(&bytes), len};
}

static const char *find_field(const struct field_list *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->list[i].name, name) == 0)
            return fields->list[i].value;
    return NULL;
}

/* ---- writing ---- */

static void flush(struct grpc_session *s)
{
    const uint8_t *bytes;
    ssize_t len;
    while (s->conn && s->ng && (len = nghttp2_session_mem_send(s->ng, &bytes)) > 0)
        conn_write(s->conn, bytes, (size_t)len);
}

static void write_later(struct task *task)
{
    struct grpc_session *s = CONTAINER_OF(task, struct grpc_session, write_task);
    s->write_queued = false;
    if (s->freed) {
        mem_free(s);
        return;
    }
    flush(s);
}

/* Frames go out from the loop's own stack. */
static void queue_write(struct grpc_session *s)
{
    if (s->in_callback || s->write_queued)
        return;
    s->write_queued = true;
    loop_defer(net_loop(s->net), &s->write_task);
}

/* ---- the end of a call ---- */

static void release_call(struct grpc_call *c)
{
    free_fields(&c->headers);
    free_fields(&c->trailers);
    buf_free(&c->out);
    buf_free(&c->in);
    mem_free(c->refusal);
    mem_free(c);
}

static void leave_session(struct grpc_call *c)
{
    if (c->done)
        return;
    c->done = true;
    node_remove(&c->node);
    timer_stop(net_loop(c->session->net), &c->deadline);
}

static void finish_call(struct grpc_call *c, enum grpc_status status, const char *text)
{
    if (c->done)
        return;
    leave_session(c);
    bool outer = c->in_callback;
    c->in_callback = true;
    c->handler->done(c, c->arg, status, text);
    c->in_callback = outer;
    if (c->freed && !outer)
        release_call(c);
}

/* This side gives up: the peer hears of it. */
static void give_up(struct grpc_call *c, enum grpc_status status, const char *text)
{
    if (c->done)
        return;
    if (c->stream > 0 && c->session->ng) {
        nghttp2_session_set_stream_user_data(c->session->ng, c->stream, NULL);
        nghttp2_submit_rst_stream(c->session->ng, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_CANCEL);
        queue_write(c->session);
    }
    finish_call(c, status, text);
}

/* "%C5%AF" of grpc-message. */
static char *percent_decoded(const char *text)
{
    struct buf out = {0};
    for (; *text; text++) {
        char hex[3] = {text[0] == '%' ? text[1] : 0, text[0] == '%' && text[1] ? text[2] : 0, 0}, *end;
        long byte = hex[0] && hex[1] ? strtol(hex, &end, 16) : -1;
        if (byte >= 0 && *end == 0) {
            buf_add_char(&out, (char)byte);
            text += 2;
        } else {
            buf_add_char(&out, *text);
        }
    }
    return buf_take(&out);
}

static enum grpc_status status_of_http(int status)
{
    switch (status) {
    case 400: return GRPC_INTERNAL;
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_UNIMPLEMENTED;
    case 429: case 502: case 503: case 504: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}

static void stream_ended(struct grpc_call *c, uint32_t error)
{
    const char *status = find_field(&c->trailers, "grpc-status"), *message = find_field(&c->trailers, "grpc-message");
    char text[160] = "";
    if (!status)
        status = find_field(&c->headers, "grpc-status");
    if (!message)
        message = find_field(&c->headers, "grpc-message");
    if (status) {
        char *plain = percent_decoded(message ? message : "");
        finish_call(c, (enum grpc_status)strtol(status, NULL, 10), plain);
        mem_free(plain);
    } else if (c->http_status && c->http_status != 200) {
        snprintf(text, sizeof(text), "unexpected HTTP status code received from server: %d", c->http_status);
        finish_call(c, status_of_http(c->http_status), text);
    } else {
        snprintf(text, sizeof(text), "stream terminated by RST_STREAM with error code: %s", nghttp2_http2_strerror(error));
        finish_call(c, error == NGHTTP2_REFUSED_STREAM ? GRPC_UNAVAILABLE : error == NGHTTP2_CANCEL ? GRPC_CANCELED : GRPC_INTERNAL,
                    error ? text : "the server closed the stream without sending trailers");
    }
}

/* ---- messages ---- */

static void take_messages(struct grpc_call *c)
{
    while (!c->done && !c->freed && c->in.len >= PREFIX_BYTES) {
        const uint8_t *p = (const uint8_t *)c->in.data;
        size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
        if (p[0]) {
            give_up(c, GRPC_INTERNAL, "the server compressed a message, which was not asked for");
            return;
        }
        if (len > c->session->max_receive) {
            char text[120];
            snprintf(text, sizeof(text), "grpc: received message larger than max (%zu vs. %zu)", len, c->session->max_receive);
            give_up(c, GRPC_RESOURCE_EXHAUSTED, text);
            return;
        }
        if (c->in.len < PREFIX_BYTES + len)
            return;
        c->handler->message(c, c->arg, p + PREFIX_BYTES, len);
        if (!c->freed)
            buf_drop(&c->in, PREFIX_BYTES + len);
    }
}

/* ---- nghttp2 ---- */

static struct grpc_call *call_of(nghttp2_session *ng, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(ng, stream);
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct grpc_call *c = call_of(ng, frame->hd.stream_id);
    if (!c || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        c->http_status = 0;
        for (size_t i = 0; i < value_len; i++)
            c->http_status = c->http_status * 10 + (value[i] - '0');
    } else if (name_len && name[0] != ':' && c->http_status >= 200) {
        add_received(c->has_headers ? &c->trailers : &c->headers, (const char *)name, name_len, (const char *)value, value_len);
    }
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct grpc_session *s = arg;
    struct grpc_call *c = call_of(ng, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK) && !s->opened) {
        s->opened = true;
        timer_stop(net_loop(s->net), &s->timer);
        s->handler->opened(s->arg);
    }
    if (c && frame->hd.type == NGHTTP2_HEADERS && c->http_status >= 200)
        c->has_headers = true;
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
    struct grpc_call *c = call_of(ng, stream);
    if (!c || c->done)
        return 0;
    buf_add(&c->in, data, len);
    c->in_callback = true;
    take_messages(c);
    c->in_callback = false;
    if (c->freed)
        release_call(c);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t error, void *arg)
{
    struct grpc_call *c = call_of(ng, stream);
    if (!c)
        return 0;
    nghttp2_session_set_stream_user_data(ng, stream, NULL);
    c->stream = 0;
    stream_ended(c, error);
    return 0;
}

static ssize_t read_out(nghttp2_session *ng, int32_t stream, uint8_t *to, size_t len, uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct grpc_call *c = call_of(ng, stream);
    if (!c)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t take = c->out.len < len ? c->out.len : len;
    if (!take && !c->half_closed) {
        c->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (take)
        memcpy(to, c->out.data, take);
    buf_drop(&c->out, take);
    if (!c->out.len && c->half_closed)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

static bool begin_http2(struct grpc_session *s)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int failed = nghttp2_session_client_new(&s->ng, callbacks, s);
    nghttp2_session_callbacks_del(callbacks);
    if (failed)
        return false;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES}};
    nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    flush(s);
    return true;
}

/* ---- the connection ---- */

static void release_session(struct grpc_session *s)
{
    nghttp2_session_del(s->ng);
    s->ng = NULL;
    mem_free(s->authority);
    mem_free(s->user_agent);
    if (!s->write_queued)
        mem_free(s);
}

static void end_session(struct grpc_session *s, const char *why)
{
    timer_stop(net_loop(s->net), &s->timer);
    if (s->conn)
        conn_close(s->conn);
    s->conn = NULL;
    while (node_is_linked(&s->calls)) {
        struct grpc_call *c = CONTAINER_OF(s->calls.next, struct grpc_call, node);
        char *text = mem_printf("error reading from server: %s", why);
        c->stream = 0;
        finish_call(c, GRPC_UNAVAILABLE, text);
        mem_free(text);
    }
    if (!s->freed)
        s->handler->closed(s->arg, why);
}

static void leave_callback(struct grpc_session *s)
{
    s->in_callback = false;
    if (s->freed)
        release_session(s);
    else
        flush(s);
}

static void on_conn_opened(struct conn *conn, void *arg)
{
    struct grpc_session *s = arg;
    s->in_callback = true;
    if (!s->plaintext && strcmp(conn_alpn(conn), "h2") != 0)
        end_session(s, "the server does not speak HTTP/2 (ALPN)");
    else if (!begin_http2(s))
        end_session(s, "out of memory");
    leave_callback(s);
}

static void on_conn_data(struct conn *conn, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct grpc_session *s = arg;
    s->in_callback = true;
    ssize_t used = nghttp2_session_mem_recv(s->ng, bytes, len);
    if (used < 0 && !s->freed)
        end_session(s, nghttp2_strerror((int)used));
    leave_callback(s);
}

static void on_conn_drained(struct conn *conn, void *arg)
{
}

static void on_conn_closed(struct conn *conn, void *arg, const struct net_failure *why)
{
    struct grpc_session *s = arg;
    s->in_callback = true;
    s->conn = NULL;
    end_session(s, why->text && why->text[0] ? why->text : "EOF");
    leave_callback(s);
}

static const struct conn_handler conn_handler = {on_conn_opened, on_conn_data, on_conn_drained, on_conn_closed};

static void on_connect_timeout(struct timer *timer)
{
    struct grpc_session *s = CONTAINER_OF(timer, struct grpc_session, timer);
    s->in_callback = true;
    end_session(s, "context deadline exceeded");
    leave_callback(s);
}

struct grpc_session *grpc_connect(struct net *net, const struct grpc_target *target, struct conn_counter *counter, const struct grpc_session_handler *handler, void *arg)
{
    struct grpc_session *s = mem_zalloc(sizeof(*s));
    s->net = net;
    s->handler = handler;
    s->arg = arg;
    s->plaintext = target->plaintext;
    s->authority = target->authority ? mem_strdup(target->authority) : mem_printf("%s:%u", target->host, target->port);
    s->user_agent = target->user_agent ? mem_strdup(target->user_agent) : NULL;
    s->max_receive = target->max_receive ? target->max_receive : DEFAULT_MAX_RECEIVE;
    s->max_send = target->max_send ? target->max_send : UINT32_MAX;
    s->write_task.run = write_later;
    node_init(&s->calls);
    int64_t deadline_ns = clock_mono_ns() + target->timeout_ns;
    struct conn_target to = {.host = target->host, .port = target->port, .tls = !target->plaintext, .alpn = target->plaintext ? NULL : "h2",
                             .local_ip_index = target->local_ip_index, .deadline_ns = deadline_ns};
    s->conn = conn_open(net, &to, &conn_handler, s);
    if (counter)
        conn_set_counter(s->conn, counter);
    timer_init(&s->timer, on_connect_timeout);
    timer_start(net_loop(net), &s->timer, deadline_ns);
    return s;
}

void grpc_session_free(struct grpc_session *s)
{
    if (!s)
        return;
    timer_stop(net_loop(s->net), &s->timer);
    if (s->conn) {
        conn_set_counter(s->conn, NULL); /* its owner may be gone already */
        conn_close(s->conn);
    }
    s->conn = NULL;
    s->freed = true;
    if (!s->in_callback)
        release_session(s);
}

/* ---- calls ---- */

static void on_deadline(struct timer *timer)
{
    give_up(CONTAINER_OF(timer, struct grpc_call, deadline), GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void run_refusal(struct task *task)
{
    struct grpc_call *c = CONTAINER_OF(task, struct grpc_call, cancel_task);
    task->run = NULL;
    if (c->freed)
        release_call(c);
    else
        give_up(c, c->refusal_status, c->refusal);
}

/* Ends the call from the loop. */
static void refuse_later(struct grpc_call *c, enum grpc_status status, const char *text)
{
    if (c->done || c->cancel_task.run)
        return;
    c->refusal = mem_strdup(text);
    c->refusal_status = status;
    c->cancel_task.run = run_refusal;
    loop_defer(net_loop(c->session->net), &c->cancel_task);
}

struct nv_list {
    nghttp2_nv *list;
    size_t count, cap;
};

static void add_nv(struct nv_list *nvs, const char *name, const char *value, size_t value_len)
{
    mem_grow(&nvs->list, &nvs->cap, nvs->count + 1, sizeof(nvs->list[0]));
    nvs->list[nvs->count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), value_len, NGHTTP2_NV_FLAG_NONE};
}

static void add_text(struct nv_list *nvs, const char *name, const char *value)
{
    add_nv(nvs, name, value, strlen(value));
}

/* In the largest unit that needs at most eight digits. */
static void format_timeout(char out[24], int64_t ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'n', 1}, {'u', 1000}, {'m', NS_PER_MS}, {'S', NS_PER_S}, {'M', 60 * NS_PER_S}};
    size_t i = 0;
    while (i + 1 < sizeof(units) / sizeof(units[0]) && ns / units[i].ns > 99999999)
        i++;
    snprintf(out, 24, "%lld%c", (long long)(ns / units[i].ns), units[i].unit);
}

static void submit(struct grpc_call *c, const char *path, const struct grpc_field *metadata, size_t count, int64_t timeout_ns)
{
    struct grpc_session *s = c->session;
    struct nv_list nvs = {0};
    struct buf *coded = mem_zalloc((count + 1) * sizeof(*coded));
    char timeout[24];
    add_text(&nvs, ":method", "POST");
    add_text(&nvs, ":scheme", s->plaintext ? "http" : "https");
    add_text(&nvs, ":path", path);
    add_text(&nvs, ":authority", s->authority);
    add_text(&nvs, "content-type", "application/grpc");
    if (s->user_agent)
        add_text(&nvs, "user-agent", s->user_agent);
    add_text(&nvs, "te", "trailers");
    if (timeout_ns > 0) {
        format_timeout(timeout, timeout_ns);
        add_text(&nvs, "grpc-timeout", timeout);
    }
    for (size_t i = 0; i < count; i++) {
        const struct grpc_field *f = &metadata[i];
        if (is_binary(f->name, strlen(f->name))) {
            base64_encode(&coded[i], f->value, f->value_len, BASE64_RAW);
            add_nv(&nvs, f->name, coded[i].data ? coded[i].data : "", coded[i].len);
        } else {
            add_nv(&nvs, f->name, f->value, f->value_len);
        }
    }
    nghttp2_data_provider body = {.source.ptr = c, .read_callback = read_out};
    c->stream = nghttp2_submit_request(s->ng, NULL, nvs.list, nvs.count, &body, c);
    for (size_t i = 0; i < count; i++)
        buf_free(&coded[i]);
    mem_free(coded);
    mem_free(nvs.list);
}

struct grpc_call *grpc_call_open(struct grpc_session *s, const char *path, const struct grpc_field *metadata, size_t count, int64_t timeout_ns, const struct grpc_call_handler *handler,
                                 void *arg)
{
    struct grpc_call *c = mem_zalloc(sizeof(*c));
    c->session = s;
    c->handler = handler;
    c->arg = arg;
    node_add_tail(&s->calls, &c->node);
    timer_init(&c->deadline, on_deadline);
    if (timeout_ns > 0)
        timer_start(net_loop(s->net), &c->deadline, clock_mono_ns() + timeout_ns);
    if (s->conn && s->ng)
        submit(c, path, metadata, count, timeout_ns);
    if (c->stream > 0)
        queue_write(s);
    else
        refuse_later(c, GRPC_UNAVAILABLE, "the connection to the server is closed");
    return c;
}

static void wake_writer(struct grpc_call *c)
{
    if (c->deferred && c->stream > 0) {
        c->deferred = false;
        nghttp2_session_resume_data(c->session->ng, c->stream);
    }
    queue_write(c->session);
}

bool grpc_call_send(struct grpc_call *c, const void *bytes, size_t len)
{
    if (len > c->session->max_send)
        return false;
    if (c->done || c->half_closed)
        return true;
    char prefix[PREFIX_BYTES] = {0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len};
    buf_add(&c->out, prefix, sizeof(prefix));
    buf_add(&c->out, bytes, len);
    wake_writer(c);
    return true;
}

void grpc_call_half_close(struct grpc_call *c)
{
    if (c->done || c->half_closed)
        return;
    c->half_closed = true;
    wake_writer(c);
}

void grpc_call_cancel(struct grpc_call *c)
{
    refuse_later(c, GRPC_CANCELED, "canceled by client");
}

void grpc_call_free(struct grpc_call *c)
{
    if (!c)
        return;
    struct grpc_session *s = c->session;
    if (!c->done && c->stream > 0 && s->ng && s->conn) {
        nghttp2_session_set_stream_user_data(s->ng, c->stream, NULL);
        nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_CANCEL);
        queue_write(s);
    }
    leave_session(c);
    c->freed = true;
    if (!c->in_callback && !c->cancel_task.run)
        release_call(c);
}

const struct grpc_field *grpc_call_headers(const struct grpc_call *c, size_t *count)
{
    *count = c->headers.count;
    return c->headers.list;
}

const struct grpc_field *grpc_call_trailers(const struct grpc_call *c, size_t *count)
{
    *count = c->trailers.count;
    return c->trailers.list;
}
