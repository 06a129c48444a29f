/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: reading one with k6's strictness, deriving the default one from the shortcuts, checking all. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "run/options_private.h"

#define SECOND_NS INT64_C(1000000000)
#define MAX_VUS INT64_C(100000000)

static const char *const executor_names[] = {"constant-vus", "ramping-vus", "shared-iterations", "per-vu-iterations",
                                             "constant-arrival-rate", "ramping-arrival-rate", "externally-controlled"};

const char *executor_name(enum executor_kind kind)
{
    return executor_names[kind];
}

enum field_kind { FIELD_INT, FIELD_DURATION, FIELD_STAGES };

/* The fields that an executor has beside the common ones, in k6's order. */
struct field {
    const char *name;
    enum field_kind kind;
};

static const struct field constant_vus[] = {{"vus", FIELD_INT}, {"duration", FIELD_DURATION}, {0}};
static const struct field ramping_vus[] = {{"startVUs", FIELD_INT}, {"stages", FIELD_STAGES}, {"gracefulRampDown", FIELD_DURATION}, {0}};
static const struct field iterations[] = {{"vus", FIELD_INT}, {"iterations", FIELD_INT}, {"maxDuration", FIELD_DURATION}, {0}};
static const struct field constant_rate[] = {{"duration", FIELD_DURATION}, {"rate", FIELD_INT}, {"timeUnit", FIELD_DURATION}, {"preAllocatedVUs", FIELD_INT}, {"maxVUs", FIELD_INT}, {0}};
static const struct field ramping_rate[] = {{"startRate", FIELD_INT}, {"timeUnit", FIELD_DURATION}, {"stages", FIELD_STAGES}, {"preAllocatedVUs", FIELD_INT}, {"maxVUs", FIELD_INT}, {0}};
static const struct field external[] = {{"vus", FIELD_INT}, {"duration", FIELD_DURATION}, {"maxVUs", FIELD_INT}, {0}};
static const struct field *const fields_of[] = {constant_vus, ramping_vus, iterations, iterations, constant_rate, ramping_rate, external};

static bool is_common(const char *name)
{
    static const char *const names[] = {"executor", "startTime", "gracefulStop", "env", "exec", "tags", "options"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (; fields->name; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields;
    return NULL;
}

static bool read_executor(json_t *value, enum executor_kind *kind, struct error *err)
{
    const char *name = json_string_value(json_object_get(value, "executor"));
    if (!name || !name[0])
        return error_set(err, EXIT_INVALID_CONFIG, "missing or empty type field");
    for (size_t i = 0; i < sizeof(executor_names) / sizeof(executor_names[0]); i++) {
        if (strcmp(executor_names[i], name) == 0) {
            *kind = (enum executor_kind)i;
            return true;
        }
    }
    return error_set(err, EXIT_INVALID_CONFIG, "unknown executor type '%s': use one of constant-vus, ramping-vus, shared-iterations, per-vu-iterations, constant-arrival-rate, ramping-arrival-rate, externally-controlled", name);
}

static json_t *normal_as(enum option_kind kind, json_t *value, struct error *err)
{
    struct option_row row = {.name = "", .kind = kind};
    return option_normal(&row, value ? value : json_null(), err);
}

/* Puts the normal form of every field (null where it is not given) into shown, in k6's order. */
static bool normalize(json_t *value, const struct field *fields, json_t *shown, struct error *err)
{
    static const struct {
        const char *name;
        enum option_kind kind;
    } common[] = {{"executor", KIND_TEXT}, {"startTime", KIND_DURATION}, {"gracefulStop", KIND_DURATION}, {"env", KIND_PAIRS}, {"exec", KIND_TEXT}, {"tags", KIND_PAIRS}};
    static const enum option_kind kinds[] = {KIND_INT, KIND_DURATION, KIND_STAGES};
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        json_t *normal = normal_as(common[i].kind, json_object_get(value, common[i].name), err);
        if (!normal) {
            error_prefix(err, "%s", common[i].name);
            return false;
        }
        json_object_set_new(shown, common[i].name, normal);
    }
    for (; fields->name; fields++) {
        json_t *normal = normal_as(kinds[fields->kind], json_object_get(value, fields->name), err);
        if (!normal) {
            error_prefix(err, "%s", fields->name);
            return false;
        }
        json_object_set_new(shown, fields->name, normal);
    }
    return true;
}

static int64_t get_int(json_t *shown, const char *name, int64_t fallback)
{
    json_t *value = json_object_get(shown, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int64_t get_duration(json_t *shown, const char *name, int64_t fallback)
{
    json_t *value = json_object_get(shown, name);
    int64_t ns;
    return json_is_string(value) && duration_read(value, &ns) ? ns : fallback;
}

static const struct option_pair *get_pairs(struct options *o, json_t *shown, const char *name, size_t *count)
{
    json_t *object = json_object_get(shown, name), *value;
    const char *key;
    size_t i = 0;
    *count = json_object_size(object);
    struct option_pair *pairs = *count ? arena_alloc(&o->memory, *count * sizeof(*pairs)) : NULL;
    json_object_foreach(object, key, value)
        pairs[i++] = (struct option_pair){key, json_string_value(value)};
    return pairs;
}

static void get_stages(struct options *o, json_t *shown, struct scenario_config *c)
{
    json_t *list = json_object_get(shown, "stages"), *stage;
    size_t i;
    c->stage_count = json_array_size(list);
    struct stage *stages = arena_alloc(&o->memory, (c->stage_count + 1) * sizeof(*stages));
    json_array_foreach(list, i, stage)
        stages[i] = (struct stage){get_duration(stage, "duration", 0), get_int(stage, "target", 0)};
    c->stages = stages;
}

static void fill(struct options *o, json_t *shown, struct scenario_config *c)
{
    const char *exec = json_string_value(json_object_get(shown, "exec"));
    c->exec = exec ? exec : "default";
    c->start_time_ns = get_duration(shown, "startTime", 0);
    c->graceful_stop_ns = get_duration(shown, "gracefulStop", 30 * SECOND_NS);
    c->env = get_pairs(o, shown, "env", &c->env_count);
    c->tags = get_pairs(o, shown, "tags", &c->tag_count);
    c->vus = get_int(shown, "vus", 1);
    c->iterations = get_int(shown, "iterations", 1);
    c->duration_ns = get_duration(shown, "duration", 0);
    c->max_duration_ns = get_duration(shown, "maxDuration", 600 * SECOND_NS);
    c->start_vus = get_int(shown, "startVUs", 1);
    c->graceful_ramp_down_ns = get_duration(shown, "gracefulRampDown", 30 * SECOND_NS);
    c->rate = get_int(shown, "rate", 0);
    c->start_rate = get_int(shown, "startRate", 0);
    c->time_unit_ns = get_duration(shown, "timeUnit", SECOND_NS);
    c->pre_allocated_vus = get_int(shown, "preAllocatedVUs", 0);
    c->max_vus = get_int(shown, "maxVUs", c->executor == EXECUTOR_EXTERNALLY_CONTROLLED ? c->vus : c->pre_allocated_vus);
    get_stages(o, shown, c);
}

bool scenario_read(struct options *o, const char *name, json_t *value, struct scenario_config *c, json_t **shown, struct error *err)
{
    const char *key;
    json_t *item;
    *c = (struct scenario_config){.name = name};
    if (!json_is_object(value))
        return error_set(err, EXIT_INVALID_CONFIG, "an object is needed");
    if (!read_executor(value, &c->executor, err))
        return false;
    const struct field *fields = fields_of[c->executor];
    json_object_foreach(value, key, item)
        if (!is_common(key) && !find_field(fields, key))
            return error_set(err, EXIT_INVALID_CONFIG, "json: unknown field \"%s\"", key);
    if (json_is_object(json_object_get(value, "options")))
        log_warning("scenario %s: browser options are not supported and ignored (see docs/k6-compatibility.md)", name);
    *shown = json_object();
    if (!normalize(value, fields, *shown, err))
        return false;
    fill(o, *shown, c);
    return true;
}

/* ---- validation ---- */

static void mistake(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void mistake(json_t *list, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    json_array_append_new(list, json_string(text));
    mem_free(text);
}

static bool given(json_t *shown, const char *name)
{
    json_t *value = json_object_get(shown, name);
    return value && !json_is_null(value);
}

static void check_duration(json_t *shown, const char *name, int64_t ns, json_t *list)
{
    if (strcmp(name, "duration") == 0 && !given(shown, name)) {
        mistake(list, "the duration is unspecified");
    } else if (ns < SECOND_NS) {
        struct buf text = {0};
        duration_format(&text, ns);
        mistake(list, "the %s must be at least 1s, but is %s", name, text.data);
        buf_free(&text);
    }
}

static void check_stages(const struct scenario_config *c, json_t *shown, json_t *list)
{
    json_t *stages = json_object_get(shown, "stages");
    if (!c->stage_count)
        mistake(list, "at least one stage has to be specified");
    for (size_t i = 0; i < c->stage_count; i++) {
        json_t *stage = json_array_get(stages, i);
        if (!given(stage, "duration"))
            mistake(list, "stage %zu doesn't have a duration", i + 1);
        else if (c->stages[i].duration_ns < 0)
            mistake(list, "the duration for stage %zu can't be negative", i + 1);
        if (!given(stage, "target"))
            mistake(list, "stage %zu doesn't have a target", i + 1);
        else if (c->stages[i].target < 0)
            mistake(list, "the target for stage %zu can't be negative", i + 1);
        else if (c->stages[i].target > MAX_VUS)
            mistake(list, "target for stage %zu exceeds max limit of %lld", i + 1, (long long)MAX_VUS);
    }
}

static void check_ramping_vus(const struct scenario_config *c, json_t *shown, json_t *list)
{
    int64_t most = c->start_vus;
    if (c->start_vus < 0)
        mistake(list, "the number of start VUs can't be negative");
    if (c->start_vus > MAX_VUS)
        mistake(list, "the startVUs exceed max limit of %lld", (long long)MAX_VUS);
    check_stages(c, shown, list);
    for (size_t i = 0; i < c->stage_count; i++)
        if (c->stages[i].target > most)
            most = c->stages[i].target;
    if (most <= 0)
        mistake(list, "either startVUs or one of the stages' target values must be greater than 0");
    if (c->graceful_ramp_down_ns < 0)
        mistake(list, "the gracefulRampDown timeout can't be negative");
}

static void check_arrival(const struct scenario_config *c, json_t *shown, json_t *list)
{
    if (c->time_unit_ns <= 0)
        mistake(list, "the timeUnit must be more than 0");
    if (!given(shown, "preAllocatedVUs"))
        mistake(list, "the number of preAllocatedVUs isn't specified");
    else if (c->pre_allocated_vus < 0)
        mistake(list, "the number of preAllocatedVUs can't be negative");
    if (c->max_vus < c->pre_allocated_vus)
        mistake(list, "maxVUs can't be less than preAllocatedVUs");
}

static bool name_is_valid(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '-'))
            return false;
    return true;
}

static void check_common(const struct scenario_config *c, json_t *shown, json_t *list)
{
    if (!c->name[0])
        mistake(list, "scenario name can't be empty");
    if (!name_is_valid(c->name))
        mistake(list, "the scenario name should contain only numbers, latin letters, underscores, and dashes");
    if (given(shown, "exec") && !c->exec[0])
        mistake(list, "exec value cannot be empty");
    if (c->start_time_ns < 0)
        mistake(list, "the startTime can't be negative");
    if (c->graceful_stop_ns < 0)
        mistake(list, "the gracefulStop timeout can't be negative");
}

void scenario_validate(const struct scenario_config *c, json_t *shown, json_t *list)
{
    check_common(c, shown, list);
    switch (c->executor) {
    case EXECUTOR_CONSTANT_VUS:
        if (c->vus <= 0)
            mistake(list, "the number of VUs must be more than 0");
        check_duration(shown, "duration", c->duration_ns, list);
        break;
    case EXECUTOR_RAMPING_VUS:
        check_ramping_vus(c, shown, list);
        break;
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        if (c->vus <= 0)
            mistake(list, "the number of VUs must be more than 0");
        if (c->executor == EXECUTOR_PER_VU_ITERATIONS && c->iterations <= 0)
            mistake(list, "the number of iterations must be more than 0");
        if (c->executor == EXECUTOR_SHARED_ITERATIONS && c->iterations < c->vus)
            mistake(list, "the number of iterations (%lld) can't be less than the number of VUs (%lld)", (long long)c->iterations, (long long)c->vus);
        check_duration(shown, "maxDuration", c->max_duration_ns, list);
        break;
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
        if (!given(shown, "rate"))
            mistake(list, "the iteration rate isn't specified");
        else if (c->rate <= 0)
            mistake(list, "the iteration rate must be more than 0");
        check_arrival(c, shown, list);
        check_duration(shown, "duration", c->duration_ns, list);
        break;
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        if (c->start_rate < 0)
            mistake(list, "the startRate value can't be negative");
        check_arrival(c, shown, list);
        check_stages(c, shown, list);
        break;
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        if (c->vus < 0)
            mistake(list, "the number of VUs can't be negative");
        if (c->max_vus < c->vus || c->max_vus < 1)
            mistake(list, "maxVUs must be at least 1 and can't be less than vus");
        if (c->max_vus > MAX_VUS)
            mistake(list, "maxVUs exceed the limit of %lld", (long long)MAX_VUS);
        if (given(shown, "duration") && c->duration_ns != 0)
            check_duration(shown, "duration", c->duration_ns, list);
        break;
    }
}

/* ---- deriving ---- */

static json_t *value_or_null(const struct options *o, const char *name)
{
    json_t *value = json_object_get(o->values, name);
    return value ? json_incref(value) : json_null();
}

static bool check_conflicts(const struct options *o, struct error *err)
{
    bool duration = option_is_set(o, "duration"), count = option_is_set(o, "iterations"), stages = option_is_set(o, "stages"), scenarios = option_is_set(o, "scenarios");
    const char *with = NULL, *what = NULL;
    if (count && stages)
        what = "iterations", with = "stages";
    else if (duration && stages)
        what = "duration", with = "stages";
    else if (scenarios && (duration || count || stages))
        what = duration ? "duration" : count ? "iterations" : "stages", with = "scenarios";
    return !what || error_set(err, EXIT_INVALID_CONFIG, "using `%s` and `%s` options simultaneously is not allowed", what, with);
}

/* The scenario that the shortcuts stand for; NULL: the options name scenarios themselves. */
static json_t *shortcut(const struct options *o)
{
    if (option_is_set(o, "iterations"))
        return json_pack("{s:s,s:o,s:o,s:o}", "executor", "shared-iterations", "vus", value_or_null(o, "vus"), "iterations", value_or_null(o, "iterations"),
                         "maxDuration", value_or_null(o, "duration"));
    if (option_is_set(o, "duration"))
        return json_pack("{s:s,s:o,s:o}", "executor", "constant-vus", "vus", value_or_null(o, "vus"), "duration", value_or_null(o, "duration"));
    if (json_array_size(json_object_get(o->values, "stages")))
        return json_pack("{s:s,s:o,s:o}", "executor", "ramping-vus", "startVUs", value_or_null(o, "vus"), "stages", value_or_null(o, "stages"));
    if (option_is_set(o, "vus")) {
        if (json_object_size(json_object_get(o->values, "scenarios")))
            log_warning("`vus=%lld` overrides scenarios configuration", (long long)option_int(o, "vus", 1));
        return json_pack("{s:s,s:o,s:o}", "executor", "shared-iterations", "vus", value_or_null(o, "vus"), "iterations", value_or_null(o, "vus"));
    }
    if (json_object_size(json_object_get(o->values, "scenarios")))
        return NULL;
    if (option_is_set(o, "stages") || option_is_set(o, "scenarios"))
        log_warning("stages and scenarios are empty: one VU runs one iteration");
    return json_pack("{s:s,s:i,s:i}", "executor", "per-vu-iterations", "vus", 1, "iterations", 1);
}

static int compare_scenarios(const void *a, const void *b)
{
    const struct scenario_config *x = a, *y = b;
    if (x->start_time_ns != y->start_time_ns)
        return x->start_time_ns < y->start_time_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool add_scenario(struct options *o, const char *name, json_t *value, json_t *mistakes, struct error *err)
{
    json_t *shown = NULL;
    struct scenario_config *c = &o->scenarios[o->scenario_count++];
    bool valid = scenario_read(o, name, value, c, &shown, err);
    if (!valid) {
        error_prefix(err, "scenario %s", name);
        json_decref(shown);
        return false;
    }
    json_object_set_new(o->derived, name, shown);
    json_t *own = json_array(), *text;
    size_t i;
    scenario_validate(c, shown, own);
    json_array_foreach(own, i, text)
        mistake(mistakes, "scenario %s has configuration errors: %s", name, json_string_value(text));
    json_decref(own);
    return true;
}

static bool report(json_t *mistakes, struct error *err)
{
    json_t *text;
    size_t i;
    if (json_array_size(mistakes) == 0)
        return true;
    struct buf out = {0};
    buf_add_text(&out, "there were problems with the specified script configuration:");
    json_array_foreach(mistakes, i, text)
        buf_printf(&out, "\n\t- %s", json_string_value(text));
    error_set(err, EXIT_INVALID_CONFIG, "%s", out.data);
    buf_free(&out);
    return false;
}

static void check_general(const struct options *o, json_t *mistakes)
{
    static const char *const positive[] = {"setupTimeout", "teardownTimeout", "handleSummaryTimeout"};
    for (int i = 0; i < 3; i++)
        if (option_is_set(o, positive[i]) && option_duration_ns(o, positive[i], 1) <= 0)
            mistake(mistakes, "%s must be positive", positive[i]);
    if (option_is_set(o, "vus") && option_int(o, "vus", 1) < 1)
        mistake(mistakes, "the number of VUs must be more than 0");
    if (option_is_set(o, "duration") && option_duration_ns(o, "duration", 1) <= 0)
        mistake(mistakes, "`duration` should be more than 0");
}

bool options_derive(struct options *o, struct error *err)
{
    if (!check_conflicts(o, err))
        return false;
    json_t *own = shortcut(o), *given_scenarios = own ? json_object() : json_incref(json_object_get(o->values, "scenarios")), *value, *mistakes = json_array();
    const char *name;
    if (own)
        json_object_set_new(given_scenarios, "default", own);
    o->scenarios = arena_alloc(&o->memory, (json_object_size(given_scenarios) + 1) * sizeof(o->scenarios[0]));
    o->derived = json_object();
    bool valid = true;
    check_general(o, mistakes);
    json_object_foreach(given_scenarios, name, value)
        valid = valid && add_scenario(o, arena_strndup(&o->memory, name, strlen(name)), value, mistakes, err);
    json_decref(given_scenarios);
    valid = valid && report(mistakes, err);
    json_decref(mistakes);
    qsort(o->scenarios, o->scenario_count, sizeof(o->scenarios[0]), compare_scenarios);
    return valid;
}

bool options_check_exec(const struct options *o, bool (*has_function)(void *arg, const char *name), void *arg, struct error *err)
{
    for (size_t i = 0; i < o->scenario_count; i++)
        if (!has_function(arg, o->scenarios[i].exec))
            return error_set(err, EXIT_INVALID_CONFIG, "executor %s: function '%s' not found in exports", o->scenarios[i].name, o->scenarios[i].exec);
    return true;
}
