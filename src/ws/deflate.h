/* SPDX-License-Identifier: Apache-2.0 */
/* permessage-deflate (RFC 7692) without context takeover: every message stands for itself. */
#ifndef WS_DEFLATE_H
#define WS_DEFLATE_H

#include <stdbool.h>

#include "core/buf.h"

/* Appends. */
void ws_deflate(struct buf *out, const void *data, size_t len);
/* Appends; false when the data are not deflated or grow beyond max bytes. */
bool ws_inflate(struct buf *out, const void *data, size_t len, size_t max);

#endif
