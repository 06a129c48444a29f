/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 of RFC 4648: both alphabets, with and without padding. No state; any thread. */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

enum base64_form {
    BASE64_STD = 0,
    BASE64_URL = 1, /* '-' and '_' */
    BASE64_RAW = 2, /* no padding; combined with the others by | */
};

/* Appends. */
void base64_encode(struct buf *out, const void *data, size_t len, enum base64_form form);
/* Appends the bytes. Strict: false when a letter is not of the alphabet or the padding is not as the form
 * says; line breaks are skipped, as Go's decoder does. What was appended by then stays. */
bool base64_decode(struct buf *out, const char *text, size_t len, enum base64_form form);

#endif
