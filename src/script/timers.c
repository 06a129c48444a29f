/* SPDX-License-Identifier: Apache-2.0 */
/* setTimeout and its companions. A VU has few timers at a time: a list sorted by due time and order. It is
 * made when a script first starts a timer, so that others do not pay for it. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "script/host.h"

struct js_timer {
    struct js_timer *next;
    int64_t due_ns, interval_ns;
    uint32_t id;
    bool repeats;
    JSValue function;
    int argc;
    JSValue *argv;
};

struct vu_timers {
    struct js_timer *first;
    uint32_t last_id;
    uint32_t running; /* the id whose callback runs now, for clearInterval inside it */
};

struct vu_timers *vu_timers_of(struct vu *vu)
{
    if (!vu->timers)
        vu->timers = mem_zalloc(sizeof(*vu->timers));
    return vu->timers;
}

bool vu_timers_pending(const struct vu *vu)
{
    return vu->timers && vu->timers->first;
}

int64_t vu_timers_next_due(const struct vu *vu)
{
    return vu->timers->first->due_ns;
}

static void insert(struct vu_timers *timers, struct js_timer *timer)
{
    struct js_timer **at = &timers->first;
    while (*at && (*at)->due_ns <= timer->due_ns)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

static void free_timer(JSContext *ctx, struct js_timer *timer)
{
    JS_FreeValue(ctx, timer->function);
    for (int i = 0; i < timer->argc; i++)
        JS_FreeValue(ctx, timer->argv[i]);
    mem_free(timer->argv);
    mem_free(timer);
}

bool vu_timers_run_due(struct vu *vu, int64_t now_ns)
{
    struct vu_timers *timers = vu->timers;
    struct js_timer *timer = timers->first;
    JSContext *ctx = vu->realm->ctx;
    if (!timer || timer->due_ns > now_ns)
        return false;
    timers->first = timer->next;
    timers->running = timer->id;
    JSValue result = JS_Call(ctx, timer->function, JS_UNDEFINED, timer->argc, (JSValueConst *)timer->argv);
    bool again = timer->repeats && timers->running == timer->id;
    timers->running = 0;
    if (JS_IsException(result) && !vu->cut) {
        vu->loop_error = JS_GetException(ctx);
        again = false;
    }
    JS_FreeValue(ctx, result);
    if (again) {
        timer->due_ns += timer->interval_ns;
        if (timer->due_ns < now_ns)
            timer->due_ns = now_ns;
        insert(timers, timer);
    } else {
        free_timer(ctx, timer);
    }
    return true;
}

void vu_timers_clear(struct vu *vu, bool warn)
{
    if (!vu->timers)
        return;
    while (vu->timers->first) {
        struct js_timer *timer = vu->timers->first;
        vu->timers->first = timer->next;
        if (warn)
            log_warning("%s %u was stopped because the VU iteration was interrupted", timer->repeats ? "setInterval" : "setTimeout", timer->id);
        free_timer(vu->realm->ctx, timer);
    }
}

void vu_timers_free(struct vu *vu)
{
    vu_timers_clear(vu, false);
    mem_free(vu->timers);
    vu->timers = NULL;
}

static JSValue timer_set(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int repeats)
{
    struct vu *vu = vu_of(ctx);
    struct vu_timers *timers = vu_timers_of(vu);
    double delay_ms = 0;
    if (argc < 1 || !JS_IsFunction(ctx, argv[0])) {
        JS_ThrowTypeError(ctx, "%s's callback isn't a callable function", repeats ? "setInterval" : "setTimeout");
        return JS_EXCEPTION;
    }
    if (argc > 1 && JS_ToFloat64(ctx, &delay_ms, argv[1]))
        return JS_EXCEPTION;
    if (!(delay_ms > 0))
        delay_ms = 0;
    if (delay_ms > 1e12)
        delay_ms = 1e12;
    struct js_timer *timer = mem_zalloc(sizeof(*timer));
    timer->id = ++timers->last_id;
    timer->repeats = repeats;
    timer->interval_ns = (int64_t)(delay_ms * 1e6);
    if (repeats && timer->interval_ns < NS_PER_MS)
        timer->interval_ns = NS_PER_MS;
    timer->due_ns = clock_mono_ns() + timer->interval_ns;
    timer->function = JS_DupValue(ctx, argv[0]);
    timer->argc = argc > 2 ? argc - 2 : 0;
    timer->argv = timer->argc ? mem_array((size_t)timer->argc, sizeof(JSValue)) : NULL;
    for (int i = 0; i < timer->argc; i++)
        timer->argv[i] = JS_DupValue(ctx, argv[i + 2]);
    insert(timers, timer);
    return JS_NewUint32(ctx, timer->id);
}

static JSValue timer_clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    double id = 0;
    if (argc < 1 || JS_IsUndefined(argv[0]) || JS_IsNull(argv[0]))
        return JS_UNDEFINED;
    if (JS_ToFloat64(ctx, &id, argv[0]))
        return JS_EXCEPTION;
    if (!vu->timers)
        return JS_UNDEFINED;
    if (vu->timers->running == id)
        vu->timers->running = 0;
    for (struct js_timer **at = &vu->timers->first; *at; at = &(*at)->next) {
        if ((*at)->id == id) {
            struct js_timer *timer = *at;
            *at = timer->next;
            free_timer(ctx, timer);
            break;
        }
    }
    return JS_UNDEFINED;
}

void timers_install(JSContext *ctx, JSValueConst target)
{
    JS_SetPropertyStr(ctx, target, "setTimeout", JS_NewCFunctionMagic(ctx, timer_set, "setTimeout", 2, JS_CFUNC_generic_magic, 0));
    JS_SetPropertyStr(ctx, target, "setInterval", JS_NewCFunctionMagic(ctx, timer_set, "setInterval", 2, JS_CFUNC_generic_magic, 1));
    JS_SetPropertyStr(ctx, target, "clearTimeout", JS_NewCFunction(ctx, timer_clear, "clearTimeout", 1));
    JS_SetPropertyStr(ctx, target, "clearInterval", JS_NewCFunction(ctx, timer_clear, "clearInterval", 1));
}
