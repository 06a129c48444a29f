/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON syntax check whose errors read like Go's encoding/json, since k6 shows those. No recursion: one
 * bit a nesting level says whether it is an object. */
#include "http/json_path.h"

#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "http/quote.h"

#define DEPTH_MAX 10000

struct checker {
    const unsigned char *at, *end;
    const char *context; /* what the byte at at is wrong for; NULL with at == end: the text ends too early */
    bool too_deep;
};

static bool wrong(struct checker *c, const char *context)
{
    c->context = context;
    return false;
}

static void skip_space(struct checker *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
        c->at++;
}

static bool is_digit(const struct checker *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool is_hex(unsigned char b)
{
    return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'f');
}

static bool check_escape(struct checker *c)
{
    if (c->at == c->end || *c->at == 0 || !strchr("\"\\/bfnrtu", *c->at))
        return wrong(c, "in string escape code");
    if (*c->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, c->at++)
        if (c->at == c->end || !is_hex(*c->at))
            return wrong(c, "in \\u hexadecimal character escape");
    return true;
}

static bool check_string(struct checker *c)
{
    for (c->at++; c->at < c->end && *c->at != '"';) {
        if (*c->at < 0x20)
            return wrong(c, "in string literal");
        if (*c->at++ == '\\' && !check_escape(c))
            return false;
    }
    if (c->at == c->end)
        return wrong(c, NULL);
    c->at++;
    return true;
}

static bool check_digits(struct checker *c, const char *context)
{
    if (!is_digit(c))
        return wrong(c, context);
    while (is_digit(c))
        c->at++;
    return true;
}

static bool check_number(struct checker *c)
{
    if (*c->at == '-')
        c->at++;
    if (c->at < c->end && *c->at == '0')
        c->at++;
    else if (!check_digits(c, "in numeric literal"))
        return false;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!check_digits(c, "after decimal point in numeric literal"))
            return false;
    }
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
            c->at++;
        return check_digits(c, "in exponent of numeric literal");
    }
    return true;
}

static bool check_word(struct checker *c)
{
    static const struct {
        const char *word;
        const char *context[5]; /* for its letters from the second on */
    } words[] = {
        {"true", {"in literal true (expecting 'r')", "in literal true (expecting 'u')", "in literal true (expecting 'e')"}},
        {"false",
         {"in literal false (expecting 'a')", "in literal false (expecting 'l')", "in literal false (expecting 's')",
          "in literal false (expecting 'e')"}},
        {"null", {"in literal null (expecting 'u')", "in literal null (expecting 'l')", "in literal null (expecting 'l')"}},
    };
    for (size_t w = 0; w < 3; w++) {
        if (*c->at != (unsigned char)words[w].word[0])
            continue;
        c->at++;
        for (size_t i = 1; words[w].word[i]; i++, c->at++)
            if (c->at == c->end || *c->at != (unsigned char)words[w].word[i])
                return wrong(c, words[w].context[i - 1]);
        return true;
    }
    return wrong(c, "looking for beginning of value");
}

static bool check_scalar(struct checker *c)
{
    if (*c->at == '"')
        return check_string(c);
    if (*c->at == '-' || is_digit(c))
        return check_number(c);
    return check_word(c);
}

/* A key and its colon. */
static bool check_key(struct checker *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at != '"')
        return wrong(c, "looking for beginning of object key string");
    if (!check_string(c))
        return false;
    skip_space(c);
    if (c->at == c->end || *c->at != ':')
        return wrong(c, "after object key");
    c->at++;
    return true;
}

/* After a value: closes what closes here. True with *more when a value follows. */
static bool check_after_value(struct checker *c, const uint8_t *objects, int *depth, bool *more)
{
    *more = false;
    while (*depth > 0) {
        bool object = objects[(*depth - 1) / 8] >> ((*depth - 1) % 8) & 1;
        skip_space(c);
        if (c->at < c->end && *c->at == ',') {
            c->at++;
            *more = true;
            return !object || check_key(c);
        }
        if (c->at == c->end || *c->at != (object ? '}' : ']'))
            return wrong(c, object ? "after object key:value pair" : "after array element");
        c->at++;
        (*depth)--;
    }
    skip_space(c);
    return c->at == c->end || wrong(c, "after top-level value");
}

static bool check_document(struct checker *c)
{
    uint8_t objects[DEPTH_MAX / 8 + 1];
    int depth = 0;
    bool more = true;
    while (more) {
        skip_space(c);
        if (c->at == c->end)
            return wrong(c, NULL);
        if (*c->at == '{' || *c->at == '[') {
            bool object = *c->at == '{';
            if (depth == DEPTH_MAX) {
                c->too_deep = true;
                return false;
            }
            uint8_t bit = (uint8_t)(1u << (depth % 8));
            objects[depth / 8] = (uint8_t)(object ? objects[depth / 8] | bit : objects[depth / 8] & ~bit);
            depth++;
            c->at++;
            skip_space(c);
            bool empty = c->at < c->end && *c->at == (object ? '}' : ']');
            if (!empty && object && !check_key(c))
                return false;
            if (!empty)
                continue;
            c->at++;
            depth--;
        } else if (!check_scalar(c)) {
            return false;
        }
        if (!check_after_value(c, objects, &depth, &more))
            return false;
    }
    return true;
}

/* k6 counts characters up to and with the one after the wrong one, and a line's end as the first character
 * of the line that follows it. */
static void locate(const char *json, size_t len, size_t offset, int *line, int *character)
{
    *line = 1;
    *character = 0;
    for (size_t i = 0; i < len; i++) {
        if (((unsigned char)json[i] & 0xc0) == 0x80)
            continue;
        if (json[i] == '\n') {
            (*line)++;
            *character = 0;
        }
        (*character)++;
        if (i == offset)
            break;
    }
}

static void add_wrong_byte(struct buf *out, unsigned char byte)
{
    if (byte == '\'' || byte == '"') {
        buf_add_text(out, byte == '"' ? "'\"'" : "'\\''");
        return;
    }
    char utf8[2] = {(char)byte};
    size_t n = 1;
    if (byte >= 0x80) {
        utf8[0] = (char)(0xc0 | byte >> 6);
        utf8[1] = (char)(0x80 | (byte & 0x3f));
        n = 2;
    }
    size_t start = out->len;
    go_quote(out, utf8, n);
    out->data[start] = out->data[out->len - 1] = '\'';
}

bool json_check(const char *json, size_t len, struct error *err)
{
    const unsigned char *start = (const unsigned char *)(json ? json : "");
    struct checker c = {.at = start, .end = start + len};
    if (check_document(&c))
        return true;
    struct buf cause = {0};
    size_t offset = (size_t)(c.at - start);
    if (c.too_deep) {
        buf_add_text(&cause, "exceeded max depth");
        offset++;
    } else if (c.at == c.end) {
        buf_add_text(&cause, "unexpected end of JSON input");
    } else {
        buf_add_text(&cause, "invalid character ");
        add_wrong_byte(&cause, *c.at);
        buf_printf(&cause, " %s", c.context);
        offset++;
    }
    int line, character;
    locate((const char *)start, len, offset, &line, &character);
    error_set(err, EXIT_SCRIPT_EXCEPTION, "cannot parse json due to an error at line %d, character %d , error: %s", line,
              character, cause.data);
    buf_free(&cause);
    return false;
}
