/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "metrics/trend.h"
#include "report/summary_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define THRESHOLDS(list) .thresholds = (list), .threshold_count = COUNT(list)

static const char *const default_stats[] = {"avg", "min", "med", "max", "p(90)", "p(95)"};
static struct summary_group empty_root = {.name = "", .path = "", .id = "d41d8cd98f00b204e9800998ecf8427e"};

static struct trend *trend_of(const double *values, size_t count)
{
    struct trend *trend = trend_new();
    for (size_t i = 0; i < count; i++)
        trend_add(trend, values[i]);
    return trend;
}

static void assert_text(const struct summary *s, const struct summary_text_options *o, const char *expected)
{
    struct buf out = {0};
    summary_text(&out, s, o);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

/* conformance/cases/execution/summary/text-compact, as recorded from k6. */
static void compact_text_is_k6s_to_the_byte(void **state)
{
    const double size_values[] = {1, 2, 2.5, 1234567.891}, wait_values[] = {0.0005, 0.25, 12.345678, 1500, 61001, 3723000};
    struct trend *sizes = trend_of(size_values, 4), *waits = trend_of(wait_values, 6);
    const struct summary_threshold level[] = {{.source = "value==7", .ok = true}};
    const struct summary_threshold tank[] = {{.source = "value>1"}, {.source = "value < 5", .ok = true}};
    const struct summary_threshold hit[] = {{.source = "rate>0.4", .ok = true}, {.source = "rate>0.9"}};
    const struct summary_threshold size[] = {{.source = "avg<10"}, {.source = "p(95)>100", .ok = true}, {.source = "p(42)>0", .ok = true}};
    const struct summary_threshold wait[] = {{.source = "max<2000"}};
    struct summary_metric metrics[] = {
        {.name = "data_received", .type = METRIC_COUNTER, .contains = METRIC_DATA},
        {.name = "data_sent", .type = METRIC_COUNTER, .contains = METRIC_DATA},
        {.name = "fuel_level", .type = METRIC_GAUGE, .value = 7, .min = 3, .max = 7.25, THRESHOLDS(level)},
        {.name = "fuel_level{tank:2}", .parent = "fuel_level", .suffix = "tank:2", .type = METRIC_GAUGE, THRESHOLDS(tank)},
        {.name = "hit_rate", .type = METRIC_RATE, .passes = 2, .total = 3, THRESHOLDS(hit)},
        {.name = "hold_time", .type = METRIC_GAUGE, .contains = METRIC_TIME, .value = 90500, .min = 90500, .max = 90500},
        {.name = "sizes", .type = METRIC_TREND, .trend = sizes, .timed_out_from = INFINITY, THRESHOLDS(size)},
        {.name = "waits", .type = METRIC_TREND, .contains = METRIC_TIME, .trend = waits, .timed_out_from = INFINITY, THRESHOLDS(wait)},
    };
    const struct summary s = {.metrics = metrics, .metric_count = COUNT(metrics), .root = &empty_root, .duration_ns = 1000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = ""};
    assert_text(&s, &o,
                "\n\n  █ THRESHOLDS \n\n    fuel_level\n    ✓ 'value==7' value=7\n\n      {tank:2}\n      ✗ 'value>1' value=0\n"
                "      ✓ 'value < 5' value=0\n\n    hit_rate\n    ✓ 'rate>0.4' rate=66.66%\n    ✗ 'rate>0.9' rate=66.66%\n\n    sizes\n"
                "    ✗ 'avg<10' avg=308643.34775\n    ✓ 'p(95)>100' p(95)=1049383.08235\n    ✓ 'p(42)>0' p(42)=2.13\n\n    waits\n"
                "    ✗ 'max<2000' max=1h2m3s\n\n\n  █ TOTAL RESULTS \n\n    CUSTOM\n    fuel_level......: 7      min=3      max=7.25 \n"
                "      { tank:2 }....: 0      min=0      max=0    \n    hit_rate........: 66.66% 2 out of 3\n"
                "    hold_time.......: 1m30s  min=1m30s  max=1m30s\n"
                "    sizes...........: avg=308643.34775 min=1     med=2.25     max=1234567.891 p(90)=864198.2737 p(95)=1049383.08235\n"
                "    waits...........: avg=10m30s       min=500ns med=756.17ms max=1h2m3s      p(90)=31m32s      p(95)=46m47s       \n\n"
                "    NETWORK\n    data_received...: 0 B    0 B/s\n    data_sent.......: 0 B    0 B/s\n\n\n\n");
    trend_free(sizes);
    trend_free(waits);
}

static void a_part_follows_its_whole_even_when_another_name_sorts_between(void **state)
{
    const struct summary_threshold any[] = {{.source = "count>=0", .ok = true}};
    struct summary_metric metrics[] = {
        {.name = "hits", .type = METRIC_COUNTER, .count = 3, THRESHOLDS(any)},
        {.name = "hits_b", .type = METRIC_COUNTER, .count = 1, THRESHOLDS(any)},
        {.name = "hits{tag:x}", .parent = "hits", .suffix = "tag:x", .type = METRIC_COUNTER, .count = 2, THRESHOLDS(any)},
    };
    const struct summary s = {.metrics = metrics, .metric_count = 3, .root = &empty_root, .duration_ns = 2000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = ""};
    assert_text(&s, &o,
                "\n\n  █ THRESHOLDS \n\n    hits\n    ✓ 'count>=0' count=3\n\n      {tag:x}\n      ✓ 'count>=0' count=2\n\n"
                "    hits_b\n    ✓ 'count>=0' count=1\n\n\n  █ TOTAL RESULTS \n\n    CUSTOM\n    hits..........: 3 1.5/s\n"
                "      { tag:x }...: 2 1/s\n    hits_b........: 1 0.5/s\n\n\n\n");
}

static void checks_come_first_and_failed_ones_tell_their_share(void **state)
{
    struct summary_check inner[] = {{.name = "is down", .passes = 1, .fails = 2}}, outer[] = {{.name = "is up", .passes = 2}};
    struct summary_group group = {.name = "g", .path = "::g", .id = "", .checks = inner, .check_count = 1}, *groups[] = {&group};
    struct summary_group root = {.name = "", .path = "", .id = "", .groups = groups, .group_count = 1, .checks = outer, .check_count = 1};
    const struct summary s = {.root = &root, .duration_ns = 2000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = ""};
    assert_text(&s, &o,
                "\n\n  █ TOTAL RESULTS \n\n    checks_total.......: 5      2.5/s\n    checks_succeeded...: 60.00% 3 out of 5\n"
                "    checks_failed......: 40.00% 2 out of 5\n\n    ✓ is up\n    ✗ is down\n      ↳  33% — ✓ 1 / ✗ 2\n\n\n\n");
}

/* Names of the rows that a summary of these metrics shows, in order, one a line, titles included. */
static void assert_rows(bool full, const char *const *names, size_t count, const char *expected)
{
    struct summary_metric metrics[32] = {0};
    assert_true(count <= 32);
    for (size_t i = 0; i < count; i++)
        metrics[i] = (struct summary_metric){.name = names[i], .type = METRIC_COUNTER};
    const struct summary s = {.metrics = metrics, .metric_count = count, .root = &empty_root, .duration_ns = 1000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = "", .full = full};
    struct buf out = {0}, rows = {0};
    summary_text(&out, &s, &o);
    char *line = strstr(out.data, "RESULTS \n");
    for (line = strchr(line, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        size_t start = strspn(line, " "), len = strcspn(line + start, ".\n");
        if (len) {
            buf_add(&rows, line + start, len);
            buf_add_char(&rows, ' ');
        }
    }
    assert_string_equal(rows.data, expected);
    buf_free(&rows);
    buf_free(&out);
}

static void metrics_find_their_category_by_prefix(void **state)
{
    const char *const names[] = {"browser_data_sent", "browser_web_vital_lcp", "checks_ok", "data_sent", "dropped_iterations", "generator_lag",
                                 "group_duration_x", "grpc_req_duration", "http_req_waiting", "http_reqs", "http_thing", "iteration_lag",
                                 "iterations_foo", "mine", "vus_max", "ws_sessions"};
    assert_rows(false, names, COUNT(names),
                "CUSTOM http_thing mine HTTP http_reqs EXECUTION dropped_iterations iterations_foo vus_max NETWORK data_sent "
                "BROWSER browser_data_sent WEB_VITALS browser_web_vital_lcp GRPC grpc_req_duration WEBSOCKET ws_sessions ");
    assert_rows(true, names, COUNT(names),
                "CUSTOM http_thing mine HTTP http_req_waiting http_reqs EXECUTION dropped_iterations generator_lag iteration_lag iterations_foo vus_max "
                "NETWORK data_sent BROWSER browser_data_sent WEB_VITALS browser_web_vital_lcp GRPC grpc_req_duration WEBSOCKET ws_sessions ");
}

static void percentiles_among_timeouts_say_so_in_full_mode_only(void **state)
{
    const double values[] = {10, 20, 30, 60000};
    const char *const stats[] = {"min", "max", "count"};
    struct trend *trend = trend_of(values, 4);
    struct summary_metric metrics[] = {{.name = "t", .type = METRIC_TREND, .contains = METRIC_TIME, .trend = trend, .timed_out_from = 60000}};
    const struct summary s = {.metrics = metrics, .metric_count = 1, .root = &empty_root, .duration_ns = 1000000000};
    struct summary_text_options o = {.stats = stats, .stat_count = 3, .time_unit = ""};
    assert_text(&s, &o, "\n\n  █ TOTAL RESULTS \n\n    CUSTOM\n    t...: min=10ms max=1m0s count=4\n\n\n\n");
    o.full = true;
    assert_text(&s, &o, "\n\n  █ TOTAL RESULTS \n\n    CUSTOM\n    t...: min=10ms max=timeout count=4\n\n\n\n");
    trend_free(trend);
}

static void full_mode_nests_groups_and_scenarios(void **state)
{
    struct summary_metric own[] = {{.name = "mine", .type = METRIC_COUNTER, .count = 2}};
    struct summary_group inner = {.name = "pay", .metrics = own, .metric_count = 1}, *inners[] = {&inner};
    struct summary_group outer = {.name = "shop", .groups = inners, .group_count = 1, .metrics = own, .metric_count = 1};
    struct summary_group setup = {.name = "setup", .metrics = own, .metric_count = 1}, *outers[] = {&setup, &outer};
    struct summary_group root = {.name = "", .groups = outers, .group_count = 2}, scenario = {.name = "peak", .metrics = own, .metric_count = 1};
    struct summary_group *scenarios[] = {&scenario};
    struct summary s = {.root = &root, .scenarios = scenarios, .scenario_count = 1, .duration_ns = 1000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = "", .full = true};
    static const char groups[] = "\n\n  █ TOTAL RESULTS \n\n  █ GROUP: shop \n\n    CUSTOM\n    mine...: 2 2/s\n\n"
                                 "    █ GROUP: pay \n\n      CUSTOM\n      mine...: 2 2/s\n\n";
    struct buf expected = {0};
    buf_printf(&expected, "%s%s", groups, "  █ SCENARIO: peak \n\n    CUSTOM\n    mine...: 2 2/s\n\n\n\n");
    assert_text(&s, &o, expected.data);
    scenario.name = "default"; /* alone, it would only repeat the totals */
    buf_clear(&expected);
    buf_printf(&expected, "%s\n\n", groups);
    assert_text(&s, &o, expected.data);
    buf_free(&expected);
}

static void a_generator_that_was_the_limit_is_named(void **state)
{
    const struct summary s = {.root = &empty_root, .duration_ns = 1000000000};
    struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = ""};
    o.generator = (struct generator_verdict){.bottleneck = true, .cpu_share = 0.98, .lag_p95_ms = 12.345};
    struct buf out = {0};
    summary_text(&out, &s, &o);
    assert_non_null(strstr(out.data, "used 98% of a core, and responses waited 12.35ms (p95)") ? out.data : strstr(out.data, "used 98% of a core, and responses waited 12.34ms (p95)"));
    o.generator.bottleneck = false;
    buf_clear(&out);
    summary_text(&out, &s, &o);
    assert_null(strstr(out.data, "GENERATOR"));
    buf_free(&out);
}

static void colours_frame_names_values_and_dots(void **state)
{
    struct summary_metric metrics[] = {{.name = "c", .type = METRIC_COUNTER, .count = 2}};
    const struct summary s = {.metrics = metrics, .metric_count = 1, .root = &empty_root, .duration_ns = 1000000000};
    const struct summary_text_options o = {.stats = default_stats, .stat_count = 6, .time_unit = "", .color = true};
    assert_text(&s, &o,
                "\n\n  \x1b[1m█ TOTAL RESULTS\x1b[0m \n\n    \x1b[1mCUSTOM\x1b[0m\n"
                "    c\x1b[2m...\x1b[0m: \x1b[36m2\x1b[0m \x1b[2;36m2/s\x1b[0m\n\n\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compact_text_is_k6s_to_the_byte),
        cmocka_unit_test(a_part_follows_its_whole_even_when_another_name_sorts_between),
        cmocka_unit_test(checks_come_first_and_failed_ones_tell_their_share),
        cmocka_unit_test(metrics_find_their_category_by_prefix),
        cmocka_unit_test(percentiles_among_timeouts_say_so_in_full_mode_only),
        cmocka_unit_test(full_mode_nests_groups_and_scenarios),
        cmocka_unit_test(a_generator_that_was_the_limit_is_named),
        cmocka_unit_test(colours_frame_names_values_and_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
