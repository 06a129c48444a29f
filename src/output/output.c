/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"

#define MAX_QUEUED ((size_t)4 << 20)

static const struct output_kind *const kinds[] = {&json_output, &csv_output};

struct batch {
    struct batch *next;
    struct raw_sample *samples;
    size_t count;
};

struct opened {
    const struct output_kind *kind;
    void *output;
};

struct outputs {
    struct opened *list;
    size_t count;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct batch *first, **last;
    size_t queued;
    uint64_t dropped;
    bool ending, running;
};

static const struct output_kind *kind_of(const char *spec, const char **arg)
{
    size_t len = strcspn(spec, "=");
    *arg = spec[len] == '=' ? spec + len + 1 : NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i]->name) == len && strncmp(kinds[i]->name, spec, len) == 0)
            return kinds[i];
    return NULL;
}

static bool refuse(const char *spec, struct error *err)
{
    static const char *const removed[] = {"kafka", "datadog", "statsd"};
    size_t len = strcspn(spec, "=");
    for (size_t i = 0; i < 3; i++)
        if (strlen(removed[i]) == len && strncmp(spec, removed[i], len) == 0)
            return error_set(err, EXIT_GENERIC, "the %s output was removed from k6 and ltlab does not have it", removed[i]);
    if (len == 5 && strncmp(spec, "cloud", 5) == 0)
        return error_set(err, EXIT_GENERIC, "the cloud output is not supported: ltlab runs on your own machines");
    struct buf names = {0};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        buf_printf(&names, "%s%s", i ? ", " : "", kinds[i]->name);
    error_set(err, EXIT_GENERIC, "invalid output type '%.*s', available types are: %s", (int)len, spec, names.data);
    buf_free(&names);
    return false;
}

bool outputs_check(const char *const *specs, size_t count, struct error *err)
{
    const char *arg;
    for (size_t i = 0; i < count; i++)
        if (!kind_of(specs[i], &arg))
            return refuse(specs[i], err);
    return true;
}

static void free_samples(struct raw_sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(samples[i].metadata);
    mem_free(samples);
}

static void *write_all(void *arg)
{
    struct outputs *o = arg;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        while (!o->first && !o->ending)
            pthread_cond_wait(&o->more, &o->lock);
        struct batch *batch = o->first;
        if (!batch)
            break;
        o->first = batch->next;
        if (!o->first)
            o->last = &o->first;
        pthread_mutex_unlock(&o->lock);
        for (size_t i = 0; i < o->count; i++)
            o->list[i].kind->write(o->list[i].output, batch->samples, batch->count);
        free_samples(batch->samples, batch->count);
        pthread_mutex_lock(&o->lock);
        o->queued -= batch->count;
        mem_free(batch);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

struct outputs *outputs_open(const char *const *specs, size_t count, const struct output_params *params, struct error *err)
{
    struct outputs *o = mem_zalloc(sizeof(*o));
    o->list = mem_zalloc((count + 1) * sizeof(o->list[0]));
    o->last = &o->first;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->more, NULL);
    for (size_t i = 0; i < count; i++) {
        const char *arg;
        const struct output_kind *kind = kind_of(specs[i], &arg);
        void *output = kind->open(arg, params, err);
        if (!output) {
            outputs_close(o);
            return NULL;
        }
        o->list[o->count++] = (struct opened){kind, output};
    }
    int failed = pthread_create(&o->thread, NULL, write_all, o);
    if (failed) {
        error_set(err, EXIT_GENERIC, "cannot start the thread that writes outputs: %s", strerror(failed));
        outputs_close(o);
        return NULL;
    }
    o->running = true;
    return o;
}

void outputs_take(struct outputs *o, struct raw_sample *samples, size_t count, uint64_t dropped)
{
    if (!count) {
        mem_free(samples);
        samples = NULL;
    }
    pthread_mutex_lock(&o->lock);
    o->dropped += dropped;
    bool room = o->queued + count <= MAX_QUEUED;
    if (count && room) {
        struct batch *batch = mem_alloc(sizeof(*batch));
        *batch = (struct batch){NULL, samples, count};
        *o->last = batch;
        o->last = &batch->next;
        o->queued += count;
        pthread_cond_signal(&o->more);
    } else if (count) {
        o->dropped += count;
    }
    pthread_mutex_unlock(&o->lock);
    if (count && !room)
        free_samples(samples, count);
}

void outputs_close(struct outputs *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->ending = true;
    pthread_cond_signal(&o->more);
    pthread_mutex_unlock(&o->lock);
    if (o->running)
        pthread_join(o->thread, NULL);
    for (size_t i = 0; i < o->count; i++)
        o->list[i].kind->close(o->list[i].output);
    if (o->dropped)
        log_warning("%llu samples were dropped because the outputs were too slow; metrics and thresholds are not affected", (unsigned long long)o->dropped);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->more);
    mem_free(o->list);
    mem_free(o);
}

/* ---- files ---- */

struct out_file {
    FILE *plain;
    gzFile packed;
    char *path;
    int64_t flushed_ns;
    bool failed;
};

struct out_file *out_file_open(const char *path, struct error *err)
{
    struct out_file *f = mem_zalloc(sizeof(*f));
    size_t len = path ? strlen(path) : 0;
    f->path = mem_strdup(path && path[0] ? path : "-");
    f->flushed_ns = clock_mono_ns();
    if (!len || strcmp(path, "-") == 0)
        f->plain = stdout;
    else if (len > 3 && strcmp(path + len - 3, ".gz") == 0)
        f->packed = gzopen(path, "wb");
    else
        f->plain = fopen(path, "wbe");
    if (f->plain || f->packed)
        return f;
    error_set(err, EXIT_GENERIC, "cannot open the output file %s: %s", f->path, strerror(errno));
    mem_free(f->path);
    mem_free(f);
    return NULL;
}

void out_file_write(struct out_file *f, const char *data, size_t len)
{
    if (f->packed)
        f->failed |= len && gzwrite(f->packed, data, (unsigned)len) <= 0;
    else
        f->failed |= fwrite(data, 1, len, f->plain) != len;
}

void out_file_flush_due(struct out_file *f, int64_t period_ns)
{
    int64_t now = clock_mono_ns();
    if (now - f->flushed_ns < period_ns)
        return;
    f->flushed_ns = now;
    if (f->packed)
        f->failed |= gzflush(f->packed, Z_SYNC_FLUSH) != Z_OK;
    else
        f->failed |= fflush(f->plain) != 0;
}

bool out_file_close(struct out_file *f)
{
    if (f->packed)
        f->failed |= gzclose(f->packed) != Z_OK;
    else if (f->plain == stdout)
        f->failed |= fflush(stdout) != 0;
    else
        f->failed |= fclose(f->plain) != 0;
    bool fine = !f->failed;
    if (!fine)
        log_error("the output file %s could not be written completely", f->path);
    mem_free(f->path);
    mem_free(f);
    return fine;
}
