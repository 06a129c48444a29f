/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a script: module texts, opened data files, remote modules. One store for the process: what
 * the first init context touched is kept and frozen, later ones see the same bytes. Any thread. */
#ifndef SCRIPT_FILES_H
#define SCRIPT_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct files;

/* import_map: a file in the web's import-map format, or NULL. */
struct files *files_new(const char *import_map, struct error *err);
void files_free(struct files *files);
/* Puts text in the store under a module name (a script from standard input). */
void files_put(struct files *files, const char *name, const char *text, size_t len);
/* The same for what the caller keeps for the store's life: a path on no disk, or an https URL. */
void files_lend(struct files *files, const char *name, const char *data, size_t len);
/* The same for what may be JavaScript or TypeScript: through esbuild where there is one; a text that it refuses is put
 * in as it is, and QuickJS says what is wrong with it. */
void files_put_script(struct files *files, const char *name, const char *text, size_t len);
/* Nothing is read from disk or network: the store is an archive. Names without a module are relative to pwd;
 * homes in paths read as nobody's. */
void files_seal(struct files *files, const char *pwd);
/* Calls each for everything that could be read, by module name or absolute path. */
void files_each(struct files *files, void (*each)(void *arg, const char *name, const char *data, size_t len), void *arg);
/* "/home/nobody/a.js" for "/home/alice/a.js", likewise below /Users. Heap. */
char *files_anonymous_path(const char *path);
/* From now on only files that are in the store exist. */
void files_freeze(struct files *files);

/* The module name ("file:///dir/a.js", "https://...", "k6/http") that a specifier means in the module base
 * (NULL: the working directory). Heap; NULL with err. */
char *files_resolve(struct files *files, const char *base, const char *specifier, struct error *err);
/* The text of a module by its resolved name; the store keeps it. NULL with err. */
const char *files_module(struct files *files, const char *name, size_t *len, struct error *err);
/* As it was written: for TypeScript the text before it was made JavaScript. NULL when it is not in the store. */
const char *files_original(struct files *files, const char *name);
/* Where a place in a module (line and column from 1) was written, by its source map: changes them, and gives the
 * source's module name (heap). NULL when the module has no map or the map no answer. */
char *files_place(struct files *files, const char *name, int *line, int *column);
/* A data file by a path relative to the module base: the bytes stay in the store. NULL with err.
 * full_path (may be NULL) gets the absolute path, owned by the store. */
const char *files_open(struct files *files, const char *base, const char *path, size_t *len, const char **full_path, struct error *err);
/* A private mapping of what files_open gave: whoever writes to it gets pages of its own, the others are shared by the
 * process. Given back with munmap(mapping, len). NULL: the system has no more. */
void *files_private_mapping(struct files *files, const char *full_path);
/* "file:///a/b.js" for a path on disk. Heap. */
char *files_url_of_path(const char *path);
/* True when any stored module text patches a built-in object (a heuristic over the source). */
bool files_patch_builtins(struct files *files);

#endif
