/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder is a chain of stages, the last coding of the header first. Each stage eats bytes as they come
 * from the connection and gives what it has; nothing waits for the end of the body. The states behind the
 * stages (a zstd context is 100 KB and more) go back to the worker's pool and are only reset. Error texts
 * are those that k6's users know from Go's packages, where there is a fitting one. */
#include "http/decode.h"

#include <stdlib.h>
#include <string.h>

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/decode_codec.h"

#define STEP_BYTES ((size_t)32 << 10)
#define POOLED_PER_CODEC 8
#define STAGES_MAX 8

struct stage {
    struct stage *next; /* in the pool or in the chain */
    enum codec codec;
    bool started; /* bytes came in */
    bool ended;   /* the compressed form is complete */
    bool in_frame; /* zstd: the next byte does not begin a frame */
    z_stream *zlib;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    struct buf pending; /* what came out and is the next stage's input */
    size_t produced;
};

struct decode_pool {
    struct stage *idle[CODEC_COUNT];
    unsigned idle_count[CODEC_COUNT];
};

struct decoder {
    struct decode_pool *pool;
    struct stage *first;
    size_t max_bytes;
};

static void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
    return mem_array(items, size);
}

static void zlib_free(void *opaque, void *memory)
{
    mem_free(memory);
}

static void *brotli_alloc(void *opaque, size_t bytes)
{
    return mem_alloc(bytes);
}

static void brotli_free(void *opaque, void *memory)
{
    mem_free(memory);
}

static struct stage *stage_new(enum codec codec)
{
    struct stage *s = mem_zalloc(sizeof(*s));
    s->codec = codec;
    switch (codec) {
    case CODEC_GZIP:
    case CODEC_DEFLATE:
        s->zlib = mem_zalloc(sizeof(*s->zlib));
        s->zlib->zalloc = zlib_alloc;
        s->zlib->zfree = zlib_free;
        inflateInit2(s->zlib, codec == CODEC_GZIP ? 15 + 16 : 15);
        break;
    case CODEC_ZSTD:
        s->zstd = ZSTD_createDStream();
        if (!s->zstd)
            abort();
        break;
    default: /* a brotli state cannot be reset: reset_stage makes it */
        break;
    }
    return s;
}

static void stage_free(struct stage *s)
{
    if (s->zlib) {
        inflateEnd(s->zlib);
        mem_free(s->zlib);
    }
    if (s->brotli)
        BrotliDecoderDestroyInstance(s->brotli);
    ZSTD_freeDStream(s->zstd);
    buf_free(&s->pending);
    mem_free(s);
}

static void reset_stage(struct stage *s)
{
    s->next = NULL;
    s->started = s->ended = s->in_frame = false;
    s->produced = 0;
    buf_clear(&s->pending);
    if (s->zlib)
        inflateReset(s->zlib);
    if (s->zstd)
        ZSTD_DCtx_reset(s->zstd, ZSTD_reset_session_only);
    if (s->codec == CODEC_BR) {
        if (s->brotli)
            BrotliDecoderDestroyInstance(s->brotli);
        s->brotli = BrotliDecoderCreateInstance(brotli_alloc, brotli_free, NULL);
    }
}

struct decode_pool *decode_pool_new(void)
{
    return mem_zalloc(sizeof(struct decode_pool));
}

void decode_pool_free(struct decode_pool *pool)
{
    if (!pool)
        return;
    for (int codec = 0; codec < CODEC_COUNT; codec++)
        while (pool->idle[codec]) {
            struct stage *s = pool->idle[codec];
            pool->idle[codec] = s->next;
            stage_free(s);
        }
    mem_free(pool);
}

static struct stage *take_stage(struct decode_pool *pool, enum codec codec)
{
    struct stage *s = pool ? pool->idle[codec] : NULL;
    if (s) {
        pool->idle[codec] = s->next;
        pool->idle_count[codec]--;
    } else {
        s = stage_new(codec);
    }
    reset_stage(s);
    return s;
}

static void give_stage(struct decode_pool *pool, struct stage *s)
{
    /* brotli states are made anew anyway, and a large buffer is not worth keeping */
    if (!pool || s->codec == CODEC_BR || pool->idle_count[s->codec] == POOLED_PER_CODEC) {
        stage_free(s);
        return;
    }
    buf_free(&s->pending);
    s->next = pool->idle[s->codec];
    pool->idle[s->codec] = s;
    pool->idle_count[s->codec]++;
}

struct decoder *decoder_new(struct decode_pool *pool, const char *encodings, size_t len, size_t max_bytes)
{
    struct decoder *d = NULL;
    struct text rest = {encodings, len};
    size_t stages = 0;
    while (rest.data && stages < STAGES_MAX) {
        enum codec codec;
        if (!codec_named(text_trim(text_cut(rest, ',', &rest)), &codec))
            continue;
        if (!d) {
            d = mem_zalloc(sizeof(*d));
            d->pool = pool;
            d->max_bytes = max_bytes ? max_bytes : DECODE_MAX_BYTES_DEFAULT;
        }
        struct stage *s = take_stage(pool, codec);
        s->next = d->first; /* the last one is undone first */
        d->first = s;
        stages++;
    }
    return d;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    while (d->first) {
        struct stage *s = d->first;
        d->first = s->next;
        give_stage(d->pool, s);
    }
    mem_free(d);
}

static bool fail(struct error *err, const char *cause)
{
    return error_set(err, DECODE_ERROR_CODE, "error decompressing response body (%s)", cause);
}

/* Counts in what a stage put behind out's end. */
static bool count_output(struct decoder *d, struct stage *s, struct buf *out, size_t bytes, struct error *err)
{
    buf_added(out, bytes);
    s->produced += bytes;
    if (s->produced <= d->max_bytes)
        return true;
    return error_set(err, DECODE_ERROR_CODE,
                     "error decompressing response body (more than %zu bytes come out of it: the limit)", d->max_bytes);
}

static const char *zlib_problem(const struct stage *s)
{
    const char *text = s->zlib->msg ? s->zlib->msg : "";
    bool gzip = s->codec == CODEC_GZIP;
    if (strstr(text, "header"))
        return gzip ? "gzip: invalid header" : "zlib: invalid header";
    if (strstr(text, "check"))
        return gzip ? "gzip: invalid checksum" : "zlib: invalid checksum";
    if (strcmp(text, "unknown compression method") == 0 || strcmp(text, "invalid window size") == 0)
        return gzip ? "gzip: invalid header" : "zlib: invalid header";
    return s->zlib->total_in > 2 || text[0] ? "flate: corrupt input" : "zlib: invalid dictionary";
}

static bool feed_zlib(struct decoder *d, struct stage *s, struct text in, struct buf *out, struct error *err)
{
    z_stream *z = s->zlib;
    z->next_in = (Bytef *)in.data;
    z->avail_in = (uInt)in.len;
    while (true) {
        if (s->ended) {
            if (z->avail_in == 0 || s->codec == CODEC_DEFLATE)
                return true; /* what follows a zlib stream is nobody's */
            inflateReset(z); /* gzip files may follow one another */
            s->ended = false;
        }
        z->next_out = (Bytef *)buf_reserve(out, STEP_BYTES);
        z->avail_out = (uInt)STEP_BYTES;
        int result = inflate(z, Z_NO_FLUSH);
        if (!count_output(d, s, out, STEP_BYTES - z->avail_out, err))
            return false;
        if (result == Z_STREAM_END)
            s->ended = true;
        else if (result == Z_BUF_ERROR || (result == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return true;
        else if (result != Z_OK)
            return fail(err, zlib_problem(s));
    }
}

static bool feed_brotli(struct decoder *d, struct stage *s, struct text in, struct buf *out, struct error *err)
{
    const uint8_t *from = (const uint8_t *)in.data;
    size_t left = in.len;
    while (!s->ended) {
        uint8_t *to = (uint8_t *)buf_reserve(out, STEP_BYTES);
        size_t room = STEP_BYTES;
        BrotliDecoderResult result = BrotliDecoderDecompressStream(s->brotli, &left, &from, &room, &to, NULL);
        if (!count_output(d, s, out, STEP_BYTES - room, err))
            return false;
        if (result == BROTLI_DECODER_RESULT_ERROR) {
            const char *name = BrotliDecoderErrorString(BrotliDecoderGetErrorCode(s->brotli));
            return error_set(err, DECODE_ERROR_CODE, "error decompressing response body (brotli: %s)",
                             name[0] == '_' ? name + 1 : name);
        }
        s->ended = result == BROTLI_DECODER_RESULT_SUCCESS;
        if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
            return true;
    }
    return left == 0 || fail(err, "brotli: excessive input");
}

/* Frames begin with 28 b5 2f fd, skippable ones with 5x 2a 4d 18. Debian's libzstd also reads the formats from before
 * zstd 1.0 (first bytes 1e and 22 to 27), with results that depend on how the bytes are cut; nobody sends them. */
static bool begins_zstd_frame(char first)
{
    return first == 0x28 || ((unsigned char)first & 0xf0) == 0x50;
}

static bool feed_zstd(struct decoder *d, struct stage *s, struct text in, struct buf *out, struct error *err)
{
    ZSTD_inBuffer from = {in.data, in.len, 0};
    bool full = false; /* more may come out without further input */
    while (from.pos < from.size || full) {
        if (!s->in_frame && !full && !begins_zstd_frame(in.data[from.pos]))
            return fail(err, "invalid input: magic number mismatch");
        s->in_frame = true;
        ZSTD_outBuffer to = {buf_reserve(out, STEP_BYTES), STEP_BYTES, 0};
        size_t result = ZSTD_decompressStream(s->zstd, &to, &from);
        if (!count_output(d, s, out, to.pos, err))
            return false;
        if (ZSTD_isError(result)) {
            bool unknown = ZSTD_getErrorCode(result) == ZSTD_error_prefix_unknown;
            return fail(err, unknown ? "invalid input: magic number mismatch" : ZSTD_getErrorName(result));
        }
        s->ended = result == 0;
        s->in_frame = !s->ended;
        full = to.pos == to.size && !s->ended;
    }
    return true;
}

static bool feed_stage(struct decoder *d, struct stage *s, struct text in, struct buf *out, struct error *err)
{
    if (in.len == 0)
        return true;
    s->started = true;
    switch (s->codec) {
    case CODEC_BR:
        return feed_brotli(d, s, in, out, err);
    case CODEC_ZSTD:
        return feed_zstd(d, s, in, out, err);
    default:
        return feed_zlib(d, s, in, out, err);
    }
}

bool decoder_feed(struct decoder *d, const void *data, size_t len, struct buf *out, struct error *err)
{
    const size_t slice = (size_t)1 << 30; /* zlib counts in unsigned int */
    for (size_t at = 0; at < len; at += slice) {
        struct text in = {(const char *)data + at, len - at < slice ? len - at : slice};
        for (struct stage *s = d->first; s; s = s->next) {
            struct buf *to = s->next ? &s->pending : out;
            if (s->next)
                buf_clear(&s->pending);
            if (!feed_stage(d, s, in, to, err))
                return false;
            in = (struct text){to->data, to->len};
        }
    }
    return true;
}

bool decoder_finish(struct decoder *d, struct buf *out, struct error *err)
{
    for (struct stage *s = d->first; s; s = s->next)
        if (s->started && !s->ended)
            return fail(err, "unexpected EOF");
    return true;
}
