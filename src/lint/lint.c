/* SPDX-License-Identifier: Apache-2.0 */
#include "lint/lint.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "lint/lint_private.h"

static void (*const rules[])(struct lint *lint) = {lint_names, lint_urls, lint_csv, lint_bodies, lint_load};

void lint_report(struct lint *lint, const char *rule, size_t token, char *instead, const char *format, ...)
{
    struct findings *f = lint->findings;
    va_list args;
    mem_grow(&f->list, &f->cap, f->count + 1, sizeof(f->list[0]));
    struct finding *one = &f->list[f->count++];
    *one = (struct finding){.rule = rule, .line = 1, .column = 1, .instead = instead};
    if (token < lint->tokens.count) {
        one->line = lint->tokens.list[token].line;
        one->column = lint->tokens.list[token].column;
    }
    va_start(args, format);
    one->what = mem_vprintf(format, args);
    va_end(args);
}

bool is_token(const struct lint *lint, size_t i, const char *text)
{
    return token_is(&lint->tokens, i, text);
}

bool is_name(const struct lint *lint, size_t i)
{
    return i < lint->tokens.count && lint->tokens.list[i].kind == TOKEN_NAME;
}

struct text text_at(const struct lint *lint, size_t i)
{
    return i < lint->tokens.count ? lint->tokens.list[i].text : (struct text){"", 0};
}

bool is_variable(const struct lint *lint, size_t i)
{
    if (!is_name(lint, i))
        return false;
    if (i && (is_token(lint, i - 1, ".") || is_token(lint, i - 1, "?.") || is_token(lint, i - 1, "function") || is_token(lint, i - 1, "class")))
        return false;
    bool after_key_place = i && (is_token(lint, i - 1, "{") || is_token(lint, i - 1, ","));
    return !(after_key_place && is_token(lint, i + 1, ":"));
}

size_t end_of(const struct lint *lint, size_t i)
{
    size_t match = i < lint->tokens.count ? lint->tokens.list[i].match : NO_TOKEN;
    return match != NO_TOKEN && match > i ? match : lint->tokens.count ? lint->tokens.count - 1 : 0;
}

size_t argument_end(const struct lint *lint, size_t i, size_t end)
{
    for (; i < end && !is_token(lint, i, ","); i++) {
        size_t match = lint->tokens.list[i].match;
        if (match != NO_TOKEN && match > i)
            i = match;
    }
    return i < end ? i : end;
}

static int compare(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->rule, y->rule);
}

void lint_source(struct findings *findings, const struct lint_input *input)
{
    size_t before = findings->count;
    struct lint lint = {.input = input, .findings = findings};
    tokens_read(&lint.tokens, input->source, input->len);
    lint_collect_names(&lint);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        rules[i](&lint);
    if (findings->count > before)
        qsort(findings->list + before, findings->count - before, sizeof(findings->list[0]), compare);
    map_free(&lint.declared, NULL);
    tokens_free(&lint.tokens);
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        mem_free(findings->list[i].what);
        mem_free(findings->list[i].instead);
    }
    mem_free(findings->list);
    *findings = (struct findings){0};
}
