/* SPDX-License-Identifier: Apache-2.0 */
#include "http/quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/buf.h"

/* Decodes one character; its length in bytes, 0 when there is no valid UTF-8 here. */
static size_t decode_rune(const unsigned char *s, size_t len, uint32_t *rune)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0x80) {
        *rune = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
        return 0;
    uint32_t value = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3f);
    }
    if (value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *rune = value;
    return n;
}

/* What Go's unicode.IsPrint turns down and can well stand in a URL: controls, odd spaces, formats. */
static bool is_unprintable(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune <= 0xa0) || rune == 0xad || (rune >= 0x2000 && rune <= 0x200f) ||
           (rune >= 0x2028 && rune <= 0x202f) || (rune >= 0x205f && rune <= 0x206f) || rune == 0x3000 ||
           rune == 0xfeff || (rune >= 0xe000 && rune <= 0xf8ff) || (rune & 0xfffe) == 0xfffe;
}

static void add_rune(struct buf *out, const char *bytes, size_t n, uint32_t rune)
{
    static const char escaped[] = "\a\b\f\n\r\t\v", letters[] = "abfnrtv";
    if (rune == '"' || rune == '\\') {
        buf_add_char(out, '\\');
        buf_add_char(out, (char)rune);
        return;
    }
    if (!is_unprintable(rune)) {
        buf_add(out, bytes, n);
        return;
    }
    const char *at = rune && rune < 0x20 ? strchr(escaped, (int)rune) : NULL;
    if (at)
        buf_printf(out, "\\%c", letters[at - escaped]);
    else if (rune < 0x80)
        buf_printf(out, "\\x%02x", rune);
    else if (rune < 0x10000)
        buf_printf(out, "\\u%04x", rune);
    else
        buf_printf(out, "\\U%08x", rune);
}

void go_quote(struct buf *out, const char *text, size_t len)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < len;) {
        uint32_t rune;
        size_t n = decode_rune((const unsigned char *)text + i, len - i, &rune);
        if (n == 0) {
            buf_printf(out, "\\x%02x", (unsigned char)text[i]);
            i++;
            continue;
        }
        add_rune(out, text + i, n, rune);
        i += n;
    }
    buf_add_char(out, '"');
}
