/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer. {0} is an empty one; buf_free leaves it empty again. The bytes are always
 * followed by a zero that len does not count (once anything was written). One thread at a time. */
#ifndef CORE_BUF_H
#define CORE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_free(struct buf *b);
/* Makes room for extra more bytes (and the zero) and returns where they go; buf_added counts them in. */
char *buf_reserve(struct buf *b, size_t extra);
void buf_added(struct buf *b, size_t bytes);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops len bytes at the front. */
void buf_drop(struct buf *b, size_t len);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);
/* Hands the (zero-terminated) bytes to the caller, who frees them with mem_free; never NULL. */
char *buf_take(struct buf *b);

#endif
