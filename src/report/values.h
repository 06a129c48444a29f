/* SPDX-License-Identifier: Apache-2.0 */
/* What a metric's columns are, by name: one place for text, JSON and exports. Also how numbers are printed in
 * k6's summaries. Pure. */
#ifndef REPORT_VALUES_H
#define REPORT_VALUES_H

#include "metrics/summary.h"

struct buf;
struct error;

struct named_value {
    const char *name;
    double value;
    bool timed_out; /* the percentile falls among time-outs */
};

#define MAX_VALUES 64

/* The values that handleSummary shows for a metric, in k6's order; stats: the wanted trend columns. */
size_t metric_values(const struct summary_metric *metric, const char *const *stats, size_t stat_count, int64_t duration_ns,
                     struct named_value out[MAX_VALUES]);
/* One value by aggregation name ("p(99)", "rate" ...), also one that is not among the columns. */
struct named_value metric_value(const struct summary_metric *metric, const char *name, int64_t duration_ns);
/* Metrics that k6 does not have: left out wherever k6's exact set is expected. */
bool metric_is_own(const char *name);
/* EXIT_GENERIC when a name is none of avg, min, med, max, count, p(N). */
bool trend_stats_check(const char *const *stats, size_t count, struct error *err);

/* A value as text: contains decides between plain numbers, durations and bytes. unit: "", "s", "ms", "us". */
void humanize(struct buf *out, double value, enum metric_contains contains, const char *unit);
/* 66.66% (cut, not rounded). */
void humanize_rate(struct buf *out, double rate);
void plain_number(struct buf *out, double value);

#endif
