/* SPDX-License-Identifier: Apache-2.0 */
/* One request with its hops: a redirect or a digest challenge is a hop of its own, measured by itself.
 *
 * The honest clock: sending ends when the last byte was handed to the kernel, waiting ends when the kernel
 * received the first byte of the response, receiving when it received the last. What lies between the
 * kernel's receipt and this process reading it is generator_lag, not the server's time. */
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/cookie.h"
#include "http/digest.h"
#include "http/header.h"
#include "http/session.h"

#define TIMEOUT_CODE 1050

static void begin_hop(struct http_call *call);

/* ---- making and ending calls ---- */

static struct http_call *call_new(struct http_worker *worker)
{
    struct http_call *call = worker->free_calls;
    if (!call)
        return mem_zalloc(sizeof(*call));
    worker->free_calls = call->next_free;
    struct buf authorization = call->authorization, referer = call->referer;
    *call = (struct http_call){.authorization = authorization, .referer = referer};
    buf_clear(&call->authorization);
    buf_clear(&call->referer);
    return call;
}

static void call_free(struct http_call *call)
{
    struct http_worker *worker = call->client->worker;
    timer_stop(worker->loop, &call->timer);
    decoder_free(call->decoder);
    http_url_unref(call->url);
    http_response_free(call->response);
    call->next_free = worker->free_calls;
    worker->free_calls = call;
}

static void finish(struct http_call *call)
{
    struct http_response *response = call->response;
    http_done *done = call->done;
    void *arg = call->arg;
    response->url = http_url_ref(call->url);
    response->request_method = response->hop_count ? response->hops[response->hop_count - 1].method : call->method;
    call->response = NULL;
    call_free(call);
    done(response, arg);
}

static void detach_session(struct http_call *call)
{
    struct session *session = call->session;
    call->session = NULL;
    if (!session)
        return;
    if (session->h2)
        h2_cancel(session, call);
    else
        session_close(session);
}

/* ---- a hop's record ---- */

static int64_t positive(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

static void fill_timings(struct http_call *call, struct http_timings *t, int64_t end_ns)
{
    const struct hop_times *h = &call->times;
    *t = (struct http_timings){0};
    if (!h->got_conn_ns) {
        t->blocked = positive(end_ns - h->begun_ns);
        return;
    }
    t->blocked = positive(h->got_conn_ns - h->begun_ns);
    if (h->new_conn) {
        t->looking_up = h->conn.resolved_ns ? positive(h->conn.resolved_ns - h->conn.started_ns) : 0;
        t->connecting = positive(h->conn.connected_ns - h->conn.connect_started_ns);
        t->tls_handshaking = h->conn.tls_done_ns ? positive(h->conn.tls_done_ns - h->conn.tls_started_ns) : 0;
    }
    int64_t written = h->written_ns ? h->written_ns : h->got_conn_ns;
    t->sending = positive(written - h->got_conn_ns);
    t->waiting = positive((h->first_ns ? h->first_ns : end_ns) - written);
    t->receiving = h->first_ns ? positive(h->last_ns - h->first_ns) : 0;
    t->duration = t->sending + t->waiting + t->receiving;
    t->generator_lag = h->first_ns ? positive(h->first_read_ns - h->first_ns) : 0;
}

static const char *proto_of(const struct http_call *call)
{
    if (call->session && call->session->h2)
        return "HTTP/2.0";
    return call->session && call->session->parser.minor_version == 0 && call->response->status ? "HTTP/1.0" : "HTTP/1.1";
}

static void describe_connection(struct http_call *call)
{
    struct session *session = call->session;
    struct http_response *r = call->response;
    if (!session || !session->is_open)
        return;
    memcpy(r->remote_ip, session->remote_ip, sizeof(r->remote_ip));
    r->remote_port = session->remote_port;
    if (session->origin->tls && session->conn) {
        const char *version = conn_tls_version(session->conn), *cipher = conn_tls_cipher(session->conn);
        r->tls_version = response_keep(r, version, strlen(version));
        r->tls_cipher = response_keep(r, cipher, strlen(cipher));
        r->ocsp = conn_ocsp(session->conn);
    }
}

static struct http_hop *record_hop(struct http_call *call, const char *error, int error_code)
{
    struct http_response *r = call->response;
    int64_t now = clock_mono_ns();
    if (!call->times.written_ns && call->session && call->session->conn)
        call->times.written_ns = conn_written_ns(call->session->conn);
    if (error[0])
        r->status = 0;
    r->proto = r->status ? proto_of(call) : "";
    describe_connection(call);
    struct http_hop *hop = response_add_hop(r);
    hop->method = strcmp(call->method, call->request.method) == 0 ? response_keep(r, call->method, strlen(call->method)) : call->method;
    hop->url = http_url_ref(call->url);
    hop->status = r->status;
    hop->proto = r->proto;
    hop->tls_version = r->tls_version;
    hop->error = error;
    hop->error_code = error_code;
    hop->remote_ip = response_keep(r, r->remote_ip, strlen(r->remote_ip));
    hop->ocsp_status = r->ocsp.status ? r->ocsp.status : "";
    hop->ended_wall_ns = clock_wall_ns();
    fill_timings(call, &hop->timings, now);
    r->timings = hop->timings;
    r->error = error;
    r->error_code = error_code;
    return hop;
}

static void end_with_error(struct http_call *call, int code, const char *text)
{
    struct http_response *r = call->response;
    const char *kept = response_keep(r, text, strlen(text));
    r->status = 0;
    r->status_text = "";
    r->header_count = 0;
    r->has_body = false;
    buf_free(&r->body);
    record_hop(call, kept, code);
    detach_session(call);
    finish(call);
}

/* A request that the server may have acted upon is not sent again. */
static bool is_repeatable(const struct http_call *call)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(call->method, methods[i]) == 0)
            return !call->send_body || !call->request.body_len;
    return false;
}

void call_failed(struct http_call *call, int code, const char *text, bool nothing_received)
{
    struct session *session = call->session;
    if (nothing_received && session && session->was_used && !call->retried && is_repeatable(call)) {
        /* the server closed an idle connection just as it was used again */
        call->retried = true;
        detach_session(call);
        call->session = session_open(call->client, call);
        return;
    }
    end_with_error(call, code, text);
}

/* ---- sending ---- */

void call_connected(struct http_call *call, struct session *session)
{
    call->session = session;
    call->times.got_conn_ns = clock_mono_ns();
    call->times.new_conn = !session->was_used;
    if (call->times.new_conn)
        call->times.conn = conn_times(session->conn);
    call->state = CALL_SENT;
    if (session->h2) {
        session->was_used = true;
        if (!h2_send(session, call))
            call_failed(call, 1600, "http2: the request could not be submitted", false);
        return;
    }
    session->call = call;
    h1_send(session, call);
    call->times.written_ns = conn_written_ns(session->conn);
}

static void begin_hop(struct http_call *call)
{
    struct http_response *r = call->response;
    call->times = (struct hop_times){.begun_ns = clock_mono_ns()};
    call->state = CALL_CONNECTING;
    call->retried = false;
    r->remote_ip[0] = '\0';
    r->remote_port = 0;
    r->tls_version = r->tls_cipher = "";
    memset(&r->ocsp, 0, sizeof(r->ocsp));
    struct session *session = client_idle_session(call->client, call->url);
    if (session)
        call_connected(call, session);
    else
        call->session = session_open(call->client, call);
}

static void timer_fired(struct timer *timer)
{
    struct http_call *call = CONTAINER_OF(timer, struct http_call, timer);
    if (call->state != CALL_WAITING) {
        end_with_error(call, TIMEOUT_CODE, "request timeout");
        return;
    }
    if (call->deadline_ns)
        timer_start(call->client->worker->loop, timer, call->deadline_ns);
    begin_hop(call);
}

struct http_call *http_send(struct http_client *client, const struct http_request *request, http_done *done, void *arg)
{
    struct http_worker *worker = client->worker;
    struct http_call *call = call_new(worker);
    int64_t now = clock_mono_ns();
    call->client = client;
    call->request = *request;
    call->done = done;
    call->arg = arg;
    call->method = request->method;
    call->url = http_url_ref(request->url);
    call->send_body = request->body != NULL;
    call->limit_is_default = request->redirects < 0;
    call->redirects_left = request->redirects < 0 ? worker->options->max_redirects : request->redirects;
    call->response = response_new();
    call->deadline_ns = request->timeout_ns > 0 ? now + request->timeout_ns : 0;
    timer_init(&call->timer, timer_fired);
    int64_t due = worker->options->rps > 0 ? rps_next_ns(worker->options->rps, now) : now;
    if (due > now) {
        if (call->deadline_ns)
            call->deadline_ns += due - now;
        timer_start(worker->loop, &call->timer, due);
        return call;
    }
    if (call->deadline_ns)
        timer_start(worker->loop, &call->timer, call->deadline_ns);
    begin_hop(call);
    return call;
}

void http_cancel(struct http_call *call)
{
    detach_session(call);
    call_free(call);
}

/* ---- receiving ---- */

void call_note_times(struct http_call *call, int64_t received_ns, int64_t read_ns)
{
    if (!call->times.first_ns) {
        call->times.first_ns = received_ns;
        call->times.first_read_ns = read_ns;
        if (!call->times.written_ns && call->session)
            call->times.written_ns = conn_written_ns(call->session->conn);
    }
    call->times.last_ns = received_ns;
}

void call_begin_response(struct http_call *call, int status, const char *status_text, size_t len)
{
    struct http_response *r = call->response;
    r->status = status;
    r->status_text = response_keep(r, status_text, len);
    r->headers = NULL;
    r->header_count = 0;
    r->has_body = status >= 200 && status != 204 && status != 304 && !call->request.discard_body;
}

void call_add_header(struct http_call *call, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct http_response *r = call->response;
    char *own = response_keep(r, name, name_len);
    header_canonical(own, own, name_len);
    response_add_header(&r->headers, &r->header_count, r, own, name_len, response_keep(r, value, value_len), value_len);
}

void call_headers_end(struct http_call *call)
{
    const struct http_header *encoding = http_response_header(call->response, "Content-Encoding");
    if (encoding && !call->request.no_decompress && !call->request.discard_body && strcmp(call->method, "HEAD") != 0)
        call->decoder = decoder_new(call->client->worker->decoders, encoding->value, encoding->value_len, 0);
    const struct http_header *length = http_response_header(call->response, "Content-Length");
    int64_t bytes;
    if (length && !call->decoder && call->response->has_body && text_to_int((struct text){length->value, length->value_len}, &bytes) && bytes > 0 &&
        bytes <= 1 << 20)
        buf_reserve(&call->response->body, (size_t)bytes);
    call->state = CALL_BODY;
}

void call_head(struct http_call *call, const char *head, size_t len)
{
    const struct http_options *options = call->client->worker->options;
    const char *name, *value, *text;
    size_t at = 0, name_len, value_len, text_len;
    if (options->debug)
        options->debug(head, len);
    text = h1_status_text(head, len, &text_len);
    call_begin_response(call, call->session->parser.status, text, text_len);
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len))
        call_add_header(call, name, name_len, value, value_len);
    call_headers_end(call);
}

void call_body(struct http_call *call, const char *data, size_t len)
{
    if (call->request.discard_body || call->body_failed)
        return;
    if (!call->decoder) {
        buf_add(&call->response->body, data, len);
        return;
    }
    struct error err = {0};
    if (!decoder_feed(call->decoder, data, len, &call->response->body, &err))
        call->body_failed = response_keep(call->response, err.text, strlen(err.text));
    error_clear(&err);
}

/* ---- what follows a response ---- */

static void store_cookies(struct http_call *call)
{
    struct http_response *r = call->response;
    int64_t now_s = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        struct cookie *cookie;
        if (h->name_len != 10 || memcmp(h->name, "Set-Cookie", 10) != 0 || !cookie_parse(h->value, h->value_len, &cookie))
            continue;
        if (!now_s)
            now_s = clock_wall_ns() / NS_PER_S;
        cookie_jar_set(call->request.jar, call->url, cookie, now_s);
        cookie_free(cookie);
    }
}

static bool answer_digest(struct http_call *call)
{
    struct http_response *r = call->response;
    const struct http_header *challenge_header = http_response_header(r, "Www-Authenticate");
    struct digest_challenge challenge;
    struct error err = {0};
    if (call->request.auth != HTTP_AUTH_DIGEST || r->status != 401 || call->done_digest || !challenge_header || !call->url->user)
        return false;
    call->done_digest = true;
    if (!digest_parse(&challenge, challenge_header->value, challenge_header->value_len, &err)) {
        error_clear(&err);
        return false;
    }
    struct digest_request request = {.user = call->url->user, .password = call->url->password ? call->url->password : "", .method = call->method,
                                     .uri = call->url->target, .body = call->request.body, .body_len = call->request.body_len, .nonce_count = 1};
    buf_clear(&call->authorization);
    bool answered = digest_authorize(&call->authorization, &challenge, &request, &err);
    digest_fini(&challenge);
    error_clear(&err);
    return answered;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_subdomain(const char *host, const char *parent)
{
    size_t h = strlen(host), p = strlen(parent);
    return h >= p && strcmp(host + h - p, parent) == 0 && (h == p || host[h - p - 1] == '.');
}

static void set_referer(struct http_call *call, const struct http_url *to)
{
    buf_clear(&call->referer);
    if (call->url->tls && !to->tls)
        return;
    buf_add_text(&call->referer, call->url->tls ? "https://" : "http://");
    buf_add_text(&call->referer, call->url->host_header);
    buf_add_text(&call->referer, call->url->target);
}

/* True: another hop has begun (or the call has ended). */
static bool follow_redirect(struct http_call *call)
{
    struct http_response *r = call->response;
    const struct http_header *location = is_redirect(r->status) ? http_response_header(r, "Location") : NULL;
    if (!location || !location->value_len)
        return false;
    if (call->redirects_left <= 0) {
        r->redirect_limit_hit = call->limit_is_default && call->client->worker->options->max_redirects > 0;
        return false;
    }
    struct error err = {0};
    const struct http_url *to = http_url_resolve(call->client->worker, call->url, location->value, location->value_len, &err);
    if (!to) {
        struct http_hop *hop = &r->hops[r->hop_count - 1];
        hop->error = r->error = response_keep(r, err.text, strlen(err.text));
        hop->error_code = r->error_code = err.code;
        error_clear(&err);
        return false;
    }
    call->redirects_left--;
    if (r->status <= 303) {
        if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
            call->method = "GET";
        call->send_body = false;
    }
    if (!is_subdomain(to->host, call->request.url->host))
        call->drop_auth = true;
    set_referer(call, to);
    http_url_unref(call->url);
    call->url = to;
    return true;
}

void call_complete(struct http_call *call)
{
    struct http_response *r = call->response;
    struct session *session = call->session;
    const struct http_options *options = call->client->worker->options;
    struct error err = {0};
    if (call->decoder && !call->body_failed && !decoder_finish(call->decoder, &r->body, &err))
        call->body_failed = response_keep(r, err.text, strlen(err.text));
    error_clear(&err);
    decoder_free(call->decoder);
    call->decoder = NULL;
    if (options->debug_bodies)
        options->debug(r->body.data ? r->body.data : "", r->body.len);
    if (call->body_failed) {
        end_with_error(call, 1701, call->body_failed);
        return;
    }
    record_hop(call, "", r->status >= 400 ? 1000 + r->status : 0);
    if (call->request.jar)
        store_cookies(call);
    call->session = NULL;
    if (session && !session->h2)
        session_release(session, session->parser.keep_alive);
    buf_clear(&call->authorization);
    if (answer_digest(call) || follow_redirect(call)) {
        buf_free(&r->body);
        begin_hop(call);
        return;
    }
    finish(call);
}
