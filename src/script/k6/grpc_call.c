/* SPDX-License-Identifier: Apache-2.0 */
/* client.invoke() and asyncInvoke(): unary calls; also the params, tags and values that streams share. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/mem.h"
#include "metrics/builtin.h"
#include "script/k6/grpc_client.h"

#define DEFAULT_TIMEOUT_NS (120 * NS_PER_S)
#define MAX_TAGS 40

/* ---- params ---- */

static bool add_metadata(JSContext *ctx, struct grpc_params *out, const char *name, JSValueConst value)
{
    struct js_bytes bytes;
    size_t len = strlen(name);
    JSValue text = JS_UNDEFINED;
    if (!js_bytes_read(ctx, value, &bytes)) {
        text = JS_ToString(ctx, value);
        if (JS_IsException(text) || !js_bytes_read(ctx, text, &bytes))
            return false;
    }
    mem_grow(&out->metadata, &out->metadata_cap, out->metadata_count + 1, sizeof(out->metadata[0]));
    struct grpc_field *field = &out->metadata[out->metadata_count++];
    *field = (struct grpc_field){mem_strndup(name, len), mem_strndup(bytes.len ? (const char *)bytes.data : "", bytes.len), bytes.len};
    for (size_t i = 0; i < len; i++)
        if (field->name[i] >= 'A' && field->name[i] <= 'Z')
            field->name[i] = (char)(field->name[i] + 32);
    js_bytes_free(ctx, &bytes);
    JS_FreeValue(ctx, text);
    return true;
}

/* One value or an array of them. */
static bool read_metadata(JSContext *ctx, void *arg, const char *name, JSValueConst value)
{
    int64_t items = 1;
    bool is_list = JS_IsArray(value), valid = true;
    if (is_list)
        JS_GetLength(ctx, value, &items);
    for (int64_t k = 0; k < items && valid; k++) {
        JSValue item = is_list ? JS_GetPropertyInt64(ctx, value, k) : JS_DupValue(ctx, value);
        valid = !JS_IsException(item) && add_metadata(ctx, arg, name, item);
        JS_FreeValue(ctx, item);
    }
    return valid;
}

bool grpc_metadata_read(JSContext *ctx, JSValueConst object, struct grpc_params *out)
{
    return js_each_property(ctx, object, "metadata", read_metadata, out);
}

static bool read_param(JSContext *ctx, void *arg, const char *name, JSValueConst value)
{
    struct grpc_params *out = arg;
    if (strcmp(name, "metadata") == 0)
        return grpc_metadata_read(ctx, value, out);
    if (strcmp(name, "tags") == 0)
        return js_tags_read(ctx, value, &out->tags);
    if (strcmp(name, "timeout") == 0)
        return JS_IsUndefined(value) || js_to_duration_ns(ctx, value, &out->timeout_ns);
    if (strcmp(name, "discardResponseMessage") == 0) {
        out->discard_message = JS_ToBool(ctx, value) > 0;
        return true;
    }
    js_throw_error(ctx, "unknown param: \"%s\" (metadata, tags, timeout and discardResponseMessage are known)", name);
    return false;
}

bool grpc_params_read(JSContext *ctx, JSValueConst params, int64_t default_timeout_ns, struct grpc_params *out)
{
    *out = (struct grpc_params){.timeout_ns = default_timeout_ns};
    bool read = js_each_property(ctx, params, "params", read_param, out);
    if (!read)
        grpc_params_free(out);
    return read;
}

void grpc_params_free(struct grpc_params *params)
{
    for (size_t i = 0; i < params->metadata_count; i++) {
        mem_free(params->metadata[i].name);
        mem_free(params->metadata[i].value);
    }
    mem_free(params->metadata);
    params->metadata = NULL;
    params->metadata_count = 0;
    js_tags_free(&params->tags);
}

/* ---- tags and values ---- */

struct tag_list {
    const struct vu *vu;
    struct tag tags[MAX_TAGS];
    size_t count;
};

static void add_tag(struct tag_list *list, unsigned bit, const char *key, const char *value)
{
    if (value && value[0] && vu_has_system_tag(list->vu, bit))
        list->tags[list->count++] = (struct tag){key, value};
}

const struct tagset *grpc_call_tags(struct grpc_client *client, const struct proto_method *method, const struct js_tags *own, const char *status, const struct tagset *base)
{
    struct vu *vu = client->vu;
    struct tag_list list = {.vu = vu};
    const char *name = method->path;
    for (size_t i = 0; i < own->count; i++)
        if (strcmp(own->list[i].key, "name") == 0)
            name = own->list[i].value;
    char *url = mem_printf("%s%s", client->address, method->path);
    add_tag(&list, TAG_METHOD, "method", method->name);
    add_tag(&list, TAG_SERVICE, "service", method->service->full_name);
    add_tag(&list, TAG_URL, "url", url);
    add_tag(&list, TAG_NAME, "name", name);
    add_tag(&list, TAG_STATUS, "status", status);
    for (size_t i = 0; i < own->count && list.count < MAX_TAGS; i++)
        if (strcmp(own->list[i].key, "name") != 0)
            list.tags[list.count++] = own->list[i];
    const struct tagset *current = vu->tags;
    vu->tags = base;
    const struct tagset *tags = vu_tags_with(vu, list.tags, list.count);
    vu->tags = current;
    mem_free(url);
    return tags;
}

JSValue grpc_fields_value(JSContext *ctx, const struct grpc_field *fields, size_t count)
{
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; i < count; i++) {
        JSValue list = JS_GetPropertyStr(ctx, object, fields[i].name);
        int64_t length = 0;
        if (JS_IsArray(list)) {
            JS_GetLength(ctx, list, &length);
        } else {
            JS_FreeValue(ctx, list);
            list = JS_NewArray(ctx);
            JS_SetPropertyStr(ctx, object, fields[i].name, JS_DupValue(ctx, list));
        }
        JS_SetPropertyInt64(ctx, list, length, JS_NewStringLen(ctx, fields[i].value, fields[i].value_len));
        JS_FreeValue(ctx, list);
    }
    return object;
}

JSValue grpc_error_value(JSContext *ctx, enum grpc_status status, const char *text)
{
    JSValue error = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, error, "code", JS_NewInt32(ctx, (int)status));
    JS_SetPropertyStr(ctx, error, "details", JS_NewArray(ctx));
    JS_SetPropertyStr(ctx, error, "message", JS_NewString(ctx, text));
    return error;
}

/* ---- unary calls ---- */

struct unary {
    struct vu_operation operation; /* of asyncInvoke */
    struct grpc_client *client;
    const struct proto_method *method;
    struct grpc_params params;
    struct grpc_call *call;
    const struct tagset *base_tags;
    int64_t started_ns, ended_ns;
    bool has_message, done, asynchronous;
    struct buf message;
    enum grpc_status status;
    char *text;
    JSValue settle[2];
};

static void on_message(struct grpc_call *call, void *arg, const void *bytes, size_t len)
{
    struct unary *u = arg;
    u->has_message = true;
    buf_clear(&u->message);
    if (!u->params.discard_message)
        buf_add(&u->message, bytes, len);
}

static void on_done(struct grpc_call *call, void *arg, enum grpc_status status, const char *text)
{
    struct unary *u = arg;
    u->ended_ns = clock_mono_ns();
    u->status = status;
    u->text = mem_strdup(text);
    u->done = true;
    if (u->asynchronous)
        vu_operation_end(u->client->vu, &u->operation);
    else
        grpc_client_wake(u->client);
}

static const struct grpc_call_handler call_handler = {on_message, on_done};

static void unary_free(struct unary *u)
{
    JSContext *ctx = u->client->ctx;
    grpc_call_free(u->call);
    grpc_params_free(&u->params);
    buf_free(&u->message);
    mem_free(u->text);
    JS_FreeValue(ctx, u->settle[0]);
    JS_FreeValue(ctx, u->settle[1]);
    grpc_client_unref(u->client);
    mem_free(u);
}

static void emit(struct unary *u)
{
    char status[12];
    snprintf(status, sizeof(status), "%d", (int)u->status);
    struct sample sample = {builtin_metric(BUILTIN_GRPC_REQ_DURATION), grpc_call_tags(u->client, u->method, &u->params.tags, status, u->base_tags),
                            (double)(u->ended_ns - u->started_ns) / 1e6};
    vu_emit(u->client->vu, &sample, 1, 0);
}

static JSValue response_value(struct unary *u)
{
    JSContext *ctx = u->client->ctx;
    JSValue message = JS_NULL;
    if (u->status == GRPC_OK && u->has_message && !u->params.discard_message)
        message = grpc_decode(ctx, u->client, u->method->output, u->message.data, u->message.len);
    if (JS_IsException(message))
        return message;
    JSValue response = JS_NewObject(ctx);
    size_t count;
    const struct grpc_field *fields = grpc_call_headers(u->call, &count);
    JS_SetPropertyStr(ctx, response, "status", JS_NewInt32(ctx, (int)u->status));
    JS_SetPropertyStr(ctx, response, "message", message);
    JS_SetPropertyStr(ctx, response, "headers", grpc_fields_value(ctx, fields, count));
    fields = grpc_call_trailers(u->call, &count);
    JS_SetPropertyStr(ctx, response, "trailers", grpc_fields_value(ctx, fields, count));
    JS_SetPropertyStr(ctx, response, "error", u->status == GRPC_OK ? JS_NULL : grpc_error_value(ctx, u->status, u->text));
    return response;
}

static void async_run(struct vu *vu, struct vu_operation *operation)
{
    struct unary *u = CONTAINER_OF(operation, struct unary, operation);
    JSContext *ctx = u->client->ctx;
    emit(u);
    JSValue value = response_value(u);
    bool failed = JS_IsException(value);
    if (failed)
        value = JS_GetException(ctx);
    JS_FreeValue(ctx, JS_Call(ctx, u->settle[failed], JS_UNDEFINED, 1, (JSValueConst *)&value));
    JS_FreeValue(ctx, value);
    unary_free(u);
}

static void async_cancel(struct vu *vu, struct vu_operation *operation)
{
    unary_free(CONTAINER_OF(operation, struct unary, operation));
}

/* NULL: thrown. */
static struct unary *begin(JSContext *ctx, struct grpc_client *client, JSValueConst method_name, JSValueConst request, JSValueConst params, bool asynchronous)
{
    struct buf bytes = {0};
    if (!client->is_open) {
        js_throw_error(ctx, "no gRPC connection, you must call connect first");
        return NULL;
    }
    const struct proto_method *method = grpc_find_method(ctx, client, method_name);
    if (!method)
        return NULL;
    if (method->client_streams || method->server_streams) {
        js_throw_error(ctx, "the method %s streams: use new grpc.Stream(client, \"%s\")", method->path, method->path);
        return NULL;
    }
    struct unary *u = mem_zalloc(sizeof(*u));
    u->client = client;
    client->refs++;
    u->method = method;
    u->asynchronous = asynchronous;
    u->settle[0] = u->settle[1] = JS_UNDEFINED;
    bool ready = grpc_encode(ctx, client, method->input, request, &bytes) && grpc_params_read(ctx, params, DEFAULT_TIMEOUT_NS, &u->params);
    if (ready) {
        u->base_tags = client->vu->tags;
        u->started_ns = clock_mono_ns();
        u->call = grpc_call_open(client->session, method->path, u->params.metadata, u->params.metadata_count, u->params.timeout_ns, &call_handler, u);
        ready = grpc_call_send(u->call, bytes.data ? bytes.data : "", bytes.len);
        if (!ready)
            js_throw_error(ctx, "the request has %zu bytes, more than maxSendSize allows", bytes.len);
        grpc_call_half_close(u->call);
    }
    buf_free(&bytes);
    if (ready)
        return u;
    unary_free(u);
    return NULL;
}

static JSValue invoke_async(JSContext *ctx, struct grpc_client *client, JSValueConst method, JSValueConst request, JSValueConst params)
{
    struct unary *u = begin(ctx, client, method, request, params, true);
    if (!u)
        return js_settled(ctx, JS_EXCEPTION);
    JSValue promise = JS_NewPromiseCapability(ctx, u->settle);
    u->operation = (struct vu_operation){.run = async_run, .cancel = async_cancel};
    vu_operation_begin(client->vu, &u->operation);
    return promise;
}

JSValue grpc_invoke(JSContext *ctx, struct grpc_client *client, JSValueConst method, JSValueConst request, JSValueConst params, bool asynchronous)
{
    if (asynchronous)
        return invoke_async(ctx, client, method, request, params);
    struct unary *u = begin(ctx, client, method, request, params, false);
    if (!u)
        return JS_EXCEPTION;
    JSValue response = JS_EXCEPTION;
    if (grpc_client_wait(client, &u->done)) {
        emit(u);
        response = response_value(u);
    }
    unary_free(u);
    return response;
}
