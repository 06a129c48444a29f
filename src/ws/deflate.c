/* SPDX-License-Identifier: Apache-2.0 */
#include "ws/deflate.h"

#include <stdint.h>
#include <zlib.h>

void ws_deflate(struct buf *out, const void *data, size_t len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    uLong room = deflateBound(&z, (uLong)len) + 16;
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    deflate(&z, Z_SYNC_FLUSH);
    buf_added(out, z.total_out - 4); /* the flush's 00 00 ff ff is not sent */
    deflateEnd(&z);
}

static bool inflate_part(z_stream *z, struct buf *out, const void *data, size_t len, size_t *left)
{
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    int result = Z_OK;
    do {
        z->next_out = (Bytef *)buf_reserve(out, 16384);
        z->avail_out = 16384;
        result = inflate(z, Z_SYNC_FLUSH);
        size_t made = 16384 - z->avail_out;
        if (made > *left)
            return false;
        *left -= made;
        buf_added(out, made);
    } while (result == Z_OK && (z->avail_in || !z->avail_out));
    return result == Z_OK || result == Z_BUF_ERROR || result == Z_STREAM_END;
}

bool ws_inflate(struct buf *out, const void *data, size_t len, size_t max)
{
    z_stream z = {0};
    inflateInit2(&z, -15);
    size_t left = max;
    bool done = inflate_part(&z, out, data, len, &left) && inflate_part(&z, out, "\x00\x00\xff\xff", 4, &left);
    inflateEnd(&z);
    return done;
}
