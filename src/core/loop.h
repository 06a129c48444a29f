/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop over epoll: file descriptors, timers, deferred work, work posted from other threads.
 * A loop belongs to the thread that runs it; only loop_post and loop_stop may be called from others.
 * Watches, timers and tasks are embedded by their owners and cost no allocation. Callbacks may add and
 * remove anything, themselves included. */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct error;
struct loop;

struct loop *loop_new(struct error *err);
void loop_free(struct loop *loop);
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One turn: waits at most until wait_until_ns (mono; 0 = do not wait) for the first event. */
void loop_turn(struct loop *loop, int64_t wait_until_ns);
/* The time of this turn (mono), read once when the turn began. For scheduling, not for measuring. */
int64_t loop_now_ns(const struct loop *loop);
/* Reads the clock again, after long work inside a callback. */
int64_t loop_refresh_now(struct loop *loop);

struct timer {
    int64_t due_ns;
    uint32_t heap_index; /* + 1; 0 = not started */
    uint32_t order;      /* equal due times fire in the order in which they were started */
    void (*fire)(struct timer *timer);
};

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
/* Starts or restarts. A time in the past fires in this or the next turn. */
void timer_start(struct loop *loop, struct timer *timer, int64_t due_mono_ns);
void timer_stop(struct loop *loop, struct timer *timer); /* fine when it was not started */
bool timer_is_started(const struct timer *timer);

struct watch {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLET ... */
    void (*ready)(struct watch *watch, uint32_t events);
};

bool watch_add(struct loop *loop, struct watch *watch, struct error *err);
void watch_change(struct loop *loop, struct watch *watch, uint32_t events);
/* Also forgets events of this turn that were not delivered yet. Call before closing the fd. */
void watch_remove(struct loop *loop, struct watch *watch);

struct task {
    struct task *next;
    void (*run)(struct task *task);
};

/* Runs the task after the callbacks of this turn, before the loop waits again. Own thread only. */
void loop_defer(struct loop *loop, struct task *task);
/* Runs the task on the loop's thread. Any thread. Tasks of one poster keep their order. */
void loop_post(struct loop *loop, struct task *task);

#endif
