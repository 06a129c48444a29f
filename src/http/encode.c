/* SPDX-License-Identifier: Apache-2.0 */
#include "http/decode.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "http/decode_codec.h"

const char *codec_name(enum codec codec)
{
    static const char *const names[CODEC_COUNT] = {"gzip", "deflate", "zstd", "br"};
    return names[codec];
}

bool codec_named(struct text name, enum codec *codec)
{
    for (int c = 0; c < CODEC_COUNT; c++)
        if (text_equal_nocase(name, text_of(codec_name((enum codec)c)))) {
            *codec = (enum codec)c;
            return true;
        }
    return false;
}

static bool deflate_all(enum codec codec, struct text in, struct buf *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, codec == CODEC_GZIP ? 15 + 16 : 15, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    const size_t slice = (size_t)1 << 30;
    int result = Z_OK;
    do {
        size_t part = in.len < slice ? in.len : slice;
        z.next_in = (Bytef *)in.data;
        z.avail_in = (uInt)part;
        in = (struct text){in.data + part, in.len - part};
        do {
            z.next_out = (Bytef *)buf_reserve(out, 16384);
            z.avail_out = 16384;
            result = deflate(&z, in.len ? Z_NO_FLUSH : Z_FINISH);
            buf_added(out, 16384 - z.avail_out);
        } while (z.avail_out == 0);
    } while (in.len);
    deflateEnd(&z);
    return result == Z_STREAM_END;
}

static bool compress_once(enum codec codec, struct text in, struct buf *out)
{
    size_t bytes;
    switch (codec) {
    case CODEC_BR:
        bytes = BrotliEncoderMaxCompressedSize(in.len);
        /* level 6: what Go's encoder does by default */
        if (bytes == 0 || !BrotliEncoderCompress(6, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, in.len,
                                                 (const uint8_t *)in.data, &bytes, (uint8_t *)buf_reserve(out, bytes)))
            return false;
        buf_added(out, bytes);
        return true;
    case CODEC_ZSTD:
        bytes = ZSTD_compressBound(in.len);
        bytes = ZSTD_compress(buf_reserve(out, bytes), bytes, in.data, in.len, ZSTD_CLEVEL_DEFAULT);
        if (ZSTD_isError(bytes))
            return false;
        buf_added(out, bytes);
        return true;
    default:
        return deflate_all(codec, in, out);
    }
}

bool encode_body(const char *compression, size_t compression_len, const void *data, size_t len, struct buf *out,
                 struct buf *content_encoding, struct error *err)
{
    struct text rest = {compression, compression_len};
    struct buf from = {0};
    bool ok = true;
    buf_add(&from, data, len);
    buf_clear(content_encoding);
    while (ok && rest.data) {
        struct text name = text_trim(text_cut(rest, ',', &rest));
        enum codec codec;
        if (!codec_named(name, &codec)) {
            ok = error_set(err, EXIT_GENERIC,
                           "unknown compression algorithm %.*s, supported algorithms are [gzip deflate zstd br]",
                           (int)name.len, name.data);
            break;
        }
        buf_clear(out);
        if (!compress_once(codec, (struct text){from.data, from.len}, out)) {
            ok = error_set(err, EXIT_GENERIC, "cannot compress a body of %zu bytes with %s", from.len,
                           codec_name(codec));
            break;
        }
        struct buf swap = from;
        from = *out;
        *out = swap;
        buf_add_text(content_encoding, content_encoding->len ? ", " : "");
        buf_add_text(content_encoding, codec_name(codec));
    }
    struct buf swap = from; /* the latest result is in from */
    from = *out;
    *out = swap;
    buf_free(&from);
    return ok;
}
