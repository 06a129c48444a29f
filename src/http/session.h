/* SPDX-License-Identifier: Apache-2.0 */
/* Between client.c, call.c and the two kinds of session: how a request finds a connection and what a
 * connection tells back. */
#ifndef HTTP_SESSION_H
#define HTTP_SESSION_H

#include "core/list.h"
#include "core/loop.h"
#include "http/client.h"
#include "http/decode.h"
#include "http/h1_codec.h"
#include "http/url.h"

struct h2;

struct http_worker {
    struct net *net;
    struct loop *loop;
    const struct http_options *options;
    struct url_table *urls;
    struct decode_pool *decoders;
    struct buf scratch; /* request heads */
    struct http_call *free_calls;
};

struct http_client {
    struct http_worker *worker;
    unsigned vu_index;
    struct conn_counter bytes;
    struct list_node sessions; /* all of them */
    unsigned idle_count;
};

/* One connection. An idle HTTP/1.1 one holds no buffers. */
struct session {
    struct list_node node;
    struct http_client *client;
    struct conn *conn;
    const struct http_url *origin; /* a URL of the origin it belongs to */
    struct http_call *call; /* HTTP/1.1: the one that uses it; also while connecting */
    struct h2 *h2;
    bool is_open, is_idle, was_used, is_proxied, is_tunnelled, dead;
    uint16_t remote_port;
    char remote_ip[46];
    struct h1_parser parser;
};

enum call_state { CALL_WAITING, CALL_CONNECTING, CALL_SENT, CALL_BODY };

struct hop_times {
    int64_t begun_ns, got_conn_ns, written_ns, first_ns, first_read_ns, last_ns;
    struct conn_times conn;
    bool new_conn;
};

struct http_call {
    struct http_client *client;
    struct http_request request;
    http_done *done;
    void *arg;
    enum call_state state;
    const char *method;         /* of this hop */
    const struct http_url *url; /* of this hop; a reference */
    bool send_body;
    int redirects_left;
    bool limit_is_default, retried, drop_auth, done_digest;
    struct session *session;
    int32_t stream; /* HTTP/2 */
    size_t body_sent;
    bool interim;
    struct hop_times times;
    struct http_response *response; /* being built */
    struct decoder *decoder;
    struct buf authorization; /* digest answer for this hop */
    struct buf referer;
    struct timer timer;     /* the time-out, or the wait for rps */
    int64_t deadline_ns;
    const char *body_failed; /* why the body could not be decompressed */
    struct http_call *next_free;
};

/* ---- client.c ---- */
/* An idle session of the origin, or NULL. */
struct session *client_idle_session(struct http_client *client, const struct http_url *url);
/* Opens a connection for the call. */
struct session *session_open(struct http_client *client, struct http_call *call);
/* The response is complete: keep the connection or close it. */
void session_release(struct session *session, bool keep);
void session_close(struct session *session);
bool same_origin(const struct http_url *a, const struct http_url *b);

/* ---- call.c: what sessions tell ---- */
/* The connection is there: write the request. */
void call_connected(struct http_call *call, struct session *session);
/* status line and headers of an HTTP/1.1 response. */
void call_head(struct http_call *call, const char *head, size_t len);
void call_body(struct http_call *call, const char *data, size_t len);
/* The same in steps, for HTTP/2. */
void call_begin_response(struct http_call *call, int status, const char *status_text, size_t len);
void call_add_header(struct http_call *call, const char *name, size_t name_len, const char *value, size_t value_len);
void call_headers_end(struct http_call *call);
void call_note_times(struct http_call *call, int64_t received_ns, int64_t read_ns);
void call_complete(struct http_call *call);
/* code 0: the connection was closed. nothing_received: not a byte of a response came. */
void call_failed(struct http_call *call, int code, const char *text, bool nothing_received);

/* ---- h1_session.c ---- */
bool h1_send(struct session *session, struct http_call *call);
void h1_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns);

/* ---- h2_session.c ---- */
bool h2_open(struct session *session);
void h2_free(struct session *session);
bool h2_send(struct session *session, struct http_call *call);
void h2_data(struct session *session, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns);
void h2_closed(struct session *session, int code, const char *text);
void h2_cancel(struct session *session, struct http_call *call);
size_t h2_streams(const struct session *session);

/* ---- request_head.c ---- */
/* The header fields of a hop in sending order, but for Host: calls each. Also fills the response's
 * request_headers. */
void request_fields(struct http_call *call, void (*each)(void *arg, const char *name, size_t name_len, const char *value, size_t value_len), void *arg);
/* Host as sent. */
const char *request_host(const struct http_call *call);

/* ---- response.c ---- */
struct http_response *response_new(void);
/* Keeps a copy of text as long as the response lives. */
char *response_keep(struct http_response *response, const char *text, size_t len);
struct http_header *response_add_header(struct http_header **list, size_t *count, struct http_response *response, const char *name, size_t name_len,
                                        const char *value, size_t value_len);
struct http_hop *response_add_hop(struct http_response *response);

/* ---- proxy.c ---- */
struct proxy {
    char *host;
    uint16_t port;
    char *authorization; /* value of Proxy-Authorization or NULL */
};
/* The proxy for a URL by the environment's rules; false: none. Free with proxy_fini. */
bool proxy_for(const struct http_options *options, const struct http_url *url, struct proxy *proxy);
void proxy_fini(struct proxy *proxy);
/* Sends CONNECT and reads its answer; then conn_start_tls. */
void proxy_connect(struct session *session, const char *authorization);

/* ---- rps.c ---- */
/* The mono time from which this request may go; over all workers. */
int64_t rps_next_ns(double rps, int64_t now_ns);

#endif
