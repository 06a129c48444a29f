/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab k6 run`: a test with its progress, its summary and its exit code. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/server.h"
#include "cli/cli.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "metrics/builtin.h"
#include "metrics/summary.h"
#include "output/output.h"
#include "report/progress.h"
#include "report/summary_data.h"
#include "report/summary_text.h"

struct run {
    struct cli_run *cli;
    struct test *test;
    struct progress *progress;
    struct outputs *outputs;
    bool color;
};

#define RAW_SAMPLES ((size_t)1 << 20)

/* ---- progress ---- */

static void right_text(struct buf *out, const struct scenario_progress *p)
{
    enum executor_kind kind = p->config->executor;
    bool shared = kind == EXECUTOR_SHARED_ITERATIONS || kind == EXECUTOR_PER_VU_ITERATIONS;
    bool rate = kind == EXECUTOR_CONSTANT_ARRIVAL_RATE || kind == EXECUTOR_RAMPING_ARRIVAL_RATE;
    int digits = rate ? 3 : 1;
    if (p->status == SCENARIO_WAITING) {
        buf_add_text(out, "waiting to start");
        return;
    }
    buf_printf(out, "%0*lld", digits, (long long)p->vus);
    if (kind == EXECUTOR_RAMPING_VUS || rate)
        buf_printf(out, "/%0*lld", digits, (long long)p->max_vus);
    buf_add_text(out, " VUs  ");
    progress_time(out, p->elapsed_ns, false);
    buf_add_char(out, '/');
    duration_format(out, p->duration_ns);
    if (shared)
        buf_printf(out, "  %llu/%llu %s", (unsigned long long)p->started, (unsigned long long)p->total,
                   kind == EXECUTOR_SHARED_ITERATIONS ? "shared iters" : "iters");
    if (rate)
        buf_printf(out, "  %.2f iters/s", p->rate);
}

static enum progress_status row_status(enum scenario_status status)
{
    static const enum progress_status map[] = {PROGRESS_WAITING, PROGRESS_RUNNING, PROGRESS_STOPPING, PROGRESS_DONE, PROGRESS_INTERRUPTED};
    return map[status];
}

#define MAX_ROWS 100

static void show_progress(struct run *run, bool final)
{
    struct test_progress p;
    struct progress_row rows[MAX_ROWS];
    struct buf texts[MAX_ROWS] = {{0}};
    size_t count = 0;
    test_progress(run->test, &p);
    for (size_t i = 0; p.schedule && i < schedule_count(p.schedule) && i < MAX_ROWS; i++) {
        struct scenario_progress s;
        schedule_progress(p.schedule, i, &s);
        right_text(&texts[i], &s);
        double fraction = s.total ? (double)s.started / (double)s.total : s.duration_ns ? (double)s.elapsed_ns / (double)s.duration_ns : 1;
        rows[count++] = (struct progress_row){s.config->name, row_status(s.status), s.status == SCENARIO_DONE && !s.total ? 1 : fraction, texts[i].data};
    }
    const char *phase = p.in_setup ? "setup()" : p.in_teardown ? "teardown()" : "running";
    struct progress_state state = {p.elapsed_ns, p.active_vus, p.initialized_vus, p.complete, p.interrupted, phase, rows, count};
    if (final)
        progress_finish(run->progress, &state);
    else
        progress_update(run->progress, &state, clock_mono_ns());
    for (size_t i = 0; i < count; i++)
        buf_free(&texts[i]);
}

static void on_tick(void *arg, struct test *test)
{
    struct run *run = arg;
    if (run->progress)
        show_progress(run, false);
}

static void on_raw(void *arg, struct raw_sample *samples, size_t count, uint64_t dropped)
{
    struct run *run = arg;
    outputs_take(run->outputs, samples, count, dropped);
}

static void print_description(struct run *run)
{
    struct options *o = test_options(run->test);
    struct vu_plan plan = test_plan(run->test);
    const struct segment *segment = test_segment(run->test);
    const char **lines = mem_array(o->scenario_count + 1, sizeof(lines[0]));
    for (size_t i = 0; i < o->scenario_count; i++) {
        char *text = scenario_describe(&o->scenarios[i], segment);
        lines[i] = mem_printf("%s: %s", o->scenarios[i].name, text);
        mem_free(text);
    }
    struct buf out = {0}, output = {0};
    for (size_t i = 0; i < run->cli->output_count; i++)
        buf_printf(&output, "%s%s", i ? ", " : "", run->cli->outputs[i]);
    struct description d = {run->cli->script, output.len ? output.data : "-", segment->fraction, o->scenario_count, plan.max_vus, plan.duration_ns, lines};
    banner_print(&out, run->color);
    description_print(&out, &d);
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    for (size_t i = 0; i < o->scenario_count; i++)
        mem_free((char *)(uintptr_t)lines[i]);
    mem_free(lines);
    buf_free(&out);
    buf_free(&output);
}

/* ---- the end ---- */

static void write_file(const char *path, const char *data, size_t len)
{
    if (strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0) {
        FILE *to = strcmp(path, "stdout") == 0 ? stdout : stderr;
        fwrite(data, 1, len, to);
        fflush(to);
        return;
    }
    FILE *file = fopen(path, "wbe");
    bool written = file && fwrite(data, 1, len, file) == len;
    if (file && fclose(file) != 0)
        written = false;
    if (!written)
        log_error("failed to handle the end-of-test summary: could not write '%s': %s", path, strerror(errno));
}

static struct generator_verdict judge_generator(struct run *run, const struct test_result *result)
{
    const struct sink *lag = collector_sink(test_collector(run->test), builtin_metric(BUILTIN_GENERATOR_LAG));
    const struct sink *waiting = collector_sink(test_collector(run->test), builtin_metric(BUILTIN_HTTP_REQ_WAITING));
    struct generator_verdict v = {.cpu_share = result->worker_cpu_share, .lag_p95_ms = trend_percentile(lag->trend, 0.95)};
    double typical = trend_percentile(waiting->trend, 0.5);
    v.bottleneck = lag->samples >= 20 && result->worker_cpu_share > 0.9 && v.lag_p95_ms > 1 && v.lag_p95_ms > typical * 0.1;
    return v;
}

static const char *const default_stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};

static void report(struct run *run, const struct test_result *result)
{
    struct cli_run *cli = run->cli;
    struct options *o = test_options(run->test);
    size_t stat_count = 6;
    const char *const *stats = option_list(o, "summaryTrendStats", &stat_count);
    if (!stats) {
        stats = default_stats;
        stat_count = 6;
    }
    if (strcmp(cli->summary_mode, "disabled") == 0)
        return;
    struct summary_data_options data = {stats, stat_count, option_text(o, "summaryTimeUnit", ""), !run->color, isatty(STDOUT_FILENO), isatty(STDERR_FILENO), strcmp(cli->summary_mode, "full") == 0,
                                        result->setup_data, cli->script};
    if (cli->summary_export) {
        char *json = cli->new_machine_summary ? summary_machine_json(result->summary, &data) : summary_export_json(result->summary, &data);
        write_file(cli->summary_export, json, strlen(json));
        mem_free(json);
    }
    bool handled = false;
    if (script_has_function(test_script(run->test), "handleSummary")) {
        char *json = cli->new_machine_summary ? summary_machine_json(result->summary, &data) : summary_data_json(result->summary, &data);
        struct vu_call_result *call = test_handle_summary(run->test, json);
        if (call && call->status == CALL_OK && call->json) {
            handled = true;
            for (size_t i = 0; i < call->file_count; i++)
                write_file(call->files[i].name, call->files[i].data, call->files[i].len);
        } else if (call && call->status != CALL_OK) {
            log_error("failed to handle the end-of-test summary: %s", call->error ? call->error : call->status == CALL_TIMEOUT ? "handleSummary() timed out" : "aborted");
        }
        vu_call_result_free(call);
        mem_free(json);
    }
    if (handled)
        return;
    struct buf text = {0};
    struct summary_text_options t = {stats, stat_count, data.time_unit, strcmp(cli->summary_mode, "full") == 0, run->color, judge_generator(run, result)};
    summary_text(&text, result->summary, &t);
    fwrite(text.data, 1, text.len, stdout);
    fflush(stdout);
    buf_free(&text);
}

static void linger(void)
{
    sigset_t set;
    int which;
    log_info("The test is done, but --linger was enabled, so ltlab is waiting for Ctrl+C to continue...");
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &which);
}

/* False: it was asked for on the command line and can't be had. */
static bool start_api(struct run *run, struct api_server **api)
{
    struct error err = {0};
    struct cli_run *cli = run->cli;
    *api = cli->address && cli->address[0] ? api_start(cli->address, run->test, &err) : NULL;
    bool go_on = !err.text || !cli->address_by_flag;
    if (err.text && go_on)
        log_warning("%s", err.text);
    else if (err.text)
        log_error("%s", err.text);
    error_clear(&err);
    return go_on;
}

static int run_loaded(struct run *run)
{
    struct cli_run *cli = run->cli;
    struct test_result result;
    struct test_watcher watcher = {.tick = on_tick, .raw = run->outputs ? on_raw : NULL, .arg = run};
    if (!cli->quiet)
        print_description(run);
    if (!cli->quiet)
        run->progress = progress_new(stdout, isatty(STDOUT_FILENO), run->color);
    struct api_server *api = NULL;
    if (!start_api(run, &api))
        return EXIT_CANNOT_START_API;
    test_run(run->test, &watcher, &result);
    api_stop(api);
    if (run->progress)
        show_progress(run, true);
    progress_free(run->progress);
    run->progress = NULL;
    outputs_close(run->outputs);
    run->outputs = NULL;
    if (result.summary)
        report(run, &result);
    if (result.error && result.exit_code != EXIT_THRESHOLDS_FAILED && result.exit_code != EXIT_SCRIPT_EXCEPTION)
        log_error("%s", result.error);
    else if (result.error && (!result.summary || strstr(result.error, "stopping test prematurely")))
        log_error("%s", result.error);
    if (cli->linger)
        linger();
    return result.exit_code;
}

static bool check_options(struct run *run, struct error *err)
{
    size_t count;
    struct options *o = test_options(run->test);
    const char *const *stats = option_list(o, "summaryTrendStats", &count);
    const char *unit = option_text(o, "summaryTimeUnit", "");
    if (strcmp(unit, "") != 0 && strcmp(unit, "s") != 0 && strcmp(unit, "ms") != 0 && strcmp(unit, "us") != 0)
        return error_set(err, EXIT_INVALID_CONFIG, "invalid summaryTimeUnit '%s': use s, ms or us", unit);
    return trend_stats_check(stats, count, err);
}

static bool open_outputs(struct run *run, struct error *err)
{
    struct cli_run *cli = run->cli;
    struct output_params params = {.thresholds = test_thresholds(run->test)};
    if (!cli->output_count)
        return true;
    params.system_tags = options_system_tags(test_options(run->test), &params.system_tag_count);
    run->outputs = outputs_open((const char *const *)cli->outputs, cli->output_count, &params, err);
    if (run->outputs)
        collector_keep_raw(test_collector(run->test), RAW_SAMPLES);
    return run->outputs != NULL;
}

int cmd_run(struct cli_run *cli)
{
    struct error err = {0};
    struct test_config config;
    struct run run = {.cli = cli, .color = !cli->no_color && isatty(STDOUT_FILENO)};
    char *stdin_text = NULL;
    int code = EXIT_GENERIC;
    bool ready = cli_test_config(cli, &config, &stdin_text, &err) && outputs_check((const char *const *)cli->outputs, cli->output_count, &err);
    run.test = ready ? test_new(&config, &err) : NULL;
    if (run.test && check_options(&run, &err) && open_outputs(&run, &err))
        code = run_loaded(&run);
    if (err.text) {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    error_clear(&err);
    test_free(run.test);
    mem_free(stdin_text);
    return code;
}
