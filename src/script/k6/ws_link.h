/* SPDX-License-Identifier: Apache-2.0 */
/* What k6/ws and k6/websockets share: the arguments of a connection and its samples. */
#ifndef SCRIPT_K6_WS_LINK_H
#define SCRIPT_K6_WS_LINK_H

#include "core/arena.h"
#include "script/host.h"
#include "ws/socket.h"

struct ws_link {
    struct vu *vu;
    struct ws_socket *socket; /* NULL: not begun, or done */
    char *url_text;           /* as the script gave it */
    /* the request */
    struct ws_request request;
    struct arena arena;
    JSValue pinned_jar;
    /* samples */
    struct js_tags own_tags;
    const struct tagset *base_tags, *tags;
    int64_t started_ns;
    uint32_t pings; /* the payload of the last one sent */
    int64_t *ping_ns;
    size_t ping_cap;
};

/* Reads a URL and the params {headers, tags, jar, compression}; protocols may be NULL. strict: an unknown param is an
 * error. False: thrown; ws_link_fini even so. */
bool ws_link_init(struct ws_link *link, JSContext *ctx, JSValueConst url, JSValueConst params, const char *protocols, bool strict);
void ws_link_fini(struct ws_link *link);
/* Begins to connect; on the worker's stack. */
void ws_link_start(struct ws_link *link, const struct ws_handler *handler, void *arg);
/* Samples. The way to the socket has ended, one way or the other: */
void ws_link_connected(struct ws_link *link);
void ws_link_sent(struct ws_link *link);
void ws_link_received(struct ws_link *link);
/* The session is over. */
void ws_link_ended(struct ws_link *link);
/* Sends a ping and remembers when; its pong becomes a sample. */
void ws_link_ping(struct ws_link *link);
void ws_link_pong(struct ws_link *link, const uint8_t *data, size_t len);

#endif
