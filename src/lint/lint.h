/* SPDX-License-Identifier: Apache-2.0 */
/* Habits in a script that make a test measure something else than its author meant. One source at a time,
 * beside the scenarios that its options make. Main thread; prints nothing. */
#ifndef LINT_LINT_H
#define LINT_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "run/scenario_config.h"

struct lint_input {
    const char *source; /* borrowed, also by the findings' columns */
    size_t len;
    /* NULL: the options are not known, or this is not the main script; then nothing is said of the load. */
    const struct scenario_config *scenarios;
    size_t scenario_count;
    bool has_workload;      /* the options say how much load there is; without it VUs run one iteration */
    bool min_iteration_set; /* minIterationDuration paces iterations */
    bool waits_elsewhere;   /* another module of the script sleeps */
    /* A data file by the name that the source gives to open(); NULL when it cannot be read. Lives as long as
     * the input. */
    const char *(*open)(void *arg, const char *path, size_t *len);
    /* A variable of __ENV is set (-e). */
    bool (*has_env)(void *arg, const char *name);
    void *arg;
};

struct finding {
    const char *rule; /* "missing-import" ... */
    int line, column;
    char *what, *instead; /* instead: what to write */
};

struct findings {
    struct finding *list;
    size_t count, cap;
};

/* Adds what is found, sorted by place. */
void lint_source(struct findings *findings, const struct lint_input *input);
void findings_free(struct findings *findings);
/* The source has think time: a sleep, a timer, an awaited delay. */
bool lint_waits(const char *source, size_t len);

#endif
