/* SPDX-License-Identifier: Apache-2.0 */
/* k6's options. A layer (config file, script, environment, flags) is a set of named values in one normal
 * form; layers are merged by k6's rules, scenarios derived and everything validated. Main thread; constant
 * during a run. */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "run/scenario_config.h"

struct error;
struct http_options;
struct net_options;
struct json_t;
struct script_settings;
struct tag_interner;

struct options {
    struct json_t *values;  /* option name -> normal form; a missing name is unset */
    struct json_t *derived; /* scenarios after options_derive, in the form exec.test.options shows */
    struct arena memory;    /* what options_derive and the maps make */
    struct scenario_config *scenarios; /* after options_derive, sorted by start time and name */
    size_t scenario_count;
};

void options_init(struct options *o);
void options_fini(struct options *o);

/* Reads a JSON object. Unknown names are warnings when warn_unknown, otherwise ignored. EXIT_INVALID_CONFIG. */
bool options_parse_json(struct options *o, const char *json, const char *source, bool warn_unknown, struct error *err);
/* Reads the K6_* variables. */
bool options_parse_env(struct options *o, const char *(*get)(const char *name), struct error *err);
/* One flag of the command line by its long name; repeatable ones add up. EXIT_GENERIC. */
bool options_set_flag(struct options *o, const char *flag, const char *value, struct error *err);
/* True when options_set_flag knows the flag; *is_bool: it needs no value. */
bool options_has_flag(const char *flag, bool *is_bool);
/* Calls each for every flag, for help texts. */
void options_each_flag(void (*each)(void *arg, const char *flag, const char *kind, const char *env, const char *help), void *arg);

/* Lays over upon base. A layer with any of duration, iterations, stages, scenarios discards all four of
 * those below. */
void options_merge(struct options *base, const struct options *over, const char *layer_name);
/* Makes the scenarios and checks everything. EXIT_INVALID_CONFIG. */
bool options_derive(struct options *o, struct error *err);
/* Every scenario's function exists. */
bool options_check_exec(const struct options *o, bool (*has_function)(void *arg, const char *name), void *arg, struct error *err);

/* ---- reading; defaults apply ---- */
bool option_is_set(const struct options *o, const char *name);
bool option_bool(const struct options *o, const char *name);
int64_t option_int(const struct options *o, const char *name, int64_t fallback);
int64_t option_duration_ns(const struct options *o, const char *name, int64_t fallback);
/* Lives as long as the options; fallback when unset. */
const char *option_text(const struct options *o, const char *name, const char *fallback);
/* Arena array of texts; NULL and *count 0 when unset. */
const char *const *option_list(struct options *o, const char *name, size_t *count);
struct option_pair *option_pairs(struct options *o, const char *name, size_t *count);

struct option_threshold {
    const char *selector, *source; /* source NULL: the selector is only declared */
    bool abort_on_fail;
    const char *delay; /* NULL: none */
};
struct option_threshold *options_thresholds(struct options *o, size_t *count);

/* ---- as JSON (heap) ---- */
char *options_test_json(const struct options *o);    /* exec.test.options */
char *options_script_json(const struct options *o);  /* what the script's own options object becomes */
char *options_inspect_json(const struct options *o); /* k6 inspect */

/* ---- for the floors below; memory from the options' arena ---- */
bool options_fill_net(struct options *o, struct net_options *net, struct error *err);
void options_fill_http(struct options *o, struct http_options *http);
/* What VUs look at: tags, system tags, throw, cookies ...; the caller fills the rest. */
void options_fill_settings(struct options *o, struct tag_interner *tags, struct script_settings *settings);
/* The system tags that are on, sorted. */
const char *const *options_system_tags(struct options *o, size_t *count);

#endif
