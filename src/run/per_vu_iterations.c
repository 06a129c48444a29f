/* SPDX-License-Identifier: Apache-2.0 */
/* per-vu-iterations: every VU runs a count of its own. */
#include "run/executor.h"

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (slot->done >= run->config->iterations || run_is_over(run, now_ns))
        return NEXT_LEAVE;
    slot->done++;
    run_number(run, atomic_fetch_add(&run->begun, 1), out);
    return NEXT_RUN;
}

static void finish(struct scenario_run *run)
{
    int64_t left = run->total - (int64_t)atomic_load(&run->begun);
    if (left > 0)
        run->schedule->host->dropped(run->schedule->host->arg, &run->info, left);
}

const struct executor per_vu_iterations_executor = {.begin = run_attach_all, .next = next, .finish = finish};
