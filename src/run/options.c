/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of options: parsing into a normal form by one table, merging, reading. */
#include "run/options.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "run/options_private.h"

const struct option_row option_rows[] = {
    {"paused", KIND_BOOL, "K6_PAUSED", "paused", "wait before the start until the test is resumed (needs --address)"},
    {"vus", KIND_INT, "K6_VUS", "vus", "number of virtual users"},
    {"duration", KIND_DURATION, "K6_DURATION", "duration", "how long to run, like 30s or 5m"},
    {"iterations", KIND_INT, "K6_ITERATIONS", "iterations", "number of iterations, shared by all VUs"},
    {"stages", KIND_STAGES, "K6_STAGES", "stage", "add a stage DURATION:TARGET (repeatable)"},
    {"scenarios", KIND_SCENARIOS, NULL, NULL, NULL},
    {"executionSegment", KIND_TEXT, NULL, "execution-segment", "the part of the test that this instance runs, like 1/4:1/2"},
    {"executionSegmentSequence", KIND_TEXT, NULL, "execution-segment-sequence", "all segments of the test, like 0,1/4,1/2,1"},
    {"noSetup", KIND_BOOL, "K6_NO_SETUP", "no-setup", "do not run setup()"},
    {"setupTimeout", KIND_DURATION, "K6_SETUP_TIMEOUT", NULL, NULL},
    {"noTeardown", KIND_BOOL, "K6_NO_TEARDOWN", "no-teardown", "do not run teardown()"},
    {"teardownTimeout", KIND_DURATION, "K6_TEARDOWN_TIMEOUT", NULL, NULL},
    {"handleSummaryTimeout", KIND_DURATION, "K6_HANDLE_SUMMARY_TIMEOUT", NULL, NULL},
    {"rps", KIND_INT, "K6_RPS", "rps", "at most that many requests a second, over all VUs"},
    {"dns", KIND_DNS, "K6_DNS", "dns", "name resolution: ttl=5m,select=random,policy=preferIPv4"},
    {"maxRedirects", KIND_INT, "K6_MAX_REDIRECTS", "max-redirects", "follow at most that many redirects"},
    {"userAgent", KIND_TEXT, "K6_USER_AGENT", "user-agent", "the User-Agent header"},
    {"batch", KIND_INT, "K6_BATCH", "batch", "parallel requests of http.batch()"},
    {"batchPerHost", KIND_INT, "K6_BATCH_PER_HOST", "batch-per-host", "parallel requests of http.batch() to one host"},
    {"httpDebug", KIND_TEXT, "K6_HTTP_DEBUG", "http-debug", "log requests and responses: headers or full"},
    {"insecureSkipTLSVerify", KIND_BOOL, "K6_INSECURE_SKIP_TLS_VERIFY", "insecure-skip-tls-verify", "do not verify TLS certificates"},
    {"tlsCipherSuites", KIND_LIST, "K6_TLS_CIPHER_SUITES", NULL, NULL},
    {"tlsVersion", KIND_TLS_VERSION, NULL, NULL, NULL},
    {"tlsAuth", KIND_TLS_AUTH, "K6_TLSAUTH", NULL, NULL},
    {"throw", KIND_BOOL, "K6_THROW", "throw", "failed requests throw exceptions"},
    {"thresholds", KIND_THRESHOLDS, "K6_THRESHOLDS", NULL, NULL},
    {"blacklistIPs", KIND_LIST, "K6_BLACKLIST_IPS", "blacklist-ip", "refuse to connect to an address range (repeatable)"},
    {"blockHostnames", KIND_LIST, "K6_BLOCK_HOSTNAMES", "block-hostnames", "refuse to connect to a host, *.example.com too (repeatable)"},
    {"hosts", KIND_PAIRS, "K6_HOSTS", NULL, NULL},
    {"noConnectionReuse", KIND_BOOL, "K6_NO_CONNECTION_REUSE", "no-connection-reuse", "a new connection for every request"},
    {"noVUConnectionReuse", KIND_BOOL, "K6_NO_VU_CONNECTION_REUSE", "no-vu-connection-reuse", "new connections in every iteration"},
    {"minIterationDuration", KIND_DURATION, "K6_MIN_ITERATION_DURATION", "min-iteration-duration", "every iteration takes at least that long"},
    {"cloud", KIND_RAW, NULL, NULL, NULL},
    {"ext", KIND_RAW, NULL, NULL, NULL},
    {"summaryTrendStats", KIND_LIST, "K6_SUMMARY_TREND_STATS", "summary-trend-stats", "columns of trends in the summary, like avg,p(99.9)"},
    {"summaryTimeUnit", KIND_TEXT, "K6_SUMMARY_TIME_UNIT", "summary-time-unit", "times in the summary in s, ms or us"},
    {"systemTags", KIND_LIST, "K6_SYSTEM_TAGS", "system-tags", "only these system tags, like status,method"},
    {"tags", KIND_PAIRS, "K6_TAGS", "tag", "add NAME=VALUE to all samples (repeatable)"},
    {"metricSamplesBufferSize", KIND_INT, "K6_METRIC_SAMPLES_BUFFER_SIZE", NULL, NULL},
    {"noCookiesReset", KIND_BOOL, "K6_NO_COOKIES_RESET", NULL, NULL},
    {"discardResponseBodies", KIND_BOOL, "K6_DISCARD_RESPONSE_BODIES", "discard-response-bodies", "read response bodies and forget them"},
    {"consoleOutput", KIND_TEXT, "K6_CONSOLE_OUTPUT", "console-output", "write the script's console to a file", true},
    {"localIPs", KIND_TEXT, "K6_LOCAL_IPS", "local-ips", "source addresses of VUs: a,b-c,d/24", true},
};
const size_t option_row_count = sizeof(option_rows) / sizeof(option_rows[0]);

const struct option_row *option_row_find(const char *name)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (strcmp(option_rows[i].name, name) == 0)
            return &option_rows[i];
    return NULL;
}

void options_init(struct options *o)
{
    *o = (struct options){.values = (struct json_t *)json_object()};
}

void options_fini(struct options *o)
{
    json_decref(o->values);
    json_decref(o->derived);
    arena_free(&o->memory);
    *o = (struct options){0};
}

/* ---- layers ---- */

static void put(struct options *o, const char *name, json_t *value)
{
    if (json_is_null(value))
        json_decref(value);
    else
        json_object_set_new(o->values, name, value);
}

bool options_parse_json(struct options *o, const char *json, const char *source, bool warn_unknown, struct error *err)
{
    json_error_t where;
    json_t *root = json_loads(json, 0, &where), *value;
    const char *name;
    if (!json_is_object(root)) {
        json_decref(root);
        return error_set(err, EXIT_INVALID_CONFIG, "%s: options must be a JSON object%s%s", source, root ? "" : ": ", root ? "" : where.text);
    }
    bool valid = true;
    json_object_foreach(root, name, value) {
        const struct option_row *row = option_row_find(name);
        if (row && row->not_in_json)
            row = NULL;
        if (!row && warn_unknown)
            log_warning("There were unknown fields in the options exported in the script: \"%s\"", name);
        json_t *normal = row && valid ? option_normal(row, value, err) : NULL;
        if (normal)
            put(o, name, normal);
        else if (row && valid) {
            error_prefix(err, "%s: option %s", source, name);
            valid = false;
        }
    }
    json_decref(root);
    return valid;
}

bool options_parse_env(struct options *o, const char *(*get)(const char *name), struct error *err)
{
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        const char *text = row->env ? get(row->env) : NULL;
        if (!text || !text[0])
            continue;
        json_t *normal = option_normal_text(row, text, err);
        if (!normal) {
            error_prefix(err, "environment variable %s", row->env);
            if (err)
                err->code = EXIT_INVALID_CONFIG;
            return false;
        }
        put(o, row->name, normal);
    }
    return true;
}

static const struct option_row *row_of_flag(const char *flag)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].flag && strcmp(option_rows[i].flag, flag) == 0)
            return &option_rows[i];
    return NULL;
}

bool options_has_flag(const char *flag, bool *is_bool)
{
    const struct option_row *row = row_of_flag(flag);
    *is_bool = row && (row->kind == KIND_BOOL || strcmp(row->name, "httpDebug") == 0);
    return row != NULL;
}

void options_each_flag(void (*each)(void *arg, const char *flag, const char *kind, const char *env, const char *help), void *arg)
{
    static const char *const kinds[] = {"", "N", "DURATION", "TEXT", "LIST", "K=V", "D:N", "", "", "LIST", "", "", ""};
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].flag)
            each(arg, option_rows[i].flag, kinds[option_rows[i].kind], option_rows[i].env, option_rows[i].help);
}

static json_t *pair_from_flag(const char *text, struct error *err)
{
    struct text value, name = text_cut(text_of(text), '=', &value);
    if (!value.data || !name.len) {
        error_set(err, EXIT_GENERIC, "\"%s\" must have the form NAME=VALUE", text);
        return NULL;
    }
    json_t *pairs = json_object();
    char *key = mem_strndup(name.data, name.len);
    json_object_set_new(pairs, key, json_stringn(value.data, value.len));
    mem_free(key);
    return pairs;
}

bool options_set_flag(struct options *o, const char *flag, const char *value, struct error *err)
{
    const struct option_row *row = row_of_flag(flag);
    if (strcmp(flag, "http-debug") == 0 && !value)
        value = "headers";
    if (!value)
        value = "true";
    double unitless;
    if (row->kind == KIND_DURATION && text_to_double(text_of(value), &unitless) && strcmp(value, "0") != 0)
        return error_set(err, EXIT_GENERIC, "--%s: missing unit in duration \"%s\": write it like 30s or 5m", flag, value);
    json_t *normal = strcmp(flag, "tag") == 0 ? pair_from_flag(value, err) : option_normal_text(row, value, err);
    if (!normal) {
        error_prefix(err, "invalid value for --%s", flag);
        if (err)
            err->code = strcmp(flag, "vus") && strcmp(flag, "iterations") ? EXIT_GENERIC : EXIT_GENERIC;
        return false;
    }
    json_t *old = json_object_get(o->values, row->name);
    if (old && json_is_array(old) && (row->kind == KIND_STAGES || strcmp(flag, "blacklist-ip") == 0 || strcmp(flag, "block-hostnames") == 0)) {
        json_array_extend(old, normal);
        json_decref(normal);
    } else if (old && json_is_object(old) && row->kind == KIND_PAIRS) {
        json_object_update(old, normal);
        json_decref(normal);
    } else {
        put(o, row->name, normal);
    }
    return true;
}

void options_merge(struct options *base, const struct options *over, const char *layer_name)
{
    static const char *const shapes[] = {"duration", "iterations", "stages", "scenarios"};
    bool shapes_set = false;
    for (int i = 0; i < 4; i++)
        shapes_set |= json_object_get(over->values, shapes[i]) != NULL;
    if (shapes_set && json_object_get(base->values, "scenarios") && json_object_size(json_object_get(base->values, "scenarios")))
        log_warning("\"%s\" level configuration overrode scenarios configuration entirely", layer_name);
    for (int i = 0; i < 4 && shapes_set; i++)
        json_object_del(base->values, shapes[i]);
    json_object_update(base->values, over->values);
}

/* ---- reading ---- */

bool option_is_set(const struct options *o, const char *name)
{
    return json_object_get(o->values, name) != NULL;
}

bool option_bool(const struct options *o, const char *name)
{
    return json_is_true(json_object_get(o->values, name));
}

int64_t option_int(const struct options *o, const char *name, int64_t fallback)
{
    json_t *value = json_object_get(o->values, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

int64_t option_duration_ns(const struct options *o, const char *name, int64_t fallback)
{
    json_t *value = json_object_get(o->values, name);
    int64_t ns;
    return value && duration_read(value, &ns) ? ns : fallback;
}

const char *option_text(const struct options *o, const char *name, const char *fallback)
{
    json_t *value = json_object_get(o->values, name);
    return json_is_string(value) ? json_string_value(value) : fallback;
}

const char *const *option_list(struct options *o, const char *name, size_t *count)
{
    json_t *value = json_object_get(o->values, name);
    *count = json_array_size(value);
    if (!*count)
        return NULL;
    const char **list = arena_alloc(&o->memory, *count * sizeof(*list));
    for (size_t i = 0; i < *count; i++)
        list[i] = json_string_value(json_array_get(value, i));
    return list;
}

struct option_pair *option_pairs(struct options *o, const char *name, size_t *count)
{
    json_t *object = json_object_get(o->values, name), *value;
    const char *key;
    *count = json_object_size(object);
    struct option_pair *pairs = *count ? arena_alloc(&o->memory, *count * sizeof(*pairs)) : NULL;
    size_t i = 0;
    json_object_foreach(object, key, value)
        pairs[i++] = (struct option_pair){key, json_string_value(value)};
    return pairs;
}

static size_t count_thresholds(json_t *object)
{
    const char *key;
    json_t *list;
    size_t count = 0;
    json_object_foreach(object, key, list)
        count += 1 + json_array_size(list);
    return count;
}

struct option_threshold *options_thresholds(struct options *o, size_t *count)
{
    json_t *object = json_object_get(o->values, "thresholds"), *list, *item;
    struct option_threshold *out = arena_alloc(&o->memory, (count_thresholds(object) + 1) * sizeof(*out));
    const char *selector;
    size_t index;
    *count = 0;
    json_object_foreach(object, selector, list) {
        out[(*count)++] = (struct option_threshold){selector, NULL, false, NULL};
        json_array_foreach(list, index, item) {
            if (json_is_string(item))
                out[(*count)++] = (struct option_threshold){selector, json_string_value(item), false, NULL};
            else
                out[(*count)++] = (struct option_threshold){selector, json_string_value(json_object_get(item, "threshold")),
                                                            json_is_true(json_object_get(item, "abortOnFail")),
                                                            json_string_value(json_object_get(item, "delayAbortEval"))};
        }
    }
    return out;
}

/* ---- as JSON ---- */

static bool is_shortcut(const char *name)
{
    return strcmp(name, "vus") == 0 || strcmp(name, "duration") == 0 || strcmp(name, "iterations") == 0 || strcmp(name, "stages") == 0;
}

static json_t *with_defaults(const struct options *o, const char *name)
{
    json_t *value = json_object_get(o->values, name);
    if (strcmp(name, "scenarios") == 0)
        return json_incref(o->derived);
    if (!value && strcmp(name, "summaryTrendStats") == 0)
        return json_pack("[ssssss]", "avg", "min", "med", "max", "p(90)", "p(95)");
    return value ? json_incref(value) : json_null();
}

char *options_test_json(const struct options *o)
{
    json_t *out = json_object();
    for (size_t i = 0; i < option_row_count; i++)
        if (!is_shortcut(option_rows[i].name))
            json_object_set_new(out, option_rows[i].name, with_defaults(o, option_rows[i].name));
    char *text = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    return text;
}

char *options_script_json(const struct options *o)
{
    json_t *out = json_deep_copy(o->values);
    json_object_set(out, "scenarios", o->derived);
    char *text = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    return text;
}

char *options_inspect_json(const struct options *o)
{
    json_t *out = json_object();
    for (size_t i = 0; i < option_row_count; i++) {
        const char *name = option_rows[i].name;
        json_t *value = json_object_get(o->values, name);
        if (is_shortcut(name) || strcmp(name, "scenarios") == 0 ? value != NULL : true)
            json_object_set_new(out, name, value ? json_incref(value) : with_defaults(o, name));
    }
    char *text = json_dumps(out, JSON_INDENT(2));
    json_decref(out);
    return text;
}
