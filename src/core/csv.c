/* SPDX-License-Identifier: Apache-2.0 */
#include "core/csv.h"

#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"

void csv_open(struct csv_reader *r, const char *data, size_t len, char delimiter)
{
    *r = (struct csv_reader){.at = data, .end = data + len, .delimiter = delimiter, .line = 1};
}

void csv_close(struct csv_reader *r)
{
    buf_free(&r->text);
    mem_free(r->starts);
    r->starts = NULL;
}

const char *csv_field(const struct csv_reader *r, size_t i, size_t *len)
{
    size_t end = i + 1 < r->count ? r->starts[i + 1] : r->text.len;
    *len = end - r->starts[i] - 1;
    return r->text.data + r->starts[i];
}

/* The length of the line end here: 0, 1 or 2. */
static unsigned line_end(const struct csv_reader *r, const char *at)
{
    if (at < r->end && *at == '\n')
        return 1;
    return r->end - at >= 2 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

static bool read_quoted(struct csv_reader *r, struct error *err)
{
    size_t line = r->line;
    r->at++;
    for (;;) {
        if (r->at == r->end) {
            error_set(err, EXIT_SCRIPT_EXCEPTION, "line %zu: a quoted field has no closing quote", line);
            return false;
        }
        unsigned ending = line_end(r, r->at);
        if (ending) {
            buf_add_char(&r->text, '\n');
            r->line++;
            r->at += ending;
        } else if (*r->at != '"') {
            buf_add_char(&r->text, *r->at++);
        } else if (r->end - r->at > 1 && r->at[1] == '"') {
            buf_add_char(&r->text, '"');
            r->at += 2;
        } else {
            r->at++;
            break;
        }
    }
    if (r->at < r->end && *r->at != r->delimiter && !line_end(r, r->at)) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "line %zu: text after the closing quote of a field", r->line);
        return false;
    }
    return true;
}

static bool read_plain(struct csv_reader *r, struct error *err)
{
    while (r->at < r->end && *r->at != r->delimiter && !line_end(r, r->at)) {
        if (*r->at == '"') {
            error_set(err, EXIT_SCRIPT_EXCEPTION, "line %zu: a quote inside a field that is not quoted", r->line);
            return false;
        }
        buf_add_char(&r->text, *r->at++);
    }
    return true;
}

int csv_next(struct csv_reader *r, struct error *err)
{
    for (unsigned ending; (ending = line_end(r, r->at)) != 0; r->at += ending)
        r->line++;
    if (r->at == r->end)
        return 0;
    size_t line = r->line;
    buf_clear(&r->text);
    r->count = 0;
    for (;;) {
        mem_grow(&r->starts, &r->cap, r->count + 1, sizeof(r->starts[0]));
        r->starts[r->count++] = r->text.len;
        if (!(r->at < r->end && *r->at == '"' ? read_quoted(r, err) : read_plain(r, err)))
            return -1;
        buf_add(&r->text, "", 1);
        if (r->at == r->end || *r->at != r->delimiter)
            break;
        r->at++;
    }
    unsigned ending = line_end(r, r->at);
    r->at += ending;
    r->line += ending > 0;
    if (r->fields && r->count != r->fields) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "line %zu: %zu fields, but the first record has %zu", line, r->count, r->fields);
        return -1;
    }
    r->fields = r->count;
    return 1;
}
