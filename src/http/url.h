/* SPDX-License-Identifier: Apache-2.0 */
/* URLs as k6 (Go's net/url) understands and prints them. Parsed ones are immutable and ref-counted; a
 * worker keeps the ones it has seen, so that a hot URL is parsed once. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct http_worker;

struct http_url {
    uint32_t refs;
    uint16_t port;      /* the effective one: 80 or 443 by default */
    bool tls;           /* https */
    bool has_undefined; /* "undefined" stands where a value should: a part of the path or a value of the query */
    const char *text;   /* as Go's URL.String() prints it, fragment included: response.url */
    const char *clean;  /* the same with userinfo masked "****:****@" ("****@" without a password): the
                         * url and name tags */
    size_t clean_len;
    const char *host;   /* without brackets, as dialled */
    const char *host_header; /* "host" or "host:port" when the port is not the scheme's */
    const char *target; /* path and query as sent: "/a?b=c" */
    const char *path;   /* decoded for cookies: starts with '/' */
    const char *user, *password; /* decoded; NULL: none */
    /* for cookie.c: the first bytes of host that count (a trailing dot does not), where the part starts
     * under which a jar files its cookies, and whether it is an IP address (then only itself matches) */
    uint16_t cookie_host_len, cookie_key_at;
    bool host_is_ip;
};

/* What a worker has parsed lately: at most max_entries texts (0: 4096), each parsed once. The least
 * recently used ones go first; references keep them alive. One thread, as are all of its URLs. */
struct url_table;
struct url_table *url_table_new(size_t max_entries);
void url_table_free(struct url_table *table);
/* Both return a reference that the caller gives back with http_url_unref. On failure NULL, and err->text
 * is what response.error shows, err->code k6's error code: 1020 for text that is no URL, 1000 for a scheme
 * other than http and https and for a missing host. */
const struct http_url *url_table_get(struct url_table *table, const char *text, size_t len, struct error *err);
const struct http_url *url_table_resolve(struct url_table *table, const struct http_url *base,
                                         const char *reference, size_t len, struct error *err);

/* The same two over the worker's table; the file that defines struct http_worker defines them. */
const struct http_url *http_url_get(struct http_worker *worker, const char *text, size_t len, struct error *err);
/* Resolves a Location or link against a base (RFC 3986). */
const struct http_url *http_url_resolve(struct http_worker *worker, const struct http_url *base, const char *reference, size_t len, struct error *err);
const struct http_url *http_url_ref(const struct http_url *url);
void http_url_unref(const struct http_url *url);

/* Go's url.QueryEscape, added to out. */
struct buf;
void http_query_escape(struct buf *out, const char *data, size_t len);

#endif
