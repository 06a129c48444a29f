/* SPDX-License-Identifier: Apache-2.0 */
/* Modules from https URLs: the offline twins that npm installed with us, the cache with its checksums, and
 * only then the network. */
#ifndef SCRIPT_REMOTE_H
#define SCRIPT_REMOTE_H

#include <stddef.h>

struct error;

/* A relative specifier against an https base. Heap; NULL with err. */
char *remote_resolve(const char *base, const char *specifier, struct error *err);
/* The module's text. Heap; NULL with err (EXIT_SCRIPT_EXCEPTION). Blocks while it downloads. */
char *remote_fetch(const char *url, size_t *len, struct error *err);

#endif
