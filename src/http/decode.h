/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings gzip, deflate (zlib), br and zstd, and chains of them ("gzip, br": applied in this
 * order, undone in the other). Decoding streams; codec states are kept for reuse in a pool that belongs
 * to one worker. One thread at a time. */
#ifndef HTTP_DECODE_H
#define HTTP_DECODE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct decode_pool;
struct decoder;
struct error;

/* k6's error code for a body that cannot be decompressed; err->code of everything that decodes. */
#define DECODE_ERROR_CODE 1701
#define DECODE_MAX_BYTES_DEFAULT ((size_t)1 << 30)

struct decode_pool *decode_pool_new(void);
void decode_pool_free(struct decode_pool *pool); /* after the decoders that use it; takes NULL */

/* A decoder for a Content-Encoding value; NULL when it names nothing that has to be undone (unknown names
 * and "identity" are skipped, as k6 does), then the body is what it is. pool may be NULL; max_bytes limits
 * what comes out of any stage (0: the default), against bombs. */
struct decoder *decoder_new(struct decode_pool *pool, const char *encodings, size_t len, size_t max_bytes);
void decoder_free(struct decoder *decoder); /* takes NULL */
/* Adds what the next bytes of the body become to out. After a failure only decoder_free is allowed. */
bool decoder_feed(struct decoder *decoder, const void *data, size_t len, struct buf *out, struct error *err);
/* The body has ended: false when its compressed form has not. A body without a byte is fine. */
bool decoder_finish(struct decoder *decoder, struct buf *out, struct error *err);

/* k6's params.compression: "gzip, br" compresses data in that order into out (whose content is replaced)
 * and content_encoding (likewise) becomes the header's value, "gzip, br". Fails for a name k6 does not know. */
bool encode_body(const char *compression, size_t compression_len, const void *data, size_t len, struct buf *out,
                 struct buf *content_encoding, struct error *err);

#endif
