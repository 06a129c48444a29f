/* SPDX-License-Identifier: Apache-2.0 */
/* Where the samples of all workers come together. collector_collect is called by the main thread about once
 * a second and before anything reads; everything here but shard_add belongs to the main thread. */
#ifndef METRICS_COLLECTOR_H
#define METRICS_COLLECTOR_H

#include "metrics/metrics.h"
#include "metrics/trend.h"

struct summary;
struct thresholds;
struct submetric;

/* What became of a metric, or of the part of it that a selector names. */
struct sink {
    enum metric_type type;
    uint64_t samples;
    double count;                        /* counter */
    double value, min, max;              /* gauge */
    int64_t value_wall_ns;               /* gauge: when value was set */
    uint64_t passes, total;              /* rate */
    struct trend *trend;                 /* trend */
    double timed_out_from;               /* trend: INFINITY when nothing timed out */
};

/* A sample as raw outputs get it. */
struct raw_sample {
    const struct metric *metric;
    const struct tagset *tags;
    int64_t wall_ns;
    double value;
    char *metadata; /* "k\0v\0k\0v\0\0", or NULL */
};

struct collector *collector_new(struct registry *registry, struct tag_interner *tags);
void collector_free(struct collector *collector); /* with its shards */
/* Before the run: also keep the groups' and scenarios' own metrics (summary mode full). */
void collector_keep_groups(struct collector *collector);
/* Before the run: somebody takes raw samples. At most max_samples wait between two takes; more are dropped
 * and counted. metadata: whether samples carry it. */
void collector_keep_raw(struct collector *collector, size_t max_samples);

/* A part of a metric: "name{key:value,...}" as name and suffix. The same text gives the same one. */
struct submetric *collector_add_submetric(struct collector *collector, const struct metric *metric, const char *suffix, bool always_shown,
                                          struct error *err);
const struct sink *submetric_sink(const struct submetric *submetric);

/* Merges what the workers added since the last time. */
void collector_collect(struct collector *collector);
/* After collect. */
const struct sink *collector_sink(struct collector *collector, const struct metric *metric);
/* Hands over the raw samples collected so far (heap array, metadata heap too); *dropped: how many were lost
 * since the last call. */
struct raw_sample *collector_take_raw(struct collector *collector, size_t *count, uint64_t *dropped);

/* The end of the test as data; thresholds may be NULL. */
struct summary *collector_summary(struct collector *collector, const struct thresholds *thresholds, int64_t duration_ns);

/* sink of nothing: for metrics without a sample. */
void sink_init(struct sink *sink, enum metric_type type);
void sink_fini(struct sink *sink);
/* The value that a threshold's or summary's aggregation name stands for ("avg", "p(95)", "rate" ...). False:
 * the type has no such aggregation. */
bool sink_value(const struct sink *sink, const char *aggregation, int64_t duration_ns, double *value);
/* "p(N)" to N / 100; false when it is none. */
bool percentile_parse(const char *text, double *fraction);

#endif
