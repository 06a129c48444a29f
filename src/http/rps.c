/* SPDX-License-Identifier: Apache-2.0 */
/* options.rps: requests of all workers are spaced 1/rps apart, burst 1. The next free moment is the one value
 * that workers share; it is only touched when the option is set. */
#include <stdatomic.h>

#include "http/session.h"

static atomic_int_fast64_t next_slot_ns;

int64_t rps_next_ns(double rps, int64_t now_ns)
{
    int64_t gap = (int64_t)(1e9 / rps), next = atomic_load(&next_slot_ns), mine;
    do {
        mine = next > now_ns ? next : now_ns;
    } while (!atomic_compare_exchange_weak(&next_slot_ns, &next, mine + gap));
    return mine;
}
