/* SPDX-License-Identifier: Apache-2.0 */
/* The Set-Cookie header as Go's net/http reads it: stricter than browsers on names and values, deaf to
 * attributes that it does not understand. The jar is in cookie_jar.c. */
#include "http/cookie.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/cookie_date.h"
#include "http/header.h"

static bool is_value_byte(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != ';' && c != '\\';
}

static bool is_value(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!is_value_byte((unsigned char)t.data[i]))
            return false;
    return true;
}

/* White space of header fields, which is not all of ASCII's. */
static struct text trim(struct text t)
{
    while (t.len && strchr(" \t\r\n", t.data[0]) && t.data[0])
        t = (struct text){t.data + 1, t.len - 1};
    while (t.len && strchr(" \t\r\n", t.data[t.len - 1]) && t.data[t.len - 1])
        t.len--;
    return t;
}

struct fields {
    struct text name, value, domain, path;
};

/* Go's strconv.Atoi, and no number with a leading zero but 0 itself. */
static bool parse_max_age(struct text value, int64_t *seconds)
{
    struct text digits = value;
    if (digits.len && (digits.data[0] == '+' || digits.data[0] == '-'))
        digits = (struct text){digits.data + 1, digits.len - 1};
    for (size_t i = 0; i < digits.len; i++)
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
    int64_t number;
    if (digits.len == 0 || !text_to_int(digits, &number))
        return false;
    if (value.data[0] == '-')
        number = -number;
    if (number != 0 && value.data[0] == '0')
        return false;
    *seconds = number > 0 ? number : -1;
    return true;
}

static enum cookie_same_site parse_same_site(struct text value)
{
    if (text_equal_nocase(value, TEXT("lax")))
        return COOKIE_SAME_SITE_LAX;
    if (text_equal_nocase(value, TEXT("strict")))
        return COOKIE_SAME_SITE_STRICT;
    if (text_equal_nocase(value, TEXT("none")))
        return COOKIE_SAME_SITE_NONE;
    return COOKIE_SAME_SITE_DEFAULT;
}

static void parse_attribute(struct text attribute, struct cookie *c, struct fields *f)
{
    struct text value, name = text_cut(attribute, '=', &value);
    if (attribute.len == 0 || !is_value(value))
        return;
    if (text_equal_nocase(name, TEXT("samesite"))) {
        c->same_site = parse_same_site(value);
    } else if (text_equal_nocase(name, TEXT("secure"))) {
        c->secure = true;
    } else if (text_equal_nocase(name, TEXT("httponly"))) {
        c->http_only = true;
    } else if (text_equal_nocase(name, TEXT("domain"))) {
        f->domain = value;
    } else if (text_equal_nocase(name, TEXT("path"))) {
        f->path = value;
    } else if (text_equal_nocase(name, TEXT("max-age"))) {
        parse_max_age(value, &c->max_age_s);
    } else if (text_equal_nocase(name, TEXT("expires"))) {
        if (!cookie_date_parse(value, &c->expires_wall_s))
            c->expires_wall_s = INT64_MIN;
    }
}

static char *place(char **at, struct text t)
{
    char *start = *at;
    if (t.len)
        memcpy(start, t.data, t.len);
    start[t.len] = 0;
    *at = start + t.len + 1;
    return start;
}

bool cookie_parse(const char *header, size_t len, struct cookie **cookie)
{
    struct text rest, first = trim(text_cut(trim((struct text){header, len}), ';', &rest));
    struct fields f = {0};
    f.name = text_cut(first, '=', &f.value);
    if (!f.value.data)
        return false;
    f.name = trim(f.name);
    struct cookie c = {.expires_wall_s = INT64_MIN};
    if (f.value.len > 1 && f.value.data[0] == '"' && f.value.data[f.value.len - 1] == '"') {
        f.value = (struct text){f.value.data + 1, f.value.len - 2};
        c.quoted = true;
    }
    if (!header_name_is_valid(f.name.data, f.name.len) || !is_value(f.value))
        return false;
    while (rest.data)
        parse_attribute(trim(text_cut(rest, ';', &rest)), &c, &f);

    struct cookie *made = mem_alloc(sizeof(*made) + f.name.len + f.value.len + f.domain.len + f.path.len + 4);
    char *at = (char *)(made + 1);
    *made = c;
    made->name = place(&at, f.name);
    made->value = place(&at, f.value);
    made->domain = place(&at, f.domain);
    made->path = place(&at, f.path);
    *cookie = made;
    return true;
}

void cookie_free(struct cookie *cookie)
{
    mem_free(cookie);
}

void cookie_add_to_header(struct buf *out, const char *name, const char *value, bool quoted)
{
    if (out->len)
        buf_add(out, "; ", 2);
    for (; *name; name++)
        buf_add_char(out, *name == '\r' || *name == '\n' ? '-' : *name);
    buf_add_char(out, '=');
    size_t start = out->len;
    bool odd = quoted;
    for (; *value; value++) {
        if (!is_value_byte((unsigned char)*value))
            continue;
        odd = odd || *value == ' ' || *value == ',';
        buf_add_char(out, *value);
    }
    size_t len = out->len - start;
    if (!odd || len == 0)
        return;
    buf_reserve(out, 2);
    memmove(out->data + start + 1, out->data + start, len);
    out->data[start] = out->data[start + len + 1] = '"';
    buf_added(out, 2);
}
