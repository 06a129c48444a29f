/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: what is measured, under which tags, and what became of it.
 *
 * A sample is (metric, tag set, time, value). Metrics and tag sets are interned: a tag set is an
 * immutable sorted list of key=value that exists once in the process, so equal sets are equal pointers.
 * Every worker adds samples to its own shard; the main thread collects all shards once a second into the
 * totals that thresholds, summary, page and aggregating outputs read. */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_RATE, METRIC_TREND };
enum metric_contains { METRIC_DEFAULT, METRIC_TIME, METRIC_DATA }; /* METRIC_TIME: values in ms */

struct metric {
    uint32_t id; /* dense, from 0 */
    const char *name;
    enum metric_type type;
    enum metric_contains contains;
};

const char *metric_type_name(enum metric_type type);             /* "counter" "gauge" "rate" "trend" */
const char *metric_contains_name(enum metric_contains contains); /* "default" "time" "data" */

/* ---- registry: all metrics of the run. Any thread (a lock inside); cheap only at init. ---- */
struct registry;
struct registry *registry_new(void); /* has k6's built-in metrics already, see metrics/builtin.h */
void registry_free(struct registry *registry);
/* The metric of that name, new or already there. NULL with err when the name is not allowed
 * (^[A-Za-z_][A-Za-z0-9_]{1,128}$) or exists with another type or contents. */
const struct metric *registry_add(struct registry *registry, const char *name, enum metric_type type,
                                  enum metric_contains contains, struct error *err);
const struct metric *registry_find(struct registry *registry, const char *name, size_t len);
size_t registry_count(struct registry *registry);
const struct metric *registry_at(struct registry *registry, size_t index);

/* ---- tag sets ---- */
struct tag {
    const char *key, *value;
};

struct tagset {
    uint32_t id; /* dense, from 0 = the empty set */
    uint32_t count;
    const struct tag *tags; /* sorted by key */
};

struct tag_interner; /* process-wide; any thread */
struct tag_interner *tag_interner_new(void);
void tag_interner_free(struct tag_interner *interner);
const struct tagset *tagset_empty(struct tag_interner *interner);
/* base with the changes applied: value NULL removes the key. Later changes win. */
const struct tagset *tagset_with(struct tag_interner *interner, const struct tagset *base, const struct tag *changes, size_t count);
const char *tagset_get(const struct tagset *set, const char *key); /* NULL when missing */
/* The same through a worker's own cache: no lock and no allocation for a question asked before. */
struct tag_cache;
struct tag_cache *tag_cache_new(struct tag_interner *interner);
void tag_cache_free(struct tag_cache *cache);
const struct tagset *tagset_with_cached(struct tag_cache *cache, const struct tagset *base, const struct tag *changes, size_t count);

/* ---- shards: where workers put samples ---- */
struct shard;
struct collector;

/* Made by the main thread, used by one worker. */
struct shard *shard_new(struct collector *collector);

struct sample {
    const struct metric *metric;
    const struct tagset *tags;
    double value;
};

enum sample_flag {
    SAMPLE_TIMED_OUT = 1, /* the value of a trend is a time-out, not a measurement */
};

/* Adds samples that share a time and metadata (vu, iter and the like: not tags, only raw outputs see
 * them; copied, and only when a raw output is on). One lock for all of them. No allocation for a (metric,
 * tag set) pair seen before. The shard's own thread. */
void shard_add(struct shard *shard, const struct sample *samples, size_t count, int64_t wall_ns, unsigned flags,
               const struct tag *metadata, size_t metadata_count);
/* False: nobody wants metadata, so the caller need not make it. */
bool shard_wants_metadata(const struct shard *shard);

#endif
