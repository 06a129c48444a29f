/* SPDX-License-Identifier: Apache-2.0 */
#include "run/vu_pool.h"

#include "core/list.h"
#include "core/loop.h"
#include "core/mem.h"
#include "script/script.h"

/* ---- making ---- */

struct new_vu {
    struct task task;
    struct vu_pool *pool;
    struct vu *vu;
    struct error err;
    vu_made *made; /* NULL: a planned one */
    void *arg;
};

static void vu_arrived(struct task *task)
{
    struct new_vu *new = CONTAINER_OF(task, struct new_vu, task);
    struct vu_pool *pool = new->pool;
    uint64_t number = new->vu ? vu_id_in_instance(new->vu) : 0;
    if (number) {
        pool->made++;
        if (!new->made)
            pool->planned[number - 1] = new->vu;
    }
    if (!new->vu)
        pool->failed(pool->arg, &new->err);
    if (new->made)
        new->made(new->arg, new->vu);
    error_clear(&new->err);
    mem_free(new);
}

/* On the worker's thread. */
static void vu_was_made(void *arg, struct vu *vu, const struct error *err)
{
    struct new_vu *new = arg;
    new->vu = vu;
    if (!vu)
        error_set(&new->err, err->code, "%s", err->text);
    loop_post(new->pool->loop, &new->task);
}

static void make(struct vu_pool *pool, uint64_t number, vu_made *made, void *arg)
{
    struct new_vu *new = mem_zalloc(sizeof(*new));
    *new = (struct new_vu){.task = {NULL, vu_arrived}, .pool = pool, .made = made, .arg = arg};
    uint64_t in_test = number ? (uint64_t)segment_index(pool->segment, (int64_t)number - 1) + 1 : 0;
    worker_make_vu(pool->workers[number ? (number - 1) % pool->worker_count : 0], in_test, number, vu_was_made, new);
}

void vu_pool_plan(struct vu_pool *pool, size_t count)
{
    pool->planned = mem_zalloc((count + 1) * sizeof(pool->planned[0]));
    for (pool->asked = 0; pool->asked < count;)
        make(pool, ++pool->asked, NULL, NULL);
}

void vu_pool_line_up(struct vu_pool *pool)
{
    for (size_t i = 0; i < pool->asked; i++)
        if (pool->planned[i])
            vu_pool_give(pool, pool->planned[i]);
}

void vu_pool_make_transient(struct vu_pool *pool, vu_made *made, void *arg)
{
    make(pool, 0, made, arg);
}

/* ---- the line ---- */

void vu_pool_give(struct vu_pool *pool, struct vu *vu)
{
    if (pool->tail - pool->head == pool->cap) {
        size_t cap = pool->cap ? pool->cap * 2 : 64;
        struct vu **line = mem_array(cap, sizeof(line[0]));
        for (size_t i = pool->head; i < pool->tail; i++)
            line[i - pool->head] = pool->line[i % pool->cap];
        mem_free(pool->line);
        pool->line = line;
        pool->tail -= pool->head;
        pool->head = 0;
        pool->cap = cap;
    }
    pool->line[pool->tail++ % pool->cap] = vu;
}

struct vu *vu_pool_take(struct vu_pool *pool)
{
    return pool->head < pool->tail ? pool->line[pool->head++ % pool->cap] : NULL;
}

struct handover {
    struct task task;
    struct vu *vu;
    vu_made *made;
    void *arg;
};

static void hand_over(struct task *task)
{
    struct handover *h = CONTAINER_OF(task, struct handover, task);
    h->made(h->arg, h->vu);
    mem_free(h);
}

void vu_pool_get(struct vu_pool *pool, vu_made *made, void *arg)
{
    struct vu *vu = vu_pool_take(pool); /* one that another scenario does not use any more */
    if (!vu) {
        make(pool, ++pool->asked, made, arg);
        return;
    }
    struct handover *h = mem_alloc(sizeof(*h));
    *h = (struct handover){{NULL, hand_over}, vu, made, arg};
    loop_defer(pool->loop, &h->task);
}

void vu_pool_fini(struct vu_pool *pool)
{
    mem_free(pool->planned);
    mem_free(pool->line);
}
