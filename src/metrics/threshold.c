/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/threshold.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"

enum op { OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_EQUAL, OP_NOT_EQUAL };

struct thresholds {
    struct collector *collector;
    struct registry *registry;
    bool ignore;
    struct threshold_entry *entries;
    size_t count, cap;
};

struct thresholds *thresholds_new(struct collector *collector, struct registry *registry, bool ignore)
{
    struct thresholds *t = mem_zalloc(sizeof(*t));
    t->collector = collector;
    t->registry = registry;
    t->ignore = ignore;
    return t;
}

static void free_threshold(struct threshold *th)
{
    mem_free(th->source);
    mem_free(th->aggregation);
    mem_free(th->delay);
}

void thresholds_free(struct thresholds *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++) {
        for (size_t j = 0; j < t->entries[i].count; j++)
            free_threshold(&t->entries[i].list[j]);
        mem_free(t->entries[i].list);
        mem_free(t->entries[i].selector);
    }
    mem_free(t->entries);
    mem_free(t);
}

/* ---- parsing ---- */

static bool read_op(struct text *t, int *op)
{
    static const struct {
        const char *text;
        enum op op;
    } ops[] = {{"===", OP_EQUAL}, {"==", OP_EQUAL}, {"!=", OP_NOT_EQUAL}, {"<=", OP_LESS_EQUAL}, {">=", OP_GREATER_EQUAL}, {"<", OP_LESS}, {">", OP_GREATER}};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (text_starts(*t, ops[i].text)) {
            size_t len = strlen(ops[i].text);
            *op = (int)ops[i].op;
            *t = (struct text){t->data + len, t->len - len};
            return true;
        }
    }
    return false;
}

static bool known_aggregation(const char *name)
{
    static const char *const names[] = {"count", "rate", "value", "avg", "min", "max", "med"};
    double fraction;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return percentile_parse(name, &fraction);
}

/* aggregation WS? op WS? number */
static bool parse(const char *source, struct threshold *th, struct error *err)
{
    struct text whole = text_trim(text_of(source));
    size_t len = 0;
    while (len < whole.len && !strchr("<>=!", whole.data[len]))
        len++;
    struct text name = text_trim((struct text){whole.data, len}), rest = {whole.data + len, whole.len - len};
    if (!name.len || !read_op(&rest, &th->op))
        return error_set(err, EXIT_INVALID_CONFIG,
                         "failed parsing threshold expression \"%s\": it must be an aggregation, an operator (<, <=, >, >=, ==, ===, !=) and a number, like p(95)<500", source);
    th->aggregation = mem_strndup(name.data, name.len);
    if (!known_aggregation(th->aggregation))
        return error_set(err, EXIT_INVALID_CONFIG,
                         "failed parsing threshold expression \"%s\": \"%s\" is no aggregation; use count, rate, value, avg, min, max, med or p(N) with N from 0 to 100",
                         source, th->aggregation);
    rest = text_trim(rest);
    if (!text_to_double(rest, &th->bound))
        return error_set(err, EXIT_INVALID_CONFIG, "failed parsing threshold expression \"%s\": \"%.*s\" is no number", source, (int)rest.len, rest.data);
    th->source = mem_strdup(source);
    return true;
}

static bool fits_type(const struct metric *metric, const struct threshold *th, struct error *err)
{
    struct sink empty;
    double value;
    sink_init(&empty, metric->type);
    bool fits = sink_value(&empty, th->aggregation, 1, &value) && !(metric->type == METRIC_TREND && strcmp(th->aggregation, "count") == 0);
    sink_fini(&empty);
    static const char *const supported[] = {"count, rate", "value", "rate", "avg, min, max, med, p(N)"};
    if (!fits)
        return error_set(err, EXIT_INVALID_CONFIG, "invalid threshold defined on %s; reason: unsupported aggregation method %s for metric of type %s. supported aggregation methods for this metric are: %s",
                         metric->name, th->aggregation, metric_type_name(metric->type), supported[metric->type]);
    return true;
}

/* ---- adding ---- */

static struct threshold_entry *find(const struct thresholds *t, const char *selector)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->entries[i].selector, selector) == 0)
            return &t->entries[i];
    return NULL;
}

const struct threshold_entry *thresholds_find(const struct thresholds *t, const char *selector)
{
    return find(t, selector);
}

static bool no_metric(const struct thresholds *t, const char *selector, struct text name, struct error *err)
{
    if (t->ignore)
        return true;
    return error_set(err, EXIT_INVALID_CONFIG, "invalid threshold defined on %s; reason: no metric name \"%.*s\" found", selector, (int)name.len, name.data);
}

bool thresholds_add_metric(struct thresholds *t, const char *selector, struct error *err)
{
    if (find(t, selector))
        return true;
    struct text suffix, name = text_cut(text_of(selector), '{', &suffix);
    if (suffix.data && (suffix.len == 0 || suffix.data[suffix.len - 1] != '}'))
        return error_set(err, EXIT_INVALID_CONFIG, "invalid threshold defined on %s; reason: the selector is not closed with }", selector);
    const struct metric *metric = registry_find(t->registry, name.data, name.len);
    if (!metric)
        return no_metric(t, selector, name, err);
    struct submetric *sub = NULL;
    if (suffix.data) {
        char *inside = mem_strndup(suffix.data, suffix.len - 1);
        sub = collector_add_submetric(t->collector, metric, inside, true, err);
        mem_free(inside);
        if (!sub) {
            error_prefix(err, "invalid threshold defined on %s; reason", selector);
            return false;
        }
    }
    mem_grow(&t->entries, &t->cap, t->count + 1, sizeof(t->entries[0]));
    t->entries[t->count++] = (struct threshold_entry){mem_strdup(selector), metric, sub, sub ? submetric_sink(sub) : NULL, NULL, 0};
    return true;
}

bool thresholds_add(struct thresholds *t, const char *selector, const char *source, bool abort_on_fail, const char *delay, struct error *err)
{
    struct threshold_entry *entry = find(t, selector);
    if (t->ignore)
        return true;
    struct threshold th = {.abort_on_fail = abort_on_fail, .ok = true};
    bool valid = entry && parse(source, &th, err) && fits_type(entry->metric, &th, err);
    if (valid && delay) {
        th.delay = mem_strdup(delay);
        if (!text_to_duration_ns(text_of(delay), &th.delay_ns))
            valid = error_set(err, EXIT_INVALID_CONFIG, "invalid threshold defined on %s; reason: delayAbortEval \"%s\" is no duration", selector, delay);
    }
    if (!valid) {
        free_threshold(&th);
        return false;
    }
    entry->list = mem_realloc(entry->list, (entry->count + 1) * sizeof(entry->list[0]));
    entry->list[entry->count++] = th;
    return true;
}

/* ---- evaluating ---- */

static bool holds(const struct threshold *th, double value)
{
    switch ((enum op)th->op) {
    case OP_LESS:
        return value < th->bound;
    case OP_LESS_EQUAL:
        return value <= th->bound;
    case OP_GREATER:
        return value > th->bound;
    case OP_GREATER_EQUAL:
        return value >= th->bound;
    case OP_EQUAL:
        return value == th->bound;
    case OP_NOT_EQUAL:
        return value != th->bound;
    }
    return false;
}

/* False: some threshold of the entry fails. */
static bool evaluate_entry(struct thresholds *t, struct threshold_entry *entry, int64_t elapsed_ns, bool final, bool *abort)
{
    const struct sink *sink = entry->sink ? entry->sink : collector_sink(t->collector, entry->metric);
    bool all = true, empty = sink->samples == 0;
    if (empty && !final)
        return true;
    for (size_t i = 0; i < entry->count; i++) {
        struct threshold *th = &entry->list[i];
        double value = 0;
        sink_value(sink, th->aggregation, elapsed_ns, &value);
        th->ok = (empty && entry->metric->type == METRIC_RATE) || holds(th, value);
        if (th->ok)
            continue;
        all = false;
        if (th->abort_on_fail && elapsed_ns > th->delay_ns)
            *abort = true;
    }
    return all;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void thresholds_evaluate(struct thresholds *t, int64_t elapsed_ns, bool final, struct threshold_verdict *verdict)
{
    const char **failed = mem_array(t->count + 1, sizeof(failed[0]));
    size_t count = 0;
    *verdict = (struct threshold_verdict){0};
    for (size_t i = 0; i < t->count; i++)
        if (!evaluate_entry(t, &t->entries[i], elapsed_ns, final, &verdict->abort))
            failed[count++] = t->entries[i].selector;
    qsort(failed, count, sizeof(failed[0]), compare);
    struct buf names = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", failed[i]);
    if (count)
        verdict->failed = buf_take(&names);
    mem_free(failed);
}

bool thresholds_is_empty(const struct thresholds *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].count)
            return false;
    return true;
}

size_t thresholds_count(const struct thresholds *t)
{
    return t->count;
}

const struct threshold_entry *thresholds_at(const struct thresholds *t, size_t index)
{
    return &t->entries[index];
}
