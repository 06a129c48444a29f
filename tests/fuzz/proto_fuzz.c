/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a message in hex, what follows a .proto text: whatever parses reads the message with each of its
 * types, and what it wrote as JSON must read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "grpc/json.h"
#include "grpc/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void through(struct pool *pool, const struct proto_message *message, const struct buf *bytes)
{
    struct proto_types types = {&pool, 1};
    struct buf json = {0}, wire = {0}, again = {0};
    struct error err = {0};
    bool written = proto_to_json(&types, message, bytes->data ? bytes->data : "", bytes->len, &json, &err);
    if (written && proto_from_json(&types, message, json.data, json.len, &wire, &err) && !proto_to_json(&types, message, wire.data ? wire.data : "", wire.len, &again, &err))
        abort();
    error_clear(&err);
    buf_free(&json);
    buf_free(&wire);
    buf_free(&again);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = memchr(text, '\n', size);
    struct buf bytes = {0};
    struct error err = {0};
    if (!end)
        return 0;
    for (const char *at = text; at + 1 < end && digit(at[0]) >= 0 && digit(at[1]) >= 0; at += 2)
        buf_add_char(&bytes, (char)(digit(at[0]) << 4 | digit(at[1])));
    struct pool *pool = pool_new();
    if (pool_add_proto_text(pool, "f.proto", end + 1, size - (size_t)(end + 1 - text), &err) && pool_link(pool, &err))
        for (const struct proto_message *message = pool->messages; message; message = message->next)
            through(pool, message, &bytes);
    error_clear(&err);
    pool_free(pool);
    pool = pool_new();
    if (pool_add_descriptor_set(pool, bytes.data ? bytes.data : "", bytes.len, &err))
        pool_link(pool, &err);
    error_clear(&err);
    pool_free(pool);
    buf_free(&bytes);
    return 0;
}
