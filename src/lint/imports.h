/* SPDX-License-Identifier: Apache-2.0 */
/* What a source says about the modules it needs, without running it. Pure; any thread. */
#ifndef LINT_IMPORTS_H
#define LINT_IMPORTS_H

#include <stdbool.h>
#include <stddef.h>

/* Calls each for the specifiers of imports and of exports from elsewhere, with requires also of require('...'), in
 * order; one that is named twice comes twice. */
void imports_each(const char *source, size_t len, bool requires, void (*each)(void *arg, const char *specifier), void *arg);
/* Calls each for "use k6 >= 1.0" and "use k6 with k6/x/a >= 2": the module ("k6" or "k6/x/...") and the
 * constraint ("*" when there is none). Only directives at the head of the source count. */
void directives_each(const char *source, size_t len, void (*each)(void *arg, const char *module, const char *constraint), void *arg);

#endif
