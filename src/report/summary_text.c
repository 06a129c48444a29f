/* SPDX-License-Identifier: Apache-2.0 */
/* Sections in k6's order. Columns are aligned within a section (the totals, a group, a scenario) through all
 * its categories: names with dots, then every value padded to its column's width. The block of checks is
 * aligned on its own. */
#include "report/summary_text.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

enum category { CATEGORY_NONE, CATEGORY_CUSTOM, CATEGORY_HTTP, CATEGORY_EXECUTION, CATEGORY_NETWORK, CATEGORY_BROWSER, CATEGORY_WEB_VITALS, CATEGORY_GRPC, CATEGORY_WEBSOCKET, CATEGORY_COUNT };

static const char *const category_names[] = {"", "CUSTOM", "HTTP", "EXECUTION", "NETWORK", "BROWSER", "WEB_VITALS", "GRPC", "WEBSOCKET"};

struct writer {
    struct buf *out;
    const struct summary_text_options *o;
    int64_t duration_ns;
};

static const char *paint(const struct writer *w, const char *code)
{
    return w->o->color ? code : "";
}

#define GREEN(w) paint(w, "\x1b[32m")
#define RED(w) paint(w, "\x1b[31m")
#define CYAN(w) paint(w, "\x1b[36m")
#define FAINT(w) paint(w, "\x1b[2m")
#define BOLD(w) paint(w, "\x1b[1m")
#define RESET(w) paint(w, "\x1b[0m")

/* Columns on the terminal: UTF-8 continuation bytes take none. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void pad(struct buf *out, size_t have, size_t want)
{
    for (; have < want; have++)
        buf_add_char(out, ' ');
}

static bool has_prefix(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool any_prefix(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++)
        if (has_prefix(name, *prefixes))
            return true;
    return false;
}

static enum category category_of(const struct writer *w, const char *name)
{
    static const char *const details[] = {"http_req_blocked", "http_req_connecting", "http_req_receiving", "http_req_sending", "http_req_tls_handshaking", "http_req_waiting", NULL};
    static const char *const skipped[] = {"checks", "group_duration", NULL};
    static const char *const http[] = {"http_reqs", "http_req_failed", "http_req_duration", NULL};
    static const char *const execution[] = {"vus", "iterations", "iteration_duration", "dropped_iterations", NULL};
    static const char *const network[] = {"data_sent", "data_received", NULL};
    if (any_prefix(name, skipped))
        return CATEGORY_NONE;
    if (any_prefix(name, details))
        return w->o->full ? CATEGORY_HTTP : CATEGORY_NONE;
    if (metric_is_own(name))
        return w->o->full ? CATEGORY_EXECUTION : CATEGORY_NONE;
    if (any_prefix(name, http))
        return CATEGORY_HTTP;
    if (any_prefix(name, execution))
        return CATEGORY_EXECUTION;
    if (any_prefix(name, network))
        return CATEGORY_NETWORK;
    if (has_prefix(name, "browser_web_vital_"))
        return CATEGORY_WEB_VITALS;
    if (has_prefix(name, "browser_"))
        return CATEGORY_BROWSER;
    if (has_prefix(name, "grpc_"))
        return CATEGORY_GRPC;
    return has_prefix(name, "ws_") ? CATEGORY_WEBSOCKET : CATEGORY_CUSTOM;
}

/* ---- order ---- */

/* Parents by name, each followed by its own parts: in byte order "hits_b" would come between "hits" and
 * "hits{tag:x}". */
static int compare_order(const void *a, const void *b)
{
    const struct summary_metric *x = *(const struct summary_metric *const *)a, *y = *(const struct summary_metric *const *)b;
    int families = strcmp(x->parent ? x->parent : x->name, y->parent ? y->parent : y->name);
    return families ? families : strcmp(x->name, y->name);
}

static const struct summary_metric **in_order(const struct summary_metric *metrics, size_t count)
{
    const struct summary_metric **ordered = mem_alloc((count + 1) * sizeof(*ordered));
    for (size_t i = 0; i < count; i++)
        ordered[i] = &metrics[i];
    qsort(ordered, count, sizeof(*ordered), compare_order);
    return ordered;
}

/* ---- thresholds ---- */

static void threshold_value(struct writer *w, const struct summary_metric *m, const char *source)
{
    size_t len = strcspn(source, "=<>!");
    struct text name = text_trim((struct text){source, len});
    char *aggregation = mem_strndup(name.data, name.len);
    struct named_value v = metric_value(m, aggregation, w->duration_ns);
    buf_printf(w->out, "%s%s=", CYAN(w), aggregation);
    if (m->type == METRIC_RATE)
        humanize_rate(w->out, v.value);
    else if (m->type == METRIC_COUNTER && strcmp(aggregation, "rate") == 0) {
        humanize(w->out, v.value, m->contains, w->o->time_unit);
        buf_add_text(w->out, "/s");
    } else if (v.timed_out && w->o->full)
        buf_add_text(w->out, "timeout");
    else
        humanize(w->out, v.value, m->contains, w->o->time_unit);
    buf_add_text(w->out, RESET(w));
    mem_free(aggregation);
}

static bool parent_has_thresholds(const struct summary *s, const char *parent)
{
    for (size_t i = 0; i < s->metric_count; i++)
        if (!s->metrics[i].parent && s->metrics[i].threshold_count && strcmp(s->metrics[i].name, parent) == 0)
            return true;
    return false;
}

static void write_thresholds(struct writer *w, const struct summary *s)
{
    bool first = true;
    const struct summary_metric **ordered = in_order(s->metrics, s->metric_count);
    for (size_t i = 0; i < s->metric_count; i++) {
        const struct summary_metric *m = ordered[i];
        if (!m->threshold_count)
            continue;
        if (first)
            buf_printf(w->out, "  %s\xe2\x96\x88 THRESHOLDS%s \n\n", BOLD(w), RESET(w));
        bool nested = m->parent && parent_has_thresholds(s, m->parent);
        const char *indent = nested ? "      " : "    ";
        if (!first)
            buf_add_char(w->out, '\n');
        first = false;
        if (nested)
            buf_printf(w->out, "%s{%s}\n", indent, m->suffix);
        else
            buf_printf(w->out, "%s%s\n", indent, m->name);
        for (size_t t = 0; t < m->threshold_count; t++) {
            const struct summary_threshold *th = &m->thresholds[t];
            buf_printf(w->out, "%s%s%s%s '%s' ", indent, th->ok ? GREEN(w) : RED(w), th->ok ? "\xe2\x9c\x93" : "\xe2\x9c\x97", RESET(w), th->source);
            threshold_value(w, m, th->source);
            buf_add_char(w->out, '\n');
        }
    }
    mem_free(ordered);
    if (!first)
        buf_add_text(w->out, "\n\n");
}

/* ---- metrics ---- */

struct row {
    const struct summary_metric *metric;
    char *label;
    char *cells[MAX_VALUES]; /* trend: one a column; others: value, then extras */
    size_t cell_count;
};

struct section {
    struct row *rows;
    size_t count, cap, label_width;
    size_t trend_widths[MAX_VALUES], other_widths[MAX_VALUES];
};

static char *cell(struct writer *w, const struct summary_metric *m, const struct named_value *v, const char *prefix)
{
    struct buf text = {0};
    buf_add_text(&text, prefix);
    if (v->timed_out && w->o->full)
        buf_add_text(&text, "timeout");
    else if (strcmp(v->name, "count") == 0 && m->type == METRIC_TREND)
        plain_number(&text, v->value);
    else
        humanize(&text, v->value, m->contains, w->o->time_unit);
    return buf_take(&text);
}

static void fill_trend(struct writer *w, struct row *row)
{
    struct named_value values[MAX_VALUES];
    row->cell_count = metric_values(row->metric, w->o->stats, w->o->stat_count, w->duration_ns, values);
    for (size_t i = 0; i < row->cell_count; i++) {
        char *prefix = mem_printf("%s=", values[i].name);
        row->cells[i] = cell(w, row->metric, &values[i], prefix);
        mem_free(prefix);
    }
}

static void fill_row(struct writer *w, struct row *row)
{
    const struct summary_metric *m = row->metric;
    struct buf text = {0};
    struct named_value v = metric_value(m, m->type == METRIC_RATE ? "rate" : m->type == METRIC_GAUGE ? "value" : "count", w->duration_ns);
    switch (m->type) {
    case METRIC_TREND:
        fill_trend(w, row);
        return;
    case METRIC_COUNTER: {
        struct named_value rate = metric_value(m, "rate", w->duration_ns);
        row->cells[0] = cell(w, m, &v, "");
        humanize(&text, rate.value, m->contains, w->o->time_unit);
        buf_add_text(&text, "/s");
        row->cells[1] = buf_take(&text);
        row->cell_count = 2;
        return;
    }
    case METRIC_GAUGE: {
        struct named_value min = metric_value(m, "min", 0), max = metric_value(m, "max", 0);
        row->cells[0] = cell(w, m, &v, "");
        row->cells[1] = cell(w, m, &min, "min=");
        row->cells[2] = cell(w, m, &max, "max=");
        row->cell_count = 3;
        return;
    }
    case METRIC_RATE:
        humanize_rate(&text, v.value);
        row->cells[0] = buf_take(&text);
        row->cells[1] = mem_printf("%llu out of %llu", (unsigned long long)m->passes, (unsigned long long)m->total);
        row->cell_count = 2;
        return;
    }
}

static char *label_of(const struct summary_metric *m)
{
    return m->parent ? mem_printf("  { %s }", m->suffix) : mem_strdup(m->name);
}

static void add_row(struct writer *w, struct section *s, const struct summary_metric *m)
{
    mem_grow(&s->rows, &s->cap, s->count + 1, sizeof(s->rows[0]));
    struct row *row = &s->rows[s->count++];
    *row = (struct row){.metric = m, .label = label_of(m)};
    fill_row(w, row);
    if (width_of(row->label) > s->label_width)
        s->label_width = width_of(row->label);
    size_t *widths = m->type == METRIC_TREND ? s->trend_widths : s->other_widths;
    for (size_t i = 0; i < row->cell_count; i++)
        if (width_of(row->cells[i]) > widths[i])
            widths[i] = width_of(row->cells[i]);
}

static void write_row(struct writer *w, const struct section *s, const struct row *row, const char *indent)
{
    bool is_trend = row->metric->type == METRIC_TREND;
    buf_printf(w->out, "%s%s%s", indent, row->label, FAINT(w));
    for (size_t i = width_of(row->label); i < s->label_width + 3; i++)
        buf_add_char(w->out, '.');
    buf_printf(w->out, "%s: ", RESET(w));
    for (size_t i = 0; i < row->cell_count; i++) {
        buf_printf(w->out, "%s%s%s%s", i ? " " : "", i && !is_trend ? paint(w, "\x1b[2;36m") : CYAN(w), row->cells[i], RESET(w));
        bool padded = is_trend || i == 0 || row->metric->type == METRIC_GAUGE;
        if (padded)
            pad(w->out, width_of(row->cells[i]), is_trend ? s->trend_widths[i] : s->other_widths[i]);
    }
    buf_add_char(w->out, '\n');
}

static void free_section(struct section *s)
{
    for (size_t i = 0; i < s->count; i++) {
        mem_free(s->rows[i].label);
        for (size_t c = 0; c < s->rows[i].cell_count; c++)
            mem_free(s->rows[i].cells[c]);
    }
    mem_free(s->rows);
}

/* ---- checks ---- */

struct check_totals {
    uint64_t passes, fails;
};

static void count_checks(const struct summary_group *g, struct check_totals *totals, bool recurse)
{
    for (size_t i = 0; i < g->check_count; i++) {
        totals->passes += g->checks[i].passes;
        totals->fails += g->checks[i].fails;
    }
    for (size_t i = 0; recurse && i < g->group_count; i++)
        count_checks(g->groups[i], totals, true);
}

static void write_check_rows(struct writer *w, const struct summary_group *g, const char *indent, bool recurse)
{
    for (size_t i = 0; i < g->check_count; i++) {
        const struct summary_check *c = &g->checks[i];
        if (!c->fails) {
            buf_printf(w->out, "%s%s\xe2\x9c\x93 %s%s\n", indent, GREEN(w), c->name, RESET(w));
            continue;
        }
        buf_printf(w->out, "%s%s\xe2\x9c\x97 %s\n%s  \xe2\x86\xb3  %llu%% \xe2\x80\x94 \xe2\x9c\x93 %llu / \xe2\x9c\x97 %llu%s\n", indent, RED(w), c->name, indent,
                   (unsigned long long)(100 * c->passes / (c->passes + c->fails)), (unsigned long long)c->passes, (unsigned long long)c->fails, RESET(w));
    }
    for (size_t i = 0; recurse && i < g->group_count; i++)
        write_check_rows(w, g->groups[i], indent, true);
}

static void write_checks(struct writer *w, const struct summary_group *g, const char *indent, bool recurse)
{
    struct check_totals t = {0};
    count_checks(g, &t, recurse);
    uint64_t total = t.passes + t.fails;
    if (!total)
        return;
    struct summary_metric all = {.name = "checks_total", .type = METRIC_COUNTER, .count = (double)total};
    struct summary_metric passed = {.name = "checks_succeeded", .type = METRIC_RATE, .passes = t.passes, .total = total};
    struct summary_metric failed = {.name = "checks_failed", .type = METRIC_RATE, .passes = t.fails, .total = total};
    struct section s = {0};
    add_row(w, &s, &all);
    add_row(w, &s, &passed);
    add_row(w, &s, &failed);
    for (size_t i = 0; i < s.count; i++)
        write_row(w, &s, &s.rows[i], indent);
    buf_add_char(w->out, '\n');
    write_check_rows(w, g, indent, recurse);
    buf_add_char(w->out, '\n');
    free_section(&s);
}

/* ---- the whole ---- */

static void write_metrics(struct writer *w, const struct summary_metric *metrics, size_t count, const char *indent)
{
    const struct summary_metric **ordered = in_order(metrics, count);
    struct section s = {0};
    size_t ends[CATEGORY_COUNT] = {0}, at = 0;
    for (int c = CATEGORY_CUSTOM; c < CATEGORY_COUNT; c++) {
        for (size_t i = 0; i < count; i++)
            if (category_of(w, ordered[i]->name) == (enum category)c)
                add_row(w, &s, ordered[i]);
        ends[c] = s.count;
    }
    for (int c = CATEGORY_CUSTOM; c < CATEGORY_COUNT; c++) {
        if (at == ends[c])
            continue;
        buf_printf(w->out, "%s%s%s%s\n", indent, BOLD(w), category_names[c], RESET(w));
        for (; at < ends[c]; at++)
            write_row(w, &s, &s.rows[at], indent);
        buf_add_char(w->out, '\n');
    }
    free_section(&s);
    mem_free(ordered);
}

static void write_groups(struct writer *w, const struct summary_group *parent, int depth)
{
    for (size_t i = 0; i < parent->group_count; i++) {
        const struct summary_group *g = parent->groups[i];
        if (depth == 0 && (strcmp(g->name, "setup") == 0 || strcmp(g->name, "teardown") == 0))
            continue;
        char *indent = mem_printf("%*s", 4 + 2 * depth, "");
        buf_printf(w->out, "%*s%s\xe2\x96\x88 GROUP: %s%s \n\n", 2 + 2 * depth, "", BOLD(w), g->name, RESET(w));
        write_checks(w, g, indent, false);
        write_metrics(w, g->metrics, g->metric_count, indent);
        write_groups(w, g, depth + 1);
        mem_free(indent);
    }
}

static void write_scenarios(struct writer *w, const struct summary *s)
{
    if (s->scenario_count == 1 && strcmp(s->scenarios[0]->name, "default") == 0)
        return;
    for (size_t i = 0; i < s->scenario_count; i++) {
        const struct summary_group *scenario = s->scenarios[i];
        buf_printf(w->out, "  %s\xe2\x96\x88 SCENARIO: %s%s \n\n", BOLD(w), scenario->name, RESET(w));
        write_checks(w, scenario, "    ", true);
        write_metrics(w, scenario->metrics, scenario->metric_count, "    ");
        write_groups(w, scenario, 1);
    }
}

static void write_generator(struct writer *w)
{
    const struct generator_verdict *g = &w->o->generator;
    if (!g->bottleneck)
        return;
    buf_printf(w->out, "  %s\xe2\x96\x88 GENERATOR%s \n\n", BOLD(w), RESET(w));
    buf_printf(w->out, "    %sThe load generator was the bottleneck%s: its busiest worker used %.0f%% of a core, and responses waited %.2fms (p95)\n"
                       "    in this machine before they were read. http_req_waiting and http_req_duration leave that wait out; rates and iteration\n"
                       "    durations are the generator's limit, not the target's. Use more cores or machines, or less work in the script.\n\n",
               RED(w), RESET(w), g->cpu_share * 100, g->lag_p95_ms);
}

void summary_text(struct buf *out, const struct summary *s, const struct summary_text_options *o)
{
    struct writer w = {out, o, s->duration_ns};
    buf_add_text(out, "\n\n");
    write_thresholds(&w, s);
    buf_printf(out, "  %s\xe2\x96\x88 TOTAL RESULTS%s \n\n", BOLD(&w), RESET(&w));
    write_checks(&w, s->root, "    ", true);
    write_metrics(&w, s->metrics, s->metric_count, "    ");
    if (o->full) {
        write_groups(&w, s->root, 0);
        write_scenarios(&w, s);
    }
    write_generator(&w);
    buf_add_text(out, "\n\n");
}
