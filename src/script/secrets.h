/* SPDX-License-Identifier: Apache-2.0 */
/* The secret sources of a run (--secret-source). Read once, constant afterwards; any thread. */
#ifndef SCRIPT_SECRETS_H
#define SCRIPT_SECRETS_H

#include <stddef.h>

struct error;
struct secrets;
struct secret_source;

/* specs: "file=PATH", "file=filename=PATH,name=N,default", "mock=key=value,name=N". NULL with err
 * (EXIT_INVALID_CONFIG for a spec that is wrong, EXIT_GENERIC for a file that cannot be read). */
struct secrets *secrets_new(const char *const *specs, size_t count, struct error *err);
void secrets_free(struct secrets *secrets);
/* By name; NULL name: the default one. NULL with err. */
const struct secret_source *secrets_find(const struct secrets *secrets, const char *name, struct error *err);
/* NULL when the source has no such key. */
const char *secret_get(const struct secret_source *source, const char *key);

#endif
