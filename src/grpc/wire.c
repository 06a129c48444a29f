/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/wire.h"

#include "core/buf.h"

bool wire_read_varint(struct wire_reader *r, uint64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->at == r->end)
            break;
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return true;
        }
    }
    r->broken = true;
    return false;
}

bool wire_read_fixed(struct wire_reader *r, unsigned bytes, uint64_t *value)
{
    if ((size_t)(r->end - r->at) < bytes) {
        r->broken = true;
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < bytes; i++)
        *value |= (uint64_t)r->at[i] << (8 * i);
    r->at += bytes;
    return true;
}

static bool read_field(struct wire_reader *r, struct wire_field *field, int depth);

/* A group lasts until its own end tag. */
static bool read_group(struct wire_reader *r, struct wire_field *field, int depth)
{
    struct wire_field inner;
    field->bytes = r->at;
    for (;;) {
        const uint8_t *before = r->at;
        if (depth > WIRE_MAX_DEPTH || r->at == r->end || !read_field(r, &inner, depth + 1))
            return false;
        if (inner.type == WIRE_GROUP_END) {
            field->len = (size_t)(before - field->bytes);
            return inner.number == field->number;
        }
    }
}

static bool read_field(struct wire_reader *r, struct wire_field *field, int depth)
{
    uint64_t tag, len;
    if (!wire_read_varint(r, &tag) || tag >> 3 == 0 || tag >> 32)
        return false;
    *field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
    switch (tag & 7) {
    case WIRE_VARINT:
        return wire_read_varint(r, &field->value);
    case WIRE_FIXED64:
        return wire_read_fixed(r, 8, &field->value);
    case WIRE_FIXED32:
        return wire_read_fixed(r, 4, &field->value);
    case WIRE_BYTES:
        if (!wire_read_varint(r, &len) || len > (uint64_t)(r->end - r->at))
            return false;
        field->bytes = r->at;
        field->len = (size_t)len;
        r->at += len;
        return true;
    case WIRE_GROUP:
        return read_group(r, field, depth);
    case WIRE_GROUP_END:
        return depth > 0;
    default:
        return false;
    }
}

bool wire_next(struct wire_reader *r, struct wire_field *field)
{
    if (r->broken || r->at == r->end)
        return false;
    if (read_field(r, field, 0))
        return true;
    r->broken = true;
    return false;
}

void wire_add_varint(struct buf *out, uint64_t value)
{
    char bytes[10];
    size_t len = 0;
    do {
        bytes[len++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    buf_add(out, bytes, len);
}

void wire_add_tag(struct buf *out, uint32_t number, enum wire_type type)
{
    wire_add_varint(out, (uint64_t)number << 3 | type);
}

void wire_add_fixed(struct buf *out, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_add_char(out, (char)(value >> (8 * i)));
}

void wire_add_bytes(struct buf *out, uint32_t number, const void *bytes, size_t len)
{
    wire_add_tag(out, number, WIRE_BYTES);
    wire_add_varint(out, len);
    buf_add(out, bytes, len);
}
