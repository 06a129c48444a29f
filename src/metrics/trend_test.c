/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/mem.h"
#include "metrics/trend.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double exact_percentile(const double *sorted, size_t count, double fraction)
{
    double at = fraction * (double)(count - 1);
    size_t low = (size_t)at;
    return low + 1 < count ? sorted[low] + (sorted[low + 1] - sorted[low]) * (at - (double)low) : sorted[low];
}

static uint64_t seed = 88172645463325252u;

static double uniform(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static void percentiles_interpolate_as_k6(void **state)
{
    static const double values[] = {3, 1, 2, 10, 4};
    struct trend *t = trend_new();
    for (size_t i = 0; i < 5; i++)
        trend_add(t, values[i]);
    assert_true(fabs(trend_percentile(t, 0.9) - 7.6) < 1e-12);
    assert_true(fabs(trend_percentile(t, 0.333) - 2.332) < 1e-12);
    assert_true(trend_percentile(t, 0) == 1 && trend_percentile(t, 1) == 10 && trend_percentile(t, 0.5) == 3);
    assert_true(trend_avg(t) == 4 && trend_min(t) == 1 && trend_max(t) == 10 && trend_count(t) == 5);
    trend_free(t);
}

static void empty_trend_is_all_zero(void **state)
{
    struct trend *t = trend_new();
    assert_true(trend_percentile(t, 0.95) == 0 && trend_avg(t) == 0 && trend_min(t) == 0 && trend_max(t) == 0);
    trend_free(t);
}

static void stays_exact_up_to_4096_values(void **state)
{
    struct trend *t = trend_new();
    double *values = mem_array(TREND_EXACT_VALUES, sizeof(double));
    for (size_t i = 0; i < TREND_EXACT_VALUES; i++)
        trend_add(t, values[i] = uniform() * 1000);
    assert_true(trend_is_exact(t));
    qsort(values, TREND_EXACT_VALUES, sizeof(double), compare);
    for (int p = 0; p <= 100; p++)
        assert_true(trend_percentile(t, p / 100.0) == exact_percentile(values, TREND_EXACT_VALUES, p / 100.0));
    trend_add(t, 1);
    assert_false(trend_is_exact(t));
    mem_free(values);
    trend_free(t);
}

/* Uniform, exponential, heavy-tailed and signed values. */
static double draw(int shape)
{
    double u = uniform();
    switch (shape) {
    case 0:
        return u * 500;
    case 1:
        return -log(1 - u) * 20;
    case 2:
        return pow(1 - u, -1.5);
    default:
        return (u - 0.5) * 2000;
    }
}

static void histogram_is_within_a_thousandth(void **state)
{
    const size_t count = 60000;
    for (int shape = 0; shape < 4; shape++) {
        struct trend *t = trend_new();
        double *values = mem_array(count, sizeof(double));
        for (size_t i = 0; i < count; i++)
            trend_add(t, values[i] = draw(shape));
        qsort(values, count, sizeof(double), compare);
        for (int p = 1; p < 1000; p++) {
            double want = exact_percentile(values, count, p / 1000.0), got = trend_percentile(t, p / 1000.0);
            assert_true(fabs(got - want) <= fabs(want) * 0.001 + 0.05 * (shape == 3 && fabs(want) < 40));
        }
        assert_true(trend_min(t) == values[0] && trend_max(t) == values[count - 1]);
        mem_free(values);
        trend_free(t);
    }
}

static void memory_does_not_grow_with_samples(void **state)
{
    struct trend *t = trend_new();
    for (size_t i = 0; i < 50000; i++)
        trend_add(t, draw(1));
    size_t before = trend_memory_bytes(t);
    for (size_t i = 0; i < 500000; i++)
        trend_add(t, draw(1));
    assert_true(trend_memory_bytes(t) <= before * 2 && trend_memory_bytes(t) < 200000);
    trend_free(t);
}

static void merging_loses_nothing(void **state)
{
    struct trend *whole = trend_new(), *parts[3] = {trend_new(), trend_new(), trend_new()}, *merged = trend_new();
    for (size_t i = 0; i < 30000; i++) {
        double value = draw(1);
        trend_add(whole, value);
        trend_add(parts[i % 3 == 0 ? 0 : i % 30 == 1 ? 1 : 2], value);
    }
    for (int i = 0; i < 3; i++)
        trend_merge(merged, parts[i]);
    assert_true(trend_count(merged) == trend_count(whole) && trend_min(merged) == trend_min(whole) && trend_max(merged) == trend_max(whole));
    assert_true(fabs(trend_sum(merged) - trend_sum(whole)) < 1e-6 * trend_sum(whole));
    for (int p = 0; p <= 100; p++)
        assert_true(trend_percentile(merged, p / 100.0) == trend_percentile(whole, p / 100.0));
    for (int i = 0; i < 3; i++)
        trend_free(parts[i]);
    trend_free(merged);
    trend_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_interpolate_as_k6),    cmocka_unit_test(empty_trend_is_all_zero),
        cmocka_unit_test(stays_exact_up_to_4096_values),    cmocka_unit_test(histogram_is_within_a_thousandth),
        cmocka_unit_test(memory_does_not_grow_with_samples), cmocka_unit_test(merging_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
