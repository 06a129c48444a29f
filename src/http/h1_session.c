/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 on a connection: one request at a time; head and a small body go out in one write. */
#include <string.h>

#include "core/mem.h"
#include "http/session.h"

#define JOINED_BODY_BYTES 16384

static void add_field(void *arg, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct buf *out = arg;
    char *to = buf_reserve(out, name_len + value_len + 4);
    memcpy(to, name, name_len);
    to[name_len] = ':';
    to[name_len + 1] = ' ';
    memcpy(to + name_len + 2, value, value_len);
    memcpy(to + name_len + 2 + value_len, "\r\n", 2);
    buf_added(out, name_len + value_len + 4);
}

static void write_head(struct session *session, struct http_call *call, struct buf *out)
{
    const struct http_url *url = call->url;
    const char *host = request_host(call);
    buf_clear(out);
    buf_add_text(out, call->method);
    buf_add_char(out, ' ');
    if (session->is_proxied && !session->is_tunnelled) {
        buf_add_text(out, "http://");
        buf_add_text(out, url->host_header);
    }
    buf_add_text(out, url->target);
    buf_add(out, " HTTP/1.1\r\nHost: ", 17);
    buf_add_text(out, host);
    buf_add(out, "\r\n", 2);
    request_fields(call, add_field, out);
    if (session->is_proxied && !session->is_tunnelled) {
        struct proxy proxy;
        if (proxy_for(session->client->worker->options, url, &proxy)) {
            if (proxy.authorization)
                buf_printf(out, "Proxy-Authorization: %s\r\n", proxy.authorization);
            proxy_fini(&proxy);
        }
    }
    if (session->client->worker->options->no_connection_reuse)
        buf_add_text(out, "Connection: close\r\n");
    buf_add(out, "\r\n", 2);
}

bool h1_send(struct session *session, struct http_call *call)
{
    struct http_worker *worker = session->client->worker;
    struct buf *out = &worker->scratch;
    h1_init(&session->parser, strcmp(call->method, "HEAD") == 0);
    write_head(session, call, out);
    if (worker->options->debug) {
        worker->options->debug(out->data, out->len);
        if (worker->options->debug_bodies && call->send_body)
            worker->options->debug(call->request.body, call->request.body_len);
    }
    bool has_body = call->send_body && call->request.body_len;
    if (has_body && call->request.body_len <= JOINED_BODY_BYTES) {
        buf_add(out, call->request.body, call->request.body_len);
        has_body = false;
    }
    bool sent = conn_write(session->conn, out->data, out->len);
    return has_body && sent ? conn_write(session->conn, call->request.body, call->request.body_len) : sent;
}

static void on_head(void *arg, const char *head, size_t len)
{
    struct session *session = arg;
    call_head(session->call, head, len);
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct session *session = arg;
    call_body(session->call, data, len);
}

static const struct h1_events events = {on_head, on_body};

void h1_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct http_call *call = session->call;
    if (!call) {
        session_close(session); /* bytes that nobody asked for */
        return;
    }
    call_note_times(call, received_ns, read_ns);
    size_t used = h1_feed(&session->parser, (const char *)bytes, len, &events, session);
    if (session->parser.state == H1_FAILED) {
        call_failed(call, 1000, session->parser.failure, false);
        return;
    }
    if (session->parser.state != H1_DONE)
        return;
    if (used < len)
        session->parser.keep_alive = false;
    call_complete(call);
}
