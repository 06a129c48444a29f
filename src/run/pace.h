/* SPDX-License-Identifier: Apache-2.0 */
/* When iterations are due and how many VUs should loop: k6's arithmetic, without a clock. Pure; times are
 * nanoseconds from the scenario's start. */
#ifndef RUN_PACE_H
#define RUN_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "run/scenario_config.h"
#include "run/segment.h"

/* The arrivals of a constant- or ramping-arrival-rate scenario in one segment, in order. */
struct pace {
    const struct scenario_config *config;
    const struct segment *segment;
    int64_t next;      /* own index of the next arrival */
    size_t stage;
    double area;       /* arrivals before this stage */
    double stage_from; /* rate at its beginning, per ns */
    int64_t stage_start_ns;
};

void pace_init(struct pace *p, const struct scenario_config *config, const struct segment *segment);
/* The next arrival's time; -1 when there is none left. *index gets its own index. */
int64_t pace_next(struct pace *p, int64_t *index);

/* From time_ns on there should be vus. */
struct vu_step {
    int64_t time_ns, vus;
};

/* The steps of a ramping-vus scenario in one segment, the first at 0. Heap. */
struct vu_step *ramping_steps(const struct scenario_config *config, const struct segment *segment, size_t *count);

#endif
