/* SPDX-License-Identifier: Apache-2.0 */
/* The normal form of each kind of option: types as strict as k6's. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "run/options_private.h"

static json_t *refuse(struct error *err, const char *what, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    error_set(err, EXIT_INVALID_CONFIG, "%s is needed, not %s", what, text ? text : "nothing");
    free(text);
    return NULL;
}

json_t *duration_json(int64_t ns)
{
    struct buf text = {0};
    duration_format(&text, ns);
    json_t *json = json_stringn(text.data, text.len);
    buf_free(&text);
    return json;
}

bool duration_read(json_t *value, int64_t *ns)
{
    double ms;
    if (json_is_number(value)) {
        *ns = (int64_t)(json_number_value(value) * 1e6);
        return true;
    }
    if (!json_is_string(value))
        return false;
    struct text text = {json_string_value(value), json_string_length(value)};
    if (text_to_duration_ns(text, ns))
        return true;
    if (!text_to_double(text, &ms))
        return false;
    *ns = (int64_t)(ms * 1e6);
    return true;
}

static bool is_one_of(const char *text, const char *const *allowed)
{
    for (; *allowed; allowed++)
        if (strcmp(text, *allowed) == 0)
            return true;
    return false;
}

static json_t *normal_duration(json_t *value, struct error *err)
{
    int64_t ns;
    return duration_read(value, &ns) ? duration_json(ns) : refuse(err, "a duration like \"30s\" or \"5m\" (or a number of milliseconds)", value);
}

static json_t *normal_int(json_t *value, struct error *err)
{
    int64_t number;
    if (json_is_integer(value))
        return json_incref(value);
    if (json_is_real(value) && json_real_value(value) == (double)(int64_t)json_real_value(value))
        return json_integer((int64_t)json_real_value(value));
    if (json_is_string(value) && text_to_int((struct text){json_string_value(value), json_string_length(value)}, &number))
        return json_integer(number);
    return refuse(err, "a whole number", value);
}

static json_t *normal_list(json_t *value, struct error *err)
{
    json_t *item;
    size_t i;
    if (!json_is_array(value))
        return refuse(err, "a list of texts", value);
    json_array_foreach(value, i, item)
        if (!json_is_string(item))
            return refuse(err, "a text in the list", item);
    return json_incref(value);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Unknown names are dropped in silence, as k6 does; the rest is sorted. */
static json_t *known_tags(json_t *list)
{
    static const char *const known[] = {"proto", "subproto", "status", "method", "url", "name", "group", "check", "error", "error_code",
                                        "tls_version", "scenario", "service", "expected_response", "iter", "vu", "ocsp_status", "ip", NULL};
    size_t count = 0, i;
    json_t *item, *out = json_array();
    const char **names = mem_array(json_array_size(list) + 1, sizeof(names[0]));
    json_array_foreach(list, i, item)
        if (is_one_of(json_string_value(item), known))
            names[count++] = json_string_value(item);
    qsort(names, count, sizeof(names[0]), compare_texts);
    for (i = 0; i < count; i++)
        json_array_append_new(out, json_string(names[i]));
    mem_free(names);
    json_decref(list);
    return out;
}

static json_t *normal_pairs(json_t *value, struct error *err)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value))
        return refuse(err, "an object of names and texts", value);
    json_object_foreach(value, key, item)
        if (!json_is_string(item))
            return refuse(err, "a text as value", item);
    return json_incref(value);
}

static json_t *normal_stages(json_t *value, struct error *err)
{
    json_t *stage, *out = json_array();
    size_t i;
    if (!json_is_array(value)) {
        json_decref(out);
        return refuse(err, "a list of stages {duration, target}", value);
    }
    json_array_foreach(value, i, stage) {
        json_t *duration = json_object_get(stage, "duration"), *target = json_object_get(stage, "target"), *one = json_object();
        json_t *d = duration ? normal_duration(duration, err) : json_null(), *t = target && !json_is_null(target) ? normal_int(target, err) : json_null();
        json_object_set_new(one, "duration", d ? d : json_null());
        json_object_set_new(one, "target", t ? t : json_null());
        json_array_append_new(out, one);
        if (!json_is_object(stage) || !d || !t) {
            json_decref(out);
            return !d || !t ? NULL : refuse(err, "a stage {duration, target}", stage);
        }
    }
    return out;
}

static json_t *normal_threshold(json_t *item, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_is_string(item))
        return json_incref(item);
    if (!json_is_object(item) || !json_is_string(json_object_get(item, "threshold")))
        return refuse(err, "a threshold like \"p(95)<500\" or {threshold, abortOnFail, delayAbortEval}", item);
    json_object_foreach(item, key, value) {
        int64_t ns;
        if (strcmp(key, "abortOnFail") == 0 && !json_is_boolean(value) && !json_is_null(value))
            return refuse(err, "true or false for abortOnFail", value);
        if (strcmp(key, "delayAbortEval") == 0 && !json_is_null(value) && !duration_read(value, &ns))
            return refuse(err, "a duration for delayAbortEval", value);
    }
    json_t *delay = json_object_get(item, "delayAbortEval");
    int64_t ns = 0;
    bool has_delay = delay && !json_is_null(delay) && duration_read(delay, &ns);
    if (!json_is_true(json_object_get(item, "abortOnFail")) && !has_delay)
        return json_incref(json_object_get(item, "threshold"));
    json_t *out = json_object();
    json_object_set(out, "threshold", json_object_get(item, "threshold"));
    json_object_set_new(out, "abortOnFail", json_boolean(json_is_true(json_object_get(item, "abortOnFail"))));
    json_object_set_new(out, "delayAbortEval", has_delay ? duration_json(ns) : json_null());
    return out;
}

static json_t *normal_thresholds(json_t *value, struct error *err)
{
    const char *selector;
    json_t *list, *item, *out = json_object();
    size_t i;
    bool valid = json_is_object(value);
    if (!valid)
        refuse(err, "an object of metrics and lists of thresholds", value);
    json_object_foreach(value, selector, list) {
        json_t *normal = json_array();
        json_object_set_new(out, selector, normal);
        if (valid && !json_is_array(list)) {
            refuse(err, "a list of thresholds", list);
            valid = false;
        }
        json_array_foreach(list, i, item) {
            json_t *one = valid ? normal_threshold(item, err) : NULL;
            valid = valid && one;
            if (one)
                json_array_append_new(normal, one);
        }
    }
    if (valid)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *normal_dns(json_t *value, struct error *err)
{
    static const char *const selects[] = {"first", "random", "roundRobin", NULL};
    static const char *const policies[] = {"preferIPv4", "preferIPv6", "onlyIPv4", "onlyIPv6", "any", NULL};
    json_t *out = json_object(), *item;
    const char *key;
    bool valid = json_is_object(value);
    json_object_foreach(value, key, item) {
        int64_t ns;
        if (json_is_null(item))
            continue;
        const char *text = json_is_string(item) ? json_string_value(item) : "";
        if (strcmp(key, "ttl") == 0)
            valid = valid && (strcmp(text, "inf") == 0 || duration_read(item, &ns));
        else if (strcmp(key, "select") == 0)
            valid = valid && is_one_of(text, selects);
        else if (strcmp(key, "policy") == 0)
            valid = valid && is_one_of(text, policies);
        json_object_set(out, key, item);
    }
    if (valid)
        return out;
    json_decref(out);
    return refuse(err, "dns {ttl: a duration or \"inf\", select: first|random|roundRobin, policy: preferIPv4|preferIPv6|onlyIPv4|onlyIPv6|any}", value);
}

static json_t *normal_tls_version(json_t *value, struct error *err)
{
    static const char *const versions[] = {"tls1.0", "tls1.1", "tls1.2", "tls1.3", "", NULL};
    json_t *min = json_is_string(value) ? value : json_object_get(value, "min"), *max = json_is_string(value) ? value : json_object_get(value, "max");
    json_t *ends[2] = {min, max};
    for (int i = 0; i < 2; i++) {
        if (!ends[i] || json_is_null(ends[i]))
            continue;
        if (!json_is_string(ends[i]))
            return refuse(err, "a TLS version like \"tls1.2\"", ends[i]);
        if (!is_one_of(json_string_value(ends[i]), versions)) {
            error_set(err, EXIT_INVALID_CONFIG, "unknown TLS version '%s'", json_string_value(ends[i]));
            return NULL;
        }
    }
    if (!json_is_string(value) && !json_is_object(value))
        return refuse(err, "a TLS version or {min, max}", value);
    return json_pack("{s:O?,s:O?}", "min", min, "max", max);
}

static json_t *normal_tls_auth(json_t *value, struct error *err)
{
    json_t *item;
    size_t i;
    if (!json_is_array(value))
        return refuse(err, "a list of {cert, key, domains}", value);
    json_array_foreach(value, i, item)
        if (!json_is_string(json_object_get(item, "cert")) || !json_is_string(json_object_get(item, "key")))
            return refuse(err, "an entry with cert and key", item);
    return json_incref(value);
}

static json_t *normal_named_list(const struct option_row *row, json_t *list)
{
    return list && strcmp(row->name, "systemTags") == 0 ? known_tags(list) : list;
}

json_t *option_normal(const struct option_row *row, json_t *value, struct error *err)
{
    if (json_is_null(value))
        return json_null();
    switch (row->kind) {
    case KIND_BOOL:
        return json_is_boolean(value) ? json_incref(value) : refuse(err, "true or false", value);
    case KIND_INT:
        return normal_int(value, err);
    case KIND_DURATION:
        return normal_duration(value, err);
    case KIND_TEXT:
        return json_is_string(value) ? json_incref(value) : refuse(err, "a text", value);
    case KIND_LIST:
        return normal_named_list(row, normal_list(value, err));
    case KIND_PAIRS:
        return normal_pairs(value, err);
    case KIND_STAGES:
        return normal_stages(value, err);
    case KIND_SCENARIOS:
        return json_is_object(value) ? json_incref(value) : refuse(err, "an object of names and scenarios", value);
    case KIND_THRESHOLDS:
        return normal_thresholds(value, err);
    case KIND_DNS:
        return json_is_string(value) ? option_normal_text(row, json_string_value(value), err) : normal_dns(value, err);
    case KIND_TLS_VERSION:
        return normal_tls_version(value, err);
    case KIND_TLS_AUTH:
        return normal_tls_auth(value, err);
    case KIND_RAW:
        return json_incref(value);
    }
    return NULL;
}

/* ---- texts of the environment and of flags ---- */

static json_t *list_from_text(const char *text)
{
    json_t *list = json_array();
    for (struct text left = text_of(text), rest; left.data; left = rest) {
        struct text part = text_trim(text_cut(left, ',', &rest));
        if (part.len)
            json_array_append_new(list, json_stringn(part.data, part.len));
    }
    return list;
}

static json_t *pairs_from_text(const char *text, char inner, struct error *err)
{
    json_t *pairs = json_object();
    for (struct text left = text_of(text), rest; left.data && left.len; left = rest) {
        struct text value, part = text_cut(left, ',', &rest), key = text_cut(part, inner, &value);
        if (!value.data) {
            error_set(err, EXIT_INVALID_CONFIG, "\"%.*s\" must have the form name%cvalue", (int)part.len, part.data, inner);
            json_decref(pairs);
            return NULL;
        }
        char *name = mem_strndup(key.data, key.len);
        json_object_set_new(pairs, name, json_stringn(value.data, value.len));
        mem_free(name);
    }
    return pairs;
}

json_t *stages_from_text(const char *text, struct error *err)
{
    json_t *stages = json_array();
    for (struct text left = text_of(text), rest; left.data && left.len; left = rest) {
        struct text target, part = text_trim(text_cut(left, ',', &rest)), duration = text_cut(part, ':', &target);
        int64_t ns, number = 0;
        bool valid = text_to_duration_ns(duration, &ns) && (!target.data || text_to_int(target, &number));
        if (!valid) {
            error_set(err, EXIT_INVALID_CONFIG, "the stage \"%.*s\" must have the form DURATION:TARGET, like 30s:10", (int)part.len, part.data);
            json_decref(stages);
            return NULL;
        }
        json_array_append_new(stages, json_pack("{s:o,s:o}", "duration", duration_json(ns), "target", target.data ? json_integer(number) : json_null()));
    }
    return stages;
}

json_t *option_normal_text(const struct option_row *row, const char *text, struct error *err)
{
    json_t *value, *normal;
    json_error_t where;
    switch (row->kind) {
    case KIND_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        error_set(err, EXIT_INVALID_CONFIG, "\"%s\" is neither true nor false", text);
        return NULL;
    case KIND_LIST:
        return normal_named_list(row, list_from_text(text));
    case KIND_PAIRS:
        return pairs_from_text(text, ':', err);
    case KIND_STAGES:
        return stages_from_text(text, err);
    case KIND_DNS:
        value = pairs_from_text(text, '=', err);
        normal = value ? normal_dns(value, err) : NULL;
        json_decref(value);
        return normal;
    case KIND_THRESHOLDS:
    case KIND_TLS_AUTH:
        value = json_loads(text, 0, &where);
        if (!value)
            error_set(err, EXIT_INVALID_CONFIG, "JSON is needed: %s", where.text);
        break;
    default:
        value = json_string(text);
    }
    normal = value ? option_normal(row, value, err) : NULL;
    json_decref(value);
    return normal;
}
