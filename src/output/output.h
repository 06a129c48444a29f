/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that get every sample. They write on a thread of their own: a slow disk fills a bounded queue, and
 * what does not fit is dropped, counted and said, but never slows the run. */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "metrics/collector.h"
#include "metrics/threshold.h"

struct error;
struct outputs;

struct output_params {
    const char *const *system_tags; /* enabled ones, sorted */
    size_t system_tag_count;
    const struct thresholds *thresholds;
};

/* One kind of output. Adding one: its file, its declaration below, its row in output.c. */
struct output_kind {
    const char *name;
    /* arg: what follows "name=", or NULL. NULL with err on failure. */
    void *(*open)(const char *arg, const struct output_params *params, struct error *err);
    void (*write)(void *output, const struct raw_sample *samples, size_t count);
    void (*close)(void *output);
};
extern const struct output_kind json_output, csv_output;

/* Every "NAME" or "NAME=ARG" names an output; EXIT_GENERIC otherwise. */
bool outputs_check(const char *const *specs, size_t count, struct error *err);
struct outputs *outputs_open(const char *const *specs, size_t count, const struct output_params *params, struct error *err);
/* Takes over the samples. Main thread; never waits for the disk. */
void outputs_take(struct outputs *outputs, struct raw_sample *samples, size_t count, uint64_t dropped);
/* Writes what is queued, closes, and says what was dropped. Takes NULL. */
void outputs_close(struct outputs *outputs);

/* ---- for the kinds ---- */
struct out_file;
/* "-" or NULL: standard output; ".gz": compressed. */
struct out_file *out_file_open(const char *path, struct error *err);
void out_file_write(struct out_file *file, const char *data, size_t len);
/* Between batches: hands what is buffered to the system when period_ns have passed since the last time. */
void out_file_flush_due(struct out_file *file, int64_t period_ns);
/* False: something could not be written. */
bool out_file_close(struct out_file *file);

#endif
