/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

struct text text_of(const char *zero_terminated)
{
    return (struct text){zero_terminated, zero_terminated ? strlen(zero_terminated) : 0};
}

bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool text_equal_nocase(struct text a, struct text b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool text_starts(struct text t, const char *prefix)
{
    size_t len = strlen(prefix);
    return t.len >= len && memcmp(t.data, prefix, len) == 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

struct text text_trim(struct text t)
{
    while (t.len && is_space(t.data[0])) {
        t.data++;
        t.len--;
    }
    while (t.len && is_space(t.data[t.len - 1]))
        t.len--;
    return t;
}

struct text text_cut(struct text t, char separator, struct text *rest)
{
    const char *at = t.len ? memchr(t.data, separator, t.len) : NULL;
    if (!at) {
        *rest = (struct text){NULL, 0};
        return t;
    }
    size_t before = (size_t)(at - t.data);
    *rest = (struct text){at + 1, t.len - before - 1};
    return (struct text){t.data, before};
}

bool text_to_int(struct text t, int64_t *value)
{
    char copy[32];
    if (t.len == 0 || t.len >= sizeof(copy) || is_space(t.data[0]))
        return false;
    memcpy(copy, t.data, t.len);
    copy[t.len] = '\0';
    char *end;
    errno = 0;
    long long parsed = strtoll(copy, &end, 10);
    if (errno || *end)
        return false;
    *value = parsed;
    return true;
}

bool text_to_double(struct text t, double *value)
{
    char copy[64];
    if (t.len == 0 || t.len >= sizeof(copy) || is_space(t.data[0]))
        return false;
    memcpy(copy, t.data, t.len);
    copy[t.len] = '\0';
    char *end;
    double parsed = strtod(copy, &end);
    if (*end || end == copy)
        return false;
    *value = parsed;
    return true;
}

struct unit {
    const char *name;
    double ns;
};

static const struct unit units[] = {
    {"ns", 1},       {"us", 1e3},      {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3}, {"ms", 1e6},
    {"s", 1e9},      {"m", 60e9},      {"h", 3600e9},      {"d", 86400e9},
};

static const struct unit *unit_at(const char *at, size_t len)
{
    const struct unit *best = NULL;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t n = strlen(units[i].name);
        if (n <= len && memcmp(at, units[i].name, n) == 0 && (!best || n > strlen(best->name)))
            best = &units[i];
    }
    return best;
}

bool text_to_duration_ns(struct text t, int64_t *ns)
{
    bool negative = false;
    if (t.len && (t.data[0] == '-' || t.data[0] == '+')) {
        negative = t.data[0] == '-';
        t.data++;
        t.len--;
    }
    if (t.len == 1 && t.data[0] == '0') {
        *ns = 0;
        return true;
    }
    if (t.len == 0)
        return false;
    long double total = 0;
    while (t.len) {
        size_t digits = 0;
        bool dot = false, any = false;
        while (digits < t.len && ((t.data[digits] >= '0' && t.data[digits] <= '9') || (t.data[digits] == '.' && !dot))) {
            if (t.data[digits] == '.')
                dot = true;
            else
                any = true;
            digits++;
        }
        char copy[48];
        if (!any || digits >= sizeof(copy))
            return false;
        memcpy(copy, t.data, digits);
        copy[digits] = '\0';
        const struct unit *unit = unit_at(t.data + digits, t.len - digits);
        if (!unit)
            return false;
        total += strtold(copy, NULL) * (long double)unit->ns;
        size_t used = digits + strlen(unit->name);
        t.data += used;
        t.len -= used;
    }
    if (total > (long double)INT64_MAX)
        return false;
    *ns = negative ? -(int64_t)(total + 0.5L) : (int64_t)(total + 0.5L);
    return true;
}

/* value / 10^digits without trailing zeros. */
static void add_fraction(struct buf *out, uint64_t value, int digits, const char *unit)
{
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++)
        scale *= 10;
    buf_printf(out, "%" PRIu64, value / scale);
    uint64_t rest = value % scale;
    if (rest) {
        char text[24];
        int len = snprintf(text, sizeof(text), ".%0*" PRIu64, digits, rest);
        while (text[len - 1] == '0')
            len--;
        buf_add(out, text, (size_t)len);
    }
    buf_add_text(out, unit);
}

void duration_format(struct buf *out, int64_t ns)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (left == 0) {
        buf_add_text(out, "0s");
        return;
    }
    if (ns < 0)
        buf_add_char(out, '-');
    if (left < 1000) {
        add_fraction(out, left, 0, "ns");
    } else if (left < 1000000) {
        add_fraction(out, left, 3, "\xc2\xb5s");
    } else if (left < 1000000000) {
        add_fraction(out, left, 6, "ms");
    } else {
        uint64_t hours = left / UINT64_C(3600000000000), minutes = left / UINT64_C(60000000000) % 60;
        if (hours)
            buf_printf(out, "%" PRIu64 "h", hours);
        if (hours || minutes)
            buf_printf(out, "%" PRIu64 "m", minutes);
        add_fraction(out, left % UINT64_C(60000000000), 9, "s");
    }
}

void number_format(struct buf *out, double value)
{
    if (!isfinite(value)) {
        buf_add_text(out, "null");
        return;
    }
    if (value == 0) {
        buf_add_char(out, '0');
        return;
    }
    if (fabs(value) < 1e15 && value == (double)(int64_t)value) {
        buf_printf(out, "%" PRId64, (int64_t)value);
        return;
    }
    char text[40];
    int precision = 1;
    for (; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (fabs(value) >= 1e21 || fabs(value) < 1e-6) {
        /* d.ddde+XX: drop the exponent's leading zero as Go and JavaScript do */
        char *e = strchr(text, 'e');
        char sign = e[1];
        int exponent = abs((int)strtol(e + 1, NULL, 10));
        buf_add(out, text, (size_t)(e - text));
        buf_printf(out, "e%c%d", sign, exponent);
        return;
    }
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    int decimals = precision - 1 - exponent;
    buf_printf(out, "%.*f", decimals > 0 ? decimals : 0, value);
}

/* The length of the valid UTF-8 sequence at data, 0 when it is none. */
static size_t utf8_length(const unsigned char *data, size_t len)
{
    unsigned char c = data[0];
    size_t need = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (!need || need > len)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && data[1] < 0xa0) || (c == 0xed && data[1] > 0x9f) || (c == 0xf0 && data[1] < 0x90) || (c == 0xf4 && data[1] > 0x8f))
        return 0;
    return need;
}

void json_quote(struct buf *out, const char *data, size_t len)
{
    buf_reserve(out, len + 2);
    buf_add_char(out, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)data[i];
        size_t n = utf8_length((const unsigned char *)data + i, len - i);
        if (n == 0) {
            buf_add_text(out, "\xef\xbf\xbd");
            i++;
            continue;
        }
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\r')
            buf_add_text(out, "\\r");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_add(out, data + i, n);
        i += n;
    }
    buf_add_char(out, '"');
}

uint64_t text_hash(const void *data, size_t len)
{
    /* wyhash-like mixing of 8 bytes at a time: fast on the short keys this program has */
    const unsigned char *p = data;
    uint64_t h = 0x9e3779b97f4a7c15u ^ len;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        __uint128_t m = (__uint128_t)(h ^ word) * 0xa0761d6478bd642fu;
        h = (uint64_t)m ^ (uint64_t)(m >> 64);
        p += 8;
        len -= 8;
    }
    uint64_t word = 0;
    if (len)
        memcpy(&word, p, len);
    __uint128_t m = (__uint128_t)(h ^ word) * 0xe7037ed1a0b428dbu;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}
