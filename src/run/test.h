/* SPDX-License-Identifier: Apache-2.0 */
/* One test run from script to summary: load, consolidate options, start workers and VUs, setup, scenarios,
 * teardown, thresholds, handleSummary. Prints nothing; the caller shows progress and results. Main thread. */
#ifndef RUN_TEST_H
#define RUN_TEST_H

#include "metrics/collector.h"
#include "run/options.h"
#include "run/schedule.h"
#include "script/script.h"

struct test;

struct test_config {
    struct script_config script; /* registry and tags are filled in by the test */
    const struct options *file, *env, *flags; /* layers; file may be NULL */
    bool no_thresholds, full_summary;
    unsigned workers; /* 0: one a core */
    void (*http_debug)(const char *text, size_t len);
};

/* Loads the script and settles the options. NULL with err (and its exit code). */
struct test *test_new(const struct test_config *config, struct error *err);
void test_free(struct test *test);

struct options *test_options(struct test *test);
struct script *test_script(struct test *test);
struct collector *test_collector(struct test *test);
const struct thresholds *test_thresholds(const struct test *test);
const struct segment *test_segment(const struct test *test);
struct vu_plan test_plan(const struct test *test);

/* Called about every 100 ms while the test runs. */
typedef void test_on_tick(void *arg, struct test *test);
/* Raw samples since the last call (about every 200 ms), when collector_keep_raw was asked for; the callee
 * owns them. */
typedef void test_on_raw(void *arg, struct raw_sample *samples, size_t count, uint64_t dropped);

struct test_watcher {
    test_on_tick *tick;
    void (*started)(void *arg, struct test *test); /* VUs are ready, the clock starts */
    test_on_raw *raw;
    void *arg;
};

/* What came of it; the texts live as long as the test. */
struct test_result {
    int exit_code;
    const char *error; /* NULL: none */
    struct summary *summary; /* NULL: it ended before anything ran; freed with the test */
    const char *setup_data;  /* JSON or NULL */
    int64_t duration_ns;
    uint64_t interrupted;
    double worker_cpu_share; /* busiest worker: CPU time over wall time while scenarios ran */
};

/* Runs to the end. Signals SIGINT and SIGTERM end it gracefully; a second one at once. */
void test_run(struct test *test, const struct test_watcher *watcher, struct test_result *result);
/* Runs the script's handleSummary with this JSON; NULL when it has none. The caller frees the result with
 * vu_call_result_free. Between test_run and test_free. */
struct vu_call_result *test_handle_summary(struct test *test, const char *data_json);

struct test_progress {
    int64_t elapsed_ns;
    int64_t active_vus, initialized_vus;
    uint64_t complete, interrupted;
    bool in_setup, in_teardown;
    const struct schedule *schedule; /* NULL before it exists */
};
void test_progress(struct test *test, struct test_progress *out);

#endif
