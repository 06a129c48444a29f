/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd with one thread of its own; slow routes suspend their connection and are resumed from a timer
 * thread, so that a thousand slow requests cost no thread each. */
#include "lab/toy.h"

#include <math.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"

#define MAX_BODY_BYTES 65536
#define MAX_JOBS 100000

enum job_mode { MODE_MIXED, MODE_CPU, MODE_IO, MODE_FAST };

struct job {
    enum job_mode mode;
    int64_t created_ns, started_ns, finished_ns; /* wall; 0: not yet */
    bool failed;
};

/* What a connection waits for, and later gets. */
struct visit {
    struct MHD_Connection *connection;
    struct buf body;
    bool body_too_large, waiting, answered_late;
    int64_t due_ns;
    struct visit *next;
    unsigned status;
    char *answer;
};

struct toy {
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_t timer_thread, job_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed, job_changed;
    struct visit *sleeping;
    bool stopping;
    struct job *jobs;
    size_t job_count, job_cap, jobs_taken;
    uint64_t random;
};

/* ---- waiting ---- */

static void *wake_sleepers(void *arg)
{
    struct toy *toy = arg;
    pthread_mutex_lock(&toy->lock);
    while (!toy->stopping || toy->sleeping) {
        int64_t now = clock_mono_ns(), next = now + NS_PER_S;
        for (struct visit **at = &toy->sleeping; *at;) {
            struct visit *visit = *at;
            if (visit->due_ns <= now || toy->stopping) {
                *at = visit->next;
                visit->waiting = false;
                MHD_resume_connection(visit->connection);
                continue;
            }
            if (visit->due_ns < next)
                next = visit->due_ns;
            at = &visit->next;
        }
        if (toy->stopping)
            continue;
        int64_t until = next - now + clock_wall_ns();
        struct timespec limit = {until / NS_PER_S, until % NS_PER_S};
        pthread_cond_timedwait(&toy->changed, &toy->lock, &limit);
    }
    pthread_mutex_unlock(&toy->lock);
    return NULL;
}

/* Uniform in [low, high); under the lock. */
static int64_t pick_locked(struct toy *toy, int64_t low, int64_t high)
{
    toy->random ^= toy->random << 13;
    toy->random ^= toy->random >> 7;
    toy->random ^= toy->random << 17;
    return low + (int64_t)(toy->random % (uint64_t)(high - low));
}

static int64_t pick(struct toy *toy, int64_t low, int64_t high)
{
    pthread_mutex_lock(&toy->lock);
    int64_t value = pick_locked(toy, low, high);
    pthread_mutex_unlock(&toy->lock);
    return value;
}

static void wait_then(struct toy *toy, struct visit *visit, int64_t ms, unsigned status, char *answer)
{
    visit->status = status;
    visit->answer = answer;
    visit->answered_late = true;
    pthread_mutex_lock(&toy->lock);
    visit->due_ns = clock_mono_ns() + ms * NS_PER_MS;
    visit->waiting = true;
    visit->next = toy->sleeping;
    toy->sleeping = visit;
    MHD_suspend_connection(visit->connection);
    pthread_cond_signal(&toy->changed);
    pthread_mutex_unlock(&toy->lock);
}

/* ---- answers ---- */

static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned status, const char *json)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(json), (void *)(uintptr_t)json, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_and_free(struct MHD_Connection *connection, unsigned status, char *json)
{
    enum MHD_Result result = send_json(connection, status, json);
    mem_free(json);
    return result;
}

static char *now_text(void)
{
    struct buf text = {0};
    clock_format_rfc3339(&text, clock_wall_ns(), 9);
    return buf_take(&text);
}

static char *with_time(const char *head)
{
    char *now = now_text(), *json = mem_printf("{%s,\"ts\":\"%s\"}", head, now);
    mem_free(now);
    return json;
}

static double burn_cpu(int roots)
{
    volatile double sum = 0;
    for (int i = 0; i < roots; i++)
        sum += sqrt((double)i);
    return sum;
}

/* ---- users ---- */

static char *user_json(int64_t id)
{
    static const char *const names[] = {"Ada", "Ben", "Chloe", "Dan", "Eve", "Finn", "Grace", "Hugo"};
    return mem_printf("{\"id\":%lld,\"name\":\"%s\",\"email\":\"user%lld@example.com\"}", (long long)id, names[id % 8], (long long)id);
}

static enum MHD_Result send_users(struct MHD_Connection *connection)
{
    struct buf out = {0};
    buf_add_char(&out, '[');
    for (int64_t id = 1; id <= 50; id++) {
        char *user = user_json(id);
        buf_printf(&out, "%s%s", id > 1 ? "," : "", user);
        mem_free(user);
    }
    buf_add_char(&out, ']');
    return send_and_free(connection, 200, buf_take(&out));
}

static bool read_id(const char *text, int64_t most, int64_t *id)
{
    return text_to_int(text_of(text), id) && *id >= 1 && *id <= most;
}

static enum MHD_Result send_user(struct MHD_Connection *connection, const char *text)
{
    int64_t id;
    if (!read_id(text, 10000, &id))
        return send_json(connection, 404, "{\"error\":\"no such user: ids are 1 to 10000\"}");
    return send_and_free(connection, 200, user_json(id));
}

/* ---- jobs: one thread does them, one after another; one in ten fails ---- */

static const char *const mode_names[] = {"mixed", "cpu", "io", "fast"};

static bool read_mode(const struct buf *body, enum job_mode *mode)
{
    *mode = MODE_MIXED;
    const char *at = body->len ? strstr(body->data, "\"mode\"") : NULL;
    if (!at)
        return body->len == 0 || body->data[0] == '{';
    at += 6;
    at += strspn(at, " \t\r\n:");
    for (int i = 0; i < 4; i++) {
        size_t len = strlen(mode_names[i]);
        if (at[0] == '"' && strncmp(at + 1, mode_names[i], len) == 0 && at[len + 1] == '"') {
            *mode = (enum job_mode)i;
            return true;
        }
    }
    return false;
}

/* Under the lock; false when the server stops. */
static bool job_sleep(struct toy *toy, int64_t ms)
{
    int64_t until = clock_wall_ns() + ms * NS_PER_MS;
    struct timespec limit = {until / NS_PER_S, until % NS_PER_S};
    while (!toy->stopping && clock_wall_ns() < until)
        pthread_cond_timedwait(&toy->job_changed, &toy->lock, &limit);
    return !toy->stopping;
}

static void *do_jobs(void *arg)
{
    static const struct {
        int roots;
        int64_t least_ms, most_ms;
    } work[] = {[MODE_MIXED] = {3000000, 300, 2300}, [MODE_CPU] = {8000000, 0, 0}, [MODE_IO] = {0, 400, 2900}, [MODE_FAST] = {0, 0, 0}};
    struct toy *toy = arg;
    pthread_mutex_lock(&toy->lock);
    while (!toy->stopping) {
        if (toy->jobs_taken == toy->job_count) {
            pthread_cond_wait(&toy->job_changed, &toy->lock);
            continue;
        }
        size_t id = toy->jobs_taken++; /* the list may move while the lock is open */
        enum job_mode mode = toy->jobs[id].mode;
        toy->jobs[id].started_ns = clock_wall_ns();
        pthread_mutex_unlock(&toy->lock);
        burn_cpu(work[mode].roots);
        pthread_mutex_lock(&toy->lock);
        if (work[mode].most_ms && !job_sleep(toy, pick_locked(toy, work[mode].least_ms, work[mode].most_ms)))
            break;
        toy->jobs[id].failed = pick_locked(toy, 0, 10) == 0;
        toy->jobs[id].finished_ns = clock_wall_ns();
    }
    pthread_mutex_unlock(&toy->lock);
    return NULL;
}

static enum MHD_Result make_job(struct toy *toy, struct MHD_Connection *connection, const struct visit *visit)
{
    enum job_mode mode;
    if (visit->body_too_large)
        return send_json(connection, 413, "{\"error\":\"the body is larger than 65536 bytes\"}");
    if (!read_mode(&visit->body, &mode))
        return send_json(connection, 400, "{\"error\":\"mode must be mixed, cpu, io or fast\"}");
    int64_t now = clock_wall_ns();
    pthread_mutex_lock(&toy->lock);
    size_t id = toy->job_count;
    if (id < MAX_JOBS) {
        mem_grow(&toy->jobs, &toy->job_cap, id + 1, sizeof(toy->jobs[0]));
        toy->jobs[toy->job_count++] = (struct job){mode, now, 0, 0, false};
        pthread_cond_signal(&toy->job_changed);
    }
    pthread_mutex_unlock(&toy->lock);
    if (id >= MAX_JOBS)
        return send_json(connection, 503, "{\"error\":\"the job store is full\"}");
    return send_and_free(connection, 202, mem_printf("{\"accepted\":true,\"jobId\":\"%zu\",\"mode\":\"%s\",\"status\":\"queued\"}", id + 1, mode_names[mode]));
}

static void add_time(struct buf *out, const char *name, int64_t wall_ns, bool reached)
{
    buf_printf(out, ",\"%s\":", name);
    if (!reached) {
        buf_add_text(out, "null");
        return;
    }
    buf_add_char(out, '"');
    clock_format_rfc3339(out, wall_ns, 9);
    buf_add_char(out, '"');
}

static enum MHD_Result send_job(struct toy *toy, struct MHD_Connection *connection, const char *text)
{
    int64_t id;
    struct job job;
    pthread_mutex_lock(&toy->lock);
    bool found = read_id(text, (int64_t)toy->job_count, &id);
    if (found)
        job = toy->jobs[id - 1];
    pthread_mutex_unlock(&toy->lock);
    if (!found)
        return send_json(connection, 404, "{\"error\":\"no such job\"}");
    bool started = job.started_ns != 0, ended = job.finished_ns != 0;
    const char *status = ended ? job.failed ? "failed" : "done" : started ? "processing" : "queued";
    struct buf out = {0};
    buf_printf(&out, "{\"id\":\"%lld\",\"status\":\"%s\",\"mode\":\"%s\"", (long long)id, status, mode_names[job.mode]);
    add_time(&out, "createdAt", job.created_ns, true);
    add_time(&out, "startedAt", job.started_ns, started);
    add_time(&out, "finishedAt", job.finished_ns, ended);
    buf_printf(&out, ",\"result\":%s}", !ended ? "null" : job.failed ? "{\"error\":\"random failure\"}" : "{\"ok\":true}");
    return send_and_free(connection, 200, buf_take(&out));
}

/* ---- routes ---- */

static enum MHD_Result get(struct toy *toy, struct visit *visit, const char *path)
{
    struct MHD_Connection *c = visit->connection;
    if (strcmp(path, "/health") == 0)
        return send_and_free(c, 200, with_time("\"status\":\"ok\""));
    if (strcmp(path, "/fast") == 0)
        return send_and_free(c, 200, with_time("\"ok\":true,\"speed\":\"fast\""));
    if (strcmp(path, "/cpu") == 0)
        return send_and_free(c, 200, mem_printf("{\"ok\":true,\"cpu\":%.0f}", burn_cpu(10000000)));
    if (strcmp(path, "/error") == 0)
        return pick(toy, 0, 10) < 3 ? send_json(c, 500, "{\"error\":\"random failure\"}") : send_json(c, 200, "{\"ok\":true}");
    if (strcmp(path, "/users") == 0)
        return send_users(c);
    if (strncmp(path, "/users/", 7) == 0)
        return send_user(c, path + 7);
    if (strncmp(path, "/jobs/", 6) == 0)
        return send_job(toy, c, path + 6);
    if (strcmp(path, "/slow") == 0)
        wait_then(toy, visit, pick(toy, 500, 2500), 200, with_time("\"ok\":true,\"speed\":\"slow\""));
    else if (strcmp(path, "/io") == 0)
        wait_then(toy, visit, pick(toy, 300, 1500), 200, mem_strdup("{\"ok\":true,\"io\":true}"));
    else
        return send_json(c, 404, "{\"error\":\"not found: there are /health /fast /slow /error /cpu /io /users /jobs\"}");
    return MHD_YES;
}

static void take_body(struct visit *visit, const char *data, size_t len)
{
    if (visit->body.len + len > MAX_BODY_BYTES)
        visit->body_too_large = true;
    else
        buf_add(&visit->body, data, len);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                              const char *data, size_t *len, void **state)
{
    struct toy *toy = arg;
    struct visit *visit = *state;
    if (!visit) {
        visit = *state = mem_zalloc(sizeof(*visit));
        visit->connection = connection;
        return MHD_YES;
    }
    if (*len) {
        take_body(visit, data, *len);
        *len = 0;
        return MHD_YES;
    }
    if (visit->answered_late)
        return send_json(connection, visit->status, visit->answer);
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return get(toy, visit, path);
    if (strcmp(method, "POST") == 0 && strcmp(path, "/jobs") == 0)
        return make_job(toy, connection, visit);
    return send_json(connection, 405, "{\"error\":\"method not allowed\"}");
}

static void visit_over(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct visit *visit = *state;
    if (!visit)
        return;
    buf_free(&visit->body);
    mem_free(visit->answer);
    mem_free(visit);
    *state = NULL;
}

/* ---- life ---- */

struct toy *toy_start(uint16_t port, struct error *err)
{
    struct toy *toy = mem_zalloc(sizeof(*toy));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_mutex_init(&toy->lock, NULL);
    pthread_cond_init(&toy->changed, NULL);
    pthread_cond_init(&toy->job_changed, NULL);
    toy->random = (uint64_t)clock_mono_ns() | 1;
    toy->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL, answer, toy, MHD_OPTION_SOCK_ADDR, &address,
                                   MHD_OPTION_NOTIFY_COMPLETED, visit_over, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_END);
    const union MHD_DaemonInfo *info = toy->daemon ? MHD_get_daemon_info(toy->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info || pthread_create(&toy->timer_thread, NULL, wake_sleepers, toy) != 0) {
        error_set(err, EXIT_GENERIC, "cannot listen on 127.0.0.1:%u: is the port in use?", port);
        if (toy->daemon)
            MHD_stop_daemon(toy->daemon);
        mem_free(toy);
        return NULL;
    }
    int failed = pthread_create(&toy->job_thread, NULL, do_jobs, toy);
    if (failed) {
        error_set(err, EXIT_GENERIC, "cannot start the thread that does the jobs: %s", strerror(failed));
        pthread_mutex_lock(&toy->lock);
        toy->stopping = true;
        pthread_cond_signal(&toy->changed);
        pthread_mutex_unlock(&toy->lock);
        pthread_join(toy->timer_thread, NULL);
        MHD_stop_daemon(toy->daemon);
        mem_free(toy);
        return NULL;
    }
    toy->port = info->port;
    return toy;
}

uint16_t toy_port(const struct toy *toy)
{
    return toy->port;
}

void toy_stop(struct toy *toy)
{
    if (!toy)
        return;
    pthread_mutex_lock(&toy->lock);
    toy->stopping = true;
    pthread_cond_signal(&toy->changed);
    pthread_cond_signal(&toy->job_changed);
    pthread_mutex_unlock(&toy->lock);
    pthread_join(toy->timer_thread, NULL);
    pthread_join(toy->job_thread, NULL);
    MHD_stop_daemon(toy->daemon);
    pthread_mutex_destroy(&toy->lock);
    pthread_cond_destroy(&toy->changed);
    pthread_cond_destroy(&toy->job_changed);
    mem_free(toy->jobs);
    mem_free(toy);
}
