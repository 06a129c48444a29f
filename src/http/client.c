/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of a VU: idle ones wait here by origin. */
#include <string.h>

#include "core/error.h"
#include "core/mem.h"
#include "http/session.h"

struct http_worker *http_worker_new(struct net *net, const struct http_options *options, struct error *err)
{
    struct http_worker *worker = mem_zalloc(sizeof(*worker));
    worker->net = net;
    worker->loop = net_loop(net);
    worker->options = options;
    worker->urls = url_table_new(0);
    worker->decoders = decode_pool_new();
    return worker;
}

void http_worker_free(struct http_worker *worker)
{
    if (!worker)
        return;
    while (worker->free_calls) {
        struct http_call *call = worker->free_calls;
        worker->free_calls = call->next_free;
        buf_free(&call->authorization);
        buf_free(&call->referer);
        mem_free(call);
    }
    decode_pool_free(worker->decoders);
    url_table_free(worker->urls);
    buf_free(&worker->scratch);
    mem_free(worker);
}

const struct http_url *http_url_get(struct http_worker *worker, const char *text, size_t len, struct error *err)
{
    return url_table_get(worker->urls, text, len, err);
}

const struct http_url *http_url_resolve(struct http_worker *worker, const struct http_url *base, const char *reference, size_t len, struct error *err)
{
    return url_table_resolve(worker->urls, base, reference, len, err);
}

struct http_client *http_client_new(struct http_worker *worker, unsigned vu_index)
{
    struct http_client *client = mem_zalloc(sizeof(*client));
    client->worker = worker;
    client->vu_index = vu_index;
    node_init(&client->sessions);
    return client;
}

static void close_sessions(struct http_client *client, bool only_idle)
{
    struct list_node *next;
    for (struct list_node *node = client->sessions.next; node != &client->sessions; node = next) {
        struct session *session = CONTAINER_OF(node, struct session, node);
        next = node->next;
        bool idle = session->is_idle || (session->h2 && h2_streams(session) == 0);
        if (!only_idle || idle)
            session_close(session);
    }
}

void http_client_close_idle(struct http_client *client)
{
    close_sessions(client, true);
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    close_sessions(client, false);
    mem_free(client);
}

struct conn_counter *http_client_counter(struct http_client *client)
{
    return &client->bytes;
}

struct conn_counter http_client_take_bytes(struct http_client *client)
{
    struct conn_counter bytes = client->bytes;
    client->bytes = (struct conn_counter){0};
    return bytes;
}

bool same_origin(const struct http_url *a, const struct http_url *b)
{
    return a == b || (a->tls == b->tls && a->port == b->port && strcmp(a->host, b->host) == 0);
}

struct session *client_idle_session(struct http_client *client, const struct http_url *url)
{
    for (struct list_node *node = client->sessions.next; node != &client->sessions; node = node->next) {
        struct session *session = CONTAINER_OF(node, struct session, node);
        if (!session->is_open || session->dead || !same_origin(session->origin, url))
            continue;
        if (session->h2)
            return session;
        if (session->is_idle) {
            session->is_idle = false;
            client->idle_count--;
            return session;
        }
    }
    return NULL;
}

/* ---- what connections tell ---- */

static void opened(struct conn *c, void *arg)
{
    struct session *session = arg;
    struct http_call *call = session->call;
    if (session->is_proxied && session->origin->tls && !session->is_tunnelled) {
        struct proxy proxy = {0};
        proxy_for(session->client->worker->options, session->origin, &proxy);
        proxy_connect(session, proxy.authorization);
        proxy_fini(&proxy);
        return;
    }
    session->is_open = true;
    session->remote_port = conn_remote(c, session->remote_ip, sizeof(session->remote_ip));
    if (strcmp(conn_alpn(c), "h2") == 0 && !h2_open(session)) {
        call_failed(call, 1600, "http2: the connection preface failed", false);
        return;
    }
    if (session->h2)
        session->call = NULL; /* streams know their calls */
    call_connected(call, session);
}

static void tunnel_head(void *arg, const char *head, size_t len)
{
}

static void tunnel_body(void *arg, const char *data, size_t len)
{
}

static void tunnel_data(struct session *session, const uint8_t *bytes, size_t len)
{
    static const struct h1_events ignore = {tunnel_head, tunnel_body};
    h1_feed(&session->parser, (const char *)bytes, len, &ignore, session);
    if (session->parser.state != H1_DONE && session->parser.state != H1_FAILED)
        return;
    if (session->parser.state == H1_FAILED || session->parser.status != 200) {
        char *text = mem_printf("proxyconnect tcp: the proxy answered CONNECT with status %d", session->parser.status);
        call_failed(session->call, 1000, text, false);
        mem_free(text);
        return;
    }
    session->is_tunnelled = true;
    conn_start_tls(session->conn, "h2,http/1.1");
}

static void data(struct conn *c, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct session *session = arg;
    if (!session->is_open)
        tunnel_data(session, bytes, len);
    else if (session->h2)
        h2_data(session, bytes, len, received_ns, read_ns);
    else
        h1_data(session, bytes, len, received_ns, read_ns);
}

static void drained(struct conn *c, void *arg)
{
}

/* The conn frees itself after this; the session goes with it. */
static void closed(struct conn *c, void *arg, const struct net_failure *why)
{
    struct session *session = arg;
    struct http_call *call = session->call;
    session->conn = NULL;
    if (session->h2) {
        h2_closed(session, why->code, why->text);
        session_close(session);
        return;
    }
    if (!call) {
        session_close(session);
        return;
    }
    if (session->is_open && why->code == 0 && h1_end(&session->parser)) {
        session->parser.keep_alive = false;
        call_complete(call);
        return;
    }
    bool nothing = session->is_open && session->parser.state == H1_HEAD && session->parser.head.len == 0 && call->times.first_ns == 0;
    if (why->code == 0)
        call_failed(call, 1000, nothing ? "EOF" : "unexpected EOF", nothing);
    else
        call_failed(call, why->code, why->text, nothing);
}

static const struct conn_handler handler = {opened, data, drained, closed};

struct session *session_open(struct http_client *client, struct http_call *call)
{
    struct http_worker *worker = client->worker;
    const struct http_url *url = call->url;
    struct session *session = mem_zalloc(sizeof(*session));
    struct proxy proxy = {0};
    session->client = client;
    session->call = call;
    session->origin = http_url_ref(url);
    session->is_proxied = (worker->options->http_proxy || worker->options->https_proxy) && proxy_for(worker->options, url, &proxy);
    node_add_tail(&client->sessions, &session->node);
    struct conn_target target = {.host = url->host, .port = url->port, .tls = url->tls && !session->is_proxied, .alpn = "h2,http/1.1",
                                 .proxy_host = proxy.host, .proxy_port = proxy.port, .local_ip_index = client->vu_index, .deadline_ns = call->deadline_ns};
    session->conn = conn_open(worker->net, &target, &handler, session);
    conn_set_counter(session->conn, &client->bytes);
    proxy_fini(&proxy);
    return session;
}

void session_close(struct session *session)
{
    if (session->h2)
        h2_free(session);
    if (session->conn)
        conn_close(session->conn);
    if (session->is_idle)
        session->client->idle_count--;
    node_remove(&session->node);
    http_url_unref(session->origin);
    h1_fini(&session->parser);
    mem_free(session);
}

static unsigned idle_of_host(const struct http_client *client, const struct http_url *origin)
{
    unsigned count = 0;
    for (struct list_node *node = client->sessions.next; node != &client->sessions; node = node->next) {
        const struct session *session = CONTAINER_OF(node, struct session, node);
        count += session->is_idle && same_origin(session->origin, origin);
    }
    return count;
}

void session_release(struct session *session, bool keep)
{
    struct http_client *client = session->client;
    const struct http_options *options = client->worker->options;
    session->call = NULL;
    session->was_used = true;
    bool room = client->idle_count == 0 || (options->batch > 0 && client->idle_count < (unsigned)options->batch &&
                                            (options->batch_per_host <= 0 || idle_of_host(client, session->origin) < (unsigned)options->batch_per_host));
    if (!keep || !session->conn || options->no_connection_reuse || !room) {
        session_close(session);
        return;
    }
    h1_fini(&session->parser);
    session->is_idle = true;
    client->idle_count++;
}
