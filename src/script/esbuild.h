/* SPDX-License-Identifier: Apache-2.0 */
/* TypeScript and npm packages become modules by way of esbuild, a program that is looked for when it is first needed:
 * $LTLAB_ESBUILD, node_modules beside the script or above it, node_modules of this program's own checkout, the PATH.
 * Blocking; no state. */
#ifndef SCRIPT_ESBUILD_H
#define SCRIPT_ESBUILD_H

#include <stddef.h>

struct error;

/* JavaScript with an inline source map for a TypeScript text (no type check). path: the file's, for messages. Heap;
 * NULL with err. */
char *esbuild_typescript(const char *path, const char *text, size_t len, size_t *out_len, struct error *err);
/* The folder, folder itself or one above, whose node_modules has the package of a bare name ("lodash",
 * "@scope/name/part"). Heap; NULL when there is none. */
char *esbuild_find_package(const char *folder, const char *name);
/* A package of folder's node_modules as one CommonJS module. Heap; NULL with err. */
char *esbuild_package(const char *folder, const char *name, size_t *out_len, struct error *err);

#endif
