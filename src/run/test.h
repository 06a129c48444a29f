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
    bool has_api; /* something can resume a test that is paused from the start */
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

/* ---- control, and a look from outside ---- */

struct task;
/* Runs the task on the main thread, in a turn of the loop: during test_run or test_turn. Any thread. */
void test_post(struct test *test, struct task *task);
/* One short turn of the loop, outside test_run. */
void test_turn(struct test *test);

/* The rest on the main thread, as in such a task. */
enum test_phase { TEST_CREATED, TEST_MAKING_VUS, TEST_PAUSED, TEST_STARTED, TEST_SETUP, TEST_RUNNING, TEST_TEARDOWN, TEST_ENDED, TEST_INTERRUPTED };

struct test_status {
    enum test_phase phase;
    bool paused, stopped, running;
    bool tainted; /* a threshold is crossed, by the last evaluation */
    int64_t vus, max_vus;
};
struct test_status test_status(struct test *test);
/* Ends it early, with exit code 103. */
void test_stop_by_api(struct test *test);
/* Before the start, or a scenario that is externally-controlled. False with err when neither fits. */
bool test_set_paused(struct test *test, bool paused, struct error *err);
bool test_scale(struct test *test, int64_t vus, struct error *err);
/* What a summary would say now; NULL before the start. Free with summary_free before anything else is measured. */
struct summary *test_live_summary(struct test *test);

#endif
