/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client of one VU: connections (HTTP/1.1 keep-alive and HTTP/2), redirects, authentication,
 * decompression, k6's error texts and codes, the honest clock. Belongs to the worker's thread; callbacks
 * come from its loop, on the worker's own stack. Knows nothing of JavaScript, tags or metrics: it returns
 * what happened at every hop, the script floor turns that into samples. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "net/net.h"

struct cookie_jar;
struct http_client;
struct http_worker;
struct http_url;

/* Constant during the run, owned by the caller. */
struct http_options {
    int max_redirects;      /* default 10 */
    const char *user_agent; /* NULL or "": send none */
    int batch, batch_per_host; /* limits on idle connections, in all and a host */
    bool no_connection_reuse;
    double rps; /* requests a second over all workers (a shared, atomic token clock); 0: no limit */
    const char *http_proxy, *https_proxy, *no_proxy; /* from the environment; NULL: none */
    void (*debug)(const char *text, size_t len); /* --http-debug: gets dumps of requests and responses; NULL: off */
    bool debug_bodies;
};

/* What the VUs of a worker share: parsed URLs, scratch buffers, inflate states. */
struct http_worker *http_worker_new(struct net *net, const struct http_options *options, struct error *err);
void http_worker_free(struct http_worker *worker);

/* An idle client holds only its idle connections. vu_index picks the local IP. */
struct http_client *http_client_new(struct http_worker *worker, unsigned vu_index);
void http_client_free(struct http_client *client); /* closes connections, cancels nothing: cancel first */
void http_client_close_idle(struct http_client *client);
/* What connections beside the client's own (a WebSocket's) add their bytes to. */
struct conn_counter *http_client_counter(struct http_client *client);
/* Bytes moved on the wire since the last call (data_sent, data_received). */
struct conn_counter http_client_take_bytes(struct http_client *client);

/* name: canonical form for requests (X-Lab-One); values as sent. */
struct http_header {
    const char *name, *value;
    uint32_t name_len, value_len;
};

enum http_auth { HTTP_AUTH_NONE, HTTP_AUTH_BASIC, HTTP_AUTH_DIGEST };

struct http_request {
    const char *method;
    const struct http_url *url; /* see http/url.h; borrowed until done */
    const struct http_header *headers; /* the script's own, canonical names; "Host" sets the host */
    size_t header_count;
    const void *body; /* borrowed until done; NULL: no body at all */
    size_t body_len;
    int64_t timeout_ns; /* whole request with redirects and body; 0: none */
    int redirects;      /* -1: the default of the options */
    enum http_auth auth; /* credentials are those in the URL */
    struct cookie_jar *jar; /* may be NULL; read for Cookie, written by Set-Cookie, at every hop */
    const struct http_header *cookies; /* request-only cookies (params.cookies); replace: see flags */
    const bool *cookie_replaces;       /* for each of them: instead of the jar's of that name */
    size_t cookie_count;
    bool discard_body;  /* read and forget it */
    bool no_decompress;
};

/* Nanoseconds; as k6's timings. duration = sending + waiting + receiving. */
struct http_timings {
    int64_t blocked, looking_up, connecting, tls_handshaking, sending, waiting, receiving, duration;
    int64_t generator_lag; /* from the kernel's receipt of the first byte to this process reading it */
};

/* One exchange on the wire: each redirect hop and each digest challenge is one. */
struct http_hop {
    const char *method;
    const struct http_url *url;
    int status;              /* 0: no response */
    const char *proto;       /* "HTTP/1.1", "HTTP/2.0", "" */
    const char *tls_version; /* "" when plain */
    const char *error;       /* "" when none; k6's text */
    int error_code;          /* k6's; also 1000 + status for >= 400 */
    const char *remote_ip;   /* "" when there is none */
    const char *ocsp_status; /* "" when none */
    int64_t ended_wall_ns;
    struct http_timings timings;
};

/* The final answer. Everything is owned by the response and lives until http_response_free. */
struct http_response {
    struct http_hop *hops; /* at least one, except when the request could not be sent at all */
    size_t hop_count;
    int status;
    const char *status_text; /* "200 OK" */
    const char *proto;
    const struct http_url *url; /* of the last hop */
    struct http_header *headers; /* canonical names in order of arrival; not joined */
    size_t header_count;
    struct buf body; /* decompressed; empty when discarded */
    bool has_body;   /* false for 1xx, 204, 304, discarded and failures; a HEAD has an empty one */
    struct http_timings timings; /* of the last hop */
    const char *error;
    int error_code;
    char remote_ip[46];
    uint16_t remote_port;
    const char *tls_version, *tls_cipher;
    struct conn_ocsp ocsp;
    /* what was sent in the last hop: method, headers (all that went out, k6's response.request) */
    const char *request_method;
    struct http_header *request_headers;
    size_t request_header_count;
    bool redirect_limit_hit; /* the default limit stopped the chain: k6 warns */
    void *private_memory;
};

struct http_call;
typedef void http_done(struct http_response *response, void *arg);

/* Begins a request; done is called exactly once, from the loop, never before this returns (not after
 * http_cancel). The caller frees the response. */
struct http_call *http_send(struct http_client *client, const struct http_request *request, http_done *done, void *arg);
/* Ends it without a callback; its connection is closed. */
void http_cancel(struct http_call *call);
void http_response_free(struct http_response *response);

/* The first header of that canonical name, NULL when missing. */
const struct http_header *http_response_header(const struct http_response *response, const char *name);

#endif
