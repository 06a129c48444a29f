/* SPDX-License-Identifier: Apache-2.0 */
/* externally-controlled, as k6 1 had it: looping VUs whose number is set from outside while the test runs, and that
 * can be paused. */
#include "run/executor.h"

static void begin(struct scenario_run *run)
{
    run_want_vus(run, run->config->vus < run->slot_count ? run->config->vus : run->slot_count, run->start_ns);
}

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (!atomic_load(&slot->active) || run_is_over(run, now_ns))
        return NEXT_LEAVE;
    if (atomic_load(&run->paused))
        return NEXT_WAIT;
    run_number(run, atomic_fetch_add(&run->begun, 1), out);
    return NEXT_RUN;
}

const struct executor externally_controlled_executor = {.begin = begin, .next = next, .slot_left = run_wanted_slot_left};
