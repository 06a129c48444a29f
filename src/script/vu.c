/* SPDX-License-Identifier: Apache-2.0 */
/* A VU: a coroutine on its own stack that pulls iterations from its source. Blocking calls of the script
 * park the coroutine; the C frames of group(), check() or Array.map stay where they are. Protocol code never
 * runs on a VU's stack, so that stacks stay small: vu_block hands a function to the worker's own stack.
 *
 * A VU that computes for more than SLICE_NS is parked from the interrupt handler, so that one busy VU does
 * not stall the others of its worker. The same handler ends iterations that were cut. */
#include "script/vu.h"

#include <assert.h>
#include <string.h>

#include "core/clock.h"
#include "core/coro.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/client.h"
#include "http/cookie.h"
#include "metrics/builtin.h"
#include "script/host.h"
#include "script/k6/http_job.h"
#include "script/iteration.h"

#define SLICE_NS (5 * NS_PER_MS)

enum inbox_bit { INBOX_ATTACH = 1, INBOX_WAKE = 2, INBOX_INTERRUPT = 4, INBOX_CALL = 8 };

/* ---- entering and leaving ---- */

void vu_enter(struct vu *vu)
{
    assert(!vu->entered && !vu->realm->current);
    vu->entered = true;
    vu->realm->current = vu;
    engine_swap(vu->realm->ctx, &vu->engine);
}

void vu_leave(struct vu *vu)
{
    assert(vu->entered);
    engine_swap(vu->realm->ctx, &vu->engine);
    vu->entered = false;
    vu->realm->current = NULL;
}

struct vu *vu_of(JSContext *ctx)
{
    struct realm *realm = JS_GetContextOpaque(ctx);
    return realm->current;
}

struct script *script_of(JSContext *ctx)
{
    struct realm *realm = JS_GetContextOpaque(ctx);
    return realm->script;
}

/* ---- parking ---- */

static void park(struct vu *vu, enum vu_state state)
{
    bool was_entered = vu->entered;
    if (was_entered)
        vu_leave(vu);
    vu->state = state;
    coro_park(vu->coro);
    if (was_entered)
        vu_enter(vu);
}

/* On the worker's stack: runs the VU until it parks. */
void vu_resume(struct vu *vu)
{
    vu->state = VU_RUNNING;
    vu->slice_end_ns = clock_mono_ns() + SLICE_NS;
    coro_resume(vu->coro);
    if (vu->on_parked) {
        void (*start)(void *) = vu->on_parked;
        vu->on_parked = NULL;
        start(vu->on_parked_arg);
    }
}

bool vu_block(struct vu *vu, void (*start)(void *arg), void *arg)
{
    assert(vu->coro);
    if (vu->cut)
        return false;
    vu->on_parked = start;
    vu->on_parked_arg = arg;
    park(vu, VU_BLOCKED);
    return !vu->cut;
}

void vu_unblock(struct vu *vu)
{
    if (vu->state == VU_BLOCKED)
        worker_queue_ready(vu);
}

JSValue vu_throw_cut(struct vu *vu)
{
    JSContext *ctx = vu->realm->ctx;
    js_throw_error(ctx, "the iteration was interrupted");
    engine_make_uncatchable(ctx);
    return JS_EXCEPTION;
}

struct sleeper {
    struct timer timer;
    struct vu *vu;
    int64_t due_ns;
};

static void sleeper_fired(struct timer *timer)
{
    vu_unblock(CONTAINER_OF(timer, struct sleeper, timer)->vu);
}

static void sleeper_start(void *arg)
{
    struct sleeper *sleeper = arg;
    timer_start(sleeper->vu->worker->loop, &sleeper->timer, sleeper->due_ns);
}

bool vu_sleep_until(struct vu *vu, int64_t due_mono_ns)
{
    struct sleeper sleeper = {.vu = vu, .due_ns = due_mono_ns};
    timer_init(&sleeper.timer, sleeper_fired);
    bool slept = vu_block(vu, sleeper_start, &sleeper);
    timer_stop(vu->worker->loop, &sleeper.timer);
    return slept;
}

int vu_on_interrupt(JSRuntime *rt, void *arg)
{
    struct realm *realm = arg;
    struct vu *vu = realm->current;
    if (!vu || !vu->coro || vu->phase == PHASE_INIT)
        return 0;
    if (!vu->cut && clock_mono_ns() >= vu->slice_end_ns) {
        node_add_tail(&vu->worker->sliced, &vu->ready_node);
        if (!timer_is_started(&vu->worker->run_sliced))
            timer_start(vu->worker->loop, &vu->worker->run_sliced, 0);
        park(vu, VU_READY);
    }
    return vu->cut;
}

/* ---- the event loop of an iteration ---- */

void vu_operation_begin(struct vu *vu, struct vu_operation *operation)
{
    operation->ended = false;
    node_add_tail(&vu->operations, &operation->node);
}

void vu_operation_end(struct vu *vu, struct vu_operation *operation)
{
    if (operation->node.next && node_is_linked(&operation->node))
        node_remove(&operation->node);
    operation->ended = true;
    node_add_tail(&vu->events, &operation->node);
    if (vu->awaits_event) /* not while it is in a blocking call, which has its own end */
        vu_unblock(vu);
}

static void run_jobs(struct vu *vu)
{
    JSContext *ctx = vu->realm->ctx, *job_ctx;
    while (engine_has_jobs(ctx) && !vu->cut) {
        if (JS_ExecutePendingJob(vu->realm->rt, &job_ctx) < 0) {
            JSValue error = JS_GetException(ctx);
            if (!vu->cut)
                vu_log_exception(vu, error);
            JS_FreeValue(ctx, error);
        }
    }
}

static bool run_one_event(struct vu *vu)
{
    if (!node_is_linked(&vu->events))
        return false;
    struct vu_operation *operation = CONTAINER_OF(vu->events.next, struct vu_operation, node);
    node_remove(&operation->node);
    operation->run(vu, operation);
    return true;
}

static bool wait_for_event(struct vu *vu)
{
    vu->awaits_event = true;
    bool went_on = vu_timers_pending(vu) ? vu_sleep_until(vu, vu_timers_next_due(vu)) : vu_block(vu, NULL, NULL);
    vu->awaits_event = false;
    return went_on;
}

bool vu_run_events(struct vu *vu, bool (*stop)(void *arg), void *arg)
{
    for (;;) {
        run_jobs(vu);
        if (vu->cut)
            return false;
        if (!JS_IsUndefined(vu->loop_error) || (stop && stop(arg)))
            return true;
        if (run_one_event(vu))
            continue;
        if (vu_timers_pending(vu) && vu_timers_run_due(vu, clock_mono_ns()))
            continue;
        if (!node_is_linked(&vu->operations) && !vu_timers_pending(vu))
            return true;
        if (!wait_for_event(vu))
            return false;
    }
}

/* ---- messages from other threads ---- */

static void detach(struct vu *vu)
{
    struct iteration_source *source = vu->source;
    void *slot = vu->slot;
    vu->source = NULL;
    vu->slot = NULL;
    atomic_fetch_sub(&vu->worker->script->stats.vus_active, 1);
    source->left(source, slot);
}

static void begin_source(struct vu *vu)
{
    vu->source = atomic_load(&vu->next_source);
    vu->slot = vu->next_slot;
    atomic_fetch_add(&vu->worker->script->stats.vus_active, 1);
    if (vu->scenario != vu->source->scenario)
        vu_begin_scenario(vu, vu->source->scenario);
}

static void read_inbox(struct task *task)
{
    struct vu *vu = CONTAINER_OF(task, struct vu, inbox_task);
    unsigned bits = atomic_exchange(&vu->inbox, 0);
    if (bits & INBOX_ATTACH)
        begin_source(vu);
    if (bits & INBOX_CALL)
        vu->call_pending = true;
    if (bits & INBOX_INTERRUPT && vu->phase != PHASE_INIT && vu->state != VU_IDLE) {
        vu->cut = true;
        vu_unblock(vu);
    }
    if (bits & (INBOX_ATTACH | INBOX_WAKE | INBOX_CALL) && vu->state == VU_IDLE)
        worker_queue_ready(vu);
}

static void tell(struct vu *vu, unsigned bits)
{
    if (atomic_fetch_or(&vu->inbox, bits) == 0)
        loop_post(vu->worker->loop, &vu->inbox_task);
}

void vu_attach(struct vu *vu, struct iteration_source *source, void *slot)
{
    vu->next_slot = slot;
    atomic_store(&vu->next_source, source);
    tell(vu, INBOX_ATTACH);
}

void vu_wake(struct vu *vu)
{
    tell(vu, INBOX_WAKE);
}

void vu_interrupt(struct vu *vu)
{
    tell(vu, INBOX_INTERRUPT);
}

void vu_run_call(struct vu *vu, const struct vu_call *call)
{
    vu->call = call;
    tell(vu, INBOX_CALL);
}

uint64_t vu_id_in_instance(const struct vu *vu)
{
    return vu->id_in_instance;
}

/* ---- life ---- */

static void vu_main(void *arg)
{
    struct vu *vu = arg;
    while (!vu->dying) {
        if (vu->call_pending) {
            vu->call_pending = false;
            vu_perform_call(vu);
        } else if (!vu->source) {
            park(vu, VU_IDLE);
        } else {
            enum next_verdict verdict = vu->source->next(vu->source, vu->slot, clock_mono_ns(), &vu->iteration);
            if (verdict == NEXT_RUN)
                vu_perform_iteration(vu);
            else if (verdict == NEXT_LEAVE)
                detach(vu);
            else
                park(vu, VU_IDLE);
        }
    }
}

struct vu *vu_new(struct realm *realm, uint64_t id_in_test, uint64_t id_in_instance, struct error *err)
{
    struct vu *vu = mem_zalloc(sizeof(*vu));
    vu->realm = realm;
    vu->worker = realm->worker;
    vu->id_in_test = id_in_test;
    vu->id_in_instance = id_in_instance;
    vu->env = JS_UNDEFINED;
    vu->setup_data = JS_UNDEFINED;
    vu->loop_error = JS_UNDEFINED;
    vu->inbox_task.run = read_inbox;
    vu->state = VU_IDLE;
    node_init(&vu->events);
    node_init(&vu->operations);
    node_init(&vu->ready_node);
    engine_vu_init(realm->ctx, &vu->engine, (uint64_t)clock_mono_ns() * 0x9e3779b97f4a7c15u + id_in_test);
    realm->vu_count++;
    if (vu->worker) {
        vu->coro = coro_new(vu->worker->stacks, vu_main, vu);
        if (!vu->coro) {
            error_set(err, EXIT_GENERIC, "no stack is left for another VU (%zu were planned)", realm->script->settings->vus_planned);
            vu_free(vu);
            return NULL;
        }
    }
    return vu;
}

static void free_metadata(struct vu *vu)
{
    for (size_t i = 0; i < vu->metadata_count; i++) {
        mem_free((char *)vu->metadata[i].key);
        mem_free((char *)vu->metadata[i].value);
    }
    mem_free(vu->metadata);
}

void vu_free(struct vu *vu)
{
    if (!vu)
        return;
    JSContext *ctx = vu->realm->ctx;
    node_remove(&vu->ready_node);
    if (vu->coro && vu->state == VU_IDLE && coro_is_started(vu->coro)) {
        vu->dying = true;
        coro_resume(vu->coro);
    }
    vu_timers_free(vu);
    for (size_t i = 0; vu->functions && i < vu->realm->script->export_count; i++)
        JS_FreeValue(ctx, vu->functions[i]);
    mem_free(vu->functions);
    for (size_t i = 0; i < vu->rejection_count; i++)
        JS_FreeValue(ctx, vu->rejections[i]);
    mem_free(vu->rejections);
    JS_FreeValue(ctx, vu->env);
    JS_FreeValue(ctx, vu->setup_data);
    JS_FreeValue(ctx, vu->loop_error);
    engine_instances_free(ctx, vu->instances);
    engine_vu_fini(ctx, &vu->engine);
    if (vu->http)
        http_client_free(vu->http);
    http_vu_free(vu->http_state);
    cookie_jar_free(vu->jar);
    free_metadata(vu);
    mem_free(vu->group_path);
    mem_free(vu->abort_message);
    coro_free(vu->coro);
    vu->realm->vu_count--;
    mem_free(vu);
}
