/* SPDX-License-Identifier: Apache-2.0 */
/* The end-of-test summary as text, in k6's layout. */
#ifndef REPORT_SUMMARY_TEXT_H
#define REPORT_SUMMARY_TEXT_H

#include "report/values.h"

/* Whether the load generator itself was the limit. */
struct generator_verdict {
    bool bottleneck;
    double cpu_share; /* busiest worker, 0 to 1 */
    double lag_p95_ms;
};

struct summary_text_options {
    const char *const *stats; /* trend columns */
    size_t stat_count;
    const char *time_unit; /* "", "s", "ms", "us" */
    bool full, color;
    struct generator_verdict generator;
};

/* Adds the text with the blank lines around it, as it goes to standard output. */
void summary_text(struct buf *out, const struct summary *summary, const struct summary_text_options *options);

#endif
