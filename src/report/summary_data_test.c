/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "metrics/trend.h"
#include "report/summary_data.h"

static const char *const stats[] = {"avg", "p(90)"};
static const struct summary_threshold conditions[] = {{.source = "count>1", .ok = true}, {.source = "count<0"}};
static struct summary_check checks[] = {{.name = "is \"up\"", .path = "::g::is \"up\"", .id = "c1", .passes = 2, .fails = 1}};
static struct summary_group group = {.name = "g", .path = "::g", .id = "g1", .checks = checks, .check_count = 1};
static struct summary_group *groups[] = {&group};
static struct summary_group root = {.name = "", .path = "", .id = "r1", .groups = groups, .group_count = 1};
static struct summary_metric metrics[] = {
    {.name = "c", .type = METRIC_COUNTER, .contains = METRIC_DATA, .count = 3, .thresholds = conditions, .threshold_count = 2},
    {.name = "g", .type = METRIC_GAUGE, .value = 0.1, .min = 0.1, .max = 1e21},
    {.name = "r", .type = METRIC_RATE, .passes = 1, .total = 4},
    {.name = "t", .type = METRIC_TREND, .contains = METRIC_TIME, .timed_out_from = INFINITY},
};
static struct summary summary = {.metrics = metrics, .metric_count = 4, .root = &root, .duration_ns = 1500000000};
static const struct summary_data_options options = {
    .stats = stats, .stat_count = 2, .time_unit = "", .no_color = true, .setup_data = "{\"a\":[1,true,null]}", .script = "s.js"};

static int make_trend(void **state)
{
    struct trend *trend = trend_new();
    trend_add(trend, 10);
    trend_add(trend, 20);
    metrics[3].trend = trend;
    *state = trend;
    return 0;
}

static int free_trend(void **state)
{
    trend_free(*state);
    return 0;
}

static void handle_summary_gets_k6s_shape(void **state)
{
    char *text = summary_data_json(&summary, &options);
    assert_string_equal(
        text, "{\"root_group\":{\"name\":\"\",\"path\":\"\",\"id\":\"r1\",\"groups\":[{\"name\":\"g\",\"path\":\"::g\",\"id\":\"g1\",\"groups\":[],"
              "\"checks\":[{\"name\":\"is \\\"up\\\"\",\"path\":\"::g::is \\\"up\\\"\",\"id\":\"c1\",\"passes\":2,\"fails\":1}]}],\"checks\":[]},"
              "\"options\":{\"summaryTrendStats\":[\"avg\",\"p(90)\"],\"summaryTimeUnit\":\"\",\"noColor\":true},"
              "\"state\":{\"isStdOutTTY\":false,\"isStdErrTTY\":false,\"testRunDurationMs\":1500},\"metrics\":{"
              "\"c\":{\"type\":\"counter\",\"contains\":\"data\",\"values\":{\"count\":3,\"rate\":2},"
              "\"thresholds\":{\"count>1\":{\"ok\":true},\"count<0\":{\"ok\":false}}},"
              "\"g\":{\"type\":\"gauge\",\"contains\":\"default\",\"values\":{\"value\":0.1,\"min\":0.1,\"max\":1e+21}},"
              "\"r\":{\"type\":\"rate\",\"contains\":\"default\",\"values\":{\"rate\":0.25,\"passes\":1,\"fails\":3}},"
              "\"t\":{\"type\":\"trend\",\"contains\":\"time\",\"values\":{\"avg\":15,\"p(90)\":19}}},"
              "\"setup_data\":{\"a\":[1,true,null]}}");
    mem_free(text);
}

static void the_export_is_sorted_indented_and_its_thresholds_say_crossed(void **state)
{
    char *text = summary_export_json(&summary, &options);
    assert_string_equal(text, "{\n    \"metrics\": {\n        \"c\": {\n            \"count\": 3,\n            \"rate\": 2,\n"
                              "            \"thresholds\": {\n                \"count<0\": true,\n                \"count>1\": false\n            }\n        },\n"
                              "        \"g\": {\n            \"max\": 1e+21,\n            \"min\": 0.1,\n            \"value\": 0.1\n        },\n"
                              "        \"r\": {\n            \"fails\": 3,\n            \"passes\": 1,\n            \"value\": 0.25\n        },\n"
                              "        \"t\": {\n            \"avg\": 15,\n            \"p(90)\": 19\n        }\n    },\n"
                              "    \"root_group\": {\n        \"checks\": {},\n        \"groups\": {\n            \"g\": {\n                \"checks\": {\n"
                              "                    \"is \\\"up\\\"\": {\n                        \"fails\": 1,\n                        \"id\": \"c1\",\n"
                              "                        \"name\": \"is \\\"up\\\"\",\n                        \"passes\": 2,\n"
                              "                        \"path\": \"::g::is \\\"up\\\"\"\n                    }\n                },\n"
                              "                \"groups\": {},\n                \"id\": \"g1\",\n                \"name\": \"g\",\n                \"path\": \"::g\"\n"
                              "            }\n        },\n        \"id\": \"r1\",\n        \"name\": \"\",\n        \"path\": \"\"\n    },\n"
                              "    \"setup_data\": {\n        \"a\": [\n            1,\n            true,\n            null\n        ]\n    }\n}");
    mem_free(text);
}

static void numbers_that_json_lacks_are_null(void **state)
{
    metrics[1].max = INFINITY;
    metrics[1].min = NAN;
    char *text = summary_export_json(&summary, &options);
    assert_non_null(strstr(text, "\"max\": null,\n            \"min\": null"));
    mem_free(text);
    metrics[1].max = 1e21;
    metrics[1].min = 0.1;
}

static void the_machine_readable_form_names_its_version_and_values(void **state)
{
    char *text = summary_machine_json(&summary, &options);
    static const char *const parts[] = {
        "{\n  \"version\": \"1.0.0\",\n  \"config\": {\n    \"script\": \"s.js\",\n    \"duration\": 1.5,\n    \"execution\": \"local\"\n  }",
        "\"k6_version\": \"2.2.0\"",
        "\"name\": \"checks_total\",\n          \"total\": 3",
        "\"matches\": 1,\n          \"total\": 4,\n          \"rate\": 0.25",
        "\"avg\": 15,\n          \"max\": 20,\n          \"med\": 15,\n          \"min\": 10,\n          \"p90\": 19,\n          \"p95\": 19.5",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!strstr(text, parts[i]))
            fail_msg("missing %s in %s", parts[i], text);
    assert_null(strstr(text, "thresholds"));
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handle_summary_gets_k6s_shape),
        cmocka_unit_test(the_export_is_sorted_indented_and_its_thresholds_say_crossed),
        cmocka_unit_test(numbers_that_json_lacks_are_null),
        cmocka_unit_test(the_machine_readable_form_names_its_version_and_values),
    };
    return cmocka_run_group_tests(tests, make_trend, free_trend);
}
