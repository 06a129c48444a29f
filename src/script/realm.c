/* SPDX-License-Identifier: Apache-2.0 */
/* A realm: one JavaScript heap that up to 256 VUs of a worker share (collecting 256 VUs takes 0.07 ms, 10,000
 * take 7 ms; hence the bound). What differs per VU but is the same for most (__VU, __ITER, __ENV, global) are
 * getters on the realm's global object, so that a VU's own global object starts empty. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "script/files.h"
#include "script/host.h"
#include "script/iteration.h"

/* ---- module host ---- */

static void throw_error(JSContext *ctx, struct error *err)
{
    js_throw_error(ctx, "%s", err->text);
    error_clear(err);
}

static char *host_resolve(JSContext *ctx, const char *base, const char *specifier, void *arg)
{
    struct realm *realm = arg;
    struct error err = {0};
    char *name = files_resolve(realm->script->files, base, specifier, &err);
    if (!name) {
        throw_error(ctx, &err);
        return NULL;
    }
    char *copy = js_strdup(ctx, name);
    mem_free(name);
    return copy;
}

static const char *host_source(JSContext *ctx, const char *name, size_t *len, void *arg)
{
    struct realm *realm = arg;
    struct error err = {0};
    const char *text = files_module(realm->script->files, name, len, &err);
    if (!text)
        throw_error(ctx, &err);
    return text;
}

static JSValue host_builtin(JSContext *ctx, const char *name, void *arg)
{
    struct realm *realm = arg;
    if (strcmp(name, "k6") != 0 && strncmp(name, "k6/", 3) != 0)
        return JS_UNDEFINED;
    const struct k6_module *module = k6_module_find(name);
    if (!module) {
        const char *instead = k6_module_replacement(name);
        if (instead)
            js_throw_error(ctx, "the module \"%s\" was removed from k6: use %s", name, instead);
        else
            js_throw_error(ctx, "unknown module \"%s\": it is not part of k6 2.2 or ltlab (see docs/k6-compatibility.md)", name);
        engine_make_uncatchable(ctx);
        return JS_EXCEPTION;
    }
    if (module->imported && !realm->worker)
        module->imported(realm->script);
    return module->make(ctx);
}

/* ---- globals ---- */

static JSValue get_vu_id(JSContext *ctx, JSValueConst this_val)
{
    return JS_NewInt64(ctx, (int64_t)vu_of(ctx)->id_in_test);
}

static JSValue get_iter(JSContext *ctx, JSValueConst this_val)
{
    struct vu *vu = vu_of(ctx);
    return vu->phase == PHASE_ITERATION ? JS_NewInt64(ctx, (int64_t)vu->iterations) : JS_UNDEFINED;
}

static void put_pair(JSContext *ctx, JSValueConst object, const char *name, const char *value)
{
    JS_DefinePropertyValueStr(ctx, object, name, JS_NewString(ctx, value), JS_PROP_C_W_E);
}

static JSValue copy_env(struct realm *realm)
{
    JSContext *ctx = realm->ctx;
    if (JS_IsUndefined(realm->env)) {
        realm->env = JS_NewObject(ctx);
        for (size_t i = 0; i < realm->script->config.env_count; i++)
            put_pair(ctx, realm->env, realm->script->config.env[2 * i], realm->script->config.env[2 * i + 1]);
    }
    JSValue copy = JS_NewObject(ctx);
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, realm->env, JS_GPN_STRING_MASK) < 0)
        return copy;
    for (uint32_t i = 0; i < count; i++)
        JS_DefinePropertyValue(ctx, copy, names[i].atom, JS_GetProperty(ctx, realm->env, names[i].atom), JS_PROP_C_W_E);
    JS_FreePropertyEnum(ctx, names, count);
    return copy;
}

/* Lays the scenario's env over the VU's __ENV, or takes the former scenario's away again. */
static void overlay_env(struct vu *vu)
{
    JSContext *ctx = vu->realm->ctx;
    const struct scenario_info *old = vu->env_scenario, *now = vu->scenario;
    if (old == now)
        return;
    vu->env_scenario = now;
    for (unsigned i = 0; old && i < old->env_count; i++) {
        JSAtom name = JS_NewAtom(ctx, old->env[2 * i]);
        JSValue was = JS_IsUndefined(vu->realm->env) ? JS_UNDEFINED : JS_GetProperty(ctx, vu->realm->env, name);
        if (JS_IsUndefined(was))
            JS_DeleteProperty(ctx, vu->env, name, 0);
        else
            JS_SetProperty(ctx, vu->env, name, JS_DupValue(ctx, was));
        JS_FreeValue(ctx, was);
        JS_FreeAtom(ctx, name);
    }
    for (unsigned i = 0; now && i < now->env_count; i++)
        put_pair(ctx, vu->env, now->env[2 * i], now->env[2 * i + 1]);
}

static JSValue get_env(JSContext *ctx, JSValueConst this_val)
{
    struct vu *vu = vu_of(ctx);
    if (JS_IsUndefined(vu->env))
        vu->env = copy_env(vu->realm);
    overlay_env(vu);
    return JS_DupValue(ctx, vu->env);
}

static JSValue get_global(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetGlobalObject(ctx);
}

#define MAPPED_FROM_BYTES ((size_t)256 << 10)

/* A file's text exists once a realm, not once a VU. */
static JSValue opened_text(JSContext *ctx, const char *data, size_t len)
{
    struct realm *realm = JS_GetContextOpaque(ctx);
    for (size_t i = 0; i < realm->opened_count; i++)
        if (realm->opened[i].data == data)
            return JS_DupValue(ctx, realm->opened[i].text);
    JSValue text = JS_NewStringLen(ctx, data, len);
    if (JS_IsException(text))
        return text;
    mem_grow(&realm->opened, &realm->opened_cap, realm->opened_count + 1, sizeof(realm->opened[0]));
    realm->opened[realm->opened_count++] = (struct opened_text){data, JS_DupValue(ctx, text)};
    return text;
}

/* opaque: the mapping's length. It is freed but not resized: transfer(newLength) fails with "out of memory". */
static void *manage_mapping(JSRuntime *rt, void *opaque, void *mapping, size_t size)
{
    if (!size)
        munmap(mapping, (size_t)(uintptr_t)opaque);
    return NULL;
}

/* A script may write to the buffer that open() gave: a large one is mapped, so that only written pages are copied. */
static JSValue opened_buffer(JSContext *ctx, const char *data, size_t len, const char *full_path)
{
    void *mapping = len >= MAPPED_FROM_BYTES && full_path ? files_private_mapping(script_of(ctx)->files, full_path) : NULL;
    return mapping ? JS_NewArrayBuffer(ctx, mapping, len, 0, manage_mapping, (void *)(uintptr_t)len, false) : js_new_array_buffer(ctx, data, len);
}

static JSValue js_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (!vu_require_init(ctx, "open()"))
        return JS_EXCEPTION;
    const char *path = argc > 0 ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!path)
        return argc > 0 ? JS_EXCEPTION : js_throw_error(ctx, "open() needs the name of a file");
    const char *mode = argc > 1 && JS_IsString(argv[1]) ? JS_ToCString(ctx, argv[1]) : NULL;
    JSAtom module = engine_running_module(ctx);
    const char *base = module != JS_ATOM_NULL ? JS_AtomToCString(ctx, module) : NULL;
    struct error err = {0};
    size_t len;
    const char *full_path = NULL, *data = files_open(script_of(ctx)->files, base, path, &len, &full_path, &err);
    JSValue result;
    if (!data) {
        throw_error(ctx, &err);
        result = JS_EXCEPTION;
    } else if (mode && strcmp(mode, "b") == 0) {
        result = opened_buffer(ctx, data, len, full_path);
    } else {
        result = opened_text(ctx, data, len);
    }
    JS_FreeCString(ctx, path);
    JS_FreeCString(ctx, mode);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, module);
    return result;
}

static JSValue js_require(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (!vu_require_init(ctx, "require()"))
        return JS_EXCEPTION;
    const char *specifier = argc > 0 ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!specifier || !specifier[0]) {
        JS_FreeCString(ctx, specifier);
        return js_throw_error(ctx, "require() needs the name of a module");
    }
    JSAtom module = engine_running_module(ctx);
    const char *base = module != JS_ATOM_NULL ? JS_AtomToCString(ctx, module) : NULL;
    JSValue exports = engine_require(ctx, vu_of(ctx)->instances, base, specifier);
    JS_FreeCString(ctx, specifier);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, module);
    return exports;
}

static void define_getter(JSContext *ctx, JSValueConst global, const char *name, JSValue (*get)(JSContext *, JSValueConst))
{
    JSCFunctionType function = {.getter = get};
    JSAtom atom = JS_NewAtom(ctx, name);
    JSValue getter = JS_NewCFunction2(ctx, function.generic, name, 0, JS_CFUNC_getter, 0);
    JS_DefinePropertyGetSet(ctx, global, atom, getter, JS_UNDEFINED, JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE);
    JS_FreeAtom(ctx, atom);
}

/* Names that k6 does not have: a script's feature tests must see the same. */
static void remove_globals(JSContext *ctx, JSValueConst global)
{
    static const char *const names[] = {"atob", "btoa", "performance", "queueMicrotask", "structuredClone", "navigator", "DOMException", "gc"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        JSAtom atom = JS_NewAtom(ctx, names[i]);
        JS_DeleteProperty(ctx, global, atom, 0);
        JS_FreeAtom(ctx, atom);
    }
}

static void install_globals(struct realm *realm)
{
    JSContext *ctx = realm->ctx;
    JSValue global = JS_GetGlobalObject(ctx);
    remove_globals(ctx, global);
    define_getter(ctx, global, "__VU", get_vu_id);
    define_getter(ctx, global, "__ITER", get_iter);
    define_getter(ctx, global, "__ENV", get_env);
    if (!realm->script->config.base_compatibility)
        define_getter(ctx, global, "global", get_global);
    JS_DefinePropertyValueStr(ctx, global, "open", JS_NewCFunction(ctx, js_open, "open", 1), JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    JS_DefinePropertyValueStr(ctx, global, "require", JS_NewCFunction(ctx, js_require, "require", 1), JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    console_install(ctx, global);
    timers_install(ctx, global);
    k6_globals_install(ctx, global);
    JS_FreeValue(ctx, global);
}

/* ---- rejections ---- */

static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool handled, void *arg)
{
    struct realm *realm = arg;
    struct vu *vu = realm->current;
    if (!vu)
        return;
    if (!handled) {
        mem_grow(&vu->rejections, &vu->rejection_cap, vu->rejection_count + 1, sizeof(vu->rejections[0]));
        vu->rejections[vu->rejection_count++] = JS_DupValue(ctx, promise);
        return;
    }
    for (size_t i = 0; i < vu->rejection_count; i++) {
        if (JS_VALUE_GET_PTR(vu->rejections[i]) == JS_VALUE_GET_PTR(promise)) {
            JSValue was = vu->rejections[i];
            vu->rejections[i] = vu->rejections[--vu->rejection_count];
            JS_FreeValue(ctx, was);
            return;
        }
    }
}

/* ---- life ---- */

struct realm *realm_new(struct script *script, struct worker *worker, struct error *err)
{
    struct realm *realm = mem_zalloc(sizeof(*realm));
    realm->script = script;
    realm->worker = worker;
    realm->env = JS_UNDEFINED;
    realm->rt = JS_NewRuntime();
    realm->ctx = realm->rt ? JS_NewContext(realm->rt) : NULL;
    if (!realm->ctx) {
        error_set(err, EXIT_GENERIC, "cannot make a JavaScript realm: out of memory");
        realm_free(realm);
        return NULL;
    }
    JS_SetContextOpaque(realm->ctx, realm);
    JS_UpdateStackTop(realm->rt);
    JS_SetMaxStackSize(realm->rt, 4 << 20);
    realm->host = (struct engine_host){host_resolve, host_source, host_builtin, realm};
    engine_set_host(realm->ctx, &realm->host);
    JS_SetInterruptHandler(realm->rt, vu_on_interrupt, realm);
    JS_SetHostPromiseRejectionTracker(realm->rt, track_rejection, realm);
    install_globals(realm);
    return realm;
}

void realm_free(struct realm *realm)
{
    if (!realm)
        return;
    if (realm->ctx) {
        JS_FreeValue(realm->ctx, realm->env);
        for (unsigned i = 0; i < realm->response_atom_count; i++)
            JS_FreeAtom(realm->ctx, realm->response_atoms[i]);
        mem_free(realm->response_atoms);
        for (size_t i = 0; i < realm->opened_count; i++)
            JS_FreeValue(realm->ctx, realm->opened[i].text);
        mem_free(realm->opened);
        engine_free_prototypes(realm->ctx);
        JS_FreeContext(realm->ctx);
    }
    if (realm->rt)
        JS_FreeRuntime(realm->rt);
    mem_free(realm);
}

/* ---- a VU's init context ---- */

static bool init_failed(struct vu *vu, JSValue exception, struct error *err)
{
    struct realm *realm = vu->realm;
    bool aborted = vu->cut_is_abort;
    char *text = describe_init_error(realm, exception);
    JS_FreeValue(realm->ctx, exception);
    if (!aborted)
        error_set(err, EXIT_SCRIPT_EXCEPTION, "%s", text);
    else
        error_set(err, EXIT_SCRIPT_ABORTED, "%s", vu->abort_message ? vu->abort_message : "test aborted");
    mem_free(text);
    return false;
}

/* Runs promise jobs and timers until the modules have been evaluated (top-level await). */
static bool settle(struct vu *vu, JSValueConst promise, struct error *err)
{
    JSContext *ctx = vu->realm->ctx, *job_ctx;
    for (;;) {
        while (engine_has_jobs(ctx) && !vu->cut_is_abort)
            if (JS_ExecutePendingJob(vu->realm->rt, &job_ctx) < 0)
                return init_failed(vu, JS_GetException(ctx), err);
        if (vu->cut_is_abort || !JS_IsUndefined(vu->loop_error))
            break;
        if (!vu_timers_pending(vu))
            break;
        vu_wait_in_init(vu_timers_next_due(vu));
        vu_timers_run_due(vu, INT64_MAX);
    }
    if (!JS_IsUndefined(vu->loop_error)) {
        JSValue error = vu->loop_error;
        vu->loop_error = JS_UNDEFINED;
        return init_failed(vu, error, err);
    }
    JSPromiseStateEnum state = JS_PromiseState(ctx, promise);
    if (state == JS_PROMISE_REJECTED)
        return init_failed(vu, JS_PromiseResult(ctx, promise), err);
    if (vu->cut_is_abort)
        return init_failed(vu, JS_UNDEFINED, err);
    if (state == JS_PROMISE_PENDING)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "the script's top level awaits something that never happens");
    return true;
}

static void keep_functions(struct vu *vu)
{
    struct script *script = vu->realm->script;
    if (!script->export_count)
        return;
    vu->functions = mem_array(script->export_count, sizeof(vu->functions[0]));
    for (size_t i = 0; i < script->export_count; i++)
        vu->functions[i] = script->exports[i].callable || strcmp(script->exports[i].name, "options") == 0
                               ? engine_export(vu->realm->ctx, vu->instances, vu->realm->main, script->exports[i].name)
                               : JS_UNDEFINED;
}

/* k6 writes the consolidated options back into the object that the script exported. */
static void write_back_options(struct vu *vu)
{
    struct script *script = vu->realm->script;
    JSContext *ctx = vu->realm->ctx;
    if (!script->settings || !script->settings->script_options_json)
        return;
    JSValue options = engine_export(ctx, vu->instances, vu->realm->main, "options");
    if (JS_IsObject(options)) {
        const char *json = script->settings->script_options_json;
        JSValue now = JS_ParseJSON(ctx, json, strlen(json), "options");
        JSPropertyEnum *names;
        uint32_t count;
        if (JS_IsObject(now) && JS_GetOwnPropertyNames(ctx, &names, &count, now, JS_GPN_STRING_MASK) == 0) {
            for (uint32_t i = 0; i < count; i++) {
                if (JS_SetProperty(ctx, options, names[i].atom, JS_GetProperty(ctx, now, names[i].atom)) < 0)
                    JS_FreeValue(ctx, JS_GetException(ctx));
            }
            JS_FreePropertyEnum(ctx, names, count);
        }
        JS_FreeValue(ctx, now);
    }
    JS_FreeValue(ctx, options);
}

bool vu_run_init(struct vu *vu, struct error *err)
{
    struct realm *realm = vu->realm;
    JSContext *ctx = realm->ctx;
    vu->phase = PHASE_INIT;
    vu->instances = engine_instances_new(ctx);
    engine_set_current(ctx, vu->instances);
    if (!realm->main)
        realm->main = engine_load(ctx, realm->script->main_module);
    bool done = false;
    if (!realm->main) {
        init_failed(vu, JS_GetException(ctx), err);
    } else {
        JSValue promise = engine_evaluate(ctx, vu->instances, realm->main);
        if (JS_IsException(promise))
            init_failed(vu, JS_GetException(ctx), err);
        else
            done = settle(vu, promise, err);
        JS_FreeValue(ctx, promise);
    }
    vu_timers_clear(vu, false);
    for (size_t i = 0; i < vu->rejection_count; i++)
        JS_FreeValue(ctx, vu->rejections[i]);
    vu->rejection_count = 0;
    if (done) {
        keep_functions(vu);
        write_back_options(vu);
    }
    engine_set_current(ctx, NULL);
    return done;
}
