/* SPDX-License-Identifier: Apache-2.0 */
/* The opening handshake of RFC 6455, section 4: texts only, no socket. */
#ifndef WS_HANDSHAKE_H
#define WS_HANDSHAKE_H

#include "core/buf.h"
#include "ws/socket.h"

#define WS_KEY_CHARS 24

/* A new random Sec-WebSocket-Key, zero-terminated. */
void ws_handshake_key(char key[WS_KEY_CHARS + 1]);
/* Appends the request. */
void ws_handshake_request(struct buf *out, const struct ws_request *request, const char *key);

struct ws_answer {
    int status;
    struct http_header *headers; /* canonical names */
    size_t header_count;
    char *text; /* what the headers point into */
    bool deflate; /* permessage-deflate was agreed on */
};

/* The length of a complete head at the start of the bytes; 0: more is needed. */
size_t ws_handshake_head_length(const char *data, size_t len);
/* Reads a head. NULL when the socket is open, otherwise why it is not; answer is filled either way. */
const char *ws_handshake_read(struct ws_answer *answer, const char *head, size_t len, const char *key, bool deflate_offered);
void ws_answer_fini(struct ws_answer *answer);

#endif
