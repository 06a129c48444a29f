/* SPDX-License-Identifier: Apache-2.0 */
/* One iteration: call the function, drive its event loop, emit what k6 emits, clean up. Setup, teardown and
 * handleSummary are single calls that go the same way. */
#include "script/iteration.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/client.h"
#include "http/cookie.h"
#include "metrics/builtin.h"
#include "script/host.h"

/* ---- tags ---- */

static void reset_tags(struct vu *vu, const char *group)
{
    const struct script_settings *settings = vu->realm->script->settings;
    const struct scenario_info *scenario = vu->scenario;
    struct tag changes[64];
    size_t count = 0;
    vu->tags = settings->run_tags;
    for (unsigned i = 0; scenario && i < scenario->tag_count && count < 60; i++)
        changes[count++] = scenario->tags[i];
    if (scenario && settings->system_tags & TAG_SCENARIO)
        changes[count++] = (struct tag){"scenario", scenario->name};
    if (settings->system_tags & TAG_GROUP)
        changes[count++] = (struct tag){"group", group};
    vu->tags = vu_tags_with(vu, changes, count);
    mem_free(vu->group_path);
    vu->group_path = mem_strdup(group);
}

void vu_begin_scenario(struct vu *vu, const struct scenario_info *scenario)
{
    vu->scenario = scenario;
    vu->iterations_in_scenario = 0;
    reset_tags(vu, "");
}

/* ---- the cut and its cleaning ---- */

static void cancel_all(struct vu *vu, struct list_node *list)
{
    while (node_is_linked(list)) {
        struct vu_operation *operation = CONTAINER_OF(list->next, struct vu_operation, node);
        node_remove(&operation->node);
        operation->cancel(vu, operation);
    }
}

static void log_rejections(struct vu *vu)
{
    JSContext *ctx = vu->realm->ctx;
    for (size_t i = 0; i < vu->rejection_count; i++) {
        if (!vu->cut) {
            JSValue reason = JS_PromiseResult(ctx, vu->rejections[i]);
            char *text = js_error_text(ctx, reason);
            log_error("Uncaught (in promise) %s", text);
            mem_free(text);
            JS_FreeValue(ctx, reason);
        }
        JS_FreeValue(ctx, vu->rejections[i]);
    }
    vu->rejection_count = 0;
}

static void clean_loop(struct vu *vu)
{
    JSContext *ctx = vu->realm->ctx;
    if (!vu->cut)
        log_rejections(vu);
    else
        vu_timers_clear(vu, true);
    vu_timers_clear(vu, false);
    cancel_all(vu, &vu->operations);
    cancel_all(vu, &vu->events);
    engine_drop_jobs(ctx);
    log_rejections(vu);
    JS_FreeValue(ctx, vu->loop_error);
    vu->loop_error = JS_UNDEFINED;
}

/* ---- calling ---- */

static JSValue exported_function(struct vu *vu, const char *name)
{
    const struct script *script = vu->realm->script;
    for (size_t i = 0; i < script->export_count; i++)
        if (strcmp(script->exports[i].name, name) == 0)
            return vu->functions[i];
    return JS_UNDEFINED;
}

/* Takes promise out of the list of unhandled ones: its rejection is reported as the call's exception. */
static void forget_rejection(struct vu *vu, JSValueConst promise)
{
    for (size_t i = 0; i < vu->rejection_count; i++) {
        if (JS_VALUE_GET_PTR(vu->rejections[i]) != JS_VALUE_GET_PTR(promise))
            continue;
        JS_FreeValue(vu->realm->ctx, vu->rejections[i]);
        vu->rejections[i] = vu->rejections[--vu->rejection_count];
        return;
    }
}

/* Calls the function and runs the event loop to its end. Returns the (awaited) value or JS_EXCEPTION with
 * *error set (JS_UNINITIALIZED when the call was cut). VU entered. */
static JSValue call_to_end(struct vu *vu, const char *name, JSValueConst argument, JSValue *error)
{
    JSContext *ctx = vu->realm->ctx;
    *error = JS_UNINITIALIZED;
    JSValue result = JS_Call(ctx, exported_function(vu, name), JS_UNDEFINED, 1, &argument);
    if (JS_IsException(result)) {
        *error = JS_GetException(ctx);
        if (!vu->cut)
            return JS_EXCEPTION;
    }
    if (!vu->cut)
        vu_run_events(vu, NULL, NULL);
    if (vu->cut) {
        JS_FreeValue(ctx, *error);
        *error = JS_UNINITIALIZED;
        JS_FreeValue(ctx, result);
        JS_FreeValue(ctx, JS_GetException(ctx));
        return JS_EXCEPTION;
    }
    if (!JS_IsUndefined(vu->loop_error)) {
        *error = vu->loop_error;
        vu->loop_error = JS_UNDEFINED;
        JS_FreeValue(ctx, result);
        return JS_EXCEPTION;
    }
    if (!JS_IsPromise(result))
        return result;
    JSPromiseStateEnum state = JS_PromiseState(ctx, result);
    JSValue value = state == JS_PROMISE_PENDING ? JS_UNDEFINED : JS_PromiseResult(ctx, result);
    if (state == JS_PROMISE_REJECTED) {
        forget_rejection(vu, result);
        *error = value;
        value = JS_EXCEPTION;
    }
    JS_FreeValue(ctx, result);
    return value;
}

static JSValueConst setup_data(struct vu *vu)
{
    const char *json = vu->realm->script->setup_data;
    if (!vu->setup_data_read && json) {
        vu->setup_data = JS_ParseJSON(vu->realm->ctx, json, strlen(json), "setup data");
        vu->setup_data_read = true;
    }
    return vu->setup_data;
}

/* ---- iterations ---- */

static void emit_network(struct vu *vu)
{
    struct conn_counter bytes = {0};
    if (vu->http)
        bytes = http_client_take_bytes(vu->http);
    struct sample samples[2] = {{builtin_metric(BUILTIN_DATA_SENT), vu->tags, (double)bytes.sent_bytes},
                                {builtin_metric(BUILTIN_DATA_RECEIVED), vu->tags, (double)bytes.received_bytes}};
    vu_emit(vu, samples, 2, 0);
}

static void emit_iteration(struct vu *vu, int64_t started_ns, int64_t ended_ns, bool counts)
{
    struct sample samples[3];
    size_t count = 0;
    if (counts) {
        samples[count++] = (struct sample){builtin_metric(BUILTIN_ITERATION_DURATION), vu->tags, (double)(ended_ns - started_ns) / 1e6};
        samples[count++] = (struct sample){builtin_metric(BUILTIN_ITERATIONS), vu->tags, 1};
    }
    if (vu->iteration.due_mono_ns)
        samples[count++] = (struct sample){builtin_metric(BUILTIN_ITERATION_LAG), vu->tags, (double)(started_ns - vu->iteration.due_mono_ns) / 1e6};
    bool cut = vu->cut;
    vu->cut = false;
    if (count)
        vu_emit(vu, samples, count, 0);
    emit_network(vu);
    vu->cut = cut;
}

static void reset_cookies(struct vu *vu)
{
    if (vu->jar && !vu->realm->script->settings->no_cookies_reset)
        cookie_jar_clear_all(vu->jar);
}

void vu_perform_iteration(struct vu *vu)
{
    const struct script_settings *settings = vu->realm->script->settings;
    struct script_stats *stats = &vu->realm->script->stats;
    JSContext *ctx = vu->realm->ctx;
    JSValue error;
    vu->phase = PHASE_ITERATION;
    vu->cut = vu->cut_is_abort = false;
    int64_t started_ns = clock_mono_ns();
    reset_cookies(vu);
    vu_enter(vu);
    JSValue value = call_to_end(vu, vu->scenario->exec, setup_data(vu), &error);
    bool cut = vu->cut;
    int64_t ended_ns = clock_mono_ns();
    if (JS_IsException(value) && !JS_IsUninitialized(error))
        vu_log_exception(vu, error);
    JS_FreeValue(ctx, error);
    JS_FreeValue(ctx, value);
    clean_loop(vu);
    vu_leave(vu);
    emit_iteration(vu, started_ns, ended_ns, !cut || vu->cut_is_abort);
    if (settings->no_vu_connection_reuse && vu->http)
        http_client_close_idle(vu->http);
    atomic_fetch_add_explicit(cut ? &stats->iterations_interrupted : &stats->iterations_completed, 1, memory_order_relaxed);
    vu->iterations++;
    vu->iterations_in_scenario++;
    if (!cut && settings->min_iteration_ns > ended_ns - started_ns)
        vu_sleep_until(vu, started_ns + settings->min_iteration_ns);
    vu->source->ended(vu->source, vu->slot, cut ? ITERATION_INTERRUPTED : ITERATION_COMPLETE, clock_mono_ns());
    vu->cut = false;
}

/* ---- single calls ---- */

struct call_timer {
    struct timer timer;
    struct vu *vu;
};

static void call_timed_out(struct timer *timer)
{
    struct vu *vu = CONTAINER_OF(timer, struct call_timer, timer)->vu;
    vu->cut = vu->timed_out = true;
    vu_unblock(vu);
}

static void add_file(JSContext *ctx, struct vu_call_result *result, const char *name, JSValueConst value)
{
    struct js_bytes bytes;
    if (!js_bytes_read(ctx, value, &bytes)) {
        log_error("handleSummary: the value of '%s' is neither text nor an ArrayBuffer, so it is not written", name);
        return;
    }
    result->files = mem_realloc(result->files, (result->file_count + 1) * sizeof(result->files[0]));
    result->files[result->file_count++] = (struct vu_call_file){mem_strdup(name), mem_strndup((const char *)bytes.data, bytes.len), bytes.len};
    js_bytes_free(ctx, &bytes);
}

static void collect_files(JSContext *ctx, struct vu_call_result *result, JSValueConst value)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return;
    if (!JS_IsObject(value) || JS_IsArray(value) || JS_GetOwnPropertyNames(ctx, &names, &count, value, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) {
        result->status = CALL_EXCEPTION;
        result->error = mem_strdup("handleSummary() must return an object that maps file names to their contents");
        return;
    }
    result->json = mem_strdup("{}");
    for (uint32_t i = 0; i < count; i++) {
        JSValue item = JS_GetProperty(ctx, value, names[i].atom);
        const char *name = JS_AtomToCString(ctx, names[i].atom);
        add_file(ctx, result, name, item);
        JS_FreeCString(ctx, name);
        JS_FreeValue(ctx, item);
    }
    JS_FreePropertyEnum(ctx, names, count);
}

static JSValue read_argument(struct vu *vu, const struct vu_call *call)
{
    JSContext *ctx = vu->realm->ctx;
    if (!call->argument)
        return JS_UNDEFINED;
    JSValue argument = JS_ParseJSON(ctx, call->argument, strlen(call->argument), "argument");
    if (call->argument_parts_undefined && JS_IsObject(argument))
        JS_SetPropertyStr(ctx, argument, call->argument_parts_undefined, JS_UNDEFINED);
    return argument;
}

static enum vu_phase phase_of(const struct vu_call *call)
{
    if (call->collect_files)
        return PHASE_SUMMARY;
    return call->group && strcmp(call->group, "teardown") == 0 ? PHASE_TEARDOWN : PHASE_SETUP;
}

static void fill_result(struct vu *vu, const struct vu_call *call, JSValueConst value, JSValueConst error, struct vu_call_result *result)
{
    JSContext *ctx = vu->realm->ctx;
    if (vu->cut) {
        result->status = vu->timed_out ? CALL_TIMEOUT : CALL_ABORTED;
    } else if (JS_IsException(value)) {
        result->status = CALL_EXCEPTION;
        result->error = js_error_text(ctx, error);
    } else if (call->collect_files) {
        collect_files(ctx, result, value);
    } else {
        result->not_json = !js_to_go_json(ctx, value, &result->json);
    }
}

void vu_perform_call(struct vu *vu)
{
    const struct vu_call *call = vu->call;
    JSContext *ctx = vu->realm->ctx;
    struct call_timer limit = {.vu = vu};
    struct vu_call_result *result = mem_zalloc(sizeof(*result));
    JSValue error;
    vu->phase = phase_of(call);
    vu->cut = vu->cut_is_abort = vu->timed_out = false;
    vu->scenario = NULL;
    char *group = call->group ? mem_printf("::%s", call->group) : mem_strdup("");
    reset_tags(vu, group);
    mem_free(group);
    timer_init(&limit.timer, call_timed_out);
    if (call->timeout_ns)
        timer_start(vu->worker->loop, &limit.timer, clock_mono_ns() + call->timeout_ns);
    vu_enter(vu);
    JSValue argument = read_argument(vu, call);
    JSValue value = call_to_end(vu, call->function, argument, &error);
    timer_stop(vu->worker->loop, &limit.timer);
    fill_result(vu, call, value, error, result);
    JS_FreeValue(ctx, argument);
    JS_FreeValue(ctx, error);
    JS_FreeValue(ctx, value);
    clean_loop(vu);
    vu_leave(vu);
    vu->cut = false;
    emit_network(vu);
    call->done(call->arg, result);
}

void vu_call_result_free(struct vu_call_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->file_count; i++) {
        mem_free(result->files[i].name);
        mem_free(result->files[i].data);
    }
    mem_free(result->files);
    mem_free(result->json);
    mem_free(result->error);
    mem_free(result);
}
