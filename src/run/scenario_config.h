/* SPDX-License-Identifier: Apache-2.0 */
/* One scenario as the options say it, after defaults. Times in nanoseconds. Strings belong to the
 * struct options that holds the scenario. Constant during a run; any thread may read. */
#ifndef RUN_SCENARIO_CONFIG_H
#define RUN_SCENARIO_CONFIG_H

#include <stddef.h>
#include <stdint.h>

enum executor_kind {
    EXECUTOR_CONSTANT_VUS,
    EXECUTOR_RAMPING_VUS,
    EXECUTOR_SHARED_ITERATIONS,
    EXECUTOR_PER_VU_ITERATIONS,
    EXECUTOR_CONSTANT_ARRIVAL_RATE,
    EXECUTOR_RAMPING_ARRIVAL_RATE,
    EXECUTOR_EXTERNALLY_CONTROLLED, /* k6 1's; k6 2 has none */
};

struct stage {
    int64_t duration_ns, target;
};

struct option_pair {
    const char *key, *value;
};

struct scenario_config {
    const char *name, *exec; /* exec: "default" unless set */
    enum executor_kind executor;
    int64_t start_time_ns, graceful_stop_ns; /* 0 and 30 s unless set */
    const struct option_pair *env, *tags;
    size_t env_count, tag_count;
    int64_t vus;           /* constant-vus, both iteration executors, externally-controlled (at first) */
    int64_t iterations;    /* both iteration executors (per VU for per-vu-iterations) */
    int64_t duration_ns;   /* constant-vus, constant-arrival-rate, externally-controlled (0: no end) */
    int64_t max_duration_ns; /* both iteration executors; 10 min unless set */
    int64_t start_vus, graceful_ramp_down_ns; /* ramping-vus; 1 and 30 s unless set */
    const struct stage *stages; /* both ramping executors */
    size_t stage_count;
    int64_t rate;       /* constant-arrival-rate: iterations each time_unit_ns */
    int64_t start_rate; /* ramping-arrival-rate; 0 unless set */
    int64_t time_unit_ns; /* arrival rates; 1 s unless set */
    int64_t pre_allocated_vus, max_vus; /* arrival rates; max_vus = pre_allocated_vus unless set;
                                         * externally-controlled: max_vus = vus unless set */
};

#endif
