/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pace.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

void pace_init(struct pace *p, const struct scenario_config *config, const struct segment *segment)
{
    *p = (struct pace){.config = config, .segment = segment, .stage_from = (double)config->start_rate / (double)config->time_unit_ns};
}

static int64_t constant_next(struct pace *p, int64_t global)
{
    const struct scenario_config *c = p->config;
    int64_t due = (int64_t)((__int128)global * c->time_unit_ns / c->rate);
    return due < c->duration_ns ? due : -1;
}

/* The n-th arrival (from 1) is when the area under the rate reaches n. */
static int64_t ramping_next(struct pace *p, int64_t global)
{
    const struct scenario_config *c = p->config;
    double n = (double)global + 1;
    for (; p->stage < c->stage_count; p->stage++) {
        double d = (double)c->stages[p->stage].duration_ns, a = p->stage_from;
        double b = (double)c->stages[p->stage].target / (double)c->time_unit_ns, stage_area = (a + b) / 2 * d;
        if (n <= p->area + stage_area + 1e-9) {
            double rest = n - p->area, root = a * a + 2 * rest * (b - a) / d;
            double x = 2 * rest / (a + sqrt(root > 0 ? root : 0));
            if (x > d)
                x = d;
            return p->stage_start_ns + (int64_t)x;
        }
        p->area += stage_area;
        p->stage_from = b;
        p->stage_start_ns += c->stages[p->stage].duration_ns;
    }
    return -1;
}

int64_t pace_next(struct pace *p, int64_t *index)
{
    int64_t own = p->next, global = segment_index(p->segment, own);
    int64_t due = p->config->executor == EXECUTOR_CONSTANT_ARRIVAL_RATE ? constant_next(p, global) : ramping_next(p, global);
    if (due < 0)
        return -1;
    p->next++;
    *index = own;
    return due;
}

/* ---- ramping VUs ---- */

struct steps {
    struct vu_step *list;
    size_t count, cap;
    const struct segment *segment;
};

static void add_step(struct steps *s, int64_t time_ns, int64_t vus)
{
    int64_t own = segment_share(s->segment, vus);
    if (s->count && s->list[s->count - 1].vus == own)
        return;
    if (s->count && s->list[s->count - 1].time_ns == time_ns) {
        s->list[s->count - 1].vus = own;
        return;
    }
    mem_grow(&s->list, &s->cap, s->count + 1, sizeof(s->list[0]));
    s->list[s->count++] = (struct vu_step){time_ns, own};
}

struct vu_step *ramping_steps(const struct scenario_config *c, const struct segment *segment, size_t *count)
{
    struct steps s = {.segment = segment};
    int64_t from = c->start_vus, end = 0;
    add_step(&s, 0, from);
    for (size_t i = 0; i < c->stage_count; i++) {
        int64_t to = c->stages[i].target, d = c->stages[i].duration_ns, step = to > from ? 1 : -1;
        end += d;
        if (d == 0 || to == from) {
            if (d == 0)
                add_step(&s, end, to);
            from = to;
            continue;
        }
        for (int64_t n = from + step; n != to + step; n += step)
            add_step(&s, end - (int64_t)((__int128)d * (to - n) / (to - from)), n);
        from = to;
    }
    *count = s.count;
    return s.list;
}
