/* SPDX-License-Identifier: Apache-2.0 */
#include "run/segment.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"

#define MAX_DENOMINATOR INT64_C(1000000)

struct fraction {
    int64_t num, den;
};

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a ? a : 1;
}

static struct fraction reduce(int64_t num, int64_t den)
{
    int64_t g = gcd(num, den);
    return (struct fraction){num / g, den / g};
}

/* "1/4", "25%", "0.25", "1" */
static bool read_fraction(struct text t, struct fraction *f)
{
    struct text below, above = text_cut(text_trim(t), '/', &below);
    int64_t num, den = 1;
    if (below.data) {
        if (!text_to_int(above, &num) || !text_to_int(below, &den) || den <= 0)
            return false;
        *f = reduce(num, den);
    } else {
        int64_t scale = 1;
        if (above.len && above.data[above.len - 1] == '%') {
            scale = 100;
            above.len--;
        }
        const char *dot = above.len ? memchr(above.data, '.', above.len) : NULL;
        char digits[32];
        size_t used = 0;
        for (size_t i = 0; i < above.len && used < 20; i++)
            if (above.data + i != dot)
                digits[used++] = above.data[i];
        for (size_t i = dot ? (size_t)(above.data + above.len - dot - 1) : 0; i > 0; i--)
            scale *= 10;
        if (!text_to_int((struct text){digits, used}, &num))
            return false;
        *f = reduce(num, scale);
    }
    return f->num >= 0 && f->num <= f->den && f->den <= MAX_DENOMINATOR;
}

static bool read_segment(const char *text, struct fraction *from, struct fraction *to, struct error *err)
{
    struct text second, first = text_cut(text_of(text), ':', &second);
    *from = (struct fraction){0, 1};
    bool valid = second.data ? read_fraction(first, from) && read_fraction(second, to) : read_fraction(first, to);
    if (!valid || from->num * to->den >= to->num * from->den)
        return error_set(err, EXIT_GENERIC, "the execution segment \"%s\" is not valid: write it like 1/4:1/2, 0:20%% or 0.5:1, with the first part below the second", text);
    return true;
}

struct bounds {
    struct fraction list[256];
    size_t count;
};

static bool add_bound(struct bounds *b, struct fraction f)
{
    if (b->count == 256)
        return false;
    b->list[b->count++] = f;
    return true;
}

static bool equal(struct fraction a, struct fraction b)
{
    return a.num * b.den == b.num * a.den;
}

static bool read_sequence(const char *text, struct bounds *b, struct error *err)
{
    for (struct text left = text_of(text), rest; left.data; left = rest) {
        struct fraction f;
        struct text part = text_cut(left, ',', &rest);
        bool ascending = read_fraction(part, &f) && (!b->count || b->list[b->count - 1].num * f.den < f.num * b->list[b->count - 1].den);
        if (!ascending || !add_bound(b, f))
            return error_set(err, EXIT_GENERIC, "the execution segment sequence \"%s\" is not valid: write ascending parts like 0,1/4,1/2,1", text);
    }
    return b->count >= 2 || error_set(err, EXIT_GENERIC, "the execution segment sequence \"%s\" needs at least two parts", text);
}

static void default_sequence(struct bounds *b, struct fraction from, struct fraction to)
{
    if (from.num)
        add_bound(b, (struct fraction){0, 1});
    add_bound(b, from);
    add_bound(b, to);
    if (to.num != to.den)
        add_bound(b, (struct fraction){1, 1});
}

/* Larger segments take their slots first, each evenly spread, earlier ones first among equals. */
static void stripe(struct segment *s, const int64_t *lengths, size_t count, size_t own)
{
    bool *taken = mem_zalloc((size_t)s->denominator), *done = mem_zalloc(count);
    s->slots = mem_array((size_t)s->length, sizeof(s->slots[0]));
    for (size_t round = 0; round < count; round++) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (!done[i] && (best == count || lengths[i] > lengths[best]))
                best = i;
        done[best] = true;
        for (int64_t k = 0; k < lengths[best]; k++) {
            int64_t slot = k * s->denominator / lengths[best];
            while (taken[slot])
                slot = (slot + 1) % s->denominator;
            taken[slot] = true;
            if (best == own)
                s->slots[k] = slot;
        }
    }
    mem_free(taken);
    mem_free(done);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool build(struct segment *s, const struct bounds *b, struct fraction from, struct fraction to, struct error *err)
{
    int64_t den = 1, lengths[256];
    size_t own = b->count;
    for (size_t i = 0; i < b->count; i++) {
        den = den / gcd(den, b->list[i].den) * b->list[i].den;
        if (den > MAX_DENOMINATOR)
            return error_set(err, EXIT_GENERIC, "the execution segments have no small common denominator: use simpler fractions");
    }
    for (size_t i = 0; i + 1 < b->count; i++) {
        lengths[i] = b->list[i + 1].num * (den / b->list[i + 1].den) - b->list[i].num * (den / b->list[i].den);
        if (equal(b->list[i], from) && equal(b->list[i + 1], to))
            own = i;
    }
    if (own == b->count)
        return error_set(err, EXIT_GENERIC, "the execution segment is not part of the execution segment sequence");
    s->denominator = den;
    s->length = lengths[own];
    stripe(s, lengths, b->count - 1, own);
    qsort(s->slots, (size_t)s->length, sizeof(s->slots[0]), compare);
    s->fraction = (double)s->length / (double)den;
    return true;
}

bool segment_parse(struct segment *s, const char *segment, const char *sequence, struct error *err)
{
    struct fraction from = {0, 1}, to = {1, 1};
    struct bounds bounds = {.count = 0};
    *s = (struct segment){0};
    if (segment && segment[0] && !read_segment(segment, &from, &to, err))
        return false;
    if (sequence && sequence[0] && segment && segment[0]) {
        if (!read_sequence(sequence, &bounds, err))
            return false;
    } else {
        default_sequence(&bounds, from, to);
    }
    return build(s, &bounds, from, to, err);
}

void segment_fini(struct segment *s)
{
    mem_free(s->slots);
    *s = (struct segment){0};
}

int64_t segment_share(const struct segment *s, int64_t total)
{
    int64_t share = total / s->denominator * s->length, rest = total % s->denominator;
    for (int64_t i = 0; i < s->length && s->slots[i] < rest; i++)
        share++;
    return share;
}

int64_t segment_index(const struct segment *s, int64_t own)
{
    return own / s->length * s->denominator + s->slots[own % s->length];
}
