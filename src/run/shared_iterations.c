/* SPDX-License-Identifier: Apache-2.0 */
/* shared-iterations: VUs take from one count until it is used up. */
#include "run/executor.h"

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (run_is_over(run, now_ns))
        return NEXT_LEAVE;
    uint64_t own = atomic_load(&run->begun);
    do {
        if (own >= (uint64_t)run->total)
            return NEXT_LEAVE;
    } while (!atomic_compare_exchange_weak(&run->begun, &own, own + 1));
    run_number(run, own, out);
    return NEXT_RUN;
}

static void finish(struct scenario_run *run)
{
    int64_t left = run->total - (int64_t)atomic_load(&run->begun);
    if (left > 0)
        run->schedule->host->dropped(run->schedule->host->arg, &run->info, left);
}

const struct executor shared_iterations_executor = {.begin = run_attach_all, .next = next, .finish = finish};
