/* SPDX-License-Identifier: Apache-2.0 */
/* --out csv=FILE: a row a sample, k6's columns. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"
#include "output/output.h"

enum time_format { TIME_UNIX, TIME_MILLI, TIME_MICRO, TIME_NANO, TIME_RFC3339, TIME_RFC3339_NANO };

struct csv_writer {
    struct out_file *file;
    struct buf line;
    enum time_format format;
    int64_t save_ns; /* between two flushes */
    char **columns;
    size_t column_count;
};

static bool read_format(const char *text, size_t len, enum time_format *format, struct error *err)
{
    static const char *const names[] = {"unix", "unix_milli", "unix_micro", "unix_nano", "rfc3339", "rfc3339_nano"};
    for (int i = 0; i < 6; i++) {
        if (strlen(names[i]) == len && strncmp(names[i], text, len) == 0) {
            *format = (enum time_format)i;
            return true;
        }
    }
    return error_set(err, EXIT_GENERIC, "csv output: unknown timeFormat \"%.*s\": use unix, unix_milli, unix_micro, unix_nano, rfc3339 or rfc3339_nano", (int)len, text);
}

static bool read_interval(struct text text, int64_t *ns, struct error *err)
{
    if (text_to_duration_ns(text, ns) && *ns > 0)
        return true;
    return error_set(err, EXIT_GENERIC, "csv output: saveInterval \"%.*s\" is no duration above 0", (int)text.len, text.data);
}

/* FILE, or fileName=FILE,saveInterval=1s,timeFormat=unix. */
static bool read_arg(struct csv_writer *w, const char *arg, char **path, struct error *err)
{
    const char *file = getenv("K6_CSV_FILENAME"), *format = getenv("K6_CSV_TIME_FORMAT"), *interval = getenv("K6_CSV_SAVE_INTERVAL");
    *path = mem_strdup(file && file[0] ? file : "file.csv");
    if (format && format[0] && !read_format(format, strlen(format), &w->format, err))
        return false;
    if (interval && interval[0] && !read_interval(text_of(interval), &w->save_ns, err))
        return false;
    for (struct text left = text_of(arg), rest; left.data && left.len; left = rest) {
        struct text value, part = text_cut(left, ',', &rest), key = text_cut(part, '=', &value);
        if (!value.data || text_equal(key, TEXT("fileName"))) {
            struct text name = value.data ? value : part;
            mem_free(*path);
            *path = mem_strndup(name.data, name.len);
        } else if (text_equal(key, TEXT("timeFormat"))) {
            if (!read_format(value.data, value.len, &w->format, err))
                return false;
        } else if (text_equal(key, TEXT("saveInterval"))) {
            if (!read_interval(value, &w->save_ns, err))
                return false;
        } else {
            return error_set(err, EXIT_GENERIC, "csv output: unknown argument \"%.*s\": use fileName, saveInterval or timeFormat", (int)key.len, key.data);
        }
    }
    return true;
}

static bool is_column(const char *tag)
{
    return strcmp(tag, "vu") != 0 && strcmp(tag, "iter") != 0;
}

static void write_header(struct csv_writer *w)
{
    buf_clear(&w->line);
    buf_add_text(&w->line, "metric_name,timestamp,metric_value");
    for (size_t i = 0; i < w->column_count; i++)
        buf_printf(&w->line, ",%s", w->columns[i]);
    buf_add_text(&w->line, ",extra_tags,metadata\n");
    out_file_write(w->file, w->line.data, w->line.len);
}

static void csv_close(void *output)
{
    struct csv_writer *w = output;
    if (w->file)
        out_file_close(w->file);
    for (size_t i = 0; i < w->column_count; i++)
        mem_free(w->columns[i]);
    mem_free(w->columns);
    buf_free(&w->line);
    mem_free(w);
}

static void *csv_open(const char *arg, const struct output_params *params, struct error *err)
{
    struct csv_writer *w = mem_zalloc(sizeof(*w));
    char *path;
    w->save_ns = NS_PER_S;
    w->columns = mem_zalloc((params->system_tag_count + 1) * sizeof(w->columns[0]));
    for (size_t i = 0; i < params->system_tag_count; i++)
        if (is_column(params->system_tags[i]))
            w->columns[w->column_count++] = mem_strdup(params->system_tags[i]);
    bool valid = read_arg(w, arg, &path, err);
    w->file = valid ? out_file_open(path, err) : NULL;
    mem_free(path);
    if (!w->file) {
        csv_close(w);
        return NULL;
    }
    write_header(w);
    return w;
}

static void add_cell(struct buf *out, const char *text)
{
    buf_add_char(out, ',');
    if (!strpbrk(text, ",\"\n\r") && text[0] != ' ' && text[0] != '\t') {
        buf_add_text(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_add_char(out, '"');
        buf_add_char(out, *text);
    }
    buf_add_char(out, '"');
}

static void add_time(struct csv_writer *w, int64_t wall_ns)
{
    static const int64_t divisors[] = {1000000000, 1000000, 1000, 1};
    buf_add_char(&w->line, ',');
    if (w->format <= TIME_NANO)
        buf_printf(&w->line, "%lld", (long long)(wall_ns / divisors[w->format]));
    else
        clock_format_rfc3339(&w->line, wall_ns, w->format == TIME_RFC3339 ? 0 : 9);
}

static bool is_in_columns(const struct csv_writer *w, const char *tag)
{
    for (size_t i = 0; i < w->column_count; i++)
        if (strcmp(w->columns[i], tag) == 0)
            return true;
    return false;
}

static void add_extra(struct csv_writer *w, const struct raw_sample *s)
{
    struct buf extra = {0};
    for (uint32_t i = 0; i < s->tags->count; i++)
        if (!is_in_columns(w, s->tags->tags[i].key))
            buf_printf(&extra, "%s%s=%s", extra.len ? "&" : "", s->tags->tags[i].key, s->tags->tags[i].value);
    add_cell(&w->line, extra.data ? extra.data : "");
    buf_clear(&extra);
    for (const char *at = s->metadata; at && *at;) {
        const char *value = at + strlen(at) + 1;
        buf_printf(&extra, "%s%s=%s", extra.len ? "&" : "", at, value);
        at = value + strlen(value) + 1;
    }
    add_cell(&w->line, extra.data ? extra.data : "");
    buf_free(&extra);
}

static void csv_write(void *output, const struct raw_sample *samples, size_t count)
{
    struct csv_writer *w = output;
    for (size_t i = 0; i < count; i++) {
        const struct raw_sample *s = &samples[i];
        buf_clear(&w->line);
        buf_add_text(&w->line, s->metric->name);
        add_time(w, s->wall_ns);
        buf_printf(&w->line, ",%f", s->value);
        for (size_t c = 0; c < w->column_count; c++) {
            const char *value = tagset_get(s->tags, w->columns[c]);
            add_cell(&w->line, value ? value : "");
        }
        add_extra(w, s);
        buf_add_char(&w->line, '\n');
        out_file_write(w->file, w->line.data, w->line.len);
    }
    out_file_flush_due(w->file, w->save_ns);
}

const struct output_kind csv_output = {"csv", csv_open, csv_write, csv_close};
