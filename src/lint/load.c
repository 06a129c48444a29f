/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of the load: users who never pause, load that never changes, a herd that is none. */
#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/mem.h"
#include "lint/lint_private.h"

/* Fewer VUs, or a shorter run, are a smoke test, of which none of this need be said. */
#define FEW_VUS 5
#define SHORT_NS (30 * NS_PER_S)

/* `name:` or `'name':` anywhere behind from. */
static size_t find_key(const struct lint *lint, size_t from, const char *name)
{
    for (size_t i = from; i + 1 < lint->tokens.count; i++) {
        bool named = is_token(lint, i, name) || (lint->tokens.list[i].kind == TOKEN_STRING && text_equal(token_string(&lint->tokens.list[i]), text_of(name)));
        if (named && is_token(lint, i + 1, ":"))
            return i;
    }
    return NO_TOKEN;
}

/* Where a reader would look for a scenario: its name, or the first of the options' shortcuts. */
static size_t place_of(const struct lint *lint, const struct scenario_config *scenario)
{
    static const char *const shortcuts[] = {"vus", "iterations", "duration"};
    size_t at = find_key(lint, 0, scenario->name);
    for (size_t i = 0; i < 3 && at == NO_TOKEN; i++)
        at = find_key(lint, 0, shortcuts[i]);
    return at;
}

static size_t place_of_function(const struct lint *lint, const char *exec)
{
    for (size_t i = 0; i + 1 < lint->tokens.count; i++) {
        if (!is_token(lint, i, "export"))
            continue;
        bool is_default = strcmp(exec, "default") == 0 && is_token(lint, i + 1, "default");
        size_t name = is_token(lint, i + 1, "async") ? i + 3 : i + 2;
        if (is_default || is_token(lint, name, exec))
            return i;
    }
    return NO_TOKEN;
}

static bool waits(const struct tokens *t)
{
    static const char *const names[] = {"sleep", "setTimeout", "setInterval", "delay", "thinkTime", "randomSleep"};
    for (size_t i = 0; i + 1 < t->count; i++)
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            if (token_is(t, i, names[n]) && token_is(t, i + 1, "("))
                return true;
    return false;
}

bool lint_waits(const char *source, size_t len)
{
    struct tokens tokens;
    tokens_read(&tokens, source, len);
    bool found = waits(&tokens);
    tokens_free(&tokens);
    return found;
}

static bool loops(const struct scenario_config *s)
{
    return s->executor == EXECUTOR_CONSTANT_VUS || s->executor == EXECUTOR_RAMPING_VUS;
}

static void check_think_time(struct lint *lint)
{
    const struct lint_input *in = lint->input;
    if (in->min_iteration_set || in->waits_elsewhere || waits(&lint->tokens))
        return;
    for (size_t i = 0; i < in->scenario_count; i++) {
        const struct scenario_config *s = &in->scenarios[i];
        if (in->has_workload && !loops(s))
            continue;
        lint_report(lint, "no-think-time", place_of_function(lint, s->exec), mem_strdup("sleep(1) between requests, or an arrival-rate executor, which sets the rate itself"),
                    "no think time: every VU sends its next request at once, so the number of VUs says nothing about users");
        return;
    }
}

static void check_constant(struct lint *lint)
{
    const struct lint_input *in = lint->input;
    int64_t most = 0;
    for (size_t i = 0; i < in->scenario_count; i++) {
        const struct scenario_config *s = &in->scenarios[i];
        if (s->executor != EXECUTOR_CONSTANT_VUS || s->duration_ns < SHORT_NS)
            return;
        most = s->vus > most ? s->vus : most;
    }
    if (most >= FEW_VUS)
        lint_report(lint, "constant-load", place_of(lint, &in->scenarios[0]),
                    mem_printf("stages: [{ duration: '1m', target: %lld }, { duration: '5m', target: %lld }, { duration: '1m', target: 0 }]", (long long)most, (long long)most),
                    "constant load only: all VUs start in the same moment, and the test cannot tell at which load the system begins to suffer");
}

static void check_herds(struct lint *lint)
{
    const struct lint_input *in = lint->input;
    for (size_t i = 0; i < in->scenario_count; i++) {
        const struct scenario_config *s = &in->scenarios[i];
        if (s->executor != EXECUTOR_SHARED_ITERATIONS || s->vus < FEW_VUS || s->iterations < s->vus || s->iterations > s->vus + s->vus / 4)
            continue;
        lint_report(lint, "herd", place_of(lint, s), mem_printf("executor: 'per-vu-iterations', vus: %lld, iterations: 1", (long long)s->vus),
                    "%lld VUs share %lld iterations: a quick VU takes several and others none, so this is not one request of each user", (long long)s->vus, (long long)s->iterations);
    }
}

void lint_load(struct lint *lint)
{
    if (!lint->input->scenarios)
        return;
    check_think_time(lint);
    check_constant(lint);
    check_herds(lint);
}
