/* SPDX-License-Identifier: Apache-2.0 */
/* VUs pull their iterations on their own threads; what is left for the control thread is to begin a scenario,
 * to end it in three steps (no new iterations, gracefulStop, interrupt), and to hand VUs on. A VU that leaves
 * one scenario says so in a message, so at the very time when one ends and the next begins none may be free
 * yet: the slots of the next then wait in line for them. */
#include "run/schedule.h"

#include <assert.h>
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/list.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "metrics/metrics.h"
#include "run/executor.h"
#include "run/options_private.h"

#define SHORT_OF_VUS_NS (400 * NS_PER_MS)

static const struct executor *const executors[] = {&constant_vus_executor, &ramping_vus_executor, &shared_iterations_executor,
                                                   &per_vu_iterations_executor, &arrival_rate_executor, &arrival_rate_executor,
                                                   &externally_controlled_executor};

/* ---- what VUs ask, on their threads ---- */

static enum next_verdict source_next(struct iteration_source *source, void *slot, int64_t now_ns, struct iteration *out)
{
    struct scenario_run *run = CONTAINER_OF(source, struct scenario_run, source);
    if (atomic_load(&run->refuses))
        return NEXT_LEAVE;
    return run->executor->next(run, slot, now_ns, out);
}

static void source_ended(struct iteration_source *source, void *slot, enum iteration_result result, int64_t now_ns)
{
    struct scenario_run *run = CONTAINER_OF(source, struct scenario_run, source);
    if (run->executor->ended)
        run->executor->ended(run, slot);
}

static void source_left(struct iteration_source *source, void *arg)
{
    struct slot *slot = arg;
    loop_post(slot->run->schedule->loop, &slot->left_task);
}

bool run_is_over(struct scenario_run *run, int64_t now_ns)
{
    return now_ns >= atomic_load(&run->end_ns) || atomic_load(&run->aborted);
}

void run_number(struct scenario_run *run, uint64_t own, struct iteration *out)
{
    *out = (struct iteration){(uint64_t)segment_index(run->schedule->segment, (int64_t)own), own, 0};
}

/* ---- slots, on the control thread ---- */

void run_attach_all(struct scenario_run *run)
{
    for (int64_t i = 0; i < run->slot_count; i++)
        slot_attach(&run->slots[i]);
}

void slot_attach_vu(struct slot *slot, struct vu *vu)
{
    struct scenario_run *run = slot->run;
    slot->vu = vu;
    run->attached++;
    if (run->executor->slot_attached)
        run->executor->slot_attached(run, slot);
    run->schedule->host->attach(vu, &run->source, slot);
}

void slot_attach(struct slot *slot)
{
    struct scenario_run *run = slot->run;
    struct schedule *s = run->schedule;
    struct vu *vu = s->host->take(s->host->arg);
    if (vu) {
        slot_attach_vu(slot, vu);
        return;
    }
    node_add_tail(&s->waiting, &slot->waiting);
    if (run->waiting++ == 0)
        timer_start(s->loop, &run->short_timer, loop_now_ns(s->loop) + SHORT_OF_VUS_NS);
}

void slot_stop_waiting(struct slot *slot)
{
    struct scenario_run *run = slot->run;
    if (!node_is_linked(&slot->waiting))
        return;
    node_remove(&slot->waiting);
    if (--run->waiting == 0)
        timer_stop(run->schedule->loop, &run->short_timer);
}

static void stop_all_waiting(struct scenario_run *run)
{
    for (int64_t i = 0; i < run->slot_count && run->waiting; i++)
        slot_stop_waiting(&run->slots[i]);
}

static void serve_waiting(struct schedule *s)
{
    while (node_is_linked(&s->waiting)) {
        struct vu *vu = s->host->take(s->host->arg);
        if (!vu)
            return;
        struct slot *slot = CONTAINER_OF(s->waiting.next, struct slot, waiting);
        slot_stop_waiting(slot);
        slot_attach_vu(slot, vu);
    }
}

void run_give(struct scenario_run *run, struct vu *vu)
{
    struct schedule *s = run->schedule;
    s->host->give(s->host->arg, vu);
    serve_waiting(s);
}

static void short_of_vus(struct timer *timer)
{
    struct scenario_run *run = CONTAINER_OF(timer, struct scenario_run, short_timer);
    log_warning("scenario %s has to wait for %lld VUs that other scenarios still use; it gets them as they become free", run->config->name,
                (long long)run->waiting);
}

static void scenario_finished(struct scenario_run *run)
{
    struct schedule *s = run->schedule;
    if (run->status == SCENARIO_DONE || run->status == SCENARIO_INTERRUPTED)
        return;
    timer_stop(s->loop, &run->timer);
    timer_stop(s->loop, &run->end_timer);
    timer_stop(s->loop, &run->cut_timer);
    stop_all_waiting(run);
    for (int64_t i = 0; i < run->slot_count; i++)
        timer_stop(s->loop, &run->slots[i].cut_timer);
    if (run->executor->finish && !atomic_load(&run->aborted))
        run->executor->finish(run);
    run->status = atomic_load(&run->aborted) ? SCENARIO_INTERRUPTED : SCENARIO_DONE;
    if (++s->finished == s->count)
        loop_defer(s->loop, &s->done_task);
}

/* VUs that it still waits for do not matter when all iterations were begun. */
void run_check_finished(struct scenario_run *run)
{
    bool needs_vus = run->waiting && !(run->total && atomic_load(&run->begun) >= (uint64_t)run->total);
    if (run->attached == 0 && !run->making_vu && !needs_vus)
        scenario_finished(run);
}

static void slot_left(struct task *task)
{
    struct slot *slot = CONTAINER_OF(task, struct slot, left_task);
    struct scenario_run *run = slot->run;
    struct schedule *s = run->schedule;
    struct vu *vu = slot->vu;
    slot->vu = NULL;
    run->attached--;
    timer_stop(s->loop, &slot->cut_timer);
    s->host->give(s->host->arg, vu);
    bool over = run_is_over(run, loop_now_ns(s->loop));
    if (run->executor->slot_left && !over)
        run->executor->slot_left(run, slot);
    if (over || !run->executor->slot_left)
        run_check_finished(run);
    serve_waiting(s);
}

/* ---- a scenario's course ---- */

static void interrupt_all(struct scenario_run *run)
{
    for (int64_t i = 0; i < run->slot_count; i++)
        if (run->slots[i].vu)
            run->schedule->host->interrupt(run->slots[i].vu);
}

static void wake_all(struct scenario_run *run)
{
    for (int64_t i = 0; i < run->slot_count; i++)
        if (run->slots[i].vu)
            run->schedule->host->wake(run->slots[i].vu);
}

static void graceful_stop_over(struct timer *timer)
{
    interrupt_all(CONTAINER_OF(timer, struct scenario_run, cut_timer));
}

static void regular_end(struct timer *timer)
{
    struct scenario_run *run = CONTAINER_OF(timer, struct scenario_run, end_timer);
    struct schedule *s = run->schedule;
    run->status = SCENARIO_STOPPING;
    timer_stop(s->loop, &run->timer);
    if (run->executor->regular_end)
        run->executor->regular_end(run);
    stop_all_waiting(run);
    wake_all(run);
    timer_start(s->loop, &run->cut_timer, run->start_ns + scenario_duration_ns(run->config) + run->config->graceful_stop_ns);
    run_check_finished(run);
}

static void run_tick(struct timer *timer)
{
    struct scenario_run *run = CONTAINER_OF(timer, struct scenario_run, timer);
    run->executor->tick(run);
}

static void begin(struct timer *timer)
{
    struct scenario_run *run = CONTAINER_OF(timer, struct scenario_run, begin_timer);
    struct schedule *s = run->schedule;
    int64_t now = clock_mono_ns();
    run->start_ns = s->start_ns + run->config->start_time_ns;
    if (now > run->start_ns)
        run->start_ns = now;
    run->info.start_mono_ns = run->start_ns;
    run->info.start_wall_ns = clock_wall_ns();
    atomic_store(&run->end_ns, run->start_ns + scenario_duration_ns(run->config));
    run->status = SCENARIO_RUNNING;
    timer_start(s->loop, &run->end_timer, atomic_load(&run->end_ns));
    run->executor->begin(run);
}

/* ---- building ---- */

static double progress_of(const struct scenario_info *info)
{
    struct scenario_run *run = info->run_data;
    if (run->total) {
        uint64_t begun = atomic_load(&run->begun);
        return begun ? (double)(begun - 1) / (double)run->total : 0;
    }
    int64_t duration = scenario_duration_ns(run->config);
    double done = duration ? (double)(clock_mono_ns() - run->start_ns) / (double)duration : 1;
    return done < 0 ? 0 : done > 1 ? 1 : done;
}

static void fill_info(struct scenario_run *run)
{
    const struct scenario_config *c = run->config;
    run->tags = mem_array(c->tag_count + 1, sizeof(run->tags[0]));
    run->env = mem_array(2 * c->env_count + 1, sizeof(run->env[0]));
    for (size_t i = 0; i < c->tag_count; i++)
        run->tags[i] = (struct tag){c->tags[i].key, c->tags[i].value};
    for (size_t i = 0; i < c->env_count; i++) {
        run->env[2 * i] = c->env[i].key;
        run->env[2 * i + 1] = c->env[i].value;
    }
    run->info = (struct scenario_info){.name = c->name, .executor = executor_name(c->executor), .exec = c->exec, .tags = run->tags,
                                       .tag_count = (unsigned)c->tag_count, .env = run->env, .env_count = (unsigned)c->env_count,
                                       .progress = progress_of, .run_data = run};
}

static void ramp_down_over(struct timer *timer)
{
    struct slot *slot = CONTAINER_OF(timer, struct slot, cut_timer);
    if (slot->vu && !atomic_load(&slot->active))
        slot->run->schedule->host->interrupt(slot->vu);
}

static void init_run(struct schedule *s, struct scenario_run *run, const struct scenario_config *config)
{
    run->schedule = s;
    run->config = config;
    run->executor = executors[config->executor];
    run->source = (struct iteration_source){&run->info, source_next, source_ended, source_left};
    run->slot_count = scenario_max_vus(config, s->segment);
    run->slots = mem_zalloc((size_t)(run->slot_count ? run->slot_count : 1) * sizeof(run->slots[0]));
    for (int64_t i = 0; i < run->slot_count; i++) {
        run->slots[i].run = run;
        run->slots[i].left_task.run = slot_left;
        node_init(&run->slots[i].waiting);
        timer_init(&run->slots[i].cut_timer, ramp_down_over);
    }
    atomic_store(&run->end_ns, INT64_MAX);
    timer_init(&run->begin_timer, begin);
    timer_init(&run->end_timer, regular_end);
    timer_init(&run->cut_timer, graceful_stop_over);
    timer_init(&run->timer, run_tick);
    timer_init(&run->short_timer, short_of_vus);
    pthread_mutex_init(&run->lock, NULL);
    if (config->executor == EXECUTOR_SHARED_ITERATIONS)
        run->total = segment_share(s->segment, config->iterations);
    if (config->executor == EXECUTOR_PER_VU_ITERATIONS)
        run->total = run->slot_count * config->iterations;
    fill_info(run);
}

static void report_done(struct task *task)
{
    struct schedule *s = CONTAINER_OF(task, struct schedule, done_task);
    s->host->all_done(s->host->arg);
}

struct schedule *schedule_new(struct loop *loop, const struct scenario_config *scenarios, size_t count, const struct segment *segment, const struct vu_host *host)
{
    struct schedule *s = mem_zalloc(sizeof(*s));
    s->loop = loop;
    s->segment = segment;
    s->host = host;
    s->count = count;
    s->done_task.run = report_done;
    node_init(&s->waiting);
    s->runs = mem_zalloc((count ? count : 1) * sizeof(s->runs[0]));
    for (size_t i = 0; i < count; i++)
        init_run(s, &s->runs[i], &scenarios[i]);
    return s;
}

void schedule_free(struct schedule *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        pthread_mutex_destroy(&s->runs[i].lock);
        mem_free(s->runs[i].slots);
        mem_free(s->runs[i].tags);
        mem_free(s->runs[i].env);
        mem_free(s->runs[i].steps);
    }
    mem_free(s->runs);
    mem_free(s);
}

static bool has_work(const struct scenario_run *run)
{
    if (run->slot_count == 0)
        return false;
    return run->config->executor != EXECUTOR_SHARED_ITERATIONS || run->total > 0;
}

void schedule_start(struct schedule *s, int64_t now_ns)
{
    s->start_ns = now_ns;
    s->started = true;
    for (size_t i = 0; i < s->count; i++) {
        if (has_work(&s->runs[i]))
            timer_start(s->loop, &s->runs[i].begin_timer, now_ns + s->runs[i].config->start_time_ns);
        else
            scenario_finished(&s->runs[i]);
    }
    if (s->count == 0)
        loop_defer(s->loop, &s->done_task);
}

void schedule_refuse(struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        atomic_store(&s->runs[i].refuses, true);
}

void schedule_abort(struct schedule *s)
{
    if (s->aborted)
        return;
    s->aborted = true;
    for (size_t i = 0; i < s->count; i++) {
        struct scenario_run *run = &s->runs[i];
        if (run->status == SCENARIO_DONE || run->status == SCENARIO_INTERRUPTED)
            continue;
        atomic_store(&run->refuses, true);
        atomic_store(&run->aborted, true);
        timer_stop(s->loop, &run->begin_timer);
        stop_all_waiting(run);
        interrupt_all(run);
        wake_all(run);
        run_check_finished(run);
    }
}

/* ---- control from outside ---- */

static struct scenario_run *controlled_run(struct schedule *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->runs[i].config->executor == EXECUTOR_EXTERNALLY_CONTROLLED && s->runs[i].status == SCENARIO_RUNNING)
            return &s->runs[i];
    return NULL;
}

static bool no_controlled_run(struct error *err)
{
    return error_set(err, EXIT_INVALID_CONFIG, "no scenario with the executor externally-controlled runs now: only such a one can be changed from outside");
}

bool schedule_scale(struct schedule *s, int64_t vus, struct error *err)
{
    struct scenario_run *run = controlled_run(s);
    if (!run)
        return no_controlled_run(err);
    if (vus < 0 || vus > run->slot_count)
        return error_set(err, EXIT_INVALID_CONFIG, "scenario %s can have 0 to %lld VUs (maxVUs), not %lld", run->config->name, (long long)run->slot_count, (long long)vus);
    run_want_vus(run, vus, loop_refresh_now(s->loop));
    wake_all(run); /* those that wait while it is paused may have to leave */
    return true;
}

bool schedule_pause(struct schedule *s, bool paused, struct error *err)
{
    struct scenario_run *run = controlled_run(s);
    if (!run)
        return no_controlled_run(err);
    atomic_store(&run->paused, paused);
    wake_all(run);
    return true;
}

bool schedule_is_paused(struct schedule *s)
{
    struct scenario_run *run = controlled_run(s);
    return run && atomic_load(&run->paused);
}

/* ---- looking ---- */

size_t schedule_count(const struct schedule *s)
{
    return s->count;
}

int64_t schedule_active_vus(const struct schedule *s)
{
    int64_t active = 0;
    for (size_t i = 0; i < s->count; i++)
        active += s->runs[i].attached;
    return active;
}

static double rate_now(const struct scenario_run *run, int64_t elapsed_ns)
{
    const struct scenario_config *c = run->config;
    double unit = (double)c->time_unit_ns / 1e9, from = (double)c->start_rate;
    if (c->executor == EXECUTOR_CONSTANT_ARRIVAL_RATE)
        return (double)c->rate / unit;
    if (c->executor != EXECUTOR_RAMPING_ARRIVAL_RATE)
        return 0;
    for (size_t i = 0; i < c->stage_count; i++) {
        int64_t d = c->stages[i].duration_ns;
        if (elapsed_ns < d)
            return (from + ((double)c->stages[i].target - from) * (double)elapsed_ns / (double)d) / unit;
        elapsed_ns -= d;
        from = (double)c->stages[i].target;
    }
    return from / unit;
}

void schedule_progress(const struct schedule *s, size_t index, struct scenario_progress *out)
{
    const struct scenario_run *run = &s->runs[index];
    int64_t duration = scenario_duration_ns(run->config), elapsed = 0;
    if (run->status != SCENARIO_WAITING)
        elapsed = clock_mono_ns() - run->start_ns;
    if (elapsed > duration)
        elapsed = duration;
    *out = (struct scenario_progress){run->config, run->status, run->attached, scenario_planned_vus(run->config, s->segment), run->slot_count,
                                      atomic_load(&run->begun), (uint64_t)run->total, elapsed, duration, rate_now(run, elapsed) * s->segment->fraction};
}

static void add_time(struct buf *out, int64_t ns)
{
    duration_format(out, ns);
}

char *scenario_describe(const struct scenario_config *c, const struct segment *segment)
{
    struct buf b = {0};
    int64_t vus = scenario_planned_vus(c, segment), most = scenario_max_vus(c, segment);
    double unit = (double)c->time_unit_ns / 1e9, rate = (double)(c->executor == EXECUTOR_CONSTANT_ARRIVAL_RATE ? c->rate : c->start_rate);
    switch (c->executor) {
    case EXECUTOR_CONSTANT_VUS:
        buf_printf(&b, "%lld looping VUs for ", (long long)vus);
        add_time(&b, c->duration_ns);
        buf_add_text(&b, " (");
        break;
    case EXECUTOR_EXTERNALLY_CONTROLLED:
        buf_printf(&b, "Externally controlled execution with %lld VUs, %lld max VUs", (long long)c->vus, (long long)vus);
        if (c->duration_ns) {
            buf_add_text(&b, " for ");
            add_time(&b, c->duration_ns);
        }
        buf_add_text(&b, " (");
        break;
    case EXECUTOR_RAMPING_VUS:
        buf_printf(&b, "Up to %lld looping VUs for ", (long long)vus);
        add_time(&b, scenario_duration_ns(c));
        buf_printf(&b, " over %zu stages (gracefulRampDown: ", c->stage_count);
        add_time(&b, c->graceful_ramp_down_ns);
        buf_add_text(&b, ", ");
        break;
    case EXECUTOR_SHARED_ITERATIONS:
        buf_printf(&b, "%lld iterations shared among %lld VUs (maxDuration: ", (long long)segment_share(segment, c->iterations), (long long)vus);
        add_time(&b, c->max_duration_ns);
        buf_add_text(&b, ", ");
        break;
    case EXECUTOR_PER_VU_ITERATIONS:
        buf_printf(&b, "%lld iterations for each of %lld VUs (maxDuration: ", (long long)c->iterations, (long long)vus);
        add_time(&b, c->max_duration_ns);
        buf_add_text(&b, ", ");
        break;
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        for (size_t i = 0; c->executor == EXECUTOR_RAMPING_ARRIVAL_RATE && i < c->stage_count; i++)
            if ((double)c->stages[i].target > rate)
                rate = (double)c->stages[i].target;
        buf_printf(&b, "%s%.2f iterations/s for ", c->executor == EXECUTOR_RAMPING_ARRIVAL_RATE ? "Up to " : "", rate / unit * segment->fraction);
        add_time(&b, scenario_duration_ns(c));
        if (c->executor == EXECUTOR_RAMPING_ARRIVAL_RATE)
            buf_printf(&b, " over %zu stages", c->stage_count);
        if (vus == most)
            buf_printf(&b, " (maxVUs: %lld, ", (long long)vus);
        else
            buf_printf(&b, " (maxVUs: %lld-%lld, ", (long long)vus, (long long)most);
        break;
    }
    if (strcmp(c->exec, "default") != 0)
        buf_printf(&b, "exec: %s, ", c->exec);
    if (c->start_time_ns) {
        buf_add_text(&b, "startTime: ");
        add_time(&b, c->start_time_ns);
        buf_add_text(&b, ", ");
    }
    buf_add_text(&b, "gracefulStop: ");
    add_time(&b, c->graceful_stop_ns);
    buf_add_char(&b, ')');
    return buf_take(&b);
}
