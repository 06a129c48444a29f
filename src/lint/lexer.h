/* SPDX-License-Identifier: Apache-2.0 */
/* A tolerant lexer of JavaScript: it cuts any text into tokens and never refuses one. Good enough to look for
 * habits in scripts; it does not check grammar. Pure; any thread. */
#ifndef LINT_LEXER_H
#define LINT_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"

enum token_kind {
    TOKEN_NAME,     /* identifiers and keywords */
    TOKEN_NUMBER,
    TOKEN_STRING,   /* with its quotes */
    TOKEN_TEMPLATE, /* a piece of text of a template, without `, ${ and } */
    TOKEN_REGEX,
    TOKEN_PUNCT,    /* operators, brackets; ` and ${ and the } that ends it too */
};

#define NO_TOKEN ((size_t)-1)

struct token {
    enum token_kind kind;
    struct text text;
    int line, column; /* from 1; column in bytes */
    size_t match;     /* of ( [ { ${ ` and their ends: the other one; else NO_TOKEN */
};

/* The tokens of a source; comments and blanks are left out. The source is borrowed. */
struct tokens {
    struct token *list;
    size_t count, cap;
};

void tokens_read(struct tokens *tokens, const char *source, size_t len);
void tokens_free(struct tokens *tokens);

/* Is token i this name or operator? False beyond the ends. */
bool token_is(const struct tokens *tokens, size_t i, const char *text);
/* What a string token holds between its quotes (escapes stay as they are written). */
struct text token_string(const struct token *token);

#endif
