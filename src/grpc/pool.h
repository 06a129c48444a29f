/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: which messages, enums and services there are. A pool is filled from .proto texts or from
 * compiled descriptors (protoset files, server reflection), linked once and constant from then on: any
 * thread may read it. Everything in it lives as long as the pool. */
#ifndef GRPC_POOL_H
#define GRPC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/map.h"

struct error;

/* The numbers of FieldDescriptorProto.Type. */
enum proto_type {
    PROTO_UNKNOWN, /* a name that is not resolved yet: a message or an enum */
    PROTO_DOUBLE,
    PROTO_FLOAT,
    PROTO_INT64,
    PROTO_UINT64,
    PROTO_INT32,
    PROTO_FIXED64,
    PROTO_FIXED32,
    PROTO_BOOL,
    PROTO_STRING,
    PROTO_GROUP,
    PROTO_MESSAGE,
    PROTO_BYTES,
    PROTO_UINT32,
    PROTO_ENUM,
    PROTO_SFIXED32,
    PROTO_SFIXED64,
    PROTO_SINT32,
    PROTO_SINT64,
};

/* Messages whose JSON is not that of their fields. */
enum proto_well_known {
    WELL_KNOWN_NONE,
    WELL_KNOWN_ANY,
    WELL_KNOWN_TIMESTAMP,
    WELL_KNOWN_DURATION,
    WELL_KNOWN_FIELD_MASK,
    WELL_KNOWN_STRUCT,
    WELL_KNOWN_VALUE,
    WELL_KNOWN_LIST_VALUE,
    WELL_KNOWN_WRAPPER,
};

struct proto_message;
struct proto_enum;

struct proto_field {
    const char *name, *json_name;
    uint32_t number;
    enum proto_type type;
    bool is_repeated, is_packed, is_packed_said, is_proto2;
    int oneof;             /* index in its message, -1: none; also the oneof that proto3's "optional" stands for */
    unsigned index;        /* in its message */
    const char *type_name; /* as written; resolved by pool_link */
    const struct proto_message *message;
    const struct proto_enum *enumeration;
    struct proto_field *next;
};

struct proto_message {
    const char *full_name;
    enum proto_well_known well_known;
    bool is_map_entry;
    int oneof_count;
    unsigned field_count;
    struct proto_field *fields;           /* in order of declaration, linked */
    struct proto_field **last_field;
    const struct proto_field **by_number; /* sorted */
    struct proto_message *next;           /* in the pool */
};

struct proto_enum_value {
    const char *name;
    int32_t number;
    struct proto_enum_value *next;
};

struct proto_enum {
    const char *full_name;
    bool is_null_value;
    struct proto_enum_value *values, **last_value;
};

struct proto_method {
    const char *name, *path; /* "/pkg.Service/Method" */
    const char *input_name, *output_name, *scope;
    const struct proto_message *input, *output;
    bool client_streams, server_streams;
    const struct proto_service *service;
    struct proto_method *next;
};

struct proto_service {
    const char *name, *full_name, *package;
    struct proto_method *methods, **last_method;
    struct proto_service *next;
};

struct pool {
    struct arena arena;
    struct map files;   /* name -> anything: what has been added */
    struct map symbols; /* full name -> struct pool_symbol */
    struct map methods; /* path -> struct proto_method */
    struct proto_message *messages, **last_message;
    struct proto_service *services, **last_service;
};

struct pool *pool_new(void);
void pool_free(struct pool *pool);

/* ---- filling it ---- */
/* What is added under a full name; false with err when the name is taken. scope NULL or "": the top. */
struct proto_message *pool_add_message(struct pool *pool, const char *scope, const char *name, struct error *err);
struct proto_enum *pool_add_enum(struct pool *pool, const char *scope, const char *name, struct error *err);
struct proto_service *pool_add_service(struct pool *pool, const char *package, const char *name, struct error *err);
struct proto_field *pool_add_field(struct pool *pool, struct proto_message *message, const char *name, uint32_t number, enum proto_type type);
struct proto_method *pool_add_method(struct pool *pool, struct proto_service *service, const char *name);
void pool_add_enum_value(struct pool *pool, struct proto_enum *enumeration, const char *name, int32_t number);
char *pool_keep(struct pool *pool, const char *text, size_t len);
/* Resolves all names of types. */
bool pool_link(struct pool *pool, struct error *err);

/* A text of a .proto file by the name in an import; NULL: there is none. Borrowed until the next call. */
typedef const char *pool_read_file(void *arg, const char *name, size_t *len);
/* Adds a .proto file and what it imports (proto_parser.c). google/protobuf's well-known files are built in. */
bool pool_add_proto_file(struct pool *pool, const char *name, pool_read_file *read, void *arg, struct error *err);
/* Adds a text that imports nothing but built-in files. */
bool pool_add_proto_text(struct pool *pool, const char *name, const char *text, size_t len, struct error *err);
/* The built-in file of that name, or NULL (well_known.c). */
const char *well_known_file(const char *name);

/* Adds a FileDescriptorSet or a FileDescriptorProto (descriptor.c). Files that are there already are skipped. */
bool pool_add_descriptor_set(struct pool *pool, const void *bytes, size_t len, struct error *err);
bool pool_add_descriptor(struct pool *pool, const void *bytes, size_t len, struct error *err);
/* Calls each for the name and every dependency of a FileDescriptorProto. */
bool descriptor_names(const void *bytes, size_t len, void (*each)(void *arg, const char *name, size_t len, bool is_dependency), void *arg);
bool pool_has_file(const struct pool *pool, const char *name, size_t len);

/* ---- asking it ---- */
const struct proto_message *pool_message(const struct pool *pool, const char *full_name, size_t len);
const struct proto_method *pool_method(const struct pool *pool, const char *path);

const struct proto_field *message_field(const struct proto_message *message, uint32_t number);
/* By its JSON name or its own. */
const struct proto_field *message_field_named(const struct proto_message *message, const char *name);
const char *enum_name(const struct proto_enum *enumeration, int32_t number); /* NULL: unknown */
bool enum_number(const struct proto_enum *enumeration, const char *name, int32_t *number);
/* An absent field differs from one with the default value. */
bool field_has_presence(const struct proto_field *field);
static inline bool field_is_map(const struct proto_field *field)
{
    return field->is_repeated && field->message && field->message->is_map_entry;
}

#endif
