/* SPDX-License-Identifier: Apache-2.0 */
/* A response's body is null when the request failed (and for 204 and 304), so what is done to it throws just
 * then. A use counts as guarded when the same expression, an enclosing condition, a try or an early exit looks
 * at the body, the status or the error first. */
#include <string.h>

#include "core/mem.h"
#include "lint/lint_private.h"

static bool is_any(const struct lint *lint, size_t i, const char *const *words)
{
    for (; *words; words++)
        if (is_token(lint, i, *words))
            return true;
    return false;
}

/* ---- what is a response ---- */

static bool ends_with(struct text name, const char *end)
{
    size_t len = strlen(end);
    return name.len >= len && memcmp(name.data + name.len - len, end, len) == 0;
}

static bool is_response(const struct lint *lint, struct text name)
{
    static const char *const usual[] = {"r", "res", "resp", "response", NULL};
    for (size_t i = 0; usual[i]; i++)
        if (text_equal(name, text_of(usual[i])))
            return true;
    if (ends_with(name, "Res") || ends_with(name, "Resp") || ends_with(name, "Response"))
        return true;
    for (size_t i = 0; i + 3 < lint->tokens.count; i++) {
        size_t value = is_token(lint, i + 2, "await") ? i + 3 : i + 2;
        if (is_token(lint, i + 1, "=") && text_equal(text_at(lint, i), name) && is_token(lint, value, "http") && is_token(lint, value + 1, ".") && !is_token(lint, value + 2, "batch"))
            return true;
    }
    return false;
}

/* ---- what guards ---- */

static bool names_member(const struct lint *lint, size_t i, const char *member)
{
    return is_name(lint, i) && (is_token(lint, i + 1, ".") || is_token(lint, i + 1, "?.")) && is_token(lint, i + 2, member);
}

/* At i begins something that is true only for a response with a body. */
static bool proves(const struct lint *lint, size_t i, struct text response)
{
    static const char *const equal[] = {"===", "==", "<", "<=", NULL};
    static const char *const tests[] = {"&&", "?", "||", "??", "?.", "!==", "!=", ")", NULL};
    if (names_member(lint, i, "status"))
        return is_any(lint, i + 3, equal) && !is_token(lint, i + 4, "0");
    if (i && is_token(lint, i - 1, "!") && names_member(lint, i, "error"))
        return true;
    return names_member(lint, i, "body") && text_equal(text_at(lint, i), response) && is_any(lint, i + 3, tests);
}

/* A variable that keeps what check() or a comparison said: `const ok = check(...)`. */
static bool is_verdict(const struct lint *lint, size_t i)
{
    for (size_t at = 0; is_variable(lint, i) && at < i; at++)
        if (is_token(lint, at + 1, "=") && text_equal(text_at(lint, at), text_at(lint, i)) &&
            (is_token(lint, at + 2, "check") || (names_member(lint, at + 2, "status") && is_token(lint, at + 5, "==="))))
            return true;
    return false;
}

static bool condition_proves(const struct lint *lint, size_t from, size_t to, struct text response)
{
    for (size_t i = from; i < to; i++)
        if (proves(lint, i, response) || is_verdict(lint, i))
            return true;
    return false;
}

static bool condition_asks(const struct lint *lint, size_t from, size_t to, struct text response)
{
    for (size_t i = from; i < to; i++)
        if (is_verdict(lint, i) || (text_equal(text_at(lint, i), response) && (names_member(lint, i, "body") || names_member(lint, i, "status") || names_member(lint, i, "error") || names_member(lint, i, "error_code"))))
            return true;
    return condition_proves(lint, from, to, response);
}

static const char *const exits[] = {"return", "throw", "fail", "continue", "break", NULL};

/* What follows the condition that closes at i leaves. */
static bool leaves(const struct lint *lint, size_t i)
{
    if (!is_token(lint, i + 1, "{"))
        return is_any(lint, i + 1, exits);
    size_t end = end_of(lint, i + 1);
    for (size_t at = i + 2; at < end; at++)
        if (is_any(lint, at, exits))
            return true;
    return false;
}

static bool region_binds(const struct lint *lint, size_t from, size_t to, struct text name)
{
    for (size_t i = from; i <= to; i++)
        if (is_name(lint, i) && text_equal(text_at(lint, i), name))
            return true;
    return false;
}

enum verdict { UNKNOWN, GUARDED, BARE };

/* The use lies in the block or function whose { is at i. */
static enum verdict leave_block(const struct lint *lint, size_t i, struct text response)
{
    if (!i)
        return BARE;
    if (is_token(lint, i - 1, "try"))
        return GUARDED;
    if (is_token(lint, i - 1, "else") && i > 2) {
        size_t block = lint->tokens.list[i - 2].match;
        size_t close = block != NO_TOKEN && block ? block - 1 : NO_TOKEN;
        size_t open = close != NO_TOKEN ? lint->tokens.list[close].match : NO_TOKEN;
        return open != NO_TOKEN && open < close && condition_asks(lint, open, close, response) ? GUARDED : UNKNOWN;
    }
    size_t open = is_token(lint, i - 1, ")") ? lint->tokens.list[i - 1].match : NO_TOKEN;
    if (open == NO_TOKEN || !open)
        return UNKNOWN;
    if (is_token(lint, open - 1, "if") || is_token(lint, open - 1, "while"))
        return condition_proves(lint, open, i - 1, response) ? GUARDED : UNKNOWN;
    return region_binds(lint, open, i - 1, response) ? BARE : UNKNOWN;
}

/* A bracket closes at i and what it holds is passed over; *i becomes its beginning. */
static enum verdict pass_over(const struct lint *lint, size_t *i, struct text response, bool same_expression)
{
    size_t open = lint->tokens.list[*i].match;
    enum verdict verdict = UNKNOWN;
    if (is_token(lint, *i, ")") && open && is_token(lint, open - 1, "if")) {
        if (leaves(lint, *i) && condition_asks(lint, open, *i, response))
            verdict = GUARDED;
        else if (same_expression && !is_token(lint, *i + 1, "{") && condition_proves(lint, open, *i, response))
            verdict = GUARDED;
    }
    *i = open;
    return verdict;
}

static bool is_arrow_of(const struct lint *lint, size_t i, struct text response)
{
    size_t open = i && is_token(lint, i - 1, ")") ? lint->tokens.list[i - 1].match : i - 1;
    return open != NO_TOKEN && i && open < i && region_binds(lint, open, i - 1, response);
}

static bool is_guarded(const struct lint *lint, size_t use)
{
    static const char *const ends[] = {";", ",", "const", "let", "var", "return", NULL};
    struct text response = text_at(lint, use);
    bool same = true;
    for (size_t i = use; i-- > 0;) {
        size_t match = lint->tokens.list[i].match;
        enum verdict verdict = UNKNOWN;
        if (match != NO_TOKEN && match < i) {
            verdict = pass_over(lint, &i, response, same);
        } else if (match != NO_TOKEN) {
            verdict = is_token(lint, i, "{") ? leave_block(lint, i, response) : UNKNOWN;
            same = true;
        } else if (is_any(lint, i, ends)) {
            same = false;
        } else if (is_token(lint, i, "=>") && is_arrow_of(lint, i, response)) {
            return false;
        } else if (same && proves(lint, i, response)) {
            verdict = GUARDED;
        }
        if (verdict != UNKNOWN)
            return verdict == GUARDED;
    }
    return false;
}

/* ---- the rule ---- */

void lint_bodies(struct lint *lint)
{
    for (size_t i = 0; i + 3 < lint->tokens.count; i++) {
        if (!is_variable(lint, i) || !is_token(lint, i + 1, ".") || !is_token(lint, i + 2, "body"))
            continue;
        bool parsed = i >= 4 && is_token(lint, i - 1, "(") && is_token(lint, i - 2, "parse") && is_token(lint, i - 4, "JSON") && is_token(lint, i + 3, ")");
        bool member = is_token(lint, i + 3, ".") || is_token(lint, i + 3, "[");
        struct text name = text_at(lint, i);
        if ((!parsed && !member) || !is_response(lint, name) || is_guarded(lint, i))
            continue;
        int len = (int)name.len;
        char *instead = parsed ? mem_printf("%.*s.status === 200 && JSON.parse(%.*s.body) ...", len, name.data, len, name.data)
                               : mem_printf("(%.*s.body || '')%s", len, name.data, is_token(lint, i + 3, ".") ? "." : "[");
        if (member && is_name(lint, i + 4) && is_token(lint, i + 3, ".")) {
            mem_free(instead);
            instead = mem_printf("(%.*s.body || '').%.*s", len, name.data, (int)text_at(lint, i + 4).len, text_at(lint, i + 4).data);
        }
        lint_report(lint, "null-body", i, instead, "%.*s.body is null when the request fails, and then this throws: the failures that the test looks for are not counted", len, name.data);
    }
}
