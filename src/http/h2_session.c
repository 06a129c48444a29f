/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges over an HTTP/2 connection, side by side, with nghttp2 as the codec. Its callbacks only take
 * notes: calls that have come to an end are collected and told when nghttp2 is done with the bytes, since
 * a call's end may bring anything, from the next request to the end of the client. */
#include <nghttp2/nghttp2.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "http/header.h"
#include "http/quote.h"
#include "http/session.h"

/* Windows as Go's client has them: bodies are never held up by us. */
#define STREAM_WINDOW (4 << 20)
#define CONNECTION_WINDOW (1 << 30)
#define MAX_HEADER_LIST (10 << 20)

/* k6's error codes: the base of each kind, then 1 + HTTP/2's own code. */
enum { CODE_GOAWAY = 1610, CODE_STREAM = 1630, CODE_CONNECTION = 1650 };

struct h2 {
    nghttp2_session *ng;
    struct session *session;
    struct list_node calls;    /* on the connection */
    struct list_node finished; /* to be told */
    struct buf fields;         /* of the header block being read: struct field, name, value, one after the other */
    size_t field_count;
    int status;
    int64_t received_ns, read_ns;
    bool is_goaway;
    uint32_t goaway_code, own_code;
    int32_t goaway_last;
    struct buf goaway_debug;
};

struct field {
    uint32_t name_len, value_len;
};

static const char *error_name(uint32_t code)
{
    return code <= NGHTTP2_HTTP_1_1_REQUIRED ? nghttp2_http2_strerror(code) : "unknown error code";
}

static struct http_call *call_of(nghttp2_session *ng, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(ng, stream);
}

static void note_end(struct h2 *h2, struct http_call *call)
{
    nghttp2_session_set_stream_user_data(h2->ng, call->stream, NULL);
    node_remove(&call->waiting);
    node_add_tail(&h2->finished, &call->waiting);
    call->session = NULL;
}

/* ---- nghttp2's callbacks ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(ng, frame->hd.stream_id);
    buf_clear(&h2->fields);
    h2->field_count = 0;
    h2->status = 0;
    if (call)
        call_received(call, h2->received_ns, h2->read_ns);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2 *h2 = arg;
    if (name_len && name[0] == ':') {
        if (name_len == 7 && memcmp(name, ":status", 7) == 0 && value_len == 3)
            h2->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
        return 0;
    }
    if (h2->fields.len + name_len + value_len > MAX_HEADER_LIST)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct field field = {(uint32_t)name_len, (uint32_t)value_len};
    buf_add(&h2->fields, &field, sizeof(field));
    buf_add(&h2->fields, name, name_len);
    buf_add(&h2->fields, value, value_len);
    h2->field_count++;
    return 0;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"}, {204, "No Content"},
        {205, "Reset Content"}, {206, "Partial Content"}, {207, "Multi-Status"}, {208, "Already Reported"}, {226, "IM Used"},
        {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
        {305, "Use Proxy"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
        {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {406, "Not Acceptable"}, {407, "Proxy Authentication Required"}, {408, "Request Timeout"}, {409, "Conflict"},
        {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"}, {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Requested Range Not Satisfiable"},
        {417, "Expectation Failed"}, {418, "I'm a teapot"}, {421, "Misdirected Request"}, {422, "Unprocessable Entity"},
        {423, "Locked"}, {424, "Failed Dependency"}, {425, "Too Early"}, {426, "Upgrade Required"},
        {428, "Precondition Required"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
        {506, "Variant Also Negotiates"}, {507, "Insufficient Storage"}, {508, "Loop Detected"}, {510, "Not Extended"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

static void give_head(struct h2 *h2, struct http_call *call)
{
    struct h1_scratch *scratch = &call->worker->scratch;
    struct h1_head head = {.status = h2->status, .minor = 1, .content_length = -1, .keep_alive = true};
    if (h2->field_count > scratch->cap)
        mem_grow(&scratch->headers, &scratch->cap, h2->field_count, sizeof(scratch->headers[0]));
    const char *at = h2->fields.data;
    for (size_t i = 0; i < h2->field_count; i++) {
        struct field field;
        memcpy(&field, at, sizeof(field));
        at += sizeof(field);
        scratch->headers[i] = (struct http_header){at, at + field.name_len, field.name_len, field.value_len};
        at += field.name_len + field.value_len;
    }
    char text[64] = {(char)('0' + head.status / 100), (char)('0' + head.status / 10 % 10), (char)('0' + head.status % 10), ' '};
    const char *reason = reason_of(head.status);
    memcpy(text + 4, reason, strlen(reason));
    head.status_text = text;
    head.status_text_len = 4 + strlen(reason);
    head.headers = scratch->headers;
    head.header_count = h2->field_count;
    head.has_body = !call->is_head && head.status >= 200 && head.status != 204 && head.status != 304;
    call_head(call, &head, "HTTP/2.0");
}

static void note_goaway(struct h2 *h2, const nghttp2_goaway *goaway)
{
    struct origin *origin = h2->session->origin;
    h2->is_goaway = true;
    h2->goaway_code = goaway->error_code;
    h2->goaway_last = goaway->last_stream_id;
    buf_clear(&h2->goaway_debug);
    if (goaway->opaque_data_len)
        buf_add(&h2->goaway_debug, goaway->opaque_data, goaway->opaque_data_len);
    if (origin->h2 == h2->session)
        origin->h2 = NULL;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        note_goaway(h2, &frame->goaway);
        return 0;
    }
    struct http_call *call = frame->hd.stream_id ? call_of(ng, frame->hd.stream_id) : NULL;
    if (!call)
        return 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        call->stream_reset_by_peer = true;
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !call->response && h2->status >= 200)
        give_head(h2, call);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && call->response) {
        int32_t stream = call->stream;
        if (call->sends_body && call->body_sent < call->request.body_len)
            nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR);
        note_end(h2, call);
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(ng, stream);
    if (!call || !call->response)
        return 0;
    call_received(call, h2->received_ns, h2->read_ns);
    call_body(call, (const char *)data, len);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t error_code, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(ng, stream);
    if (!call)
        return 0;
    call->stream_failed = true;
    call->stream_error = error_code;
    call->stream_refused = error_code == NGHTTP2_REFUSED_STREAM;
    note_end(h2, call);
    return 0;
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->own_code = frame->goaway.error_code;
    return 0;
}

static int on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = frame->hd.type == NGHTTP2_HEADERS ? call_of(ng, frame->hd.stream_id) : NULL;
    if (call) { /* a request that waited for its stream when the peer said GOAWAY */
        call->stream_failed = call->stream_refused = true;
        call->stream_error = NGHTTP2_REFUSED_STREAM;
        note_end(h2, call);
    }
    return 0;
}

static ssize_t read_body(nghttp2_session *ng, int32_t stream, uint8_t *to, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http_call *call = call_of(ng, stream);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = call->request.body_len - call->body_sent;
    size_t part = left < len ? left : len;
    memcpy(to, (const char *)call->request.body + call->body_sent, part);
    call->body_sent += part;
    if (call->body_sent == call->request.body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

/* ---- out ---- */

static void note_written(struct h2 *h2)
{
    int64_t written_ns = conn_written_ns(h2->session->conn);
    for (struct list_node *n = h2->calls.next; written_ns && n != &h2->calls; n = n->next) {
        struct http_call *call = CONTAINER_OF(n, struct http_call, waiting);
        if (!call->written_ns && (!call->sends_body || call->body_sent == call->request.body_len))
            call->written_ns = written_ns;
    }
}

static void flush(struct h2 *h2)
{
    struct buf *out = &h2->session->client->worker->out;
    const uint8_t *data;
    ssize_t len;
    buf_clear(out);
    while ((len = nghttp2_session_mem_send(h2->ng, &data)) > 0)
        buf_add(out, data, (size_t)len);
    if (!out->len)
        return;
    conn_write(h2->session->conn, out->data, out->len);
    note_written(h2);
}

void h2_start(struct session *session)
{
    nghttp2_session_callbacks *made;
    struct h2 *h2 = mem_zalloc(sizeof(*h2));
    session->h2 = h2;
    h2->session = session;
    node_init(&h2->calls);
    node_init(&h2->finished);
    nghttp2_session_callbacks_new(&made);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, on_frame_not_sent);
    nghttp2_session_client_new(&h2->ng, made, h2);
    nghttp2_session_callbacks_del(made);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST},
    };
    nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(settings[0]));
    nghttp2_session_set_local_window_size(h2->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    flush(h2);
}

static nghttp2_nv pair(const char *name, size_t name_len, const char *value, size_t value_len)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_len, value_len, NGHTTP2_NV_FLAG_NONE};
}

/* Names in lower case, without those that only one connection of HTTP/1.1 understands. */
static size_t list_fields(struct http_call *call, nghttp2_nv *list)
{
    size_t count = 0;
    list[count++] = pair(":authority", 10, call->host, strlen(call->host));
    list[count++] = pair(":method", 7, call->method, call->method_len);
    list[count++] = pair(":path", 5, call->url->target, strlen(call->url->target));
    list[count++] = pair(":scheme", 7, "https", 5);
    for (size_t i = 0; i < call->sent_count; i++) {
        const struct http_header *h = &call->sent[i];
        if (header_is_hop_by_hop(h->name, h->name_len))
            continue;
        char *name = arena_strndup(&call->arena, h->name, h->name_len);
        for (size_t j = 0; j < h->name_len; j++)
            if (name[j] >= 'A' && name[j] <= 'Z')
                name[j] |= 0x20;
        list[count++] = pair(name, h->name_len, h->value, h->value_len);
    }
    return count;
}

/* Whether the connection is of no more use: nobody is on it and nobody new may come. */
static bool is_over(const struct h2 *h2)
{
    if (node_is_linked(&h2->finished))
        return false;
    return (!node_is_linked(&h2->calls) && h2->session->origin->h2 != h2->session) ||
           (!nghttp2_session_want_read(h2->ng) && !nghttp2_session_want_write(h2->ng));
}

void h2_serve(struct session *session, struct http_call *call)
{
    struct h2 *h2 = session->h2;
    call->stream_failed = call->stream_reset_by_peer = call->stream_refused = false;
    call->body_sent = 0;
    nghttp2_nv *list = arena_alloc(&call->arena, (call->sent_count + 4) * sizeof(list[0]));
    nghttp2_data_provider body = {.read_callback = read_body};
    bool has_body = call->sends_body && call->request.body_len;
    call->stream = nghttp2_session_check_request_allowed(h2->ng)
                       ? nghttp2_submit_request(h2->ng, NULL, list, list_fields(call, list), has_body ? &body : NULL, call)
                       : -1;
    if (call->stream < 0) { /* out of stream numbers, or going away */
        session->origin->h2 = NULL;
        client_assign(call, true);
        if (is_over(h2))
            session_drop(session);
        return;
    }
    node_add_tail(&h2->calls, &call->waiting);
    flush(h2);
}

/* ---- in ---- */

static void tell_stream_failure(struct http_call *call)
{
    if (call->stream_refused && !call->was_retried) {
        call_retry(call);
        return;
    }
    struct buf text = {0};
    buf_printf(&text, "stream error: stream ID %d; %s%s", call->stream, error_name(call->stream_error),
               call->stream_reset_by_peer ? "; received from peer" : "");
    call_failed(call, CODE_STREAM + 1 + (int)call->stream_error, text.data);
    buf_free(&text);
}

static void tell(struct list_node *finished)
{
    while (node_is_linked(finished)) {
        struct http_call *call = CONTAINER_OF(finished->next, struct http_call, waiting);
        node_remove(&call->waiting);
        if (call->stream_failed)
            tell_stream_failure(call);
        else
            call_ended(call);
    }
}

static void move_all(struct list_node *from, struct list_node *to)
{
    node_init(to);
    while (node_is_linked(from)) {
        struct list_node *n = from->next;
        node_remove(n);
        node_add_tail(to, n);
    }
}

/* The connection has ended under these calls. */
static void fail_all(struct list_node *calls, int code, const char *text, bool may_retry)
{
    while (node_is_linked(calls)) {
        struct http_call *call = CONTAINER_OF(calls->next, struct http_call, waiting);
        node_remove(&call->waiting);
        call->session = NULL;
        if (may_retry && !call->is_fresh && !call->was_retried && !call->first_received_ns && call_is_replayable(call))
            call_retry(call);
        else
            call_failed(call, code, text);
    }
}

void h2_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct h2 *h2 = session->h2;
    struct list_node finished, broken;
    int code = 0;
    struct buf text = {0};
    h2->received_ns = received_ns;
    h2->read_ns = read_ns;
    ssize_t used = nghttp2_session_mem_recv(h2->ng, bytes, len);
    flush(h2);
    node_init(&broken);
    move_all(&h2->finished, &finished);
    if (used < 0 || is_over(h2)) {
        uint32_t own = h2->own_code ? h2->own_code : NGHTTP2_PROTOCOL_ERROR;
        move_all(&h2->calls, &broken);
        code = CODE_CONNECTION + 1 + (int)own;
        buf_printf(&text, "connection error: %s", error_name(own));
        session_drop(session);
    }
    tell(&finished);
    fail_all(&broken, code, text.data, false);
    buf_free(&text);
}

void h2_drained(struct session *session)
{
    note_written(session->h2);
}

void h2_closed(struct session *session, const struct net_failure *why)
{
    struct h2 *h2 = session->h2;
    struct list_node calls, finished;
    struct buf text = {0};
    int code = why->code ? why->code : 1000;
    if (h2->is_goaway) {
        code = CODE_GOAWAY + 1 + (int)h2->goaway_code;
        buf_printf(&text, "http2: server sent GOAWAY and closed the connection; LastStreamID=%d, ErrCode=%s, debug=", h2->goaway_last,
                   error_name(h2->goaway_code));
        go_quote(&text, h2->goaway_debug.data ? h2->goaway_debug.data : "", h2->goaway_debug.len);
    } else {
        buf_add_text(&text, why->code ? why->text : "unexpected EOF");
    }
    move_all(&h2->calls, &calls);
    move_all(&h2->finished, &finished);
    session_forget(session);
    tell(&finished);
    fail_all(&calls, code, text.data, true);
    buf_free(&text);
}

void h2_detach(struct session *session, struct http_call *call)
{
    struct h2 *h2 = session->h2;
    nghttp2_session_set_stream_user_data(h2->ng, call->stream, NULL);
    nghttp2_submit_rst_stream(h2->ng, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
    flush(h2);
    if (is_over(h2))
        session_drop(session);
}

bool h2_is_idle(const struct session *session)
{
    return !node_is_linked(&session->h2->calls);
}

void h2_free(struct h2 *h2)
{
    if (!h2)
        return;
    nghttp2_session_del(h2->ng);
    buf_free(&h2->fields);
    buf_free(&h2->goaway_debug);
    mem_free(h2);
}
