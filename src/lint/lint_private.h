/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules share: the tokens of the source, its names, and where findings go. A rule is a function of
 * one file here and a row in lint.c. */
#ifndef LINT_LINT_PRIVATE_H
#define LINT_LINT_PRIVATE_H

#include "core/map.h"
#include "lint/lexer.h"
#include "lint/lint.h"

struct lint {
    const struct lint_input *input;
    struct tokens tokens;
    struct map declared; /* every name that is bound anywhere in the source */
    struct findings *findings;
};

void lint_names(struct lint *lint); /* names.c */
void lint_urls(struct lint *lint);  /* url.c */
void lint_csv(struct lint *lint);   /* csv.c */
void lint_bodies(struct lint *lint); /* body.c */
void lint_load(struct lint *lint);  /* load.c */

/* Fills lint->declared (names.c). */
void lint_collect_names(struct lint *lint);
/* The finding stands at a token; NO_TOKEN: at the beginning. instead is taken (heap). */
void lint_report(struct lint *lint, const char *rule, size_t token, char *instead, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* ---- reading tokens ---- */
bool is_token(const struct lint *lint, size_t i, const char *text);
bool is_name(const struct lint *lint, size_t i);
/* Token i begins a use of a variable: a name that is no property, key or declaration. */
bool is_variable(const struct lint *lint, size_t i);
struct text text_at(const struct lint *lint, size_t i);
/* The bracket that closes the one at i; the last token when it never closes. */
size_t end_of(const struct lint *lint, size_t i);
/* The end (a comma or the closing bracket) of the argument that begins at i, before end. */
size_t argument_end(const struct lint *lint, size_t i, size_t end);

#endif
