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
    const char *text;   /* as Go's URL.String() prints it, fragment included: response.url */
    const char *clean;  /* the same with userinfo masked "****:****@": the url and name tags */
    size_t clean_len;
    const char *host;   /* without brackets, as dialled */
    const char *host_header; /* "host" or "host:port" when the port is not the scheme's */
    const char *target; /* path and query as sent: "/a?b=c" */
    const char *path;   /* decoded for cookies: starts with '/' */
    const char *user, *password; /* decoded; NULL: none */
};

/* error code 1020 and k6's text on failure: err->text is what response.error shows. */
const struct http_url *http_url_get(struct http_worker *worker, const char *text, size_t len, struct error *err);
/* Resolves a Location or link against a base (RFC 3986). */
const struct http_url *http_url_resolve(struct http_worker *worker, const struct http_url *base, const char *reference, size_t len, struct error *err);
const struct http_url *http_url_ref(const struct http_url *url);
void http_url_unref(const struct http_url *url);

/* Go's url.QueryEscape and url.PathEscape. */
struct buf;
void http_query_escape(struct buf *out, const char *data, size_t len);

#endif
