/* SPDX-License-Identifier: Apache-2.0 */
/* The end-of-test summary as JSON: for handleSummary(data), --summary-export and the machine-readable form.
 * All return heap text. */
#ifndef REPORT_SUMMARY_DATA_H
#define REPORT_SUMMARY_DATA_H

#include "report/values.h"

struct summary_data_options {
    const char *const *stats;
    size_t stat_count;
    const char *time_unit;
    bool no_color, is_stdout_tty, is_stderr_tty;
    bool own_metrics; /* generator_lag and iteration_lag too: summary mode full */
    const char *setup_data; /* JSON; NULL: the key is left out */
    const char *script;     /* the machine-readable form's config.script */
};

char *summary_data_json(const struct summary *summary, const struct summary_data_options *options);
/* k6's legacy export: 4 spaces, sorted keys; true in its thresholds means crossed. */
char *summary_export_json(const struct summary *summary, const struct summary_data_options *options);
/* Schema 1.0.0 of --new-machine-readable-summary. */
char *summary_machine_json(const struct summary *summary, const struct summary_data_options *options);

#endif
