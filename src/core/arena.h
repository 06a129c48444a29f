/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once. {0} is an empty arena; it takes its first block when it is first
 * used. One thread at a time. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *at, *end;
};

void *arena_alloc(struct arena *a, size_t bytes); /* 16-byte aligned, not cleared */
char *arena_strndup(struct arena *a, const char *text, size_t len);
/* Forgets everything; keeps one block for reuse. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
