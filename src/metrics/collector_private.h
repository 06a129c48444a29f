/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's insides, for collector.c and build_summary.c. */
#ifndef METRICS_COLLECTOR_PRIVATE_H
#define METRICS_COLLECTOR_PRIVATE_H

#include "core/map.h"
#include "metrics/groups.h"

struct submetric {
    const struct metric *metric;
    char *name, *suffix;
    struct tag *tags;
    size_t tag_count;
    bool always_shown; /* also without samples */
    struct sink sink;
};

struct collector {
    struct registry *registry;
    struct tag_interner *tags;
    struct shard **shards;
    size_t shard_count, shard_cap;
    struct sink **sinks; /* by metric id; NULL: no sample yet */
    size_t sink_count;
    struct submetric **submetrics;
    size_t submetric_count, submetric_cap;
    struct map routes; /* (metric id, tag set id) -> struct route */
    size_t series_warning;
    struct group_node *root, **scenarios;
    size_t scenario_count, scenario_cap;
    bool keep_groups;
    struct raw_sample *raw;
    size_t raw_count, raw_cap, max_raw;
    uint64_t raw_dropped;
};

#endif
