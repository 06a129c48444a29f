/* SPDX-License-Identifier: Apache-2.0 */
/* The types of a server by grpc.reflection.v1, or v1alpha where it is older: all its services, and the files they are
 * defined in. */
#include <string.h>

#include "core/error.h"
#include "core/map.h"
#include "core/mem.h"
#include "grpc/wire.h"
#include "script/k6/grpc_client.h"

/* Fields of ServerReflectionRequest and -Response. */
enum { ASK_FILE = 3, ASK_SYMBOL = 4, ASK_SERVICES = 7, ANSWER_FILES = 4, ANSWER_SERVICES = 6, ANSWER_ERROR = 7 };

struct exchange {
    struct grpc_client *client;
    struct grpc_call *call;
    bool stirred, got, ended; /* stirred: got or ended */
    struct buf answer;
    enum grpc_status status;
    char *text;
};

/* Names that are still to be asked for. */
struct todo {
    char **names;
    size_t count, cap;
    struct map seen;
};

static void on_message(struct grpc_call *call, void *arg, const void *bytes, size_t len)
{
    struct exchange *e = arg;
    buf_clear(&e->answer);
    buf_add(&e->answer, bytes, len);
    e->got = e->stirred = true;
    grpc_client_wake(e->client);
}

static void on_done(struct grpc_call *call, void *arg, enum grpc_status status, const char *text)
{
    struct exchange *e = arg;
    e->status = status;
    e->text = mem_strdup(text);
    e->ended = e->stirred = true;
    grpc_client_wake(e->client);
}

static const struct grpc_call_handler call_handler = {on_message, on_done};

/* False: thrown, or (ended) the server has ended the call. */
static bool ask(JSContext *ctx, struct exchange *e, uint32_t what, const char *name)
{
    struct buf request = {0};
    wire_add_bytes(&request, what, name, strlen(name));
    e->got = e->stirred = false;
    grpc_call_send(e->call, request.data, request.len);
    buf_free(&request);
    if (e->ended)
        return false;
    return grpc_client_wait(e->client, &e->stirred) && e->got;
}

static void add_todo(struct todo *todo, const char *name, size_t len)
{
    if (map_has(&todo->seen, name, len))
        return;
    map_set(&todo->seen, name, len, todo);
    mem_grow(&todo->names, &todo->cap, todo->count + 1, sizeof(todo->names[0]));
    todo->names[todo->count++] = mem_strndup(name, len);
}

static void free_todo(struct todo *todo)
{
    for (size_t i = 0; i < todo->count; i++)
        mem_free(todo->names[i]);
    mem_free(todo->names);
    map_free(&todo->seen, NULL);
}

static void note_name(void *arg, const char *name, size_t len, bool is_dependency)
{
    struct todo *files = arg;
    if (is_dependency)
        add_todo(files, name, len);
}

/* The files of an answer go into the pool, their dependencies onto the list. */
static bool take_files(const struct exchange *e, struct pool *pool, struct todo *files, struct error *err)
{
    struct wire_reader r = {(const uint8_t *)e->answer.data, (const uint8_t *)e->answer.data + e->answer.len, false};
    struct wire_field f, file;
    while (wire_next(&r, &f)) {
        if (f.number == ANSWER_ERROR)
            return error_set(err, 0, "the server's reflection answered with an error");
        if (f.number != ANSWER_FILES || f.type != WIRE_BYTES)
            continue;
        struct wire_reader list = {f.bytes, f.bytes + f.len, false};
        while (wire_next(&list, &file)) {
            if (file.number != 1 || file.type != WIRE_BYTES)
                continue;
            if (!descriptor_names(file.bytes, file.len, note_name, files) || !pool_add_descriptor(pool, file.bytes, file.len, err))
                return err->text || error_set(err, 0, "the server's reflection sent a broken descriptor");
        }
    }
    return true;
}

static void take_services(const struct exchange *e, struct todo *services)
{
    struct wire_reader r = {(const uint8_t *)e->answer.data, (const uint8_t *)e->answer.data + e->answer.len, false};
    struct wire_field f, service, name;
    while (wire_next(&r, &f)) {
        struct wire_reader list = {f.bytes, f.bytes ? f.bytes + f.len : NULL, false};
        while (f.number == ANSWER_SERVICES && f.type == WIRE_BYTES && wire_next(&list, &service)) {
            struct wire_reader parts = {service.bytes, service.bytes ? service.bytes + service.len : NULL, false};
            while (service.type == WIRE_BYTES && wire_next(&parts, &name))
                if (name.number == 1 && name.type == WIRE_BYTES)
                    add_todo(services, (const char *)name.bytes, name.len);
        }
    }
}

/* All files of all services. False: thrown, ended or err. */
static bool collect(JSContext *ctx, struct exchange *e, struct pool *pool, struct error *err)
{
    struct todo services = {0}, files = {0};
    bool done = ask(ctx, e, ASK_SERVICES, "");
    if (done)
        take_services(e, &services);
    for (size_t i = 0; i < services.count && done; i++)
        done = ask(ctx, e, ASK_SYMBOL, services.names[i]) && take_files(e, pool, &files, err);
    for (size_t i = 0; i < files.count && done; i++) {
        const char *built_in = well_known_file(files.names[i]);
        if (pool_has_file(pool, files.names[i], strlen(files.names[i])))
            continue;
        done = built_in ? pool_add_proto_text(pool, files.names[i], built_in, strlen(built_in), err) : ask(ctx, e, ASK_FILE, files.names[i]) && take_files(e, pool, &files, err);
    }
    free_todo(&services);
    free_todo(&files);
    return done && pool_link(pool, err);
}

bool grpc_reflect(JSContext *ctx, struct grpc_client *client, const struct grpc_field *metadata, size_t count, int64_t timeout_ns)
{
    static const char *const paths[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    bool done = false;
    for (int i = 0; i < 2 && !done && !JS_HasException(ctx); i++) {
        struct exchange *e = mem_zalloc(sizeof(*e));
        struct error err = {0};
        struct pool *pool = pool_new();
        e->client = client;
        e->call = grpc_call_open(client->session, paths[i], metadata, count, timeout_ns, &call_handler, e);
        done = collect(ctx, e, pool, &err);
        grpc_call_free(e->call);
        bool older = !done && e->ended && e->status == GRPC_UNIMPLEMENTED && i == 0;
        if (done) {
            pool_free(client->reflected);
            client->reflected = pool;
        } else {
            pool_free(pool);
            if (!older && !JS_HasException(ctx))
                js_throw_error(ctx, "error invoking reflect API: %s", err.text ? err.text : e->text && e->text[0] ? e->text : "the server has no reflection service");
        }
        error_clear(&err);
        buf_free(&e->answer);
        mem_free(e->text);
        mem_free(e);
    }
    return done;
}
