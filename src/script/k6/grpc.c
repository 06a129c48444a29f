/* SPDX-License-Identifier: Apache-2.0 */
/* k6/net/grpc: the Client, its connection, and the constants. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/client.h"
#include "script/k6/grpc_client.h"
#include "script/k6/http_job.h"
#include "script/k6/modules.h"

#define CONNECT_TIMEOUT_NS (60 * NS_PER_S)

/* ---- the client's life ---- */

static void close_session(struct grpc_client *client)
{
    client->is_open = false;
    grpc_session_free(client->session);
    client->session = NULL;
}

/* Calls end before their session: they hold references, so the last one to go is the client itself. */
void grpc_client_unref(struct grpc_client *client)
{
    if (--client->refs)
        return;
    close_session(client);
    pool_free(client->reflected);
    mem_free(client->why);
    mem_free(client->address);
    mem_free(client);
}

static void client_finalize(JSRuntime *rt, JSValueConst value)
{
    struct grpc_client *client = JS_GetOpaque(value, JS_CLASS_GRPC_CLIENT);
    if (client)
        grpc_client_unref(client);
}

static const JSClassDef client_class = {"Client", .finalizer = client_finalize};

static struct grpc_client *client_of(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetOpaque2(ctx, this_val, JS_CLASS_GRPC_CLIENT);
}

void grpc_client_wake(struct grpc_client *client)
{
    if (client->waiting)
        vu_unblock(client->vu);
}

bool grpc_client_wait(struct grpc_client *client, const bool *condition)
{
    bool went_on = true;
    while (!*condition && went_on) {
        client->waiting = true;
        went_on = vu_block(client->vu, NULL, NULL);
        client->waiting = false;
    }
    if (!went_on)
        vu_throw_cut(client->vu);
    return went_on;
}

/* ---- connect ---- */

static void on_opened(void *arg)
{
    struct grpc_client *client = arg;
    client->is_open = client->is_ended = true;
    grpc_client_wake(client);
}

static void on_closed(void *arg, const char *why)
{
    struct grpc_client *client = arg;
    mem_free(client->why);
    client->why = mem_strdup(why);
    client->is_ended = true;
    grpc_client_wake(client);
}

static const struct grpc_session_handler session_handler = {on_opened, on_closed};

struct connect_params {
    struct grpc_target target;
    char *host, *authority;
    bool reflect;
    struct grpc_params reflect_params; /* its metadata */
};

static bool read_size(JSContext *ctx, const char *name, JSValueConst value, size_t *size)
{
    int64_t number;
    if (!JS_IsNumber(value) || JS_ToInt64(ctx, &number, value) || number < 0) {
        js_throw_error(ctx, "invalid %s value: a number of bytes is needed", name);
        return false;
    }
    *size = (size_t)number;
    return true;
}

static bool refuse_tls_files(JSContext *ctx, JSValueConst value)
{
    static const char *const names[] = {"cert", "key", "password", "cacerts"};
    for (size_t i = 0; JS_IsObject(value) && i < sizeof(names) / sizeof(names[0]); i++) {
        JSValue member = JS_GetPropertyStr(ctx, value, names[i]);
        bool given = !JS_IsUndefined(member) && !JS_IsNull(member);
        JS_FreeValue(ctx, member);
        if (given) {
            js_throw_error(ctx, "tls.%s of a gRPC client is not supported: use options.tlsAuth for client certificates and SSL_CERT_FILE for authorities", names[i]);
            return false;
        }
    }
    return true;
}

static bool read_connect_param(JSContext *ctx, void *arg, const char *name, JSValueConst value)
{
    struct connect_params *p = arg;
    if (JS_IsUndefined(value))
        return true;
    if (strcmp(name, "plaintext") == 0)
        p->target.plaintext = JS_ToBool(ctx, value) > 0;
    else if (strcmp(name, "reflect") == 0)
        p->reflect = JS_ToBool(ctx, value) > 0;
    else if (strcmp(name, "timeout") == 0)
        return js_to_duration_ns(ctx, value, &p->target.timeout_ns);
    else if (strcmp(name, "reflectMetadata") == 0)
        return grpc_metadata_read(ctx, value, &p->reflect_params);
    else if (strcmp(name, "maxReceiveSize") == 0)
        return read_size(ctx, name, value, &p->target.max_receive);
    else if (strcmp(name, "maxSendSize") == 0)
        return read_size(ctx, name, value, &p->target.max_send);
    else if (strcmp(name, "tls") == 0)
        return refuse_tls_files(ctx, value);
    else if (strcmp(name, "authority") == 0) {
        const char *text = JS_ToCString(ctx, value);
        mem_free(p->authority);
        p->authority = text ? mem_strdup(text) : NULL;
        JS_FreeCString(ctx, text);
        return text != NULL;
    } else {
        js_throw_error(ctx, "unknown connect param: \"%s\"", name);
        return false;
    }
    return true;
}

/* "host:port", "[::1]:port" */
static bool read_address(JSContext *ctx, const char *address, struct connect_params *p)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || colon == address || port < 1 || port > 65535 || *end) {
        js_throw_error(ctx, "the address \"%s\" must be host:port", address);
        return false;
    }
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    p->host = mem_strndup(address + bracketed, (size_t)(colon - address) - 2 * bracketed);
    p->target.port = (uint16_t)port;
    return true;
}

static bool open_session(JSContext *ctx, struct grpc_client *client, struct connect_params *p)
{
    struct vu *vu = client->vu;
    p->target.host = p->host;
    p->target.authority = p->authority ? p->authority : client->address;
    p->target.user_agent = script_of(ctx)->settings->http->user_agent;
    p->target.local_ip_index = (unsigned)vu->id_in_instance;
    client->is_ended = false;
    client->session = grpc_connect(vu->worker->net, &p->target, http_client_counter(http_client_of(vu)), &session_handler, client);
    if (!grpc_client_wait(client, &client->is_ended))
        return false;
    if (!client->is_open) {
        js_throw_error(ctx, "%s", client->why ? client->why : "the connection could not be opened");
        return false;
    }
    return !p->reflect || grpc_reflect(ctx, client, p->reflect_params.metadata, p->reflect_params.metadata_count, p->target.timeout_ns);
}

static JSValue js_connect(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = client_of(ctx, this_val);
    if (!client || !vu_require_running(ctx, "connecting to a gRPC server"))
        return JS_EXCEPTION;
    const char *address = argc > 0 && JS_IsString(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!address)
        return JS_ThrowTypeError(ctx, "connect() needs the server's address, host:port");
    if (client->refs > 1) {
        JS_FreeCString(ctx, address);
        return js_throw_error(ctx, "the client has calls that are not done: it can't connect again now");
    }
    struct connect_params p = {.target.timeout_ns = CONNECT_TIMEOUT_NS};
    close_session(client);
    client->vu = vu_of(ctx);
    client->ctx = ctx;
    mem_free(client->address);
    client->address = mem_strdup(address);
    bool done = read_address(ctx, address, &p) && js_each_property(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, "the connect params", read_connect_param, &p) && open_session(ctx, client, &p);
    if (!done)
        close_session(client);
    grpc_params_free(&p.reflect_params);
    mem_free(p.host);
    mem_free(p.authority);
    JS_FreeCString(ctx, address);
    return done ? JS_TRUE : JS_EXCEPTION;
}

/* ---- the other methods ---- */

static JSValue js_new_client(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct grpc_client *client = mem_zalloc(sizeof(*client));
    client->refs = 1;
    client->ctx = ctx;
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_GRPC_CLIENT);
    JS_SetOpaque(object, client);
    return object;
}

static JSValue js_load(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = client_of(ctx, this_val);
    if (!client)
        return JS_EXCEPTION;
    if (argc < 2)
        return JS_ThrowTypeError(ctx, "load() needs import paths (or null) and the names of .proto files");
    return grpc_load_files(ctx, client, argv[0], argc - 1, argv + 1);
}

static JSValue js_load_protoset(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = client_of(ctx, this_val);
    return client ? grpc_load_protoset(ctx, client, argc > 0 ? argv[0] : JS_UNDEFINED) : JS_EXCEPTION;
}

static JSValue js_invoke(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int asynchronous)
{
    struct grpc_client *client = client_of(ctx, this_val);
    if (!client || !vu_require_running(ctx, "invoking RPC methods"))
        return JS_EXCEPTION;
    return grpc_invoke(ctx, client, argc > 0 ? argv[0] : JS_UNDEFINED, argc > 1 ? argv[1] : JS_UNDEFINED, argc > 2 ? argv[2] : JS_UNDEFINED, asynchronous);
}

static JSValue js_health_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = client_of(ctx, this_val);
    if (!client || !vu_require_running(ctx, "a health check") || !grpc_load_health(ctx, client))
        return JS_EXCEPTION;
    JSValue method = JS_NewString(ctx, "/grpc.health.v1.Health/Check"), request = JS_NewObject(ctx);
    if (argc > 0 && JS_IsString(argv[0]))
        JS_SetPropertyStr(ctx, request, "service", JS_DupValue(ctx, argv[0]));
    JSValue response = grpc_invoke(ctx, client, method, request, JS_UNDEFINED, false);
    JS_FreeValue(ctx, method);
    JS_FreeValue(ctx, request);
    return response;
}

static JSValue js_close(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *client = client_of(ctx, this_val);
    if (!client)
        return JS_EXCEPTION;
    if (client->refs > 1)
        client->is_open = false; /* its calls go on to their end, the connection goes with the last of them */
    else
        close_session(client);
    return JS_UNDEFINED;
}

/* ---- the module ---- */

void grpc_imported(struct script *script)
{
    grpc_metrics.streams = registry_add(script->config.registry, "grpc_streams", METRIC_COUNTER, METRIC_DEFAULT, NULL);
    grpc_metrics.sent = registry_add(script->config.registry, "grpc_streams_msgs_sent", METRIC_COUNTER, METRIC_DEFAULT, NULL);
    grpc_metrics.received = registry_add(script->config.registry, "grpc_streams_msgs_received", METRIC_COUNTER, METRIC_DEFAULT, NULL);
}

static void add_constants(JSContext *ctx, JSValueConst exports)
{
    static const char *const statuses[] = {"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
                                           "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated"};
    static const char *const health[][2] = {{"HealthCheckUnknown", "UNKNOWN"}, {"HealthCheckServing", "SERVING"}, {"HealthCheckNotServing", "NOT_SERVING"},
                                            {"HealthCheckServiceUnkown", "SERVICE_UNKNOWN"}};
    for (int i = 0; i < (int)(sizeof(statuses) / sizeof(statuses[0])); i++) {
        char name[40];
        snprintf(name, sizeof(name), "Status%s", statuses[i]);
        JS_SetPropertyStr(ctx, exports, name, JS_NewInt32(ctx, i));
    }
    for (size_t i = 0; i < sizeof(health) / sizeof(health[0]); i++)
        JS_SetPropertyStr(ctx, exports, health[i][0], JS_NewString(ctx, health[i][1]));
}

JSValue grpc_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_GRPC_CLIENT, &client_class);
    JSValue exports = JS_NewObject(ctx), proto = JS_NewObject(ctx), constructor = JS_NewCFunction2(ctx, js_new_client, "Client", 0, JS_CFUNC_constructor, 0);
    js_add_function(ctx, proto, "load", js_load, 2);
    js_add_function(ctx, proto, "loadProtoset", js_load_protoset, 1);
    js_add_function(ctx, proto, "connect", js_connect, 2);
    js_add_magic(ctx, proto, "invoke", js_invoke, 3, false);
    js_add_magic(ctx, proto, "asyncInvoke", js_invoke, 3, true);
    js_add_function(ctx, proto, "healthCheck", js_health_check, 1);
    js_add_function(ctx, proto, "close", js_close, 0);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_GRPC_CLIENT, proto);
    JS_DefinePropertyValueStr(ctx, exports, "Client", constructor, JS_PROP_C_W_E);
    grpc_stream_class(ctx, exports);
    add_constants(ctx, exports);
    return exports;
}
