/* SPDX-License-Identifier: Apache-2.0 */
/* constant-vus: every VU loops for the duration. */
#include "run/executor.h"

static enum next_verdict next(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out)
{
    if (run_is_over(run, now_ns))
        return NEXT_LEAVE;
    run_number(run, atomic_fetch_add(&run->begun, 1), out);
    return NEXT_RUN;
}

const struct executor constant_vus_executor = {.begin = run_attach_all, .next = next};
