/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of one VU. HTTP/1.1 ones are reused last in, first out, within the limits on idle ones;
 * an origin that may speak HTTP/2 is dialled once, and the calls that come meanwhile wait for what it
 * turns out to speak: then they share the connection or dial one each. (Go dials for each at once and
 * throws the surplus away.) */
#include <assert.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/session.h"

/* ---- origins ---- */

static bool same_origin(const struct http_url *a, const struct http_url *b)
{
    return a->port == b->port && a->tls == b->tls && strcmp(a->host, b->host) == 0;
}

static struct origin *find_origin(struct http_client *client, const struct http_url *url)
{
    for (struct list_node *n = client->origins.next; n != &client->origins; n = n->next) {
        struct origin *origin = CONTAINER_OF(n, struct origin, in_client);
        if (origin->seen == url)
            return origin;
        if (!same_origin(origin->url, url))
            continue;
        http_url_ref(url);
        http_url_unref(origin->seen);
        origin->seen = url;
        return origin;
    }
    struct origin *origin = mem_zalloc(sizeof(*origin));
    origin->url = http_url_ref(url);
    origin->seen = http_url_ref(url);
    node_init(&origin->idle);
    node_init(&origin->waiting);
    node_add_tail(&client->origins, &origin->in_client);
    return origin;
}

static void origin_release(struct origin *origin)
{
    if (--origin->uses)
        return;
    node_remove(&origin->in_client);
    http_url_unref(origin->url);
    http_url_unref(origin->seen);
    mem_free(origin);
}

/* ---- sessions ---- */

static void take_from_idle(struct session *session)
{
    node_remove(&session->idle_in_client);
    node_remove(&session->idle_in_origin);
    session->client->idle_count--;
    session->origin->idle_count--;
}

/* Frees it as well: the memory that the callbacks of a connection use is gone afterwards. */
void session_forget(struct session *session)
{
    struct origin *origin = session->origin;
    if (session->state == SESSION_IDLE)
        take_from_idle(session);
    node_remove(&session->in_client);
    if (origin->dialling == session)
        origin->dialling = NULL;
    if (origin->h2 == session)
        origin->h2 = NULL;
    h2_free(session->h2);
    h1_fini(&session->codec);
    mem_free(session);
    origin_release(origin);
}

void session_drop(struct session *session)
{
    conn_close(session->conn);
    session_forget(session);
}

void session_idle(struct session *session)
{
    struct http_client *client = session->client;
    struct origin *origin = session->origin;
    const struct http_options *options = client->worker->options;
    size_t limit = options->batch > 0 ? (size_t)options->batch : SIZE_MAX;
    size_t host_limit = options->batch_per_host > 0 ? (size_t)options->batch_per_host : SIZE_MAX;
    session->call = NULL;
    if (session->last || options->no_connection_reuse || origin->idle_count >= host_limit) {
        session_drop(session);
        return;
    }
    session->state = SESSION_IDLE;
    node_add_tail(&client->idle, &session->idle_in_client);
    node_add_tail(&origin->idle, &session->idle_in_origin);
    client->idle_count++;
    origin->idle_count++;
    if (client->idle_count > limit)
        session_drop(CONTAINER_OF(client->idle.next, struct session, idle_in_client));
}

static void serve_h1(struct session *session, struct http_call *call)
{
    bool is_fresh = session->served++ == 0;
    session->state = SESSION_BUSY;
    session->call = call;
    call_serve(call, session, is_fresh);
    h1_serve(session, call);
}

static void serve_h2(struct session *session, struct http_call *call)
{
    bool is_fresh = session->served++ == 0;
    call_serve(call, session, is_fresh);
    h2_serve(session, call);
}

/* ---- dialling ---- */

static void fail_waiting(struct list_node *waiting, const struct net_failure *why)
{
    while (node_is_linked(waiting)) {
        struct http_call *call = CONTAINER_OF(waiting->next, struct http_call, waiting);
        node_remove(&call->waiting);
        call->session = NULL;
        call_failed(call, why->code, why->text);
    }
}

/* The calls that waited leave the origin's list first, since every callback may change it. */
static void take_waiting(struct origin *origin, struct list_node *to)
{
    node_init(to);
    while (node_is_linked(&origin->waiting)) {
        struct list_node *n = origin->waiting.next;
        node_remove(n);
        node_add_tail(to, n);
    }
}

static void assign_waiting(struct origin *origin)
{
    struct list_node waiting;
    take_waiting(origin, &waiting);
    while (node_is_linked(&waiting)) {
        struct http_call *call = CONTAINER_OF(waiting.next, struct http_call, waiting);
        node_remove(&call->waiting);
        call->serve_ns = clock_mono_ns();
        client_assign(call, false);
    }
}

static void note_peer(struct session *session)
{
    struct peer *peer = &session->peer;
    peer->port = conn_remote(session->conn, peer->ip, sizeof(peer->ip));
    peer->tls_version = peer->tls_cipher = "";
    if (!session->origin->url->tls)
        return;
    peer->tls_version = conn_tls_version(session->conn);
    peer->tls_cipher = conn_tls_cipher(session->conn);
    peer->ocsp = conn_ocsp(session->conn);
}

/* No callback of a call happens below, so that session and origin stay. */
static void session_opened(struct conn *c, void *arg)
{
    struct session *session = arg;
    struct origin *origin = session->origin;
    struct http_call *call = session->call;
    if (session->state == SESSION_DIALLING && session->is_tunnel) {
        session->state = SESSION_TUNNEL;
        tunnel_begin(session);
        return;
    }
    note_peer(session);
    bool is_h2 = strcmp(conn_alpn(c), "h2") == 0;
    if (is_h2) {
        session->state = SESSION_H2;
        session->call = NULL;
        origin->h2 = session;
        h2_start(session);
        if (call)
            serve_h2(session, call);
    } else {
        origin->speaks_h1 = true;
        if (call)
            serve_h1(session, call);
    }
    if (origin->dialling == session)
        origin->dialling = NULL;
    origin->uses++;
    if (!is_h2 && !call)
        session_idle(session); /* whoever it was dialled for has gone */
    assign_waiting(origin);
    origin_release(origin);
}

static void session_data(struct conn *c, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct session *session = arg;
    switch (session->state) {
    case SESSION_TUNNEL:
        tunnel_data(session, bytes, len);
        break;
    case SESSION_BUSY:
        h1_data(session, bytes, len, received_ns, read_ns);
        break;
    case SESSION_H2:
        h2_data(session, bytes, len, received_ns, read_ns);
        break;
    default:
        session_drop(session); /* bytes that nobody asked for */
    }
}

static void session_drained(struct conn *c, void *arg)
{
    struct session *session = arg;
    if (session->state == SESSION_H2)
        h2_drained(session);
}

void client_dial_failed(struct session *session, const struct net_failure *why)
{
    struct http_call *call = session->call;
    struct list_node waiting;
    node_init(&waiting);
    if (session->origin->dialling == session)
        take_waiting(session->origin, &waiting);
    if (call) {
        call->is_fresh = true;
        call->times = conn_times(session->conn);
        call->session = NULL;
    }
    struct net_failure failure = why->code ? *why : (struct net_failure){1000, "EOF"};
    session_forget(session);
    if (call)
        call_failed(call, failure.code, failure.text);
    fail_waiting(&waiting, &failure);
}

static void session_closed(struct conn *c, void *arg, const struct net_failure *why)
{
    struct session *session = arg;
    switch (session->state) {
    case SESSION_DIALLING:
    case SESSION_TUNNEL:
        client_dial_failed(session, why);
        break;
    case SESSION_BUSY:
        h1_closed(session, why);
        break;
    case SESSION_H2:
        h2_closed(session, why);
        break;
    default:
        session_forget(session);
    }
}

static const struct conn_handler handler = {session_opened, session_data, session_drained, session_closed};

static void dial(struct http_client *client, struct origin *origin, struct http_call *call)
{
    const struct http_url *url = origin->url, *proxy = proxy_for(client->worker, url);
    struct session *session = mem_zalloc(sizeof(*session));
    session->client = client;
    session->origin = origin;
    session->call = call;
    session->state = SESSION_DIALLING;
    session->is_tunnel = proxy && url->tls;
    node_init(&session->idle_in_client);
    node_init(&session->idle_in_origin);
    node_add_tail(&client->sessions, &session->in_client);
    origin->uses++;
    if (url->tls && !origin->speaks_h1)
        origin->dialling = session;
    struct conn_target target = {.host = url->host, .port = url->port, .tls = url->tls, .alpn = url->tls ? "h2,http/1.1" : NULL,
                                 .local_ip_index = client->vu_index, .deadline_ns = INT64_MAX};
    if (proxy && url->tls) {
        target.proxy_host = proxy->host;
        target.proxy_port = proxy->port;
    } else if (proxy) {
        target.host = proxy->host;
        target.port = proxy->port;
    }
    call->session = session;
    session->conn = conn_open(client->worker->net, &target, &handler, session);
    conn_set_counter(session->conn, &client->bytes);
}

void client_assign(struct http_call *call, bool on_new_connection)
{
    struct http_client *client = call->client;
    struct origin *origin = find_origin(client, call->url);
    call->session = NULL;
    if (origin->h2 && !on_new_connection) {
        serve_h2(origin->h2, call);
    } else if (origin->dialling) {
        node_add_tail(&origin->waiting, &call->waiting);
    } else if (node_is_linked(&origin->idle) && !on_new_connection) {
        struct session *session = CONTAINER_OF(origin->idle.prev, struct session, idle_in_origin);
        take_from_idle(session);
        serve_h1(session, call);
    } else {
        dial(client, origin, call);
    }
}

static void detach_from_dial(struct session *session)
{
    struct origin *origin = session->origin;
    session->call = NULL;
    if (origin->dialling == session && node_is_linked(&origin->waiting))
        return; /* others wait for it */
    session_drop(session);
}

void client_detach(struct http_call *call)
{
    struct session *session = call->session;
    node_remove(&call->waiting);
    timer_stop(call->worker->loop, &call->turn);
    call->session = NULL;
    if (!session)
        return;
    switch (session->state) {
    case SESSION_H2:
        h2_detach(session, call);
        break;
    case SESSION_DIALLING:
    case SESSION_TUNNEL:
        call->is_fresh = true;
        call->times = conn_times(session->conn);
        detach_from_dial(session);
        break;
    default:
        session_drop(session);
    }
}

/* ---- the client ---- */

struct http_client *http_client_new(struct http_worker *worker, unsigned vu_index)
{
    struct http_client *client = mem_zalloc(sizeof(*client));
    client->worker = worker;
    client->vu_index = vu_index;
    node_init(&client->origins);
    node_init(&client->sessions);
    node_init(&client->idle);
    return client;
}

void http_client_close_idle(struct http_client *client)
{
    while (node_is_linked(&client->idle))
        session_drop(CONTAINER_OF(client->idle.next, struct session, idle_in_client));
    for (struct list_node *n = client->sessions.next, *next; n != &client->sessions; n = next) {
        struct session *session = CONTAINER_OF(n, struct session, in_client);
        next = n->next;
        if (session->state == SESSION_H2 && h2_is_idle(session))
            session_drop(session);
    }
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    while (node_is_linked(&client->sessions)) {
        struct session *session = CONTAINER_OF(client->sessions.next, struct session, in_client);
        assert(!session->call); /* cancel first */
        session_drop(session);
    }
    assert(!node_is_linked(&client->origins));
    mem_free(client);
}

struct conn_counter http_client_take_bytes(struct http_client *client)
{
    struct conn_counter bytes = client->bytes;
    client->bytes = (struct conn_counter){0};
    return bytes;
}
