/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of Go's net/url, by hand. libcurl's URL parser was the other choice; but scripts see what Go
 * does with odd URLs: which texts it rejects and in what words, that it leaves dots in paths alone, prints
 * a path as it was written whenever that is a valid encoding, percent-encodes host names beyond ASCII and
 * accepts "mailto:x". A generic parser differs in each of these. */
#include "http/url_parse.h"

#include <string.h>

#include "core/buf.h"
#include "http/quote.h"

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, -1 for other bytes. */
static int hex_value(unsigned char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool must_escape(unsigned char c, enum url_escape mode)
{
    if (is_letter(c) || is_digit(c) || is_one_of(c, "-_.~"))
        return false;
    if ((mode == URL_ESCAPE_HOST || mode == URL_ESCAPE_ZONE) && is_one_of(c, "!$&'()*+,;=:[]<>\""))
        return false;
    if (is_one_of(c, "$&+,/:;=?@")) {
        switch (mode) {
        case URL_ESCAPE_PATH:
            return c == '?';
        case URL_ESCAPE_SEGMENT:
            return is_one_of(c, "/;,?");
        case URL_ESCAPE_USER:
            return is_one_of(c, "@/?:");
        case URL_ESCAPE_FRAGMENT:
            return false;
        default:
            return true;
        }
    }
    return !(mode == URL_ESCAPE_FRAGMENT && is_one_of(c, "!()*"));
}

void url_escape(struct buf *out, const char *data, size_t len, enum url_escape mode)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = buf_reserve(out, 3 * len);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c == ' ' && mode == URL_ESCAPE_QUERY) {
            to[n++] = '+';
        } else if (must_escape(c, mode)) {
            to[n++] = '%';
            to[n++] = digits[c >> 4];
            to[n++] = digits[c & 15];
        } else {
            to[n++] = (char)c;
        }
    }
    buf_added(out, n);
}

static void add_invalid_escape(struct buf *problem, struct text rest)
{
    buf_add_text(problem, "invalid URL escape ");
    go_quote(problem, rest.data, rest.len < 3 ? rest.len : 3);
}

/* Undoes percent-encoding. Hosts may hold few plain bytes, and only bytes beyond ASCII encoded; the zone
 * of an IPv6 address also what would have to be. */
static bool unescape(struct arena *arena, struct text in, enum url_escape mode, struct text *out, struct buf *problem)
{
    bool strict = mode == URL_ESCAPE_HOST || mode == URL_ESCAPE_ZONE;
    char *to = arena_alloc(arena, in.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.data[i];
        if (c != '%') {
            if (strict && c < 0x80 && must_escape(c, mode)) {
                buf_add_text(problem, "invalid character ");
                go_quote(problem, in.data + i, 1);
                buf_add_text(problem, " in host name");
                return false;
            }
            to[n++] = (char)c;
            continue;
        }
        int high = i + 2 < in.len ? hex_value((unsigned char)in.data[i + 1]) : -1;
        int low = i + 2 < in.len ? hex_value((unsigned char)in.data[i + 2]) : -1;
        bool bad = high < 0 || low < 0;
        int value = bad ? 0 : high << 4 | low;
        if (!bad && value != '%' && mode == URL_ESCAPE_HOST)
            bad = value < 0x80;
        if (!bad && value != '%' && mode == URL_ESCAPE_ZONE)
            bad = value != ' ' && must_escape((unsigned char)value, URL_ESCAPE_HOST);
        if (bad) {
            add_invalid_escape(problem, (struct text){in.data + i, in.len - i});
            return false;
        }
        to[n++] = (char)value;
        i += 2;
    }
    to[n] = 0;
    *out = (struct text){to, n};
    return true;
}

static struct text escaped_in(struct arena *arena, struct text in, enum url_escape mode)
{
    struct buf b = {0};
    url_escape(&b, in.data, in.len, mode);
    struct text out = {arena_strndup(arena, b.data, b.len), b.len};
    buf_free(&b);
    return out;
}

/* Decodes written into *plain and remembers how it was written if escaping plain gives something else. */
static bool set_decoded(struct arena *arena, struct text written, enum url_escape mode, struct text *plain,
                        struct text *raw, struct buf *problem)
{
    if (!unescape(arena, written, mode, plain, problem))
        return false;
    bool usual = text_equal(escaped_in(arena, *plain, mode), written);
    *raw = usual ? (struct text){0} : written;
    return true;
}

static bool is_valid_encoding(struct text raw, enum url_escape mode)
{
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        if (!is_one_of(c, "!$&'()*+,;=:@[]%") && must_escape(c, mode))
            return false;
    }
    return true;
}

/* As written if that is a valid encoding, as Go would write it otherwise. */
static struct text encoded(struct arena *arena, struct text plain, struct text raw, enum url_escape mode)
{
    if (raw.len && is_valid_encoding(raw, mode))
        return raw;
    if (mode == URL_ESCAPE_PATH && text_equal(plain, TEXT("*")))
        return plain;
    return escaped_in(arena, plain, mode);
}

/* Splits "scheme:rest"; an empty scheme when there is none. */
static bool cut_scheme(struct text *rest, struct text *scheme, struct buf *problem)
{
    *scheme = (struct text){0};
    for (size_t i = 0; i < rest->len; i++) {
        unsigned char c = (unsigned char)rest->data[i];
        if (is_letter(c))
            continue;
        if (i > 0 && (is_digit(c) || is_one_of(c, "+-.")))
            continue;
        if (c != ':')
            return true;
        if (i == 0) {
            buf_add_text(problem, "missing protocol scheme");
            return false;
        }
        *scheme = (struct text){rest->data, i};
        *rest = (struct text){rest->data + i + 1, rest->len - i - 1};
        return true;
    }
    return true;
}

static struct text lower_case(struct arena *arena, struct text in)
{
    char *copy = arena_strndup(arena, in.data, in.len);
    for (size_t i = 0; i < in.len; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] | 0x20);
    return (struct text){copy, in.len};
}

static bool is_optional_port(struct text t)
{
    if (t.len && t.data[0] != ':')
        return false;
    for (size_t i = 1; i < t.len; i++)
        if (!is_digit((unsigned char)t.data[i]))
            return false;
    return true;
}

static const char *last_byte(struct text t, char c)
{
    return t.data && t.len ? memrchr(t.data, c, t.len) : NULL;
}

static bool check_port(struct text port, struct buf *problem)
{
    if (is_optional_port(port))
        return true;
    buf_add_text(problem, "invalid port ");
    go_quote(problem, port.data, port.len);
    buf_add_text(problem, " after host");
    return false;
}

static bool split_bracketed_host(struct arena *arena, struct text host, struct text *out, struct buf *problem)
{
    const char *close = last_byte(host, ']');
    if (!close) {
        buf_add_text(problem, "missing ']' in host");
        return false;
    }
    const char *end = host.data + host.len;
    if (!check_port((struct text){close + 1, (size_t)(end - close - 1)}, problem))
        return false;
    const char *zone = memmem(host.data, (size_t)(close - host.data), "%25", 3);
    if (!zone)
        return unescape(arena, host, URL_ESCAPE_HOST, out, problem);
    struct text a, b, c;
    if (!unescape(arena, (struct text){host.data, (size_t)(zone - host.data)}, URL_ESCAPE_HOST, &a, problem) ||
        !unescape(arena, (struct text){zone, (size_t)(close - zone)}, URL_ESCAPE_ZONE, &b, problem) ||
        !unescape(arena, (struct text){close, (size_t)(end - close)}, URL_ESCAPE_HOST, &c, problem))
        return false;
    char *all = arena_alloc(arena, a.len + b.len + c.len + 1);
    memcpy(all, a.data, a.len);
    memcpy(all + a.len, b.data, b.len);
    memcpy(all + a.len + b.len, c.data, c.len);
    *out = (struct text){all, a.len + b.len + c.len};
    return true;
}

static bool split_host(struct arena *arena, struct text host, struct text *out, struct buf *problem)
{
    if (host.len && host.data[0] == '[')
        return split_bracketed_host(arena, host, out, problem);
    const char *colon = last_byte(host, ':');
    if (colon && !check_port((struct text){colon, (size_t)(host.data + host.len - colon)}, problem))
        return false;
    return unescape(arena, host, URL_ESCAPE_HOST, out, problem);
}

static bool split_user(struct arena *arena, struct text info, struct url_parts *parts, struct buf *problem)
{
    for (size_t i = 0; i < info.len; i++) {
        unsigned char c = (unsigned char)info.data[i];
        if (!is_letter(c) && !is_digit(c) && !is_one_of(c, "-._:~!$&'()*+,;=%@")) {
            buf_add_text(problem, "net/url: invalid userinfo");
            return false;
        }
    }
    struct text password, user = text_cut(info, ':', &password);
    parts->has_user = true;
    parts->has_password = password.data != NULL;
    if (!unescape(arena, user, URL_ESCAPE_USER, &parts->user, problem))
        return false;
    return !parts->has_password || unescape(arena, password, URL_ESCAPE_USER, &parts->password, problem);
}

static bool split_authority(struct arena *arena, struct text authority, struct url_parts *parts, struct buf *problem)
{
    const char *at = last_byte(authority, '@');
    if (!at)
        return split_host(arena, authority, &parts->host, problem);
    size_t user_len = (size_t)(at - authority.data);
    struct text host = {at + 1, authority.len - user_len - 1};
    return split_host(arena, host, &parts->host, problem) &&
           split_user(arena, (struct text){authority.data, user_len}, parts, problem);
}

/* "rest?query" without the scheme; a '?' that ends the text and is the only one is kept as such. */
static struct text cut_query(struct text rest, struct url_parts *parts)
{
    const char *mark = rest.len ? memchr(rest.data, '?', rest.len) : NULL;
    if (!mark)
        return rest;
    size_t before = (size_t)(mark - rest.data);
    if (before + 1 == rest.len)
        parts->force_query = true;
    else
        parts->query = (struct text){mark + 1, rest.len - before - 1};
    return (struct text){rest.data, before};
}

static bool split_without_fragment(struct arena *arena, struct url_parts *parts, struct text in, struct buf *problem)
{
    for (size_t i = 0; i < in.len; i++)
        if ((unsigned char)in.data[i] < ' ' || in.data[i] == 0x7f) {
            buf_add_text(problem, "net/url: invalid control character in URL");
            return false;
        }
    if (text_equal(in, TEXT("*"))) {
        parts->path = TEXT("*");
        return true;
    }
    struct text rest = in;
    if (!cut_scheme(&rest, &parts->scheme, problem))
        return false;
    parts->scheme = lower_case(arena, parts->scheme);
    rest = cut_query(rest, parts);
    if (!text_starts(rest, "/")) {
        if (parts->scheme.len) {
            parts->opaque = rest;
            return true;
        }
        struct text after, segment = text_cut(rest, '/', &after);
        if (segment.len && memchr(segment.data, ':', segment.len)) {
            buf_add_text(problem, "first path segment in URL cannot contain colon");
            return false;
        }
    }
    if (text_starts(rest, "//") && (parts->scheme.len || !text_starts(rest, "///"))) {
        struct text authority = {rest.data + 2, rest.len - 2};
        const char *slash = memchr(authority.data, '/', authority.len);
        if (slash)
            authority.len = (size_t)(slash - authority.data);
        rest = (struct text){authority.data + authority.len, rest.len - 2 - authority.len};
        if (!split_authority(arena, authority, parts, problem))
            return false;
    } else if (parts->scheme.len && text_starts(rest, "/")) {
        parts->omit_host = true;
    }
    return set_decoded(arena, rest, URL_ESCAPE_PATH, &parts->path, &parts->raw_path, problem);
}

bool url_split(struct arena *arena, struct url_parts *parts, const char *text, size_t len, struct buf *problem)
{
    *parts = (struct url_parts){0};
    struct text all = {text, len}, fragment, before = text_cut(all, '#', &fragment);
    struct buf cause = {0};
    bool ok = split_without_fragment(arena, parts, before, &cause);
    struct text blamed = before;
    if (ok && fragment.len) {
        ok = set_decoded(arena, fragment, URL_ESCAPE_FRAGMENT, &parts->fragment, &parts->raw_fragment, &cause);
        blamed = all;
    }
    if (!ok) {
        buf_add_text(problem, "parse ");
        go_quote(problem, blamed.data, blamed.len);
        buf_add_text(problem, ": ");
        buf_add(problem, cause.data, cause.len);
    }
    buf_free(&cause);
    return ok;
}

/* RFC 3986, 5.2.3 and 5.2.4, on encoded paths. */
static struct text merge_paths(struct arena *arena, struct text base, struct text reference)
{
    struct buf full = {0}, out = {0};
    if (reference.len == 0 || reference.data[0] != '/') {
        const char *slash = last_byte(base, '/');
        buf_add(&full, base.data, reference.len == 0 ? base.len : slash ? (size_t)(slash - base.data) + 1 : 0);
    }
    buf_add(&full, reference.data, reference.len);
    if (full.len == 0) {
        buf_free(&full);
        return (struct text){0};
    }
    struct text rest = {full.data, full.len}, segment = {0};
    if (rest.data[0] == '/')
        rest = (struct text){rest.data + 1, rest.len - 1};
    bool dots = false;
    while (rest.data) {
        segment = text_cut(rest, '/', &rest);
        dots = text_equal(segment, TEXT(".")) || text_equal(segment, TEXT(".."));
        if (!dots) {
            buf_add_char(&out, '/');
            buf_add(&out, segment.data, segment.len);
        } else if (segment.len == 2) {
            const char *slash = last_byte((struct text){out.data, out.len}, '/');
            out.len = slash ? (size_t)(slash - out.data) : 0;
        }
    }
    if (dots || out.len == 0)
        buf_add_char(&out, '/');
    struct text merged = {arena_strndup(arena, out.data, out.len), out.len};
    buf_free(&full);
    buf_free(&out);
    return merged;
}

static void set_merged_path(struct arena *arena, struct url_parts *result, struct text base, struct text reference)
{
    struct buf ignored = {0}; /* encoded paths decode */
    set_decoded(arena, merge_paths(arena, base, reference), URL_ESCAPE_PATH, &result->path, &result->raw_path, &ignored);
    buf_free(&ignored);
}

void url_join(struct arena *arena, const struct url_parts *base, const struct url_parts *reference,
              struct url_parts *result)
{
    *result = *reference;
    struct text path = encoded(arena, reference->path, reference->raw_path, URL_ESCAPE_PATH);
    if (reference->scheme.len == 0)
        result->scheme = base->scheme;
    if (reference->scheme.len || reference->host.len || reference->has_user) {
        set_merged_path(arena, result, path, (struct text){0});
        return;
    }
    if (reference->path.len == 0 && !reference->force_query && reference->query.len == 0) {
        result->query = base->query;
        if (reference->fragment.len == 0) {
            result->fragment = base->fragment;
            result->raw_fragment = base->raw_fragment;
        }
    }
    if (reference->path.len == 0 && base->opaque.len) {
        result->opaque = base->opaque;
        return;
    }
    result->host = base->host;
    result->has_user = base->has_user;
    result->has_password = base->has_password;
    result->user = base->user;
    result->password = base->password;
    set_merged_path(arena, result, encoded(arena, base->path, base->raw_path, URL_ESCAPE_PATH), path);
}

static void print_user(const struct url_parts *parts, bool hide, struct buf *out)
{
    if (!parts->has_user)
        return;
    if (hide) {
        buf_add_text(out, parts->has_password ? "****:****@" : "****@");
        return;
    }
    url_escape(out, parts->user.data, parts->user.len, URL_ESCAPE_USER);
    if (parts->has_password) {
        buf_add_char(out, ':');
        url_escape(out, parts->password.data, parts->password.len, URL_ESCAPE_USER);
    }
    buf_add_char(out, '@');
}

static void print_hierarchy(struct arena *arena, const struct url_parts *parts, bool hide_user, struct buf *out)
{
    bool has_authority = parts->host.len || parts->has_user;
    bool slashes = has_authority || (parts->scheme.len && parts->path.len && !parts->omit_host);
    if (slashes)
        buf_add_text(out, "//");
    print_user(parts, hide_user, out);
    url_escape(out, parts->host.data, parts->host.len, URL_ESCAPE_HOST);
    struct text path = encoded(arena, parts->path, parts->raw_path, URL_ESCAPE_PATH);
    if (path.len && path.data[0] != '/' && parts->host.len)
        buf_add_char(out, '/');
    if (out->len == 0) {
        struct text rest, segment = text_cut(path, '/', &rest);
        if (segment.len && memchr(segment.data, ':', segment.len))
            buf_add_text(out, "./");
    }
    buf_add(out, path.data, path.len);
}

static void print_query(const struct url_parts *parts, struct buf *out)
{
    if (parts->force_query || parts->query.len) {
        buf_add_char(out, '?');
        buf_add(out, parts->query.data, parts->query.len);
    }
}

void url_print(struct arena *arena, const struct url_parts *parts, bool hide_user, struct buf *out)
{
    struct buf text = {0};
    if (parts->scheme.len) {
        buf_add(&text, parts->scheme.data, parts->scheme.len);
        buf_add_char(&text, ':');
    }
    if (parts->opaque.len)
        buf_add(&text, parts->opaque.data, parts->opaque.len);
    else
        print_hierarchy(arena, parts, hide_user, &text);
    print_query(parts, &text);
    if (parts->fragment.len) {
        struct text fragment = encoded(arena, parts->fragment, parts->raw_fragment, URL_ESCAPE_FRAGMENT);
        buf_add_char(&text, '#');
        buf_add(&text, fragment.data, fragment.len);
    }
    buf_add(out, text.data, text.len);
    buf_free(&text);
}

void url_print_target(struct arena *arena, const struct url_parts *parts, struct buf *out)
{
    struct text path = encoded(arena, parts->path, parts->raw_path, URL_ESCAPE_PATH);
    if (path.len == 0 || path.data[0] != '/')
        buf_add_char(out, '/');
    buf_add(out, path.data, path.len);
    print_query(parts, out);
}
