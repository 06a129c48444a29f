/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between their wire form and their canonical JSON (protojson): 64-bit integers and bytes are
 * texts, enum values are names, fields have lowerCamelCase names, well-known types have forms of their own.
 * Pure; any thread. Stack use is bounded: messages nest at most WIRE_MAX_DEPTH deep. */
#ifndef GRPC_JSON_H
#define GRPC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct error;
struct pool;
struct proto_message;

/* Where google.protobuf.Any finds the messages it names. */
struct proto_types {
    struct pool *const *pools;
    size_t count;
};

/* JSON to wire. False with err: it is not JSON, or does not fit the message; err says where. */
bool proto_from_json(const struct proto_types *types, const struct proto_message *message, const char *json, size_t len, struct buf *out, struct error *err);
/* Wire to JSON; fields that are not there are written with their default values, as k6 does. */
bool proto_to_json(const struct proto_types *types, const struct proto_message *message, const void *bytes, size_t len, struct buf *out, struct error *err);

/* ---- shared by the two directions (json_read.c, json_write.c) and the well-known types ---- */
/* The message that a type URL of Any names ("type.googleapis.com/pkg.Name"); NULL: unknown. */
const struct proto_message *proto_types_find(const struct proto_types *types, const char *url, size_t len);

/* "2026-11-23T19:44:02.5Z"; false when out of the years 1 to 9999. */
bool timestamp_format(struct buf *out, int64_t seconds, int64_t nanos);
bool timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos);
/* "1.5s"; false when out of range or the signs differ. */
bool proto_duration_format(struct buf *out, int64_t seconds, int64_t nanos);
bool proto_duration_parse(const char *text, int64_t *seconds, int32_t *nanos);

#endif
