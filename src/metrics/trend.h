/* SPDX-License-Identifier: Apache-2.0 */
/* The distribution of a trend. Exact while it holds at most 4,096 values, afterwards a histogram of
 * logarithmic buckets with at most 0.1 % relative error and bounded memory. Count, sum, min and max are
 * always exact. Merging loses nothing beyond that. One thread at a time. */
#ifndef METRICS_TREND_H
#define METRICS_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREND_EXACT_VALUES 4096

struct trend;

struct trend *trend_new(void);
void trend_free(struct trend *trend);
void trend_add(struct trend *trend, double value);
void trend_merge(struct trend *to, const struct trend *from);

uint64_t trend_count(const struct trend *trend);
double trend_min(const struct trend *trend); /* 0 when empty, as all of these */
double trend_max(const struct trend *trend);
double trend_sum(const struct trend *trend);
double trend_avg(const struct trend *trend);
/* fraction 0 to 1; linear interpolation between the neighbours of fraction * (count - 1), as k6. Sorts an
 * exact trend in place the first time. */
double trend_percentile(const struct trend *trend, double fraction);
bool trend_is_exact(const struct trend *trend);
size_t trend_memory_bytes(const struct trend *trend);

#endif
