/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 by nghttp2 on a connection that chose it by ALPN. Streams of one VU share it. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/session.h"

#define WINDOW_BYTES (4 << 20)

struct h2 {
    nghttp2_session *ng;
    struct session *session;
    struct http_call **calls; /* with a stream */
    size_t count, cap;
    bool in_data, going_away;
    bool unwritten; /* a request was submitted while data was read */
    int goaway_code;
    int64_t received_ns, read_ns;
};

static struct http_call *call_of(struct h2 *h2, int32_t stream)
{
    for (size_t i = 0; i < h2->count; i++)
        if (h2->calls[i]->stream == stream)
            return h2->calls[i];
    return NULL;
}

static void forget(struct h2 *h2, struct http_call *call)
{
    for (size_t i = 0; i < h2->count; i++) {
        if (h2->calls[i] == call) {
            h2->calls[i] = h2->calls[--h2->count];
            return;
        }
    }
}

static void flush(struct h2 *h2)
{
    const uint8_t *bytes;
    ssize_t len;
    while (h2->session->conn && (len = nghttp2_session_mem_send(h2->ng, &bytes)) > 0)
        conn_write(h2->session->conn, bytes, (size_t)len);
}

/* --http-debug: first_line and the fields in HTTP/1's form. */
static void debug_head(const struct http_call *call, const char *first_line, const struct http_header *headers, size_t count)
{
    struct buf out = {0};
    buf_printf(&out, "%s\r\n", first_line);
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%.*s: %.*s\r\n", (int)headers[i].name_len, headers[i].name, (int)headers[i].value_len, headers[i].value);
    buf_add_text(&out, "\r\n");
    call->client->worker->options->debug(out.data, out.len);
    buf_free(&out);
}

static void debug_request(const struct http_call *call, const char *host)
{
    const struct http_options *options = call->client->worker->options;
    struct buf line = {0};
    if (!options->debug)
        return;
    buf_printf(&line, "%s %s HTTP/2.0\r\nHost: %s", call->method, call->url->target, host);
    debug_head(call, line.data, call->response->request_headers, call->response->request_header_count);
    buf_free(&line);
    if (options->debug_bodies && call->send_body)
        options->debug(call->request.body, call->request.body_len);
}

static void debug_response(const struct http_call *call)
{
    char line[32];
    if (!call->client->worker->options->debug)
        return;
    snprintf(line, sizeof(line), "HTTP/2.0 %d", call->response->status);
    debug_head(call, line, call->response->headers, call->response->header_count);
}

/* ---- callbacks ---- */

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct http_call *call = call_of(arg, frame->hd.stream_id);
    if (!call || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        int status = 0;
        for (size_t i = 0; i < value_len; i++)
            status = status * 10 + (value[i] - '0');
        char text[8];
        int len = snprintf(text, sizeof(text), "%d", status);
        call->interim = status < 200;
        if (!call->interim)
            call_begin_response(call, status, text, (size_t)len);
    } else if (name_len && name[0] != ':' && !call->interim && call->state != CALL_BODY) {
        call_add_header(call, (const char *)name, name_len, (const char *)value, value_len);
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(h2, frame->hd.stream_id);
    if (call)
        call_note_times(call, h2->received_ns, h2->read_ns);
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(h2, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2->going_away = true;
        h2->goaway_code = (int)frame->goaway.error_code;
        h2->session->dead = true;
    }
    if (!call)
        return 0;
    call_note_times(call, h2->received_ns, h2->read_ns);
    if (frame->hd.type == NGHTTP2_HEADERS && !call->interim && call->state != CALL_BODY) {
        debug_response(call);
        call_headers_end(call);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(h2, stream);
    if (call) {
        call_note_times(call, h2->received_ns, h2->read_ns);
        call_body(call, (const char *)data, len);
    }
    return 0;
}

/* k6's codes: 1630 + 1 + code for a stream's error. */
static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t error, void *arg)
{
    struct h2 *h2 = arg;
    struct http_call *call = call_of(h2, stream);
    if (!call)
        return 0;
    forget(h2, call);
    call->stream = 0;
    if (error == NGHTTP2_NO_ERROR && call->state == CALL_BODY) {
        call_complete(call);
        return 0;
    }
    char text[120];
    snprintf(text, sizeof(text), "stream error: stream ID %d; %s", stream, nghttp2_http2_strerror(error));
    call_failed(call, 1631 + (int)error, text, false);
    return 0;
}

static ssize_t read_body(nghttp2_session *ng, int32_t stream, uint8_t *out, size_t len, uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct http_call *call = source->ptr;
    size_t left = call->request.body_len - call->body_sent, take = left < len ? left : len;
    memcpy(out, (const char *)call->request.body + call->body_sent, take);
    call->body_sent += take;
    if (call->body_sent == call->request.body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)take;
}

/* ---- life ---- */

bool h2_open(struct session *session)
{
    nghttp2_session_callbacks *callbacks;
    struct h2 *h2 = mem_zalloc(sizeof(*h2));
    h2->session = session;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int failed = nghttp2_session_client_new(&h2->ng, callbacks, h2);
    nghttp2_session_callbacks_del(callbacks);
    session->h2 = h2;
    if (failed)
        return false;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES}, {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 10 << 20}};
    nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(h2->ng, NGHTTP2_FLAG_NONE, 0, 1 << 30);
    flush(h2);
    return true;
}

void h2_free(struct session *session)
{
    struct h2 *h2 = session->h2;
    if (!h2)
        return;
    session->h2 = NULL;
    if (h2->ng)
        nghttp2_session_del(h2->ng);
    mem_free(h2->calls);
    mem_free(h2);
}

size_t h2_streams(const struct session *session)
{
    return session->h2->count;
}

/* ---- requests ---- */

struct field_list {
    struct buf text; /* names and values, so that lower-case names have a place */
    nghttp2_nv *fields;
    size_t count, cap;
    size_t *offsets;
    size_t offset_cap;
};

static void add_nv(struct field_list *list, const char *name, size_t name_len, const char *value, size_t value_len)
{
    mem_grow(&list->fields, &list->cap, list->count + 1, sizeof(list->fields[0]));
    mem_grow(&list->offsets, &list->offset_cap, list->count + 1, sizeof(list->offsets[0]));
    list->offsets[list->count] = list->text.len;
    list->fields[list->count++] = (nghttp2_nv){NULL, NULL, name_len, value_len, NGHTTP2_NV_FLAG_NONE};
    buf_add(&list->text, name, name_len);
    buf_add(&list->text, value, value_len);
}

static void add_field(void *arg, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct field_list *list = arg;
    if (name_len == 10 && memcmp(name, "Connection", 10) == 0)
        return;
    size_t at = list->text.len;
    add_nv(list, name, name_len, value, value_len);
    for (size_t i = 0; i < name_len; i++)
        if (list->text.data[at + i] >= 'A' && list->text.data[at + i] <= 'Z')
            list->text.data[at + i] = (char)(list->text.data[at + i] + 32);
}

bool h2_send(struct session *session, struct http_call *call)
{
    struct h2 *h2 = session->h2;
    struct field_list list = {0};
    const char *host = request_host(call);
    add_nv(&list, ":method", 7, call->method, strlen(call->method));
    add_nv(&list, ":scheme", 7, "https", 5);
    add_nv(&list, ":authority", 10, host, strlen(host));
    add_nv(&list, ":path", 5, call->url->target, strlen(call->url->target));
    request_fields(call, add_field, &list);
    debug_request(call, host);
    for (size_t i = 0; i < list.count; i++) {
        list.fields[i].name = (uint8_t *)list.text.data + list.offsets[i];
        list.fields[i].value = list.fields[i].name + list.fields[i].namelen;
    }
    nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    call->body_sent = 0;
    bool has_body = call->send_body && call->request.body_len;
    call->stream = nghttp2_submit_request(h2->ng, NULL, list.fields, list.count, has_body ? &body : NULL, NULL);
    buf_free(&list.text);
    mem_free(list.fields);
    mem_free(list.offsets);
    if (call->stream < 0)
        return false;
    mem_grow(&h2->calls, &h2->cap, h2->count + 1, sizeof(h2->calls[0]));
    h2->calls[h2->count++] = call;
    if (h2->in_data) {
        h2->unwritten = true; /* h2_data flushes, then notes the time */
        return true;
    }
    flush(h2);
    call->times.written_ns = conn_written_ns(session->conn);
    return true;
}

/* Requests that follow a response at once (redirects) are written after that response's data was read. */
static void note_written(struct h2 *h2)
{
    if (!h2->unwritten || !h2->session->conn)
        return;
    h2->unwritten = false;
    for (size_t i = 0; i < h2->count; i++)
        if (!h2->calls[i]->times.written_ns)
            h2->calls[i]->times.written_ns = conn_written_ns(h2->session->conn);
}

void h2_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct h2 *h2 = session->h2;
    h2->received_ns = received_ns;
    h2->read_ns = read_ns;
    h2->in_data = true;
    ssize_t used = nghttp2_session_mem_recv(h2->ng, bytes, len);
    h2->in_data = false;
    if (used < 0) {
        char text[120];
        snprintf(text, sizeof(text), "connection error: %s", nghttp2_strerror((int)used));
        h2_closed(session, 1650, text);
        session_close(session);
        return;
    }
    flush(h2);
    note_written(h2);
    if (session->dead && h2->count == 0)
        session_close(session);
}

void h2_closed(struct session *session, int code, const char *text)
{
    struct h2 *h2 = session->h2;
    session->dead = true;
    while (h2->count) {
        struct http_call *call = h2->calls[0];
        forget(h2, call);
        call->stream = 0;
        call->session = NULL;
        if (h2->going_away && h2->goaway_code)
            call_failed(call, 1611 + h2->goaway_code, "http2: server sent GOAWAY and closed the connection", false);
        else
            call_failed(call, code ? code : 1000, code ? text : "unexpected EOF", false);
    }
}

void h2_cancel(struct session *session, struct http_call *call)
{
    struct h2 *h2 = session->h2;
    if (call->stream <= 0 || !call_of(h2, call->stream))
        return;
    forget(h2, call);
    nghttp2_submit_rst_stream(h2->ng, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
    call->stream = 0;
    if (!h2->in_data && session->conn)
        flush(h2);
}
