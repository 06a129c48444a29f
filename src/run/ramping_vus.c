/* SPDX-License-Identifier: Apache-2.0 */
/* ramping-vus: the number of looping VUs follows the stages. Slots below the wanted number are active; the
 * highest stop first. A VU that is wanted again while it finishes its last iteration simply goes on. */
#include "run/executor.h"

static void raise_slot(struct scenario_run *run, struct slot *slot)
{
    atomic_store(&slot->active, true);
    timer_stop(run->schedule->loop, &slot->cut_timer);
    if (!slot->vu)
        slot_attach(slot);
}

static void lower_slot(struct scenario_run *run, struct slot *slot, int64_t now_ns)
{
    atomic_store(&slot->active, false);
    slot_stop_waiting(slot);
    if (slot->vu)
        timer_start(run->schedule->loop, &slot->cut_timer, now_ns + run->config->graceful_ramp_down_ns);
}

void run_want_vus(struct scenario_run *run, int64_t vus, int64_t at_ns)
{
    for (; run->wanted < vus; run->wanted++)
        raise_slot(run, &run->slots[run->wanted]);
    for (; run->wanted > vus; run->wanted--)
        lower_slot(run, &run->slots[run->wanted - 1], at_ns);
}

static void tick(struct scenario_run *run)
{
    int64_t now = loop_now_ns(run->schedule->loop);
    while (run->step < run->step_count && run->start_ns + run->steps[run->step].time_ns <= now) {
        run_want_vus(run, run->steps[run->step].vus, run->start_ns + run->steps[run->step].time_ns);
        run->step++;
    }
    if (run->step < run->step_count)
        timer_start(run->schedule->loop, &run->timer, run->start_ns + run->steps[run->step].time_ns);
}

static void begin(struct scenario_run *run)
{
    run->steps = ramping_steps(run->config, run->schedule->segment, &run->step_count);
    tick(run);
}

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (!atomic_load(&slot->active) || run_is_over(run, now_ns))
        return NEXT_LEAVE;
    run_number(run, atomic_fetch_add(&run->begun, 1), out);
    return NEXT_RUN;
}

/* It was wanted again between its decision to leave and now. */
void run_wanted_slot_left(struct scenario_run *run, struct slot *slot)
{
    if (atomic_load(&slot->active))
        slot_attach(slot);
}

const struct executor ramping_vus_executor = {.begin = begin, .tick = tick, .next = next, .slot_left = run_wanted_slot_left};
