/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies: the first byte picks the coding and whether the rest comes in pieces; the result may
 * not depend on the pieces. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool decode(const char *coding, const uint8_t *data, size_t size, size_t step, struct buf *out)
{
    struct error err = {0};
    struct decoder *decoder = decoder_new(NULL, coding, strlen(coding), 1 << 20);
    bool ok = true;
    for (size_t at = 0; ok && at < size; at += step)
        ok = decoder_feed(decoder, data + at, size - at < step ? size - at : step, out, &err);
    ok = ok && decoder_finish(decoder, out, &err);
    if (!ok && !err.text)
        abort();
    error_clear(&err);
    decoder_free(decoder);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "deflate", "br", "zstd", "gzip, zstd", "br, gzip"};
    if (size < 2)
        return 0;
    const char *coding = codings[data[0] % 6];
    struct buf whole = {0}, pieces = {0};
    bool a = decode(coding, data + 1, size - 1, size, &whole);
    bool b = decode(coding, data + 1, size - 1, 3, &pieces);
    if (a != b || (a && (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))))
        abort();
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
