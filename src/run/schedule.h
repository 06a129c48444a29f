/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the scenarios of a test: starts each at its time, hands VUs to it, ends it, and tells when all are
 * done. Control (main) thread; what VUs ask for (iteration sources) runs on their workers' threads. */
#ifndef RUN_SCHEDULE_H
#define RUN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/vu_plan.h"
#include "script/vu.h"

struct error;
struct loop;
struct schedule;

/* Where VUs come from and samples go. All called on the control thread. */
struct vu_host {
    /* A free VU, lowest id first; NULL when there is none. */
    struct vu *(*take)(void *arg);
    void (*give)(void *arg, struct vu *vu);
    /* Makes one more VU; made is called on the control thread, with NULL when its init context failed. */
    void (*make)(void *arg, void (*made)(void *made_arg, struct vu *vu), void *made_arg);
    void (*dropped)(void *arg, const struct scenario_info *scenario, int64_t count);
    void (*all_done)(void *arg);
    /* What script/vu.h says of vu_attach, vu_wake and vu_interrupt. */
    void (*attach)(struct vu *vu, struct iteration_source *source, void *slot);
    void (*wake)(struct vu *vu);
    void (*interrupt)(struct vu *vu);
    void *arg;
};

struct schedule *schedule_new(struct loop *loop, const struct scenario_config *scenarios, size_t count, const struct segment *segment,
                              const struct vu_host *host);
/* After all_done. */
void schedule_free(struct schedule *s);
/* The clock of the scenarios begins now. */
void schedule_start(struct schedule *s, int64_t now_ns);
/* No iteration begins after this returns; from any thread. schedule_abort must follow on the loop's thread. */
void schedule_refuse(struct schedule *s);
/* Ends everything: no new iterations, running ones are interrupted. all_done follows. */
void schedule_abort(struct schedule *s);

/* Changes the number of VUs of the scenario that is externally-controlled, or lets its VUs wait between iterations.
 * False with err when there is none that runs, or the number is out of its range. */
bool schedule_scale(struct schedule *s, int64_t vus, struct error *err);
bool schedule_pause(struct schedule *s, bool paused, struct error *err);
bool schedule_is_paused(struct schedule *s);

/* For progress displays. */
enum scenario_status { SCENARIO_WAITING, SCENARIO_RUNNING, SCENARIO_STOPPING, SCENARIO_DONE, SCENARIO_INTERRUPTED };
struct scenario_progress {
    const struct scenario_config *config;
    enum scenario_status status;
    int64_t vus;                /* attached */
    int64_t planned_vus, max_vus;
    uint64_t started;           /* iterations begun */
    uint64_t total;             /* iteration executors; 0: not known */
    int64_t elapsed_ns, duration_ns;
    double rate;                /* arrival rates: iterations a second asked for now in this segment */
};
size_t schedule_count(const struct schedule *s);
void schedule_progress(const struct schedule *s, size_t index, struct scenario_progress *out);
/* VUs that are attached to scenarios now. */
int64_t schedule_active_vus(const struct schedule *s);

/* "10 looping VUs for 30s (gracefulStop: 30s)" as k6 describes a scenario. Heap. */
char *scenario_describe(const struct scenario_config *config, const struct segment *segment);

#endif
