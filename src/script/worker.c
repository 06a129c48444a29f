/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a thread with its own loop, realms, connections and metric shard. Workers share nothing that is
 * written on the hot path. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/coro.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/client.h"
#include "net/net.h"
#include "script/host.h"

#define VUS_PER_REALM 256
#define THREAD_STACK_BYTES ((size_t)16 << 20)
#define LOAD_PERIOD_NS (200 * NS_PER_MS)
#define MAX_LAST_TURNS 1000

/* ---- running VUs ---- */

static void run_ready(struct task *task)
{
    struct worker *worker = CONTAINER_OF(task, struct worker, run_ready);
    worker->run_ready_queued = false;
    /* those that become ready meanwhile wait for the next round, so that I/O goes on */
    struct list_node batch;
    node_init(&batch);
    while (node_is_linked(&worker->ready)) {
        struct list_node *node = worker->ready.next;
        node_remove(node);
        node_add_tail(&batch, node);
    }
    while (node_is_linked(&batch)) {
        struct vu *vu = CONTAINER_OF(batch.next, struct vu, ready_node);
        node_remove(&vu->ready_node);
        vu_resume(vu);
    }
}

void worker_queue_ready(struct vu *vu)
{
    struct worker *worker = vu->worker;
    vu->state = VU_READY;
    node_add_tail(&worker->ready, &vu->ready_node);
    if (!worker->run_ready_queued) {
        worker->run_ready_queued = true;
        loop_defer(worker->loop, &worker->run_ready);
    }
}

/* VUs whose slice ended go on in the next turn, after I/O was looked at. */
static void run_sliced(struct timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, run_sliced);
    while (node_is_linked(&worker->sliced)) {
        struct vu *vu = CONTAINER_OF(worker->sliced.next, struct vu, ready_node);
        node_remove(&vu->ready_node);
        worker_queue_ready(vu);
    }
}

/* ---- load ---- */

static void note_load(struct timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, load_timer);
    atomic_store(&worker->cpu_ns, clock_thread_cpu_ns());
    timer_start(worker->loop, timer, loop_now_ns(worker->loop) + LOAD_PERIOD_NS);
}

struct worker_load worker_load(struct worker *worker)
{
    return (struct worker_load){atomic_load(&worker->cpu_ns), clock_mono_ns() - atomic_load(&worker->started_mono_ns)};
}

/* ---- the thread ---- */

/* Deep recursion wants large stacks, 20,000 VUs want little address space. */
static size_t stack_bytes_for(size_t vus)
{
    if (vus <= 1000)
        return (size_t)4 << 20;
    return vus <= 10000 ? (size_t)1 << 20 : (size_t)512 << 10;
}

static bool set_up(struct worker *worker, struct error *err)
{
    const struct script_settings *settings = worker->script->settings;
    size_t vus = settings->vus_planned + 16;
    worker->stacks = coro_stacks_new(vus, stack_bytes_for(vus), err);
    worker->net = worker->stacks ? net_new(worker->loop, settings->net, err) : NULL;
    worker->http = worker->net ? http_worker_new(worker->net, settings->http, err) : NULL;
    worker->tag_cache = tag_cache_new(worker->script->config.tags);
    return worker->http != NULL;
}

static void tear_down(struct worker *worker)
{
    while (worker->realms) {
        struct realm *realm = worker->realms;
        worker->realms = realm->next;
        realm_free(realm);
    }
    http_worker_free(worker->http);
    net_free(worker->net);
    coro_stacks_free(worker->stacks);
    tag_cache_free(worker->tag_cache);
}

static void announce(struct worker *worker, struct error *err)
{
    pthread_mutex_lock(&worker->start_lock);
    worker->is_started = true;
    worker->start_error = err->text;
    pthread_cond_signal(&worker->started);
    pthread_mutex_unlock(&worker->start_lock);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct error err = {0};
    bool ready = set_up(worker, &err);
    atomic_store(&worker->started_mono_ns, clock_mono_ns());
    if (ready) {
        timer_start(worker->loop, &worker->load_timer, 0);
        announce(worker, &err);
        loop_run(worker->loop);
        timer_stop(worker->loop, &worker->load_timer);
    }
    tear_down(worker);
    if (!ready)
        announce(worker, &err);
    return NULL;
}

struct worker *worker_start(struct script *script, unsigned index, struct shard *shard, struct error *err)
{
    struct worker *worker = mem_zalloc(sizeof(*worker));
    worker->script = script;
    worker->index = index;
    worker->shard = shard;
    worker->run_ready.run = run_ready;
    node_init(&worker->ready);
    node_init(&worker->sliced);
    timer_init(&worker->run_sliced, run_sliced);
    timer_init(&worker->load_timer, note_load);
    pthread_mutex_init(&worker->start_lock, NULL);
    pthread_cond_init(&worker->started, NULL);
    worker->loop = loop_new(err);
    if (!worker->loop) {
        mem_free(worker);
        return NULL;
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    int failed = pthread_create(&worker->thread, &attributes, worker_main, worker);
    pthread_attr_destroy(&attributes);
    if (failed) {
        error_set(err, EXIT_GENERIC, "cannot start a worker thread: %s", strerror(failed));
        loop_free(worker->loop);
        mem_free(worker);
        return NULL;
    }
    pthread_mutex_lock(&worker->start_lock);
    while (!worker->is_started)
        pthread_cond_wait(&worker->started, &worker->start_lock);
    pthread_mutex_unlock(&worker->start_lock);
    if (!worker->start_error)
        return worker;
    error_set(err, EXIT_INVALID_CONFIG, "%s", worker->start_error);
    worker_stop(worker);
    return NULL;
}

static void post_end(struct worker *worker);

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    atomic_store(&worker->stopping, true);
    if (!worker->start_error)
        post_end(worker);
    pthread_join(worker->thread, NULL);
    loop_free(worker->loop);
    pthread_mutex_destroy(&worker->start_lock);
    pthread_cond_destroy(&worker->started);
    mem_free(worker->start_error);
    mem_free(worker->vus);
    mem_free(worker);
}

/* ---- making VUs ---- */

struct make_vu {
    struct task task;
    struct worker *worker;
    uint64_t id_in_test, id_in_instance;
    void (*made)(void *arg, struct vu *vu, const struct error *err);
    void *arg;
};

static struct realm *realm_with_room(struct worker *worker, struct error *err)
{
    unsigned most = worker->script->isolate_vus ? 1 : VUS_PER_REALM;
    for (struct realm *realm = worker->realms; realm; realm = realm->next)
        if (realm->vu_count < most)
            return realm;
    struct realm *realm = realm_new(worker->script, worker, err);
    if (realm) {
        realm->next = worker->realms;
        worker->realms = realm;
    }
    return realm;
}

/* The init context runs on the worker's own, large stack: VU stacks stay untouched by it. */
static bool init_vu(struct vu *vu, struct error *err)
{
    const char here = 0;
    engine_vu_set_stack(&vu->engine, (void *)(uintptr_t)&here, 8 << 20, 0);
    vu_enter(vu);
    bool done = vu_run_init(vu, err);
    vu_leave(vu);
    engine_instances_free(vu->realm->ctx, vu->instances);
    vu->instances = NULL;
    size_t bytes = coro_stack_bytes(vu->worker->stacks);
    engine_vu_set_stack(&vu->engine, coro_stack_top(vu->coro), bytes, 64 << 10);
    return done;
}

static struct vu *make_vu(struct worker *worker, uint64_t id_in_test, uint64_t id_in_instance, struct error *err)
{
    struct realm *realm = realm_with_room(worker, err);
    struct vu *vu = realm ? vu_new(realm, id_in_test, id_in_instance, err) : NULL;
    if (!vu)
        return NULL;
    if (!init_vu(vu, err)) {
        vu_free(vu);
        return NULL;
    }
    vu->tags = worker->script->settings->run_tags;
    vu->phase = PHASE_ITERATION;
    if (id_in_instance) {
        mem_grow(&worker->vus, &worker->vu_cap, worker->vu_count + 1, sizeof(worker->vus[0]));
        worker->vus[worker->vu_count++] = vu;
        atomic_fetch_add(&worker->script->stats.vus_initialized, 1);
    }
    return vu;
}

static void make_vu_task(struct task *task)
{
    struct make_vu *make = CONTAINER_OF(task, struct make_vu, task);
    struct error err = {0};
    struct vu *vu = make_vu(make->worker, make->id_in_test, make->id_in_instance, &err);
    make->made(make->arg, vu, &err);
    error_clear(&err);
    mem_free(make);
}

void worker_make_vu(struct worker *worker, uint64_t id_in_test, uint64_t id_in_instance,
                    void (*made)(void *arg, struct vu *vu, const struct error *err), void *arg)
{
    struct make_vu *make = mem_alloc(sizeof(*make));
    *make = (struct make_vu){{NULL, make_vu_task}, worker, id_in_test, id_in_instance, made, arg};
    loop_post(worker->loop, &make->task);
}

/* ---- freeing VUs, on their worker's thread ---- */

struct free_vu {
    struct task task;
    struct vu *vu;
    struct worker *worker;
    int turns; /* end_task: how often it has waited */
};

static void free_vu_task(struct task *task)
{
    struct free_vu *job = CONTAINER_OF(task, struct free_vu, task);
    vu_free(job->vu);
    mem_free(job);
}

void worker_free_vu(struct vu *vu)
{
    if (!vu)
        return;
    struct free_vu *job = mem_alloc(sizeof(*job));
    *job = (struct free_vu){{NULL, free_vu_task}, vu, vu->worker, 0};
    loop_post(vu->worker->loop, &job->task);
}

/* The last task of a worker: it ends the loop itself, so that nothing posted before is lost. VUs that were woken
 * or interrupted in this very turn run to their next stop first. */
static void end_task(struct task *task)
{
    struct free_vu *job = CONTAINER_OF(task, struct free_vu, task);
    if (node_is_linked(&job->worker->ready) && job->turns++ < MAX_LAST_TURNS) {
        loop_post(job->worker->loop, &job->task);
        return;
    }
    for (size_t i = 0; i < job->worker->vu_count; i++)
        vu_free(job->worker->vus[i]);
    job->worker->vu_count = 0;
    loop_stop(job->worker->loop);
    mem_free(job);
}

static void post_end(struct worker *worker)
{
    struct free_vu *job = mem_alloc(sizeof(*job));
    *job = (struct free_vu){{NULL, end_task}, NULL, worker, 0};
    loop_post(worker->loop, &job->task);
}
