/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded script and the workers that run it, as the run floor sees them. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script/vu.h"

struct error;
struct files;
struct http_options;
struct net_options;
struct registry;
struct script;
struct shard;
struct tag_interner;
struct tagset;
struct test_archive;

/* k6's system tags, as bits. */
enum system_tag {
    TAG_PROTO = 1 << 0,
    TAG_SUBPROTO = 1 << 1,
    TAG_STATUS = 1 << 2,
    TAG_METHOD = 1 << 3,
    TAG_URL = 1 << 4,
    TAG_NAME = 1 << 5,
    TAG_GROUP = 1 << 6,
    TAG_CHECK = 1 << 7,
    TAG_ERROR = 1 << 8,
    TAG_ERROR_CODE = 1 << 9,
    TAG_TLS_VERSION = 1 << 10,
    TAG_SCENARIO = 1 << 11,
    TAG_SERVICE = 1 << 12,
    TAG_EXPECTED_RESPONSE = 1 << 13,
    TAG_ITER = 1 << 14,
    TAG_VU = 1 << 15,
    TAG_OCSP_STATUS = 1 << 16,
    TAG_IP = 1 << 17,
};

/* The bit of a system tag's name; 0 for an unknown one. */
unsigned system_tag_bit(const char *name);

enum script_isolation {
    ISOLATE_AUTO,  /* share realms unless the script's text patches built-ins */
    ISOLATE_REALM, /* up to 256 VUs share a realm */
    ISOLATE_VU,    /* a realm for every VU */
};

/* Known before the script is loaded. Everything is borrowed for the script's life. */
struct script_config {
    const char *path; /* a file, or "-" with text */
    const char *text; /* the script itself when it comes from standard input */
    size_t text_len;
    const struct test_archive *archive; /* not NULL: the script and its files come from here */
    const char *const *env; /* __ENV: name, value, name, value ... */
    size_t env_count;       /* pairs */
    const char *import_map; /* file or NULL */
    enum script_isolation isolation;
    bool base_compatibility; /* --compatibility-mode=base: no `global` */
    const char *const *secret_sources; /* script/secrets.h */
    size_t secret_source_count;
    struct registry *registry;
    struct tag_interner *tags;
};

/* Known once options are consolidated; constant during the run, borrowed. */
struct script_settings {
    const struct net_options *net;
    const struct http_options *http;
    const struct tagset *run_tags;
    unsigned system_tags;
    bool throw_errors, discard_response_bodies, no_cookies_reset, no_vu_connection_reuse;
    int64_t min_iteration_ns;
    int batch, batch_per_host;
    const char *test_options_json;   /* exec.test.options */
    const char *script_options_json; /* what the script's exported options object becomes; NULL: leave it */
    size_t vus_planned;              /* sizes the stacks' address space */
    /* Called on worker threads. */
    void (*abort)(void *arg, const char *message); /* exec.test.abort */
    void (*fail)(void *arg, const char *message);  /* exec.test.fail */
    void *arg;
};

/* What exec.instance tells; workers add, anybody reads. */
struct script_stats {
    atomic_uint_fast64_t iterations_completed, iterations_interrupted;
    atomic_int vus_active, vus_initialized;
    atomic_int_fast64_t start_mono_ns; /* when the test run started */
};

/* The store of a script's files, and the name of its main module (heap), without running anything. NULL with
 * err: EXIT_GENERIC when the script's file cannot be read. */
struct files *script_files_open(const struct script_config *config, char **main_module, struct error *err);
/* Reads the script and runs its init context once as VU 0 on the calling thread. NULL with err: exit code
 * EXIT_GENERIC when the file cannot be read, EXIT_SCRIPT_EXCEPTION for exceptions, EXIT_SCRIPT_ABORTED when
 * it called exec.test.abort. */
struct script *script_open(const struct script_config *config, struct error *err);
void script_free(struct script *script);
/* `export const options` as JSON; NULL when there is none. */
const char *script_options_json(const struct script *script);
/* The files that the script has touched, and its own name among them. */
struct files *script_files(const struct script *script);
const char *script_main_module(const struct script *script);
bool script_has_function(const struct script *script, const char *name);
size_t script_function_count(const struct script *script);
bool script_has_export(const struct script *script, const char *name);
void script_set_settings(struct script *script, const struct script_settings *settings);
struct script_stats *script_stats(struct script *script);

/* ---- workers ---- */
/* Starts a thread that runs VUs and puts samples into shard. The settings must be set. */
struct worker *worker_start(struct script *script, unsigned index, struct shard *shard, struct error *err);
/* Ends the thread. All its VUs must be detached and idle; they are freed. */
void worker_stop(struct worker *worker);
/* Makes a VU (its init context runs on the worker) and calls made on the worker's thread: vu NULL with err
 * when the init context failed. ids 0: a transient VU for setup, teardown or handleSummary. */
void worker_make_vu(struct worker *worker, uint64_t id_in_test, uint64_t id_in_instance,
                    void (*made)(void *arg, struct vu *vu, const struct error *err), void *arg);
/* Frees an idle transient VU. */
void worker_free_vu(struct vu *vu);
/* CPU time and waiting time of the worker's thread so far: how busy the generator is. Any thread. */
struct worker_load {
    int64_t cpu_ns, alive_ns;
};
struct worker_load worker_load(struct worker *worker);

/* ---- single calls: setup, teardown, handleSummary ---- */
enum vu_call_status { CALL_OK, CALL_EXCEPTION, CALL_TIMEOUT, CALL_ABORTED };

struct vu_call_file {
    char *name, *data;
    size_t len;
};

struct vu_call_result {
    enum vu_call_status status;
    char *json;        /* the returned value as JSON; NULL: undefined */
    char *error;       /* exception text with its stack; NULL: none */
    bool not_json;     /* it returned something that JSON cannot carry (a function, NaN) */
    struct vu_call_file *files; /* handleSummary: what to write where */
    size_t file_count;
};

struct vu_call {
    const char *function;
    const char *group;    /* "setup", "teardown": its samples carry group "::setup"; NULL: none */
    const char *argument; /* JSON of the one argument; NULL: undefined */
    const char *argument_parts_undefined; /* a property of the argument to set to undefined; NULL: none */
    bool collect_files;   /* handleSummary */
    int64_t timeout_ns;   /* 0: none */
    void (*done)(void *arg, struct vu_call_result *result); /* on the worker's thread */
    void *arg;
};

/* The VU must be idle; call is borrowed until done. */
void vu_run_call(struct vu *vu, const struct vu_call *call);
void vu_call_result_free(struct vu_call_result *result);
/* The setup data (JSON, or NULL for undefined) that exec functions and teardown get; before VUs attach. */
void script_set_setup_data(struct script *script, const char *json);
const char *script_setup_data(const struct script *script);

#endif
