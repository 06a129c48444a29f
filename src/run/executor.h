/* SPDX-License-Identifier: Apache-2.0 */
/* What the executors share: a running scenario and its slots, one for each VU it may use. */
#ifndef RUN_EXECUTOR_H
#define RUN_EXECUTOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/list.h"
#include "core/loop.h"
#include "run/schedule.h"

struct scenario_run;

struct slot {
    struct scenario_run *run;
    struct vu *vu;          /* NULL: none attached. Control thread */
    struct list_node waiting; /* linked: it gets the next VU that becomes free. Control thread */
    struct task left_task;  /* worker -> control: the VU has left */
    struct timer cut_timer; /* ramping-vus: end of gracefulRampDown */
    atomic_bool active;     /* ramping-vus, externally-controlled: may begin iterations */
    int64_t done;           /* per-vu-iterations: begun so far. VU's thread */
    /* arrival rates, under run->lock */
    bool has_pending;
    int64_t pending_due_ns;
    struct slot *next_free;
};

struct executor {
    /* Control thread. */
    void (*begin)(struct scenario_run *run);
    void (*tick)(struct scenario_run *run);            /* run->timer fired; may be NULL */
    void (*regular_end)(struct scenario_run *run);     /* duration is over; may be NULL */
    void (*finish)(struct scenario_run *run);          /* all VUs have left; may be NULL */
    void (*slot_attached)(struct scenario_run *run, struct slot *slot); /* it is about to get its VU; may be NULL */
    void (*slot_left)(struct scenario_run *run, struct slot *slot); /* a VU left before the end; may be NULL */
    /* Worker threads. */
    enum next_verdict (*next)(struct scenario_run *run, struct slot *slot, int64_t now_ns, struct iteration *out);
    void (*ended)(struct scenario_run *run, struct slot *slot); /* may be NULL */
};

extern const struct executor constant_vus_executor, ramping_vus_executor, shared_iterations_executor, per_vu_iterations_executor,
    arrival_rate_executor, externally_controlled_executor;

struct scenario_run {
    struct iteration_source source; /* first: VUs hold pointers to it */
    struct schedule *schedule;
    const struct scenario_config *config;
    const struct executor *executor;
    struct scenario_info info;
    struct tag *tags;
    const char **env;
    struct slot *slots;
    int64_t slot_count;  /* VUs it may use */
    int64_t attached, waiting; /* slots with a VU; slots that wait for one. Control thread */
    int64_t start_ns;
    atomic_int_fast64_t end_ns; /* mono: no iteration begins from here on */
    atomic_bool aborted;
    atomic_bool refuses; /* VUs get no more iterations; set with aborted, or a moment before */
    atomic_uint_fast64_t begun;
    enum scenario_status status;
    struct timer begin_timer, end_timer, cut_timer, timer, short_timer;
    int64_t total; /* iteration executors: this segment's share */
    /* ramping-vus */
    struct vu_step *steps;
    size_t step_count, step;
    int64_t wanted; /* externally-controlled too */
    atomic_bool paused; /* externally-controlled: VUs wait between iterations */
    /* arrival rates */
    pthread_mutex_t lock;
    struct slot *free_head, *free_tail; /* under the lock */
    bool closed;                        /* no arrival comes any more; under the lock */
    int64_t refused;                    /* arrivals that came too late to run; under the lock */
    struct pace pace;
    int64_t next_due_ns;
    int64_t used_slots; /* the first slot that never had a VU or a claim to one */
    bool making_vu, warned;
};

struct schedule {
    struct loop *loop;
    const struct segment *segment;
    const struct vu_host *host;
    struct scenario_run *runs;
    struct list_node waiting; /* slots, in the order in which they asked */
    size_t count, finished;
    int64_t start_ns;
    bool aborted, started;
    struct task done_task;
};

/* Takes a VU for the slot and attaches it. With none free the slot waits for the next that becomes free: the VUs
 * of a scenario that ends now need a moment to leave it. */
void slot_attach(struct slot *slot);
/* Every slot gets a VU at once: begin() of executors whose number of VUs is constant. */
void run_attach_all(struct scenario_run *run);
void slot_stop_waiting(struct slot *slot); /* fine when it does not wait */
/* The slot gets this VU. */
void slot_attach_vu(struct slot *slot, struct vu *vu);
/* ramping-vus and externally-controlled: from now on so many looping VUs, those above finish within gracefulRampDown;
 * and what follows when one has left that is wanted again. */
void run_want_vus(struct scenario_run *run, int64_t vus, int64_t at_ns);
void run_wanted_slot_left(struct scenario_run *run, struct slot *slot);
/* A VU that the run does not need. */
void run_give(struct scenario_run *run, struct vu *vu);
/* Numbers the next iteration of the run. */
void run_number(struct scenario_run *run, uint64_t own, struct iteration *out);
/* Ends the scenario when no VU is attached or on its way any more. */
void run_check_finished(struct scenario_run *run);
bool run_is_over(struct scenario_run *run, int64_t now_ns);

#endif
