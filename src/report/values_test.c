/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "metrics/trend.h"
#include "report/values.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void numbers_are_cut_and_scaled_by_what_they_measure(void **state)
{
    static const struct {
        double value;
        enum metric_contains contains;
        const char *unit, *text;
    } rows[] = {
        {0, METRIC_DEFAULT, "", "0"}, {1234567.891, METRIC_DEFAULT, "", "1234567.891"}, {0.1234567, METRIC_DEFAULT, "", "0.123457"},
        {-0.0000001, METRIC_DEFAULT, "", "0"}, {42, METRIC_DEFAULT, "s", "42"}, {100, METRIC_DEFAULT, "", "100"},
        {0, METRIC_TIME, "", "0s"}, {0.0005, METRIC_TIME, "", "500ns"}, {0.00099999, METRIC_TIME, "", "999ns"},
        {0.001, METRIC_TIME, "", "1µs"}, {0.25, METRIC_TIME, "", "250µs"}, {0.0345678, METRIC_TIME, "", "34.56µs"},
        {1, METRIC_TIME, "", "1ms"}, {12.345678, METRIC_TIME, "", "12.34ms"}, {999.999, METRIC_TIME, "", "999.99ms"},
        {1000, METRIC_TIME, "", "1s"}, {1290, METRIC_TIME, "", "1.29s"}, {59999, METRIC_TIME, "", "59.99s"},
        {60000, METRIC_TIME, "", "1m0s"}, {90999, METRIC_TIME, "", "1m30s"}, {3723000, METRIC_TIME, "", "1h2m3s"},
        {1234.567, METRIC_TIME, "s", "1.23s"}, {1234.567, METRIC_TIME, "ms", "1234.57ms"}, {1.5, METRIC_TIME, "us", "1500.00µs"},
        {0, METRIC_DATA, "", "0 B"}, {9, METRIC_DATA, "", "9 B"}, {10, METRIC_DATA, "", "10 B"}, {999, METRIC_DATA, "", "999 B"},
        {1000, METRIC_DATA, "", "1.0 kB"}, {1234, METRIC_DATA, "", "1.2 kB"}, {12345, METRIC_DATA, "", "12 kB"},
        {1500000, METRIC_DATA, "", "1.5 MB"}, {2.5e9, METRIC_DATA, "", "2.5 GB"}, {7.1e12, METRIC_DATA, "", "7.1 TB"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = {0};
        humanize(&out, rows[i].value, rows[i].contains, rows[i].unit);
        assert_string_equal(out.data, rows[i].text);
        buf_free(&out);
    }
}

static void rates_are_cut_to_two_decimals(void **state)
{
    static const struct {
        double rate;
        const char *text;
    } rows[] = {{0, "0.00%"}, {2.0 / 3, "66.66%"}, {1.0 / 3, "33.33%"}, {0.99999, "99.99%"}, {1, "100.00%"}, {0.29, "29.00%"}, {0.5, "50.00%"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = {0};
        humanize_rate(&out, rows[i].rate);
        assert_string_equal(out.data, rows[i].text);
        buf_free(&out);
    }
}

static void assert_values(const struct summary_metric *m, const char *expected)
{
    const char *const stats[] = {"p(50)", "count", "avg", "p(99.9)"};
    struct named_value values[MAX_VALUES];
    size_t count = metric_values(m, stats, 4, 2000000000, values);
    struct buf out = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&out, "%s%s=", i ? " " : "", values[i].name);
        plain_number(&out, values[i].value);
        buf_add_text(&out, values[i].timed_out ? "!" : "");
    }
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void every_type_has_its_columns(void **state)
{
    struct trend *trend = trend_new();
    for (int i = 1; i <= 3; i++)
        trend_add(trend, i * 10);
    assert_values(&(struct summary_metric){.type = METRIC_COUNTER, .count = 5}, "count=5 rate=2.5");
    assert_values(&(struct summary_metric){.type = METRIC_GAUGE, .value = 2, .min = 1, .max = 3}, "value=2 min=1 max=3");
    assert_values(&(struct summary_metric){.type = METRIC_RATE, .passes = 1, .total = 4}, "rate=0.25 passes=1 fails=3");
    assert_values(&(struct summary_metric){.type = METRIC_RATE}, "rate=0 passes=0 fails=0");
    assert_values(&(struct summary_metric){.type = METRIC_TREND, .trend = trend, .timed_out_from = INFINITY}, "p(50)=20 count=3 avg=20 p(99.9)=29.98");
    assert_values(&(struct summary_metric){.type = METRIC_TREND, .trend = trend, .timed_out_from = 25}, "p(50)=20 count=3 avg=20 p(99.9)=29.98!");
    trend_free(trend);
}

static void rates_of_a_run_without_duration_are_zero(void **state)
{
    const struct summary_metric m = {.type = METRIC_COUNTER, .count = 5};
    assert_true(metric_value(&m, "rate", 0).value == 0);
}

static void unknown_trend_columns_are_refused(void **state)
{
    const char *const good[] = {"avg", "min", "med", "max", "count", "p(0)", "p(100)", "p(99.99)"};
    const char *const bad[] = {"p(101)", "p(x)", "p99", "average", "", "p(-1)"};
    struct error err = {0};
    assert_true(trend_stats_check(good, COUNT(good), &err));
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(trend_stats_check(&bad[i], 1, &err));
        assert_int_equal(err.code, EXIT_GENERIC);
        error_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_cut_and_scaled_by_what_they_measure),
        cmocka_unit_test(rates_are_cut_to_two_decimals),
        cmocka_unit_test(every_type_has_its_columns),
        cmocka_unit_test(rates_of_a_run_without_duration_are_zero),
        cmocka_unit_test(unknown_trend_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
