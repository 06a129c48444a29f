/* SPDX-License-Identifier: Apache-2.0 */
/* Names that nothing binds: an import that was forgotten, a helper that was never copied along. Scopes are not
 * told apart: a name that is bound anywhere in the source counts as bound. */
#include <string.h>

#include "core/mem.h"
#include "lint/lint_private.h"
#include "script/hints.h"

static bool is_listed(struct text name, const char *const *list)
{
    for (; *list; list++)
        if (text_equal(name, text_of(*list)))
            return true;
    return false;
}

static const char *const keywords[] = {
    "if", "for", "while", "switch", "catch", "return", "typeof", "function", "super", "import", "export", "await", "yield", "void", "delete",
    "in", "of", "instanceof", "new", "throw", "case", "do", "else", "with", "this", "async", "get", "set", "static", "class", "extends", "const",
    "let", "var", "default", "break", "continue", "try", "finally", "from", "as", "null", "true", "false", "constructor", "declare", "type",
    "readonly", "abstract", "private", "public", "protected", "keyof", "satisfies", "is", NULL};

static const char *const globals[] = {
    "open", "require", "console", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "crypto", "CryptoKey", "TextEncoder", "TextDecoder",
    "global", "globalThis", "module", "exports", "arguments", "undefined", "NaN", "Infinity", "eval", "parseInt", "parseFloat", "isNaN", "isFinite",
    "encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "escape", "unescape", "Array", "ArrayBuffer", "BigInt", "BigInt64Array",
    "BigUint64Array", "Boolean", "DataView", "Date", "Error", "EvalError", "Float32Array", "Float64Array", "Function", "Int8Array", "Int16Array",
    "Int32Array", "JSON", "Map", "Math", "Number", "Object", "Promise", "Proxy", "RangeError", "ReferenceError", "Reflect", "RegExp", "Set",
    "String", "Symbol", "SyntaxError", "TypeError", "URIError", "Uint8Array", "Uint8ClampedArray", "Uint16Array", "Uint32Array", "WeakMap",
    "WeakSet", "WeakRef", "Iterator", "SharedArrayBuffer", "Atomics", "AggregateError", "FinalizationRegistry", "Float16Array",
    "ReadableStream", "__VU", "__ITER", "__ENV", NULL};

/* ---- what is bound ---- */

static void declare(struct lint *lint, size_t i)
{
    struct text name = text_at(lint, i);
    if (is_name(lint, i) && !is_listed(name, keywords))
        map_set(&lint->declared, name.data, name.len, lint);
}

/* The names of a binding pattern or a parameter list, defaults left out. */
static void declare_pattern(struct lint *lint, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (is_token(lint, i, "=")) {
            size_t next = argument_end(lint, i + 1, to);
            i = next < to ? next : to;
        } else if (is_name(lint, i) && !is_token(lint, i + 1, ":") && !(i && is_token(lint, i - 1, "."))) {
            declare(lint, i);
        }
    }
}

/* The declarators behind const, let or var. */
static void declare_variables(struct lint *lint, size_t i)
{
    for (size_t next = i;; next = i + 1) {
        i = next;
        if (is_token(lint, i, "{") || is_token(lint, i, "[")) {
            declare_pattern(lint, i + 1, end_of(lint, i));
            i = end_of(lint, i) + 1;
        } else if (is_name(lint, i)) {
            declare(lint, i++);
        } else {
            return;
        }
        int line = i < lint->tokens.count ? lint->tokens.list[i].line : 0;
        for (; i < lint->tokens.count && !is_token(lint, i, ","); i++) {
            size_t match = lint->tokens.list[i].match;
            if (is_token(lint, i, ";") || is_token(lint, i, "of") || is_token(lint, i, "in") || (match != NO_TOKEN && match < i))
                return;
            if (is_token(lint, i, "const") || is_token(lint, i, "let") || is_token(lint, i, "var") || is_token(lint, i, "function") || is_token(lint, i, "export"))
                if (lint->tokens.list[i].line > line)
                    return;
            if (match != NO_TOKEN && match > i)
                i = match;
        }
    }
}

static void declare_import(struct lint *lint, size_t i)
{
    for (; i < lint->tokens.count && !is_token(lint, i, "from") && !is_token(lint, i, "(") && lint->tokens.list[i].kind != TOKEN_STRING; i++)
        if (!is_token(lint, i + 1, "as"))
            declare(lint, i);
}

/* A parenthesis behind which a function's body or arrow comes. */
static bool is_parameter_list(const struct lint *lint, size_t i)
{
    size_t after = end_of(lint, i) + 1;
    if (is_token(lint, after, "=>"))
        return true;
    if (!is_token(lint, after, "{"))
        return false;
    static const char *const conditions[] = {"if", "for", "while", "switch", "with", NULL};
    return !i || !is_listed(text_at(lint, i - 1), conditions);
}

void lint_collect_names(struct lint *lint)
{
    for (size_t i = 0; i < lint->tokens.count; i++) {
        if (is_token(lint, i, "("))  {
            if (is_parameter_list(lint, i))
                declare_pattern(lint, i + 1, end_of(lint, i));
            continue;
        }
        if (!is_name(lint, i) || (i && is_token(lint, i - 1, ".")))
            continue;
        if (is_token(lint, i, "const") || is_token(lint, i, "let") || is_token(lint, i, "var"))
            declare_variables(lint, i + 1);
        else if (is_token(lint, i, "import"))
            declare_import(lint, i + 1);
        else if (is_token(lint, i, "function"))
            declare(lint, is_token(lint, i + 1, "*") ? i + 2 : i + 1);
        else if (is_token(lint, i, "class") || is_token(lint, i, "typeof") || is_token(lint, i, "enum") || is_token(lint, i, "namespace"))
            declare(lint, i + 1);
        else if ((is_token(lint, i, "globalThis") || is_token(lint, i, "global")) && is_token(lint, i + 1, "."))
            declare(lint, i + 2);
        else if (is_token(lint, i + 1, "=>") || (is_token(lint, i + 1, "=") && is_variable(lint, i)))
            declare(lint, i);
    }
}

/* ---- what is used ---- */

/* `name(...) {` in a class or an object. */
static bool is_method(const struct lint *lint, size_t i)
{
    static const char *const before[] = {"{", "}", ",", ";", "async", "get", "set", "static", "*", NULL};
    return is_token(lint, i + 1, "(") && is_token(lint, end_of(lint, i + 1) + 1, "{") && i && is_listed(text_at(lint, i - 1), before);
}

static bool is_use(const struct lint *lint, size_t i, bool *called)
{
    bool made = i && is_token(lint, i - 1, "new");
    *called = (made || is_token(lint, i + 1, "(")) && !is_method(lint, i);
    if (is_listed(text_at(lint, i), keywords) || !is_variable(lint, i))
        return false;
    return *called || is_token(lint, i + 1, ".") || is_token(lint, i + 1, "?.") || is_token(lint, i + 1, "`");
}

void lint_names(struct lint *lint)
{
    struct map seen = {0};
    for (size_t i = 0; i < lint->tokens.count; i++) {
        struct text name = text_at(lint, i);
        bool called;
        if (!is_use(lint, i, &called) || map_has(&lint->declared, name.data, name.len) || is_listed(name, globals) || map_has(&seen, name.data, name.len))
            continue;
        const char *line = hint_import_line(name);
        if (line)
            lint_report(lint, "missing-import", i, mem_strdup(line), "%.*s is not imported, so this line throws a ReferenceError", (int)name.len, name.data);
        else if (called)
            lint_report(lint, "undefined-name", i, mem_printf("function %.*s(...) { ... }, or an import of the module that has it", (int)name.len, name.data),
                        "%.*s is not defined anywhere in this file, so this line throws a ReferenceError", (int)name.len, name.data);
        else
            continue;
        map_set(&seen, name.data, name.len, lint);
    }
    map_free(&seen, NULL);
}
