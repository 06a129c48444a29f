/* SPDX-License-Identifier: Apache-2.0 */
/* --out json=FILE: one JSON object a line, k6's format. */
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "metrics/collector_private.h"
#include "output/output.h"

#define FLUSH_PERIOD_NS (200 * NS_PER_MS)

struct json_writer {
    struct out_file *file;
    struct buf line;
    const struct thresholds *thresholds;
    bool *seen; /* by metric id */
    size_t seen_count;
};

static void *json_open(const char *arg, const struct output_params *params, struct error *err)
{
    struct out_file *file = out_file_open(arg, err);
    if (!file)
        return NULL;
    struct json_writer *w = mem_zalloc(sizeof(*w));
    w->file = file;
    w->thresholds = params->thresholds;
    return w;
}

static void quote(struct buf *out, const char *text)
{
    json_quote(out, text, strlen(text));
}

static void add_submetric(struct buf *out, const struct submetric *sub)
{
    buf_add_text(out, "{\"name\":");
    quote(out, sub->name);
    buf_add_text(out, ",\"suffix\":");
    quote(out, sub->suffix);
    buf_add_text(out, ",\"tags\":{");
    for (size_t i = 0; i < sub->tag_count; i++) {
        if (i)
            buf_add_char(out, ',');
        quote(out, sub->tags[i].key);
        buf_add_char(out, ':');
        quote(out, sub->tags[i].value);
    }
    buf_add_text(out, "}}");
}

/* Before a metric's first sample. */
static void add_metric(struct json_writer *w, const struct metric *metric)
{
    struct buf *out = &w->line;
    const struct threshold_entry *own = w->thresholds ? thresholds_find(w->thresholds, metric->name) : NULL;
    size_t subs = 0;
    buf_add_text(out, "{\"type\":\"Metric\",\"data\":{\"name\":");
    quote(out, metric->name);
    buf_printf(out, ",\"type\":\"%s\",\"contains\":\"%s\",\"thresholds\":[", metric_type_name(metric->type), metric_contains_name(metric->contains));
    for (size_t i = 0; own && i < own->count; i++) {
        if (i)
            buf_add_char(out, ',');
        quote(out, own->list[i].source);
    }
    buf_add_text(out, "],\"submetrics\":");
    for (size_t i = 0; w->thresholds && i < thresholds_count(w->thresholds); i++) {
        const struct threshold_entry *entry = thresholds_at(w->thresholds, i);
        if (entry->metric != metric || !entry->submetric)
            continue;
        buf_add_char(out, subs++ ? ',' : '[');
        add_submetric(out, entry->submetric);
    }
    buf_add_text(out, subs ? "]}" : "null}");
    buf_add_text(out, ",\"metric\":");
    quote(out, metric->name);
    buf_add_text(out, "}\n");
}

static bool first_time(struct json_writer *w, const struct metric *metric)
{
    if (metric->id >= w->seen_count) {
        w->seen = mem_realloc(w->seen, metric->id + 1);
        memset(w->seen + w->seen_count, 0, metric->id + 1 - w->seen_count);
        w->seen_count = metric->id + 1;
    }
    bool first = !w->seen[metric->id];
    w->seen[metric->id] = true;
    return first;
}

static void add_metadata(struct buf *out, const char *metadata)
{
    bool first = true;
    buf_add_text(out, ",\"metadata\":{");
    while (*metadata) {
        const char *value = metadata + strlen(metadata) + 1;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        quote(out, metadata);
        buf_add_char(out, ':');
        quote(out, value);
        metadata = value + strlen(value) + 1;
    }
    buf_add_char(out, '}');
}

static void add_point(struct buf *out, const struct raw_sample *s)
{
    buf_add_text(out, "{\"metric\":");
    quote(out, s->metric->name);
    buf_add_text(out, ",\"type\":\"Point\",\"data\":{\"time\":\"");
    clock_format_rfc3339(out, s->wall_ns, 9);
    buf_add_text(out, "\",\"value\":");
    number_format(out, s->value);
    buf_add_text(out, ",\"tags\":{");
    for (uint32_t i = 0; i < s->tags->count; i++) {
        if (i)
            buf_add_char(out, ',');
        quote(out, s->tags->tags[i].key);
        buf_add_char(out, ':');
        quote(out, s->tags->tags[i].value);
    }
    buf_add_char(out, '}');
    if (s->metadata)
        add_metadata(out, s->metadata);
    buf_add_text(out, "}}\n");
}

static void json_write(void *output, const struct raw_sample *samples, size_t count)
{
    struct json_writer *w = output;
    for (size_t i = 0; i < count; i++) {
        buf_clear(&w->line);
        if (first_time(w, samples[i].metric))
            add_metric(w, samples[i].metric);
        add_point(&w->line, &samples[i]);
        out_file_write(w->file, w->line.data, w->line.len);
    }
    out_file_flush_due(w->file, FLUSH_PERIOD_NS);
}

static void json_close(void *output)
{
    struct json_writer *w = output;
    out_file_close(w->file);
    buf_free(&w->line);
    mem_free(w->seen);
    mem_free(w);
}

const struct output_kind json_output = {"json", json_open, json_write, json_close};
