/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/map.h"
#include "core/mem.h"
#include "metrics/builtin.h"

const struct metric builtin_metrics[BUILTIN_COUNT] = {
#define BUILTIN_ROW(id, name, type, contains) {BUILTIN_##id, name, METRIC_##type, METRIC_##contains},
    BUILTIN_METRICS(BUILTIN_ROW)
#undef BUILTIN_ROW
};

struct registry {
    pthread_mutex_t lock;
    struct map by_name;
    const struct metric **metrics;
    size_t count, cap;
};

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "rate", "trend"};
    return names[type];
}

const char *metric_contains_name(enum metric_contains contains)
{
    static const char *const names[] = {"default", "time", "data"};
    return names[contains];
}

static void add(struct registry *r, const struct metric *metric)
{
    mem_grow(&r->metrics, &r->cap, r->count + 1, sizeof(r->metrics[0]));
    r->metrics[r->count++] = metric;
    map_set(&r->by_name, metric->name, strlen(metric->name), (void *)(uintptr_t)metric);
}

struct registry *registry_new(void)
{
    struct registry *r = mem_zalloc(sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    for (int i = 0; i < BUILTIN_COUNT; i++)
        add(r, &builtin_metrics[i]);
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = BUILTIN_COUNT; i < r->count; i++) {
        mem_free((char *)(uintptr_t)r->metrics[i]->name);
        mem_free((struct metric *)(uintptr_t)r->metrics[i]);
    }
    mem_free(r->metrics);
    map_free(&r->by_name, NULL);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    if (len < 2 || len > 129)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

static const struct metric *add_new(struct registry *r, const char *name, enum metric_type type, enum metric_contains contains, struct error *err)
{
    if (!name_is_valid(name)) {
        error_set(err, EXIT_SCRIPT_EXCEPTION,
                  "Invalid metric name: '%s'. Metric names must only include up to 128 ASCII letters, numbers, or underscores and "
                  "start with a letter or an underscore", name);
        return NULL;
    }
    struct metric *metric = mem_alloc(sizeof(*metric));
    *metric = (struct metric){(uint32_t)r->count, mem_strdup(name), type, contains};
    add(r, metric);
    return metric;
}

const struct metric *registry_add(struct registry *r, const char *name, enum metric_type type, enum metric_contains contains, struct error *err)
{
    pthread_mutex_lock(&r->lock);
    const struct metric *metric = map_get(&r->by_name, name, strlen(name));
    if (!metric) {
        metric = add_new(r, name, type, contains, err);
    } else if (metric->type != type) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "metric '%s' already exists but with type %s, instead of %s", name,
                  metric_type_name(metric->type), metric_type_name(type));
        metric = NULL;
    } else if (metric->contains != contains) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "metric '%s' already exists but with a value type %s, instead of %s", name,
                  metric_contains_name(metric->contains), metric_contains_name(contains));
        metric = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return metric;
}

const struct metric *registry_find(struct registry *r, const char *name, size_t len)
{
    pthread_mutex_lock(&r->lock);
    const struct metric *metric = map_get(&r->by_name, name, len);
    pthread_mutex_unlock(&r->lock);
    return metric;
}

size_t registry_count(struct registry *r)
{
    pthread_mutex_lock(&r->lock);
    size_t count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

const struct metric *registry_at(struct registry *r, size_t index)
{
    pthread_mutex_lock(&r->lock);
    const struct metric *metric = index < r->count ? r->metrics[index] : NULL;
    pthread_mutex_unlock(&r->lock);
    return metric;
}
