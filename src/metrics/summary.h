/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a test as data: what the text summary, handleSummary, --summary-export and reports are made
 * from. Built once by the collector when the run is over; plain memory, read-only, freed as a whole. */
#ifndef METRICS_SUMMARY_H
#define METRICS_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/metrics.h"

struct trend; /* metrics/trend.h: trend_min, trend_max, trend_avg, trend_count, trend_percentile ... */

struct summary_threshold {
    const char *source;     /* as written: "p(95)<500" */
    bool ok;
    bool abort_on_fail;
    const char *delay_abort_eval; /* as written, or NULL */
};

struct summary_metric {
    const char *name;   /* "http_reqs" or "http_reqs{status:200}" as the script wrote the selector */
    const char *parent; /* NULL, or the metric's name without the selector */
    const char *suffix; /* NULL, or what is between the braces: "status:200" */
    enum metric_type type;
    enum metric_contains contains;
    double count;              /* counter: the sum */
    double value, min, max;    /* gauge: last, least, greatest */
    uint64_t passes, total;    /* rate: non-zero samples, all samples */
    const struct trend *trend; /* trend: never NULL, may be empty */
    double timed_out_from;     /* trend: values from here on are time-outs, not measurements; INFINITY: none */
    const struct summary_threshold *thresholds;
    size_t threshold_count;
};

struct summary_check {
    const char *name, *path, *id; /* path "::group::name"; id: MD5 of the path in hex */
    uint64_t passes, fails;
};

struct summary_group {
    const char *name, *path, *id;
    struct summary_group **groups; /* in order of first appearance */
    size_t group_count;
    struct summary_check *checks; /* in order of first appearance */
    size_t check_count;
    /* only when built for the full mode: this group's (or scenario's) own metrics */
    struct summary_metric *metrics;
    size_t metric_count;
};

struct summary {
    struct summary_metric *metrics; /* metrics with samples or thresholds, and sub-metrics; sorted by name */
    size_t metric_count;
    struct summary_group *root; /* name and path "" */
    struct summary_group **scenarios; /* full mode only: name = the scenario's name, with its own group tree */
    size_t scenario_count;
    int64_t duration_ns; /* since before setup: what rates are divided by */
};

void summary_free(struct summary *summary);

#endif
