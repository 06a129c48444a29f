/* SPDX-License-Identifier: Apache-2.0 */
/* What QuickJS's public interface lacks: many VUs in one context, and module graphs that are compiled once
 * and instantiated per VU. The only unit that looks inside QuickJS; everything else uses quickjs.h. */
#ifndef SCRIPT_ENGINE_H
#define SCRIPT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

/* ---- VUs in a shared context ----
 * A VU has its own global object (its prototype is the context's), promise-job queue, interpreter frames,
 * pending exception, Math.random state and stack limits. While it is entered, these are the context's. */
struct engine_vu {
    JSValue global, global_vars;
    void *jobs[2]; /* a list head, as QuickJS links it */
    void *frame;
    JSValue exception;
    uint64_t random;
    uintptr_t stack_top, stack_bytes, stack_limit;
};

void engine_vu_init(JSContext *ctx, struct engine_vu *vu, uint64_t seed);
/* Drops its global object and queued jobs. Not while entered. */
void engine_vu_fini(JSContext *ctx, struct engine_vu *vu);
/* Where the VU's C stack is: [top - bytes, top), of which reserve bytes are kept for C functions. */
void engine_vu_set_stack(struct engine_vu *vu, void *top, size_t bytes, size_t reserve);
/* Exchanges the VU's state with the context's: enters, and called again leaves. */
void engine_swap(JSContext *ctx, struct engine_vu *vu);
/* Math.random's state of the VU that is entered. */
void engine_seed(JSContext *ctx, uint64_t seed);
bool engine_has_jobs(JSContext *ctx);
/* Makes any pending promise job of the entered VU go away, unrun. */
void engine_drop_jobs(JSContext *ctx);
/* The pending exception can be caught by nobody (an abort or a cut iteration). */
void engine_make_uncatchable(JSContext *ctx);

/* ---- modules ----
 * Prototypes are compiled and resolved once a context and never run; each VU gets an instance. */

/* How the host provides modules. name is the resolved one. */
struct engine_host {
    /* base is the importing module's name. Returns the resolved name (js_malloc) or NULL with an exception. */
    char *(*resolve)(JSContext *ctx, const char *base, const char *specifier, void *arg);
    /* The text of a file module (owned by the host for the context's life), or NULL with an exception. */
    const char *(*source)(JSContext *ctx, const char *name, size_t *len, void *arg);
    /* The exports object of a built-in module, or JS_UNDEFINED when there is none of that name. Called
     * once a context. Its properties become named exports, the object (or its property "default") the default. */
    JSValue (*builtin)(JSContext *ctx, const char *name, void *arg);
    void *arg;
};

/* Must be called once after the context was made; host is kept. */
void engine_set_host(JSContext *ctx, const struct engine_host *host);
/* Before JS_FreeContext. */
void engine_free_prototypes(JSContext *ctx);
/* Compiles a module and everything that it imports. NULL with an exception. */
JSModuleDef *engine_load(JSContext *ctx, const char *name);

/* The instances of one VU: which modules it has, while its init context runs. */
struct engine_instances;
struct engine_instances *engine_instances_new(JSContext *ctx);
/* Frees what only the init context needs; exported values taken before stay alive. */
void engine_instances_free(JSContext *ctx, struct engine_instances *instances);
/* The VU must be entered. Returns the evaluation's promise, or an exception. */
JSValue engine_evaluate(JSContext *ctx, struct engine_instances *instances, JSModuleDef *prototype);
/* An exported value of an evaluated module; JS_UNDEFINED when there is none of that name. */
JSValue engine_export(JSContext *ctx, struct engine_instances *instances, JSModuleDef *prototype, const char *name);
/* Calls each exported name of a module (of its instance, so CommonJS exports count). */
void engine_each_export(JSContext *ctx, struct engine_instances *instances, JSModuleDef *prototype,
                        void (*each)(void *arg, const char *name, JSValueConst value), void *arg);
/* CommonJS require(specifier) from a module named base. */
JSValue engine_require(JSContext *ctx, struct engine_instances *instances, const char *base, const char *specifier);
/* The module whose top level is running (the innermost one), or the script that called the C function;
 * JS_ATOM_NULL when there is none. */
JSAtom engine_running_module(JSContext *ctx);
/* The instances of the VU that is entered; NULL outside its init context. Set by the caller. */
void engine_set_current(JSContext *ctx, struct engine_instances *instances);

/* True when the function is an async function (of the script). */
bool engine_is_async(JSValueConst function);

#endif
