/* SPDX-License-Identifier: Apache-2.0 */
/* The course of a test is written as a sequence; wherever it has to wait, it turns the main loop until a
 * condition holds. Everything that can end a test early (signal, threshold, abort by the script) comes through
 * test_stop, and the first reason wins. */
#include "run/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/list.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "http/client.h"
#include "metrics/builtin.h"
#include "metrics/summary.h"
#include "metrics/threshold.h"
#include "net/net.h"
#include "run/vu_pool.h"

#define MAX_WORKERS 64
#define TICK_NS (100 * NS_PER_MS)
#define COLLECT_NS (200 * NS_PER_MS)
#define VUS_NS NS_PER_S
#define THRESHOLDS_NS (2 * NS_PER_S)

struct test {
    struct test_config config;
    struct options options;
    struct registry *registry;
    struct tag_interner *tags;
    struct collector *collector;
    struct thresholds *thresholds;
    struct segment segment;
    struct vu_plan plan;
    struct script *script;
    struct script_settings settings;
    struct net_options net;
    struct http_options http;
    char *test_json, *script_json;
    struct loop *loop;
    struct worker *workers[MAX_WORKERS];
    unsigned worker_count;
    struct shard *own_shard;
    struct vu_pool pool;
    struct schedule *_Atomic schedule; /* workers look at it when a script aborts the test */
    struct vu_host host;
    const struct test_watcher *watcher;
    struct timer tick;
    int64_t next_collect_ns, next_vus_ns, next_thresholds_ns;
    int64_t start_ns, scenarios_start_ns, scenarios_end_ns;
    struct watch signals;
    int signal_count;
    bool in_setup, in_teardown, scenarios_done, stopping;
    bool paused, tainted; /* paused: before the start */
    enum test_phase phase;
    int exit_code;
    char *error;
    pthread_mutex_t abort_lock;
    char *abort_message;
    struct task abort_task;
    atomic_bool abort_posted, fail_marked;
    struct summary *summary;
};

/* ---- ending early ---- */

static void set_error(struct test *t, int code, const char *message)
{
    if (t->exit_code)
        return;
    t->exit_code = code;
    t->error = mem_strdup(message);
}

static void test_stop(struct test *t, int code, const char *message)
{
    set_error(t, code, message);
    t->stopping = true;
    if (t->schedule)
        schedule_abort(t->schedule);
}

static void abort_arrived(struct task *task)
{
    struct test *t = CONTAINER_OF(task, struct test, abort_task);
    pthread_mutex_lock(&t->abort_lock);
    char *message = t->abort_message;
    t->abort_message = NULL;
    pthread_mutex_unlock(&t->abort_lock);
    test_stop(t, EXIT_SCRIPT_ABORTED, message ? message : "test aborted");
    mem_free(message);
}

/* exec.test.abort, on a worker's thread. */
static void script_aborts(void *arg, const char *message)
{
    struct test *t = arg;
    struct schedule *schedule = t->schedule;
    if (atomic_exchange(&t->abort_posted, true))
        return;
    if (schedule)
        schedule_refuse(schedule);
    pthread_mutex_lock(&t->abort_lock);
    t->abort_message = mem_strdup(message);
    pthread_mutex_unlock(&t->abort_lock);
    loop_post(t->loop, &t->abort_task);
}

static void script_fails(void *arg, const char *message)
{
    struct test *t = arg;
    if (!atomic_exchange(&t->fail_marked, true) && message[0])
        log_error("test marked as failed: %s", message);
}

static void signal_came(struct watch *watch, uint32_t events)
{
    struct test *t = CONTAINER_OF(watch, struct test, signals);
    struct signalfd_siginfo info;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (++t->signal_count == 1) {
            log_debug("Stopping in response to signal %s", strsignal((int)info.ssi_signo));
            char *message = mem_printf("test run was aborted because ltlab received a '%s' signal", info.ssi_signo == SIGINT ? "interrupt" : "terminated");
            test_stop(t, EXIT_EXTERNAL_ABORT, message);
            mem_free(message);
        } else {
            log_error("Aborting in response to a second signal");
        }
    }
}

/* ---- waiting ---- */

static bool quit_now(const struct test *t)
{
    return t->signal_count > 1;
}

static void wait_for(struct test *t, const bool *condition)
{
    while (!*condition && !quit_now(t))
        loop_turn(t->loop, INT64_MAX);
}

/* ---- what the schedule asks of the test ---- */

static struct vu *host_take(void *arg)
{
    struct test *t = arg;
    return vu_pool_take(&t->pool);
}

static void host_give(void *arg, struct vu *vu)
{
    struct test *t = arg;
    vu_pool_give(&t->pool, vu);
}

static void host_make(void *arg, vu_made *made, void *made_arg)
{
    struct test *t = arg;
    vu_pool_get(&t->pool, made, made_arg);
}

static void host_dropped(void *arg, const struct scenario_info *scenario, int64_t count)
{
    struct test *t = arg;
    struct tag changes[64];
    size_t used = 0;
    for (unsigned i = 0; i < scenario->tag_count && used < 62; i++)
        changes[used++] = scenario->tags[i];
    if (t->settings.system_tags & TAG_SCENARIO)
        changes[used++] = (struct tag){"scenario", scenario->name};
    struct sample sample = {builtin_metric(BUILTIN_DROPPED_ITERATIONS), tagset_with(t->tags, t->settings.run_tags, changes, used), (double)count};
    shard_add(t->own_shard, &sample, 1, clock_wall_ns(), 0, NULL, 0);
}

static void host_done(void *arg)
{
    struct test *t = arg;
    t->scenarios_done = true;
}

/* ---- ticking ---- */

static void take_raw(struct test *t)
{
    size_t count;
    uint64_t dropped;
    if (!t->watcher || !t->watcher->raw)
        return;
    struct raw_sample *raw = collector_take_raw(t->collector, &count, &dropped);
    t->watcher->raw(t->watcher->arg, raw, count, dropped);
}

static void emit_vus(struct test *t)
{
    struct script_stats *stats = script_stats(t->script);
    struct sample samples[2] = {{builtin_metric(BUILTIN_VUS), t->settings.run_tags, t->schedule ? (double)schedule_active_vus(t->schedule) : 0},
                                {builtin_metric(BUILTIN_VUS_MAX), t->settings.run_tags, (double)atomic_load(&stats->vus_initialized)}};
    shard_add(t->own_shard, samples, 2, clock_wall_ns(), 0, NULL, 0);
}

static void evaluate_thresholds(struct test *t, int64_t now)
{
    struct threshold_verdict verdict;
    if (thresholds_is_empty(t->thresholds) || !t->start_ns)
        return;
    collector_collect(t->collector);
    thresholds_evaluate(t->thresholds, now - t->start_ns, false, &verdict);
    t->tainted = verdict.failed != NULL;
    if (verdict.abort && !t->stopping) {
        char *message = mem_printf("thresholds on metrics '%s' were crossed; at least one has abortOnFail enabled, stopping test prematurely", verdict.failed);
        test_stop(t, EXIT_THRESHOLDS_FAILED, message);
        mem_free(message);
    }
    mem_free(verdict.failed);
}

static void ticked(struct timer *timer)
{
    struct test *t = CONTAINER_OF(timer, struct test, tick);
    int64_t now = loop_now_ns(t->loop);
    if (now >= t->next_vus_ns) {
        emit_vus(t);
        t->next_vus_ns += VUS_NS;
    }
    if (now >= t->next_collect_ns) {
        collector_collect(t->collector);
        take_raw(t);
        t->next_collect_ns = now + COLLECT_NS;
    }
    if (now >= t->next_thresholds_ns) {
        evaluate_thresholds(t, now);
        t->next_thresholds_ns += THRESHOLDS_NS;
    }
    if (t->watcher && t->watcher->tick)
        t->watcher->tick(t->watcher->arg, t);
    timer_start(t->loop, timer, now + TICK_NS);
}

/* ---- loading ---- */

static bool has_function(void *arg, const char *name)
{
    return script_has_function(arg, name);
}

static bool consolidate(struct test *t, struct error *err)
{
    const struct test_config *c = &t->config;
    struct options layer;
    options_init(&t->options);
    if (c->file)
        options_merge(&t->options, c->file, "config file");
    const char *json = script_options_json(t->script);
    if (json) {
        options_init(&layer);
        bool read = options_parse_json(&layer, json, c->script.path, !c->script.archive, err);
        if (read)
            options_merge(&t->options, &layer, "script");
        options_fini(&layer);
        if (!read)
            return false;
    }
    options_merge(&t->options, c->env, "environment");
    options_merge(&t->options, c->flags, "command line");
    if (option_bool(&t->options, "paused") && !c->has_api)
        return error_set(err, EXIT_INVALID_CONFIG, "the option paused needs the REST API, by which the test is resumed: give --address HOST:PORT as well");
    if (script_function_count(t->script) == 0)
        return error_set(err, EXIT_GENERIC, "no exported functions in script: write `export default function () { ... }`");
    return options_derive(&t->options, err) && options_check_exec(&t->options, has_function, t->script, err);
}

static bool add_thresholds(struct test *t, struct error *err)
{
    size_t count;
    struct option_threshold *list = options_thresholds(&t->options, &count);
    t->thresholds = thresholds_new(t->collector, t->registry, t->config.no_thresholds);
    for (size_t i = 0; i < count; i++) {
        bool added = list[i].source ? thresholds_add(t->thresholds, list[i].selector, list[i].source, list[i].abort_on_fail, list[i].delay, err)
                                    : thresholds_add_metric(t->thresholds, list[i].selector, err);
        if (!added)
            return false;
    }
    return collector_add_submetric(t->collector, builtin_metric(BUILTIN_HTTP_REQ_DURATION), "expected_response:true", false, err) != NULL;
}

static bool fill_settings(struct test *t, struct error *err)
{
    struct options *o = &t->options;
    if (!options_fill_net(o, &t->net, err))
        return false;
    options_fill_http(o, &t->http);
    const char *debug = option_text(o, "httpDebug", "");
    if (debug[0]) {
        t->http.debug = t->config.http_debug;
        t->http.debug_bodies = strcmp(debug, "full") == 0;
    }
    t->test_json = options_test_json(o);
    t->script_json = options_script_json(o);
    t->settings = (struct script_settings){
        .net = &t->net, .http = &t->http, .batch = t->http.batch, .batch_per_host = t->http.batch_per_host, .test_options_json = t->test_json,
        .script_options_json = t->script_json, .vus_planned = (size_t)t->plan.max_vus + 4, .abort = script_aborts, .fail = script_fails, .arg = t};
    options_fill_settings(o, t->tags, &t->settings);
    script_set_settings(t->script, &t->settings);
    return true;
}

static bool prepare(struct test *t, struct error *err)
{
    t->registry = registry_new();
    t->tags = tag_interner_new();
    t->config.script.registry = t->registry;
    t->config.script.tags = t->tags;
    t->loop = loop_new(err);
    if (!t->loop)
        return false;
    t->script = script_open(&t->config.script, err);
    if (!t->script || !consolidate(t, err))
        return false;
    if (!segment_parse(&t->segment, option_text(&t->options, "executionSegment", NULL), option_text(&t->options, "executionSegmentSequence", NULL), err))
        return false;
    t->plan = vu_plan_make(t->options.scenarios, t->options.scenario_count, &t->segment);
    t->collector = collector_new(t->registry, t->tags);
    if (t->config.full_summary)
        collector_keep_groups(t->collector);
    return add_thresholds(t, err) && fill_settings(t, err);
}

struct test *test_new(const struct test_config *config, struct error *err)
{
    struct test *t = mem_zalloc(sizeof(*t));
    t->config = *config;
    t->signals.fd = -1;
    t->abort_task.run = abort_arrived;
    pthread_mutex_init(&t->abort_lock, NULL);
    timer_init(&t->tick, ticked);
    t->host = (struct vu_host){host_take, host_give, host_make, host_dropped, host_done, vu_attach, vu_wake, vu_interrupt, t};
    if (prepare(t, err))
        return t;
    test_free(t);
    return NULL;
}

static void stop_workers(struct test *t)
{
    for (unsigned i = 0; i < t->worker_count; i++)
        worker_stop(t->workers[i]);
    t->worker_count = 0;
}

void test_free(struct test *t)
{
    if (!t)
        return;
    stop_workers(t);
    schedule_free(t->schedule);
    script_free(t->script);
    thresholds_free(t->thresholds);
    summary_free(t->summary);
    collector_free(t->collector);
    segment_fini(&t->segment);
    options_fini(&t->options);
    free(t->test_json);
    free(t->script_json);
    if (t->loop && t->signals.fd >= 0) {
        watch_remove(t->loop, &t->signals);
        close(t->signals.fd);
    }
    loop_free(t->loop);
    registry_free(t->registry);
    tag_interner_free(t->tags);
    vu_pool_fini(&t->pool);
    mem_free(t->error);
    mem_free(t->abort_message);
    pthread_mutex_destroy(&t->abort_lock);
    mem_free(t);
}

/* ---- accessors ---- */

struct options *test_options(struct test *t)
{
    return &t->options;
}

struct script *test_script(struct test *t)
{
    return t->script;
}

struct collector *test_collector(struct test *t)
{
    return t->collector;
}

const struct thresholds *test_thresholds(const struct test *t)
{
    return t->thresholds;
}

const struct segment *test_segment(const struct test *t)
{
    return &t->segment;
}

struct vu_plan test_plan(const struct test *t)
{
    return t->plan;
}

void test_progress(struct test *t, struct test_progress *out)
{
    struct script_stats *stats = script_stats(t->script);
    *out = (struct test_progress){
        t->scenarios_start_ns ? clock_mono_ns() - t->scenarios_start_ns : 0, t->schedule ? schedule_active_vus(t->schedule) : 0,
        atomic_load(&stats->vus_initialized), atomic_load(&stats->iterations_completed), atomic_load(&stats->iterations_interrupted),
        t->in_setup, t->in_teardown, t->schedule};
}

/* ---- control ---- */

void test_post(struct test *t, struct task *task)
{
    loop_post(t->loop, task);
}

void test_turn(struct test *t)
{
    loop_turn(t->loop, clock_mono_ns() + NS_PER_MS);
}

struct test_status test_status(struct test *t)
{
    struct test_status status = {.phase = t->phase, .paused = t->paused || (t->schedule && schedule_is_paused(t->schedule)), .stopped = t->stopping,
                                 .tainted = t->tainted, .vus = t->schedule ? schedule_active_vus(t->schedule) : 0,
                                 .max_vus = atomic_load(&script_stats(t->script)->vus_initialized)};
    status.running = t->phase >= TEST_STARTED && t->phase <= TEST_TEARDOWN && !t->stopping;
    return status;
}

void test_stop_by_api(struct test *t)
{
    test_stop(t, EXIT_STOPPED_BY_API, "test run stopped from the REST API");
}

bool test_set_paused(struct test *t, bool paused, struct error *err)
{
    if (t->paused && !paused) {
        t->paused = false;
        return true;
    }
    if (!t->schedule)
        return error_set(err, EXIT_INVALID_CONFIG, "the test can't be %s now", paused ? "paused" : "resumed");
    return schedule_pause(t->schedule, paused, err);
}

bool test_scale(struct test *t, int64_t vus, struct error *err)
{
    if (!t->schedule)
        return error_set(err, EXIT_INVALID_CONFIG, "no scenario runs yet");
    return schedule_scale(t->schedule, vus, err);
}

struct summary *test_live_summary(struct test *t)
{
    if (!t->start_ns)
        return NULL;
    collector_collect(t->collector);
    return collector_summary(t->collector, t->thresholds, clock_mono_ns() - t->start_ns);
}

static bool wait_for_resume(struct test *t)
{
    if (!option_bool(&t->options, "paused"))
        return true;
    t->phase = TEST_PAUSED;
    t->paused = true;
    log_info("The test is paused: resume it with `ltlab resume`, or PATCH /v1/status with paused: false");
    while (t->paused && !t->stopping && !quit_now(t))
        loop_turn(t->loop, INT64_MAX);
    return !t->stopping && !quit_now(t);
}

/* ---- running ---- */

static bool watch_signals(struct test *t, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* worker threads inherit it */
    signal(SIGPIPE, SIG_IGN);
    t->signals = (struct watch){.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .events = EPOLLIN, .ready = signal_came};
    if (t->signals.fd < 0)
        return error_set(err, EXIT_GENERIC, "cannot watch signals: %s", strerror(errno));
    return watch_add(t->loop, &t->signals, err);
}

static unsigned core_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Every VU may hold a connection, and some hold more. */
static void raise_file_limit(const struct test *t)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)t->plan.max_vus + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < need)
        log_warning("%lld VUs may need %llu open files, but the limit is %llu: connections beyond it will fail; raise it with `ulimit -n %llu` (as root, or in limits.conf)",
                    (long long)t->plan.max_vus, (unsigned long long)need, (unsigned long long)limit.rlim_cur, (unsigned long long)need);
}

static bool start_workers(struct test *t, struct error *err)
{
    unsigned want = t->config.workers ? t->config.workers : core_count();
    if (want > MAX_WORKERS)
        want = MAX_WORKERS;
    if ((int64_t)want > t->plan.max_vus)
        want = t->plan.max_vus > 0 ? (unsigned)t->plan.max_vus : 1;
    for (unsigned i = 0; i < want; i++) {
        struct worker *worker = worker_start(t->script, i, shard_new(t->collector), err);
        if (!worker)
            return false;
        t->workers[t->worker_count++] = worker;
    }
    return true;
}

static void vu_failed(void *arg, const struct error *err)
{
    test_stop(arg, err->code, err->text);
}

static bool init_vus(struct test *t)
{
    size_t count = (size_t)t->plan.planned_vus;
    t->phase = TEST_MAKING_VUS;
    t->pool = (struct vu_pool){.loop = t->loop, .workers = t->workers, .worker_count = t->worker_count, .segment = &t->segment,
                               .failed = vu_failed, .arg = t};
    vu_pool_plan(&t->pool, count);
    while (t->pool.made < count && !t->exit_code && !quit_now(t))
        loop_turn(t->loop, INT64_MAX);
    vu_pool_line_up(&t->pool);
    return !t->exit_code && !quit_now(t);
}

/* ---- setup, teardown, handleSummary ---- */

struct single_call {
    struct test *test;
    struct vu *vu;
    bool have_vu, finished;
    struct vu_call call;
    struct vu_call_result *result;
    struct task done_task;
};

static void transient_made(void *arg, struct vu *vu)
{
    struct single_call *c = arg;
    c->vu = vu;
    c->have_vu = true;
}

static void call_finished(struct task *task)
{
    CONTAINER_OF(task, struct single_call, done_task)->finished = true;
}

static void call_done(void *arg, struct vu_call_result *result)
{
    struct single_call *c = arg;
    c->result = result;
    loop_post(c->test->loop, &c->done_task);
}

/* NULL: its VU could not be made, or the user will not wait. */
static struct vu_call_result *run_single(struct test *t, const struct vu_call *call)
{
    struct single_call *c = mem_zalloc(sizeof(*c));
    c->test = t;
    c->call = *call;
    c->call.done = call_done;
    c->call.arg = c;
    c->done_task.run = call_finished;
    vu_pool_make_transient(&t->pool, transient_made, c);
    wait_for(t, &c->have_vu);
    if (c->vu) {
        vu_run_call(c->vu, &c->call);
        wait_for(t, &c->finished);
        if (c->finished)
            worker_free_vu(c->vu);
    }
    if (!c->finished && (c->vu || !c->have_vu))
        return NULL; /* its memory goes with the process: a worker may still use it */
    struct vu_call_result *result = c->result;
    mem_free(c);
    return result;
}

/* Turns a failed call into the test's error; true when it was fine. */
static bool judge_call(struct test *t, const char *name, struct vu_call_result *result, int timeout_code, int64_t timeout_ns)
{
    if (!result)
        return false;
    char *message = NULL;
    switch (result->status) {
    case CALL_OK:
        return true;
    case CALL_EXCEPTION:
        log_error("%s", result->error);
        set_error(t, EXIT_SCRIPT_EXCEPTION, result->error);
        break;
    case CALL_TIMEOUT:
        message = mem_printf("%s() execution timed out after %lld seconds", name, (long long)(timeout_ns / NS_PER_S));
        log_error("%s", message);
        set_error(t, timeout_code, message);
        break;
    case CALL_ABORTED:
        while (atomic_load(&t->abort_posted) && !t->exit_code)
            loop_turn(t->loop, INT64_MAX);
        break;
    }
    mem_free(message);
    return false;
}

static bool run_setup(struct test *t)
{
    if (!script_has_function(t->script, "setup") || option_bool(&t->options, "noSetup"))
        return true;
    struct vu_call call = {.function = "setup", .group = "setup", .timeout_ns = option_duration_ns(&t->options, "setupTimeout", 60 * NS_PER_S)};
    t->in_setup = true;
    t->phase = TEST_SETUP;
    struct vu_call_result *result = run_single(t, &call);
    t->in_setup = false;
    bool fine = judge_call(t, "setup", result, EXIT_SETUP_TIMEOUT, call.timeout_ns);
    if (fine && result->not_json) {
        set_error(t, EXIT_GENERIC, "error marshaling setup() data to JSON in order to pass it to the VUs: it holds a function or a number that is not finite");
        fine = false;
    }
    if (fine)
        script_set_setup_data(t->script, result->json);
    vu_call_result_free(result);
    return fine;
}

static void run_teardown(struct test *t, const char *setup_data)
{
    if (!script_has_function(t->script, "teardown") || option_bool(&t->options, "noTeardown") || quit_now(t))
        return;
    struct vu_call call = {.function = "teardown", .group = "teardown", .argument = setup_data,
                           .timeout_ns = option_duration_ns(&t->options, "teardownTimeout", 60 * NS_PER_S)};
    t->in_teardown = true;
    t->phase = TEST_TEARDOWN;
    atomic_store(&t->abort_posted, false);
    struct vu_call_result *result = run_single(t, &call);
    t->in_teardown = false;
    judge_call(t, "teardown", result, EXIT_TEARDOWN_TIMEOUT, call.timeout_ns);
    vu_call_result_free(result);
}

struct vu_call_result *test_handle_summary(struct test *t, const char *data_json)
{
    if (!script_has_function(t->script, "handleSummary") || t->worker_count == 0 || quit_now(t))
        return NULL;
    struct vu_call call = {.function = "handleSummary", .argument = data_json, .collect_files = true,
                           .timeout_ns = option_duration_ns(&t->options, "handleSummaryTimeout", 120 * NS_PER_S)};
    if (!script_setup_data(t->script) && script_has_function(t->script, "setup"))
        call.argument_parts_undefined = "setup_data";
    return run_single(t, &call);
}

static void run_scenarios(struct test *t)
{
    t->schedule = schedule_new(t->loop, t->options.scenarios, t->options.scenario_count, &t->segment, &t->host);
    t->scenarios_start_ns = clock_mono_ns();
    t->phase = TEST_RUNNING;
    schedule_start(t->schedule, t->scenarios_start_ns);
    wait_for(t, &t->scenarios_done);
    t->scenarios_end_ns = clock_mono_ns();
}

static void finish(struct test *t, struct test_result *result, int64_t end_ns)
{
    struct threshold_verdict verdict;
    struct script_stats *stats = script_stats(t->script);
    collector_collect(t->collector);
    take_raw(t);
    int64_t duration = end_ns - t->start_ns;
    thresholds_evaluate(t->thresholds, duration, true, &verdict);
    if (verdict.failed) {
        char *message = mem_printf("thresholds on metrics '%s' have been crossed", verdict.failed);
        if (!t->exit_code)
            log_error("%s", message);
        set_error(t, EXIT_THRESHOLDS_FAILED, message);
        mem_free(message);
    }
    mem_free(verdict.failed);
    if (atomic_load(&t->fail_marked))
        set_error(t, EXIT_MARKED_AS_FAILED, "test run was marked as failed");
    t->summary = collector_summary(t->collector, t->thresholds, duration);
    result->summary = t->summary;
    result->duration_ns = duration;
    result->interrupted = atomic_load(&stats->iterations_interrupted);
    result->setup_data = script_setup_data(t->script);
}

static void measure_load(struct test *t, const struct worker_load *before, struct test_result *result)
{
    for (unsigned i = 0; i < t->worker_count; i++) {
        struct worker_load now = worker_load(t->workers[i]);
        double wall = (double)(now.alive_ns - before[i].alive_ns), share = wall > 0 ? (double)(now.cpu_ns - before[i].cpu_ns) / wall : 0;
        if (share > result->worker_cpu_share)
            result->worker_cpu_share = share;
    }
}

static void start_clock(struct test *t)
{
    t->start_ns = clock_mono_ns();
    t->phase = TEST_STARTED;
    atomic_store(&script_stats(t->script)->start_mono_ns, t->start_ns);
    t->next_thresholds_ns = t->start_ns + THRESHOLDS_NS;
    if (t->watcher && t->watcher->started)
        t->watcher->started(t->watcher->arg, t);
}

static void begin_ticking(struct test *t)
{
    int64_t now = loop_refresh_now(t->loop);
    t->next_vus_ns = now + VUS_NS;
    t->next_collect_ns = now + COLLECT_NS;
    t->next_thresholds_ns = INT64_MAX;
    timer_start(t->loop, &t->tick, now + TICK_NS);
}

void test_run(struct test *t, const struct test_watcher *watcher, struct test_result *result)
{
    struct error err = {0};
    struct worker_load before[MAX_WORKERS];
    *result = (struct test_result){0};
    t->watcher = watcher;
    t->own_shard = shard_new(t->collector);
    raise_file_limit(t);
    if (!watch_signals(t, &err) || !start_workers(t, &err)) {
        set_error(t, err.code, err.text);
    } else {
        begin_ticking(t);
        if (init_vus(t) && wait_for_resume(t)) {
            start_clock(t);
            bool ready = run_setup(t);
            for (unsigned i = 0; i < t->worker_count; i++)
                before[i] = worker_load(t->workers[i]);
            if (ready && !t->stopping)
                run_scenarios(t);
            if (ready)
                measure_load(t, before, result);
            int64_t end_ns = clock_mono_ns();
            if (ready)
                run_teardown(t, script_setup_data(t->script));
            finish(t, result, end_ns);
        }
        timer_stop(t->loop, &t->tick);
    }
    t->phase = t->stopping ? TEST_INTERRUPTED : TEST_ENDED;
    error_clear(&err);
    result->exit_code = t->exit_code;
    result->error = t->error;
}
