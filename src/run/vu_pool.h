/* SPDX-License-Identifier: Apache-2.0 */
/* The VUs of a test: making them on their workers, and the line in which free ones wait for a scenario. All
 * functions and callbacks on the control thread. */
#ifndef RUN_VU_POOL_H
#define RUN_VU_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "run/segment.h"
#include "script/vu.h"

struct loop;
struct worker;

struct vu_pool {
    struct loop *loop;
    struct worker *const *workers;
    unsigned worker_count;
    const struct segment *segment;
    void (*failed)(void *arg, const struct error *err); /* a VU's init context failed */
    void *arg;
    /* its own */
    struct vu **planned; /* by number, while they are made */
    struct vu **line;    /* a ring of free VUs */
    size_t head, tail, cap;
    size_t made, asked;
};

typedef void vu_made(void *arg, struct vu *vu); /* vu: NULL when it failed */

/* Begins to make the VUs 1 to count, in turn on all workers. When made is count, vu_pool_line_up. */
void vu_pool_plan(struct vu_pool *pool, size_t count);
/* The planned VUs take their places in the line, by number. */
void vu_pool_line_up(struct vu_pool *pool);
/* One VU that is no VU of the test (setup, teardown ...): id 0, on the first worker. */
void vu_pool_make_transient(struct vu_pool *pool, vu_made *made, void *arg);
/* A free VU if there is one, otherwise a new one; made is called from the loop. */
void vu_pool_get(struct vu_pool *pool, vu_made *made, void *arg);
/* The VU that has been free for longest, as in k6; NULL: none. */
struct vu *vu_pool_take(struct vu_pool *pool);
void vu_pool_give(struct vu_pool *pool, struct vu *vu);
void vu_pool_fini(struct vu_pool *pool);

#endif
