/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from byte strings to pointers, insertion-ordered on iteration. {0} is an empty one.
 * Keys are copied; values belong to the caller. One thread at a time. */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    char *key; /* zero-terminated copy; NULL: removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct map {
    struct map_entry *entries; /* in order of insertion, removed ones have key NULL */
    size_t used, cap, count;
    uint32_t *slots; /* index + 1 into entries */
    size_t slot_count;
};

void *map_get(const struct map *m, const char *key, size_t len); /* NULL when it is missing */
bool map_has(const struct map *m, const char *key, size_t len);
/* Returns the value that was there before, or NULL. */
void *map_set(struct map *m, const char *key, size_t len, void *value);
/* The entries in order: for (struct map_entry *e = map_next(m, NULL); e; e = map_next(m, e)) */
struct map_entry *map_next(const struct map *m, struct map_entry *after);
/* Frees keys and table; calls free_value (may be NULL) for every value. */
void map_free(struct map *m, void (*free_value)(void *));

#endif
