/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 responses from bytes that come in any pieces. Pure: no socket, no clock. */
#ifndef HTTP_H1_CODEC_H
#define HTTP_H1_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

#define H1_MAX_HEAD_BYTES ((size_t)1 << 20)

enum h1_state {
    H1_HEAD,         /* collecting the status line and headers */
    H1_BODY_LENGTH,  /* body_left more bytes */
    H1_BODY_CLOSE,   /* until the connection ends */
    H1_CHUNK_SIZE,   /* line with a chunk's size */
    H1_CHUNK_DATA,
    H1_CHUNK_END,    /* line end after a chunk's data */
    H1_TRAILER,
    H1_DONE,
    H1_FAILED,
};

/* What the user does with the pieces. head gets the whole head (status line to the empty line), valid during
 * the call; 1xx heads are skipped. */
struct h1_events {
    void (*head)(void *arg, const char *head, size_t len);
    void (*body)(void *arg, const char *data, size_t len);
};

struct h1_parser {
    enum h1_state state;
    bool is_head_request; /* the response has no body */
    bool keep_alive;      /* after H1_DONE: the connection can be used again */
    int status, minor_version, interim_count;
    bool content_length_known;
    uint64_t content_length, body_left;
    size_t line_bytes, trailer_bytes;
    bool any_digit;
    struct buf head; /* a head that came in pieces */
    char failure[160];
};

/* Zeroed memory, or a parser that was used before. */
void h1_init(struct h1_parser *p, bool is_head_request);
void h1_fini(struct h1_parser *p);
/* Reads until the response is complete or the bytes are used up; returns how many were used. Look at state. */
size_t h1_feed(struct h1_parser *p, const char *data, size_t len, const struct h1_events *events, void *arg);
/* The connection has ended: completes a body that lasts until then; false when the response is cut. */
bool h1_end(struct h1_parser *p);

/* The next header line of a head: start with *at = 0 (skips the status line). Names and values without white
 * space around. False at the end. */
bool h1_next_header(const char *head, size_t len, size_t *at, const char **name, size_t *name_len, const char **value, size_t *value_len);
/* "200 OK" of a head that was parsed. */
const char *h1_status_text(const char *head, size_t len, size_t *text_len);

#endif
