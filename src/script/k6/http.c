/* SPDX-License-Identifier: Apache-2.0 */
/* k6/http: the functions. A request is prepared on the VU's stack, sent from the worker's own, and the VU
 * sleeps in between. */
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/url.h"
#include "script/k6/http_job.h"
#include "script/k6/modules.h"

/* ---- one request ---- */

static void sync_done(struct http_response *response, void *arg)
{
    struct http_job *job = arg;
    job->response = response;
    job->call = NULL;
    vu_unblock(job->vu);
}

static void sync_start(void *arg)
{
    http_job_start(arg, sync_done, arg);
}

/* A request that could not even be built: an exception, or a Response that tells. */
static JSValue refused(JSContext *ctx, struct request_failure *failure)
{
    if (!failure->text)
        return JS_EXCEPTION;
    if (script_of(ctx)->settings->throw_errors) {
        js_throw_error(ctx, "%s", failure->text);
        mem_free(failure->text);
        return JS_EXCEPTION;
    }
    struct log_field field = {"error", failure->text};
    log_write(LOG_WARNING, &field, 1, "Request Failed");
    return http_failed_response(ctx, failure);
}

JSValue http_run_request(JSContext *ctx, const char *method, JSValueConst url, JSValueConst body, JSValueConst params)
{
    struct http_job job;
    struct request_failure failure;
    struct vu *vu = vu_of(ctx);
    if (!vu_require_running(ctx, "making http requests"))
        return JS_EXCEPTION;
    JSValue result = JS_EXCEPTION;
    if (!http_job_prepare(&job, ctx, method, url, body, params, &failure)) {
        result = refused(ctx, &failure);
    } else if (!vu_block(vu, sync_start, &job)) {
        if (job.call)
            http_cancel(job.call);
        vu_throw_cut(vu);
    } else {
        http_job_emit(&job);
        result = http_job_response(&job);
    }
    http_job_fini(&job);
    return result;
}

struct verb {
    const char *name, *method;
    bool has_body;
};

static const struct verb verbs[] = {
    {"get", "GET", false},   {"head", "HEAD", false},   {"post", "POST", true},      {"put", "PUT", true},
    {"patch", "PATCH", true}, {"del", "DELETE", true}, {"options", "OPTIONS", true},
};

static JSValue arg_at(int argc, JSValueConst *argv, int index)
{
    return argc > index ? (JSValue)argv[index] : JS_UNDEFINED;
}

static JSValue http_verb(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int which)
{
    const struct verb *verb = &verbs[which];
    if (!verb->has_body && argc > 2)
        log_warning("http.%s() takes a URL and params; the third argument is ignored", verb->name);
    return http_run_request(ctx, verb->method, arg_at(argc, argv, 0), verb->has_body ? arg_at(argc, argv, 1) : JS_UNDEFINED,
                       arg_at(argc, argv, verb->has_body ? 2 : 1));
}

static char *upper_method(JSContext *ctx, JSValueConst value)
{
    const char *text = JS_ToCString(ctx, value);
    if (!text)
        return NULL;
    char *method = mem_strdup(text);
    JS_FreeCString(ctx, text);
    for (char *at = method; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 32);
    return method;
}

static JSValue http_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    char *method = upper_method(ctx, arg_at(argc, argv, 0));
    if (!method)
        return JS_EXCEPTION;
    JSValue result = http_run_request(ctx, method, arg_at(argc, argv, 1), arg_at(argc, argv, 2), arg_at(argc, argv, 3));
    mem_free(method);
    return result;
}

/* ---- asyncRequest ---- */

struct async_request {
    struct vu_operation operation;
    struct http_job job;
    char *method;
    JSValue settle[2];
    struct task start;
};

static void async_free(struct async_request *a)
{
    JSContext *ctx = a->job.ctx;
    JS_FreeValue(ctx, a->settle[0]);
    JS_FreeValue(ctx, a->settle[1]);
    http_job_fini(&a->job);
    mem_free(a->method);
    mem_free(a);
}

static void settle(JSContext *ctx, JSValue *functions, JSValue value)
{
    bool failed = JS_IsException(value);
    if (failed)
        value = JS_GetException(ctx);
    JSValue ignored = JS_Call(ctx, functions[failed], JS_UNDEFINED, 1, (JSValueConst *)&value);
    JS_FreeValue(ctx, ignored);
    JS_FreeValue(ctx, value);
}

static void async_run(struct vu *vu, struct vu_operation *operation)
{
    struct async_request *a = CONTAINER_OF(operation, struct async_request, operation);
    http_job_emit(&a->job);
    settle(a->job.ctx, a->settle, http_job_response(&a->job));
    async_free(a);
}

static void async_cancel(struct vu *vu, struct vu_operation *operation)
{
    struct async_request *a = CONTAINER_OF(operation, struct async_request, operation);
    if (!operation->ended && a->job.call)
        http_cancel(a->job.call);
    async_free(a);
}

static void async_done(struct http_response *response, void *arg)
{
    struct async_request *a = arg;
    a->job.response = response;
    a->job.call = NULL;
    vu_operation_end(a->job.vu, &a->operation);
}

static JSValue http_async_request(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct request_failure failure;
    if (!vu_require_running(ctx, "making http requests"))
        return JS_EXCEPTION;
    char *method = upper_method(ctx, arg_at(argc, argv, 0));
    if (!method)
        return JS_EXCEPTION;
    struct async_request *a = mem_zalloc(sizeof(*a));
    a->method = method;
    JSValue promise = JS_NewPromiseCapability(ctx, a->settle);
    if (http_job_prepare(&a->job, ctx, method, arg_at(argc, argv, 1), arg_at(argc, argv, 2), arg_at(argc, argv, 3), &failure)) {
        a->operation.run = async_run;
        a->operation.cancel = async_cancel;
        vu_operation_begin(a->job.vu, &a->operation);
        http_job_start(&a->job, async_done, a);
    } else {
        settle(ctx, a->settle, refused(ctx, &failure));
        async_free(a);
    }
    return promise;
}

/* ---- batch ---- */

struct batch;

struct batch_item {
    struct batch *batch;
    struct http_job job;
    char *method;
    JSValue url, body, params; /* owned */
    JSAtom key;                /* object form */
    bool prepared, started;
    JSValue refused;
};

struct batch {
    struct vu *vu;
    struct batch_item *items;
    size_t count, next, running, done;
    size_t limit, host_limit;
};

static size_t running_on_host(const struct batch *batch, const struct http_url *url)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_item *item = &batch->items[i];
        if (item->started && item->job.call && strcmp(item->job.request.url->host_header, url->host_header) == 0)
            count++;
    }
    return count;
}

static void batch_item_done(struct http_response *response, void *arg);

static void batch_start(void *arg)
{
    struct batch *batch = arg;
    for (size_t i = batch->next; i < batch->count && batch->running < batch->limit; i++) {
        struct batch_item *item = &batch->items[i];
        if (!item->prepared || item->started)
            continue;
        if (batch->host_limit && running_on_host(batch, item->job.request.url) >= batch->host_limit)
            continue;
        item->started = true;
        batch->running++;
        http_job_start(&item->job, batch_item_done, item);
    }
    while (batch->next < batch->count && (batch->items[batch->next].started || !batch->items[batch->next].prepared))
        batch->next++;
}

static void batch_item_done(struct http_response *response, void *arg)
{
    struct batch_item *item = arg;
    struct batch *batch = item->batch;
    item->job.response = response;
    item->job.call = NULL;
    batch->running--;
    batch->done++;
    batch_start(batch);
    if (batch->running == 0)
        vu_unblock(batch->vu);
}

static bool read_array_item(JSContext *ctx, struct batch_item *item, JSValueConst value)
{
    int64_t length = 0;
    JS_GetLength(ctx, value, &length);
    if (length < 2) {
        js_throw_error(ctx, "a request of http.batch() as an array needs a method and a URL");
        return false;
    }
    JSValue method = JS_GetPropertyUint32(ctx, value, 0);
    item->method = upper_method(ctx, method);
    JS_FreeValue(ctx, method);
    item->url = JS_GetPropertyUint32(ctx, value, 1);
    item->body = JS_GetPropertyUint32(ctx, value, 2);
    item->params = JS_GetPropertyUint32(ctx, value, 3);
    return item->method != NULL;
}

static bool read_object_item(JSContext *ctx, struct batch_item *item, JSValueConst value)
{
    JSValue method = JS_GetPropertyStr(ctx, value, "method");
    item->method = JS_IsUndefined(method) ? mem_strdup("GET") : upper_method(ctx, method);
    JS_FreeValue(ctx, method);
    item->url = JS_GetPropertyStr(ctx, value, "url");
    if (JS_IsUndefined(item->url)) {
        js_throw_error(ctx, "a request of http.batch() has no url");
        return false;
    }
    if (item->method && strcmp(item->method, "GET") != 0 && strcmp(item->method, "HEAD") != 0)
        item->body = JS_GetPropertyStr(ctx, value, "body");
    item->params = JS_GetPropertyStr(ctx, value, "params");
    return item->method != NULL;
}

static bool read_item(JSContext *ctx, struct batch_item *item, JSValueConst value)
{
    bool is_url_object = false;
    if (JS_IsObject(value) && !JS_IsArray(value)) {
        JSValue name = JS_GetPropertyStr(ctx, value, "name"), method = JS_GetPropertyStr(ctx, value, "method");
        is_url_object = JS_IsString(name) && JS_IsUndefined(method);
        JS_FreeValue(ctx, name);
        JS_FreeValue(ctx, method);
    }
    if (JS_IsArray(value))
        return read_array_item(ctx, item, value);
    if (JS_IsObject(value) && !is_url_object)
        return read_object_item(ctx, item, value);
    item->method = mem_strdup("GET");
    item->url = JS_DupValue(ctx, value);
    return true;
}

static bool prepare_item(JSContext *ctx, struct batch *batch, struct batch_item *item, JSValueConst value)
{
    struct request_failure failure;
    item->batch = batch;
    item->url = item->body = item->params = JS_UNDEFINED;
    item->refused = JS_UNDEFINED;
    item->job.ctx = ctx;
    item->job.body_value = item->job.pinned_jar = JS_UNDEFINED;
    if (!read_item(ctx, item, value))
        return false;
    item->prepared = http_job_prepare(&item->job, ctx, item->method, item->url, item->body, item->params, &failure);
    if (!item->prepared)
        item->refused = refused(ctx, &failure);
    return item->prepared || !JS_IsException(item->refused);
}

static bool prepare_all(JSContext *ctx, struct batch *batch, JSValueConst requests)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, requests, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    batch->items = mem_zalloc((count + 1) * sizeof(batch->items[0]));
    bool done = true;
    for (uint32_t i = 0; i < count && done; i++) {
        JSValue value = JS_GetProperty(ctx, requests, names[i].atom);
        struct batch_item *item = &batch->items[batch->count++];
        item->key = JS_DupAtom(ctx, names[i].atom);
        done = prepare_item(ctx, batch, item, value);
        JS_FreeValue(ctx, value);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return done;
}

static bool batch_has_work(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].prepared)
            return true;
    return false;
}

static JSValue batch_results(JSContext *ctx, struct batch *batch, bool as_array)
{
    JSValue results = as_array ? JS_NewArray(ctx) : JS_NewObject(ctx);
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        JSValue value = JS_UNDEFINED;
        if (item->prepared) {
            http_job_emit(&item->job);
            value = http_job_response(&item->job);
        } else {
            value = JS_DupValue(ctx, item->refused);
        }
        if (JS_IsException(value)) {
            JS_FreeValue(ctx, results);
            return JS_EXCEPTION;
        }
        JS_DefinePropertyValue(ctx, results, item->key, value, JS_PROP_C_W_E);
    }
    return results;
}

static void batch_fini(JSContext *ctx, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        if (item->job.call)
            http_cancel(item->job.call);
        http_job_fini(&item->job);
        JS_FreeValue(ctx, item->url);
        JS_FreeValue(ctx, item->body);
        JS_FreeValue(ctx, item->params);
        JS_FreeValue(ctx, item->refused);
        JS_FreeAtom(ctx, item->key);
        mem_free(item->method);
    }
    mem_free(batch->items);
}

static JSValue http_batch(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    const struct script_settings *settings = vu->realm->script->settings;
    if (!vu_require_running(ctx, "making http requests"))
        return JS_EXCEPTION;
    if (argc < 1 || !JS_IsObject(argv[0]))
        return js_throw_error(ctx, "http.batch() needs an array or an object of requests");
    struct batch batch = {.vu = vu, .limit = settings->batch > 0 ? (size_t)settings->batch : SIZE_MAX,
                          .host_limit = settings->batch_per_host > 0 ? (size_t)settings->batch_per_host : 0};
    JSValue results = JS_EXCEPTION;
    if (prepare_all(ctx, &batch, argv[0])) {
        if (batch_has_work(&batch) && !vu_block(vu, batch_start, &batch))
            vu_throw_cut(vu);
        else
            results = batch_results(ctx, &batch, JS_IsArray(argv[0]));
    }
    batch_fini(ctx, &batch);
    return results;
}

/* ---- the rest ---- */

static JSValue http_set_response_callback(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct response_callback callback;
    if (!http_callback_read(ctx, arg_at(argc, argv, 0), &callback))
        return JS_EXCEPTION;
    struct http_vu *state = http_vu_of(vu_of(ctx));
    http_callback_fini(&state->callback);
    state->callback = callback;
    return JS_UNDEFINED;
}

/* http.url`http://host/items/${id}`: the URL with the values, its name without them. */
static JSValue http_url_template(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct buf url = {0}, name = {0};
    int64_t parts = 0;
    if (argc < 1 || !JS_IsArray(argv[0]))
        return JS_ThrowTypeError(ctx, "http.url is a template tag: write http.url`...`");
    JS_GetLength(ctx, argv[0], &parts);
    for (int64_t i = 0; i < parts; i++) {
        JSValue part = JS_GetPropertyInt64(ctx, argv[0], i);
        const char *text = JS_ToCString(ctx, part);
        buf_add_text(&url, text ? text : "");
        buf_add_text(&name, text ? text : "");
        JS_FreeCString(ctx, text);
        JS_FreeValue(ctx, part);
        if (i + 1 < parts) {
            const char *value = JS_ToCString(ctx, arg_at(argc, argv, (int)i + 1));
            buf_add_text(&url, value ? value : "");
            buf_add_text(&name, "${}");
            JS_FreeCString(ctx, value);
        }
    }
    JSValue object = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, object, "url", JS_NewStringLen(ctx, url.data ? url.data : "", url.len));
    JS_SetPropertyStr(ctx, object, "name", JS_NewStringLen(ctx, name.data ? name.data : "", name.len));
    buf_free(&url);
    buf_free(&name);
    return object;
}

static void add_constants(JSContext *ctx, JSValueConst exports)
{
    static const char *const constants[][2] = {
        {"TLS_1_0", "tls1.0"}, {"TLS_1_1", "tls1.1"}, {"TLS_1_2", "tls1.2"}, {"TLS_1_3", "tls1.3"},
        {"OCSP_STATUS_GOOD", "good"}, {"OCSP_STATUS_REVOKED", "revoked"}, {"OCSP_STATUS_SERVER_FAILED", "server_failed"},
        {"OCSP_STATUS_UNKNOWN", "unknown"}, {"OCSP_REASON_UNSPECIFIED", "unspecified"}, {"OCSP_REASON_KEY_COMPROMISE", "key_compromise"},
        {"OCSP_REASON_CA_COMPROMISE", "ca_compromise"}, {"OCSP_REASON_AFFILIATION_CHANGED", "affiliation_changed"},
        {"OCSP_REASON_SUPERSEDED", "superseded"}, {"OCSP_REASON_CESSATION_OF_OPERATION", "cessation_of_operation"},
        {"OCSP_REASON_CERTIFICATE_HOLD", "certificate_hold"}, {"OCSP_REASON_REMOVE_FROM_CRL", "remove_from_crl"},
        {"OCSP_REASON_PRIVILEGE_WITHDRAWN", "privilege_withdrawn"}, {"OCSP_REASON_AA_COMPROMISE", "aa_compromise"},
    };
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
        JS_DefinePropertyValueStr(ctx, exports, constants[i][0], JS_NewString(ctx, constants[i][1]), JS_PROP_C_W_E);
}

JSValue http_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    http_response_class(ctx);
    http_callback_class(ctx);
    http_file_class(ctx);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        js_add_magic(ctx, exports, verbs[i].name, http_verb, verbs[i].has_body ? 3 : 2, (int)i);
    js_add_function(ctx, exports, "request", http_request, 4);
    js_add_function(ctx, exports, "asyncRequest", http_async_request, 4);
    js_add_function(ctx, exports, "batch", http_batch, 1);
    js_add_function(ctx, exports, "setResponseCallback", http_set_response_callback, 1);
    js_add_function(ctx, exports, "expectedStatuses", http_expected_statuses, 1);
    js_add_function(ctx, exports, "file", http_file, 3);
    js_add_function(ctx, exports, "url", http_url_template, 1);
    http_jar_class(ctx, exports);
    add_constants(ctx, exports);
    return exports;
}
