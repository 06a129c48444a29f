/* SPDX-License-Identifier: Apache-2.0 */
#include "run/vu_plan.h"

#include <stdlib.h>

#include "core/mem.h"

int64_t scenario_duration_ns(const struct scenario_config *c)
{
    int64_t sum = 0;
    switch (c->executor) {
    case EXECUTOR_CONSTANT_VUS:
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
        return c->duration_ns;
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        return c->duration_ns ? c->duration_ns : SCENARIO_ENDLESS_NS;
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        return c->max_duration_ns;
    case EXECUTOR_RAMPING_VUS:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        for (size_t i = 0; i < c->stage_count; i++)
            sum += c->stages[i].duration_ns;
        return sum;
    }
    return 0;
}

int64_t scenario_planned_vus(const struct scenario_config *c, const struct segment *segment)
{
    int64_t most = c->start_vus;
    switch (c->executor) {
    case EXECUTOR_CONSTANT_VUS:
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        return segment_share(segment, c->vus);
    case EXECUTOR_RAMPING_VUS:
        for (size_t i = 0; i < c->stage_count; i++)
            if (c->stages[i].target > most)
                most = c->stages[i].target;
        return segment_share(segment, most);
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        return segment_share(segment, c->pre_allocated_vus);
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        return segment_share(segment, c->max_vus);
    }
    return 0;
}

int64_t scenario_max_vus(const struct scenario_config *c, const struct segment *segment)
{
    if (c->executor == EXECUTOR_CONSTANT_ARRIVAL_RATE || c->executor == EXECUTOR_RAMPING_ARRIVAL_RATE)
        return segment_share(segment, c->max_vus);
    return scenario_planned_vus(c, segment);
}

static int64_t scenario_end_ns(const struct scenario_config *c)
{
    return scenario_duration_ns(c) + c->graceful_stop_ns;
}

/* ---- VUs held over time ---- */

struct held {
    struct vu_step *list;
    size_t count;
};

static void add_held(struct held *h, int64_t time_ns, int64_t vus)
{
    if (h->count && h->list[h->count - 1].time_ns == time_ns)
        h->count--;
    if (vus != (h->count ? h->list[h->count - 1].vus : 0))
        h->list[h->count++] = (struct vu_step){time_ns, vus};
}

/* A step's VUs are held until gracefulRampDown after the next step; at any time the largest such number counts.
 * candidates: steps that may still become it, the largest first, each with the time until which it is held. */
static void hold_ramp(struct held *h, const struct vu_step *steps, size_t count, int64_t grace_ns, int64_t end_ns)
{
    struct vu_step *candidates = mem_array(count, sizeof(candidates[0]));
    size_t head = 0, tail = 0;
    for (size_t i = 0; i <= count; i++) {
        int64_t now = i < count && steps[i].time_ns < end_ns ? steps[i].time_ns : end_ns;
        for (; head < tail && candidates[head].time_ns <= now; head++)
            add_held(h, candidates[head].time_ns, head + 1 < tail ? candidates[head + 1].vus : 0);
        if (now == end_ns)
            break;
        int64_t until = i + 1 < count ? steps[i + 1].time_ns + grace_ns : end_ns;
        while (tail > head && candidates[tail - 1].vus <= steps[i].vus)
            tail--;
        candidates[tail++] = (struct vu_step){until < end_ns ? until : end_ns, steps[i].vus};
        add_held(h, now, candidates[head].vus);
    }
    mem_free(candidates);
}

struct vu_step *scenario_held_vus(const struct scenario_config *c, const struct segment *segment, size_t *count)
{
    int64_t end_ns = scenario_end_ns(c);
    size_t step_count = 1;
    struct vu_step *steps = NULL;
    if (c->executor == EXECUTOR_RAMPING_VUS)
        steps = ramping_steps(c, segment, &step_count);
    struct held h = {mem_array(2 * step_count + 2, sizeof(h.list[0])), 0};
    if (steps) {
        hold_ramp(&h, steps, step_count, c->graceful_ramp_down_ns, end_ns);
    } else {
        add_held(&h, 0, scenario_planned_vus(c, segment));
        add_held(&h, end_ns, 0);
    }
    mem_free(steps);
    *count = h.count;
    return h.list;
}

/* ---- the sum over scenarios ---- */

struct change {
    int64_t time_ns, planned, most;
};

struct changes {
    struct change *list;
    size_t count, cap;
};

static void add_change(struct changes *c, int64_t time_ns, int64_t planned, int64_t most)
{
    mem_grow(&c->list, &c->cap, c->count + 1, sizeof(c->list[0]));
    c->list[c->count++] = (struct change){time_ns, planned, most};
}

static void add_scenario(struct changes *changes, const struct scenario_config *c, const struct segment *segment)
{
    size_t count;
    struct vu_step *held = scenario_held_vus(c, segment, &count);
    int64_t before = 0, unplanned = scenario_max_vus(c, segment) - scenario_planned_vus(c, segment);
    for (size_t i = 0; i < count; before = held[i++].vus)
        add_change(changes, c->start_time_ns + held[i].time_ns, held[i].vus - before, held[i].vus - before);
    add_change(changes, c->start_time_ns, 0, unplanned);
    add_change(changes, c->start_time_ns + scenario_end_ns(c), 0, -unplanned);
    mem_free(held);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct change *)a)->time_ns, y = ((const struct change *)b)->time_ns;
    return (x > y) - (x < y);
}

struct vu_plan vu_plan_make(const struct scenario_config *scenarios, size_t count, const struct segment *segment)
{
    struct vu_plan plan = {0};
    struct changes changes = {0};
    int64_t planned = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t end_ns = scenarios[i].start_time_ns + scenario_end_ns(&scenarios[i]);
        if (end_ns > plan.duration_ns)
            plan.duration_ns = end_ns;
        add_scenario(&changes, &scenarios[i], segment);
    }
    if (changes.count)
        qsort(changes.list, changes.count, sizeof(changes.list[0]), by_time);
    for (size_t i = 0; i < changes.count; i++) {
        planned += changes.list[i].planned;
        most += changes.list[i].most;
        if (i + 1 < changes.count && changes.list[i + 1].time_ns == changes.list[i].time_ns)
            continue; /* what ends and what begins at one time do not meet */
        if (planned > plan.planned_vus)
            plan.planned_vus = planned;
        if (most > plan.max_vus)
            plan.max_vus = most;
    }
    mem_free(changes.list);
    return plan;
}
