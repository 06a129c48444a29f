/* SPDX-License-Identifier: Apache-2.0 */
/* A jar is one array of entries in the order in which cookies are sent: longer paths first, then older
 * cookies first. So a request walks the array once, and only storing searches for a place. Jars of load
 * tests hold a handful of cookies; an index would cost more than it saves. */
#include "http/cookie.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/url.h"

struct entry {
    struct text name, value, domain, path;
    struct text key; /* the part of the host that set it which other hosts must share to get it */
    int64_t expires_wall_s;
    bool persistent, host_only, secure, quoted;
};

struct cookie_jar {
    struct entry **entries;
    size_t count, cap;
};

struct cookie_jar *cookie_jar_new(void)
{
    return mem_zalloc(sizeof(struct cookie_jar));
}

void cookie_jar_clear_all(struct cookie_jar *jar)
{
    for (size_t i = 0; i < jar->count; i++)
        mem_free(jar->entries[i]);
    jar->count = 0;
}

void cookie_jar_free(struct cookie_jar *jar)
{
    if (!jar)
        return;
    cookie_jar_clear_all(jar);
    mem_free(jar->entries);
    mem_free(jar);
}

bool cookie_jar_is_empty(const struct cookie_jar *jar)
{
    return jar->count == 0;
}

static struct text host_of(const struct http_url *url)
{
    return (struct text){url->host, url->cookie_host_len};
}

static struct text key_of(const struct http_url *url)
{
    return (struct text){url->host + url->cookie_key_at, (size_t)url->cookie_host_len - url->cookie_key_at};
}

static bool is_subdomain(struct text host, struct text domain)
{
    if (host.len <= domain.len || host.data[host.len - domain.len - 1] != '.')
        return false;
    return text_equal((struct text){host.data + host.len - domain.len, domain.len}, domain);
}

/* RFC 6265, 5.1.4: the folder of the request's path. */
static struct text default_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return TEXT("/");
    return (struct text){path, (size_t)(slash - path)};
}

/* What the cookie's domain comes to for a URL; false when that host may not set it. lower holds the
 * domain in lower case. */
static bool accept_domain(const struct http_url *url, const char *domain, struct buf *lower, struct text *accepted,
                          bool *host_only)
{
    *accepted = host_of(url);
    *host_only = true;
    if (!domain[0])
        return true;
    if (url->host_is_ip)
        return text_equal(text_of(domain), *accepted);
    domain += domain[0] == '.';
    for (const char *p = domain; *p; p++) {
        if ((unsigned char)*p >= 0x80)
            return false;
        buf_add_char(lower, *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p);
    }
    struct text d = {lower->data, lower->len};
    if (d.len == 0 || d.data[0] == '.' || d.data[d.len - 1] == '.')
        return false;
    if (!text_equal(*accepted, d) && !is_subdomain(*accepted, d))
        return false;
    *accepted = d;
    *host_only = false;
    return true;
}

static struct entry *entry_new(const struct entry *from)
{
    const struct text *texts[] = {&from->name, &from->value, &from->domain, &from->path, &from->key};
    size_t bytes = 0;
    for (size_t i = 0; i < 5; i++)
        bytes += texts[i]->len + 1;
    struct entry *e = mem_alloc(sizeof(*e) + bytes);
    *e = *from;
    struct text *own[] = {&e->name, &e->value, &e->domain, &e->path, &e->key};
    char *at = (char *)(e + 1);
    for (size_t i = 0; i < 5; i++) {
        memcpy(at, own[i]->data, own[i]->len);
        at[own[i]->len] = 0;
        own[i]->data = at;
        at += own[i]->len + 1;
    }
    return e;
}

static size_t find_same(const struct cookie_jar *jar, const struct entry *e)
{
    for (size_t i = 0; i < jar->count; i++) {
        const struct entry *have = jar->entries[i];
        if (text_equal(have->name, e->name) && text_equal(have->path, e->path) &&
            text_equal(have->domain, e->domain) && text_equal(have->key, e->key))
            return i;
    }
    return jar->count;
}

static void remove_at(struct cookie_jar *jar, size_t i)
{
    mem_free(jar->entries[i]);
    jar->count--;
    memmove(&jar->entries[i], &jar->entries[i + 1], (jar->count - i) * sizeof(*jar->entries));
}

static void insert(struct cookie_jar *jar, struct entry *e)
{
    mem_grow(&jar->entries, &jar->cap, jar->count + 1, sizeof(*jar->entries));
    size_t at = jar->count;
    while (at > 0 && jar->entries[at - 1]->path.len < e->path.len)
        at--;
    memmove(&jar->entries[at + 1], &jar->entries[at], (jar->count - at) * sizeof(*jar->entries));
    jar->entries[at] = e;
    jar->count++;
}

void cookie_jar_set(struct cookie_jar *jar, const struct http_url *url, const struct cookie *cookie, int64_t now_wall_s)
{
    struct buf lower = {0};
    struct entry e = {
        .name = text_of(cookie->name),
        .value = text_of(cookie->value ? cookie->value : ""),
        .path = cookie->path && cookie->path[0] == '/' ? text_of(cookie->path) : default_path(url->path),
        .key = key_of(url),
        .secure = cookie->secure,
        .quoted = cookie->quoted,
    };
    if (!accept_domain(url, cookie->domain ? cookie->domain : "", &lower, &e.domain, &e.host_only)) {
        buf_free(&lower);
        return;
    }
    bool gone = cookie->max_age_s < 0;
    if (cookie->max_age_s > 0) {
        e.persistent = true;
        if (__builtin_add_overflow(now_wall_s, cookie->max_age_s, &e.expires_wall_s))
            e.expires_wall_s = INT64_MAX;
    } else if (!gone && cookie->expires_wall_s != INT64_MIN) {
        e.persistent = true;
        e.expires_wall_s = cookie->expires_wall_s;
        gone = e.expires_wall_s <= now_wall_s;
    }
    size_t same = find_same(jar, &e);
    if (gone) {
        if (same < jar->count)
            remove_at(jar, same);
    } else if (same < jar->count) {
        struct entry *old = jar->entries[same];
        jar->entries[same] = entry_new(&e); /* it keeps its age, and with the path its place */
        mem_free(old);
    } else {
        insert(jar, entry_new(&e));
    }
    buf_free(&lower);
}

static bool matches_path(const char *request, size_t len, struct text path)
{
    if (len < path.len || memcmp(request, path.data, path.len) != 0)
        return false;
    return len == path.len || path.data[path.len - 1] == '/' || request[path.len] == '/';
}

static bool is_sent_to(const struct entry *e, const struct http_url *url, size_t path_len)
{
    struct text host = host_of(url);
    return (url->tls || !e->secure) && text_equal(e->key, key_of(url)) &&
           (text_equal(e->domain, host) || (!e->host_only && is_subdomain(host, e->domain))) &&
           matches_path(url->path, path_len, e->path);
}

/* The next entry from *at on that a request to url carries; drops expired ones. */
static struct entry *next_sent(struct cookie_jar *jar, const struct http_url *url, size_t path_len, int64_t now_wall_s,
                               size_t *at)
{
    while (*at < jar->count) {
        struct entry *e = jar->entries[*at];
        if (e->persistent && e->expires_wall_s <= now_wall_s) {
            remove_at(jar, *at);
            continue;
        }
        (*at)++;
        if (is_sent_to(e, url, path_len))
            return e;
    }
    return NULL;
}

void cookie_jar_each(struct cookie_jar *jar, const struct http_url *url, int64_t now_wall_s,
                     void (*each)(void *arg, const char *name, const char *value), void *arg)
{
    size_t at = 0, path_len = strlen(url->path);
    struct entry *e;
    while ((e = next_sent(jar, url, path_len, now_wall_s, &at)))
        each(arg, e->name.data, e->value.data);
}

void cookie_jar_add_to_header(struct cookie_jar *jar, const struct http_url *url, int64_t now_wall_s,
                              bool (*skip)(void *arg, const char *name), void *arg, struct buf *out)
{
    size_t at = 0, path_len = jar->count ? strlen(url->path) : 0;
    struct entry *e;
    while ((e = next_sent(jar, url, path_len, now_wall_s, &at)))
        if (!skip || !skip(arg, e->name.data))
            cookie_add_to_header(out, e->name.data, e->value.data, e->quoted);
}

void cookie_jar_delete(struct cookie_jar *jar, const struct http_url *url, const char *name)
{
    struct cookie gone = {.name = name, .value = "", .domain = "", .path = "", .max_age_s = -1};
    cookie_jar_set(jar, url, &gone, 0);
}

/* k6 clears by setting every cookie of the URL anew, expired. So a cookie goes only if a Set-Cookie of
 * this URL without attributes would have replaced it: host-only ones of the URL's own folder. */
void cookie_jar_clear(struct cookie_jar *jar, const struct http_url *url)
{
    size_t at = 0, path_len = strlen(url->path);
    struct buf names = {0};
    struct entry *e;
    while ((e = next_sent(jar, url, path_len, INT64_MIN, &at)))
        buf_add(&names, e->name.data, e->name.len + 1);
    for (size_t i = 0; i < names.len; i += strlen(names.data + i) + 1)
        cookie_jar_delete(jar, url, names.data + i);
    buf_free(&names);
}
