/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "grpc/json.h"
#include "grpc/pool.h"
#include "grpc/wire.h"

struct reader {
    const struct proto_types *types;
    struct error *err;
    int depth;
};

static bool read_message(struct reader *r, const struct proto_message *message, const json_t *value, struct buf *out);

static bool wrong(struct reader *r, const struct proto_field *field, const char *what)
{
    return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "invalid value for the field %s: %s is needed", field->name, what);
}

/* ---- numbers ---- */

/* A whole number as JSON has it: 5, 5.0, "5", "5e2". As two's complement with its sign. */
static bool whole_number(const json_t *value, uint64_t *bits, bool *negative)
{
    double real;
    if (json_is_integer(value)) {
        *bits = (uint64_t)json_integer_value(value);
        *negative = json_integer_value(value) < 0;
        return true;
    }
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        char *end;
        errno = 0;
        *negative = text[0] == '-';
        *bits = *negative ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
        if (text[0] && !*end && errno == 0 && text[0] != ' ' && text[0] != '+')
            return true;
        errno = 0;
        real = strtod(text, &end);
        if (!text[0] || *end || errno)
            return false;
    } else if (json_is_real(value)) {
        real = json_real_value(value);
    } else {
        return false;
    }
    *negative = real < 0;
    if (real != floor(real) || real < -9223372036854775808.0 || real >= 18446744073709551616.0)
        return false;
    *bits = real < 0 ? (uint64_t)(int64_t)real : (uint64_t)real;
    return true;
}

static bool real_number(const json_t *value, double *number)
{
    if (json_is_number(value)) {
        *number = json_number_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    char *end;
    if (!text || !text[0])
        return false;
    if (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0) {
        *number = text[0] == 'N' ? NAN : text[0] == 'I' ? INFINITY : -INFINITY;
        return true;
    }
    *number = strtod(text, &end);
    return !*end;
}

static bool enum_value(const struct proto_field *field, const json_t *value, uint64_t *bits)
{
    int32_t number;
    bool negative;
    if (field->enumeration->is_null_value && json_is_null(value)) {
        *bits = 0;
        return true;
    }
    if (json_is_string(value) && enum_number(field->enumeration, json_string_value(value), &number)) {
        *bits = (uint64_t)(int64_t)number;
        return true;
    }
    return !json_is_string(value) && whole_number(value, bits, &negative);
}

/* The bits of a varint or fixed-size value. */
static bool number_bits(struct reader *r, const struct proto_field *field, const json_t *value, uint64_t *bits)
{
    bool negative = false;
    double real;
    float single;
    uint32_t low;
    switch (field->type) {
    case PROTO_BOOL:
        *bits = json_is_true(value);
        return json_is_boolean(value) || wrong(r, field, "true or false");
    case PROTO_ENUM:
        return enum_value(field, value, bits) || error_set(r->err, EXIT_SCRIPT_EXCEPTION, "invalid value for the field %s: a name or number of the enum %s is needed", field->name, field->enumeration->full_name);
    case PROTO_DOUBLE:
        if (!real_number(value, &real))
            return wrong(r, field, "a number");
        memcpy(bits, &real, sizeof(real));
        return true;
    case PROTO_FLOAT:
        if (!real_number(value, &real))
            return wrong(r, field, "a number");
        single = (float)real;
        memcpy(&low, &single, sizeof(low));
        *bits = low;
        return true;
    default:
        break;
    }
    if (!whole_number(value, bits, &negative))
        return wrong(r, field, "a whole number");
    int64_t number = (int64_t)*bits;
    switch (field->type) {
    case PROTO_UINT64: case PROTO_FIXED64:
        return !negative || wrong(r, field, "a number that is not negative");
    case PROTO_UINT32: case PROTO_FIXED32:
        return (!negative && *bits <= UINT32_MAX) || wrong(r, field, "a number from 0 to 4294967295");
    case PROTO_INT32: case PROTO_SFIXED32: case PROTO_SINT32:
        if ((negative ? number < INT32_MIN : *bits > INT32_MAX))
            return wrong(r, field, "a number from -2147483648 to 2147483647");
        break;
    default:
        if (!negative && *bits > INT64_MAX)
            return wrong(r, field, "a number below 9223372036854775808");
        break;
    }
    if (field->type == PROTO_SINT32)
        *bits = (uint32_t)wire_zigzag(number);
    if (field->type == PROTO_SINT64)
        *bits = wire_zigzag(number);
    return true;
}

static unsigned fixed_size(enum proto_type type)
{
    if (type == PROTO_DOUBLE || type == PROTO_FIXED64 || type == PROTO_SFIXED64)
        return 8;
    return type == PROTO_FLOAT || type == PROTO_FIXED32 || type == PROTO_SFIXED32 ? 4 : 0;
}

static void add_number(struct buf *out, const struct proto_field *field, uint64_t bits)
{
    unsigned size = fixed_size(field->type);
    if (size)
        wire_add_fixed(out, size, bits);
    else
        wire_add_varint(out, bits);
}

/* ---- fields ---- */

static bool read_bytes(struct reader *r, const struct proto_field *field, const json_t *value, struct buf *out)
{
    const char *text = json_string_value(value);
    if (!text)
        return wrong(r, field, "a base64 text");
    size_t len = strlen(text);
    bool url = strchr(text, '-') || strchr(text, '_'), padded = len && text[len - 1] == '=';
    enum base64_form form = (url ? BASE64_URL : BASE64_STD) | (padded || len % 4 == 0 ? BASE64_STD : BASE64_RAW);
    return base64_decode(out, text, len, form) || wrong(r, field, "a base64 text");
}

/* Tag and value. */
static bool read_value(struct reader *r, const struct proto_field *field, const json_t *value, struct buf *out)
{
    struct buf inner = {0};
    bool done;
    if (field->message || field->type == PROTO_BYTES) {
        done = field->message ? read_message(r, field->message, value, &inner) : read_bytes(r, field, value, &inner);
        if (done && field->type == PROTO_GROUP) {
            wire_add_tag(out, field->number, WIRE_GROUP);
            buf_add(out, inner.data, inner.len);
            wire_add_tag(out, field->number, WIRE_GROUP_END);
        } else if (done) {
            wire_add_bytes(out, field->number, inner.data ? inner.data : "", inner.len);
        }
        buf_free(&inner);
        return done;
    }
    if (field->type == PROTO_STRING) {
        if (!json_is_string(value))
            return wrong(r, field, "a text");
        wire_add_bytes(out, field->number, json_string_value(value), json_string_length(value));
        return true;
    }
    uint64_t bits = 0;
    if (!number_bits(r, field, value, &bits))
        return false;
    unsigned size = fixed_size(field->type);
    wire_add_tag(out, field->number, size == 8 ? WIRE_FIXED64 : size == 4 ? WIRE_FIXED32 : WIRE_VARINT);
    add_number(out, field, bits);
    return true;
}

static bool read_list(struct reader *r, const struct proto_field *field, const json_t *value, struct buf *out)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value))
        return wrong(r, field, "an array");
    if (!field->is_packed) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
            if (!read_value(r, field, item, out))
                return false;
        return true;
    }
    struct buf packed = {0};
    bool done = true;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        uint64_t bits = 0;
        done = done && number_bits(r, field, item, &bits);
        add_number(&packed, field, bits);
    }
    if (done && packed.len)
        wire_add_bytes(out, field->number, packed.data, packed.len);
    buf_free(&packed);
    return done;
}

static bool read_key(struct reader *r, const struct proto_field *field, const char *key, struct buf *out)
{
    json_t *value = field->type == PROTO_BOOL ? (strcmp(key, "true") == 0 ? json_true() : strcmp(key, "false") == 0 ? json_false() : json_null()) : json_string(key);
    bool done = read_value(r, field, value, out);
    json_decref(value);
    return done;
}

static bool read_map(struct reader *r, const struct proto_field *field, const json_t *value, struct buf *out)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value))
        return wrong(r, field, "an object");
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        struct buf entry = {0};
        bool done = read_key(r, message_field(field->message, 1), key, &entry) && read_value(r, message_field(field->message, 2), item, &entry);
        if (done)
            wire_add_bytes(out, field->number, entry.data, entry.len);
        buf_free(&entry);
        if (!done)
            return false;
    }
    return true;
}

static bool accepts_null(const struct proto_field *field)
{
    return (field->message && field->message->well_known == WELL_KNOWN_VALUE) || (field->enumeration && field->enumeration->is_null_value);
}

static bool read_fields(struct reader *r, const struct proto_message *message, const json_t *value, const char *skip, struct buf *out)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value))
        return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "an object is needed for the message %s", message->full_name);
    json_object_foreach((json_t *)(uintptr_t)value, key, item) {
        const struct proto_field *field = message_field_named(message, key);
        if (skip && strcmp(key, skip) == 0)
            continue;
        if (!field)
            return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "unknown field \"%s\": the message %s has none of that name", key, message->full_name);
        if (json_is_null(item) && (!accepts_null(field) || field->is_repeated))
            continue;
        if (!(field_is_map(field) ? read_map(r, field, item, out) : field->is_repeated ? read_list(r, field, item, out) : read_value(r, field, item, out)))
            return false;
    }
    return true;
}

/* ---- well-known types ---- */

static bool read_time(struct reader *r, const struct proto_message *message, const json_t *value, struct buf *out)
{
    const char *text = json_string_value(value);
    int64_t seconds;
    int32_t nanos;
    bool is_timestamp = message->well_known == WELL_KNOWN_TIMESTAMP;
    if (!text || !(is_timestamp ? timestamp_parse(text, &seconds, &nanos) : proto_duration_parse(text, &seconds, &nanos)))
        return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "a %s is written like %s", message->full_name, is_timestamp ? "\"2026-11-23T19:44:02Z\"" : "\"1.5s\"");
    wire_add_tag(out, 1, WIRE_VARINT);
    wire_add_varint(out, (uint64_t)seconds);
    wire_add_tag(out, 2, WIRE_VARINT);
    wire_add_varint(out, (uint64_t)(int64_t)nanos);
    return true;
}

static bool read_mask(struct reader *r, const json_t *value, struct buf *out)
{
    const char *text = json_string_value(value);
    if (!text)
        return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "a FieldMask is a text of paths with commas between");
    while (*text) {
        struct buf path = {0};
        for (; *text && *text != ','; text++) {
            if (*text >= 'A' && *text <= 'Z')
                buf_add_char(&path, '_');
            buf_add_char(&path, *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text);
        }
        wire_add_bytes(out, 1, path.data ? path.data : "", path.len);
        buf_free(&path);
        text += *text == ',';
    }
    return true;
}

static bool read_any(struct reader *r, const json_t *value, struct buf *out)
{
    const char *url = json_string_value(json_object_get(value, "@type"));
    if (json_is_object(value) && json_object_size(value) == 0)
        return true;
    const struct proto_message *message = url ? proto_types_find(r->types, url, strlen(url)) : NULL;
    if (!message)
        return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "an Any needs \"@type\", the URL of a message that a loaded file defines");
    struct buf inner = {0};
    bool done = message->well_known ? read_message(r, message, json_object_get(value, "value"), &inner) : read_fields(r, message, value, "@type", &inner);
    if (done) {
        wire_add_bytes(out, 1, url, strlen(url));
        wire_add_bytes(out, 2, inner.data ? inner.data : "", inner.len);
    }
    buf_free(&inner);
    return done;
}

/* google.protobuf.Value: the field says the kind. */
static bool read_dynamic(struct reader *r, const struct proto_message *message, const json_t *value, struct buf *out)
{
    uint32_t number = json_is_null(value) ? 1 : json_is_number(value) ? 2 : json_is_string(value) ? 3 : json_is_boolean(value) ? 4 : json_is_object(value) ? 5 : 6;
    const struct proto_field *field = message_field(message, number);
    return field ? read_value(r, field, value, out) : error_set(r->err, EXIT_SCRIPT_EXCEPTION, "%s has no field %u", message->full_name, number);
}

static bool read_well_known(struct reader *r, const struct proto_message *message, const json_t *value, struct buf *out)
{
    switch (message->well_known) {
    case WELL_KNOWN_TIMESTAMP: case WELL_KNOWN_DURATION:
        return read_time(r, message, value, out);
    case WELL_KNOWN_FIELD_MASK:
        return read_mask(r, value, out);
    case WELL_KNOWN_ANY:
        return read_any(r, value, out);
    case WELL_KNOWN_STRUCT:
        return read_map(r, message_field(message, 1), value, out);
    case WELL_KNOWN_LIST_VALUE:
        return read_list(r, message_field(message, 1), value, out);
    case WELL_KNOWN_VALUE:
        return read_dynamic(r, message, value, out);
    default:
        return read_value(r, message_field(message, 1), value, out);
    }
}

static bool read_message(struct reader *r, const struct proto_message *message, const json_t *value, struct buf *out)
{
    if (++r->depth > WIRE_MAX_DEPTH)
        return error_set(r->err, EXIT_SCRIPT_EXCEPTION, "messages are nested more than %d deep", WIRE_MAX_DEPTH);
    bool done = message->well_known ? read_well_known(r, message, value, out) : read_fields(r, message, value, NULL, out);
    r->depth--;
    return done;
}

bool proto_from_json(const struct proto_types *types, const struct proto_message *message, const char *json, size_t len, struct buf *out, struct error *err)
{
    struct reader r = {types, err, 0};
    json_error_t where;
    json_t *root = json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!root)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "invalid JSON at column %d: %s", where.column, where.text);
    bool done = read_message(&r, message, root, out);
    json_decref(root);
    return done;
}
