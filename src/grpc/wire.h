/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format of Protocol Buffers: tags, varints, lengths. Pure; any thread. */
#ifndef GRPC_WIRE_H
#define GRPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_GROUP_END = 4, WIRE_FIXED32 = 5 };

/* Messages inside messages; deeper ones are refused, as the C++ library does. */
#define WIRE_MAX_DEPTH 100

struct wire_reader {
    const uint8_t *at, *end;
    bool broken; /* the bytes are no message */
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;       /* of a varint or fixed-size field */
    const uint8_t *bytes; /* of a length-delimited field or a group (without its end tag) */
    size_t len;
};

/* The next field; false at the end and when the bytes are broken. */
bool wire_next(struct wire_reader *reader, struct wire_field *field);
bool wire_read_varint(struct wire_reader *reader, uint64_t *value);
bool wire_read_fixed(struct wire_reader *reader, unsigned bytes, uint64_t *value);

void wire_add_varint(struct buf *out, uint64_t value);
void wire_add_tag(struct buf *out, uint32_t number, enum wire_type type);
void wire_add_fixed(struct buf *out, unsigned bytes, uint64_t value);
/* A length-delimited field. */
void wire_add_bytes(struct buf *out, uint32_t number, const void *bytes, size_t len);

static inline uint64_t wire_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t wire_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
