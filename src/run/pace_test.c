/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling arithmetic on exact numbers: no clock anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "core/mem.h"
#include "run/pace.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static struct segment whole(void)
{
    struct segment s;
    assert_true(segment_parse(&s, NULL, NULL, NULL));
    return s;
}

static void constant_arrivals_start_at_zero_and_end_before_the_duration(void **state)
{
    struct segment s = whole();
    struct scenario_config c = {.executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 4, .time_unit_ns = S, .duration_ns = 1125 * MS};
    struct pace p;
    int64_t index;
    pace_init(&p, &c, &s);
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(pace_next(&p, &index), i * 250 * MS);
        assert_int_equal(index, i);
    }
    assert_int_equal(pace_next(&p, &index), -1);
    segment_fini(&s);
}

static void constant_arrivals_do_not_drift(void **state)
{
    struct segment s = whole();
    struct scenario_config c = {.executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 3, .time_unit_ns = S, .duration_ns = 3600 * S};
    struct pace p;
    int64_t index, due = 0;
    pace_init(&p, &c, &s);
    for (int i = 0; i <= 9000; i++)
        due = pace_next(&p, &index);
    assert_int_equal(due, 3000 * S);
    segment_fini(&s);
}

static int64_t count_arrivals(const struct scenario_config *c, const struct segment *s, int64_t *last)
{
    struct pace p;
    int64_t index, due, count = 0;
    pace_init(&p, c, s);
    while ((due = pace_next(&p, &index)) >= 0) {
        *last = due;
        count++;
    }
    return count;
}

static void ramping_arrivals_are_the_area_of_the_stages(void **state)
{
    struct segment s = whole();
    const struct stage down[] = {{S, 1}, {200 * MS, 1}}, hold[] = {{500 * MS, 5}, {S, 9}, {0, 0}, {200 * MS, 0}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_ARRIVAL_RATE, .start_rate = 12, .time_unit_ns = S, .stages = down, .stage_count = 2};
    int64_t last;
    assert_int_equal(count_arrivals(&c, &s, &last), 6);
    c.start_rate = 5;
    c.stages = hold;
    c.stage_count = 4;
    assert_int_equal(count_arrivals(&c, &s, &last), 9);
    assert_true(last <= 1500 * MS);
    segment_fini(&s);
}

static void ramping_arrivals_come_at_hand_computed_times(void **state)
{
    /* from 0 to 10 a second over 10 s: the area is t*t/2, so arrival n comes at sqrt(2n) seconds */
    struct segment s = whole();
    const struct stage up[] = {{10 * S, 10}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_ARRIVAL_RATE, .time_unit_ns = S, .stages = up, .stage_count = 1};
    struct pace p;
    int64_t index;
    pace_init(&p, &c, &s);
    assert_true(llabs(pace_next(&p, &index) - INT64_C(1414213562)) < 1000);
    assert_true(llabs(pace_next(&p, &index) - 2 * S) < 1000);
    for (int n = 3; n < 50; n++)
        pace_next(&p, &index);
    assert_true(llabs(pace_next(&p, &index) - 10 * S) < 1000);
    assert_int_equal(pace_next(&p, &index), -1);
    segment_fini(&s);
}

static void ramping_vus_steps_are_linear(void **state)
{
    struct segment s = whole();
    const struct stage stages[] = {{10 * S, 5}, {5 * S, 5}, {0, 2}, {2 * S, 0}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_VUS, .start_vus = 0, .stages = stages, .stage_count = 4};
    static const struct vu_step want[] = {{0, 0}, {2 * S, 1}, {4 * S, 2}, {6 * S, 3}, {8 * S, 4}, {10 * S, 5}, {15 * S, 2}, {16 * S, 1}, {17 * S, 0}};
    size_t count;
    struct vu_step *steps = ramping_steps(&c, &s, &count);
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(steps[i].time_ns, want[i].time_ns);
        assert_int_equal(steps[i].vus, want[i].vus);
    }
    mem_free(steps);
    segment_fini(&s);
}

static const char *const sequences[] = {"0,1/2,1", "0,1/3,1", "0,1/4,1/2,3/4,1", "0,0.1,0.35,0.5,1", "0,1/7,2/5,1", "0,5/8,1"};

/* Parts of a sequence as "a:b". */
static int split(const char *sequence, char parts[8][40])
{
    char copy[100], *points[8];
    int count = 0;
    snprintf(copy, sizeof(copy), "%s", sequence);
    for (char *at = copy; at;) {
        points[count++] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    for (int i = 0; i + 1 < count; i++)
        snprintf(parts[i], 40, "%s:%s", points[i], points[i + 1]);
    return count - 1;
}

static void segments_cover_everything_once(void **state)
{
    for (size_t q = 0; q < sizeof(sequences) / sizeof(sequences[0]); q++) {
        char parts[8][40];
        int count = split(sequences[q], parts);
        for (int64_t total = 0; total < 60; total++) {
            int seen[64] = {0};
            int64_t sum = 0;
            for (int i = 0; i < count; i++) {
                struct segment s;
                assert_true(segment_parse(&s, parts[i], sequences[q], NULL));
                int64_t share = segment_share(&s, total);
                sum += share;
                for (int64_t k = 0; k < share; k++) {
                    int64_t index = segment_index(&s, k);
                    assert_true(index < total);
                    seen[index]++;
                }
                segment_fini(&s);
            }
            assert_int_equal(sum, total);
            for (int64_t k = 0; k < total; k++)
                assert_int_equal(seen[k], 1);
        }
    }
}

static void first_half_takes_every_other(void **state)
{
    struct segment s;
    assert_true(segment_parse(&s, "0:1/2", "0,1/2,1", NULL));
    for (int64_t k = 0; k < 5; k++)
        assert_int_equal(segment_index(&s, k), 2 * k);
    assert_int_equal(segment_share(&s, 1), 1);
    segment_fini(&s);
    assert_true(segment_parse(&s, "1/2:1", NULL, NULL));
    assert_int_equal(segment_share(&s, 1), 0);
    segment_fini(&s);
}

static void bad_segments_are_refused(void **state)
{
    static const char *const bad[][2] = {{"1/2:1/4", NULL}, {"x", NULL}, {"0:2", NULL}, {"1/2:1/2", NULL}, {"0:1/3", "0,1/2,1"}, {"0:1/2", "0,1,1/2"}, {"-1/2:1", NULL}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct segment s;
        struct error err = {0};
        assert_false(segment_parse(&s, bad[i][0], bad[i][1], &err));
        assert_non_null(err.text);
        error_clear(&err);
        segment_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_arrivals_start_at_zero_and_end_before_the_duration),
        cmocka_unit_test(constant_arrivals_do_not_drift),
        cmocka_unit_test(ramping_arrivals_are_the_area_of_the_stages),
        cmocka_unit_test(ramping_arrivals_come_at_hand_computed_times),
        cmocka_unit_test(ramping_vus_steps_are_linear),
        cmocka_unit_test(segments_cover_everything_once),
        cmocka_unit_test(first_half_takes_every_other),
        cmocka_unit_test(bad_segments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
