/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/proto_lexer.h"

#include <stdarg.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"

void lexer_init(struct lexer *l, const char *file, const char *text, size_t len)
{
    *l = (struct lexer){.file = file, .at = text, .end = text + len, .line_start = text, .line = 1};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        l->at += 3;
    lexer_next(l);
}

void lexer_free(struct lexer *l)
{
    buf_free(&l->string);
}

bool lexer_fail(const struct lexer *l, struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    error_set(err, EXIT_SCRIPT_EXCEPTION, "%s:%d:%d: %s", l->file, l->token_line, l->token_column, text);
    mem_free(text);
    return false;
}

bool lexer_is(const struct lexer *l, const char *word)
{
    return (l->kind == TOKEN_WORD || l->kind == TOKEN_SYMBOL) && strlen(word) == l->len && memcmp(word, l->text, l->len) == 0;
}

static void step(struct lexer *l)
{
    if (*l->at++ == '\n') {
        l->line++;
        l->line_start = l->at;
    }
}

static bool looking_at(const struct lexer *l, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(l->end - l->at) >= len && memcmp(l->at, text, len) == 0;
}

static void skip_blanks(struct lexer *l)
{
    for (;;) {
        while (l->at < l->end && (*l->at == ' ' || (*l->at >= '\t' && *l->at <= '\r')))
            step(l);
        if (looking_at(l, "//")) {
            while (l->at < l->end && *l->at != '\n')
                l->at++;
        } else if (looking_at(l, "/*")) {
            if (!memmem(l->at + 2, (size_t)(l->end - l->at) - 2, "*/", 2))
                return; /* a comment without an end is no comment: the parser stumbles over it */
            l->at += 2;
            while (!looking_at(l, "*/"))
                step(l);
            l->at += 2;
        } else {
            return;
        }
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The values of escapes matter nowhere (strings are file names, JSON names and skipped options), but for
 * the quote and the backslash. */
static void read_string(struct lexer *l)
{
    char quote = *l->at++;
    buf_clear(&l->string);
    l->kind = TOKEN_BAD;
    while (l->at < l->end && *l->at != '\n') {
        char c = *l->at++;
        if (c == quote) {
            l->kind = TOKEN_STRING;
            return;
        }
        if (c == '\\' && l->at < l->end && *l->at != '\n')
            c = *l->at++;
        if (c == '\0')
            return;
        buf_add_char(&l->string, c);
    }
}

void lexer_next(struct lexer *l)
{
    skip_blanks(l);
    l->text = l->at;
    l->token_line = l->line;
    l->token_column = (int)(l->at - l->line_start) + 1;
    if (l->at == l->end) {
        l->kind = TOKEN_END;
    } else if (is_letter(*l->at)) {
        l->kind = TOKEN_WORD;
        while (l->at < l->end && (is_letter(*l->at) || is_digit(*l->at)))
            l->at++;
    } else if (is_digit(*l->at) || (*l->at == '.' && l->at + 1 < l->end && is_digit(l->at[1]))) {
        l->kind = TOKEN_NUMBER;
        while (l->at < l->end && (is_letter(*l->at) || is_digit(*l->at) || *l->at == '.' ||
                                  ((*l->at == '+' || *l->at == '-') && (l->at[-1] == 'e' || l->at[-1] == 'E'))))
            l->at++;
    } else if (*l->at == '"' || *l->at == '\'') {
        read_string(l);
    } else {
        l->kind = strchr("{}[]()<>;:,.=-+/", *l->at) && *l->at ? TOKEN_SYMBOL : TOKEN_BAD;
        l->at++;
    }
    l->len = (size_t)(l->at - l->text);
}
