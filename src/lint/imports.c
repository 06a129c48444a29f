/* SPDX-License-Identifier: Apache-2.0 */
#include "lint/imports.h"

#include <string.h>

#include "core/mem.h"
#include "lint/lexer.h"

static void tell(const struct token *token, void (*each)(void *arg, const char *specifier), void *arg)
{
    struct text t = token_string(token);
    char *specifier = mem_strndup(t.data, t.len);
    each(arg, specifier);
    mem_free(specifier);
}

/* The string that ends `import ... from 'x'`, `import 'x'` or `export ... from 'x'`, whose keyword is at i. */
static size_t specifier_of(const struct tokens *t, size_t i)
{
    bool is_export = token_is(t, i, "export");
    if (is_export && !token_is(t, i + 1, "{") && !token_is(t, i + 1, "*"))
        return NO_TOKEN;
    if (token_is(t, i + 1, "(") || token_is(t, i + 1, "."))
        return NO_TOKEN;
    for (size_t at = i + 1; at < t->count && at < i + 1000; at++) {
        if (t->list[at].kind == TOKEN_STRING && (token_is(t, at - 1, "from") || (!is_export && at == i + 1)))
            return at;
        if (token_is(t, at, ";") || token_is(t, at, "=") || token_is(t, at, "("))
            break;
    }
    return NO_TOKEN;
}

void imports_each(const char *source, size_t len, bool requires, void (*each)(void *arg, const char *specifier), void *arg)
{
    struct tokens t;
    tokens_read(&t, source, len);
    for (size_t i = 0; i < t.count; i++) {
        if (t.list[i].kind != TOKEN_NAME || (i && token_is(&t, i - 1, ".")))
            continue;
        size_t at = NO_TOKEN;
        if (token_is(&t, i, "import") || token_is(&t, i, "export"))
            at = specifier_of(&t, i);
        else if (requires && token_is(&t, i, "require") && token_is(&t, i + 1, "(") && token_is(&t, i + 3, ")") && t.list[i + 2].kind == TOKEN_STRING)
            at = i + 2;
        if (at != NO_TOKEN)
            tell(&t.list[at], each, arg);
    }
    tokens_free(&t);
}

/* "use k6" [with MODULE] [CONSTRAINT]: its words, cut at blanks. */
static void read_directive(struct text text, void (*each)(void *arg, const char *module, const char *constraint), void *arg)
{
    struct text module = TEXT("k6"), rest, left;
    if (!text_equal(text_cut(text, ' ', &rest), TEXT("use")))
        return;
    rest = text_trim(rest);
    if (!text_starts(rest, "k6") || (rest.len > 2 && !strchr(" <>=~^", rest.data[2])))
        return;
    rest = text_trim((struct text){rest.data + 2, rest.len - 2});
    if (text_starts(rest, "with ")) {
        rest = text_trim((struct text){rest.data + 5, rest.len - 5});
        module.data = rest.data;
        for (module.len = 0; module.len < rest.len && !memchr(" <>=~^", rest.data[module.len], 6); module.len++)
            ;
        left = text_trim((struct text){rest.data + module.len, rest.len - module.len});
    } else {
        left = rest;
    }
    char *name = mem_strndup(module.data, module.len), *constraint = left.len ? mem_strndup(left.data, left.len) : mem_strdup("*");
    each(arg, name, constraint);
    mem_free(name);
    mem_free(constraint);
}

void directives_each(const char *source, size_t len, void (*each)(void *arg, const char *module, const char *constraint), void *arg)
{
    struct tokens t;
    tokens_read(&t, source, len);
    for (size_t i = 0; i < t.count; i++) {
        if (t.list[i].kind == TOKEN_STRING)
            read_directive(token_string(&t.list[i]), each, arg);
        else if (!token_is(&t, i, ";"))
            break;
    }
    tokens_free(&t);
}
