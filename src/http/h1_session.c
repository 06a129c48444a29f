/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges over an HTTP/1.1 connection, one after the other, and CONNECT. */
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "http/session.h"

/* Up to this size a body goes out with the head in one write. */
#define MAX_JOINED_BODY (16 * 1024)

static void on_head(void *arg, const struct h1_head *head)
{
    struct session *session = arg;
    if (!head->keep_alive)
        session->last = true;
    call_head(session->call, head, head->minor ? "HTTP/1.1" : "HTTP/1.0");
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct session *session = arg;
    call_body(session->call, data, len);
}

static const struct h1_handler codec_handler = {on_head, on_body};

void h1_serve(struct session *session, struct http_call *call)
{
    struct http_worker *worker = call->worker;
    const struct http_url *proxy = call->url->tls ? NULL : proxy_for(worker, call->url);
    size_t body_len = call->sends_body ? call->request.body_len : 0;
    h1_begin(&session->codec, call->is_head);
    request_write_h1(call, proxy);
    if (body_len && body_len <= MAX_JOINED_BODY)
        buf_add(&worker->out, call->request.body, body_len);
    conn_write(session->conn, worker->out.data, worker->out.len);
    if (body_len > MAX_JOINED_BODY)
        conn_write(session->conn, call->request.body, body_len);
    call->written_ns = conn_written_ns(session->conn);
}

static void finish(struct session *session, struct http_call *call, bool has_more)
{
    session->call = NULL;
    if (has_more)
        session->last = true;
    session_idle(session);
    call_ended(call);
}

static void fail_codec(struct session *session, struct http_call *call)
{
    char *text = session->codec.error;
    session->codec.error = NULL;
    session_drop(session);
    call_failed(call, 1000, text);
    mem_free(text);
}

void h1_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct http_call *call = session->call;
    size_t used;
    if (!call->written_ns)
        call->written_ns = conn_written_ns(session->conn);
    call_received(call, received_ns, read_ns);
    switch (h1_feed(&session->codec, (const char *)bytes, len, &call->worker->scratch, &codec_handler, session, &used)) {
    case H1_MORE:
        return;
    case H1_DONE:
        /* an answer before its request has gone out whole leaves a connection that nobody can use */
        finish(session, call, used < len || !conn_written_ns(session->conn));
        return;
    case H1_FAILED:
        fail_codec(session, call);
    }
}

void h1_closed(struct session *session, const struct net_failure *why)
{
    struct http_call *call = session->call;
    bool is_stale = session->served > 1 && !session->codec.has_bytes && !call->was_retried;
    call->session = NULL;
    session->call = NULL;
    if (is_stale && (call_is_replayable(call) || why->code == 1201)) {
        session_forget(session);
        call_retry(call);
        return;
    }
    if (why->code) {
        session_forget(session);
        call_failed(call, why->code, why->text);
        return;
    }
    bool done = h1_finish(&session->codec) == H1_DONE;
    char *text = session->codec.error;
    session->codec.error = NULL;
    session_forget(session);
    if (done)
        call_ended(call);
    else
        call_failed(call, 1000, text);
    mem_free(text);
}

/* ---- CONNECT ---- */

void tunnel_begin(struct session *session)
{
    struct http_worker *worker = session->client->worker;
    const struct http_url *url = session->origin->url;
    bool is_ipv6 = strchr(url->host, ':') != NULL;
    struct buf *out = &worker->out;
    buf_clear(out);
    h1_begin(&session->codec, true);
    struct buf where = {0};
    if (is_ipv6)
        buf_printf(&where, "[%s]:%u", url->host, url->port);
    else
        buf_printf(&where, "%s:%u", url->host, url->port);
    buf_printf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", where.data, where.data);
    buf_free(&where);
    if (worker->user_agent_len)
        buf_printf(out, "User-Agent: %s\r\n", worker->options->user_agent);
    proxy_authorize(out, proxy_for(worker, url));
    buf_add_text(out, "\r\n");
    conn_write(session->conn, out->data, out->len);
}

struct tunnel_answer {
    int status;
    char text[128];
};

static void on_tunnel_head(void *arg, const struct h1_head *head)
{
    struct tunnel_answer *answer = arg;
    size_t len = head->status_text_len < 4 ? 0 : head->status_text_len - 4; /* after "403 " */
    if (len >= sizeof(answer->text))
        len = sizeof(answer->text) - 1;
    answer->status = head->status;
    memcpy(answer->text, head->status_text + (len ? 4 : 0), len);
    answer->text[len] = 0;
}

static void on_tunnel_body(void *arg, const char *data, size_t len)
{
}

static const struct h1_handler tunnel_handler = {on_tunnel_head, on_tunnel_body};

/* The failure reaches all that waited for the connection. */
static void tunnel_failed(struct session *session, const char *text)
{
    struct conn *c = session->conn;
    char *kept = mem_strdup(text);
    client_dial_failed(session, &(struct net_failure){1000, kept});
    conn_close(c);
    mem_free(kept);
}

void tunnel_data(struct session *session, const uint8_t *bytes, size_t len)
{
    struct tunnel_answer answer = {0};
    size_t used;
    switch (h1_feed(&session->codec, (const char *)bytes, len, &session->client->worker->scratch, &tunnel_handler, &answer, &used)) {
    case H1_MORE:
        return;
    case H1_FAILED:
        tunnel_failed(session, session->codec.error);
        return;
    case H1_DONE:
        if (answer.status == 200)
            conn_start_tls(session->conn, "h2,http/1.1");
        else
            tunnel_failed(session, answer.text[0] ? answer.text : "unknown status code");
    }
}
