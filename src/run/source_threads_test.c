/* SPDX-License-Identifier: Apache-2.0 */
/* Iteration sources asked by several threads at once, over one second of real time: made for ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/mem.h"
#include "run/schedule.h"

#define THREADS 4
#define VUS_A_THREAD 8
#define VUS (THREADS * VUS_A_THREAD)
#define MAX_NUMBERS 100000

struct vu {
    struct iteration_source *_Atomic next_source; /* NULL: nothing new to attach to */
    void *next_slot;
    atomic_bool woken;
    bool is_free;
    /* its thread's own */
    struct iteration_source *source;
    void *slot;
};

static struct vu vus[VUS];
static atomic_bool stopping;
static atomic_int seen[4][MAX_NUMBERS]; /* by scenario and number */
static atomic_int_fast64_t begun[4];
static int64_t dropped_count[4];
static struct loop *loop;
static bool is_done;

static void run_one(struct vu *vu, const struct iteration *iteration)
{
    int scenario = vu->source->scenario->name[0] - 'a';
    atomic_fetch_add(&begun[scenario], 1);
    if (iteration->in_scenario_test < MAX_NUMBERS)
        atomic_fetch_add(&seen[scenario][iteration->in_scenario_test], 1);
    vu->source->ended(vu->source, vu->slot, ITERATION_COMPLETE, clock_mono_ns());
}

static void pull(struct vu *vu)
{
    for (int i = 0; i < 20; i++) {
        struct iteration iteration;
        enum next_verdict verdict = vu->source->next(vu->source, vu->slot, clock_mono_ns(), &iteration);
        if (verdict == NEXT_WAIT)
            return;
        if (verdict == NEXT_LEAVE) {
            struct iteration_source *source = vu->source;
            vu->source = NULL;
            source->left(source, vu->slot);
            return;
        }
        run_one(vu, &iteration);
    }
    atomic_store(&vu->woken, true); /* the others of this thread have their turn */
}

static void *work(void *arg)
{
    struct vu *own = arg;
    while (!atomic_load(&stopping)) {
        for (int i = 0; i < VUS_A_THREAD; i++) {
            bool woken = atomic_exchange(&own[i].woken, false);
            struct iteration_source *next = own[i].source ? NULL : atomic_exchange(&own[i].next_source, NULL);
            if (next) {
                own[i].source = next;
                own[i].slot = own[i].next_slot;
            }
            if (own[i].source && (woken || next))
                pull(&own[i]);
        }
        sched_yield();
    }
    return NULL;
}

static struct vu *take(void *arg)
{
    for (int i = 0; i < VUS; i++) {
        if (vus[i].is_free) {
            vus[i].is_free = false;
            return &vus[i];
        }
    }
    return NULL;
}

static void give(void *arg, struct vu *vu)
{
    vu->is_free = true;
}

static void make(void *arg, void (*made)(void *made_arg, struct vu *vu), void *made_arg)
{
    fail(); /* all VUs are planned */
}

static void dropped(void *arg, const struct scenario_info *scenario, int64_t count)
{
    dropped_count[scenario->name[0] - 'a'] += count;
}

static void all_done(void *arg)
{
    is_done = true;
}

static void attach(struct vu *vu, struct iteration_source *source, void *slot)
{
    vu->next_slot = slot;
    atomic_store(&vu->next_source, source);
}

static void wake(struct vu *vu)
{
    atomic_store(&vu->woken, true);
}

static void interrupt(struct vu *vu)
{
}

static void assert_each_once(int scenario, int64_t count)
{
    assert_int_equal(begun[scenario], count);
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(seen[scenario][i], 1);
}

static void every_iteration_is_begun_once_whichever_thread_asks(void **state)
{
    const struct stage stages[] = {{300 * NS_PER_MS, 6}, {300 * NS_PER_MS, 0}, {200 * NS_PER_MS, 8}};
    struct scenario_config c[4] = {
        {.name = "a", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 8, .iterations = 90000, .max_duration_ns = 600 * NS_PER_S},
        {.name = "b", .exec = "default", .executor = EXECUTOR_PER_VU_ITERATIONS, .vus = 8, .iterations = 5000, .max_duration_ns = 600 * NS_PER_S},
        {.name = "c", .exec = "default", .executor = EXECUTOR_CONSTANT_ARRIVAL_RATE, .rate = 20000, .time_unit_ns = NS_PER_S, .duration_ns = NS_PER_S,
         .pre_allocated_vus = 8, .max_vus = 8, .graceful_stop_ns = 600 * NS_PER_S},
        {.name = "d", .exec = "default", .executor = EXECUTOR_RAMPING_VUS, .stages = stages, .stage_count = 3, .graceful_ramp_down_ns = NS_PER_S},
    };
    struct vu_host host = {take, give, make, dropped, all_done, attach, wake, interrupt, NULL};
    struct segment segment;
    pthread_t threads[THREADS];
    assert_true(segment_parse(&segment, NULL, NULL, NULL));
    loop = loop_new(NULL);
    for (int i = 0; i < VUS; i++)
        vus[i].is_free = true;
    struct schedule *s = schedule_new(loop, c, 4, &segment, &host);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &vus[i * VUS_A_THREAD]), 0);
    schedule_start(s, clock_mono_ns());
    while (!is_done)
        loop_turn(loop, INT64_MAX);
    atomic_store(&stopping, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_each_once(0, 90000);
    assert_each_once(1, 40000);
    assert_each_once(2, 20000 - dropped_count[2]);
    assert_true(begun[3] > 0);
    assert_int_equal(schedule_active_vus(s), 0);
    schedule_free(s);
    loop_free(loop);
    segment_fini(&segment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_iteration_is_begun_once_whichever_thread_asks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
