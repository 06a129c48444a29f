/* SPDX-License-Identifier: Apache-2.0 */
/* constant-vus: every VU loops for the duration. */
#include "run/executor.h"

static void begin(struct scenario_run *run)
{
    for (int64_t i = 0; i < run->slot_count; i++)
        slot_attach(&run->slots[i]);
}

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (run_is_over(run, now_ns))
        return NEXT_LEAVE;
    run_number(run, atomic_fetch_add(&run->begun, 1), out);
    return NEXT_RUN;
}

const struct executor constant_vus_executor = {.begin = begin, .next = next};
