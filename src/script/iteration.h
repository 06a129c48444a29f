/* SPDX-License-Identifier: Apache-2.0 */
/* What a VU does with one iteration or one single call, from its own coroutine. */
#ifndef SCRIPT_ITERATION_H
#define SCRIPT_ITERATION_H

#include "quickjs.h"

struct scenario_info;
struct vu;

void vu_perform_iteration(struct vu *vu);
void vu_perform_call(struct vu *vu);
/* New tags and counters for a scenario that the VU has not run before. */
void vu_begin_scenario(struct vu *vu, const struct scenario_info *scenario);
/* QuickJS's interrupt handler; arg is the realm. */
int vu_on_interrupt(JSRuntime *rt, void *arg);

#endif
