/* SPDX-License-Identifier: Apache-2.0 */
/* Text in double quotes as Go's %q prints it; k6's error texts quote URLs and names this way. Pure. */
#ifndef HTTP_QUOTE_H
#define HTTP_QUOTE_H

#include <stddef.h>

struct buf;

/* Adds it: "a\tb\x00", bytes that are no UTF-8 as \xNN, control characters beyond ASCII as \uNNNN. */
void go_quote(struct buf *out, const char *text, size_t len);

#endif
