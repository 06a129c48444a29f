/* SPDX-License-Identifier: Apache-2.0 */
/* VUs and workers as the run floor sees them: make VUs, let them take iterations from a source, wake,
 * interrupt. A worker is a thread with its own loop, realms and metric shard; a VU belongs to one.
 *
 * An executor is an iteration source. VUs attached to a source pull: whenever a VU is free it calls
 * source->next on its worker's thread, and runs, waits or leaves as told. So the closed-model executors
 * need no message an iteration, and the open-model ones wake a waiting VU for each. */
#ifndef SCRIPT_VU_H
#define SCRIPT_VU_H

#include <stdbool.h>
#include <stdint.h>

struct vu;
struct worker;
struct script;
struct error;
struct task;
struct loop;

/* What every iteration of a scenario has in common; constant, owned by the run floor. */
struct scenario_info {
    const char *name;
    const char *executor;  /* "constant-vus" ... */
    const char *exec;      /* exported function */
    const struct tag *tags; /* scenario tags from the options (not the system tag "scenario") */
    unsigned tag_count;
    const char *const *env; /* key, value, key, value ... overlays __ENV */
    unsigned env_count;     /* pairs */
    int64_t start_mono_ns, start_wall_ns; /* set when the scenario starts */
    double (*progress)(const struct scenario_info *scenario); /* 0 to 1; any thread */
    void *run_data;        /* the run floor's own */
};

/* One iteration as its executor numbers it. */
struct iteration {
    uint64_t in_scenario_test;     /* exec.scenario.iterationInTest */
    uint64_t in_scenario_instance; /* exec.scenario.iterationInInstance */
    int64_t due_mono_ns;           /* arrival-rate executors: when it should start; 0 otherwise */
};

enum next_verdict {
    NEXT_RUN,   /* run the iteration that was filled in */
    NEXT_WAIT,  /* nothing now: wait until vu_wake */
    NEXT_LEAVE, /* the source is finished with this VU: it detaches, left() is called */
};

enum iteration_result {
    ITERATION_COMPLETE,    /* ended, with or without an exception */
    ITERATION_INTERRUPTED, /* cut by vu_interrupt or by an abort */
};

struct iteration_source {
    const struct scenario_info *scenario;
    /* All three run on the VU's worker thread and must not block. slot is what vu_attach got. */
    enum next_verdict (*next)(struct iteration_source *source, void *slot, int64_t now_ns, struct iteration *out);
    void (*ended)(struct iteration_source *source, void *slot, enum iteration_result result, int64_t now_ns);
    void (*left)(struct iteration_source *source, void *slot);
};

/* ---- VUs. All of these may be called from any thread; they act on the VU's worker. ---- */
/* A free VU starts to pull from the source. It must not be attached. slot is handed back in callbacks. */
void vu_attach(struct vu *vu, struct iteration_source *source, void *slot);
/* Makes a waiting VU ask next() again. Lost if it is running: it will ask by itself when it ends. */
void vu_wake(struct vu *vu);
/* Cuts the iteration that is running, if any (its result is ITERATION_INTERRUPTED). */
void vu_interrupt(struct vu *vu);
uint64_t vu_id_in_instance(const struct vu *vu);

#endif
