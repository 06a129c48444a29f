/* SPDX-License-Identifier: Apache-2.0 */
/* The types that a client knows: from .proto files and protosets, which the VUs share, and by reflection. */
#include <string.h>

#include "core/error.h"
#include "core/map.h"
#include "core/mem.h"
#include "script/files.h"
#include "script/k6/grpc_client.h"

struct grpc_pools {
    struct map by_key;
};

static void free_pool(void *pool)
{
    pool_free(pool);
}

void grpc_pools_free(struct grpc_pools *pools)
{
    if (!pools)
        return;
    map_free(&pools->by_key, free_pool);
    mem_free(pools);
}

static struct pool *find_shared(struct script *script, const struct buf *key)
{
    pthread_mutex_lock(&script->module_lock);
    struct pool *pool = script->grpc_pools ? map_get(&script->grpc_pools->by_key, key->data, key->len) : NULL;
    pthread_mutex_unlock(&script->module_lock);
    return pool;
}

/* Gives the pool to the process; another thread may have been first. */
static struct pool *share(struct script *script, const struct buf *key, struct pool *pool)
{
    pthread_mutex_lock(&script->module_lock);
    if (!script->grpc_pools)
        script->grpc_pools = mem_zalloc(sizeof(*script->grpc_pools));
    struct pool *have = map_get(&script->grpc_pools->by_key, key->data, key->len);
    if (!have)
        map_set(&script->grpc_pools->by_key, key->data, key->len, pool);
    pthread_mutex_unlock(&script->module_lock);
    if (have)
        pool_free(pool);
    return have ? have : pool;
}

static bool add_pool(JSContext *ctx, struct grpc_client *client, struct pool *pool)
{
    for (size_t i = 0; i < client->pool_count; i++)
        if (client->pools[i] == pool)
            return true;
    if (client->pool_count == GRPC_MAX_POOLS) {
        js_throw_error(ctx, "a client can load at most %d times: name the .proto files in one call", GRPC_MAX_POOLS);
        return false;
    }
    client->pools[client->pool_count++] = pool;
    return true;
}

/* ---- what load() returns ---- */

static JSValue methods_value(JSContext *ctx, const struct pool *pool)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;
    for (const struct proto_service *service = pool->services; service; service = service->next) {
        for (const struct proto_method *method = service->methods; method; method = method->next) {
            JSValue item = JS_NewObject(ctx);
            JS_SetPropertyStr(ctx, item, "package", JS_NewString(ctx, service->package));
            JS_SetPropertyStr(ctx, item, "service", JS_NewString(ctx, service->name));
            JS_SetPropertyStr(ctx, item, "full_method", JS_NewString(ctx, method->path));
            JS_SetPropertyStr(ctx, item, "name", JS_NewString(ctx, method->name));
            JS_SetPropertyStr(ctx, item, "is_client_stream", JS_NewBool(ctx, method->client_streams));
            JS_SetPropertyStr(ctx, item, "is_server_stream", JS_NewBool(ctx, method->server_streams));
            JS_SetPropertyUint32(ctx, list, count++, item);
        }
    }
    return list;
}

/* ---- .proto files ---- */

struct source {
    JSContext *ctx;
    const char *base; /* the module that loads */
    char **paths;
    size_t path_count;
};

/* The first import path that has the file. */
static const char *read_file(void *arg, const char *name, size_t *len)
{
    const struct source *s = arg;
    struct files *files = script_of(s->ctx)->files;
    const char *text = NULL;
    for (size_t i = 0; i < s->path_count && !text; i++) {
        char *path = s->paths[i][0] ? mem_printf("%s/%s", s->paths[i], name) : mem_strdup(name);
        text = files_open(files, s->base, path, len, NULL, NULL);
        mem_free(path);
    }
    return text;
}

static bool read_paths(JSContext *ctx, JSValueConst value, struct source *s)
{
    int64_t count = 0;
    if (JS_IsArray(value))
        JS_GetLength(ctx, value, &count);
    else if (!JS_IsNull(value) && !JS_IsUndefined(value))
        return !JS_IsException(JS_ThrowTypeError(ctx, "the import paths must be an array or null"));
    s->paths = mem_zalloc(((size_t)count + 1) * sizeof(s->paths[0]));
    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyInt64(ctx, value, i);
        const char *text = JS_ToCString(ctx, item);
        s->paths[s->path_count++] = mem_strdup(text ? text : "");
        JS_FreeCString(ctx, text);
        JS_FreeValue(ctx, item);
        if (!text)
            return false;
    }
    if (!s->path_count)
        s->paths[s->path_count++] = mem_strdup("");
    return true;
}

static struct pool *parse_files(JSContext *ctx, struct source *s, int argc, JSValueConst *names)
{
    struct pool *pool = pool_new();
    struct error err = {0};
    bool done = true;
    for (int i = 0; i < argc && done; i++) {
        const char *name = JS_ToCString(ctx, names[i]);
        done = name && pool_add_proto_file(pool, name, read_file, s, &err);
        JS_FreeCString(ctx, name);
    }
    if (done && pool_link(pool, &err))
        return pool;
    if (err.text)
        js_throw_error(ctx, "%s", err.text);
    error_clear(&err);
    pool_free(pool);
    return NULL;
}

static void make_key(JSContext *ctx, const struct source *s, int argc, JSValueConst *names, struct buf *key)
{
    buf_printf(key, "%s", s->base ? s->base : "");
    for (size_t i = 0; i < s->path_count; i++)
        buf_printf(key, "\1%s", s->paths[i]);
    for (int i = 0; i < argc; i++) {
        const char *name = JS_ToCString(ctx, names[i]);
        buf_printf(key, "\2%s", name ? name : "");
        JS_FreeCString(ctx, name);
    }
}

JSValue grpc_load_files(JSContext *ctx, struct grpc_client *client, JSValueConst import_paths, int argc, JSValueConst *names)
{
    if (!vu_require_init(ctx, "client.load()"))
        return JS_EXCEPTION;
    JSAtom module = engine_running_module(ctx);
    const char *base = module != JS_ATOM_NULL ? JS_AtomToCString(ctx, module) : NULL;
    struct source s = {.ctx = ctx, .base = base};
    struct buf key = {0};
    JSValue result = JS_EXCEPTION;
    if (read_paths(ctx, import_paths, &s)) {
        make_key(ctx, &s, argc, names, &key);
        struct pool *pool = find_shared(script_of(ctx), &key);
        if (!pool && (pool = parse_files(ctx, &s, argc, names)))
            pool = share(script_of(ctx), &key, pool);
        if (pool && add_pool(ctx, client, pool))
            result = methods_value(ctx, pool);
    }
    for (size_t i = 0; i < s.path_count; i++)
        mem_free(s.paths[i]);
    mem_free(s.paths);
    buf_free(&key);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, module);
    return result;
}

/* ---- protosets, health ---- */

static struct pool *read_protoset(JSContext *ctx, const char *base, const char *path)
{
    struct error err = {0};
    size_t len;
    const char *bytes = files_open(script_of(ctx)->files, base, path, &len, NULL, &err);
    struct pool *pool = bytes ? pool_new() : NULL;
    if (pool && pool_add_descriptor_set(pool, bytes, len, &err) && pool_link(pool, &err))
        return pool;
    js_throw_error(ctx, "%s: %s", path, err.text);
    error_clear(&err);
    pool_free(pool);
    return NULL;
}

JSValue grpc_load_protoset(JSContext *ctx, struct grpc_client *client, JSValueConst path)
{
    if (!vu_require_init(ctx, "client.loadProtoset()"))
        return JS_EXCEPTION;
    const char *name = JS_ToCString(ctx, path);
    if (!name)
        return JS_EXCEPTION;
    JSAtom module = engine_running_module(ctx);
    const char *base = module != JS_ATOM_NULL ? JS_AtomToCString(ctx, module) : NULL;
    struct buf key = {0};
    buf_printf(&key, "%s\3%s", base ? base : "", name);
    struct pool *pool = find_shared(script_of(ctx), &key);
    if (!pool && (pool = read_protoset(ctx, base, name)))
        pool = share(script_of(ctx), &key, pool);
    JSValue result = pool && add_pool(ctx, client, pool) ? methods_value(ctx, pool) : JS_EXCEPTION;
    buf_free(&key);
    JS_FreeCString(ctx, name);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, module);
    return result;
}

static const char health_proto[] =
    "syntax = \"proto3\"; package grpc.health.v1; message HealthCheckRequest { string service = 1; }"
    "message HealthCheckResponse { enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; } ServingStatus status = 1; }"
    "service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }";

bool grpc_load_health(JSContext *ctx, struct grpc_client *client)
{
    struct buf key = {0};
    struct error err = {0};
    buf_add_text(&key, "\4health");
    struct pool *pool = find_shared(script_of(ctx), &key);
    if (!pool) {
        pool = pool_new();
        pool_add_proto_text(pool, "grpc/health/v1/health.proto", health_proto, sizeof(health_proto) - 1, &err);
        pool_link(pool, &err);
        pool = share(script_of(ctx), &key, pool);
    }
    buf_free(&key);
    error_clear(&err);
    return add_pool(ctx, client, pool);
}

/* ---- using them ---- */

struct proto_types grpc_types(struct grpc_client *client, struct pool *list[GRPC_MAX_POOLS + 1])
{
    size_t count = 0;
    for (; count < client->pool_count; count++)
        list[count] = client->pools[count];
    if (client->reflected)
        list[count++] = client->reflected;
    return (struct proto_types){list, count};
}

const struct proto_method *grpc_find_method(JSContext *ctx, struct grpc_client *client, JSValueConst name)
{
    struct pool *list[GRPC_MAX_POOLS + 1];
    struct proto_types types = grpc_types(client, list);
    const char *text = JS_IsString(name) ? JS_ToCString(ctx, name) : NULL;
    const struct proto_method *found = NULL;
    if (!text || !text[0]) {
        js_throw_error(ctx, "method to invoke cannot be empty");
    } else {
        char *path = mem_printf("%s%s", text[0] == '/' ? "" : "/", text);
        for (size_t i = 0; i < types.count && !found; i++)
            found = pool_method(types.pools[i], path);
        if (!found)
            js_throw_error(ctx, "method \"%s\" not found in file descriptors: load() its .proto file, or connect with reflect: true", path);
        mem_free(path);
    }
    JS_FreeCString(ctx, text);
    return found;
}

bool grpc_encode(JSContext *ctx, struct grpc_client *client, const struct proto_message *type, JSValueConst value, struct buf *out)
{
    struct pool *list[GRPC_MAX_POOLS + 1];
    struct proto_types types = grpc_types(client, list);
    struct error err = {0};
    JSValue text = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    size_t len;
    const char *json = JS_IsString(text) ? JS_ToCStringLen(ctx, &len, text) : NULL;
    bool done = json && proto_from_json(&types, type, json, len, out, &err);
    if (err.text)
        js_throw_error(ctx, "unable to serialise request object to protocol buffer: %s", err.text);
    else if (!json && !JS_HasException(ctx))
        js_throw_error(ctx, "request cannot be nil: an object is needed");
    error_clear(&err);
    JS_FreeCString(ctx, json);
    JS_FreeValue(ctx, text);
    return done;
}

JSValue grpc_decode(JSContext *ctx, struct grpc_client *client, const struct proto_message *type, const void *bytes, size_t len)
{
    struct pool *list[GRPC_MAX_POOLS + 1];
    struct proto_types types = grpc_types(client, list);
    struct error err = {0};
    struct buf json = {0};
    JSValue value;
    if (proto_to_json(&types, type, bytes, len, &json, &err))
        value = JS_ParseJSON(ctx, json.data, json.len, "message");
    else
        value = js_throw_error(ctx, "unable to read the server's message: %s", err.text);
    error_clear(&err);
    buf_free(&json);
    return value;
}
