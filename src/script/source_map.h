/* SPDX-License-Identifier: Apache-2.0 */
/* Source maps (ECMA-426): from a place in a generated file to the place it was written. */
#ifndef SCRIPT_SOURCE_MAP_H
#define SCRIPT_SOURCE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct source_map;

/* NULL when the text is no source map of version 3. */
struct source_map *source_map_read(const char *json, size_t len);
void source_map_free(struct source_map *map);
/* Lines and columns from 1. The source's name (as in the map, NULL when it has none) for the last mapping at or
 * before the place in its line; false when there is none. */
bool source_map_find(const struct source_map *map, int line, int column, const char **source, int *source_line, int *source_column);

#endif
