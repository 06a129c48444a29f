/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of k6/net/grpc share. Functions that return false or NULL have thrown. */
#ifndef SCRIPT_K6_GRPC_CLIENT_H
#define SCRIPT_K6_GRPC_CLIENT_H

#include "core/buf.h"
#include "grpc/grpc.h"
#include "grpc/json.h"
#include "grpc/pool.h"
#include "script/host.h"

#define GRPC_MAX_POOLS 16

/* A Client: it outlives iterations, and so does its connection. */
struct grpc_client {
    unsigned refs; /* the object and its calls */
    struct vu *vu; /* of connect() */
    JSContext *ctx;
    struct pool *pools[GRPC_MAX_POOLS + 1]; /* loaded ones, shared by the process */
    size_t pool_count;
    struct pool *reflected; /* of the server; own */
    struct grpc_session *session;
    bool is_open, is_ended, waiting;
    char *why;     /* it could not be opened, or has ended */
    char *address; /* as the script gave it */
};

void grpc_client_unref(struct grpc_client *client);
/* Parks the VU until *condition. False: cut, thrown. What makes it true calls grpc_client_wake. */
bool grpc_client_wait(struct grpc_client *client, const bool *condition);
void grpc_client_wake(struct grpc_client *client);

/* ---- types (grpc_types.c) ---- */
JSValue grpc_load_files(JSContext *ctx, struct grpc_client *client, JSValueConst import_paths, int argc, JSValueConst *names);
JSValue grpc_load_protoset(JSContext *ctx, struct grpc_client *client, JSValueConst path);
/* The built-in service grpc.health.v1.Health. */
bool grpc_load_health(JSContext *ctx, struct grpc_client *client);
struct proto_types grpc_types(struct grpc_client *client, struct pool *list[GRPC_MAX_POOLS + 1]);
/* name: "/pkg.Service/Method" or without the slash. */
const struct proto_method *grpc_find_method(JSContext *ctx, struct grpc_client *client, JSValueConst name);
/* A JavaScript value as a message. */
bool grpc_encode(JSContext *ctx, struct grpc_client *client, const struct proto_message *type, JSValueConst value, struct buf *out);
JSValue grpc_decode(JSContext *ctx, struct grpc_client *client, const struct proto_message *type, const void *bytes, size_t len);
/* Asks the server for all its types (grpc_reflection.c). */
bool grpc_reflect(JSContext *ctx, struct grpc_client *client, const struct grpc_field *metadata, size_t count, int64_t timeout_ns);

/* ---- calls (grpc_call.c) ---- */
struct grpc_params {
    struct grpc_field *metadata;
    size_t metadata_count, metadata_cap;
    struct js_tags tags;
    int64_t timeout_ns;
    bool discard_message;
};
bool grpc_params_read(JSContext *ctx, JSValueConst params, int64_t default_timeout_ns, struct grpc_params *out);
bool grpc_metadata_read(JSContext *ctx, JSValueConst object, struct grpc_params *out);
void grpc_params_free(struct grpc_params *params);
/* The tags of a call's samples; status NULL: not known (streams). base: the VU's when the call began. */
const struct tagset *grpc_call_tags(struct grpc_client *client, const struct proto_method *method, const struct js_tags *own, const char *status, const struct tagset *base);
JSValue grpc_fields_value(JSContext *ctx, const struct grpc_field *fields, size_t count);
JSValue grpc_error_value(JSContext *ctx, enum grpc_status status, const char *text);
JSValue grpc_invoke(JSContext *ctx, struct grpc_client *client, JSValueConst method, JSValueConst request, JSValueConst params, bool asynchronous);

/* ---- streams (grpc_stream.c) ---- */
void grpc_stream_class(JSContext *ctx, JSValueConst exports);
/* The metrics of streams; set by the first import. */
struct grpc_metrics {
    const struct metric *streams, *sent, *received;
};
extern struct grpc_metrics grpc_metrics;

#endif
