/* SPDX-License-Identifier: Apache-2.0 */
/* The module k6: check, fail, group, randomSeed, sleep. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "metrics/builtin.h"
#include "script/k6/modules.h"

/* ---- check ---- */

struct checker {
    struct vu *vu;
    JSContext *ctx;
    struct js_tags tags;
    bool all_passed;
};

static void emit_check(struct checker *c, const char *name, bool passed)
{
    struct tag changes[34];
    size_t count = 0;
    for (; count < c->tags.count && count < 32; count++)
        changes[count] = c->tags.list[count];
    if (vu_has_system_tag(c->vu, TAG_CHECK))
        changes[count++] = (struct tag){"check", name};
    struct sample sample = {builtin_metric(BUILTIN_CHECKS), vu_tags_with(c->vu, changes, count), passed};
    vu_emit(c->vu, &sample, 1, 0);
    if (!passed)
        c->all_passed = false;
}

/* False: an exception is pending. */
static bool run_check(struct checker *c, JSAtom atom, JSValueConst sets, JSValueConst value)
{
    JSContext *ctx = c->ctx;
    const char *name = JS_AtomToCString(ctx, atom);
    if (!name)
        return false;
    if (strstr(name, "::")) {
        js_throw_error(ctx, "check names may not contain '::'");
        JS_FreeCString(ctx, name);
        return false;
    }
    JSValue condition = JS_GetProperty(ctx, sets, atom);
    bool done = false;
    if (engine_is_async(condition)) {
        js_throw_error(ctx, "the check '%s' is an async function; checks must be synchronous", name);
    } else if (JS_IsFunction(ctx, condition)) {
        JSValue result = JS_Call(ctx, condition, JS_UNDEFINED, 1, &value);
        done = !JS_IsException(result);
        if (done || !c->vu->cut)
            emit_check(c, name, done && JS_ToBool(ctx, result) > 0);
        JS_FreeValue(ctx, result);
    } else if (!JS_IsException(condition)) {
        emit_check(c, name, JS_ToBool(ctx, condition) > 0);
        done = true;
    }
    JS_FreeValue(ctx, condition);
    JS_FreeCString(ctx, name);
    return done;
}

static JSValue k6_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct checker c = {.vu = vu_of(ctx), .ctx = ctx, .all_passed = true};
    JSPropertyEnum *names;
    uint32_t count;
    if (!vu_require_running(ctx, "check()"))
        return JS_EXCEPTION;
    if (argc < 2 || !JS_IsObject(argv[1]))
        return js_throw_error(ctx, "check() needs an object of names and conditions as its second argument");
    if (argc > 2 && !js_tags_read(ctx, argv[2], &c.tags))
        return JS_EXCEPTION;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, argv[1], JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0) {
        js_tags_free(&c.tags);
        return JS_EXCEPTION;
    }
    bool done = true;
    for (uint32_t i = 0; i < count && done; i++)
        done = run_check(&c, names[i].atom, argv[1], argv[0]);
    JS_FreePropertyEnum(ctx, names, count);
    js_tags_free(&c.tags);
    return done ? JS_NewBool(ctx, c.all_passed) : JS_EXCEPTION;
}

/* ---- group ---- */

static void set_group(struct vu *vu, const char *path)
{
    mem_free(vu->group_path);
    vu->group_path = mem_strdup(path);
    if (vu_has_system_tag(vu, TAG_GROUP)) {
        struct tag change = {"group", path};
        vu->tags = vu_tags_with(vu, &change, 1);
    }
}

static JSValue k6_group(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    if (!vu_require_running(ctx, "group()"))
        return JS_EXCEPTION;
    if (argc < 2 || !JS_IsFunction(ctx, argv[1]))
        return js_throw_error(ctx, "group() needs a name and a function");
    if (engine_is_async(argv[1]))
        return js_throw_error(ctx, "group() does not support async functions as arguments");
    const char *name = JS_ToCString(ctx, argv[0]);
    if (!name)
        return JS_EXCEPTION;
    if (strstr(name, "::")) {
        JS_FreeCString(ctx, name);
        return js_throw_error(ctx, "group names may not contain '::'");
    }
    char *outer = mem_strdup(vu->group_path), *inner = mem_printf("%s::%s", outer, name);
    JS_FreeCString(ctx, name);
    set_group(vu, inner);
    mem_free(inner);
    int64_t started_ns = clock_mono_ns();
    JSValue result = JS_Call(ctx, argv[1], JS_UNDEFINED, 0, NULL);
    struct sample sample = {builtin_metric(BUILTIN_GROUP_DURATION), vu->tags, (double)(clock_mono_ns() - started_ns) / 1e6};
    vu_emit(vu, &sample, 1, 0);
    set_group(vu, outer);
    mem_free(outer);
    return result;
}

/* ---- the rest ---- */

static JSValue k6_sleep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    double seconds = 0;
    if (!vu_require_running(ctx, "sleep()"))
        return JS_EXCEPTION;
    if (argc > 0 && JS_ToFloat64(ctx, &seconds, argv[0]))
        return JS_EXCEPTION;
    if (!(seconds > 0))
        return JS_UNDEFINED;
    if (seconds > 1e9)
        seconds = 1e9;
    if (!vu_sleep_until(vu, clock_mono_ns() + (int64_t)(seconds * 1e9)))
        return vu_throw_cut(vu);
    return JS_UNDEFINED;
}

static JSValue k6_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const char *message = argc > 0 && !JS_IsUndefined(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    js_throw_error(ctx, "%s", message ? message : "");
    JS_FreeCString(ctx, message);
    return JS_EXCEPTION;
}

static JSValue k6_random_seed(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int64_t seed = 0;
    if (argc > 0 && JS_ToInt64(ctx, &seed, argv[0]))
        return JS_EXCEPTION;
    /* splitmix64: neighbouring seeds give unrelated sequences */
    uint64_t z = (uint64_t)seed + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    engine_seed(ctx, z ^ (z >> 31));
    return JS_UNDEFINED;
}

JSValue k6_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    js_add_function(ctx, exports, "check", k6_check, 2);
    js_add_function(ctx, exports, "fail", k6_fail, 1);
    js_add_function(ctx, exports, "group", k6_group, 2);
    js_add_function(ctx, exports, "randomSeed", k6_random_seed, 1);
    js_add_function(ctx, exports, "sleep", k6_sleep, 1);
    return exports;
}
