/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of JSON texts that all VUs share: behind SharedArray and csv.parse. */
#ifndef SCRIPT_K6_SHARED_ARRAY_H
#define SCRIPT_K6_SHARED_ARRAY_H

#include "script/host.h"

struct shared_array;

/* NULL when there is none of that name. Any thread. */
const struct shared_array *shared_array_find(struct script *script, const char *name);
struct shared_array *shared_array_new(size_t count);
void shared_array_set(struct shared_array *array, size_t index, const char *json, size_t len);
/* Gives the array to the process under a name; when another thread was first, that one is returned and
 * this one freed. */
const struct shared_array *shared_array_keep(struct script *script, const char *name, struct shared_array *array);
/* What scripts see of it. */
JSValue shared_array_value(JSContext *ctx, const struct shared_array *array);

#endif
