/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/pool.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"

struct pool_symbol {
    struct proto_message *message; /* one of the two, or neither: a service */
    struct proto_enum *enumeration;
};

struct pool *pool_new(void)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    pool->last_message = &pool->messages;
    pool->last_service = &pool->services;
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    map_free(&pool->files, NULL);
    map_free(&pool->symbols, NULL);
    map_free(&pool->methods, NULL);
    arena_free(&pool->arena);
    mem_free(pool);
}

/* ---- filling ---- */

static void *zalloc(struct pool *pool, size_t bytes)
{
    return memset(arena_alloc(&pool->arena, bytes), 0, bytes);
}

char *pool_keep(struct pool *pool, const char *text, size_t len)
{
    return arena_strndup(&pool->arena, text, len);
}

static char *join(struct pool *pool, const char *scope, const char *name)
{
    size_t scope_len = scope ? strlen(scope) : 0, name_len = strlen(name);
    char *full = arena_alloc(&pool->arena, scope_len + name_len + 2);
    memcpy(full, scope ? scope : "", scope_len);
    if (scope_len)
        full[scope_len++] = '.';
    memcpy(full + scope_len, name, name_len + 1);
    return full;
}

static struct pool_symbol *add_symbol(struct pool *pool, const char *full_name, struct error *err)
{
    if (map_has(&pool->symbols, full_name, strlen(full_name))) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "\"%s\" is defined twice", full_name);
        return NULL;
    }
    struct pool_symbol *symbol = zalloc(pool, sizeof(*symbol));
    map_set(&pool->symbols, full_name, strlen(full_name), symbol);
    return symbol;
}

static enum proto_well_known well_known_of(const char *full_name)
{
    static const struct {
        const char *name;
        enum proto_well_known kind;
    } rows[] = {
        {"Any", WELL_KNOWN_ANY},
        {"Timestamp", WELL_KNOWN_TIMESTAMP},
        {"Duration", WELL_KNOWN_DURATION},
        {"FieldMask", WELL_KNOWN_FIELD_MASK},
        {"Struct", WELL_KNOWN_STRUCT},
        {"Value", WELL_KNOWN_VALUE},
        {"ListValue", WELL_KNOWN_LIST_VALUE},
        {"DoubleValue", WELL_KNOWN_WRAPPER},
        {"FloatValue", WELL_KNOWN_WRAPPER},
        {"Int64Value", WELL_KNOWN_WRAPPER},
        {"UInt64Value", WELL_KNOWN_WRAPPER},
        {"Int32Value", WELL_KNOWN_WRAPPER},
        {"UInt32Value", WELL_KNOWN_WRAPPER},
        {"BoolValue", WELL_KNOWN_WRAPPER},
        {"StringValue", WELL_KNOWN_WRAPPER},
        {"BytesValue", WELL_KNOWN_WRAPPER},
    };
    if (strncmp(full_name, "google.protobuf.", 16) != 0)
        return WELL_KNOWN_NONE;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, full_name + 16) == 0)
            return rows[i].kind;
    return WELL_KNOWN_NONE;
}

struct proto_message *pool_add_message(struct pool *pool, const char *scope, const char *name, struct error *err)
{
    char *full_name = join(pool, scope, name);
    struct pool_symbol *symbol = add_symbol(pool, full_name, err);
    if (!symbol)
        return NULL;
    struct proto_message *message = zalloc(pool, sizeof(*message));
    symbol->message = message;
    message->full_name = full_name;
    message->well_known = well_known_of(full_name);
    message->last_field = &message->fields;
    *pool->last_message = message;
    pool->last_message = &message->next;
    return message;
}

struct proto_enum *pool_add_enum(struct pool *pool, const char *scope, const char *name, struct error *err)
{
    char *full_name = join(pool, scope, name);
    struct pool_symbol *symbol = add_symbol(pool, full_name, err);
    if (!symbol)
        return NULL;
    struct proto_enum *enumeration = zalloc(pool, sizeof(*enumeration));
    symbol->enumeration = enumeration;
    enumeration->full_name = full_name;
    enumeration->is_null_value = strcmp(full_name, "google.protobuf.NullValue") == 0;
    enumeration->last_value = &enumeration->values;
    return enumeration;
}

struct proto_service *pool_add_service(struct pool *pool, const char *package, const char *name, struct error *err)
{
    char *full_name = join(pool, package, name);
    if (!add_symbol(pool, full_name, err))
        return NULL;
    struct proto_service *service = zalloc(pool, sizeof(*service));
    service->full_name = full_name;
    service->name = full_name + strlen(full_name) - strlen(name);
    service->package = pool_keep(pool, package ? package : "", package ? strlen(package) : 0);
    service->last_method = &service->methods;
    *pool->last_service = service;
    pool->last_service = &service->next;
    return service;
}

/* "some_field" is "someField" in JSON. */
static char *json_name_of(struct pool *pool, const char *name)
{
    size_t len = strlen(name), used = 0;
    char *out = arena_alloc(&pool->arena, len + 1);
    bool upper = false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == '_') {
            upper = true;
            continue;
        }
        out[used++] = (char)(upper && c >= 'a' && c <= 'z' ? c - 32 : c);
        upper = false;
    }
    out[used] = '\0';
    return out;
}

struct proto_field *pool_add_field(struct pool *pool, struct proto_message *message, const char *name, uint32_t number, enum proto_type type)
{
    struct proto_field *field = zalloc(pool, sizeof(*field));
    field->name = pool_keep(pool, name, strlen(name));
    field->json_name = json_name_of(pool, name);
    field->number = number;
    field->type = type;
    field->oneof = -1;
    field->index = message->field_count++;
    *message->last_field = field;
    message->last_field = &field->next;
    return field;
}

struct proto_method *pool_add_method(struct pool *pool, struct proto_service *service, const char *name)
{
    struct proto_method *method = zalloc(pool, sizeof(*method));
    char *path = mem_printf("/%s/%s", service->full_name, name);
    method->path = pool_keep(pool, path, strlen(path));
    method->name = method->path + strlen(path) - strlen(name);
    mem_free(path);
    method->service = service;
    method->scope = service->full_name;
    *service->last_method = method;
    service->last_method = &method->next;
    map_set(&pool->methods, method->path, strlen(method->path), method);
    return method;
}

void pool_add_enum_value(struct pool *pool, struct proto_enum *enumeration, const char *name, int32_t number)
{
    struct proto_enum_value *value = zalloc(pool, sizeof(*value));
    value->name = pool_keep(pool, name, strlen(name));
    value->number = number;
    *enumeration->last_value = value;
    enumeration->last_value = &value->next;
}

bool pool_has_file(const struct pool *pool, const char *name, size_t len)
{
    return map_has(&pool->files, name, len);
}

/* ---- linking ---- */

/* The symbol that a name means inside a scope: the innermost that fits. A leading dot: a full name. */
static const struct pool_symbol *resolve(const struct pool *pool, const char *scope, const char *name)
{
    if (name[0] == '.')
        return map_get(&pool->symbols, name + 1, strlen(name + 1));
    struct buf full = {0};
    const struct pool_symbol *found = NULL;
    size_t scope_len = strlen(scope);
    while (!found) {
        buf_clear(&full);
        buf_add(&full, scope, scope_len);
        if (scope_len)
            buf_add_char(&full, '.');
        buf_add_text(&full, name);
        found = map_get(&pool->symbols, full.data, full.len);
        if (found && !found->message && !found->enumeration)
            found = NULL;
        if (!scope_len)
            break;
        while (scope_len && scope[--scope_len] != '.')
            ;
    }
    buf_free(&full);
    return found;
}

static bool link_field(struct pool *pool, const struct proto_message *message, struct proto_field *field, struct error *err)
{
    if (field->type_name && (field->type == PROTO_UNKNOWN || field->type == PROTO_MESSAGE || field->type == PROTO_GROUP || field->type == PROTO_ENUM)) {
        const struct pool_symbol *symbol = resolve(pool, message->full_name, field->type_name);
        if (!symbol || (!symbol->message && !symbol->enumeration))
            return error_set(err, EXIT_SCRIPT_EXCEPTION, "field %s.%s: unknown type %s", message->full_name, field->name, field->type_name);
        field->message = symbol->message;
        field->enumeration = symbol->enumeration;
        if (symbol->enumeration)
            field->type = PROTO_ENUM;
        else if (field->type != PROTO_GROUP)
            field->type = PROTO_MESSAGE;
    }
    bool needs_message = field->type == PROTO_MESSAGE || field->type == PROTO_GROUP;
    if (field->type < PROTO_DOUBLE || field->type > PROTO_SINT64 || (needs_message && !field->message) || (field->type == PROTO_ENUM && !field->enumeration))
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "field %s.%s has no type", message->full_name, field->name);
    bool can_pack = field->is_repeated && !needs_message && field->type != PROTO_STRING && field->type != PROTO_BYTES;
    if (!field->is_packed_said)
        field->is_packed = !field->is_proto2;
    field->is_packed = field->is_packed && can_pack;
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = (*(const struct proto_field *const *)a)->number, y = (*(const struct proto_field *const *)b)->number;
    return x < y ? -1 : x > y;
}

/* Field 1 is a key (an integer, a bool or a string), field 2 the value. */
static bool is_map_entry(const struct proto_message *message)
{
    if (message->field_count != 2 || message->by_number[0]->number != 1 || message->by_number[1]->number != 2)
        return false;
    const struct proto_field *key = message->by_number[0];
    bool is_scalar = !key->message && !key->enumeration && key->type != PROTO_BYTES && key->type != PROTO_DOUBLE && key->type != PROTO_FLOAT;
    return is_scalar && !key->is_repeated && !message->by_number[1]->is_repeated;
}

static bool link_message(struct pool *pool, struct proto_message *message, struct error *err)
{
    if (message->by_number)
        return true;
    message->by_number = arena_alloc(&pool->arena, (message->field_count + 1) * sizeof(message->by_number[0]));
    unsigned count = 0;
    for (struct proto_field *field = message->fields; field; field = field->next) {
        message->by_number[count++] = field;
        if (!link_field(pool, message, field, err))
            return false;
    }
    if (count)
        qsort(message->by_number, count, sizeof(message->by_number[0]), by_number);
    for (unsigned i = 1; i < count; i++)
        if (message->by_number[i - 1]->number == message->by_number[i]->number)
            return error_set(err, EXIT_SCRIPT_EXCEPTION, "%s: the fields %s and %s have the same number %u", message->full_name,
                             message->by_number[i - 1]->name, message->by_number[i]->name, message->by_number[i]->number);
    if (message->is_map_entry && !is_map_entry(message))
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "%s is no map entry", message->full_name);
    if (message->well_known == WELL_KNOWN_WRAPPER && (count != 1 || message->by_number[0]->number != 1 || message->by_number[0]->message || message->by_number[0]->is_repeated))
        message->well_known = WELL_KNOWN_NONE;
    return true;
}

static bool link_method(struct pool *pool, struct proto_method *method, struct error *err)
{
    const struct pool_symbol *input = resolve(pool, method->scope, method->input_name), *output = resolve(pool, method->scope, method->output_name);
    if (!input || !input->message || !output || !output->message)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "%s: unknown message type %s", method->path,
                         !input || !input->message ? method->input_name : method->output_name);
    method->input = input->message;
    method->output = output->message;
    return true;
}

bool pool_link(struct pool *pool, struct error *err)
{
    for (struct proto_message *message = pool->messages; message; message = message->next)
        if (!link_message(pool, message, err))
            return false;
    for (struct proto_service *service = pool->services; service; service = service->next)
        for (struct proto_method *method = service->methods; method; method = method->next)
            if (!link_method(pool, method, err))
                return false;
    return true;
}

/* ---- asking ---- */

const struct proto_message *pool_message(const struct pool *pool, const char *full_name, size_t len)
{
    const struct pool_symbol *symbol = map_get(&pool->symbols, full_name, len);
    return symbol ? symbol->message : NULL;
}

const struct proto_method *pool_method(const struct pool *pool, const char *path)
{
    return map_get(&pool->methods, path, strlen(path));
}

const struct proto_field *message_field(const struct proto_message *message, uint32_t number)
{
    unsigned low = 0, high = message->field_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (message->by_number[middle]->number == number)
            return message->by_number[middle];
        if (message->by_number[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct proto_field *message_field_named(const struct proto_message *message, const char *name)
{
    for (const struct proto_field *field = message->fields; field; field = field->next)
        if (strcmp(field->json_name, name) == 0 || strcmp(field->name, name) == 0)
            return field;
    return NULL;
}

const char *enum_name(const struct proto_enum *enumeration, int32_t number)
{
    for (const struct proto_enum_value *value = enumeration->values; value; value = value->next)
        if (value->number == number)
            return value->name;
    return NULL;
}

bool enum_number(const struct proto_enum *enumeration, const char *name, int32_t *number)
{
    for (const struct proto_enum_value *value = enumeration->values; value; value = value->next) {
        if (strcmp(value->name, name) == 0) {
            *number = value->number;
            return true;
        }
    }
    return false;
}

bool field_has_presence(const struct proto_field *field)
{
    return !field->is_repeated && (field->is_proto2 || field->oneof >= 0 || field->message);
}
