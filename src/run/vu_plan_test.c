/* SPDX-License-Identifier: Apache-2.0 */
/* How many VUs are planned, on exact numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/mem.h"
#include "run/vu_plan.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static struct segment whole(void)
{
    struct segment s;
    assert_true(segment_parse(&s, NULL, NULL, NULL));
    return s;
}

static void assert_held(const struct scenario_config *c, const struct vu_step *want, size_t want_count)
{
    struct segment s = whole();
    size_t count;
    struct vu_step *held = scenario_held_vus(c, &s, &count);
    assert_int_equal(count, want_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(held[i].time_ns, want[i].time_ns);
        assert_int_equal(held[i].vus, want[i].vus);
    }
    mem_free(held);
    segment_fini(&s);
}

static void vus_are_planned_for_overlapping_scenarios(void **state)
{
    struct segment s = whole();
    struct scenario_config c[3] = {
        {.executor = EXECUTOR_CONSTANT_VUS, .vus = 10, .duration_ns = 10 * S, .graceful_stop_ns = 30 * S},
        {.executor = EXECUTOR_CONSTANT_VUS, .vus = 5, .duration_ns = 10 * S, .start_time_ns = 20 * S},
        {.executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 1, .time_unit_ns = S, .pre_allocated_vus = 2, .max_vus = 8, .duration_ns = S, .start_time_ns = 100 * S},
    };
    struct vu_plan plan = vu_plan_make(c, 3, &s);
    assert_int_equal(plan.planned_vus, 15);
    assert_int_equal(plan.max_vus, 15);
    assert_int_equal(plan.duration_ns, 101 * S);
    plan = vu_plan_make(c + 2, 1, &s);
    assert_int_equal(plan.planned_vus, 2);
    assert_int_equal(plan.max_vus, 8);
    segment_fini(&s);
}

static void a_scenario_that_begins_when_another_ends_uses_its_vus(void **state)
{
    struct segment s = whole();
    struct scenario_config c[2] = {
        {.executor = EXECUTOR_CONSTANT_VUS, .vus = 4, .duration_ns = 10 * S, .graceful_stop_ns = 2 * S},
        {.executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 3, .iterations = 1, .max_duration_ns = 10 * S, .start_time_ns = 12 * S},
    };
    assert_int_equal(vu_plan_make(c, 2, &s).planned_vus, 4);
    c[1].start_time_ns = 12 * S - 1;
    assert_int_equal(vu_plan_make(c, 2, &s).planned_vus, 7);
    segment_fini(&s);
}

static void ramped_down_vus_are_held_for_graceful_ramp_down(void **state)
{
    const struct stage stages[] = {{4 * S, 4}, {4 * S, 0}, {10 * S, 0}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_VUS, .stages = stages, .stage_count = 3, .graceful_ramp_down_ns = 3 * S, .graceful_stop_ns = S};
    /* up at 1 2 3 4 s, down at 5 6 7 8 s and 3 s later each */
    static const struct vu_step want[] = {{1 * S, 1}, {2 * S, 2}, {3 * S, 3}, {4 * S, 4}, {8 * S, 3}, {9 * S, 2}, {10 * S, 1}, {11 * S, 0}};
    assert_held(&c, want, 8);
}

static void graceful_ramp_down_ends_with_graceful_stop(void **state)
{
    const struct stage stages[] = {{4 * S, 0}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_VUS, .start_vus = 2, .stages = stages, .stage_count = 1, .graceful_ramp_down_ns = 30 * S, .graceful_stop_ns = S};
    static const struct vu_step want[] = {{0, 2}, {5 * S, 0}};
    assert_held(&c, want, 2);
}

static void a_dip_shorter_than_graceful_ramp_down_frees_nothing(void **state)
{
    const struct stage stages[] = {{S, 6}, {0, 2}, {2 * S, 2}, {0, 5}, {10 * S, 5}};
    struct scenario_config c = {.executor = EXECUTOR_RAMPING_VUS, .start_vus = 6, .stages = stages, .stage_count = 5, .graceful_ramp_down_ns = 3 * S};
    static const struct vu_step dip[] = {{0, 6}, {4 * S, 5}, {13 * S, 0}};
    assert_held(&c, dip, 3);
    c.graceful_ramp_down_ns = 0;
    static const struct vu_step sharp[] = {{0, 6}, {S, 2}, {3 * S, 5}, {13 * S, 0}};
    assert_held(&c, sharp, 4);
}

static void ramps_that_cross_are_planned_by_their_sum_over_time(void **state)
{
    struct segment s = whole();
    const struct stage down[] = {{10 * S, 0}}, up[] = {{10 * S, 10}};
    struct scenario_config c[2] = {
        {.executor = EXECUTOR_RAMPING_VUS, .start_vus = 10, .stages = down, .stage_count = 1},
        {.executor = EXECUTOR_RAMPING_VUS, .stages = up, .stage_count = 1},
    };
    assert_int_equal(vu_plan_make(c, 2, &s).planned_vus, 10);
    c[0].graceful_ramp_down_ns = c[0].graceful_stop_ns = 30 * S;
    assert_int_equal(vu_plan_make(c, 2, &s).planned_vus, 19); /* the tenth of "up" is due at its end */
    c[1].graceful_stop_ns = S;
    assert_int_equal(vu_plan_make(c, 2, &s).planned_vus, 20);
    segment_fini(&s);
}

/* Against the plain definition, at every half second. */
static void held_vus_agree_with_the_definition(void **state)
{
    struct segment s = whole();
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        struct stage stages[5];
        for (int i = 0; i < 5; i++)
            stages[i] = (struct stage){rand_r(&seed) % 6 * S, rand_r(&seed) % 5};
        struct scenario_config c = {.executor = EXECUTOR_RAMPING_VUS, .start_vus = rand_r(&seed) % 5, .stages = stages, .stage_count = 5,
                                    .graceful_ramp_down_ns = rand_r(&seed) % 4 * S, .graceful_stop_ns = rand_r(&seed) % 4 * S};
        size_t step_count, held_count;
        struct vu_step *steps = ramping_steps(&c, &s, &step_count), *held = scenario_held_vus(&c, &s, &held_count);
        int64_t end = scenario_duration_ns(&c) + c.graceful_stop_ns;
        for (int64_t t = 0; t <= end + S; t += S / 2) {
            int64_t want = 0, is = 0;
            for (size_t i = 0; i < step_count; i++)
                if (t < end && steps[i].time_ns <= t && (i + 1 == step_count || t < steps[i + 1].time_ns + c.graceful_ramp_down_ns) && steps[i].vus > want)
                    want = steps[i].vus;
            for (size_t i = 0; i < held_count && held[i].time_ns <= t; i++)
                is = held[i].vus;
            assert_int_equal(is, want);
        }
        mem_free(steps);
        mem_free(held);
    }
    segment_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vus_are_planned_for_overlapping_scenarios),
        cmocka_unit_test(a_scenario_that_begins_when_another_ends_uses_its_vus),
        cmocka_unit_test(ramped_down_vus_are_held_for_graceful_ramp_down),
        cmocka_unit_test(graceful_ramp_down_ends_with_graceful_stop),
        cmocka_unit_test(a_dip_shorter_than_graceful_ramp_down_frees_nothing),
        cmocka_unit_test(ramps_that_cross_are_planned_by_their_sum_over_time),
        cmocka_unit_test(held_vus_agree_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
