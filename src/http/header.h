/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values of header fields: canonical names as Go's net/http prints them, validity, look-ups in
 * lists of fields. Pure; any thread. */
#ifndef HTTP_HEADER_H
#define HTTP_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct http_header;

/* Writes the canonical form of name ("x-lab-one" -> "X-Lab-One") to out, which has room for len bytes and
 * may be name itself; no terminating zero. A name with a byte that no field name may hold stays as it is. */
void header_canonical(char *out, const char *name, size_t len);

/* A name is a token; a value has no control bytes but tabs. */
bool header_name_is_valid(const char *name, size_t len);
bool header_value_is_valid(const char *value, size_t len);
/* Both at once, with k6's texts and error code 1000. */
bool header_check(const char *name, size_t name_len, const char *value, size_t value_len, struct error *err);
/* A method is a token. */
bool header_method_is_valid(const char *method, size_t len);

/* The first field of that canonical name, NULL when there is none. */
const struct http_header *header_find(const struct http_header *headers, size_t count, const char *name, size_t len);
/* Adds the values of all fields of that canonical name, joined by ", "; false when there is none. */
bool header_join(struct buf *out, const struct http_header *headers, size_t count, const char *name, size_t len);
/* Whether a comma-separated value holds the token, case ignored ("Connection: keep-alive, Upgrade"). */
bool header_has_token(const char *value, size_t len, const char *token);

#endif
