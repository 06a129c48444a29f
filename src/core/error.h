/* SPDX-License-Identifier: Apache-2.0 */
/* An error that a user can act on: what, where, what to do. Functions that can fail return false (or
 * NULL) and fill one; the caller owns it and calls error_clear. Kept small since it may live on a VU's
 * stack. Start with `struct error err = {0};`. A NULL struct error * is allowed everywhere. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <stdbool.h>

struct error {
    int code;   /* the process's exit code if nobody handles it (core/exit_codes.h); 0 = no error */
    char *text; /* heap; NULL when there is none */
};

/* Fills err (freeing what it held) and returns false, so that `return error_set(...)` reads well. */
bool error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " before the text. */
void error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_clear(struct error *err);
/* Moves from into to (to's old text is freed). */
void error_move(struct error *to, struct error *from);

#endif
