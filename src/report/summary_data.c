/* SPDX-License-Identifier: Apache-2.0 */
#include "report/summary_data.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"

/* Written by hand rather than with jansson: numbers must come out as JavaScript prints them. */

static void quote(struct buf *out, const char *text)
{
    json_quote(out, text, strlen(text));
}

static void add_key(struct buf *out, const char *key, bool *first)
{
    if (!*first)
        buf_add_char(out, ',');
    *first = false;
    quote(out, key);
    buf_add_char(out, ':');
}

static void add_values(struct buf *out, const struct summary *s, const struct summary_metric *m, const struct summary_data_options *o)
{
    struct named_value values[MAX_VALUES];
    size_t count = metric_values(m, o->stats, o->stat_count, s->duration_ns, values);
    bool first = true;
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        add_key(out, values[i].name, &first);
        number_format(out, values[i].value);
    }
    buf_add_char(out, '}');
}

static void add_metric(struct buf *out, const struct summary *s, const struct summary_metric *m, const struct summary_data_options *o)
{
    buf_printf(out, "{\"type\":\"%s\",\"contains\":\"%s\",\"values\":", metric_type_name(m->type), metric_contains_name(m->contains));
    add_values(out, s, m, o);
    if (m->threshold_count) {
        bool first = true;
        buf_add_text(out, ",\"thresholds\":{");
        for (size_t i = 0; i < m->threshold_count; i++) {
            add_key(out, m->thresholds[i].source, &first);
            buf_printf(out, "{\"ok\":%s}", m->thresholds[i].ok ? "true" : "false");
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

static void add_check(struct buf *out, const struct summary_check *c)
{
    buf_add_text(out, "{\"name\":");
    quote(out, c->name);
    buf_add_text(out, ",\"path\":");
    quote(out, c->path);
    buf_printf(out, ",\"id\":\"%s\",\"passes\":%llu,\"fails\":%llu}", c->id, (unsigned long long)c->passes, (unsigned long long)c->fails);
}

static void add_group(struct buf *out, const struct summary_group *g)
{
    buf_add_text(out, "{\"name\":");
    quote(out, g->name);
    buf_add_text(out, ",\"path\":");
    quote(out, g->path);
    buf_printf(out, ",\"id\":\"%s\",\"groups\":[", g->id);
    for (size_t i = 0; i < g->group_count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_group(out, g->groups[i]);
    }
    buf_add_text(out, "],\"checks\":[");
    for (size_t i = 0; i < g->check_count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_check(out, &g->checks[i]);
    }
    buf_add_text(out, "]}");
}

char *summary_data_json(const struct summary *s, const struct summary_data_options *o)
{
    struct buf out = {0};
    bool first = true;
    buf_add_text(&out, "{\"root_group\":");
    add_group(&out, s->root);
    buf_add_text(&out, ",\"options\":{\"summaryTrendStats\":[");
    for (size_t i = 0; i < o->stat_count; i++) {
        if (i)
            buf_add_char(&out, ',');
        quote(&out, o->stats[i]);
    }
    buf_add_text(&out, "],\"summaryTimeUnit\":");
    quote(&out, o->time_unit);
    buf_printf(&out, ",\"noColor\":%s},\"state\":{\"isStdOutTTY\":%s,\"isStdErrTTY\":%s,\"testRunDurationMs\":", o->no_color ? "true" : "false",
               o->is_stdout_tty ? "true" : "false", o->is_stderr_tty ? "true" : "false");
    number_format(&out, (double)s->duration_ns / 1e6);
    buf_add_text(&out, "},\"metrics\":{");
    for (size_t i = 0; i < s->metric_count; i++) {
        if (metric_is_own(s->metrics[i].name) && !o->own_metrics)
            continue;
        add_key(&out, s->metrics[i].name, &first);
        add_metric(&out, s, &s->metrics[i], o);
    }
    buf_add_char(&out, '}');
    if (o->setup_data)
        buf_printf(&out, ",\"setup_data\":%s", o->setup_data);
    buf_add_char(&out, '}');
    return buf_take(&out);
}

/* ---- the legacy export ---- */

static json_t *number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void new_line(struct buf *out, int spaces)
{
    buf_printf(out, "\n%*s", spaces, "");
}

/* jansson prints 0.1 as 0.10000000000000001: its tree, but our numbers. step: spaces a level. */
static void dump(struct buf *out, json_t *node, int step, int spaces)
{
    const char *key;
    json_t *child;
    size_t index;
    bool first = true, is_object = json_is_object(node);
    if (json_is_number(node)) {
        number_format(out, json_number_value(node));
    } else if (json_is_string(node)) {
        json_quote(out, json_string_value(node), json_string_length(node));
    } else if (!is_object && !json_is_array(node)) {
        buf_add_text(out, json_is_null(node) ? "null" : json_is_true(node) ? "true" : "false");
    } else if (is_object ? !json_object_size(node) : !json_array_size(node)) {
        buf_add_text(out, is_object ? "{}" : "[]");
    } else if (is_object) {
        buf_add_char(out, '{');
        json_object_foreach(node, key, child) {
            if (!first)
                buf_add_char(out, ',');
            first = false;
            new_line(out, spaces + step);
            quote(out, key);
            buf_add_text(out, ": ");
            dump(out, child, step, spaces + step);
        }
        new_line(out, spaces);
        buf_add_char(out, '}');
    } else {
        buf_add_char(out, '[');
        json_array_foreach(node, index, child) {
            buf_add_text(out, index ? "," : "");
            new_line(out, spaces + step);
            dump(out, child, step, spaces + step);
        }
        new_line(out, spaces);
        buf_add_char(out, ']');
    }
}

/* Heap text of the tree, which is released. sort: keys in byte order, as Go prints a map. */
static char *take_text(json_t *root, int step, bool sort)
{
    struct buf out = {0};
    if (sort) {
        char *text = json_dumps(root, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
        json_decref(root);
        root = json_loads(text, 0, NULL);
        free(text);
    }
    dump(&out, root, step, 0);
    json_decref(root);
    return buf_take(&out);
}

static json_t *export_metric(const struct summary *s, const struct summary_metric *m, const struct summary_data_options *o)
{
    struct named_value values[MAX_VALUES];
    size_t count = metric_values(m, o->stats, o->stat_count, s->duration_ns, values);
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(out, m->type == METRIC_RATE && strcmp(values[i].name, "rate") == 0 ? "value" : values[i].name, number_json(values[i].value));
    if (m->threshold_count) {
        json_t *thresholds = json_object();
        for (size_t i = 0; i < m->threshold_count; i++)
            json_object_set_new(thresholds, m->thresholds[i].source, json_boolean(!m->thresholds[i].ok));
        json_object_set_new(out, "thresholds", thresholds);
    }
    return out;
}

static json_t *export_group(const struct summary_group *g)
{
    json_t *groups = json_object(), *checks = json_object();
    for (size_t i = 0; i < g->group_count; i++)
        json_object_set_new(groups, g->groups[i]->name, export_group(g->groups[i]));
    for (size_t i = 0; i < g->check_count; i++) {
        const struct summary_check *c = &g->checks[i];
        json_object_set_new(checks, c->name, json_pack("{s:s,s:s,s:s,s:I,s:I}", "name", c->name, "path", c->path, "id", c->id, "passes",
                                                       (json_int_t)c->passes, "fails", (json_int_t)c->fails));
    }
    return json_pack("{s:s,s:s,s:s,s:o,s:o}", "name", g->name, "path", g->path, "id", g->id, "groups", groups, "checks", checks);
}

char *summary_export_json(const struct summary *s, const struct summary_data_options *o)
{
    json_t *metrics = json_object();
    for (size_t i = 0; i < s->metric_count; i++)
        if (o->own_metrics || !metric_is_own(s->metrics[i].name))
            json_object_set_new(metrics, s->metrics[i].name, export_metric(s, &s->metrics[i], o));
    json_t *root = json_pack("{s:o,s:o}", "root_group", export_group(s->root), "metrics", metrics);
    if (o->setup_data)
        json_object_set_new(root, "setup_data", json_loads(o->setup_data, JSON_DECODE_ANY, NULL));
    return take_text(root, 4, true);
}

/* ---- the machine-readable form ---- */

static json_t *machine_values(const struct summary *s, const struct summary_metric *m)
{
    switch (m->type) {
    case METRIC_COUNTER:
        return json_pack("{s:o}", "count", number_json(m->count));
    case METRIC_GAUGE:
        return json_pack("{s:o,s:o,s:o}", "value", number_json(m->value), "min", number_json(m->min), "max", number_json(m->max));
    case METRIC_RATE:
        return json_pack("{s:I,s:I,s:o}", "matches", (json_int_t)m->passes, "total", (json_int_t)m->total, "rate",
                         number_json(m->total ? (double)m->passes / (double)m->total : 0));
    case METRIC_TREND:
        return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "avg", number_json(metric_value(m, "avg", 0).value), "max", number_json(metric_value(m, "max", 0).value),
                         "med", number_json(metric_value(m, "med", 0).value), "min", number_json(metric_value(m, "min", 0).value), "p90",
                         number_json(metric_value(m, "p(90)", 0).value), "p95", number_json(metric_value(m, "p(95)", 0).value));
    }
    return NULL;
}

static void machine_checks(const struct summary_group *g, json_t *out, uint64_t *passes, uint64_t *fails)
{
    for (size_t i = 0; i < g->check_count; i++) {
        const struct summary_check *c = &g->checks[i];
        json_array_append_new(out, json_pack("{s:s,s:I,s:I}", "name", c->name, "passes", (json_int_t)c->passes, "fails", (json_int_t)c->fails));
        *passes += c->passes;
        *fails += c->fails;
    }
    for (size_t i = 0; i < g->group_count; i++)
        machine_checks(g->groups[i], out, passes, fails);
}

char *summary_machine_json(const struct summary *s, const struct summary_data_options *o)
{
    json_t *metrics = json_array(), *checks = json_array();
    uint64_t passes = 0, fails = 0;
    for (size_t i = 0; i < s->metric_count; i++) {
        const struct summary_metric *m = &s->metrics[i];
        if (metric_is_own(m->name) && !o->own_metrics)
            continue;
        json_array_append_new(metrics, json_pack("{s:s,s:s,s:s,s:o}", "name", m->name, "type", metric_type_name(m->type), "contains",
                                                 metric_contains_name(m->contains), "values", machine_values(s, m)));
    }
    machine_checks(s->root, checks, &passes, &fails);
    json_int_t total = (json_int_t)(passes + fails);
    json_t *totals = json_pack("[{s:s,s:I},{s:s,s:I},{s:s,s:I}]", "name", "checks_total", "total", total, "name", "checks_succeeded", "total", (json_int_t)passes,
                               "name", "checks_failed", "total", (json_int_t)fails);
    struct buf now = {0};
    clock_format_rfc3339(&now, clock_wall_ns(), 9);
    json_t *root = json_pack("{s:s,s:{s:s,s:f,s:s},s:{s:s,s:s},s:{s:{s:o,s:o},s:o}}", "version", "1.0.0", "config", "script", o->script ? o->script : "", "duration",
                             (double)s->duration_ns / 1e9, "execution", "local", "metadata", "generated_at", now.data, "k6_version", "2.2.0", "results", "checks",
                             "metrics", totals, "results", checks, "metrics", metrics);
    buf_free(&now);
    return take_text(root, 2, false);
}
