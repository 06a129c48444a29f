/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a slash begins a regular expression is decided by the token before it; where that guess is wrong
 * (after the parenthesis of an `if`, say) the damage ends with the line. */
#include "lint/lexer.h"

#include <string.h>

#include "core/mem.h"

struct lexer {
    struct tokens *out;
    const char *at, *end, *line_start;
    int line;
    size_t *open; /* brackets and templates that wait for their end */
    size_t open_count, open_cap;
};

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '#' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct lexer *l, size_t ahead)
{
    return (size_t)(l->end - l->at) > ahead ? l->at[ahead] : '\0';
}

/* Adds the token from l->at up to to. */
static size_t add(struct lexer *l, enum token_kind kind, const char *to)
{
    struct tokens *t = l->out;
    mem_grow(&t->list, &t->cap, t->count + 1, sizeof(t->list[0]));
    t->list[t->count] = (struct token){kind, {l->at, (size_t)(to - l->at)}, l->line, (int)(l->at - l->line_start) + 1, NO_TOKEN};
    for (; l->at < to; l->at++) {
        if (*l->at == '\n') {
            l->line++;
            l->line_start = l->at + 1;
        }
    }
    return t->count++;
}

static void skip_blanks(struct lexer *l)
{
    bool block = false, line = false;
    for (; l->at < l->end; l->at++) {
        char c = *l->at;
        if (c == '\n') {
            l->line++;
            l->line_start = l->at + 1;
            line = false;
        } else if (line) {
            continue;
        } else if (block) {
            if (c == '*' && peek(l, 1) == '/') {
                l->at++;
                block = false;
            }
        } else if (c == '/' && peek(l, 1) == '/') {
            line = true;
        } else if (c == '/' && peek(l, 1) == '*') {
            l->at++;
            block = true;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\f' && c != '\v' && c != '\0') {
            return;
        }
    }
}

static bool is_one_of(struct text t, const char *const *names)
{
    for (; *names; names++)
        if (text_equal(t, text_of(*names)))
            return true;
    return false;
}

/* A value ends before the slash, so it divides. */
static bool divides(const struct lexer *l)
{
    static const char *const before_values[] = {"return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "await", "yield", "instanceof", NULL};
    if (!l->out->count)
        return false;
    const struct token *last = &l->out->list[l->out->count - 1];
    if (last->kind == TOKEN_NAME)
        return !is_one_of(last->text, before_values);
    if (last->kind != TOKEN_PUNCT)
        return true;
    return strchr(")]}`", last->text.data[0]) != NULL || text_equal(last->text, TEXT("++")) || text_equal(last->text, TEXT("--"));
}

static const char *string_end(const struct lexer *l)
{
    const char *at = l->at + 1;
    for (; at < l->end && *at != *l->at && *at != '\n'; at++)
        if (*at == '\\' && at + 1 < l->end)
            at++;
    return at < l->end && *at == *l->at ? at + 1 : at;
}

static const char *regex_end(const struct lexer *l)
{
    bool in_class = false;
    const char *at = l->at + 1;
    for (; at < l->end && *at != '\n' && (in_class || *at != '/'); at++) {
        if (*at == '\\' && at + 1 < l->end && at[1] != '\n')
            at++;
        else if (*at == '[' || *at == ']')
            in_class = *at == '[';
    }
    if (at < l->end && *at == '/')
        for (at++; at < l->end && begins_name(*at); at++)
            ;
    return at;
}

static const char *number_end(const struct lexer *l)
{
    const char *at = l->at;
    while (at < l->end && (is_digit(*at) || begins_name(*at) || *at == '.' || ((*at == '-' || *at == '+') && at > l->at && (at[-1] == 'e' || at[-1] == 'E') && l->at[0] != '0')))
        at++;
    return at;
}

static const char *name_end(const struct lexer *l)
{
    const char *at = l->at;
    while (at < l->end && (begins_name(*at) || is_digit(*at)))
        at++;
    return at;
}

static size_t operator_length(const struct lexer *l)
{
    static const char *const operators[] = {">>>=", "...", "===", "!==", "**=", "<<=", ">>=", ">>>", "&&=", "||=", "\?\?=", "=>", "==", "!=", "<=", ">=", "&&", "||", "??",
                                            "?.", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**", NULL};
    for (size_t i = 0; operators[i]; i++) {
        size_t len = strlen(operators[i]);
        if ((size_t)(l->end - l->at) < len || memcmp(l->at, operators[i], len) != 0)
            continue;
        if (strcmp(operators[i], "?.") == 0 && is_digit(peek(l, 2)))
            continue;
        return len;
    }
    return 1;
}

/* ---- brackets ---- */

static void opened(struct lexer *l, size_t token)
{
    mem_grow(&l->open, &l->open_cap, l->open_count + 1, sizeof(l->open[0]));
    l->open[l->open_count++] = token;
}

static bool innermost_is(const struct lexer *l, const char *text)
{
    return l->open_count && text_equal(l->out->list[l->open[l->open_count - 1]].text, text_of(text));
}

static void closed(struct lexer *l, size_t token)
{
    size_t other = l->open[--l->open_count];
    l->out->list[other].match = token;
    l->out->list[token].match = other;
}

/* The text of a template up to its end or the next ${; l->at is behind the ` or }. */
static void read_template(struct lexer *l)
{
    const char *at = l->at;
    while (at < l->end && *at != '`' && !(*at == '$' && at + 1 < l->end && at[1] == '{'))
        at += *at == '\\' && at + 1 < l->end ? 2 : 1;
    if (at > l->at)
        add(l, TOKEN_TEMPLATE, at);
    if (l->at >= l->end)
        return;
    size_t token = add(l, TOKEN_PUNCT, l->at + (*l->at == '`' ? 1 : 2));
    if (l->out->list[token].text.len == 1)
        closed(l, token);
    else
        opened(l, token);
}

static void read_bracket(struct lexer *l)
{
    static const struct {
        char end;
        const char *begin;
    } ends[] = {{')', "("}, {']', "["}, {'}', "{"}};
    char c = *l->at;
    size_t token = add(l, TOKEN_PUNCT, l->at + 1);
    if (c == '(' || c == '[' || c == '{') {
        opened(l, token);
    } else if (c == '}' && innermost_is(l, "${")) {
        closed(l, token);
        read_template(l);
    } else {
        for (size_t i = 0; i < 3; i++)
            if (ends[i].end == c && innermost_is(l, ends[i].begin))
                closed(l, token);
    }
}

static void read_token(struct lexer *l)
{
    char c = *l->at;
    if (begins_name(c)) {
        add(l, TOKEN_NAME, name_end(l));
    } else if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        add(l, TOKEN_NUMBER, number_end(l));
    } else if (c == '"' || c == '\'') {
        add(l, TOKEN_STRING, string_end(l));
    } else if (c == '`') {
        opened(l, add(l, TOKEN_PUNCT, l->at + 1));
        read_template(l);
    } else if (strchr("()[]{}", c)) {
        read_bracket(l);
    } else if (c == '/' && !divides(l)) {
        add(l, TOKEN_REGEX, regex_end(l));
    } else {
        add(l, TOKEN_PUNCT, l->at + operator_length(l));
    }
}

void tokens_read(struct tokens *tokens, const char *source, size_t len)
{
    struct lexer l = {.out = tokens, .at = source, .end = source + len, .line_start = source, .line = 1};
    *tokens = (struct tokens){0};
    if (len > 1 && source[0] == '#' && source[1] == '!')
        while (l.at < l.end && *l.at != '\n')
            l.at++;
    for (skip_blanks(&l); l.at < l.end; skip_blanks(&l))
        read_token(&l);
    mem_free(l.open);
}

void tokens_free(struct tokens *tokens)
{
    mem_free(tokens->list);
    *tokens = (struct tokens){0};
}

bool token_is(const struct tokens *tokens, size_t i, const char *text)
{
    return i < tokens->count && tokens->list[i].kind != TOKEN_STRING && tokens->list[i].kind != TOKEN_TEMPLATE && text_equal(tokens->list[i].text, text_of(text));
}

struct text token_string(const struct token *token)
{
    struct text t = token->text;
    if (token->kind != TOKEN_STRING || !t.len)
        return (struct text){t.data, 0};
    bool complete = t.len > 1 && t.data[t.len - 1] == t.data[0];
    return (struct text){t.data + 1, t.len - (complete ? 2 : 1)};
}
