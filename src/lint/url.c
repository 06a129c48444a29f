/* SPDX-License-Identifier: Apache-2.0 */
/* URLs that will hold the word undefined: it is there already, or a variable of __ENV that may be missing is
 * put into it. */
#include <string.h>

#include "core/mem.h"
#include "lint/lint_private.h"

/* `__ENV.NAME` or `__ENV['NAME']` at i: the name, and the token behind it. */
static bool env_at(const struct lint *lint, size_t i, struct text *name, size_t *after)
{
    if (!is_token(lint, i, "__ENV") || (i && is_token(lint, i - 1, ".")))
        return false;
    if (is_token(lint, i + 1, ".") && is_name(lint, i + 2)) {
        *name = text_at(lint, i + 2);
        *after = i + 3;
        return true;
    }
    if (is_token(lint, i + 1, "[") && i + 2 < lint->tokens.count && lint->tokens.list[i + 2].kind == TOKEN_STRING && is_token(lint, i + 3, "]")) {
        *name = token_string(&lint->tokens.list[i + 2]);
        *after = i + 4;
        return true;
    }
    return false;
}

/* The script looks whether the variable is there, or sets it. */
static bool is_looked_after(const struct lint *lint, struct text wanted)
{
    static const char *const deciders[] = {"||", "??", "?", "&&", "=", "||=", "\?\?=", "===", "!==", "==", "!=", NULL};
    for (size_t i = 0; i < lint->tokens.count; i++) {
        struct text name;
        size_t after;
        if (!env_at(lint, i, &name, &after) || !text_equal(name, wanted))
            continue;
        if (i && (is_token(lint, i - 1, "!") || (is_token(lint, i - 1, "(") && i > 1 && is_token(lint, i - 2, "if"))))
            return true;
        for (size_t d = 0; deciders[d]; d++)
            if (is_token(lint, after, deciders[d]))
                return true;
    }
    return false;
}

static bool may_be_missing(const struct lint *lint, struct text name)
{
    char *text = mem_strndup(name.data, name.len);
    bool set = lint->input->has_env && lint->input->has_env(lint->input->arg, text);
    mem_free(text);
    return !set && !is_looked_after(lint, name);
}

/* Once for each variable. */
static void report_env(struct lint *lint, struct map *told, size_t token, struct text name)
{
    if (map_set(told, name.data, name.len, lint))
        return;
    lint_report(lint, "undefined-in-url", token, mem_printf("__ENV.%.*s || 'http://127.0.0.1:8080'", (int)name.len, name.data),
                "the URL holds __ENV.%.*s without a default: when -e %.*s=... is forgotten, requests go to \"undefined\"", (int)name.len, name.data, (int)name.len, name.data);
}

/* `const base = __ENV.X;` or `= `${__ENV.X}/api``: the __ENV token of the variable's value. */
static size_t env_behind(const struct lint *lint, struct text variable, struct text *name)
{
    for (size_t i = 0; i + 2 < lint->tokens.count; i++) {
        size_t after;
        bool assigned = is_name(lint, i) && text_equal(text_at(lint, i), variable) && is_token(lint, i + 1, "=") && !(i && is_token(lint, i - 1, "."));
        if (!assigned)
            continue;
        size_t at = i + 2;
        if (is_token(lint, at, "`"))
            while (at < lint->tokens.count && (is_token(lint, at, "`") || is_token(lint, at, "${")))
                at++;
        if (env_at(lint, at, name, &after))
            return at;
    }
    return NO_TOKEN;
}

static void check_url(struct lint *lint, struct map *told, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct token *t = &lint->tokens.list[i];
        struct text name;
        size_t after;
        bool is_text = t->kind == TOKEN_STRING || t->kind == TOKEN_TEMPLATE;
        if (is_text && t->text.len >= 9 && memmem(t->text.data, t->text.len, "undefined", 9))
            lint_report(lint, "undefined-in-url", i, mem_strdup("the value that belongs there"), "the URL contains the word \"undefined\"");
        if (is_text)
            continue;
        if (env_at(lint, i, &name, &after)) {
            if (may_be_missing(lint, name))
                report_env(lint, told, i, name);
            continue;
        }
        bool plain = is_variable(lint, i) && !is_token(lint, i + 1, "(") && !is_token(lint, i + 1, ".") && !is_token(lint, i + 1, "[");
        size_t source = plain ? env_behind(lint, t->text, &name) : NO_TOKEN;
        if (source != NO_TOKEN && may_be_missing(lint, name))
            report_env(lint, told, i, name);
    }
}

/* The `(` of a call `http.get(...)`, and which of its arguments is the URL. */
static size_t request_call(const struct lint *lint, size_t i, int *url_argument)
{
    static const char *const methods[] = {"get", "post", "put", "patch", "del", "head", "options", "request", "asyncRequest", NULL};
    *url_argument = 0;
    if (!is_token(lint, i, "http") || !is_token(lint, i + 1, ".") || !is_token(lint, i + 3, "(") || (i && is_token(lint, i - 1, ".")))
        return NO_TOKEN;
    for (size_t m = 0; methods[m]; m++) {
        if (!is_token(lint, i + 2, methods[m]))
            continue;
        *url_argument = m >= 7 ? 1 : 0;
        return i + 3;
    }
    return NO_TOKEN;
}

void lint_urls(struct lint *lint)
{
    struct map told = {0};
    for (size_t i = 0; i < lint->tokens.count; i++) {
        int url;
        size_t open = request_call(lint, i, &url);
        if (open == NO_TOKEN)
            continue;
        size_t end = end_of(lint, open), from = open + 1;
        for (; url > 0 && from < end; url--)
            from = argument_end(lint, from, end) + 1;
        if (from < end)
            check_url(lint, &told, from, argument_end(lint, from, end));
    }
    map_free(&told, NULL);
}
