/* SPDX-License-Identifier: Apache-2.0 */
/* How many VUs a scenario needs and when, and how many the whole test does: VUs are made before it starts and
 * handed on from scenario to scenario. Pure. */
#ifndef RUN_VU_PLAN_H
#define RUN_VU_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "run/pace.h"

/* What stands for no end: ten years. */
#define SCENARIO_ENDLESS_NS (INT64_C(3650) * 24 * 3600 * 1000000000)

/* How long the scenario runs before gracefulStop. */
int64_t scenario_duration_ns(const struct scenario_config *config);
/* The most VUs it plans for, and may use, in a segment. */
int64_t scenario_planned_vus(const struct scenario_config *config, const struct segment *segment);
int64_t scenario_max_vus(const struct scenario_config *config, const struct segment *segment);
/* The planned VUs that it holds over time, from its start to the end of its gracefulStop, where they are 0: a VU
 * of ramping-vus that was ramped down is held for gracefulRampDown longer. Heap. */
struct vu_step *scenario_held_vus(const struct scenario_config *config, const struct segment *segment, size_t *count);

/* For the whole test. */
struct vu_plan {
    int64_t planned_vus, max_vus;
    int64_t duration_ns; /* with graceful stops */
};
struct vu_plan vu_plan_make(const struct scenario_config *scenarios, size_t count, const struct segment *segment);

#endif
