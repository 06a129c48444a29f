/* SPDX-License-Identifier: Apache-2.0 */
/* CSV files against the way they are read: a first line of data taken for a header (every field is then
 * undefined), a header taken for data, and the empty row that a last line end makes. */
#include <string.h>
#include <strings.h>

#include "core/csv.h"
#include "core/mem.h"
#include "lint/lint_private.h"

/* One reading of a file: open('x.csv') at token open, parsed or split at token reader. */
struct reading {
    size_t open, reader;
    bool splits;      /* .split('\n'), not a parser */
    bool header;      /* the first line names the columns, or is dropped */
    bool skips_empty;
    const char *data;
    size_t len;
    char *name;
};

/* ---- what a line looks like ---- */

static bool is_number_or_address(const char *field, size_t len)
{
    double number;
    return text_to_double(text_trim((struct text){field, len}), &number) || memchr(field, '@', len);
}

static bool is_column_name(const char *field, size_t len)
{
    static const char *const known[] = {"id", "user", "username", "user_id", "userid", "name", "email", "mail", "password", "pass", "token", "url", "product", "product_id",
                                        "productid", "sku", "key", "first_name", "last_name", "firstname", "lastname", NULL};
    struct text t = text_trim((struct text){field, len});
    for (size_t i = 0; known[i]; i++)
        if (text_equal_nocase(t, text_of(known[i])))
            return true;
    return false;
}

struct shape {
    size_t rows, data_fields, names, header_over_data;
};

/* Looks at the first two records. False: the file is no CSV. */
static bool look(const struct reading *r, struct shape *shape)
{
    struct csv_reader csv;
    bool first_is_data[64] = {false};
    *shape = (struct shape){0};
    csv_open(&csv, r->data, r->len, ',');
    int got = 1;
    for (; shape->rows < 2 && (got = csv_next(&csv, NULL)) == 1; shape->rows++) {
        for (size_t i = 0; i < csv.count && i < 64; i++) {
            size_t len;
            const char *field = csv_field(&csv, i, &len);
            bool data = is_number_or_address(field, len);
            if (shape->rows == 0) {
                first_is_data[i] = data || len == 0;
                shape->data_fields += data || len == 0;
                shape->names += is_column_name(field, len);
            } else {
                shape->header_over_data += data && !first_is_data[i];
            }
        }
    }
    csv_close(&csv);
    return got != -1 && shape->rows > 0;
}

/* ---- how it is read ---- */

static bool has_option(const struct lint *lint, size_t from, size_t to, const char *name)
{
    for (size_t i = from; i < to; i++)
        if (is_token(lint, i, name) && is_token(lint, i + 1, ":") && !is_token(lint, i + 2, "false"))
            return true;
    return false;
}

static bool is_parse_call(const struct lint *lint, size_t i)
{
    return is_name(lint, i) && !is_token(lint, i, "JSON") && is_token(lint, i + 1, ".") && is_token(lint, i + 2, "parse") && is_token(lint, i + 3, "(");
}

/* A `.name` call later in the same chain as the call whose `(` is at i. */
static bool chain_has(const struct lint *lint, size_t i, const char *name)
{
    while (is_token(lint, end_of(lint, i) + 1, ".") && is_token(lint, end_of(lint, i) + 3, "(")) {
        size_t next = end_of(lint, i) + 2;
        if (is_token(lint, next, name))
            return true;
        i = next + 1;
    }
    return false;
}

static bool uses(const struct lint *lint, const char *name)
{
    for (size_t i = 1; i < lint->tokens.count; i++)
        if (is_token(lint, i, name) && is_token(lint, i - 1, ".") && is_token(lint, i + 1, "("))
            return true;
    return false;
}

/* Token i begins the expression that holds the file's text (open itself, or the variable). after: the token behind it. */
static bool reading_at(const struct lint *lint, size_t i, size_t after, struct reading *r)
{
    if (i >= 4 && is_token(lint, i - 1, "(") && is_parse_call(lint, i - 4)) {
        size_t end = end_of(lint, i - 1);
        r->reader = i - 4;
        r->header = has_option(lint, i, end, "header");
        r->skips_empty = has_option(lint, i, end, "skipEmptyLines");
        return true;
    }
    bool trimmed = false;
    while (is_token(lint, after, ".") && is_token(lint, after + 1, "trim") && is_token(lint, after + 2, "(")) {
        after = end_of(lint, after + 2) + 1;
        trimmed = true;
    }
    if (!is_token(lint, after, ".") || !is_token(lint, after + 1, "split") || !is_token(lint, after + 2, "("))
        return false;
    r->reader = after + 1;
    r->splits = true;
    r->header = chain_has(lint, after + 2, "slice") || uses(lint, "shift") || uses(lint, "slice") || uses(lint, "splice");
    r->skips_empty = trimmed || chain_has(lint, after + 2, "filter") || uses(lint, "filter") || uses(lint, "pop") || uses(lint, "trim");
    return true;
}

/* Finds where the text of open() goes: into a parser at once, or by a variable. */
static bool find_reading(const struct lint *lint, size_t open, struct reading *r)
{
    size_t after = end_of(lint, open + 1) + 1;
    if (reading_at(lint, open, after, r))
        return true;
    if (open < 2 || !is_token(lint, open - 1, "=") || !is_name(lint, open - 2))
        return false;
    struct text variable = text_at(lint, open - 2);
    for (size_t i = after; i < lint->tokens.count; i++)
        if (is_name(lint, i) && text_equal(text_at(lint, i), variable) && !is_token(lint, i - 1, ".") && reading_at(lint, i, i + 1, r))
            return true;
    return false;
}

static void judge(struct lint *lint, const struct reading *r)
{
    struct shape shape;
    if (!look(r, &shape))
        return;
    if (r->header && !r->splits && shape.data_fields && !shape.names)
        lint_report(lint, "csv-header", r->reader, mem_strdup("{ header: false }, or a first line with the names of the columns"),
                    "%s is read with header: true, but its first line looks like data: every column is undefined by the name that the script uses", r->name);
    if (!r->header && !shape.data_fields && shape.rows > 1 && (shape.header_over_data || shape.names))
        lint_report(lint, "csv-header", r->reader, mem_strdup(r->splits ? ".split('\\n').slice(1)" : "{ header: true }"),
                    "%s begins with a header, but it is read without one: the header is used as data too", r->name);
    if (!r->skips_empty && r->len && r->data[r->len - 1] == '\n')
        lint_report(lint, "csv-empty-row", r->reader, mem_strdup(r->splits ? ".trim().split('\\n')" : "{ skipEmptyLines: true }"),
                    "%s ends with a line end, which becomes a last row without values: some requests will have an empty id", r->name);
}

void lint_csv(struct lint *lint)
{
    for (size_t i = 0; lint->input->open && i + 2 < lint->tokens.count; i++) {
        if (!is_token(lint, i, "open") || !is_variable(lint, i) || !is_token(lint, i + 1, "(") || lint->tokens.list[i + 2].kind != TOKEN_STRING)
            continue;
        struct text path = token_string(&lint->tokens.list[i + 2]);
        struct reading r = {.open = i};
        if (path.len < 4 || strncasecmp(path.data + path.len - 4, ".csv", 4) != 0 || !find_reading(lint, i, &r))
            continue;
        r.name = mem_strndup(path.data, path.len);
        r.data = lint->input->open(lint->input->arg, r.name, &r.len);
        if (r.data)
            judge(lint, &r);
        mem_free(r.name);
    }
}
