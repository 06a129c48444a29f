/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC calls over one HTTP/2 connection (prior knowledge in the clear, ALPN under TLS). Belongs to the worker's thread;
 * callbacks come from its loop, on the worker's own stack. Messages are bytes here: grpc/json.h makes them. */
#ifndef GRPC_GRPC_H
#define GRPC_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

struct grpc_session;
struct grpc_call;

enum grpc_status {
    GRPC_OK, GRPC_CANCELED, GRPC_UNKNOWN, GRPC_INVALID_ARGUMENT, GRPC_DEADLINE_EXCEEDED, GRPC_NOT_FOUND, GRPC_ALREADY_EXISTS, GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED, GRPC_FAILED_PRECONDITION, GRPC_ABORTED, GRPC_OUT_OF_RANGE, GRPC_UNIMPLEMENTED, GRPC_INTERNAL, GRPC_UNAVAILABLE, GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED,
};

struct grpc_target {
    const char *host;
    uint16_t port;
    bool plaintext;
    const char *authority;  /* :authority; NULL: host:port */
    const char *user_agent; /* NULL: none */
    size_t max_receive, max_send; /* bytes of a message; 0: 4 MiB, no limit */
    int64_t timeout_ns;     /* of the way to an open connection */
    unsigned local_ip_index;
};

struct grpc_session_handler {
    /* The server has answered with its settings. */
    void (*opened)(void *arg);
    /* The connection could not be made (before opened), or has ended: calls on it end with GRPC_UNAVAILABLE first. The
     * last callback. */
    void (*closed)(void *arg, const char *why);
};

/* Begins to connect; never calls back before it returns. counter (may be NULL) counts the bytes on the wire. */
struct grpc_session *grpc_connect(struct net *net, const struct grpc_target *target, struct conn_counter *counter, const struct grpc_session_handler *handler, void *arg);
/* Ends at once: no callback follows, also not of its calls, which must be freed before. Safe inside callbacks. */
void grpc_session_free(struct grpc_session *session);

/* A header field: lower-case name; the value of a "-bin" name is the bytes themselves. */
struct grpc_field {
    char *name, *value;
    size_t value_len;
};

struct grpc_call_handler {
    /* A message of the server; valid during the call. */
    void (*message)(struct grpc_call *call, void *arg, const void *bytes, size_t len);
    /* The last callback: status, its text, and what grpc_call_headers and _trailers have. */
    void (*done)(struct grpc_call *call, void *arg, enum grpc_status status, const char *text);
};

/* path: "/pkg.Service/Method". timeout_ns 0: none. Never calls back before it returns. */
struct grpc_call *grpc_call_open(struct grpc_session *session, const char *path, const struct grpc_field *metadata, size_t count, int64_t timeout_ns,
                                 const struct grpc_call_handler *handler, void *arg);
/* Sends a message; false when it is longer than the limit. Nothing happens on a call that is done. */
bool grpc_call_send(struct grpc_call *call, const void *bytes, size_t len);
/* No message follows. */
void grpc_call_half_close(struct grpc_call *call);
/* Ends it with GRPC_CANCELED; done follows from the loop. */
void grpc_call_cancel(struct grpc_call *call);
/* Ends it without a callback, unless it is done. Safe inside its callbacks. */
void grpc_call_free(struct grpc_call *call);
const struct grpc_field *grpc_call_headers(const struct grpc_call *call, size_t *count);
const struct grpc_field *grpc_call_trailers(const struct grpc_call *call, size_t *count);

#endif
