/* SPDX-License-Identifier: Apache-2.0 */
/* Small text helpers: slices of text, numbers, Go-style durations. Pure; any thread. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A piece of text that somebody else owns; not zero-terminated. */
struct text {
    const char *data;
    size_t len;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})

struct text text_of(const char *zero_terminated);
bool text_equal(struct text a, struct text b);
bool text_equal_nocase(struct text a, struct text b); /* ASCII only */
bool text_starts(struct text t, const char *prefix);
struct text text_trim(struct text t); /* ASCII white space at both ends */
/* Splits at the first separator: the part before it is returned, *rest becomes what follows. Returns
 * the whole text and an empty *rest (data NULL) when the separator is missing. */
struct text text_cut(struct text t, char separator, struct text *rest);

/* The whole text must be a number; false otherwise (also when it does not fit). */
bool text_to_int(struct text t, int64_t *value);
bool text_to_double(struct text t, double *value);

/* k6's durations: Go syntax ("1h2m3.5s", "300ms", "10us", "-5s") with the extra unit d, and a bare "0".
 * Result in nanoseconds. */
bool text_to_duration_ns(struct text t, int64_t *ns);
/* As Go prints a time.Duration: "0s", "1.5ms", "10m30s", "1h0m0s". */
void duration_format(struct buf *out, int64_t ns);

/* A number as Go's encoding/json and JavaScript's String() print a float64 (shortest that reads back;
 * exponent from 1e21 and below 1e-6). NaN and infinities come out as null. */
void number_format(struct buf *out, double value);

/* Adds text as a JSON string literal, quotes included; invalid UTF-8 becomes U+FFFD. */
void json_quote(struct buf *out, const char *data, size_t len);

uint64_t text_hash(const void *data, size_t len);

#endif
