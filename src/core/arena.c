/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <stdint.h>
#include <string.h>

#include "core/mem.h"

struct arena_block {
    struct arena_block *older;
    size_t bytes;
    _Alignas(16) char data[];
};

#define ARENA_BLOCK_BYTES 4000

void *arena_alloc(struct arena *a, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if ((size_t)(a->end - a->at) < bytes) {
        size_t size = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        struct arena_block *block = mem_alloc(sizeof(*block) + size);
        block->older = a->blocks;
        block->bytes = size;
        a->blocks = block;
        a->at = block->data;
        a->end = block->data + size;
    }
    void *memory = a->at;
    a->at += bytes;
    return memory;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;
    for (struct arena_block *block = a->blocks; block;) {
        struct arena_block *older = block->older;
        if (!keep && block->bytes == ARENA_BLOCK_BYTES)
            keep = block;
        else
            mem_free(block);
        block = older;
    }
    *a = (struct arena){0};
    if (keep) {
        keep->older = NULL;
        a->blocks = keep;
        a->at = keep->data;
        a->end = keep->data + keep->bytes;
    }
}

void arena_free(struct arena *a)
{
    for (struct arena_block *block = a->blocks; block;) {
        struct arena_block *older = block->older;
        mem_free(block);
        block = older;
    }
    *a = (struct arena){0};
}
