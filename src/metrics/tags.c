/* SPDX-License-Identifier: Apache-2.0 */
/* Tag sets exist once in the process, found by the hash of their sorted pairs. Workers mostly ask the same
 * question again ("these tags plus status 200 ..."), so each has a direct-mapped cache of questions and
 * answers and takes the interner's lock only for new ones. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/text.h"
#include "metrics/metrics.h"

#define CACHE_SLOTS 2048
#define MAX_KEY_BYTES 4096

struct tag_interner {
    pthread_mutex_t lock;
    struct map sets; /* "key\0value\0..." -> struct tagset */
    uint32_t next_id;
};

struct tag_interner *tag_interner_new(void)
{
    struct tag_interner *interner = mem_zalloc(sizeof(*interner));
    pthread_mutex_init(&interner->lock, NULL);
    tagset_empty(interner);
    return interner;
}

void tag_interner_free(struct tag_interner *interner)
{
    if (!interner)
        return;
    map_free(&interner->sets, mem_free);
    pthread_mutex_destroy(&interner->lock);
    mem_free(interner);
}

static const char *put_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *start = memcpy(*at, text, len);
    *at += len;
    return start;
}

/* One block: the struct, the tags, the strings. */
static struct tagset *make_set(uint32_t id, const struct tag *tags, uint32_t count)
{
    size_t bytes = sizeof(struct tagset) + count * sizeof(struct tag);
    for (uint32_t i = 0; i < count; i++)
        bytes += strlen(tags[i].key) + strlen(tags[i].value) + 2;
    struct tagset *set = mem_alloc(bytes);
    struct tag *own = (struct tag *)(set + 1);
    char *at = (char *)(own + count);
    for (uint32_t i = 0; i < count; i++) {
        own[i].key = put_text(&at, tags[i].key);
        own[i].value = put_text(&at, tags[i].value);
    }
    *set = (struct tagset){id, count, own};
    return set;
}

static const struct tagset *intern(struct tag_interner *interner, const struct tag *tags, uint32_t count)
{
    struct buf key = {0};
    for (uint32_t i = 0; i < count; i++) {
        buf_add(&key, tags[i].key, strlen(tags[i].key) + 1);
        buf_add(&key, tags[i].value, strlen(tags[i].value) + 1);
    }
    pthread_mutex_lock(&interner->lock);
    struct tagset *set = map_get(&interner->sets, key.data ? key.data : "", key.len);
    if (!set) {
        set = make_set(interner->next_id++, tags, count);
        map_set(&interner->sets, key.data ? key.data : "", key.len, set);
    }
    pthread_mutex_unlock(&interner->lock);
    buf_free(&key);
    return set;
}

const struct tagset *tagset_empty(struct tag_interner *interner)
{
    return intern(interner, NULL, 0);
}

const char *tagset_get(const struct tagset *set, const char *key)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (strcmp(set->tags[i].key, key) == 0)
            return set->tags[i].value;
    return NULL;
}

static void apply(struct tag *list, uint32_t *count, const struct tag *change)
{
    uint32_t at = 0;
    while (at < *count && strcmp(list[at].key, change->key) < 0)
        at++;
    bool there = at < *count && strcmp(list[at].key, change->key) == 0;
    if (!change->value) {
        if (there)
            memmove(&list[at], &list[at + 1], (--*count - at) * sizeof(*list));
        return;
    }
    if (!there) {
        memmove(&list[at + 1], &list[at], (*count - at) * sizeof(*list));
        ++*count;
    }
    list[at] = *change;
}

const struct tagset *tagset_with(struct tag_interner *interner, const struct tagset *base, const struct tag *changes, size_t count)
{
    if (count == 0)
        return base;
    struct tag *list = mem_array(base->count + count + 1, sizeof(*list));
    uint32_t used = base->count;
    if (used)
        memcpy(list, base->tags, used * sizeof(*list));
    for (size_t i = 0; i < count; i++)
        apply(list, &used, &changes[i]);
    const struct tagset *set = intern(interner, list, used);
    mem_free(list);
    return set;
}

/* ---- a worker's cache ---- */

struct cache_slot {
    uint64_t hash;
    const struct tagset *base, *result;
    char *question;
    uint32_t len;
};

struct tag_cache {
    struct tag_interner *interner;
    struct cache_slot slots[CACHE_SLOTS];
    char question[MAX_KEY_BYTES];
};

struct tag_cache *tag_cache_new(struct tag_interner *interner)
{
    struct tag_cache *cache = mem_zalloc(sizeof(*cache));
    cache->interner = interner;
    return cache;
}

void tag_cache_free(struct tag_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        mem_free(cache->slots[i].question);
    mem_free(cache);
}

/* The changes as one string of bytes; 0 when they do not fit. */
static size_t write_question(struct tag_cache *cache, const struct tag *changes, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = changes[i].value ? changes[i].value : "";
        size_t key_len = strlen(changes[i].key) + 1, value_len = strlen(value) + 1;
        if (at + 1 + key_len + value_len > MAX_KEY_BYTES)
            return 0;
        cache->question[at++] = changes[i].value ? '+' : '-';
        memcpy(cache->question + at, changes[i].key, key_len);
        memcpy(cache->question + at + key_len, value, value_len);
        at += key_len + value_len;
    }
    return at;
}

const struct tagset *tagset_with_cached(struct tag_cache *cache, const struct tagset *base, const struct tag *changes, size_t count)
{
    if (count == 0)
        return base;
    size_t len = write_question(cache, changes, count);
    if (len == 0)
        return tagset_with(cache->interner, base, changes, count);
    uint64_t hash = text_hash(cache->question, len) ^ ((uint64_t)base->id * 0x9e3779b97f4a7c15u);
    struct cache_slot *slot = &cache->slots[hash % CACHE_SLOTS];
    if (slot->hash == hash && slot->base == base && slot->len == len && memcmp(slot->question, cache->question, len) == 0)
        return slot->result;
    const struct tagset *result = tagset_with(cache->interner, base, changes, count);
    mem_free(slot->question);
    *slot = (struct cache_slot){hash, base, result, mem_dup(cache->question, len), (uint32_t)len};
    return result;
}
