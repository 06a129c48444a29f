/* SPDX-License-Identifier: Apache-2.0 */
/* URLs ready for use, and the table of those that a worker has seen. A hot URL is found by its text: one
 * hash, one comparison, no parsing and no allocation. The table is bounded since scripts build URLs with
 * ids in them; the clock algorithm picks what to forget (a bit an entry, set by every hit). Long texts
 * are parsed every time, or a few of them would hold as much memory as all others. */
#include "http/url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <idn2.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/quote.h"
#include "http/url_parse.h"

#define URL_INVALID_CODE 1020
#define URL_GENERIC_CODE 1000
#define URL_DIAL_CODE 1210
#define INTERN_MAX_LEN 2048
#define DEFAULT_MAX_ENTRIES 4096
#define NOWHERE UINT32_MAX

struct entry {
    uint64_t hash;
    char *key;
    uint32_t key_len;
    uint32_t next; /* of the same bucket */
    bool used;     /* since the hand last came by */
    struct http_url *url;
};

struct url_table {
    struct arena scratch; /* of the parse that is going on */
    struct entry *entries;
    uint32_t count, cap, max, hand;
    uint32_t *buckets; /* first entry of each; NOWHERE: none */
    uint32_t bucket_count;
};

const struct http_url *http_url_ref(const struct http_url *url)
{
    ((struct http_url *)url)->refs++;
    return url;
}

void http_url_unref(const struct http_url *url)
{
    if (!url)
        return;
    struct http_url *own = (struct http_url *)url;
    assert(own->refs > 0);
    if (--own->refs == 0)
        mem_free(own);
}

void http_query_escape(struct buf *out, const char *data, size_t len)
{
    url_escape(out, data, len, URL_ESCAPE_QUERY);
}

/* Splits "host:port" and "[::1]:port". */
static struct text host_without_port(struct text host, struct text *port)
{
    *port = (struct text){0};
    const char *colon = host.data && host.len ? memrchr(host.data, ':', host.len) : NULL;
    const char *bracket = host.data && host.len ? memrchr(host.data, ']', host.len) : NULL;
    if (colon && (!bracket || bracket < colon)) {
        *port = (struct text){colon + 1, (size_t)(host.data + host.len - colon - 1)};
        host.len = (size_t)(colon - host.data);
    }
    if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = (struct text){host.data + 1, host.len - 2};
    return host;
}

static bool is_ascii(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.data[i] >= 0x80)
            return false;
    return true;
}

/* Punycode for names beyond ASCII; what IDNA turns down goes out as it is and fails where Go fails with
 * it, at the name server. */
static struct text wire_host(struct arena *arena, struct text host)
{
    if (is_ascii(host))
        return host;
    char *text = arena_strndup(arena, host.data, host.len);
    uint8_t *ascii = NULL;
    if (idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return host;
    size_t len = strlen((char *)ascii);
    struct text result = {arena_strndup(arena, (char *)ascii, len), len};
    idn2_free(ascii);
    return result;
}

static bool is_ip(const char *host)
{
    struct in_addr v4;
    return strpbrk(host, ":%") != NULL || inet_pton(AF_INET, host, &v4) == 1;
}

/* Where the registrable-looking tail of a host starts ("www.shop.example" -> "shop.example"): what a jar
 * without a public-suffix list files cookies under. */
static size_t cookie_key_start(const char *host, size_t len)
{
    const char *dot = host && len ? memrchr(host, '.', len) : NULL;
    if (!dot || dot == host)
        return 0;
    const char *before = memrchr(host, '.', (size_t)(dot - host));
    return before ? (size_t)(before - host) + 1 : 0;
}

static bool parse_port(struct text digits, bool tls, uint16_t *port, struct error *err)
{
    if (digits.len == 0) {
        *port = tls ? 443 : 80;
        return true;
    }
    int64_t value;
    if (!text_to_int(digits, &value) || value < 0 || value > UINT16_MAX)
        return error_set(err, URL_DIAL_CODE, "dial tcp: address %.*s: invalid port", (int)digits.len, digits.data);
    *port = (uint16_t)value;
    return true;
}

static bool is_host_header(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c < 0x80 && !strchr("!$%&'()*+,-.:;=[]_~", c))
            return false;
    }
    return true;
}

static bool check_sendable(const struct url_parts *parts, struct error *err)
{
    if (!text_equal(parts->scheme, TEXT("http")) && !text_equal(parts->scheme, TEXT("https"))) {
        struct buf quoted = {0};
        go_quote(&quoted, parts->scheme.data, parts->scheme.len);
        error_set(err, URL_GENERIC_CODE, "unsupported protocol scheme %s", quoted.data);
        buf_free(&quoted);
        return false;
    }
    if (parts->host.len == 0 || memchr(parts->host.data, 0, parts->host.len))
        return error_set(err, URL_GENERIC_CODE, "http: no Host in request URL");
    return true;
}

/* All texts of a URL one after the other, each ended by a zero; offsets until the block has its place. */
struct layout {
    struct buf texts;
    size_t text, clean, clean_len, host, host_header, target, path, user, password;
};

static size_t begin(struct layout *l)
{
    if (l->texts.len)
        buf_add_char(&l->texts, 0);
    return l->texts.len;
}

static void lay_out_host(struct arena *arena, struct layout *l, const struct url_parts *parts, struct text host,
                         struct text port)
{
    host = wire_host(arena, host);
    l->host = begin(l);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        buf_add_char(&l->texts, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    l->host_header = begin(l);
    bool bracketed = parts->host.data[0] == '[';
    const char *zone = bracketed ? memchr(host.data, '%', host.len) : NULL;
    if (bracketed)
        buf_add_char(&l->texts, '[');
    buf_add(&l->texts, host.data, zone ? (size_t)(zone - host.data) : host.len);
    if (bracketed)
        buf_add_char(&l->texts, ']');
    if (port.len) {
        buf_add_char(&l->texts, ':');
        buf_add(&l->texts, port.data, port.len);
    }
}

static void lay_out(struct arena *arena, struct layout *l, const struct url_parts *parts)
{
    l->text = begin(l);
    url_print(arena, parts, false, &l->texts);
    l->clean = begin(l);
    url_print(arena, parts, true, &l->texts);
    l->clean_len = l->texts.len - l->clean;
    l->target = begin(l);
    url_print_target(arena, parts, &l->texts);
    l->path = begin(l);
    if (parts->path.len == 0 || parts->path.data[0] != '/')
        buf_add_char(&l->texts, '/');
    buf_add(&l->texts, parts->path.data, parts->path.len);
    l->user = begin(l);
    buf_add(&l->texts, parts->user.data, parts->user.len);
    l->password = begin(l);
    buf_add(&l->texts, parts->password.data, parts->password.len);
}

/* "/users/undefined", "?id=undefined&x=1": what a template with an undefined variable becomes. */
static bool has_undefined(const char *target)
{
    for (const char *at = target; (at = strstr(at, "undefined")) != NULL; at += 9)
        if (at > target && (at[-1] == '/' || at[-1] == '=') && (!at[9] || strchr("/&?#", at[9])))
            return true;
    return false;
}

static struct http_url *url_new(const struct layout *l, const struct url_parts *parts, uint16_t port)
{
    struct http_url *url = mem_zalloc(sizeof(*url) + l->texts.len + 1);
    char *texts = (char *)(url + 1);
    memcpy(texts, l->texts.data, l->texts.len + 1);
    url->refs = 1;
    url->port = port;
    url->tls = parts->scheme.len == 5;
    url->text = texts + l->text;
    url->clean = texts + l->clean;
    url->clean_len = l->clean_len;
    url->host = texts + l->host;
    url->host_header = texts + l->host_header;
    url->target = texts + l->target;
    url->path = texts + l->path;
    url->has_undefined = has_undefined(url->target);
    if (parts->has_user) {
        url->user = texts + l->user;
        url->password = parts->has_password ? texts + l->password : NULL;
    }
    size_t host_len = strlen(url->host);
    url->host_is_ip = is_ip(url->host);
    if (host_len && url->host[host_len - 1] == '.')
        host_len--;
    url->cookie_host_len = (uint16_t)host_len;
    url->cookie_key_at = url->host_is_ip ? 0 : (uint16_t)cookie_key_start(url->host, host_len);
    return url;
}

static struct http_url *url_from_parts(struct arena *arena, const struct url_parts *parts, struct error *err)
{
    if (!check_sendable(parts, err))
        return NULL;
    struct text port_text, host = host_without_port(parts->host, &port_text);
    uint16_t port = 0;
    if (host.len == 0 || host.len > UINT16_MAX / 8) {
        error_set(err, URL_GENERIC_CODE, host.len ? "http: invalid Host header" : "http: no Host in request URL");
        return NULL;
    }
    if (!parse_port(port_text, parts->scheme.len == 5, &port, err))
        return NULL;
    struct layout l = {0};
    lay_out(arena, &l, parts);
    lay_out_host(arena, &l, parts, host, port_text);
    struct http_url *url = NULL;
    if (is_host_header(l.texts.data + l.host_header))
        url = url_new(&l, parts, port);
    else
        error_set(err, URL_GENERIC_CODE, "http: invalid Host header");
    buf_free(&l.texts);
    return url;
}

static bool split(struct arena *arena, struct url_parts *parts, const char *text, size_t len, struct error *err)
{
    struct buf problem = {0};
    bool ok = url_split(arena, parts, text, len, &problem);
    if (!ok)
        error_set(err, URL_INVALID_CODE, "invalid URL: %s", problem.data);
    buf_free(&problem);
    return ok;
}

struct url_table *url_table_new(size_t max_entries)
{
    struct url_table *t = mem_zalloc(sizeof(*t));
    t->max = (uint32_t)(max_entries ? max_entries : DEFAULT_MAX_ENTRIES);
    return t;
}

void url_table_free(struct url_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->count; i++) {
        mem_free(t->entries[i].key);
        http_url_unref(t->entries[i].url);
    }
    mem_free(t->entries);
    mem_free(t->buckets);
    arena_free(&t->scratch);
    mem_free(t);
}

static struct entry *find(struct url_table *t, const char *text, size_t len, uint64_t hash)
{
    if (t->bucket_count == 0)
        return NULL;
    for (uint32_t i = t->buckets[hash & (t->bucket_count - 1)]; i != NOWHERE; i = t->entries[i].next) {
        struct entry *e = &t->entries[i];
        if (e->hash == hash && e->key_len == len && memcmp(e->key, text, len) == 0)
            return e;
    }
    return NULL;
}

static void link_entry(struct url_table *t, uint32_t index)
{
    uint32_t *first = &t->buckets[t->entries[index].hash & (t->bucket_count - 1)];
    t->entries[index].next = *first;
    *first = index;
}

static void unlink_entry(struct url_table *t, uint32_t index)
{
    uint32_t *at = &t->buckets[t->entries[index].hash & (t->bucket_count - 1)];
    while (*at != index)
        at = &t->entries[*at].next;
    *at = t->entries[index].next;
}

static void grow(struct url_table *t)
{
    uint32_t cap = t->cap ? t->cap * 2 : 64;
    t->cap = cap < t->max ? cap : t->max;
    t->entries = mem_realloc(t->entries, t->cap * sizeof(*t->entries));
    if (t->bucket_count >= t->cap)
        return;
    t->bucket_count = t->bucket_count ? t->bucket_count : 64;
    while (t->bucket_count < t->cap)
        t->bucket_count *= 2;
    mem_free(t->buckets);
    t->buckets = mem_array(t->bucket_count, sizeof(*t->buckets));
    memset(t->buckets, 0xff, t->bucket_count * sizeof(*t->buckets));
    for (uint32_t i = 0; i < t->count; i++)
        link_entry(t, i);
}

/* A free entry: a new one, or that of the first URL at the hand that nobody asked for lately. */
static uint32_t free_entry(struct url_table *t)
{
    if (t->count < t->max) {
        if (t->count == t->cap)
            grow(t);
        return t->count++;
    }
    while (t->entries[t->hand].used) {
        t->entries[t->hand].used = false;
        t->hand = (t->hand + 1) % t->max;
    }
    uint32_t index = t->hand;
    t->hand = (t->hand + 1) % t->max;
    unlink_entry(t, index);
    mem_free(t->entries[index].key);
    http_url_unref(t->entries[index].url);
    return index;
}

static void intern(struct url_table *t, const char *text, size_t len, uint64_t hash, struct http_url *url)
{
    uint32_t index = free_entry(t);
    t->entries[index] = (struct entry){.hash = hash, .key = mem_strndup(text, len), .key_len = (uint32_t)len, .url = url};
    link_entry(t, index);
    http_url_ref(url);
}

const struct http_url *url_table_get(struct url_table *t, const char *text, size_t len, struct error *err)
{
    uint64_t hash = text_hash(text, len);
    struct entry *e = find(t, text, len, hash);
    if (e) {
        e->used = true;
        return http_url_ref(e->url);
    }
    struct url_parts parts;
    struct http_url *url = NULL;
    if (split(&t->scratch, &parts, text, len, err))
        url = url_from_parts(&t->scratch, &parts, err);
    arena_reset(&t->scratch);
    if (url && len <= INTERN_MAX_LEN)
        intern(t, text, len, hash, url);
    return url;
}

const struct http_url *url_table_resolve(struct url_table *t, const struct http_url *base, const char *reference,
                                         size_t len, struct error *err)
{
    struct url_parts from, to, joined;
    struct buf text = {0};
    bool ok = split(&t->scratch, &from, base->text, strlen(base->text), err) &&
              split(&t->scratch, &to, reference, len, err);
    if (ok) {
        url_join(&t->scratch, &from, &to, &joined);
        url_print(&t->scratch, &joined, false, &text);
    }
    arena_reset(&t->scratch);
    const struct http_url *url = ok ? url_table_get(t, text.data ? text.data : "", text.len, err) : NULL;
    buf_free(&text);
    return url;
}
