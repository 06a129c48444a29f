/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket is the exponent of a double and the top nine bits of its mantissa: 512 buckets between a power of
 * two and the next, so the middle of a bucket is at most 1/1024 away from any value in it. Buckets come in
 * pages of one exponent that exist only where values fell: a trend of latencies needs some ten pages of 4 KB. */
#include "metrics/trend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define MANTISSA_BITS 9
#define PAGE_BUCKETS (1 << MANTISSA_BITS)

struct page {
    int32_t key; /* sign and exponent: larger key, larger values */
    uint64_t total;
    uint64_t counts[PAGE_BUCKETS];
};

struct trend {
    uint64_t count;
    double sum, min, max;
    double *values; /* exact mode */
    uint32_t value_count, value_cap;
    bool sorted, is_histogram;
    struct page **pages; /* sorted by key */
    uint32_t page_count, page_cap;
    uint64_t zeros;
};

struct trend *trend_new(void)
{
    return mem_zalloc(sizeof(struct trend));
}

void trend_free(struct trend *trend)
{
    if (!trend)
        return;
    for (uint32_t i = 0; i < trend->page_count; i++)
        mem_free(trend->pages[i]);
    mem_free(trend->pages);
    mem_free(trend->values);
    mem_free(trend);
}

/* ---- buckets ---- */

static struct page *page_of(struct trend *t, int32_t key)
{
    uint32_t low = 0, high = t->page_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (t->pages[mid]->key < key)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < t->page_count && t->pages[low]->key == key)
        return t->pages[low];
    if (t->page_count == t->page_cap) {
        t->page_cap = t->page_cap ? t->page_cap * 2 : 8;
        t->pages = mem_realloc(t->pages, t->page_cap * sizeof(t->pages[0]));
    }
    memmove(&t->pages[low + 1], &t->pages[low], (t->page_count - low) * sizeof(t->pages[0]));
    t->pages[low] = mem_zalloc(sizeof(struct page));
    t->pages[low]->key = key;
    t->page_count++;
    return t->pages[low];
}

static void count_value(struct trend *t, double value, uint64_t times)
{
    if (value == 0) {
        t->zeros += times;
        return;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    int32_t exponent = (int32_t)(bits >> 52 & 0x7ff) + 1;
    uint32_t bucket = (uint32_t)(bits >> (52 - MANTISSA_BITS)) & (PAGE_BUCKETS - 1);
    bool negative = bits >> 63;
    struct page *page = page_of(t, negative ? -exponent : exponent);
    page->counts[negative ? PAGE_BUCKETS - 1 - bucket : bucket] += times;
    page->total += times;
}

static double bucket_middle(const struct page *page, uint32_t index)
{
    bool negative = page->key < 0;
    uint64_t exponent = (uint64_t)((negative ? -page->key : page->key) - 1);
    if (exponent == 0x7ff)
        return negative ? -INFINITY : INFINITY;
    uint64_t bucket = negative ? PAGE_BUCKETS - 1 - index : index;
    uint64_t bits = exponent << 52 | bucket << (52 - MANTISSA_BITS) | UINT64_C(1) << (51 - MANTISSA_BITS);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return negative ? -value : value;
}

static void become_histogram(struct trend *t)
{
    for (uint32_t i = 0; i < t->value_count; i++)
        count_value(t, t->values[i], 1);
    mem_free(t->values);
    t->values = NULL;
    t->value_count = t->value_cap = 0;
    t->is_histogram = true;
}

/* ---- adding ---- */

static void note(struct trend *t, double min, double max, double sum, uint64_t count)
{
    if (t->count == 0 || min < t->min)
        t->min = min;
    if (t->count == 0 || max > t->max)
        t->max = max;
    t->sum += sum;
    t->count += count;
}

static void keep_value(struct trend *t, double value)
{
    if (t->value_count == t->value_cap) {
        t->value_cap = t->value_cap ? t->value_cap * 2 : 16;
        t->values = mem_realloc(t->values, t->value_cap * sizeof(t->values[0]));
    }
    t->values[t->value_count++] = value;
    t->sorted = false;
}

void trend_add(struct trend *t, double value)
{
    if (isnan(value))
        return;
    note(t, value, value, value, 1);
    if (!t->is_histogram && t->value_count == TREND_EXACT_VALUES)
        become_histogram(t);
    if (t->is_histogram)
        count_value(t, value, 1);
    else
        keep_value(t, value);
}

void trend_merge(struct trend *to, const struct trend *from)
{
    if (from->count == 0)
        return;
    if (!from->is_histogram) {
        for (uint32_t i = 0; i < from->value_count; i++)
            trend_add(to, from->values[i]);
        return;
    }
    if (!to->is_histogram)
        become_histogram(to);
    note(to, from->min, from->max, from->sum, from->count);
    to->zeros += from->zeros;
    for (uint32_t p = 0; p < from->page_count; p++) {
        struct page *page = page_of(to, from->pages[p]->key);
        page->total += from->pages[p]->total;
        for (int i = 0; i < PAGE_BUCKETS; i++)
            page->counts[i] += from->pages[p]->counts[i];
    }
}

/* ---- reading ---- */

uint64_t trend_count(const struct trend *t)
{
    return t->count;
}

double trend_min(const struct trend *t)
{
    return t->min;
}

double trend_max(const struct trend *t)
{
    return t->max;
}

double trend_sum(const struct trend *t)
{
    return t->sum;
}

double trend_avg(const struct trend *t)
{
    return t->count ? t->sum / (double)t->count : 0;
}

bool trend_is_exact(const struct trend *t)
{
    return !t->is_histogram;
}

size_t trend_memory_bytes(const struct trend *t)
{
    return sizeof(*t) + t->value_cap * sizeof(double) + t->page_cap * sizeof(void *) + t->page_count * sizeof(struct page);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double clamp(const struct trend *t, double value)
{
    return value < t->min ? t->min : value > t->max ? t->max : value;
}

/* The value at a rank of the histogram, counted from 0. */
static double value_at(const struct trend *t, uint64_t rank)
{
    bool zeros_passed = false;
    if (rank == 0)
        return t->min;
    if (rank + 1 >= t->count)
        return t->max;
    for (uint32_t p = 0; p < t->page_count; p++) {
        const struct page *page = t->pages[p];
        if (page->key > 0 && !zeros_passed) {
            if (rank < t->zeros)
                return 0;
            rank -= t->zeros;
            zeros_passed = true;
        }
        if (rank >= page->total) {
            rank -= page->total;
            continue;
        }
        for (uint32_t i = 0; i < PAGE_BUCKETS; i++) {
            if (rank < page->counts[i])
                return clamp(t, bucket_middle(page, i));
            rank -= page->counts[i];
        }
    }
    return zeros_passed ? t->max : 0;
}

double trend_percentile(const struct trend *trend, double fraction)
{
    struct trend *t = (struct trend *)(uintptr_t)trend; /* sorting is no visible change */
    if (t->count == 0)
        return 0;
    double at = fraction * (double)(t->count - 1);
    uint64_t below = (uint64_t)floor(at);
    double rest = at - (double)below;
    if (!t->is_histogram) {
        if (!t->sorted)
            qsort(t->values, t->value_count, sizeof(t->values[0]), compare);
        t->sorted = true;
        double low = t->values[below];
        return below + 1 < t->count ? low + (t->values[below + 1] - low) * rest : low;
    }
    double low = value_at(t, below);
    return rest > 0 && below + 1 < t->count ? low + (value_at(t, below + 1) - low) * rest : low;
}
