/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the script floor: what realm.c, vu.c, worker.c and the k6 modules share. A k6 module (script/k6/)
 * needs this header, quickjs.h and the protocol it wraps, nothing else.
 *
 * Threads: a worker owns its realms and VUs; everything that takes a struct vu or a JSContext runs on that
 * worker's thread (the realm of script_open: on the thread that opened the script). */
#ifndef SCRIPT_HOST_H
#define SCRIPT_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/loop.h"
#include "metrics/metrics.h"
#include "script/engine.h"
#include "script/script.h"

struct coro;
struct coro_stacks;
struct cookie_jar;
struct files;
struct grpc_pools;
struct http_client;
struct http_worker;
struct net;
struct realm;
struct secrets;
struct shared_arrays;
struct tag_cache;
struct vu_timers;

/* Class ids are fixed: QuickJS would hand them out per runtime in order of use, and workers load modules in
 * different orders. The engine's own ids end far below. */
enum js_class {
    JS_CLASS_METRIC = 128,
    JS_CLASS_TAG_MAP,
    JS_CLASS_HTTP_RESPONSE,
    JS_CLASS_COOKIE_JAR,
    JS_CLASS_HTTP_FILE,
    JS_CLASS_HTTP_CALLBACK,
    JS_CLASS_SHARED_ARRAY,
    JS_CLASS_HASHER,
    JS_CLASS_CRYPTO_KEY,
    JS_CLASS_TEXT_DECODER,
    JS_CLASS_FS_FILE,
    JS_CLASS_CSV_PARSER,
    JS_CLASS_READABLE_STREAM,
    JS_CLASS_STREAM_READER,
    JS_CLASS_STREAM_CONTROLLER,
    JS_CLASS_WRITABLE_STREAM,
    JS_CLASS_STREAM_WRITER,
    JS_CLASS_SINK_CONTROLLER,
    JS_CLASS_WS_SOCKET,
    JS_CLASS_WEBSOCKET,
    JS_CLASS_BLOB,
    JS_CLASS_HTML_SELECTION = 160,
    JS_CLASS_HTML_ELEMENT = 161,
    JS_CLASS_HTML_ATTRIBUTE = 162,
    JS_CLASS_HTML_PROTOTYPES = 163,
    JS_CLASS_GRPC_CLIENT = 170,
    JS_CLASS_GRPC_STREAM = 171,
};

/* ---- the loaded script: one a process ---- */
struct script {
    struct script_config config;
    const struct script_settings *settings; /* NULL until the options are known */
    struct script_stats stats;
    struct files *files;
    struct secrets *secrets;
    struct grpc_pools *grpc_pools; /* k6/net/grpc; owned by k6/grpc_types.c */
    struct shared_arrays *shared_arrays; /* k6/data; owned by k6/data.c */
    char *main_module;                   /* "file:///dir/script.js" */
    char *options_json;
    struct script_export {
        char *name;
        bool callable;
    } *exports;
    size_t export_count;
    bool isolate_vus;
    char *setup_data; /* JSON or NULL */
    struct realm *first_realm; /* of script_open, freed when settings are given */
    pthread_mutex_t module_lock;
};

/* ---- a realm: a JSRuntime and JSContext that up to 256 VUs share ---- */
struct realm {
    JSRuntime *rt;
    JSContext *ctx;
    struct script *script;
    struct worker *worker; /* NULL: the realm of script_open */
    struct realm *next;
    JSModuleDef *main;
    struct vu *current; /* the VU that is entered */
    unsigned vu_count;
    JSAtom *response_atoms; /* k6/http_response.c */
    unsigned response_atom_count;
    JSValue env; /* the script's __ENV as every VU first sees it */
    struct opened_text {
        const char *data; /* in the store */
        JSValue text;
    } *opened; /* what open() made strings of: the VUs of the realm share them */
    size_t opened_count, opened_cap;
    struct engine_host host;
};

struct worker {
    struct script *script;
    unsigned index;
    struct loop *loop;
    struct shard *shard;
    struct tag_cache *tag_cache;
    struct net *net;
    struct http_worker *http;
    struct realm *realms;
    struct coro_stacks *stacks;
    struct list_node ready; /* VUs to resume in this turn */
    struct task run_ready;
    bool run_ready_queued;
    struct list_node sliced; /* VUs whose time slice ended */
    struct timer run_sliced;
    int64_t wall_offset_ns;
    pthread_t thread;
    atomic_int_fast64_t cpu_ns, started_mono_ns;
    struct timer load_timer;
    atomic_bool stopping;
    char *start_error;
    struct vu **vus; /* those with an id; freed when the worker stops */
    size_t vu_count, vu_cap;
    pthread_mutex_t start_lock;
    pthread_cond_t started;
    bool is_started;
};

enum vu_state {
    VU_IDLE,    /* parked between iterations */
    VU_BLOCKED, /* parked inside a blocking call */
    VU_READY,   /* queued to be resumed */
    VU_RUNNING,
};

enum vu_phase {
    PHASE_INIT,
    PHASE_SETUP,
    PHASE_ITERATION,
    PHASE_TEARDOWN,
    PHASE_SUMMARY,
};

/* An asynchronous operation of an iteration: while it runs the iteration lasts; when it has ended, run is
 * called in the VU's event loop. Embedded by its owner. */
struct vu_operation {
    struct list_node node;
    bool ended;
    void (*run)(struct vu *vu, struct vu_operation *operation);    /* VU entered; owns it from here on */
    void (*cancel)(struct vu *vu, struct vu_operation *operation); /* the iteration ended first (VU entered):
                                                                      stop and free it */
};

struct vu {
    struct worker *worker;
    struct realm *realm;
    struct engine_vu engine;
    struct coro *coro;
    struct list_node ready_node;
    enum vu_state state;
    enum vu_phase phase;
    bool entered;
    bool cut;        /* the iteration must end: set by vu_interrupt, time-outs and aborts */
    bool cut_is_abort;
    char *abort_message;
    bool timed_out;
    bool dying;
    bool awaits_event; /* blocked in its event loop, not in a call of the script */
    uint64_t id_in_test, id_in_instance;
    int64_t slice_end_ns;
    /* messages from other threads */
    struct task inbox_task;
    atomic_uint inbox;
    struct iteration_source *_Atomic next_source;
    void *next_slot;
    /* what it runs */
    struct iteration_source *source;
    void *slot;
    struct iteration iteration;
    uint64_t iterations;             /* __ITER of the next one */
    uint64_t iterations_in_scenario; /* exec.vu.iterationInScenario */
    const struct scenario_info *scenario;
    const struct vu_call *call;
    bool call_pending;
    /* JavaScript */
    struct engine_instances *instances; /* during init only */
    JSValue *functions;                 /* one for each of script->exports */
    JSValue env, setup_data;
    const struct scenario_info *env_scenario; /* whose env overlays __ENV now */
    bool setup_data_read;
    /* tags and metadata of samples */
    const struct tagset *tags;
    char *group_path;
    struct tag *metadata; /* exec.vu.metrics.metadata by the script */
    size_t metadata_count, metadata_cap;
    /* the event loop of the running iteration */
    struct vu_timers *timers;
    struct list_node operations;     /* that are running */
    struct list_node events;         /* those that have ended, in order */
    JSValue loop_error;              /* what a timer or event callback threw */
    JSValue *rejections;             /* promises that were rejected and not handled yet */
    size_t rejection_count, rejection_cap;
    /* blocking calls */
    void (*on_parked)(void *arg); /* run on the worker's stack once the VU is parked */
    void *on_parked_arg;
    /* protocols */
    struct http_client *http;
    struct cookie_jar *jar;
    struct http_vu *http_state; /* of k6/http; NULL until the script changes a default */
};

/* ---- for k6 modules ---- */
/* The VU that runs; never NULL inside a C function that JavaScript called. */
struct vu *vu_of(JSContext *ctx);
struct script *script_of(JSContext *ctx);

/* Parks the VU. start(arg) is called on the worker's own stack right after it is parked (begin I/O there);
 * whatever finishes calls vu_unblock. False: the iteration was cut meanwhile (an uncatchable exception is
 * pending, or will be thrown by vu_throw_cut): cancel the operation and return JS_EXCEPTION. */
bool vu_block(struct vu *vu, void (*start)(void *arg), void *arg);
/* Resumes a blocked VU in this turn of the loop. */
void vu_unblock(struct vu *vu);
/* Throws what ends a cut iteration; returns JS_EXCEPTION. */
JSValue vu_throw_cut(struct vu *vu);
/* Sleeps; false when cut. */
bool vu_sleep_until(struct vu *vu, int64_t due_mono_ns);

/* The operation begins: the iteration lasts until it is ended and was run. */
void vu_operation_begin(struct vu *vu, struct vu_operation *operation);
/* It has ended: its run follows in the event loop. Also for one that never began (a mere event). From the
 * worker's thread, inside the VU or not. */
void vu_operation_end(struct vu *vu, struct vu_operation *operation);
/* Runs the events and promise jobs of the VU until nothing is left or stop(arg) says so; for modules with
 * an event loop of their own (k6/ws). False: cut. */
bool vu_run_events(struct vu *vu, bool (*stop)(void *arg), void *arg);

/* The phase allows I/O and checks; otherwise throws "NAME ... init context" and returns false. */
bool vu_require_running(JSContext *ctx, const char *what);
bool vu_require_init(JSContext *ctx, const char *what);

/* Adds samples with the current time and the VU's metadata. */
void vu_emit(struct vu *vu, const struct sample *samples, size_t count, unsigned flags);
void vu_emit_at(struct vu *vu, const struct sample *samples, size_t count, int64_t wall_ns, unsigned flags);
/* The VU's tags with changes; cached. */
const struct tagset *vu_tags_with(struct vu *vu, const struct tag *changes, size_t count);
bool vu_has_system_tag(const struct vu *vu, unsigned bit);
/* Reads a tags object {k: string|number|boolean} into an array that the caller frees with js_tags_free.
 * NULL/undefined: none. False: a value of another type; TypeError thrown. */
struct js_tags {
    struct tag *list;
    size_t count;
    JSContext *ctx;
};
bool js_tags_read(JSContext *ctx, JSValueConst object, struct js_tags *tags);
void js_tags_free(struct js_tags *tags);

/* Calls a function of the script from C code outside any JavaScript frame and logs what it throws. */
void vu_log_exception(struct vu *vu, JSValueConst error);
/* "Name: message\n\tat ...": heap. */
char *js_error_text(JSContext *ctx, JSValueConst error);
/* Throws a plain Error with this message. */
JSValue js_throw_error(JSContext *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Throws an Error whose name is not a standard one's ("OperationError"). */
JSValue js_throw_named(JSContext *ctx, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A promise that is settled already: resolved with value (taken), or, when it is JS_EXCEPTION, rejected with the
 * pending exception. An iteration that is cut stays an exception. */
JSValue js_settled(JSContext *ctx, JSValue value);
/* Seconds, or a k6 duration ("1m30s"): a number is in ms. False: exception thrown. */
bool js_to_duration_ns(JSContext *ctx, JSValueConst value, int64_t *ns);
/* Calls each for the object's own enumerable properties until it returns false; undefined and null have none. False:
 * each said so, or it is no object (what "must be an object": thrown). */
bool js_each_property(JSContext *ctx, JSValueConst object, const char *what, bool (*each)(JSContext *ctx, void *arg, const char *name, JSValueConst value), void *arg);
/* The bytes of a string (UTF-8; free with js_bytes_free), ArrayBuffer or view. False: it is none; nothing thrown. */
struct js_bytes {
    const uint8_t *data;
    size_t len;
    const char *cstring;
};
bool js_bytes_read(JSContext *ctx, JSValueConst value, struct js_bytes *bytes);
void js_bytes_free(JSContext *ctx, struct js_bytes *bytes);
JSValue js_new_array_buffer(JSContext *ctx, const void *data, size_t len);
/* Registers a class in this realm unless it is there already. */
void js_class_register(JSContext *ctx, enum js_class id, const JSClassDef *def);
/* Adds a function property. */
void js_add_function(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int length);
void js_add_magic(JSContext *ctx, JSValueConst object, const char *name, JSCFunctionMagic *function, int length, int magic);
/* Adds an enumerable getter. */
void js_add_getter(JSContext *ctx, JSValueConst object, const char *name, JSValue (*get)(JSContext *, JSValueConst, int), int magic);
/* Freezes an object and everything in it. */
void js_deep_freeze(JSContext *ctx, JSValueConst value);

/* One built-in module; k6/modules.c has the table. make is called once a realm when a script imports it. */
struct k6_module {
    const char *name;
    JSValue (*make)(JSContext *ctx);
    /* Registers the module's metrics; may be NULL. Called once a process when a script imports it. */
    void (*imported)(struct script *script);
};
const struct k6_module *k6_module_find(const char *name);
/* What stands in for a module that k6 has removed; NULL for others. */
const char *k6_module_replacement(const char *name);
/* Global names of modules that every realm has (crypto, TextEncoder ...). */
void k6_globals_install(JSContext *ctx, JSValueConst global);

/* ---- inside the floor ---- */
struct realm *realm_new(struct script *script, struct worker *worker, struct error *err);
void realm_free(struct realm *realm);
/* Runs the init context of a VU that is entered. False with err (exit code of the failure). */
bool vu_run_init(struct vu *vu, struct error *err);
void vu_enter(struct vu *vu);
void vu_leave(struct vu *vu);
/* Makes a VU in a realm; with a worker it gets a coroutine. */
struct vu *vu_new(struct realm *realm, uint64_t id_in_test, uint64_t id_in_instance, struct error *err);
void vu_free(struct vu *vu);
void vu_resume(struct vu *vu);
/* Blocks the thread: only for timers of an init context. */
void vu_wait_in_init(int64_t due_mono_ns);
void worker_queue_ready(struct vu *vu);

struct vu_timers *vu_timers_of(struct vu *vu);
bool vu_timers_pending(const struct vu *vu);
int64_t vu_timers_next_due(const struct vu *vu);
/* Runs one due timer; false when none was due. What it throws lands in vu->loop_error. */
bool vu_timers_run_due(struct vu *vu, int64_t now_ns);
void vu_timers_clear(struct vu *vu, bool warn);
void vu_timers_free(struct vu *vu);
void timers_install(JSContext *ctx, JSValueConst global);

void console_install(JSContext *ctx, JSValueConst global);
void shared_arrays_free(struct shared_arrays *arrays);
void grpc_pools_free(struct grpc_pools *pools);

/* A returned value as JSON the way k6 (Go) writes it: undefined is null, bytes are base64. False: it cannot
 * be carried (a function, NaN). *json NULL: undefined. */
bool js_to_go_json(JSContext *ctx, JSValueConst value, char **json);

/* A hint for the message of an exception (a missing import, say); heap or NULL. */
char *hint_for_error(struct script *script, const char *message);

/* An exception that ended the init context, as text with the source line and a hint. Heap. */
char *describe_init_error(struct realm *realm, JSValueConst error);

#endif
