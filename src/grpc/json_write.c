/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"
#include "grpc/json.h"
#include "grpc/pool.h"
#include "grpc/wire.h"

struct writer {
    const struct proto_types *types;
    struct buf *out;
    struct error *err;
    int depth;
};

struct bytes {
    const uint8_t *data;
    size_t len;
};

/* All fields of a message in order of arrival. */
struct parts {
    struct wire_field *list;
    size_t count, cap;
};

const struct proto_message *proto_types_find(const struct proto_types *types, const char *url, size_t len)
{
    const char *slash = memrchr(url, '/', len);
    const char *name = slash ? slash + 1 : url;
    for (size_t i = 0; i < types->count; i++) {
        const struct proto_message *found = pool_message(types->pools[i], name, (size_t)(url + len - name));
        if (found)
            return found;
    }
    return NULL;
}

static bool broken(struct writer *w, const struct proto_message *message)
{
    return error_set(w->err, EXIT_SCRIPT_EXCEPTION, "the bytes are no message of type %s", message->full_name);
}

static bool read_parts(struct writer *w, const struct proto_message *message, struct bytes bytes, struct parts *parts)
{
    struct wire_reader r = {bytes.data, bytes.data ? bytes.data + bytes.len : NULL, false};
    struct wire_field f;
    *parts = (struct parts){0};
    while (wire_next(&r, &f)) {
        mem_grow(&parts->list, &parts->cap, parts->count + 1, sizeof(parts->list[0]));
        parts->list[parts->count++] = f;
    }
    if (!r.broken)
        return true;
    mem_free(parts->list);
    return broken(w, message);
}

static bool write_message(struct writer *w, const struct proto_message *message, struct bytes bytes);

/* ---- one value ---- */

static void write_double(struct buf *out, double value)
{
    if (isnan(value))
        buf_add_text(out, "\"NaN\"");
    else if (isinf(value))
        buf_add_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        number_format(out, value);
}

static void write_float(struct buf *out, float value)
{
    if (!isfinite(value)) {
        write_double(out, (double)value);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 9; digits++) { /* the shortest that reads back as the same float */
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        double back = strtod(text, NULL);
        if ((float)back == value) {
            number_format(out, back);
            return;
        }
    }
    number_format(out, (double)value);
}

static void write_enum(struct buf *out, const struct proto_enum *enumeration, int32_t number)
{
    const char *name = enum_name(enumeration, number);
    if (enumeration->is_null_value)
        buf_add_text(out, "null");
    else if (name)
        json_quote(out, name, strlen(name));
    else
        buf_printf(out, "%d", number);
}

/* raw: the bits of a varint or fixed-size value. */
static void write_number(struct buf *out, const struct proto_field *field, uint64_t raw)
{
    uint32_t low = (uint32_t)raw;
    double real;
    float single;
    switch (field->type) {
    case PROTO_DOUBLE:
        memcpy(&real, &raw, sizeof(real));
        write_double(out, real);
        break;
    case PROTO_FLOAT:
        memcpy(&single, &low, sizeof(single));
        write_float(out, single);
        break;
    case PROTO_BOOL:
        buf_add_text(out, raw ? "true" : "false");
        break;
    case PROTO_ENUM:
        write_enum(out, field->enumeration, (int32_t)raw);
        break;
    case PROTO_INT32: case PROTO_SFIXED32:
        buf_printf(out, "%d", (int32_t)raw);
        break;
    case PROTO_SINT32:
        buf_printf(out, "%d", (int32_t)wire_unzigzag(low));
        break;
    case PROTO_UINT32: case PROTO_FIXED32:
        buf_printf(out, "%u", low);
        break;
    case PROTO_UINT64: case PROTO_FIXED64:
        buf_printf(out, "\"%llu\"", (unsigned long long)raw);
        break;
    case PROTO_SINT64:
        buf_printf(out, "\"%lld\"", (long long)wire_unzigzag(raw));
        break;
    default:
        buf_printf(out, "\"%lld\"", (long long)raw);
        break;
    }
}

static void write_base64(struct buf *out, struct bytes bytes)
{
    buf_add_char(out, '"');
    base64_encode(out, bytes.data, bytes.len, BASE64_STD);
    buf_add_char(out, '"');
}

static bool write_value(struct writer *w, const struct proto_field *field, const struct wire_field *f)
{
    struct bytes bytes = {f->bytes, f->len};
    if (field->message)
        return (f->type == WIRE_BYTES || f->type == WIRE_GROUP) ? write_message(w, field->message, bytes) : broken(w, field->message);
    if (field->type == PROTO_STRING)
        json_quote(w->out, f->type == WIRE_BYTES && f->bytes ? (const char *)f->bytes : "", f->type == WIRE_BYTES ? f->len : 0);
    else if (field->type == PROTO_BYTES)
        write_base64(w->out, f->type == WIRE_BYTES ? bytes : (struct bytes){NULL, 0});
    else
        write_number(w->out, field, f->value);
    return true;
}

static bool write_default(struct writer *w, const struct proto_field *field)
{
    if (field->enumeration)
        write_enum(w->out, field->enumeration, field->enumeration->values ? field->enumeration->values->number : 0);
    else if (field->type == PROTO_STRING || field->type == PROTO_BYTES)
        buf_add_text(w->out, "\"\"");
    else
        write_number(w->out, field, 0);
    return true;
}

/* ---- repeated values and maps ---- */

static unsigned fixed_size(enum proto_type type)
{
    if (type == PROTO_DOUBLE || type == PROTO_FIXED64 || type == PROTO_SFIXED64)
        return 8;
    return type == PROTO_FLOAT || type == PROTO_FIXED32 || type == PROTO_SFIXED32 ? 4 : 0;
}

static bool write_packed(struct writer *w, const struct proto_field *field, const struct wire_field *f, bool *first)
{
    struct wire_reader r = {f->bytes, f->bytes + f->len, false};
    unsigned size = fixed_size(field->type);
    uint64_t raw;
    while (r.at != r.end) {
        if (!(size ? wire_read_fixed(&r, size, &raw) : wire_read_varint(&r, &raw)))
            return false;
        if (!*first)
            buf_add_char(w->out, ',');
        *first = false;
        write_number(w->out, field, raw);
    }
    return true;
}

static bool write_list(struct writer *w, const struct proto_message *message, const struct proto_field *field, const struct parts *parts)
{
    bool first = true, scalar = !field->message && field->type != PROTO_STRING && field->type != PROTO_BYTES;
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < parts->count; i++) {
        const struct wire_field *f = &parts->list[i];
        if (f->number != field->number)
            continue;
        if (scalar && f->type == WIRE_BYTES) {
            if (!write_packed(w, field, f, &first))
                return broken(w, message);
            continue;
        }
        if (!first)
            buf_add_char(w->out, ',');
        first = false;
        if (!write_value(w, field, f))
            return false;
    }
    buf_add_char(w->out, ']');
    return true;
}

/* A key is always a text. */
static void write_key(struct writer *w, const struct proto_field *key, const struct wire_field *f)
{
    size_t at = w->out->len;
    if (!f)
        write_default(w, key);
    else
        write_value(w, key, f);
    if (w->out->data[at] == '"')
        return;
    char *plain = mem_strndup(w->out->data + at, w->out->len - at);
    w->out->len = at;
    json_quote(w->out, plain, strlen(plain));
    mem_free(plain);
}

static bool write_entry(struct writer *w, const struct proto_message *entry, struct bytes bytes)
{
    struct parts parts;
    const struct wire_field *key = NULL, *value = NULL;
    if (!read_parts(w, entry, bytes, &parts))
        return false;
    for (size_t i = 0; i < parts.count; i++) {
        if (parts.list[i].number == 1)
            key = &parts.list[i];
        if (parts.list[i].number == 2)
            value = &parts.list[i];
    }
    const struct proto_field *value_field = message_field(entry, 2);
    write_key(w, message_field(entry, 1), key);
    buf_add_char(w->out, ':');
    bool done = value ? write_value(w, value_field, value) : value_field->message ? write_message(w, value_field->message, (struct bytes){NULL, 0}) : write_default(w, value_field);
    mem_free(parts.list);
    return done;
}

static bool write_map(struct writer *w, const struct proto_field *field, const struct parts *parts)
{
    bool first = true;
    buf_add_char(w->out, '{');
    for (size_t i = 0; i < parts->count; i++) {
        const struct wire_field *f = &parts->list[i];
        if (f->number != field->number)
            continue;
        if (!first)
            buf_add_char(w->out, ',');
        first = false;
        if (f->type != WIRE_BYTES || !write_entry(w, field->message, (struct bytes){f->bytes, f->len}))
            return error_set(w->err, EXIT_SCRIPT_EXCEPTION, "the bytes of the map %s are broken", field->name);
    }
    buf_add_char(w->out, '}');
    return true;
}

/* ---- fields ---- */

/* A message that came in several parts is their sum. */
static bool write_joined(struct writer *w, const struct proto_field *field, const struct parts *parts)
{
    struct buf all = {0};
    for (size_t i = 0; i < parts->count; i++)
        if (parts->list[i].number == field->number && parts->list[i].type != WIRE_VARINT && parts->list[i].bytes)
            buf_add(&all, parts->list[i].bytes, parts->list[i].len);
    bool done = write_message(w, field->message, (struct bytes){(uint8_t *)all.data, all.len});
    buf_free(&all);
    return done;
}

static bool write_field(struct writer *w, const struct proto_message *message, const struct proto_field *field, const struct parts *parts)
{
    const struct wire_field *last = NULL;
    size_t seen = 0;
    if (field_is_map(field))
        return write_map(w, field, parts);
    if (field->is_repeated)
        return write_list(w, message, field, parts);
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->list[i].number == field->number) {
            last = &parts->list[i];
            seen++;
        }
    }
    if (last)
        return field->message && seen > 1 ? write_joined(w, field, parts) : write_value(w, field, last);
    if (field_has_presence(field)) {
        buf_add_text(w->out, "null");
        return true;
    }
    return write_default(w, field);
}

/* Members of a oneof (and optional fields) are written only when they are there: the last one that came wins. */
static bool is_shown(const struct proto_message *message, const struct proto_field *field, const struct parts *parts)
{
    if (field->oneof < 0)
        return true;
    for (size_t i = parts->count; i > 0; i--) {
        const struct proto_field *other = message_field(message, parts->list[i - 1].number);
        if (other && other->oneof == field->oneof)
            return other == field;
    }
    return false;
}

/* "a":1,"b":2 */
static bool write_fields(struct writer *w, const struct proto_message *message, struct bytes bytes)
{
    struct parts parts;
    bool first = true, done = true;
    if (!read_parts(w, message, bytes, &parts))
        return false;
    for (const struct proto_field *field = message->fields; field && done; field = field->next) {
        if (!is_shown(message, field, &parts))
            continue;
        if (!first)
            buf_add_char(w->out, ',');
        first = false;
        json_quote(w->out, field->json_name, strlen(field->json_name));
        buf_add_char(w->out, ':');
        done = write_field(w, message, field, &parts);
    }
    mem_free(parts.list);
    return done;
}

/* ---- well-known types ---- */

static bool write_time(struct writer *w, const struct proto_message *message, const struct parts *parts)
{
    int64_t seconds = 0, nanos = 0;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->list[i].number == 1)
            seconds = (int64_t)parts->list[i].value;
        if (parts->list[i].number == 2)
            nanos = (int32_t)parts->list[i].value;
    }
    buf_add_char(w->out, '"');
    bool fits = message->well_known == WELL_KNOWN_TIMESTAMP ? timestamp_format(w->out, seconds, nanos) : proto_duration_format(w->out, seconds, nanos);
    buf_add_char(w->out, '"');
    return fits || error_set(w->err, EXIT_SCRIPT_EXCEPTION, "a %s is out of range", message->full_name);
}

/* "a_b" is "aB". */
static void write_mask(struct writer *w, const struct parts *parts)
{
    struct buf paths = {0};
    for (size_t i = 0; i < parts->count; i++) {
        const struct wire_field *f = &parts->list[i];
        if (f->number != 1 || f->type != WIRE_BYTES)
            continue;
        if (paths.len)
            buf_add_char(&paths, ',');
        for (size_t k = 0; k < f->len; k++) {
            bool joins = f->bytes[k] == '_' && k + 1 < f->len && f->bytes[k + 1] >= 'a' && f->bytes[k + 1] <= 'z';
            buf_add_char(&paths, joins ? (char)(f->bytes[++k] - 32) : (char)f->bytes[k]);
        }
    }
    json_quote(w->out, paths.data ? paths.data : "", paths.len);
    buf_free(&paths);
}

static bool write_any(struct writer *w, const struct parts *parts)
{
    struct bytes url = {0}, value = {0};
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->list[i].number == 1)
            url = (struct bytes){parts->list[i].bytes, parts->list[i].len};
        if (parts->list[i].number == 2)
            value = (struct bytes){parts->list[i].bytes, parts->list[i].len};
    }
    if (!url.len) {
        buf_add_text(w->out, "{}");
        return true;
    }
    const struct proto_message *message = proto_types_find(w->types, (const char *)url.data, url.len);
    if (!message)
        return error_set(w->err, EXIT_SCRIPT_EXCEPTION, "an Any holds the type %.*s, which no loaded file defines", (int)url.len, (const char *)url.data);
    buf_add_text(w->out, "{\"@type\":");
    json_quote(w->out, (const char *)url.data, url.len);
    size_t at = w->out->len;
    buf_add_text(w->out, message->well_known ? ",\"value\":" : ",");
    size_t begun = w->out->len;
    bool done = message->well_known ? write_message(w, message, value) : write_fields(w, message, value);
    if (w->out->len == begun)
        w->out->len = at; /* no fields, no comma */
    buf_add_char(w->out, '}');
    return done;
}

static bool write_wrapped(struct writer *w, const struct proto_message *message, const struct parts *parts)
{
    const struct proto_field *field = message_field(message, 1);
    for (size_t i = parts->count; i > 0; i--)
        if (parts->list[i - 1].number == 1)
            return write_value(w, field, &parts->list[i - 1]);
    return write_default(w, field);
}

static bool write_dynamic(struct writer *w, const struct proto_message *message, const struct parts *parts)
{
    for (size_t i = parts->count; i > 0; i--) {
        const struct proto_field *field = message_field(message, parts->list[i - 1].number);
        if (field)
            return write_value(w, field, &parts->list[i - 1]);
    }
    buf_add_text(w->out, "null");
    return true;
}

static bool write_well_known(struct writer *w, const struct proto_message *message, struct bytes bytes)
{
    struct parts parts;
    bool done = true;
    if (!read_parts(w, message, bytes, &parts))
        return false;
    switch (message->well_known) {
    case WELL_KNOWN_TIMESTAMP: case WELL_KNOWN_DURATION:
        done = write_time(w, message, &parts);
        break;
    case WELL_KNOWN_FIELD_MASK:
        write_mask(w, &parts);
        break;
    case WELL_KNOWN_ANY:
        done = write_any(w, &parts);
        break;
    case WELL_KNOWN_STRUCT:
        done = write_map(w, message_field(message, 1), &parts);
        break;
    case WELL_KNOWN_LIST_VALUE:
        done = write_list(w, message, message_field(message, 1), &parts);
        break;
    case WELL_KNOWN_VALUE:
        done = write_dynamic(w, message, &parts);
        break;
    default:
        done = write_wrapped(w, message, &parts);
        break;
    }
    mem_free(parts.list);
    return done;
}

static bool write_message(struct writer *w, const struct proto_message *message, struct bytes bytes)
{
    if (++w->depth > WIRE_MAX_DEPTH)
        return error_set(w->err, EXIT_SCRIPT_EXCEPTION, "messages are nested more than %d deep", WIRE_MAX_DEPTH);
    bool done;
    if (message->well_known) {
        done = write_well_known(w, message, bytes);
    } else {
        buf_add_char(w->out, '{');
        done = write_fields(w, message, bytes);
        buf_add_char(w->out, '}');
    }
    w->depth--;
    return done;
}

bool proto_to_json(const struct proto_types *types, const struct proto_message *message, const void *bytes, size_t len, struct buf *out, struct error *err)
{
    struct writer w = {types, out, err, 0};
    return write_message(&w, message, (struct bytes){bytes, len});
}
