/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base64.h"

#include <stdint.h>

static const char std_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(struct buf *out, const void *data, size_t len, enum base64_form form)
{
    const char *letters = form & BASE64_URL ? url_letters : std_letters;
    const uint8_t *from = data;
    char *to = buf_reserve(out, (len + 2) / 3 * 4), *start = to;
    for (; len >= 3; from += 3, len -= 3) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = letters[bits >> shift & 63];
    }
    if (len) {
        uint32_t bits = (uint32_t)from[0] << 16 | (len > 1 ? (uint32_t)from[1] << 8 : 0);
        *to++ = letters[bits >> 18 & 63];
        *to++ = letters[bits >> 12 & 63];
        if (len > 1)
            *to++ = letters[bits >> 6 & 63];
        for (size_t i = len; i < 3 && !(form & BASE64_RAW); i++)
            *to++ = '=';
    }
    buf_added(out, (size_t)(to - start));
}

static int value_of(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

bool base64_decode(struct buf *out, const char *text, size_t len, enum base64_form form)
{
    char *to = buf_reserve(out, len / 4 * 3 + 3), *start = to;
    uint32_t bits = 0;
    unsigned letters = 0, padding = 0;
    bool valid = true;
    for (size_t i = 0; i < len && valid; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            continue;
        if (text[i] == '=') {
            valid = !(form & BASE64_RAW) && letters % 4 >= 2 && letters % 4 + ++padding <= 4;
            continue;
        }
        int value = value_of(text[i], form & BASE64_URL);
        valid = value >= 0 && !padding;
        bits = bits << 6 | (uint32_t)(value & 63);
        if (valid && ++letters % 4 == 0) {
            *to++ = (char)(bits >> 16);
            *to++ = (char)(bits >> 8);
            *to++ = (char)bits;
        }
    }
    unsigned rest = letters % 4;
    if (valid && rest)
        valid = rest != 1 && (form & BASE64_RAW || rest + padding == 4);
    if (valid && rest >= 2)
        *to++ = (char)(rest == 2 ? bits >> 4 : bits >> 10);
    if (valid && rest == 3)
        *to++ = (char)(bits >> 2);
    buf_added(out, (size_t)(to - start));
    return valid;
}
