/* SPDX-License-Identifier: Apache-2.0 */
#include "report/values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "metrics/collector.h"

static double per_second(double value, int64_t duration_ns)
{
    return duration_ns > 0 ? value / ((double)duration_ns / 1e9) : 0;
}

static struct named_value trend_value(const struct summary_metric *m, const char *name)
{
    struct sink sink = {.type = METRIC_TREND, .trend = (struct trend *)(uintptr_t)m->trend};
    struct named_value v = {.name = name};
    sink_value(&sink, name, 0, &v.value);
    v.timed_out = strcmp(name, "count") != 0 && v.value >= m->timed_out_from;
    return v;
}

struct named_value metric_value(const struct summary_metric *m, const char *name, int64_t duration_ns)
{
    struct named_value v = {.name = name};
    switch (m->type) {
    case METRIC_COUNTER:
        v.value = strcmp(name, "rate") == 0 ? per_second(m->count, duration_ns) : m->count;
        break;
    case METRIC_GAUGE:
        v.value = strcmp(name, "min") == 0 ? m->min : strcmp(name, "max") == 0 ? m->max : m->value;
        break;
    case METRIC_RATE:
        v.value = strcmp(name, "passes") == 0 ? (double)m->passes : strcmp(name, "fails") == 0 ? (double)(m->total - m->passes)
                  : m->total ? (double)m->passes / (double)m->total : 0;
        break;
    case METRIC_TREND:
        return trend_value(m, name);
    }
    return v;
}

size_t metric_values(const struct summary_metric *m, const char *const *stats, size_t stat_count, int64_t duration_ns, struct named_value out[MAX_VALUES])
{
    static const char *const counter[] = {"count", "rate"}, *const gauge[] = {"value", "min", "max"}, *const rate[] = {"rate", "passes", "fails"};
    const char *const *names = m->type == METRIC_COUNTER ? counter : m->type == METRIC_GAUGE ? gauge : m->type == METRIC_RATE ? rate : stats;
    size_t count = m->type == METRIC_COUNTER ? 2 : m->type == METRIC_TREND ? stat_count : 3;
    if (count > MAX_VALUES)
        count = MAX_VALUES;
    for (size_t i = 0; i < count; i++)
        out[i] = metric_value(m, names[i], duration_ns);
    return count;
}

bool metric_is_own(const char *name)
{
    return strncmp(name, "generator_lag", 13) == 0 || strncmp(name, "iteration_lag", 13) == 0;
}

bool trend_stats_check(const char *const *stats, size_t count, struct error *err)
{
    static const char *const names[] = {"avg", "min", "med", "max", "count"};
    for (size_t i = 0; i < count; i++) {
        double fraction;
        bool known = percentile_parse(stats[i], &fraction);
        for (size_t n = 0; n < 5; n++)
            known = known || strcmp(stats[i], names[n]) == 0;
        if (!known)
            return error_set(err, EXIT_GENERIC, "invalid trend column '%s': use avg, min, med, max, count or p(N) with N from 0 to 100", stats[i]);
    }
    return true;
}

/* ---- numbers as text ---- */

static void trim_zeros(char *text)
{
    size_t len = strlen(text);
    if (!strchr(text, '.'))
        return;
    while (len && text[len - 1] == '0')
        text[--len] = '\0';
    if (len && text[len - 1] == '.')
        text[len - 1] = '\0';
}

void plain_number(struct buf *out, double value)
{
    char text[400];
    snprintf(text, sizeof(text), "%.6f", value);
    trim_zeros(text);
    buf_add_text(out, strcmp(text, "-0") == 0 ? "0" : text);
}

/* Cut after so many decimals, trailing zeros dropped. A tiny nudge undoes binary noise (0.29 * 100). */
static void cut_number(struct buf *out, double value, int decimals)
{
    char text[400];
    double scale = pow(10, decimals);
    snprintf(text, sizeof(text), "%.*f", decimals, trunc(value * scale + (value < 0 ? -1e-9 : 1e-9)) / scale);
    trim_zeros(text);
    buf_add_text(out, text);
}

void humanize_rate(struct buf *out, double rate)
{
    double cut = trunc(rate * 10000 + 1e-9) / 100;
    buf_printf(out, "%.2f%%", cut);
}

static void add_bytes(struct buf *out, double value)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (value < 10) {
        plain_number(out, value);
        buf_add_text(out, " B");
        return;
    }
    int e = (int)floor(log(value) / log(1000));
    if (e > 6)
        e = 6;
    double scaled = floor(value / pow(1000, e) * 10 + 0.5) / 10;
    buf_printf(out, scaled < 10 ? "%.1f %s" : "%.0f %s", scaled, units[e]);
}

static void add_long_duration(struct buf *out, double ms)
{
    int64_t seconds = (int64_t)trunc(ms / 1000 + 1e-9), minutes = seconds / 60, hours = minutes / 60;
    if (hours)
        buf_printf(out, "%lldh", (long long)hours);
    buf_printf(out, "%lldm%llds", (long long)(minutes % 60), (long long)(seconds % 60));
}

static void add_duration(struct buf *out, double ms)
{
    double size = fabs(ms);
    if (size == 0) {
        buf_add_text(out, "0s");
    } else if (size < 0.001) {
        cut_number(out, ms * 1e6, 0);
        buf_add_text(out, "ns");
    } else if (size < 1) {
        cut_number(out, ms * 1e3, 2);
        buf_add_text(out, "\xc2\xb5s");
    } else if (size < 1000) {
        cut_number(out, ms, 2);
        buf_add_text(out, "ms");
    } else if (size < 60000) {
        cut_number(out, ms / 1000, 2);
        buf_add_text(out, "s");
    } else {
        add_long_duration(out, ms);
    }
}

void humanize(struct buf *out, double value, enum metric_contains contains, const char *unit)
{
    if (contains == METRIC_DATA) {
        add_bytes(out, value);
    } else if (contains == METRIC_TIME && unit[0]) {
        double scale = strcmp(unit, "s") == 0 ? 1e-3 : strcmp(unit, "us") == 0 ? 1e3 : 1;
        buf_printf(out, "%.2f%s", value * scale, strcmp(unit, "us") == 0 ? "\xc2\xb5s" : unit);
    } else if (contains == METRIC_TIME) {
        add_duration(out, value);
    } else {
        plain_number(out, value);
    }
}
