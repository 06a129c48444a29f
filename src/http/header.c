/* SPDX-License-Identifier: Apache-2.0 */
#include "http/header.h"

#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/text.h"
#include "http/client.h"
#include "http/quote.h"

#define HEADER_ERROR_CODE 1000

static bool is_token_byte(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token_byte((unsigned char)text[i]))
            return false;
    return len > 0;
}

void header_canonical(char *out, const char *name, size_t len)
{
    if (out != name)
        memmove(out, name, len);
    if (!is_token(name, len))
        return;
    bool upper = true;
    for (size_t i = 0; i < len; i++) {
        char c = out[i];
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!upper && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        out[i] = c;
        upper = c == '-';
    }
}

bool header_name_is_valid(const char *name, size_t len)
{
    return is_token(name, len);
}

bool header_method_is_valid(const char *method, size_t len)
{
    return is_token(method, len);
}

bool header_value_is_valid(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool header_check(const char *name, size_t name_len, const char *value, size_t value_len, struct error *err)
{
    bool name_ok = header_name_is_valid(name, name_len);
    if (name_ok && header_value_is_valid(value, value_len))
        return true;
    struct buf quoted = {0};
    go_quote(&quoted, name, name_len);
    error_set(err, HEADER_ERROR_CODE,
              name_ok ? "net/http: invalid header field value for %s" : "net/http: invalid header field name %s",
              quoted.data);
    buf_free(&quoted);
    return false;
}

static bool is_named(const struct http_header *h, const char *name, size_t len)
{
    return h->name_len == len && memcmp(h->name, name, len) == 0;
}

const struct http_header *header_find(const struct http_header *headers, size_t count, const char *name, size_t len)
{
    for (size_t i = 0; i < count; i++)
        if (is_named(&headers[i], name, len))
            return &headers[i];
    return NULL;
}

bool header_join(struct buf *out, const struct http_header *headers, size_t count, const char *name, size_t len)
{
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (!is_named(&headers[i], name, len))
            continue;
        if (found)
            buf_add(out, ", ", 2);
        buf_add(out, headers[i].value, headers[i].value_len);
        found = true;
    }
    return found;
}

bool header_has_token(const char *value, size_t len, const char *token)
{
    struct text rest = {value, len}, wanted = text_of(token);
    while (rest.data) {
        struct text one = text_trim(text_cut(rest, ',', &rest));
        if (text_equal_nocase(one, wanted))
            return true;
    }
    return false;
}

