/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees while a test runs: banner, description, progress lines. On a terminal the lines are
 * redrawn in place; elsewhere they are printed once a second. Main thread. */
#ifndef REPORT_PROGRESS_H
#define REPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct buf;
struct progress;

enum progress_status { PROGRESS_RUNNING, PROGRESS_WAITING, PROGRESS_STOPPING, PROGRESS_INTERRUPTED, PROGRESS_DONE };

struct progress_row {
    const char *name;
    enum progress_status status;
    double fraction;  /* 0 to 1 */
    const char *right; /* "10 VUs  01.0s/30s" */
};

struct progress_state {
    int64_t elapsed_ns;
    int64_t vus, max_vus;
    uint64_t complete, interrupted;
    const char *phase; /* "running", "setup", "teardown" ... */
    const struct progress_row *rows;
    size_t row_count;
};

void banner_print(struct buf *out, bool color);

struct description {
    const char *script, *output;
    double segment; /* 1: the whole test */
    size_t scenario_count;
    int64_t max_vus, max_duration_ns;
    const char *const *scenarios; /* "default: 10 looping VUs for 30s (gracefulStop: 30s)" */
};
void description_print(struct buf *out, const struct description *d);

struct progress *progress_new(FILE *out, bool terminal, bool color);
/* Draws when it is time to. */
void progress_update(struct progress *p, const struct progress_state *state, int64_t now_ns);
/* The final state stays on the screen. */
void progress_finish(struct progress *p, const struct progress_state *state);
void progress_free(struct progress *p);

/* The lines of a state, for tests. columns: the terminal's width. */
void progress_format(struct buf *out, const struct progress_state *state, int columns, bool color);
/* "0m01.0s" and "01.0s" as k6 prints progress times. */
void progress_time(struct buf *out, int64_t ns, bool with_minutes);

#endif
