/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over an array of entry numbers; the entries themselves stay in insertion order. */
#include "core/map.h"

#include <string.h>

#include "core/mem.h"
#include "core/text.h"

static bool entry_is(const struct map_entry *e, const char *key, size_t len, uint64_t hash)
{
    return e->hash == hash && e->key_len == len && memcmp(e->key, key, len) == 0;
}

static struct map_entry *find(const struct map *m, const char *key, size_t len)
{
    if (!m->slot_count)
        return NULL;
    uint64_t hash = text_hash(key, len);
    for (size_t at = hash & (m->slot_count - 1); m->slots[at]; at = (at + 1) & (m->slot_count - 1)) {
        struct map_entry *e = &m->entries[m->slots[at] - 1];
        if (entry_is(e, key, len, hash))
            return e;
    }
    return NULL;
}

static void rebuild(struct map *m)
{
    size_t slots = 16;
    while (slots < m->used * 4)
        slots *= 2;
    mem_free(m->slots);
    m->slots = mem_zalloc(slots * sizeof(m->slots[0]));
    m->slot_count = slots;
    for (size_t i = 0; i < m->used; i++) {
        size_t at = m->entries[i].hash & (slots - 1);
        while (m->slots[at])
            at = (at + 1) & (slots - 1);
        m->slots[at] = (uint32_t)i + 1;
    }
}

void *map_get(const struct map *m, const char *key, size_t len)
{
    struct map_entry *e = find(m, key, len);
    return e ? e->value : NULL;
}

bool map_has(const struct map *m, const char *key, size_t len)
{
    return find(m, key, len) != NULL;
}

void *map_set(struct map *m, const char *key, size_t len, void *value)
{
    struct map_entry *e = find(m, key, len);
    if (e) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if ((m->used + 1) * 2 > m->slot_count)
        rebuild(m);
    mem_grow(&m->entries, &m->cap, m->used + 1, sizeof(m->entries[0]));
    uint64_t hash = text_hash(key, len);
    m->entries[m->used++] = (struct map_entry){mem_strndup(key, len), len, hash, value};
    m->count++;
    size_t at = hash & (m->slot_count - 1);
    while (m->slots[at])
        at = (at + 1) & (m->slot_count - 1);
    m->slots[at] = (uint32_t)m->used;
    return NULL;
}

struct map_entry *map_next(const struct map *m, struct map_entry *after)
{
    struct map_entry *e = after ? after + 1 : m->entries;
    return e && e < m->entries + m->used ? e : NULL;
}

void map_free(struct map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->used; i++) {
        if (free_value)
            free_value(m->entries[i].value);
        mem_free(m->entries[i].key);
    }
    mem_free(m->entries);
    mem_free(m->slots);
    *m = (struct map){0};
}
