/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors work on the JSON text itself: values that a path passes by are skipped, what it selects is a
 * piece of the text, and only lists that a selector collects are built. So a selector on a large body
 * costs one walk over the part before the match and no tree. Recursion follows the path, never the data. */
#include "http/json_path.h"

#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/text.h"

static struct text after(struct text t, size_t n)
{
    return n >= t.len ? (struct text){t.data + t.len, 0} : (struct text){t.data + n, t.len - n};
}

/* The length of a string literal at the start of t, quotes included. */
static size_t string_length(struct text t)
{
    size_t i = 1;
    while (i < t.len && t.data[i] != '"')
        i += t.data[i] == '\\' ? 2 : 1;
    return i < t.len ? i + 1 : t.len;
}

static size_t value_length(struct text t)
{
    size_t depth = 0, i = 0;
    while (i < t.len) {
        char c = t.data[i];
        if (c == '"')
            i += string_length(after(t, i));
        else if (c == '{' || c == '[')
            depth++, i++;
        else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            depth--, i++;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            return i;
        else {
            i++;
            continue;
        }
        if (depth == 0)
            return i;
    }
    return t.len;
}

static void add_utf8(struct buf *out, uint32_t rune)
{
    if (rune < 0x80) {
        buf_add_char(out, (char)rune);
        return;
    }
    if (rune >= 0x10000) {
        buf_add_char(out, (char)(0xf0 | rune >> 18));
        buf_add_char(out, (char)(0x80 | (rune >> 12 & 0x3f)));
    } else if (rune >= 0x800) {
        buf_add_char(out, (char)(0xe0 | rune >> 12));
    }
    if (rune >= 0x800)
        buf_add_char(out, (char)(0x80 | (rune >> 6 & 0x3f)));
    else
        buf_add_char(out, (char)(0xc0 | rune >> 6));
    buf_add_char(out, (char)(0x80 | (rune & 0x3f)));
}

static uint32_t hex4(struct text t)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4 && i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) % 16;
    }
    return value;
}

/* Adds a string literal's content. */
static void add_decoded(struct buf *out, struct text literal)
{
    struct text in = after(literal, 1);
    in.len -= in.len > 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] != '\\' || i + 1 == in.len) {
            buf_add_char(out, in.data[i]);
            continue;
        }
        static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
        char c = in.data[++i];
        const char *letter = c ? strchr(letters, c) : NULL;
        if (c != 'u') {
            buf_add_char(out, letter ? meant[letter - letters] : c);
            continue;
        }
        uint32_t rune = hex4(after(in, i + 1));
        i += 4;
        if (rune >= 0xd800 && rune < 0xdc00 && text_starts(after(in, i + 1), "\\u")) {
            uint32_t low = hex4(after(in, i + 3));
            if (low >= 0xdc00 && low < 0xe000) {
                rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
                i += 6;
            }
        }
        add_utf8(out, rune >= 0xd800 && rune < 0xe000 ? 0xfffd : rune);
    }
}

/* A pattern with * (any text), ? (any character) and \ (the next one as itself). */
static bool matches(struct text s, struct text pattern)
{
    struct text retry_s = {0}, retry_pattern = {0};
    while (s.len || pattern.len) {
        char p = pattern.len ? pattern.data[0] : 0;
        if (pattern.len && p == '*') {
            retry_s = s;
            retry_pattern = pattern = after(pattern, 1);
            continue;
        }
        size_t take = p == '\\' && pattern.len > 1 ? 2 : 1;
        if (pattern.len && s.len && (p == '?' || pattern.data[take - 1] == s.data[0])) {
            size_t n = 1;
            while (p == '?' && n < s.len && ((unsigned char)s.data[n] & 0xc0) == 0x80)
                n++;
            s = after(s, n);
            pattern = after(pattern, take);
            continue;
        }
        if (!retry_pattern.data || retry_s.len == 0)
            return false;
        s = retry_s = after(retry_s, 1);
        pattern = retry_pattern;
    }
    return true;
}

/* The length of a query "(...)" at the start of t, with both brackets; 0 when it does not end. */
static size_t query_length(struct text t)
{
    size_t depth = 0;
    for (size_t i = 0; i < t.len;) {
        char c = t.data[i];
        if (c == '"') {
            i += string_length(after(t, i));
            continue;
        }
        if (c == '\\') {
            i += 2;
            continue;
        }
        i++;
        depth += c == '(' || c == '[';
        if ((c == ')' || c == ']') && --depth == 0)
            return i;
    }
    return 0;
}

static bool starts_query(struct text path)
{
    return path.len > 1 && path.data[0] == '#' && (path.data[1] == '(' || path.data[1] == '[');
}

/* How long the first step of a path is, up to its separator. */
static size_t step_length(struct text path, const char *separators)
{
    bool first = true;
    for (size_t i = 0; i < path.len; first = false) {
        char c = path.data[i];
        if (c && strchr(separators, c))
            return i;
        size_t query = (first || path.data[i - 1] == '.' || path.data[i - 1] == '|') && starts_query(after(path, i))
                           ? query_length(after(path, i + 1))
                           : 0;
        i += query ? 1 + query : c == '\\' ? 2 : 1;
    }
    return path.len;
}

static bool select_in(struct text value, struct text path, struct buf *out);

/* Walks over the members of an object or the elements of an array. */
struct walk {
    struct text rest, key, value;
    bool object;
};

static struct walk walk_begin(struct text container)
{
    return (struct walk){.rest = after(container, 1), .object = container.data[0] == '{'};
}

static struct text skip_between(struct text t)
{
    while (t.len && t.data[0] && strchr(" \t\r\n,:", t.data[0]))
        t = after(t, 1);
    return t;
}

static bool walk_next(struct walk *w)
{
    w->rest = skip_between(w->rest);
    if (w->rest.len == 0 || w->rest.data[0] == '}' || w->rest.data[0] == ']')
        return false;
    if (w->object) {
        w->key = (struct text){w->rest.data, string_length(w->rest)};
        w->rest = skip_between(after(w->rest, w->key.len));
    }
    w->value = (struct text){w->rest.data, value_length(w->rest)};
    w->rest = after(w->rest, w->value.len);
    return w->value.len > 0;
}

static bool has_wildcard(struct text step)
{
    for (size_t i = 0; i < step.len; i++) {
        if (step.data[i] == '\\')
            i++;
        else if (step.data[i] == '*' || step.data[i] == '?')
            return true;
    }
    return false;
}

static bool is_key(struct text literal, struct text step, bool wild, struct buf *scratch)
{
    struct text key = {literal.data + 1, literal.len >= 2 ? literal.len - 2 : 0};
    if (key.len && memchr(key.data, '\\', key.len)) {
        buf_clear(scratch);
        add_decoded(scratch, literal);
        key = (struct text){scratch->data, scratch->len};
    }
    return wild || memchr(step.data, '\\', step.len) ? matches(key, step) : text_equal(key, step);
}

static bool select_member(struct text object, struct text step, struct text rest, struct buf *out)
{
    struct buf scratch = {0};
    bool wild = has_wildcard(step), found = false;
    for (struct walk w = walk_begin(object); !found && walk_next(&w);)
        found = step.len && is_key(w.key, step, wild, &scratch) && select_in(w.value, rest, out);
    buf_free(&scratch);
    return found;
}

static bool select_element(struct text array, struct text step, struct text rest, struct buf *out)
{
    int64_t index;
    if (step.len == 0 || step.data[0] < '0' || step.data[0] > '9' || !text_to_int(step, &index))
        return false;
    for (struct walk w = walk_begin(array); walk_next(&w); index--)
        if (index == 0)
            return select_in(w.value, rest, out);
    return false;
}

/* list.# is its length, list.#.rest the list of what rest selects in each element. */
static bool select_each(struct text array, struct text rest, struct buf *out)
{
    int64_t count = 0;
    bool any = false;
    if (rest.data)
        buf_add_char(out, '[');
    for (struct walk w = walk_begin(array); walk_next(&w); count++) {
        size_t before = out->len;
        if (!rest.data)
            continue;
        if (any)
            buf_add_char(out, ',');
        if (select_in(w.value, rest, out))
            any = true;
        else
            out->len = before;
    }
    if (rest.data)
        buf_add_char(out, ']');
    else
        buf_printf(out, "%lld", (long long)count);
    return true;
}

enum query_op { OP_EXISTS, OP_EQUAL, OP_NOT_EQUAL, OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_LIKE, OP_NOT_LIKE };

struct query {
    struct text path, operand;
    struct buf decoded; /* of a quoted operand */
    enum query_op op;
};

static void parse_query(struct text body, struct query *q)
{
    static const struct {
        const char *text;
        enum query_op op;
    } ops[] = {{"==", OP_EQUAL},         {"!=", OP_NOT_EQUAL}, {"!%", OP_NOT_LIKE}, {"<=", OP_LESS_EQUAL},
               {">=", OP_GREATER_EQUAL}, {"=", OP_EQUAL},      {"<", OP_LESS},      {">", OP_GREATER},
               {"%", OP_LIKE}};
    *q = (struct query){0};
    size_t len = step_length(body, "=!<>%");
    struct text rest = after(body, len);
    q->path = text_trim((struct text){body.data, len});
    for (size_t i = 0; rest.len && i < sizeof(ops) / sizeof(ops[0]); i++)
        if (text_starts(rest, ops[i].text)) {
            q->op = ops[i].op;
            q->operand = text_trim(after(rest, strlen(ops[i].text)));
            break;
        }
    if (q->operand.len > 1 && q->operand.data[0] == '"') {
        buf_reserve(&q->decoded, 1);
        buf_added(&q->decoded, 0);
        add_decoded(&q->decoded, q->operand);
        q->operand = (struct text){q->decoded.data, q->decoded.len};
    }
}

static bool compare(enum query_op op, int order)
{
    switch (op) {
    case OP_EQUAL:
        return order == 0;
    case OP_NOT_EQUAL:
        return order != 0;
    case OP_LESS:
        return order < 0;
    case OP_LESS_EQUAL:
        return order <= 0;
    case OP_GREATER:
        return order > 0;
    case OP_GREATER_EQUAL:
        return order >= 0;
    default:
        return false;
    }
}

static int compare_text(struct text a, struct text b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool string_fits(struct text literal, const struct query *q)
{
    struct buf s = {0};
    buf_reserve(&s, literal.len);
    add_decoded(&s, literal);
    struct text t = {s.data, s.len};
    bool ok = q->op == OP_LIKE       ? matches(t, q->operand)
              : q->op == OP_NOT_LIKE ? !matches(t, q->operand)
                                     : compare(q->op, compare_text(t, q->operand));
    buf_free(&s);
    return ok;
}

static bool value_fits(struct text value, const struct query *q)
{
    if (q->op == OP_EXISTS)
        return true;
    char c = value.data[0];
    if (c == '"')
        return string_fits(value, q);
    if (c == 't' || c == 'f') {
        bool operand_is_bool = text_equal(q->operand, TEXT("true")) || text_equal(q->operand, TEXT("false"));
        if (!operand_is_bool)
            return q->op == OP_NOT_EQUAL;
        return compare(q->op, (c == 't') - (q->operand.data[0] == 't'));
    }
    double number, operand = 0;
    if (c == '{' || c == '[' || c == 'n' || !text_to_double(value, &number))
        return false;
    if (!text_to_double(q->operand, &operand))
        operand = 0;
    return compare(q->op, (number > operand) - (number < operand));
}

static bool element_fits(struct text element, const struct query *q)
{
    if (q->path.len == 0)
        return value_fits(element, q);
    struct buf found = {0};
    bool ok = select_in(element, q->path, &found) && value_fits((struct text){found.data, found.len}, q);
    buf_free(&found);
    return ok;
}

/* list.#(query) is the first element that fits, list.#(query)# the list of all. */
static bool select_by_query(struct text array, struct text step, struct text rest, struct buf *out)
{
    size_t len = query_length(after(step, 1));
    struct query q;
    bool all = len && step.len == len + 2 && step.data[step.len - 1] == '#';
    if (len == 0 || (!all && step.len != len + 1))
        return false;
    parse_query((struct text){step.data + 2, len - 2}, &q);
    bool found = false, any = false;
    if (all)
        buf_add_char(out, '[');
    for (struct walk w = walk_begin(array); !found && walk_next(&w);) {
        if (!element_fits(w.value, &q))
            continue;
        size_t before = out->len;
        if (any)
            buf_add_char(out, ',');
        bool selected = select_in(w.value, rest, out);
        if (!selected)
            out->len = before;
        any = any || (all && selected);
        found = !all;
        if (!all && !selected)
            break;
        if (!all)
            any = selected;
    }
    if (all)
        buf_add_char(out, ']');
    buf_free(&q.decoded);
    return all || any;
}

/* One step after the other; rest.data NULL means that there is none. */
static bool select_steps(struct text value, struct text path, struct buf *out)
{
    if (!path.data) {
        buf_add(out, value.data, value.len);
        return true;
    }
    size_t len = step_length(path, ".");
    struct text step = {path.data, len}, rest = {0};
    if (len < path.len)
        rest = after(path, len + 1);
    if (value.len == 0)
        return false;
    if (value.data[0] == '{')
        return select_member(value, step, rest, out);
    if (value.data[0] != '[')
        return false;
    if (text_equal(step, TEXT("#")))
        return select_each(value, rest, out);
    return starts_query(step) ? select_by_query(value, step, rest, out) : select_element(value, step, rest, out);
}

/* A '|' ends what a '#' before it spreads over elements: what follows works on the list. */
static bool select_in(struct text value, struct text path, struct buf *out)
{
    size_t len = path.data ? step_length(path, "|") : 0;
    if (!path.data || len == path.len)
        return select_steps(value, path, out);
    struct buf between = {0};
    bool ok = select_steps(value, (struct text){path.data, len}, &between) &&
              select_in((struct text){between.data, between.len}, after(path, len + 1), out);
    buf_free(&between);
    return ok;
}

bool json_path_select(const char *json, size_t len, const char *path, size_t path_len, struct buf *out)
{
    size_t before = out->len;
    struct text value = text_trim((struct text){json, len});
    bool found = path_len > 0 && select_in(value, (struct text){path, path_len}, out);
    if (!found && out->data) {
        out->len = before;
        out->data[before] = 0;
    }
    return found;
}
