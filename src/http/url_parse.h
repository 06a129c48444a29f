/* SPDX-License-Identifier: Apache-2.0 */
/* Go's net/url in parts: splitting, unescaping and escaping, printing, resolving. Inside the http floor
 * only; others use http/url.h. Pure; texts live in the arena that a call was given or in its input. */
#ifndef HTTP_URL_PARSE_H
#define HTTP_URL_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/text.h"

struct buf;

struct url_parts {
    struct text scheme; /* lower case */
    struct text opaque; /* "mailto:this" */
    bool has_user, has_password;
    struct text user, password; /* decoded */
    struct text host;           /* decoded, with the port and with the brackets of an IPv6 address */
    struct text path, fragment; /* decoded */
    struct text raw_path, raw_fragment; /* as written, where that is not how Go would write it */
    struct text query; /* as written */
    bool force_query; /* a lone '?' at the end */
    bool omit_host;   /* "scheme:/path" */
};

/* False with Go's text in problem: `parse "...": ...`. */
bool url_split(struct arena *arena, struct url_parts *parts, const char *text, size_t len, struct buf *problem);
/* Go's URL.ResolveReference. */
void url_join(struct arena *arena, const struct url_parts *base, const struct url_parts *reference,
              struct url_parts *result);
/* Go's URL.String(); hide_user prints "****:****@" in the place of credentials. */
void url_print(struct arena *arena, const struct url_parts *parts, bool hide_user, struct buf *out);
/* What the request line says: path and query, "/" for an empty path. */
void url_print_target(struct arena *arena, const struct url_parts *parts, struct buf *out);

enum url_escape { URL_ESCAPE_PATH, URL_ESCAPE_SEGMENT, URL_ESCAPE_HOST, URL_ESCAPE_ZONE, URL_ESCAPE_USER, URL_ESCAPE_QUERY, URL_ESCAPE_FRAGMENT };
void url_escape(struct buf *out, const char *data, size_t len, enum url_escape mode);

#endif
