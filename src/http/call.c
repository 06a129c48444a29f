/* SPDX-License-Identifier: Apache-2.0 */
/* A call from http_send to done: exchange after exchange, until there is an answer that leads nowhere
 * further. Redirects are followed as Go's client does it, a digest challenge is answered once, a request
 * that met a keep-alive connection just as the server closed it is sent again. */
#include <assert.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/decode.h"
#include "http/header.h"
#include "http/session.h"

#define MAX_RESERVED_BODY ((int64_t)16 << 20)

static void call_begin_exchange(struct http_call *call, int64_t now_ns);

/* ---- life ---- */

static void run_task(struct task *task);
static void take_turn(struct timer *timer);

static struct http_call *call_take(struct http_worker *worker)
{
    struct http_call *call = worker->free_calls;
    if (call) {
        worker->free_calls = call->next_free;
        struct arena arena = call->arena;
        memset(call, 0, sizeof(*call));
        call->arena = arena;
    } else {
        call = mem_zalloc(sizeof(*call));
    }
    node_init(&call->in_deadline);
    node_init(&call->waiting);
    call->turn.fire = take_turn;
    call->task.run = run_task;
    call->worker = worker;
    return call;
}

static void release_exchange(struct http_call *call)
{
    decoder_free(call->decoder);
    call->decoder = NULL;
    if (call->body_error) {
        error_clear(call->body_error);
        mem_free(call->body_error);
        call->body_error = NULL;
    }
}

static void call_give_back(struct http_call *call)
{
    struct http_worker *worker = call->worker;
    deadline_stop(call);
    timer_stop(worker->loop, &call->turn);
    release_exchange(call);
    if (call->has_challenge)
        digest_fini(&call->challenge);
    for (size_t i = 0; i < call->past_count; i++) {
        http_url_unref(call->past[i].url);
        mem_free((char *)(uintptr_t)call->past[i].method);
        mem_free((char *)(uintptr_t)call->past[i].remote_ip);
    }
    mem_free(call->past);
    call->past = NULL;
    call->past_count = 0;
    http_url_unref(call->url);
    call->url = NULL;
    http_response_free(call->response);
    call->response = NULL;
    buf_free(&call->debug);
    mem_free(call->referer);
    call->is_cancelled = true;
    if (call->is_task_due)
        return; /* run_task puts it back */
    call->next_free = worker->free_calls;
    worker->free_calls = call;
}

static void run_task(struct task *task)
{
    struct http_call *call = CONTAINER_OF(task, struct http_call, task);
    call->is_task_due = false;
    if (call->is_cancelled) {
        call->next_free = call->worker->free_calls;
        call->worker->free_calls = call;
        return;
    }
    call_failed(call, 1000, "auth \"ntlm\" is not supported: use \"basic\" or \"digest\"");
}

static void take_turn(struct timer *timer)
{
    struct http_call *call = CONTAINER_OF(timer, struct http_call, turn);
    call_begin_exchange(call, clock_mono_ns());
}

struct http_call *http_send(struct http_client *client, const struct http_request *request, http_done *done, void *arg)
{
    struct http_worker *worker = client->worker;
    struct http_call *call = call_take(worker);
    int64_t now = clock_mono_ns();
    call->client = client;
    call->request = *request;
    call->done = done;
    call->arg = arg;
    call->begun_ns = now;
    call->url = http_url_ref(request->url);
    call->method = request->method;
    call->sends_body = request->body != NULL;
    call->redirects_left = request->redirects < 0 ? worker->options->max_redirects : request->redirects;
    deadline_start(call);
    if (request->auth == HTTP_AUTH_NTLM) {
        request_build(call);
        call->is_task_due = true;
        loop_defer(worker->loop, &call->task);
        return call;
    }
    if (worker->options->rps > 0) {
        int64_t turn = rps_take_turn(worker->options->rps, now);
        if (turn > now) {
            timer_start(worker->loop, &call->turn, turn);
            return call;
        }
    }
    call_begin_exchange(call, now);
    return call;
}

void http_cancel(struct http_call *call)
{
    client_detach(call);
    call_give_back(call);
}

/* ---- an exchange ---- */

static void reset_times(struct http_call *call, int64_t now_ns)
{
    call->begun_ns = now_ns;
    call->serve_ns = call->write_begun_ns = call->written_ns = 0;
    call->first_received_ns = call->first_read_ns = call->last_received_ns = 0;
    call->times = (struct conn_times){0};
    call->peer.port = 0;
}

static void call_begin_exchange(struct http_call *call, int64_t now_ns)
{
    reset_times(call, now_ns);
    call->was_retried = false;
    call->method_len = strlen(call->method);
    call->is_head = call->method_len == 4 && memcmp(call->method, "HEAD", 4) == 0;
    request_build(call);
    client_assign(call, false);
}

static void dump_request(struct http_call *call)
{
    const struct http_options *options = call->worker->options;
    struct buf *out = &call->debug;
    buf_clear(out);
    buf_printf(out, "Request:\n%s %s HTTP/1.1\r\nHost: %s\r\n", call->method, call->url->target, call->host);
    for (size_t i = 0; i < call->sent_count; i++)
        buf_printf(out, "%s: %s\r\n", call->sent[i].name, call->sent[i].value);
    buf_add_text(out, "\r\n");
    if (options->debug_bodies && call->sends_body)
        buf_add(out, call->request.body, call->request.body_len);
    options->debug(out->data, out->len);
}

static void dump_response(struct http_call *call)
{
    const struct http_options *options = call->worker->options;
    const struct http_response *r = call->response;
    struct buf *out = &call->debug;
    buf_clear(out);
    buf_printf(out, "Response:\n%s %s\r\n", r->proto, r->status_text);
    for (size_t i = 0; i < r->header_count; i++)
        buf_printf(out, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    buf_add_text(out, "\r\n");
    if (options->debug_bodies)
        buf_add(out, r->body.data ? r->body.data : "", r->body.len);
    options->debug(out->data, out->len);
}

void call_serve(struct http_call *call, struct session *session, bool is_fresh)
{
    call->session = session;
    call->peer = session->peer;
    call->is_fresh = is_fresh;
    call->write_begun_ns = call->begun_ns;
    if (is_fresh) {
        call->times = conn_times(session->conn);
        call->write_begun_ns = call->serve_ns = clock_mono_ns();
    }
    if (call->worker->options->debug)
        dump_request(call);
}

void call_retry(struct http_call *call)
{
    release_exchange(call);
    http_response_free(call->response);
    call->response = NULL;
    call->was_retried = true;
    call->session = NULL;
    reset_times(call, call->begun_ns);
    client_assign(call, true);
}

bool call_is_replayable(const struct http_call *call)
{
    const char *m = call->method;
    return (!call->sends_body || !call->request.body_len) &&
           (strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0 || strcmp(m, "OPTIONS") == 0 || strcmp(m, "TRACE") == 0);
}

void call_received(struct http_call *call, int64_t received_ns, int64_t read_ns)
{
    if (!call->first_received_ns) {
        call->first_received_ns = received_ns;
        call->first_read_ns = read_ns;
    }
    call->last_received_ns = received_ns;
}

/* ---- the answer comes in ---- */

static void save_cookies(struct http_call *call, const struct http_response *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        struct cookie *cookie;
        if (h->name_len != 10 || memcmp(h->name, "Set-Cookie", 10) != 0 || !cookie_parse(h->value, h->value_len, &cookie))
            continue;
        cookie_jar_set(call->request.jar, call->url, cookie, clock_wall_ns() / NS_PER_S);
        cookie_free(cookie);
    }
}

void call_head(struct http_call *call, const struct h1_head *head, const char *proto)
{
    struct http_response *r = response_new(call, head, proto);
    http_response_free(call->response);
    call->response = r;
    /* an empty body is a body; Go gives one for HEAD, too */
    r->has_body = !call->request.discard_body && head->status >= 200 && head->status != 204 && head->status != 304;
    const struct http_header *encoding = call->request.no_decompress || !head->has_body
                                             ? NULL
                                             : header_find(r->headers, r->header_count, "Content-Encoding", 16);
    if (encoding)
        call->decoder = decoder_new(call->worker->decoders, encoding->value, encoding->value_len, 0);
    else if (head->content_length > 0 && head->has_body && r->has_body)
        buf_reserve(&r->body, (size_t)(head->content_length < MAX_RESERVED_BODY ? head->content_length : MAX_RESERVED_BODY));
}

void call_body(struct http_call *call, const char *data, size_t len)
{
    struct http_response *r = call->response;
    if (call->body_error)
        return;
    if (!call->decoder) {
        if (r->has_body)
            buf_add(&r->body, data, len);
        return;
    }
    struct error err = {0};
    bool fine = decoder_feed(call->decoder, data, len, &r->body, &err);
    if (!r->has_body)
        buf_clear(&r->body);
    if (!fine) {
        call->body_error = mem_zalloc(sizeof(*call->body_error));
        error_move(call->body_error, &err);
    }
}

/* ---- what it took ---- */

static int64_t not_negative(int64_t ns)
{
    return ns > 0 ? ns : 0;
}

static int64_t between(int64_t from_ns, int64_t to_ns)
{
    return from_ns && to_ns > from_ns ? to_ns - from_ns : 0;
}

static void measure(const struct http_call *call, int64_t end_ns, struct http_timings *t)
{
    const struct conn_times *c = &call->times;
    *t = (struct http_timings){0};
    if (call->is_fresh) {
        t->looking_up = between(c->started_ns, c->resolved_ns);
        t->connecting = between(c->connect_started_ns, c->connected_ns);
        t->tls_handshaking = between(c->tls_started_ns, c->tls_done_ns);
        t->blocked = between(call->begun_ns, c->started_ns);
    } else {
        t->blocked = between(call->begun_ns, call->serve_ns);
    }
    if (!call->write_begun_ns)
        return;
    /* an answer may overtake the end of its request */
    int64_t first = call->first_received_ns ? call->first_received_ns : end_ns;
    int64_t written = call->written_ns && call->written_ns < first ? call->written_ns : first;
    t->sending = not_negative(written - call->write_begun_ns);
    t->waiting = not_negative(first - written);
    t->receiving = not_negative(end_ns - first);
    t->duration = t->sending + t->waiting + t->receiving;
    if (call->first_received_ns)
        t->generator_lag = not_negative(call->first_read_ns - call->first_received_ns);
}

static void describe_peer(const struct http_call *call, struct http_response *r)
{
    const struct peer *peer = &call->peer;
    if (!peer->port)
        return;
    memcpy(r->remote_ip, peer->ip, sizeof(r->remote_ip));
    r->remote_port = peer->port;
    r->tls_version = peer->tls_version;
    r->tls_cipher = peer->tls_cipher;
    r->ocsp = peer->ocsp;
}

static void fill_hop(struct http_call *call, struct http_response *r)
{
    struct http_hop *hop = &r->hops[0];
    hop->method = r->request_method;
    hop->url = http_url_ref(call->url);
    hop->status = r->status;
    hop->proto = r->status ? r->proto : "";
    hop->tls_version = r->tls_version;
    hop->error = r->error;
    hop->error_code = r->error_code;
    hop->remote_ip = r->remote_ip;
    hop->ocsp_status = r->ocsp.status ? r->ocsp.status : "";
    hop->ended_wall_ns = clock_wall_ns();
    hop->timings = r->timings;
    r->url = hop->url;
}

static void finish(struct http_call *call)
{
    struct http_response *r = call->response;
    http_done *done = call->done;
    void *arg = call->arg;
    if (call->past_count) {
        mem_grow(&call->past, &call->past_cap, call->past_count + 1, sizeof(call->past[0]));
        call->past[call->past_count] = r->hops[0];
        r->hops = call->past;
        r->hop_count = call->past_count + 1;
        call->past = NULL;
        call->past_count = 0;
    }
    call->response = NULL;
    call_give_back(call);
    done(r, arg);
}

static void fail_response(struct http_call *call, int code, const char *text, int64_t end_ns)
{
    struct http_response *r = response_new(call, NULL, "");
    http_response_free(call->response);
    call->response = r;
    r->private_memory = mem_strdup(text);
    r->error = r->private_memory;
    r->error_code = code;
    measure(call, end_ns, &r->timings);
    describe_peer(call, r);
    fill_hop(call, r);
    release_exchange(call);
    finish(call);
}

void call_failed(struct http_call *call, int code, const char *text)
{
    if (!call->method_len)
        call->method_len = strlen(call->method);
    fail_response(call, code, text, clock_mono_ns());
}

/* ---- what follows from it ---- */

/* Keeps the hop, forgets the answer. */
static void next_exchange(struct http_call *call)
{
    struct http_response *r = call->response;
    mem_grow(&call->past, &call->past_cap, call->past_count + 1, sizeof(call->past[0]));
    struct http_hop *hop = &call->past[call->past_count++];
    *hop = r->hops[0];
    http_url_ref(hop->url);
    hop->method = mem_strdup(hop->method);
    hop->remote_ip = mem_strdup(hop->remote_ip);
    http_response_free(r);
    call->response = NULL;
    call->session = NULL;
    call_begin_exchange(call, clock_mono_ns());
}

static bool is_subdomain(const char *host, const char *of)
{
    size_t len = strlen(host), of_len = strlen(of);
    return len >= of_len && strcmp(host + len - of_len, of) == 0 && (len == of_len || host[len - of_len - 1] == '.');
}

static char *make_referer(const struct http_url *from, const struct http_url *to)
{
    if (from->tls && !to->tls)
        return NULL;
    struct buf text = {0};
    buf_printf(&text, "http%s://%s%s", from->tls ? "s" : "", from->host_header, from->target);
    return buf_take(&text);
}

/* The Location of an answer that is a redirect, NULL otherwise. */
static const struct http_header *redirect_target(const struct http_call *call, const struct http_response *r)
{
    switch (r->status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return header_find(r->headers, r->header_count, "Location", 8);
    default:
        return NULL;
    }
}

static void follow(struct http_call *call, const struct http_url *to)
{
    int status = call->response->status;
    bool is_get = strcmp(call->method, "GET") == 0;
    if (status <= 303 && !is_get && !call->is_head)
        call->method = "GET";
    if (status <= 303) {
        call->sends_body = false;
        call->drops_body_headers = true;
    }
    if (!is_subdomain(to->host, call->request.url->host))
        call->strips_secrets = true;
    mem_free(call->referer);
    call->referer = make_referer(call->url, to);
    http_url_unref(call->url);
    call->url = to;
    call->redirects_left--;
    next_exchange(call);
}

/* True when another exchange has begun or the call has ended. */
static bool redirected(struct http_call *call)
{
    struct http_response *r = call->response;
    const struct http_header *location = redirect_target(call, r);
    if (!location || !location->value_len)
        return false;
    if (call->redirects_left <= 0) {
        r->redirect_limit_hit = call->request.redirects < 0;
        return false;
    }
    struct error err = {0};
    const struct http_url *to = http_url_resolve(call->worker, call->url, location->value, location->value_len, &err);
    if (to) {
        follow(call, to);
        return true;
    }
    r->private_memory = err.text ? err.text : mem_strdup("invalid Location");
    r->error = r->private_memory;
    r->error_code = err.code ? err.code : 1000;
    r->status = 0; /* Go's client gives up the answer; its hop has been measured */
    r->status_text = r->proto = "";
    r->has_body = false;
    buf_free(&r->body);
    return false;
}

static bool challenged(struct http_call *call)
{
    struct http_response *r = call->response;
    if (r->status != 401 || call->request.auth != HTTP_AUTH_DIGEST || call->has_challenge || !call->request.url->user)
        return false;
    for (size_t i = 0; i < r->header_count && !call->has_challenge; i++) {
        const struct http_header *h = &r->headers[i];
        if (h->name_len == 16 && memcmp(h->name, "Www-Authenticate", 16) == 0)
            call->has_challenge = digest_parse(&call->challenge, h->value, h->value_len, NULL);
    }
    if (!call->has_challenge)
        return false;
    next_exchange(call);
    return true;
}

/* False: the body cannot be decoded, and the call has ended. */
static bool close_body(struct http_call *call, int64_t end_ns)
{
    struct error err = {0};
    if (!call->body_error && (!call->decoder || decoder_finish(call->decoder, &call->response->body, &err)))
        return true;
    if (call->body_error)
        error_move(&err, call->body_error);
    fail_response(call, DECODE_ERROR_CODE, err.text ? err.text : "the body cannot be decompressed", end_ns);
    error_clear(&err);
    return false;
}

void call_ended(struct http_call *call)
{
    struct http_response *r = call->response;
    if (call->worker->options->debug)
        dump_response(call);
    if (r->status == 101) {
        struct buf text = {0};
        buf_printf(&text, "unsupported response status: %s", r->status_text);
        fail_response(call, 1000, text.data, call->last_received_ns);
        buf_free(&text);
        return;
    }
    if ((call->decoder || call->body_error) && !close_body(call, call->last_received_ns))
        return;
    measure(call, call->last_received_ns, &r->timings);
    if (r->status >= 400)
        r->error_code = 1000 + r->status;
    describe_peer(call, r);
    fill_hop(call, r);
    if (call->request.jar)
        save_cookies(call, r);
    release_exchange(call);
    if (redirected(call) || challenged(call))
        return;
    finish(call);
}
