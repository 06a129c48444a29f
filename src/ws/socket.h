/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket client over one connection of the worker. Belongs to the worker's thread; callbacks come from its
 * loop, on the worker's own stack. Knows nothing of JavaScript, tags or metrics. */
#ifndef WS_SOCKET_H
#define WS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/client.h"

struct cookie_jar;
struct http_url;
struct ws_socket;

#define WS_CLOSE_NORMAL 1000
#define WS_CLOSE_GOING_AWAY 1001
#define WS_CLOSE_NO_STATUS 1005
#define WS_CLOSE_ABNORMAL 1006

struct ws_request {
    const struct http_url *url; /* http stands for ws, https for wss; borrowed until the socket is freed */
    const struct http_header *headers; /* canonical names; "Host" sets the host; used during ws_open only */
    size_t header_count;
    const char *protocols;  /* "a, b" or NULL */
    const char *user_agent; /* NULL: none */
    struct cookie_jar *jar; /* may be NULL; read for Cookie, written by Set-Cookie; must outlive the handshake */
    bool deflate;           /* offer permessage-deflate */
    int64_t timeout_ns;     /* of the whole way to an open socket */
    unsigned local_ip_index;
};

struct ws_handler {
    /* The handshake is done. */
    void (*opened)(struct ws_socket *socket, void *arg);
    /* It failed; ws_status says whether a response came. The last callback. */
    void (*refused)(struct ws_socket *socket, void *arg, const char *error);
    /* A message; the bytes are valid during the call. */
    void (*message)(struct ws_socket *socket, void *arg, bool is_text, const uint8_t *data, size_t len);
    void (*ping)(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len);
    void (*pong)(struct ws_socket *socket, void *arg, const uint8_t *data, size_t len);
    /* The peer has closed (code as it said, WS_CLOSE_NO_STATUS without one), or the connection broke
     * (WS_CLOSE_ABNORMAL, reason says why). The last callback. */
    void (*closed)(struct ws_socket *socket, void *arg, int code, const char *reason, size_t len);
};

/* Begins to connect; never calls back before it returns. counter (may be NULL) counts the bytes on the wire. */
struct ws_socket *ws_open(struct net *net, const struct ws_request *request, struct conn_counter *counter, const struct ws_handler *handler, void *arg);
/* Closes the connection at once and frees; no callback follows. Safe inside callbacks. */
void ws_free(struct ws_socket *socket);

/* Queue what goes to the peer; nothing happens unless the socket is open. */
void ws_send(struct ws_socket *socket, bool is_text, const void *data, size_t len);
void ws_ping(struct ws_socket *socket, const void *data, size_t len);
/* Sends a close frame; the peer's answer comes as closed(), at the latest after some seconds. */
void ws_close(struct ws_socket *socket, int code, const char *reason, size_t len);

/* Of the handshake's response; status 0 without one. Valid until ws_free. */
int ws_status(const struct ws_socket *socket);
const struct http_header *ws_headers(const struct ws_socket *socket, size_t *count);
/* The sub-protocol and the extensions that the server chose, "" for none. */
const char *ws_protocol(const struct ws_socket *socket);
const char *ws_extensions(const struct ws_socket *socket);
struct conn_times ws_times(const struct ws_socket *socket);

#endif
