/* SPDX-License-Identifier: Apache-2.0 */
/* Between shard.c and collector.c: what a shard hands over. */
#ifndef METRICS_SHARD_H
#define METRICS_SHARD_H

#include "metrics/collector.h"

/* Which series a slot stands for; slots never move. */
struct series_key {
    const struct metric *metric;
    const struct tagset *tags;
    void *route; /* the collector's own: where its samples go */
};

/* What one (metric, tag set) got since the last collection. */
struct series_delta {
    struct series_key *key;            /* valid while samples is not 0 */
    uint64_t samples;
    double sum;                        /* counter */
    double value, min, max;            /* gauge */
    int64_t wall_ns;
    uint64_t passes;                   /* rate */
    double *values;                    /* trend: raw values ... */
    uint32_t value_count, value_cap;
    struct trend *overflow;            /* ... and what did not fit there */
    double timed_out_from;
};

struct shard_batch {
    struct series_delta *deltas; /* by slot */
    size_t delta_cap;
    uint32_t *dirty; /* slots that got something */
    size_t dirty_count, dirty_cap;
    struct raw_sample *raw;
    size_t raw_count, raw_cap;
    uint64_t raw_dropped;
};

/* Exchanges the filled batch for the empty one. The caller empties what it got before the next swap. */
struct shard_batch *shard_swap(struct shard *shard);
void shard_keep_raw(struct shard *shard, size_t max_samples);
struct shard *shard_alloc(void);
void shard_free(struct shard *shard);

#endif
