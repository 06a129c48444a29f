/* SPDX-License-Identifier: Apache-2.0 */
#include "api/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "api/documents.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/list.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/script.h"

#define MAX_BODY_BYTES ((size_t)1 << 20)

struct api_server {
    struct test *test;
    struct MHD_Daemon *daemon;
    atomic_int pending; /* requests that wait for the main thread or are being answered */
    atomic_bool closing;
};

/* A request on its way: the server's thread waits for the main thread's answer. */
struct request {
    struct api_server *server;
    struct task task;
    const char *method, *path;
    struct buf body;
    bool too_long, counted;
    int status;
    char *answer;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
};

/* ---- answers, on the main thread ---- */

static void answer(struct request *r, int status, char *document)
{
    r->status = status;
    r->answer = document;
}

static void answer_error(struct request *r, int status, const char *title, const char *detail)
{
    answer(r, status, document_error(status, title, detail));
}

static void answer_status(struct request *r)
{
    struct test_status status = test_status(r->server->test);
    answer(r, 200, document_status(&status));
}

static void patch_status(struct request *r)
{
    struct test *test = r->server->test;
    struct status_patch patch;
    struct error err = {0};
    const char *wrong = status_patch_read(r->body.data ? r->body.data : "", &patch);
    if (wrong) {
        answer_error(r, 400, "Invalid data", wrong);
        return;
    }
    bool done = true;
    if (patch.has_stopped && patch.stopped)
        test_stop_by_api(test);
    if (patch.has_paused && patch.paused != test_status(test).paused)
        done = test_set_paused(test, patch.paused, &err);
    if (done && patch.has_vus)
        done = test_scale(test, patch.vus, &err);
    if (done)
        answer_status(r);
    else
        answer_error(r, 500, patch.has_vus ? "Couldn't set VUs" : "Pause error", err.text);
    error_clear(&err);
}

static void put_setup(struct request *r)
{
    char *json = setup_put_read(r->body.data ? r->body.data : "");
    if (json) {
        script_set_setup_data(test_script(r->server->test), json);
        answer(r, 200, document_setup(json));
    } else {
        answer_error(r, 400, "Invalid data", "the body must be {\"data\": {\"attributes\": {\"data\": ...}}}");
    }
    mem_free(json);
}

static void answer_summary(struct request *r)
{
    struct summary *summary = test_live_summary(r->server->test);
    const char *metric = text_starts(text_of(r->path), "/v1/metrics/") ? r->path + 12 : NULL;
    const char *group = text_starts(text_of(r->path), "/v1/groups/") ? r->path + 11 : NULL;
    char *document;
    if (metric)
        document = document_metric(summary, metric);
    else if (group)
        document = document_group(summary, group);
    else
        document = r->path[4] == 'm' ? document_metrics(summary) : document_groups(summary);
    if (document)
        answer(r, 200, document);
    else
        answer_error(r, 404, "Not Found", metric ? "No metric with that ID was found" : "No group with that ID was found");
    if (summary)
        summary_free(summary);
}

static bool is_summary_path(const char *path)
{
    struct text p = text_of(path);
    return text_equal(p, TEXT("/v1/metrics")) || text_starts(p, "/v1/metrics/") || text_equal(p, TEXT("/v1/groups")) || text_starts(p, "/v1/groups/");
}

static void route(struct request *r)
{
    bool get = strcmp(r->method, "GET") == 0, status = strcmp(r->path, "/v1/status") == 0, setup = strcmp(r->path, "/v1/setup") == 0;
    if (r->too_long)
        answer_error(r, 413, "Too large", "the body is longer than 1 MiB");
    else if (get && (strcmp(r->path, "/ping") == 0 || strcmp(r->path, "/") == 0))
        answer(r, 200, mem_strdup("ok"));
    else if (get && status)
        answer_status(r);
    else if (status && strcmp(r->method, "PATCH") == 0)
        patch_status(r);
    else if (get && setup)
        answer(r, 200, document_setup(script_setup_data(test_script(r->server->test))));
    else if (setup && strcmp(r->method, "PUT") == 0)
        put_setup(r);
    else if (get && is_summary_path(r->path))
        answer_summary(r);
    else if (status || setup || is_summary_path(r->path))
        answer_error(r, 405, "Method Not Allowed", "this path does not know that method");
    else
        answer_error(r, 404, "Not Found", "there is no such path: /v1/status, /v1/metrics, /v1/groups and /v1/setup are known");
}

static void run_request(struct task *task)
{
    struct request *r = CONTAINER_OF(task, struct request, task);
    route(r);
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_signal(&r->answered);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the server's thread ---- */

static void wait_for_answer(struct request *r)
{
    atomic_fetch_add(&r->server->pending, 1);
    r->counted = true;
    if (atomic_load(&r->server->closing)) {
        answer_error(r, 503, "Service Unavailable", "the test has ended");
        return;
    }
    test_post(r->server->test, &r->task);
    pthread_mutex_lock(&r->lock);
    while (!r->done)
        pthread_cond_wait(&r->answered, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static enum MHD_Result reply(struct MHD_Connection *connection, struct request *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(r->answer), r->answer, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", r->answer[0] == '{' ? "application/json; charset=utf-8" : "text/plain; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version, const char *data, size_t *len,
                              void **state)
{
    struct request *r = *state;
    if (!r) {
        r = mem_zalloc(sizeof(*r));
        r->server = arg;
        r->task.run = run_request;
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->answered, NULL);
        *state = r;
        return MHD_YES;
    }
    if (*len) {
        if (r->body.len + *len > MAX_BODY_BYTES)
            r->too_long = true;
        else
            buf_add(&r->body, data, *len);
        *len = 0;
        return MHD_YES;
    }
    r->method = method;
    r->path = path;
    wait_for_answer(r);
    return reply(connection, r);
}

static void completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
    struct request *r = *state;
    if (!r)
        return;
    if (r->counted)
        atomic_fetch_sub(&r->server->pending, 1);
    buf_free(&r->body);
    mem_free(r->answer);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->answered);
    mem_free(r);
}

/* ---- life ---- */

static bool resolve(const char *address, struct sockaddr_storage *out, struct error *err)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return error_set(err, EXIT_CANNOT_START_API, "the REST API's address \"%s\" must be host:port, like localhost:6565", address);
    size_t len = (size_t)(colon - address);
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    char *host = bracketed ? mem_strndup(address + 1, len - 2) : mem_strndup(address, len);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int failed = getaddrinfo(host[0] ? host : "localhost", colon + 1, &hints, &found);
    mem_free(host);
    if (failed)
        return error_set(err, EXIT_CANNOT_START_API, "the REST API's address \"%s\" is no address: %s", address, gai_strerror(failed));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

struct api_server *api_start(const char *address, struct test *test, struct error *err)
{
    struct sockaddr_storage at = {0};
    if (!resolve(address, &at, err))
        return NULL;
    struct api_server *server = mem_zalloc(sizeof(*server));
    server->test = test;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | (at.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                                      MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_END);
    if (!server->daemon) {
        error_set(err, EXIT_CANNOT_START_API, "the REST API can't listen on %s: %s", address, strerror(errno));
        mem_free(server);
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    log_debug("the REST API listens on %s (port %u)", address, info ? info->port : 0);
    return server;
}

void api_stop(struct api_server *server)
{
    if (!server)
        return;
    atomic_store(&server->closing, true);
    while (atomic_load(&server->pending))
        test_turn(server->test);
    MHD_stop_daemon(server->daemon);
    mem_free(server);
}
