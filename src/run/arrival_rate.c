/* SPDX-License-Identifier: Apache-2.0 */
/* constant-arrival-rate and ramping-arrival-rate: iterations begin at their due times, whatever the VUs do.
 * An arrival goes to the VU that has been free for longest, which spreads them over VUs and workers as k6 does;
 * with none free it is dropped and, below maxVUs, one more VU is begun (one at a time, as k6). Nothing queues.
 *
 * All arrivals that are due are handed out in one turn, and the next turn is BATCH_NS away at least: with a turn
 * for each, 10,000 arrivals a second took 15 % of the control thread's core (measured). */
#include "core/clock.h"
#include "core/log.h"
#include "run/executor.h"

#define BATCH_NS (500 * NS_PER_US)
#define HOLD_NS (400 * NS_PER_MS) /* how long the first arrivals wait for planned VUs that another scenario still has */

static void push_free(struct scenario_run *run, struct slot *slot)
{
    pthread_mutex_lock(&run->lock);
    slot->next_free = NULL;
    if (run->free_head)
        run->free_tail->next_free = slot;
    else
        run->free_head = slot;
    run->free_tail = slot;
    pthread_mutex_unlock(&run->lock);
}

/* Free slots have a VU: none leaves before regular_end, and no arrival comes after it. */
static struct slot *pop_free(struct scenario_run *run, int64_t due_ns)
{
    pthread_mutex_lock(&run->lock);
    struct slot *slot = run->free_head;
    if (slot) {
        run->free_head = slot->next_free;
        slot->pending_due_ns = due_ns;
        slot->has_pending = true;
    }
    pthread_mutex_unlock(&run->lock);
    return slot;
}

static void vu_made(void *arg, struct vu *vu)
{
    struct scenario_run *run = arg;
    bool over = run->closed || atomic_load(&run->aborted);
    run->making_vu = false;
    if (vu && !over) {
        slot_attach_vu(&run->slots[run->used_slots++], vu);
        return;
    }
    if (vu)
        run_give(run, vu);
    if (over)
        run_check_finished(run);
}

static void make_another(struct scenario_run *run)
{
    const struct vu_host *host = run->schedule->host;
    if (run->making_vu || run->waiting)
        return;
    if (run->used_slots >= run->slot_count) {
        if (!run->warned)
            log_warning("Insufficient VUs, reached %lld active VUs and cannot initialize more (scenario %s)", (long long)run->attached, run->config->name);
        run->warned = true;
        return;
    }
    run->making_vu = true;
    host->make(host->arg, vu_made, run);
}

static void tell_dropped(struct scenario_run *run, int64_t count)
{
    if (count)
        run->schedule->host->dropped(run->schedule->host->arg, &run->info, count);
}

/* All arrivals before a time; tells how many found no VU. */
static int64_t issue_until(struct scenario_run *run, int64_t end_ns)
{
    int64_t dropped = 0, index;
    while (run->next_due_ns >= 0 && run->start_ns + run->next_due_ns < end_ns) {
        struct slot *slot = pop_free(run, run->start_ns + run->next_due_ns);
        if (slot)
            run->schedule->host->wake(slot->vu);
        else
            dropped++;
        run->next_due_ns = pace_next(&run->pace, &index);
    }
    return dropped;
}

static void tick(struct scenario_run *run)
{
    int64_t now = clock_mono_ns();
    if (run->waiting && now < run->start_ns + HOLD_NS) {
        timer_start(run->schedule->loop, &run->timer, now + NS_PER_MS);
        return;
    }
    int64_t dropped = issue_until(run, now + 1);
    if (dropped)
        make_another(run);
    tell_dropped(run, dropped);
    if (run->next_due_ns < 0)
        return;
    int64_t due = run->start_ns + run->next_due_ns;
    timer_start(run->schedule->loop, &run->timer, due > now + BATCH_NS ? due : now + BATCH_NS);
}

static void begin(struct scenario_run *run)
{
    int64_t index;
    run->used_slots = scenario_planned_vus(run->config, run->schedule->segment);
    for (int64_t i = 0; i < run->used_slots; i++)
        slot_attach(&run->slots[i]);
    pace_init(&run->pace, run->config, run->schedule->segment);
    run->next_due_ns = pace_next(&run->pace, &index);
    tick(run);
}

/* Arrivals whose time came just before the end are still theirs. */
static void regular_end(struct scenario_run *run)
{
    tell_dropped(run, issue_until(run, atomic_load(&run->end_ns)));
    pthread_mutex_lock(&run->lock);
    run->closed = true;
    pthread_mutex_unlock(&run->lock);
}

/* An arrival that its VU takes up only when gracefulStop is over would never be interrupted. */
static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    enum next_verdict verdict = NEXT_WAIT;
    pthread_mutex_lock(&run->lock);
    bool pending = slot->has_pending, late = now_ns >= atomic_load(&run->end_ns) + run->config->graceful_stop_ns;
    int64_t due_ns = slot->pending_due_ns;
    slot->has_pending = false;
    if (pending && !late)
        verdict = NEXT_RUN;
    else if (run->closed)
        verdict = NEXT_LEAVE;
    run->refused += pending && late;
    pthread_mutex_unlock(&run->lock);
    if (verdict == NEXT_RUN) {
        run_number(run, atomic_fetch_add(&run->begun, 1), out);
        out->due_mono_ns = due_ns;
    }
    return verdict;
}

static void ended(struct scenario_run *run, struct slot *slot)
{
    push_free(run, slot);
}

static void finish(struct scenario_run *run)
{
    tell_dropped(run, run->refused);
}

const struct executor arrival_rate_executor = {.begin = begin, .tick = tick, .regular_end = regular_end, .finish = finish,
                                               .slot_attached = push_free, .next = next, .ended = ended};
