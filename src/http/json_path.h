/* SPDX-License-Identifier: Apache-2.0 */
/* What Response.json() needs on the C side: a syntax check with k6's error text, and the path selectors of
 * Response.json(selector), a dialect of gjson's: "a.b.0", "list.#", "list.#.id", "list.#(id==3).name",
 * "list.#(age>40)#.name", "*" and "?" in keys, "\" before a character that is meant as itself, "|" between
 * steps. Modifiers (@...), multipaths ({...}, [...]) and JSON lines (..) select nothing. Pure. */
#ifndef HTTP_JSON_PATH_H
#define HTTP_JSON_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;

/* False with k6's text: cannot parse json due to an error at line L, character C , error: ... */
bool json_check(const char *json, size_t len, struct error *err);

/* Adds the JSON text of what path selects to out; false (and out as it was) when there is nothing. json
 * must have passed json_check; otherwise the result is of no use, but nothing breaks. */
bool json_path_select(const char *json, size_t len, const char *path, size_t path_len, struct buf *out);

#endif
