/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled descriptors (google/protobuf/descriptor.proto) into a pool: what protoc writes into a protoset
 * file and what server reflection sends. */
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "grpc/pool.h"
#include "grpc/wire.h"

#define MAX_NESTING 64

struct bytes {
    const uint8_t *data;
    size_t len;
};

struct loader {
    struct pool *pool;
    struct error *err;
    bool is_proto2;
    int nesting;
};

static struct wire_reader reader_of(struct bytes bytes)
{
    return (struct wire_reader){bytes.data, bytes.data ? bytes.data + bytes.len : bytes.data, false};
}

static bool fail_broken(struct loader *l)
{
    return error_set(l->err, EXIT_SCRIPT_EXCEPTION, "the bytes are no file descriptor");
}

static const char *keep(struct loader *l, const struct wire_field *f)
{
    const char *text = f->type == WIRE_BYTES ? (const char *)f->bytes : "";
    return pool_keep(l->pool, text, f->type == WIRE_BYTES ? strnlen(text, f->len) : 0);
}

/* The first text with that number, kept; "" when it is missing. */
static const char *find_text(struct loader *l, struct bytes bytes, uint32_t number)
{
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);)
        if (f.number == number && f.type == WIRE_BYTES)
            return keep(l, &f);
    return "";
}

/* Calls each for the messages with that number. */
static bool each_part(struct loader *l, struct bytes bytes, uint32_t number, bool (*each)(struct loader *l, void *arg, struct bytes part), void *arg)
{
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);)
        if (f.number == number && f.type == WIRE_BYTES && !each(l, arg, (struct bytes){f.bytes, f.len}))
            return false;
    return !r.broken || fail_broken(l);
}

/* ---- fields ---- */

struct raw_field {
    const char *name, *json_name, *type_name;
    uint64_t number, label, type, oneof;
    bool has_oneof, packed_said, packed;
};

static void read_packed(struct raw_field *raw, const struct wire_field *options)
{
    struct wire_reader r = reader_of((struct bytes){options->bytes, options->len});
    for (struct wire_field f; wire_next(&r, &f);) {
        if (f.number == 2 && f.type == WIRE_VARINT) {
            raw->packed_said = true;
            raw->packed = f.value != 0;
        }
    }
}

static bool add_field(struct loader *l, void *arg, struct bytes bytes)
{
    struct proto_message *message = arg;
    struct raw_field raw = {.name = ""};
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);) {
        switch (f.number) {
        case 1: raw.name = keep(l, &f); break;
        case 3: raw.number = f.value; break;
        case 4: raw.label = f.value; break;
        case 5: raw.type = f.value; break;
        case 6: raw.type_name = keep(l, &f); break;
        case 8: read_packed(&raw, &f); break;
        case 9: raw.has_oneof = true; raw.oneof = f.value; break;
        case 10: raw.json_name = keep(l, &f); break;
        default: break;
        }
    }
    if (r.broken || !raw.number || raw.number > 536870911 || raw.type > PROTO_SINT64 || (raw.has_oneof && raw.oneof >= 1 << 20))
        return fail_broken(l);
    struct proto_field *field = pool_add_field(l->pool, message, raw.name, (uint32_t)raw.number, (enum proto_type)raw.type);
    field->type_name = raw.type_name;
    if (raw.json_name)
        field->json_name = raw.json_name;
    field->is_repeated = raw.label == 3;
    field->is_proto2 = l->is_proto2;
    field->is_packed_said = raw.packed_said;
    field->is_packed = raw.packed;
    if (raw.has_oneof)
        field->oneof = (int)raw.oneof;
    if (field->oneof >= message->oneof_count)
        message->oneof_count = field->oneof + 1;
    return true;
}

/* ---- enums and messages ---- */

static bool add_enum_value(struct loader *l, void *arg, struct bytes bytes)
{
    uint64_t number = 0;
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);)
        if (f.number == 2)
            number = f.value;
    pool_add_enum_value(l->pool, arg, find_text(l, bytes, 1), (int32_t)number);
    return true;
}

static bool add_enum(struct loader *l, void *scope, struct bytes bytes)
{
    struct proto_enum *enumeration = pool_add_enum(l->pool, scope, find_text(l, bytes, 1), l->err);
    if (!enumeration || !each_part(l, bytes, 2, add_enum_value, enumeration))
        return false;
    return enumeration->values || error_set(l->err, EXIT_SCRIPT_EXCEPTION, "the enum %s has no values", enumeration->full_name);
}

static bool read_message_options(struct loader *l, void *arg, struct bytes bytes)
{
    struct proto_message *message = arg;
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);)
        if (f.number == 7 && f.type == WIRE_VARINT)
            message->is_map_entry = f.value != 0;
    return true;
}

static bool add_message(struct loader *l, void *scope, struct bytes bytes)
{
    if (++l->nesting > MAX_NESTING)
        return error_set(l->err, EXIT_SCRIPT_EXCEPTION, "messages are nested more than %d deep", MAX_NESTING);
    struct proto_message *message = pool_add_message(l->pool, scope, find_text(l, bytes, 1), l->err);
    if (!message)
        return false;
    void *inner = (void *)(uintptr_t)message->full_name;
    bool done = each_part(l, bytes, 7, read_message_options, message) && each_part(l, bytes, 2, add_field, message) &&
                each_part(l, bytes, 3, add_message, inner) && each_part(l, bytes, 4, add_enum, inner);
    l->nesting--;
    return done;
}

/* ---- services ---- */

static bool add_method(struct loader *l, void *arg, struct bytes bytes)
{
    struct proto_method *method = pool_add_method(l->pool, arg, find_text(l, bytes, 1));
    method->input_name = find_text(l, bytes, 2);
    method->output_name = find_text(l, bytes, 3);
    struct wire_reader r = reader_of(bytes);
    for (struct wire_field f; wire_next(&r, &f);) {
        if (f.number == 5 && f.type == WIRE_VARINT)
            method->client_streams = f.value != 0;
        if (f.number == 6 && f.type == WIRE_VARINT)
            method->server_streams = f.value != 0;
    }
    return true;
}

static bool add_service(struct loader *l, void *package, struct bytes bytes)
{
    struct proto_service *service = pool_add_service(l->pool, package, find_text(l, bytes, 1), l->err);
    return service && each_part(l, bytes, 2, add_method, service);
}

/* ---- files ---- */

static bool add_file(struct loader *l, void *unused, struct bytes bytes)
{
    const char *name = find_text(l, bytes, 1), *syntax = find_text(l, bytes, 12);
    if (pool_has_file(l->pool, name, strlen(name)))
        return true;
    map_set(&l->pool->files, name, strlen(name), l->pool);
    l->is_proto2 = strcmp(syntax, "proto2") == 0 || !syntax[0];
    l->nesting = 0;
    void *package = (void *)(uintptr_t)find_text(l, bytes, 2);
    return each_part(l, bytes, 4, add_message, package) && each_part(l, bytes, 5, add_enum, package) && each_part(l, bytes, 6, add_service, package);
}

bool pool_add_descriptor_set(struct pool *pool, const void *bytes, size_t len, struct error *err)
{
    struct loader l = {.pool = pool, .err = err};
    return each_part(&l, (struct bytes){bytes, len}, 1, add_file, NULL);
}

bool pool_add_descriptor(struct pool *pool, const void *bytes, size_t len, struct error *err)
{
    struct loader l = {.pool = pool, .err = err};
    return add_file(&l, NULL, (struct bytes){bytes, len});
}

bool descriptor_names(const void *bytes, size_t len, void (*each)(void *arg, const char *name, size_t len, bool is_dependency), void *arg)
{
    struct wire_reader r = reader_of((struct bytes){bytes, len});
    for (struct wire_field f; wire_next(&r, &f);)
        if ((f.number == 1 || f.number == 3) && f.type == WIRE_BYTES)
            each(arg, (const char *)f.bytes, f.len, f.number == 3);
    return !r.broken;
}
