/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's totals as a struct summary. Trends are merged into copies, so that the summary lives on
 * its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "metrics/builtin.h"
#include "metrics/collector_private.h"
#include "metrics/summary.h"
#include "metrics/threshold.h"

static void fill_metric(struct summary_metric *to, const char *name, const struct metric *metric, const struct sink *sink)
{
    struct trend *trend = NULL;
    if (metric->type == METRIC_TREND) {
        trend = trend_new();
        if (sink)
            trend_merge(trend, sink->trend);
    }
    *to = (struct summary_metric){.name = mem_strdup(name), .type = metric->type, .contains = metric->contains, .trend = trend, .timed_out_from = INFINITY};
    if (!sink)
        return;
    to->count = sink->count;
    to->value = sink->value;
    to->min = sink->min;
    to->max = sink->max;
    to->passes = sink->passes;
    to->total = sink->total;
    to->timed_out_from = sink->timed_out_from;
}

static void fill_thresholds(struct summary_metric *to, const struct threshold_entry *entry)
{
    if (!entry || !entry->count)
        return;
    struct summary_threshold *list = mem_zalloc(entry->count * sizeof(*list));
    for (size_t i = 0; i < entry->count; i++)
        list[i] = (struct summary_threshold){mem_strdup(entry->list[i].source), entry->list[i].ok, entry->list[i].abort_on_fail,
                                             entry->list[i].delay ? mem_strdup(entry->list[i].delay) : NULL};
    to->thresholds = list;
    to->threshold_count = entry->count;
}

static int compare_metrics(const void *a, const void *b)
{
    return strcmp(((const struct summary_metric *)a)->name, ((const struct summary_metric *)b)->name);
}

static void add_metrics(struct summary *s, struct collector *c, const struct thresholds *thresholds)
{
    size_t cap = 0;
    for (size_t i = 0; i < registry_count(c->registry); i++) {
        const struct metric *metric = registry_at(c->registry, i);
        const struct sink *sink = i < c->sink_count ? c->sinks[i] : NULL;
        const struct threshold_entry *entry = thresholds ? thresholds_find(thresholds, metric->name) : NULL;
        if ((!sink || !sink->samples) && !entry)
            continue;
        mem_grow(&s->metrics, &cap, s->metric_count + 1, sizeof(s->metrics[0]));
        fill_metric(&s->metrics[s->metric_count], metric->name, metric, sink);
        fill_thresholds(&s->metrics[s->metric_count++], entry);
    }
    for (size_t i = 0; i < c->submetric_count; i++) {
        const struct submetric *sub = c->submetrics[i];
        if (!sub->sink.samples && !sub->always_shown)
            continue;
        mem_grow(&s->metrics, &cap, s->metric_count + 1, sizeof(s->metrics[0]));
        struct summary_metric *to = &s->metrics[s->metric_count++];
        fill_metric(to, sub->name, sub->metric, &sub->sink);
        to->parent = mem_strdup(sub->metric->name);
        to->suffix = mem_strdup(sub->suffix);
        fill_thresholds(to, thresholds ? thresholds_find(thresholds, sub->name) : NULL);
    }
    qsort(s->metrics, s->metric_count, sizeof(s->metrics[0]), compare_metrics);
}

static struct summary_group *build_group(struct collector *c, const struct group_node *node)
{
    struct summary_group *g = mem_zalloc(sizeof(*g));
    g->name = mem_strdup(node->name);
    g->path = mem_strdup(node->path);
    g->id = mem_strdup(node->id);
    g->groups = mem_zalloc((node->group_count + 1) * sizeof(g->groups[0]));
    for (size_t i = 0; i < node->group_count; i++)
        g->groups[g->group_count++] = build_group(c, node->groups[i]);
    g->checks = mem_zalloc((node->check_count + 1) * sizeof(g->checks[0]));
    for (size_t i = 0; i < node->check_count; i++) {
        const struct check_node *check = node->checks[i];
        g->checks[g->check_count++] = (struct summary_check){mem_strdup(check->name), mem_strdup(check->path), mem_strdup(check->id),
                                                             check->passes, check->total - check->passes};
    }
    size_t cap = 0;
    for (size_t i = 0; i < node->sink_count; i++) {
        if (!node->sinks[i] || !node->sinks[i]->samples)
            continue;
        const struct metric *metric = registry_at(c->registry, i);
        mem_grow(&g->metrics, &cap, g->metric_count + 1, sizeof(g->metrics[0]));
        fill_metric(&g->metrics[g->metric_count++], metric->name, metric, node->sinks[i]);
    }
    if (g->metric_count)
        qsort(g->metrics, g->metric_count, sizeof(g->metrics[0]), compare_metrics);
    return g;
}

struct summary *collector_summary(struct collector *c, const struct thresholds *thresholds, int64_t duration_ns)
{
    struct summary *s = mem_zalloc(sizeof(*s));
    s->duration_ns = duration_ns;
    add_metrics(s, c, thresholds);
    s->root = build_group(c, c->root);
    s->scenarios = mem_zalloc((c->scenario_count + 1) * sizeof(s->scenarios[0]));
    for (size_t i = 0; i < c->scenario_count; i++)
        s->scenarios[s->scenario_count++] = build_group(c, c->scenarios[i]);
    return s;
}

static void free_text(const char *text)
{
    mem_free((char *)(uintptr_t)text);
}

static void free_metrics(struct summary_metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct summary_metric *m = &metrics[i];
        for (size_t t = 0; t < m->threshold_count; t++) {
            free_text(m->thresholds[t].source);
            free_text(m->thresholds[t].delay_abort_eval);
        }
        mem_free((struct summary_threshold *)(uintptr_t)m->thresholds);
        trend_free((struct trend *)(uintptr_t)m->trend);
        free_text(m->name);
        free_text(m->parent);
        free_text(m->suffix);
    }
    mem_free(metrics);
}

static void free_group(struct summary_group *g)
{
    for (size_t i = 0; i < g->group_count; i++)
        free_group(g->groups[i]);
    for (size_t i = 0; i < g->check_count; i++) {
        free_text(g->checks[i].name);
        free_text(g->checks[i].path);
        free_text(g->checks[i].id);
    }
    free_metrics(g->metrics, g->metric_count);
    mem_free(g->groups);
    mem_free(g->checks);
    free_text(g->name);
    free_text(g->path);
    free_text(g->id);
    mem_free(g);
}

void summary_free(struct summary *s)
{
    if (!s)
        return;
    free_metrics(s->metrics, s->metric_count);
    free_group(s->root);
    for (size_t i = 0; i < s->scenario_count; i++)
        free_group(s->scenarios[i]);
    mem_free(s->scenarios);
    mem_free(s);
}
