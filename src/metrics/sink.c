/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/text.h"
#include "metrics/collector.h"

void sink_init(struct sink *sink, enum metric_type type)
{
    *sink = (struct sink){.type = type, .timed_out_from = INFINITY};
    if (type == METRIC_TREND)
        sink->trend = trend_new();
}

void sink_fini(struct sink *sink)
{
    trend_free(sink->trend);
    sink->trend = NULL;
}

bool percentile_parse(const char *text, double *fraction)
{
    size_t len = strlen(text);
    double percent;
    if (len < 4 || strncmp(text, "p(", 2) != 0 || text[len - 1] != ')' ||
        !text_to_double((struct text){text + 2, len - 3}, &percent) || !(percent >= 0 && percent <= 100))
        return false;
    *fraction = percent / 100;
    return true;
}

static bool trend_value(const struct trend *trend, const char *aggregation, double *value)
{
    double fraction;
    if (strcmp(aggregation, "avg") == 0)
        *value = trend_avg(trend);
    else if (strcmp(aggregation, "min") == 0)
        *value = trend_min(trend);
    else if (strcmp(aggregation, "max") == 0)
        *value = trend_max(trend);
    else if (strcmp(aggregation, "med") == 0)
        *value = trend_percentile(trend, 0.5);
    else if (strcmp(aggregation, "count") == 0)
        *value = (double)trend_count(trend);
    else if (percentile_parse(aggregation, &fraction))
        *value = trend_percentile(trend, fraction);
    else
        return false;
    return true;
}

bool sink_value(const struct sink *sink, const char *aggregation, int64_t duration_ns, double *value)
{
    switch (sink->type) {
    case METRIC_COUNTER:
        if (strcmp(aggregation, "count") == 0)
            *value = sink->count;
        else if (strcmp(aggregation, "rate") == 0)
            *value = duration_ns > 0 ? sink->count / ((double)duration_ns / 1e9) : 0;
        else
            return false;
        return true;
    case METRIC_GAUGE:
        *value = sink->value;
        return strcmp(aggregation, "value") == 0;
    case METRIC_RATE:
        *value = sink->total ? (double)sink->passes / (double)sink->total : 0;
        return strcmp(aggregation, "rate") == 0;
    case METRIC_TREND:
        return trend_value(sink->trend, aggregation, value);
    }
    return false;
}
