/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a .proto text. Private to the parser. */
#ifndef GRPC_PROTO_LEXER_H
#define GRPC_PROTO_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

struct error;

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SYMBOL, TOKEN_BAD };

struct lexer {
    const char *file, *at, *end, *line_start;
    int line;
    enum token_kind kind; /* of the current token */
    const char *text;     /* its first character in the source; a string's value is in string */
    size_t len;
    int token_line, token_column;
    struct buf string;
};

void lexer_init(struct lexer *lexer, const char *file, const char *text, size_t len);
void lexer_free(struct lexer *lexer);
/* Goes on to the next token. */
void lexer_next(struct lexer *lexer);
bool lexer_is(const struct lexer *lexer, const char *symbol_or_word);
/* Fills err with "file:line:column: message" and returns false. */
bool lexer_fail(const struct lexer *lexer, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
