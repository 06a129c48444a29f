/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds: parsing, checking against the metrics there are, evaluating. They decide nothing: a verdict
 * tells which failed, the caller acts. Main thread. */
#ifndef METRICS_THRESHOLD_H
#define METRICS_THRESHOLD_H

#include "metrics/collector.h"

struct thresholds;

/* ignore: --no-thresholds; sub-metrics are still made, nothing is checked or evaluated. */
struct thresholds *thresholds_new(struct collector *collector, struct registry *registry, bool ignore);
void thresholds_free(struct thresholds *thresholds);
/* Declares a metric or sub-metric ("http_reqs{status:200}") as the script's options name it; with no source
 * added it is only shown. EXIT_INVALID_CONFIG on failure. */
bool thresholds_add_metric(struct thresholds *thresholds, const char *selector, struct error *err);
/* Adds "p(95)<500" to the metric declared last under that selector. delay as written ("10s") or NULL. */
bool thresholds_add(struct thresholds *thresholds, const char *selector, const char *source, bool abort_on_fail, const char *delay,
                    struct error *err);

struct threshold_verdict {
    char *failed; /* names of metrics whose thresholds fail, sorted, "a, b"; heap, NULL: none */
    bool abort;   /* one of them has abortOnFail and its delay is over */
};

/* final: metrics without samples count too. The caller frees verdict->failed. */
void thresholds_evaluate(struct thresholds *thresholds, int64_t elapsed_ns, bool final, struct threshold_verdict *verdict);
bool thresholds_is_empty(const struct thresholds *thresholds);

/* For the summary: the thresholds of an entry. */
struct threshold {
    char *source, *aggregation, *delay;
    int op;
    double bound;
    bool abort_on_fail, ok;
    int64_t delay_ns;
};
struct threshold_entry {
    char *selector;
    const struct metric *metric;
    struct submetric *submetric; /* NULL: the whole metric */
    const struct sink *sink;
    struct threshold *list;
    size_t count;
};
const struct threshold_entry *thresholds_find(const struct thresholds *thresholds, const char *selector);
size_t thresholds_count(const struct thresholds *thresholds);
const struct threshold_entry *thresholds_at(const struct thresholds *thresholds, size_t index);

#endif
