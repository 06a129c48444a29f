/* SPDX-License-Identifier: Apache-2.0 */
/* Cookie jars by RFC 6265, with the choices of Go's net/http/cookiejar without a public-suffix list
 * (as k6 uses it). A jar belongs to a VU. An empty one costs nothing but its struct. */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_url;
struct buf;
struct cookie_jar;

enum cookie_same_site { COOKIE_SAME_SITE_DEFAULT, COOKIE_SAME_SITE_LAX, COOKIE_SAME_SITE_STRICT, COOKIE_SAME_SITE_NONE };

/* One Set-Cookie header, parsed. Strings point into one block that cookie_free frees. */
struct cookie {
    const char *name, *value, *domain, *path; /* domain and path "" when not given */
    int64_t expires_wall_s; /* INT64_MIN when not given */
    int64_t max_age_s;      /* 0: not given; negative: delete now (also for Max-Age=0, as Go has it) */
    bool secure, http_only;
    bool quoted; /* the value came in double quotes (which value does not have) and is sent so again */
    enum cookie_same_site same_site;
};

/* False when Go's net/http would ignore the header. */
bool cookie_parse(const char *header, size_t len, struct cookie **cookie);
void cookie_free(struct cookie *cookie);

struct cookie_jar *cookie_jar_new(void);
void cookie_jar_free(struct cookie_jar *jar);
void cookie_jar_clear_all(struct cookie_jar *jar);
void cookie_jar_set(struct cookie_jar *jar, const struct http_url *url, const struct cookie *cookie, int64_t now_wall_s);
/* k6's clear(url) and delete(url, name). */
void cookie_jar_clear(struct cookie_jar *jar, const struct http_url *url);
void cookie_jar_delete(struct cookie_jar *jar, const struct http_url *url, const char *name);
/* Calls each for the cookies that a request to url would carry, in sending order. */
void cookie_jar_each(struct cookie_jar *jar, const struct http_url *url, int64_t now_wall_s,
                     void (*each)(void *arg, const char *name, const char *value), void *arg);
/* Adds "name=value" as Go's Request.AddCookie writes it: after "; " when out (a Cookie header's value) is
 * not empty, quotes around values with a space or comma, bytes left out that no cookie may hold. */
void cookie_add_to_header(struct buf *out, const char *name, const char *value, bool quoted);
/* Adds the cookies that a request to url would carry to out in that form, without those for which skip
 * (may be NULL) says so. k6 writes a request's own cookies first, then the jar's but for replaced names. */
void cookie_jar_add_to_header(struct cookie_jar *jar, const struct http_url *url, int64_t now_wall_s,
                              bool (*skip)(void *arg, const char *name), void *arg, struct buf *out);
bool cookie_jar_is_empty(const struct cookie_jar *jar);

#endif
