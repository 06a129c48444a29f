/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies made of fields: application/x-www-form-urlencoded as Go's url.Values.Encode writes it, and
 * multipart/form-data as Go's mime/multipart does. Pure but for the random boundary; any thread. */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include <stddef.h>

struct buf;

struct form_pair {
    const char *key, *value;
    size_t key_len, value_len;
};

/* Adds "a=1&b=x+y", sorted by key; pairs of one key keep their order. */
void form_encode(struct buf *out, const struct form_pair *pairs, size_t count);

struct form_part {
    const char *name, *filename; /* filename NULL: a plain field */
    size_t name_len, filename_len;
    const char *content_type; /* NULL: none is written for plain fields, application/octet-stream for files */
    size_t content_type_len;
    const void *data;
    size_t len;
};

#define FORM_BOUNDARY_LEN 60
/* Zero-terminated hexadecimal digits from the system's random source. */
void form_boundary(char boundary[FORM_BOUNDARY_LEN + 1]);
/* Adds the parts in the given order and the closing delimiter. */
void form_write_multipart(struct buf *out, const char *boundary, const struct form_part *parts, size_t count);
/* Adds "multipart/form-data; boundary=...". */
void form_multipart_type(struct buf *out, const char *boundary);

#endif
