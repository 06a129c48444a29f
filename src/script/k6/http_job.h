/* SPDX-License-Identifier: Apache-2.0 */
/* One request of k6/http on its way: from the script's arguments to a Response with its samples. */
#ifndef SCRIPT_K6_HTTP_JOB_H
#define SCRIPT_K6_HTTP_JOB_H

#include "core/arena.h"
#include "http/client.h"
#include "script/host.h"

enum response_type { RESPONSE_TEXT, RESPONSE_BINARY, RESPONSE_NONE };

/* Which statuses count as expected. */
struct expected_statuses {
    unsigned refs;
    size_t count;
    struct {
        int min, max;
    } ranges[];
};

enum callback_kind { CALLBACK_DEFAULT, CALLBACK_NONE, CALLBACK_RANGES };

struct response_callback {
    enum callback_kind kind;
    struct expected_statuses *ranges;
};

struct http_job {
    struct vu *vu;
    JSContext *ctx;
    struct http_request request;
    struct arena arena;  /* what the request points into */
    struct js_bytes body_bytes;
    JSValue body_value;  /* pins the body's bytes */
    struct js_tags tags; /* params.tags */
    const char *name;    /* the name tag; NULL: the URL */
    size_t name_len;
    enum response_type response_type;
    struct response_callback callback;
    const struct tagset *base_tags; /* the VU's when the request began */
    struct http_call *call;
    struct http_response *response;
    bool throws;
    bool is_prepared;
    JSValue pinned_jar;
};

/* Reads the arguments. False: either an exception is pending, or (failure->text set) the request cannot be
 * built and, without options.throw, becomes a Response with that error. Always end with http_job_fini. */
struct request_failure {
    int code;
    char *text;
};
bool http_job_prepare(struct http_job *job, JSContext *ctx, const char *method, JSValueConst url, JSValueConst body,
                      JSValueConst params, struct request_failure *failure);
void http_job_fini(struct http_job *job);
/* Begins it; on the worker's stack. done(arg) when job->response is there. */
void http_job_start(struct http_job *job, http_done *done, void *arg);
/* Emits the samples of every hop and warns of failures as k6 does. */
void http_job_emit(struct http_job *job);
/* The Response object; takes job->response. An exception when the request failed and the script wants
 * exceptions. */
JSValue http_job_response(struct http_job *job);
/* What a request that could not be built becomes; frees failure->text. */
JSValue http_failed_response(JSContext *ctx, struct request_failure *failure);

/* ---- per-VU state ---- */
struct http_vu {
    struct response_callback callback; /* setResponseCallback */
};
struct http_vu *http_vu_of(struct vu *vu);
void http_vu_free(struct http_vu *state);
struct http_client *http_client_of(struct vu *vu);
struct cookie_jar *cookie_jar_of(struct vu *vu);

/* One request of the script, as http.request makes it. */
JSValue http_run_request(JSContext *ctx, const char *method, JSValueConst url, JSValueConst body, JSValueConst params);

/* ---- classes ---- */
/* html(), submitForm() and clickLink() for the prototype of responses. */
void http_page_methods(JSContext *ctx, JSValueConst proto);
void http_response_class(JSContext *ctx);
/* takes response (may be NULL: then error and code tell why) */
JSValue http_response_new(JSContext *ctx, struct http_response *response, enum response_type type, const char *request_url,
                          JSValueConst request_body, const char *error, int error_code);
void http_jar_class(JSContext *ctx, JSValueConst exports);
struct cookie_jar *http_jar_of_value(JSValueConst value);
void http_callback_class(JSContext *ctx);
/* Reads null, undefined or an expectedStatuses() object; false: an exception is pending. */
bool http_callback_read(JSContext *ctx, JSValueConst value, struct response_callback *callback);
void http_callback_fini(struct response_callback *callback);
JSValue http_expected_statuses(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
void http_file_class(JSContext *ctx);
JSValue http_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);

#endif
