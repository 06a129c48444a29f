/* SPDX-License-Identifier: Apache-2.0 */
/* constant-arrival-rate and ramping-arrival-rate: iterations begin at their due times, whatever the VUs do.
 * An arrival goes to a free VU; with none free it is dropped and, below maxVUs, one more VU is begun (one at a
 * time, as k6). Nothing queues. All arrivals that are due are handed out in one turn. */
#include "core/clock.h"
#include "core/log.h"
#include "run/executor.h"

static void push_free(struct scenario_run *run, struct slot *slot)
{
    pthread_mutex_lock(&run->lock);
    slot->next_free = run->free_slots;
    run->free_slots = slot;
    pthread_mutex_unlock(&run->lock);
}

static struct slot *pop_free(struct scenario_run *run, const struct iteration *iteration)
{
    pthread_mutex_lock(&run->lock);
    struct slot *slot = run->free_slots;
    if (slot) {
        run->free_slots = slot->next_free;
        slot->pending = *iteration;
        slot->has_pending = true;
    }
    pthread_mutex_unlock(&run->lock);
    return slot;
}

static void vu_made(void *arg, struct vu *vu)
{
    struct scenario_run *run = arg;
    bool over = run_is_over(run, loop_now_ns(run->schedule->loop));
    run->making_vu = false;
    if (!vu || over) {
        if (vu)
            run->schedule->host->give(run->schedule->host->arg, vu);
        if (over)
            run_check_finished(run);
        return;
    }
    struct slot *slot = &run->slots[run->attached];
    push_free(run, slot);
    slot_attach_vu(slot, vu);
}

static void make_another(struct scenario_run *run)
{
    const struct vu_host *host = run->schedule->host;
    if (run->making_vu)
        return;
    if (run->attached >= run->slot_count) {
        if (!run->warned)
            log_warning("Insufficient VUs, reached %lld active VUs and cannot initialize more (scenario %s)", (long long)run->attached, run->config->name);
        run->warned = true;
        return;
    }
    run->making_vu = true;
    host->make(host->arg, vu_made, run);
}

static void arrive(struct scenario_run *run, int64_t due_ns, int64_t index)
{
    struct iteration iteration;
    run_number(run, (uint64_t)index, &iteration);
    iteration.due_mono_ns = due_ns;
    struct slot *slot = pop_free(run, &iteration);
    if (slot) {
        atomic_fetch_add(&run->begun, 1);
        vu_wake(slot->vu);
        return;
    }
    run->dropped++;
    make_another(run);
}

static void tell_dropped(struct scenario_run *run)
{
    if (run->dropped)
        run->schedule->host->dropped(run->schedule->host->arg, &run->info, run->dropped);
    run->dropped = 0;
}

static void tick(struct scenario_run *run)
{
    int64_t now = clock_mono_ns();
    while (run->next_due_ns >= 0 && run->start_ns + run->next_due_ns <= now) {
        arrive(run, run->start_ns + run->next_due_ns, run->next_index);
        run->next_due_ns = pace_next(&run->pace, &run->next_index);
    }
    tell_dropped(run);
    if (run->next_due_ns >= 0)
        timer_start(run->schedule->loop, &run->timer, run->start_ns + run->next_due_ns);
}

static void begin(struct scenario_run *run)
{
    int64_t planned = scenario_planned_vus(run->config, run->schedule->segment);
    for (int64_t i = planned - 1; i >= 0; i--)
        push_free(run, &run->slots[i]);
    for (int64_t i = 0; i < planned; i++)
        slot_attach(&run->slots[i]);
    pace_init(&run->pace, run->config, run->schedule->segment);
    run->next_due_ns = pace_next(&run->pace, &run->next_index);
    tick(run);
}

/* Arrivals whose time came just before the end are still theirs. */
static void regular_end(struct scenario_run *run)
{
    int64_t end = atomic_load(&run->end_ns);
    while (run->next_due_ns >= 0 && run->start_ns + run->next_due_ns < end) {
        arrive(run, run->start_ns + run->next_due_ns, run->next_index);
        run->next_due_ns = pace_next(&run->pace, &run->next_index);
    }
    tell_dropped(run);
}

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    enum next_verdict verdict = NEXT_WAIT;
    pthread_mutex_lock(&run->lock);
    if (slot->has_pending) {
        *out = slot->pending;
        slot->has_pending = false;
        verdict = NEXT_RUN;
    } else if (run_is_over(run, now_ns)) {
        verdict = NEXT_LEAVE;
    }
    pthread_mutex_unlock(&run->lock);
    return verdict;
}

static void ended(struct scenario_run *run, struct slot *slot)
{
    push_free(run, slot);
}

const struct executor arrival_rate_executor = {.begin = begin, .tick = tick, .regular_end = regular_end, .next = next, .ended = ended};
