/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios over a driven clock with VUs that only pretend to work: this program has its own clock.h functions,
 * which the linker takes before those of core. Times are milliseconds from the start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/mem.h"
#include "run/schedule.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define EPOCH (1000 * S) /* of the driven clock */
#define MAX_VUS 32
#define MAX_STARTS 4096

/* ---- the driven clock ---- */

static _Atomic int64_t driven_now_ns;

int64_t clock_mono_ns(void)
{
    return driven_now_ns;
}

int64_t clock_wall_ns(void)
{
    return driven_now_ns + 1700000000 * S;
}

int64_t clock_thread_cpu_ns(void)
{
    return 0;
}

int64_t clock_wall_offset_ns(void)
{
    return 1700000000 * S;
}

void clock_format_rfc3339(struct buf *out, int64_t wall_ns, int digits)
{
}

/* ---- VUs that pretend ---- */

struct vu {
    unsigned id; /* from 1 */
    struct iteration_source *source;
    void *slot;
    bool is_free, woken, cut, running;
    int64_t ends_ns;
    struct iteration iteration;
};

struct start {
    const char *scenario;
    unsigned vu;
    int64_t at_ms, due_ms;
    uint64_t in_test, in_instance;
};

struct waiting_make {
    void (*made)(void *arg, struct vu *vu);
    void *arg;
    int64_t at_ns;
};

struct stage_play {
    struct loop *loop;
    struct segment segment;
    struct schedule *schedule;
    struct vu_host host;
    struct vu vus[MAX_VUS];
    unsigned made;
    int64_t iteration_ns, make_ns; /* how long an iteration takes; how long making a VU takes */
    bool vus_stand_still;
    struct waiting_make makes[MAX_VUS];
    size_t make_count;
    struct start starts[MAX_STARTS];
    size_t start_count, complete;
    int64_t interrupted_at_ms[MAX_VUS], attached_count[MAX_VUS];
    size_t interrupted;
    int64_t dropped, done_at_ms;
};

static struct stage_play play;

static int64_t now_ms(void)
{
    return (driven_now_ns - EPOCH) / MS;
}

static struct vu *take(void *arg)
{
    for (unsigned i = 0; i < play.made; i++) {
        if (play.vus[i].is_free) {
            play.vus[i].is_free = false;
            return &play.vus[i];
        }
    }
    return NULL;
}

static void give(void *arg, struct vu *vu)
{
    assert_false(vu->is_free);
    assert_null(vu->source);
    vu->is_free = true;
}

static void make(void *arg, void (*made)(void *made_arg, struct vu *vu), void *made_arg)
{
    play.makes[play.make_count++] = (struct waiting_make){made, made_arg, driven_now_ns + play.make_ns};
}

static void dropped(void *arg, const struct scenario_info *scenario, int64_t count)
{
    assert_true(count > 0);
    play.dropped += count;
}

static void all_done(void *arg)
{
    assert_int_equal(play.done_at_ms, -1);
    play.done_at_ms = now_ms();
}

static void attach(struct vu *vu, struct iteration_source *source, void *slot)
{
    assert_null(vu->source);
    assert_false(vu->is_free);
    play.attached_count[vu->id - 1]++;
    vu->source = source;
    vu->slot = slot;
    vu->woken = true;
}

static void wake(struct vu *vu)
{
    assert_non_null(vu);
    vu->woken = true;
}

static void interrupt(struct vu *vu)
{
    vu->cut = vu->running;
}

static void note_start(struct vu *vu)
{
    int64_t due_ns = vu->iteration.due_mono_ns;
    assert_true(play.start_count < MAX_STARTS);
    play.starts[play.start_count++] = (struct start){vu->source->scenario->name, vu->id, now_ms(), due_ns ? (due_ns - EPOCH) / MS : -1,
                                                     vu->iteration.in_scenario_test, vu->iteration.in_scenario_instance};
    vu->running = true;
    vu->ends_ns = driven_now_ns + play.iteration_ns;
}

static void vu_ends(struct vu *vu)
{
    if (vu->cut)
        play.interrupted_at_ms[play.interrupted++] = now_ms();
    else
        play.complete++;
    vu->running = false;
    vu->source->ended(vu->source, vu->slot, vu->cut ? ITERATION_INTERRUPTED : ITERATION_COMPLETE, driven_now_ns);
    vu->cut = false;
    vu->woken = true;
}

static void vu_asks(struct vu *vu)
{
    struct iteration_source *source = vu->source;
    void *slot = vu->slot;
    vu->woken = false;
    enum next_verdict verdict = source->next(source, slot, driven_now_ns, &vu->iteration);
    if (verdict == NEXT_RUN)
        note_start(vu);
    if (verdict == NEXT_LEAVE) {
        vu->source = NULL;
        source->left(source, slot);
    }
}

static void move_vus(void)
{
    for (unsigned i = 0; i < play.made && !play.vus_stand_still; i++) {
        struct vu *vu = &play.vus[i];
        if (vu->running && (vu->cut || driven_now_ns >= vu->ends_ns))
            vu_ends(vu);
        if (vu->source && !vu->running && vu->woken)
            vu_asks(vu);
    }
}

static struct vu *new_vu(void)
{
    assert_true(play.made < MAX_VUS);
    struct vu *vu = &play.vus[play.made++];
    vu->id = play.made;
    return vu;
}

static void make_vus(void)
{
    for (size_t i = 0; i < play.make_count; i++) {
        if (driven_now_ns < play.makes[i].at_ns)
            continue;
        struct waiting_make m = play.makes[i];
        play.makes[i--] = play.makes[--play.make_count];
        m.made(m.arg, new_vu());
    }
}

/* ---- the play ---- */

static void set_up(const struct scenario_config *scenarios, size_t count, const char *segment, const char *sequence, int64_t iteration_ms)
{
    play = (struct stage_play){.iteration_ns = iteration_ms * MS, .done_at_ms = -1};
    driven_now_ns = EPOCH;
    assert_true(segment_parse(&play.segment, segment, sequence, NULL));
    play.loop = loop_new(NULL);
    play.host = (struct vu_host){take, give, make, dropped, all_done, attach, wake, interrupt, NULL};
    int64_t planned = vu_plan_make(scenarios, count, &play.segment).planned_vus;
    for (int64_t i = 0; i < planned; i++)
        new_vu()->is_free = true;
    play.schedule = schedule_new(play.loop, scenarios, count, &play.segment, &play.host);
    schedule_start(play.schedule, driven_now_ns);
}

static void turn(void)
{
    for (int i = 0; i < 4; i++) {
        loop_turn(play.loop, 0);
        make_vus();
        move_vus();
    }
}

/* Millisecond by millisecond, the last one included. */
static void run_until(int64_t ms)
{
    for (; now_ms() < ms; driven_now_ns += MS)
        turn();
    turn();
}

static void tear_down(void)
{
    schedule_free(play.schedule);
    loop_free(play.loop);
    segment_fini(&play.segment);
}

/* All VUs are back and the schedule has said so, once. */
static void assert_over(int64_t at_ms)
{
    assert_int_equal(play.done_at_ms, at_ms);
    assert_int_equal(schedule_active_vus(play.schedule), 0);
    for (unsigned i = 0; i < play.made; i++)
        assert_true(play.vus[i].is_free);
    tear_down();
}

static void assert_started(size_t index, unsigned vu, int64_t at_ms)
{
    assert_true(index < play.start_count);
    assert_int_equal(play.starts[index].vu, vu);
    assert_int_equal(play.starts[index].at_ms, at_ms);
}

static enum scenario_status status_of(size_t index)
{
    struct scenario_progress progress;
    schedule_progress(play.schedule, index, &progress);
    return progress.status;
}

/* ---- VUs that loop ---- */

static void constant_vus_loop_for_the_duration_and_finish_what_they_began(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 2, .duration_ns = S, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 400);
    run_until(1199);
    assert_int_equal(status_of(0), SCENARIO_STOPPING);
    run_until(1300);
    static const int64_t times[] = {0, 0, 400, 400, 800, 800};
    assert_int_equal(play.start_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(play.starts[i].at_ms, times[i]);
        assert_int_equal(play.starts[i].in_test, i);
    }
    assert_int_equal(play.complete, 6);
    assert_int_equal(play.interrupted, 0);
    assert_int_equal(status_of(0), SCENARIO_DONE);
    assert_over(1200);
}

static void iterations_are_interrupted_when_graceful_stop_is_over(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 3, .duration_ns = S, .graceful_stop_ns = 500 * MS};
    set_up(&c, 1, NULL, NULL, 60000);
    run_until(1499);
    assert_int_equal(play.interrupted, 0);
    run_until(1600);
    assert_int_equal(play.interrupted, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(play.interrupted_at_ms[i], 1500);
    assert_int_equal(play.complete, 0);
    assert_over(1500);
}

static void ramping_vus_start_lowest_first_and_stop_highest_first(void **state)
{
    const struct stage stages[] = {{300 * MS, 3}, {300 * MS, 0}, {S, 0}};
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .stages = stages, .stage_count = 3, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 60000);
    run_until(1600);
    assert_int_equal(play.start_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_started(i, i + 1, 100 * (i + 1));
    /* without gracefulRampDown each is cut at its step */
    assert_int_equal(play.interrupted, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(play.interrupted_at_ms[i], 400 + 100 * i);
    assert_over(1600);
}

static void graceful_ramp_down_cuts_each_vu_after_its_own_grace(void **state)
{
    const struct stage stages[] = {{200 * MS, 0}, {2 * S, 0}};
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .start_vus = 2, .stages = stages, .stage_count = 2,
                                .graceful_ramp_down_ns = 700 * MS, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 60000);
    run_until(3000);
    assert_int_equal(play.interrupted, 2);
    assert_int_equal(play.interrupted_at_ms[0], 800); /* stepped down at 100 */
    assert_int_equal(play.interrupted_at_ms[1], 900); /* and 200 */
    assert_over(2200);
}

static void a_vu_raised_again_during_graceful_ramp_down_goes_on(void **state)
{
    const struct stage stages[] = {{100 * MS, 2}, {0, 1}, {100 * MS, 1}, {0, 2}, {800 * MS, 2}};
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .start_vus = 2, .stages = stages, .stage_count = 5,
                                .graceful_ramp_down_ns = 300 * MS, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 450);
    run_until(2000);
    assert_int_equal(play.interrupted, 0);
    assert_int_equal(play.attached_count[0], 1);
    assert_int_equal(play.attached_count[1], 1);
    assert_int_equal(play.start_count, 6); /* at 0, 450 and 900 */
    assert_over(1350);
}

static void a_vu_that_had_left_is_attached_again_when_it_is_raised(void **state)
{
    const struct stage stages[] = {{100 * MS, 2}, {0, 0}, {300 * MS, 0}, {0, 2}, {100 * MS, 2}};
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .start_vus = 2, .stages = stages, .stage_count = 5,
                                .graceful_ramp_down_ns = 30 * S, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 150);
    run_until(2000);
    assert_int_equal(play.attached_count[0], 2);
    assert_int_equal(play.attached_count[1], 2);
    assert_int_equal(play.start_count, 4); /* two at 0, two at 400 */
    assert_int_equal(play.starts[3].at_ms, 400);
    assert_over(550);
}

/* ---- VUs that share or count ---- */

static void shared_iterations_are_numbered_once_each(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 3, .iterations = 10, .max_duration_ns = 60 * S};
    set_up(&c, 1, NULL, NULL, 100);
    run_until(1000);
    assert_int_equal(play.start_count, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(play.starts[i].in_test, i);
    assert_int_equal(play.dropped, 0);
    assert_over(400);
}

static void iterations_left_at_max_duration_are_dropped(void **state)
{
    struct scenario_config c[2] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 2, .iterations = 20, .max_duration_ns = S, .graceful_stop_ns = 5 * S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 2, .iterations = 9, .max_duration_ns = S, .graceful_stop_ns = 5 * S},
    };
    set_up(c, 2, NULL, NULL, 300);
    run_until(2000);
    assert_int_equal(play.start_count, 16); /* at 0, 300, 600, 900 */
    assert_int_equal(play.dropped, 20 - 8 + 18 - 8);
    assert_over(1200);
}

static void every_vu_runs_its_own_iterations(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 3, .iterations = 4, .max_duration_ns = 60 * S};
    int per_vu[3] = {0};
    set_up(&c, 1, NULL, NULL, 50);
    run_until(1000);
    assert_int_equal(play.start_count, 12);
    for (size_t i = 0; i < 12; i++)
        per_vu[play.starts[i].vu - 1]++;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(per_vu[i], 4);
    assert_over(200);
}

/* ---- arrivals ---- */

static void constant_arrivals_begin_on_time_on_the_vu_free_for_longest(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 10, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 3, .max_vus = 3, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 50);
    run_until(2000);
    assert_int_equal(play.start_count, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_started(i, i % 3 + 1, 100 * i);
        assert_int_equal(play.starts[i].due_ms, 100 * i);
        assert_int_equal(play.starts[i].in_test, i);
    }
    assert_int_equal(play.dropped, 0);
    assert_over(1000);
}

static void arrivals_without_a_free_vu_are_dropped_and_take_no_number(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 10, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 1, .max_vus = 1, .graceful_stop_ns = 30 * S};
    set_up(&c, 1, NULL, NULL, 250);
    run_until(2000);
    assert_int_equal(play.start_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_started(i, 1, 300 * i);
        assert_int_equal(play.starts[i].in_test, i);
    }
    assert_int_equal(play.dropped, 6);
    assert_over(1150);
}

static void unplanned_vus_are_made_one_at_a_time_up_to_the_maximum(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 100, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 1, .max_vus = 4};
    set_up(&c, 1, NULL, NULL, 60000);
    play.make_ns = 35 * MS;
    for (; now_ms() < 500; driven_now_ns += MS) {
        turn();
        assert_true(play.make_count <= 1);
    }
    assert_int_equal(play.made, 4);
    /* the first at 0; asked for at 10, 60 and 110, made 35 later, used by the next arrival */
    static const int64_t times[] = {0, 50, 100, 150};
    for (unsigned i = 0; i < 4; i++)
        assert_started(i, i + 1, times[i]);
    run_until(1100);
    assert_int_equal(play.start_count, 4);
    assert_int_equal(play.dropped, 96);
    assert_int_equal(play.interrupted, 4);
    assert_over(1000);
}

static void arrivals_due_in_one_turn_are_all_issued(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 100, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 10, .max_vus = 10};
    set_up(&c, 1, NULL, NULL, 5);
    run_until(100);
    driven_now_ns += 50 * MS;
    run_until(152);
    assert_int_equal(play.start_count, 16);
    for (unsigned i = 11; i < 16; i++) {
        assert_int_equal(play.starts[i].at_ms, 150);
        assert_int_equal(play.starts[i].due_ms, 10 * i);
    }
    schedule_abort(play.schedule);
    run_until(160);
    assert_over(152);
}

static void ramping_arrivals_begin_when_the_area_is_one(void **state)
{
    const struct stage stages[] = {{2 * S, 2}, {S, 2}};
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_RAMPING_ARRIVAL_RATE, .time_unit_ns = S, .stages = stages, .stage_count = 2,
                                .pre_allocated_vus = 2, .max_vus = 2};
    set_up(&c, 1, NULL, NULL, 10);
    run_until(3100);
    /* the area is t*t/2 up to 2 s, then 2 a second */
    static const int64_t times[] = {1415, 2000, 2500};
    assert_true(play.start_count >= 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(play.starts[i].at_ms, times[i]);
    assert_over(3000);
}

static void an_arrival_taken_up_after_graceful_stop_is_refused_and_counted(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 4, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 2, .max_vus = 2};
    set_up(&c, 1, NULL, NULL, 10);
    run_until(700);
    play.vus_stand_still = true; /* the workers are busy */
    run_until(1005);
    play.vus_stand_still = false;
    run_until(1010);
    assert_int_equal(play.start_count, 3);
    assert_int_equal(play.dropped, 1);
    assert_over(1005);
}

static void a_vu_that_ends_before_a_late_control_thread_still_serves_what_was_due(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 10, .time_unit_ns = S, .duration_ns = S,
                                .pre_allocated_vus = 1, .max_vus = 1, .graceful_stop_ns = S};
    set_up(&c, 1, NULL, NULL, 50);
    run_until(845);
    driven_now_ns += 200 * MS; /* past the end, with an iteration due at 900 */
    move_vus();
    run_until(1200);
    assert_int_equal(play.start_count, 10);
    assert_int_equal(play.starts[9].due_ms, 900);
    assert_int_equal(play.starts[9].at_ms, 1045);
    assert_over(1095);
}

/* ---- scenarios together ---- */

static void a_scenario_gets_the_vus_of_one_that_ends_as_it_begins(void **state)
{
    struct scenario_config c[3] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 2, .duration_ns = S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 2, .duration_ns = S, .start_time_ns = S},
        {.name = "c", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 5, .time_unit_ns = S, .duration_ns = S, .pre_allocated_vus = 2,
         .max_vus = 5, .start_time_ns = 2 * S},
    };
    set_up(c, 3, NULL, NULL, 300);
    run_until(3100);
    assert_int_equal(play.made, 2);
    static const int64_t times[] = {0, 0, 300, 300, 600, 600, 900, 900};
    assert_int_equal(play.start_count, 8 + 8 + 5);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(play.starts[i].at_ms, times[i]);
        assert_string_equal(play.starts[8 + i].scenario, "b");
        assert_int_equal(play.starts[8 + i].at_ms, 1000 + times[i]);
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(play.starts[16 + i].due_ms, 2000 + 200 * (int64_t)i);
    assert_int_equal(play.dropped, 0);
    assert_over(3000);
}

static void vus_that_are_late_are_waited_for(void **state)
{
    struct scenario_config c[2] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 2, .duration_ns = S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 2, .iterations = 2, .max_duration_ns = 5 * S, .start_time_ns = S},
    };
    set_up(c, 2, NULL, NULL, 300);
    run_until(999);
    play.vus_stand_still = true;
    run_until(1800);
    play.vus_stand_still = false;
    run_until(3000);
    assert_int_equal(play.start_count, 8 + 4);
    assert_int_equal(play.starts[8].at_ms, 1800);
    assert_int_equal(play.dropped, 0);
    assert_over(2400);
}

static void abort_interrupts_everything_and_drops_nothing(void **state)
{
    const struct stage stages[] = {{10 * S, 3}};
    struct scenario_config c[5] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 2, .duration_ns = 10 * S, .graceful_stop_ns = 30 * S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 2, .iterations = 50, .max_duration_ns = 10 * S},
        {.name = "c", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .start_vus = 2, .stages = stages, .stage_count = 1},
        {.name = "d", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 1, .time_unit_ns = S, .duration_ns = 10 * S, .pre_allocated_vus = 3, .max_vus = 3},
        {.name = "e", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 1, .duration_ns = S, .start_time_ns = 20 * S},
    };
    set_up(c, 5, NULL, NULL, 60000);
    run_until(500);
    assert_int_equal(play.start_count, 7);
    schedule_abort(play.schedule);
    run_until(600);
    assert_int_equal(play.interrupted, 7);
    assert_int_equal(play.dropped, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(status_of(i), SCENARIO_INTERRUPTED);
    assert_over(500);
}

static void abort_while_a_vu_is_made_waits_for_it(void **state)
{
    struct scenario_config c = {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 100, .time_unit_ns = S, .duration_ns = S, .max_vus = 4};
    set_up(&c, 1, NULL, NULL, 10);
    play.make_ns = 50 * MS;
    run_until(20);
    schedule_abort(play.schedule);
    run_until(40);
    assert_int_equal(play.done_at_ms, -1);
    run_until(60);
    assert_int_equal(play.start_count, 0);
    assert_over(50);
}

static void scenarios_without_work_in_the_segment_are_skipped(void **state)
{
    struct scenario_config c[2] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 1, .duration_ns = S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 2, .iterations = 1, .max_duration_ns = S},
    };
    set_up(c, 2, "1/2:1", "0,1/2,1", 10);
    run_until(5);
    assert_int_equal(play.start_count, 0);
    assert_over(0);
}

/* ---- segments ---- */

static size_t starts_of(const struct scenario_config *c, const char *segment, const char *sequence, struct start *out)
{
    set_up(c, 1, segment, sequence, 100);
    run_until(2500);
    size_t count = play.start_count;
    memcpy(out, play.starts, count * sizeof(out[0]));
    assert_true(play.done_at_ms >= 0);
    tear_down();
    return count;
}

static void segments_together_run_what_the_whole_runs(void **state)
{
    static const char *const parts[] = {"0:1/5", "1/5:1/2", "1/2:9/10", "9/10:1"};
    const struct stage ramp[] = {{700 * MS, 9}, {800 * MS, 2}}, rate[] = {{S, 30}, {500 * MS, 10}};
    struct scenario_config c[] = {
        {.executor = EXECUTOR_CONSTANT_VUS, .vus = 7, .duration_ns = S, .graceful_stop_ns = S},
        {.executor = EXECUTOR_SHARED_ITERATIONS, .vus = 10, .iterations = 41, .max_duration_ns = 2 * S},
        {.executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 9, .iterations = 3, .max_duration_ns = 2 * S},
        {.executor = EXECUTOR_RAMPING_VUS, .start_vus = 1, .stages = ramp, .stage_count = 2, .graceful_stop_ns = S, .graceful_ramp_down_ns = S},
        {.executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 33, .time_unit_ns = S, .duration_ns = S, .pre_allocated_vus = 20, .max_vus = 20, .graceful_stop_ns = S},
        {.executor = EXECUTOR_RAMPING_ARRIVAL_RATE, .start_rate = 5, .time_unit_ns = S, .stages = rate, .stage_count = 2, .pre_allocated_vus = 20, .max_vus = 20, .graceful_stop_ns = S},
    };
    for (size_t k = 0; k < sizeof(c) / sizeof(c[0]); k++) {
        static struct start whole[MAX_STARTS], part[MAX_STARTS];
        static int at[3000], seen[MAX_STARTS];
        c[k].name = "a";
        c[k].exec = "default";
        memset(at, 0, sizeof(at));
        memset(seen, 0, sizeof(seen));
        size_t count = starts_of(&c[k], NULL, NULL, whole), sum = 0;
        for (size_t i = 0; i < count; i++)
            at[whole[i].at_ms]++;
        for (size_t p = 0; p < 4; p++) {
            size_t own = starts_of(&c[k], parts[p], "0,1/5,1/2,9/10,1", part);
            sum += own;
            for (size_t i = 0; i < own; i++) {
                at[part[i].at_ms]--;
                assert_int_equal(part[i].in_instance, i);
                seen[part[i].in_test]++;
            }
        }
        assert_true(count > 10);
        assert_int_equal(sum, count);
        for (size_t i = 0; i < 3000; i++)
            assert_int_equal(at[i], 0);
        for (size_t i = 0; i < MAX_STARTS; i++)
            assert_true(seen[i] <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_vus_loop_for_the_duration_and_finish_what_they_began),
        cmocka_unit_test(iterations_are_interrupted_when_graceful_stop_is_over),
        cmocka_unit_test(ramping_vus_start_lowest_first_and_stop_highest_first),
        cmocka_unit_test(graceful_ramp_down_cuts_each_vu_after_its_own_grace),
        cmocka_unit_test(a_vu_raised_again_during_graceful_ramp_down_goes_on),
        cmocka_unit_test(a_vu_that_had_left_is_attached_again_when_it_is_raised),
        cmocka_unit_test(shared_iterations_are_numbered_once_each),
        cmocka_unit_test(iterations_left_at_max_duration_are_dropped),
        cmocka_unit_test(every_vu_runs_its_own_iterations),
        cmocka_unit_test(constant_arrivals_begin_on_time_on_the_vu_free_for_longest),
        cmocka_unit_test(arrivals_without_a_free_vu_are_dropped_and_take_no_number),
        cmocka_unit_test(unplanned_vus_are_made_one_at_a_time_up_to_the_maximum),
        cmocka_unit_test(arrivals_due_in_one_turn_are_all_issued),
        cmocka_unit_test(ramping_arrivals_begin_when_the_area_is_one),
        cmocka_unit_test(an_arrival_taken_up_after_graceful_stop_is_refused_and_counted),
        cmocka_unit_test(a_vu_that_ends_before_a_late_control_thread_still_serves_what_was_due),
        cmocka_unit_test(a_scenario_gets_the_vus_of_one_that_ends_as_it_begins),
        cmocka_unit_test(vus_that_are_late_are_waited_for),
        cmocka_unit_test(abort_interrupts_everything_and_drops_nothing),
        cmocka_unit_test(abort_while_a_vu_is_made_waits_for_it),
        cmocka_unit_test(scenarios_without_work_in_the_segment_are_skipped),
        cmocka_unit_test(segments_together_run_what_the_whole_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
