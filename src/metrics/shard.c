/* SPDX-License-Identifier: Apache-2.0 */
/* A shard keeps, for every (metric, tag set) its worker ever used, a slot; adding a sample is a hash look-up
 * and an addition. Two batches of deltas take turns: the worker fills one while the main thread reads the
 * other. The lock is taken once for all samples of a request and is free nearly always. */
#include "metrics/shard.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

#define KEYS_PER_BLOCK 256
#define MAX_RAW_VALUES 65536

struct shard {
    pthread_mutex_t lock;
    struct shard_batch batches[2], *filling;
    uint32_t *slots; /* hash table: slot + 1 */
    size_t slot_mask;
    struct series_key **blocks; /* keys, KEYS_PER_BLOCK each, so that they never move */
    uint32_t key_count;
    size_t block_cap;
    size_t max_raw; /* 0: no raw samples */
};

struct shard *shard_alloc(void)
{
    struct shard *shard = mem_zalloc(sizeof(*shard));
    pthread_mutex_init(&shard->lock, NULL);
    shard->filling = &shard->batches[0];
    shard->slot_mask = 255;
    shard->slots = mem_zalloc((shard->slot_mask + 1) * sizeof(shard->slots[0]));
    return shard;
}

static void free_batch(struct shard_batch *batch)
{
    for (size_t i = 0; i < batch->delta_cap; i++) {
        mem_free(batch->deltas[i].values);
        trend_free(batch->deltas[i].overflow);
    }
    for (size_t i = 0; i < batch->raw_count; i++)
        mem_free(batch->raw[i].metadata);
    mem_free(batch->raw);
    mem_free(batch->deltas);
    mem_free(batch->dirty);
}

void shard_free(struct shard *shard)
{
    if (!shard)
        return;
    free_batch(&shard->batches[0]);
    free_batch(&shard->batches[1]);
    for (uint32_t i = 0; i * KEYS_PER_BLOCK < shard->key_count; i++)
        mem_free(shard->blocks[i]);
    mem_free(shard->blocks);
    mem_free(shard->slots);
    pthread_mutex_destroy(&shard->lock);
    mem_free(shard);
}

void shard_keep_raw(struct shard *shard, size_t max_samples)
{
    shard->max_raw = max_samples;
}

bool shard_wants_metadata(const struct shard *shard)
{
    return shard->max_raw != 0;
}

/* The block list moves as it grows: for the worker only. */
static struct series_key *shard_key(struct shard *shard, uint32_t slot)
{
    return &shard->blocks[slot / KEYS_PER_BLOCK][slot % KEYS_PER_BLOCK];
}

static size_t hash_of(const struct metric *metric, const struct tagset *tags)
{
    uint64_t h = ((uint64_t)tags->id << 16 ^ metric->id) * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 20);
}

static void grow_slots(struct shard *shard)
{
    size_t mask = shard->slot_mask * 2 + 1;
    uint32_t *slots = mem_zalloc((mask + 1) * sizeof(slots[0]));
    for (uint32_t i = 0; i < shard->key_count; i++) {
        const struct series_key *key = shard_key(shard, i);
        size_t at = hash_of(key->metric, key->tags) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i + 1;
    }
    mem_free(shard->slots);
    shard->slots = slots;
    shard->slot_mask = mask;
}

static uint32_t slot_of(struct shard *shard, const struct metric *metric, const struct tagset *tags)
{
    size_t at = hash_of(metric, tags) & shard->slot_mask;
    for (; shard->slots[at]; at = (at + 1) & shard->slot_mask) {
        const struct series_key *key = shard_key(shard, shard->slots[at] - 1);
        if (key->metric == metric && key->tags == tags)
            return shard->slots[at] - 1;
    }
    uint32_t slot = shard->key_count;
    if (slot % KEYS_PER_BLOCK == 0) {
        mem_grow(&shard->blocks, &shard->block_cap, slot / KEYS_PER_BLOCK + 1, sizeof(shard->blocks[0]));
        shard->blocks[slot / KEYS_PER_BLOCK] = mem_zalloc(KEYS_PER_BLOCK * sizeof(struct series_key));
    }
    shard->key_count++;
    *shard_key(shard, slot) = (struct series_key){metric, tags, NULL};
    shard->slots[at] = slot + 1;
    if ((size_t)shard->key_count * 2 > shard->slot_mask)
        grow_slots(shard);
    return slot;
}

static struct series_delta *delta_of(struct shard *shard, uint32_t slot)
{
    struct shard_batch *batch = shard->filling;
    if (slot >= batch->delta_cap) {
        size_t cap = batch->delta_cap;
        mem_grow(&batch->deltas, &cap, slot + 1, sizeof(batch->deltas[0]));
        memset(batch->deltas + batch->delta_cap, 0, (cap - batch->delta_cap) * sizeof(batch->deltas[0]));
        batch->delta_cap = cap;
    }
    struct series_delta *delta = &batch->deltas[slot];
    if (delta->samples == 0) {
        mem_grow(&batch->dirty, &batch->dirty_cap, batch->dirty_count + 1, sizeof(batch->dirty[0]));
        batch->dirty[batch->dirty_count++] = slot;
        delta->timed_out_from = INFINITY;
        delta->key = shard_key(shard, slot);
    }
    return delta;
}

static void add_trend(struct series_delta *delta, double value)
{
    if (delta->value_count == delta->value_cap) {
        if (delta->value_cap >= MAX_RAW_VALUES) {
            if (!delta->overflow)
                delta->overflow = trend_new();
            trend_add(delta->overflow, value);
            return;
        }
        delta->value_cap = delta->value_cap ? delta->value_cap * 2 : 8;
        delta->values = mem_realloc(delta->values, delta->value_cap * sizeof(delta->values[0]));
    }
    delta->values[delta->value_count++] = value;
}

static void add_gauge(struct series_delta *delta, double value, int64_t wall_ns)
{
    if (delta->samples == 0 || value < delta->min)
        delta->min = value;
    if (delta->samples == 0 || value > delta->max)
        delta->max = value;
    delta->value = value;
    delta->wall_ns = wall_ns;
}

static void add_sample(struct shard *shard, const struct sample *sample, int64_t wall_ns, unsigned flags)
{
    struct series_delta *delta = delta_of(shard, slot_of(shard, sample->metric, sample->tags));
    switch (sample->metric->type) {
    case METRIC_COUNTER:
        delta->sum += sample->value;
        break;
    case METRIC_GAUGE:
        add_gauge(delta, sample->value, wall_ns);
        break;
    case METRIC_RATE:
        delta->passes += sample->value != 0;
        break;
    case METRIC_TREND:
        add_trend(delta, sample->value);
        if (flags & SAMPLE_TIMED_OUT && sample->value < delta->timed_out_from)
            delta->timed_out_from = sample->value;
        break;
    }
    delta->samples++;
}

static char *copy_metadata(const struct tag *metadata, size_t count)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++) {
        buf_add(&out, metadata[i].key, strlen(metadata[i].key) + 1);
        buf_add(&out, metadata[i].value, strlen(metadata[i].value) + 1);
    }
    return count ? buf_take(&out) : NULL;
}

static void add_raw(struct shard *shard, const struct sample *samples, size_t count, int64_t wall_ns, const struct tag *metadata, size_t metadata_count)
{
    struct shard_batch *batch = shard->filling;
    if (batch->raw_count + count > shard->max_raw) {
        batch->raw_dropped += count;
        return;
    }
    mem_grow(&batch->raw, &batch->raw_cap, batch->raw_count + count, sizeof(batch->raw[0]));
    for (size_t i = 0; i < count; i++)
        batch->raw[batch->raw_count++] = (struct raw_sample){samples[i].metric, samples[i].tags, wall_ns, samples[i].value,
                                                             copy_metadata(metadata, metadata_count)};
}

void shard_add(struct shard *shard, const struct sample *samples, size_t count, int64_t wall_ns, unsigned flags, const struct tag *metadata, size_t metadata_count)
{
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < count; i++)
        add_sample(shard, &samples[i], wall_ns, flags);
    if (shard->max_raw)
        add_raw(shard, samples, count, wall_ns, metadata, metadata_count);
    pthread_mutex_unlock(&shard->lock);
}

struct shard_batch *shard_swap(struct shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct shard_batch *filled = shard->filling;
    shard->filling = filled == &shard->batches[0] ? &shard->batches[1] : &shard->batches[0];
    pthread_mutex_unlock(&shard->lock);
    return filled;
}
