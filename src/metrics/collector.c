/* SPDX-License-Identifier: Apache-2.0 */
/* A series (metric and tag set) has a route: the sinks that its samples feed. It is worked out once, when a
 * shard first hands the series over, so that sub-metrics, groups and scenarios cost the workers nothing. */
#include "metrics/collector.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/text.h"
#include "metrics/builtin.h"
#include "metrics/collector_private.h"
#include "metrics/shard.h"

#define SERIES_WARNING 100000

struct route {
    struct sink **sinks;
    size_t count, cap;
    struct check_node *checks[2]; /* in the whole tree and in the scenario's */
};

struct collector *collector_new(struct registry *registry, struct tag_interner *tags)
{
    struct collector *c = mem_zalloc(sizeof(*c));
    c->registry = registry;
    c->tags = tags;
    c->root = group_node_new("", "");
    c->series_warning = SERIES_WARNING;
    return c;
}

static void free_route(void *value)
{
    struct route *route = value;
    mem_free(route->sinks);
    mem_free(route);
}

static void free_submetric(struct submetric *sub)
{
    for (size_t i = 0; i < sub->tag_count; i++) {
        mem_free((char *)(uintptr_t)sub->tags[i].key);
        mem_free((char *)(uintptr_t)sub->tags[i].value);
    }
    mem_free(sub->tags);
    mem_free(sub->name);
    mem_free(sub->suffix);
    sink_fini(&sub->sink);
    mem_free(sub);
}

void collector_free(struct collector *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->shard_count; i++)
        shard_free(c->shards[i]);
    for (size_t i = 0; i < c->sink_count; i++)
        if (c->sinks[i]) {
            sink_fini(c->sinks[i]);
            mem_free(c->sinks[i]);
        }
    for (size_t i = 0; i < c->submetric_count; i++)
        free_submetric(c->submetrics[i]);
    for (size_t i = 0; i < c->raw_count; i++)
        mem_free(c->raw[i].metadata);
    for (size_t i = 0; i < c->scenario_count; i++)
        group_node_free(c->scenarios[i]);
    mem_free(c->scenarios);
    mem_free(c->raw);
    mem_free(c->submetrics);
    mem_free(c->sinks);
    mem_free(c->shards);
    map_free(&c->routes, free_route);
    group_node_free(c->root);
    mem_free(c);
}

void collector_keep_groups(struct collector *c)
{
    c->keep_groups = true;
}

void collector_keep_raw(struct collector *c, size_t max_samples)
{
    c->max_raw = max_samples;
    for (size_t i = 0; i < c->shard_count; i++)
        shard_keep_raw(c->shards[i], max_samples);
}

struct shard *shard_new(struct collector *c)
{
    struct shard *shard = shard_alloc();
    mem_grow(&c->shards, &c->shard_cap, c->shard_count + 1, sizeof(c->shards[0]));
    c->shards[c->shard_count++] = shard;
    if (c->max_raw)
        shard_keep_raw(shard, c->max_raw);
    return shard;
}

static struct sink *sink_of(struct collector *c, const struct metric *metric)
{
    if (metric->id >= c->sink_count) {
        c->sinks = mem_realloc(c->sinks, (metric->id + 1) * sizeof(c->sinks[0]));
        memset(c->sinks + c->sink_count, 0, (metric->id + 1 - c->sink_count) * sizeof(c->sinks[0]));
        c->sink_count = metric->id + 1;
    }
    if (!c->sinks[metric->id]) {
        c->sinks[metric->id] = mem_zalloc(sizeof(struct sink));
        sink_init(c->sinks[metric->id], metric->type);
    }
    return c->sinks[metric->id];
}

const struct sink *collector_sink(struct collector *c, const struct metric *metric)
{
    return sink_of(c, metric);
}

/* ---- sub-metrics ---- */

static struct text strip(struct text t)
{
    for (;;) {
        struct text trimmed = text_trim(t);
        if (trimmed.len >= 1 && (trimmed.data[0] == '"' || trimmed.data[0] == '\''))
            trimmed = (struct text){trimmed.data + 1, trimmed.len - 1};
        if (trimmed.len >= 1 && (trimmed.data[trimmed.len - 1] == '"' || trimmed.data[trimmed.len - 1] == '\''))
            trimmed.len--;
        if (trimmed.len == t.len)
            return trimmed;
        t = trimmed;
    }
}

static bool read_selector(struct submetric *sub, const char *suffix, struct error *err)
{
    for (struct text left = text_of(suffix), rest; left.data && left.len; left = rest) {
        struct text value, part = text_cut(left, ',', &rest), key = text_cut(part, ':', &value);
        key = strip(key);
        if (!key.len && !value.data)
            continue;
        value = value.data ? strip(value) : value;
        if (!key.len || !value.data || !value.len)
            return error_set(err, EXIT_INVALID_CONFIG, "malformed selector {%s}: each part must be a tag and a value, like {status:200}", suffix);
        sub->tags = mem_realloc(sub->tags, (sub->tag_count + 1) * sizeof(sub->tags[0]));
        sub->tags[sub->tag_count++] = (struct tag){mem_strndup(key.data, key.len), mem_strndup(value.data, value.len)};
    }
    return true;
}

struct submetric *collector_add_submetric(struct collector *c, const struct metric *metric, const char *suffix, bool always_shown, struct error *err)
{
    for (size_t i = 0; i < c->submetric_count; i++) {
        if (c->submetrics[i]->metric == metric && strcmp(c->submetrics[i]->suffix, suffix) == 0) {
            c->submetrics[i]->always_shown |= always_shown;
            return c->submetrics[i];
        }
    }
    struct submetric *sub = mem_zalloc(sizeof(*sub));
    sub->metric = metric;
    sub->suffix = mem_strdup(suffix);
    sub->name = mem_printf("%s{%s}", metric->name, suffix);
    sub->always_shown = always_shown;
    sink_init(&sub->sink, metric->type);
    if (!read_selector(sub, suffix, err)) {
        free_submetric(sub);
        return NULL;
    }
    mem_grow(&c->submetrics, &c->submetric_cap, c->submetric_count + 1, sizeof(c->submetrics[0]));
    c->submetrics[c->submetric_count++] = sub;
    return sub;
}

const struct sink *submetric_sink(const struct submetric *sub)
{
    return &sub->sink;
}

static bool matches(const struct submetric *sub, const struct tagset *tags)
{
    for (size_t i = 0; i < sub->tag_count; i++) {
        const char *value = tagset_get(tags, sub->tags[i].key);
        if (!value || strcmp(value, sub->tags[i].value) != 0)
            return false;
    }
    return true;
}

/* ---- routes ---- */

static void route_add(struct route *route, struct sink *sink)
{
    mem_grow(&route->sinks, &route->cap, route->count + 1, sizeof(route->sinks[0]));
    route->sinks[route->count++] = sink;
}

static struct group_node *scenario_node(struct collector *c, const char *name)
{
    for (size_t i = 0; i < c->scenario_count; i++)
        if (strcmp(c->scenarios[i]->name, name) == 0)
            return c->scenarios[i];
    mem_grow(&c->scenarios, &c->scenario_cap, c->scenario_count + 1, sizeof(c->scenarios[0]));
    struct group_node *node = group_node_new(name, "");
    c->scenarios[c->scenario_count++] = node;
    return node;
}

static void route_groups(struct collector *c, struct route *route, const struct series_key *key)
{
    const char *group = tagset_get(key->tags, "group"), *check = tagset_get(key->tags, "check");
    const char *scenario = tagset_get(key->tags, "scenario");
    bool is_check = key->metric == builtin_metric(BUILTIN_CHECKS) && check;
    bool names_group = group && (is_check || key->metric == builtin_metric(BUILTIN_GROUP_DURATION));
    struct group_node *tree = c->keep_groups && scenario ? scenario_node(c, scenario) : NULL;
    if (names_group) {
        struct group_node *node = group_node_find(c->root, group);
        struct group_node *own = tree ? group_node_find(tree, group) : NULL;
        if (is_check) {
            route->checks[0] = group_node_check(node, check);
            route->checks[1] = own ? group_node_check(own, check) : NULL;
        }
    }
    if (!c->keep_groups)
        return;
    if (group && group[0])
        route_add(route, group_node_sink(group_node_find(c->root, group), key->metric));
    if (tree) {
        route_add(route, group_node_sink(tree, key->metric));
        if (group && group[0])
            route_add(route, group_node_sink(group_node_find(tree, group), key->metric));
    }
}

static struct route *make_route(struct collector *c, const struct series_key *key)
{
    struct route *route = mem_zalloc(sizeof(*route));
    route_add(route, sink_of(c, key->metric));
    for (size_t i = 0; i < c->submetric_count; i++)
        if (c->submetrics[i]->metric == key->metric && matches(c->submetrics[i], key->tags))
            route_add(route, &c->submetrics[i]->sink);
    route_groups(c, route, key);
    return route;
}

static void warn_of_series(struct collector *c)
{
    if (c->routes.count < c->series_warning)
        return;
    log_warning("The test has generated metrics with %zu unique time series, which is higher than the suggested limit of %d and could "
                "cause high memory usage. Consider not using high-cardinality values like unique IDs as metric tags or, if you need "
                "them in the URL, use the name metric tag or URL grouping.", c->routes.count, SERIES_WARNING);
    c->series_warning *= 2;
}

static struct route *route_of(struct collector *c, struct series_key *key)
{
    if (key->route)
        return key->route;
    uint32_t id[2] = {key->metric->id, key->tags->id};
    struct route *route = map_get(&c->routes, (const char *)id, sizeof(id));
    if (!route) {
        route = make_route(c, key);
        map_set(&c->routes, (const char *)id, sizeof(id), route);
        warn_of_series(c);
    }
    key->route = route;
    return route;
}

/* ---- merging ---- */

static void feed_gauge(struct sink *sink, const struct series_delta *d)
{
    if (sink->samples == 0 || d->min < sink->min)
        sink->min = d->min;
    if (sink->samples == 0 || d->max > sink->max)
        sink->max = d->max;
    if (sink->samples == 0 || d->wall_ns >= sink->value_wall_ns) {
        sink->value = d->value;
        sink->value_wall_ns = d->wall_ns;
    }
}

static void feed(struct sink *sink, const struct series_delta *d)
{
    switch (sink->type) {
    case METRIC_COUNTER:
        sink->count += d->sum;
        break;
    case METRIC_GAUGE:
        feed_gauge(sink, d);
        break;
    case METRIC_RATE:
        sink->passes += d->passes;
        sink->total += d->samples;
        break;
    case METRIC_TREND:
        for (uint32_t i = 0; i < d->value_count; i++)
            trend_add(sink->trend, d->values[i]);
        if (d->overflow)
            trend_merge(sink->trend, d->overflow);
        if (d->timed_out_from < sink->timed_out_from)
            sink->timed_out_from = d->timed_out_from;
        break;
    }
    sink->samples += d->samples;
}

static void clear(struct series_delta *d)
{
    double *values = d->values;
    uint32_t cap = d->value_cap;
    trend_free(d->overflow);
    *d = (struct series_delta){.values = values, .value_cap = cap};
}

static void merge_raw(struct collector *c, struct shard_batch *batch)
{
    size_t room = c->raw_count < c->max_raw ? c->max_raw - c->raw_count : 0, take = batch->raw_count < room ? batch->raw_count : room;
    mem_grow(&c->raw, &c->raw_cap, c->raw_count + take, sizeof(c->raw[0]));
    if (take)
        memcpy(c->raw + c->raw_count, batch->raw, take * sizeof(c->raw[0]));
    c->raw_count += take;
    for (size_t i = take; i < batch->raw_count; i++)
        mem_free(batch->raw[i].metadata);
    c->raw_dropped += batch->raw_dropped + (batch->raw_count - take);
    batch->raw_count = 0;
    batch->raw_dropped = 0;
}

static void merge_shard(struct collector *c, struct shard *shard)
{
    struct shard_batch *batch = shard_swap(shard);
    for (size_t i = 0; i < batch->dirty_count; i++) {
        struct series_delta *delta = &batch->deltas[batch->dirty[i]];
        struct route *route = route_of(c, delta->key);
        for (size_t s = 0; s < route->count; s++)
            feed(route->sinks[s], delta);
        for (int k = 0; k < 2; k++) {
            if (route->checks[k]) {
                route->checks[k]->passes += delta->passes;
                route->checks[k]->total += delta->samples;
            }
        }
        clear(delta);
    }
    batch->dirty_count = 0;
    merge_raw(c, batch);
}

void collector_collect(struct collector *c)
{
    for (size_t i = 0; i < c->shard_count; i++)
        merge_shard(c, c->shards[i]);
}

struct raw_sample *collector_take_raw(struct collector *c, size_t *count, uint64_t *dropped)
{
    struct raw_sample *raw = c->raw;
    *count = c->raw_count;
    *dropped = c->raw_dropped;
    c->raw = NULL;
    c->raw_count = c->raw_cap = 0;
    c->raw_dropped = 0;
    return raw;
}
