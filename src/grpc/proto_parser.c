/* SPDX-License-Identifier: Apache-2.0 */
/* .proto texts: proto3, and of proto2 what messages and services need. Options are read over, but for
 * json_name and packed; extensions are checked for their form and left out. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "grpc/pool.h"
#include "grpc/proto_lexer.h"

#define MAX_NESTING 64
#define MAX_IMPORT_DEPTH 100
#define MAX_FIELD_NUMBER 536870911

struct import {
    char *name;
    struct import *next;
};

struct parser {
    struct lexer lexer;
    struct pool *pool;
    struct error *err;
    char *package;
    bool is_proto2;
    int nesting;
    struct import *imports, **last_import;
};

/* ---- small steps ---- */

static bool fail_expected(struct parser *p, const char *what)
{
    const struct lexer *l = &p->lexer;
    if (l->kind == TOKEN_END)
        return lexer_fail(l, p->err, "%s is expected, not the end of the file", what);
    return lexer_fail(l, p->err, "%s is expected, not \"%.*s\"", what, (int)(l->len < 60 ? l->len : 60), l->text);
}

static bool at(const struct parser *p, const char *token)
{
    return lexer_is(&p->lexer, token);
}

static bool accept(struct parser *p, const char *token)
{
    if (!at(p, token))
        return false;
    lexer_next(&p->lexer);
    return true;
}

static bool expect(struct parser *p, const char *token)
{
    if (accept(p, token))
        return true;
    char *what = mem_printf("\"%s\"", token);
    fail_expected(p, what);
    mem_free(what);
    return false;
}

/* A name without dots; heap. */
static char *read_word(struct parser *p, const char *what)
{
    if (p->lexer.kind != TOKEN_WORD) {
        fail_expected(p, what);
        return NULL;
    }
    char *word = mem_strndup(p->lexer.text, p->lexer.len);
    lexer_next(&p->lexer);
    return word;
}

/* "a.b.c", with a leading dot where that is allowed; heap. */
static char *read_name(struct parser *p, const char *what, bool may_be_absolute)
{
    struct buf name = {0};
    if (may_be_absolute && accept(p, "."))
        buf_add_char(&name, '.');
    do {
        char *word = read_word(p, what);
        if (!word) {
            buf_free(&name);
            return NULL;
        }
        if (name.len && name.data[name.len - 1] != '.')
            buf_add_char(&name, '.');
        buf_add_text(&name, word);
        mem_free(word);
    } while (accept(p, "."));
    return buf_take(&name);
}

static bool read_integer(struct parser *p, int64_t *value)
{
    bool negative = accept(p, "-");
    char text[32], *end;
    if (p->lexer.kind != TOKEN_NUMBER || p->lexer.len >= sizeof(text))
        return fail_expected(p, "a whole number");
    memcpy(text, p->lexer.text, p->lexer.len);
    text[p->lexer.len] = '\0';
    *value = strtoll(text, &end, 0);
    if (*end)
        return fail_expected(p, "a whole number");
    if (negative)
        *value = -*value;
    lexer_next(&p->lexer);
    return true;
}

static bool read_field_number(struct parser *p, uint32_t *number)
{
    int64_t value;
    struct lexer before = p->lexer;
    if (!read_integer(p, &value))
        return false;
    if (value < 1 || value > MAX_FIELD_NUMBER)
        return lexer_fail(&before, p->err, "a field's number is between 1 and %d", MAX_FIELD_NUMBER);
    *number = (uint32_t)value;
    return true;
}

static bool enter(struct parser *p)
{
    if (++p->nesting > MAX_NESTING)
        return lexer_fail(&p->lexer, p->err, "messages are nested more than %d deep", MAX_NESTING);
    return true;
}

/* ---- what is read over ---- */

/* Up to the ";", which may follow values in braces. */
static bool skip_statement(struct parser *p)
{
    int depth = 0;
    while (p->lexer.kind != TOKEN_END && p->lexer.kind != TOKEN_BAD) {
        if (at(p, "{") || at(p, "[") || at(p, "("))
            depth++;
        else if (at(p, "}") || at(p, "]") || at(p, ")"))
            depth--;
        if (depth < 0)
            break;
        if (depth == 0 && at(p, ";")) {
            lexer_next(&p->lexer);
            return true;
        }
        lexer_next(&p->lexer);
    }
    return fail_expected(p, "\";\"");
}

/* The value of an option inside brackets: up to the "," or "]" that ends it. */
static bool skip_value(struct parser *p)
{
    int depth = 0;
    while (p->lexer.kind != TOKEN_END && p->lexer.kind != TOKEN_BAD) {
        if (depth == 0 && (at(p, ",") || at(p, "]")))
            return true;
        if (at(p, "{") || at(p, "[") || at(p, "<"))
            depth++;
        else if (at(p, "}") || at(p, "]") || at(p, ">"))
            depth--;
        if (depth < 0)
            break;
        lexer_next(&p->lexer);
    }
    return fail_expected(p, "\"]\"");
}

static bool read_option_name(struct parser *p)
{
    do {
        if (accept(p, "(")) {
            char *name = read_name(p, "the name of an option", true);
            mem_free(name);
            if (!name || !expect(p, ")"))
                return false;
        } else {
            char *word = read_word(p, "the name of an option");
            mem_free(word);
            if (!word)
                return false;
        }
    } while (accept(p, "."));
    return true;
}

/* "[json_name = "x", packed = true, ...]"; field NULL: of an enum value. */
static bool read_brackets(struct parser *p, struct proto_field *field)
{
    if (!accept(p, "["))
        return true;
    do {
        bool is_json_name = at(p, "json_name"), is_packed = at(p, "packed");
        if (!read_option_name(p) || !expect(p, "="))
            return false;
        if (field && is_json_name && p->lexer.kind == TOKEN_STRING)
            field->json_name = pool_keep(p->pool, p->lexer.string.data ? p->lexer.string.data : "", p->lexer.string.len);
        if (field && is_packed) {
            field->is_packed_said = true;
            field->is_packed = at(p, "true");
        }
        if (!skip_value(p))
            return false;
    } while (accept(p, ","));
    return expect(p, "]");
}

/* ---- fields ---- */

static enum proto_type scalar_type(const char *name)
{
    static const struct {
        const char *name;
        enum proto_type type;
    } rows[] = {
        {"double", PROTO_DOUBLE}, {"float", PROTO_FLOAT}, {"int64", PROTO_INT64}, {"uint64", PROTO_UINT64},
        {"int32", PROTO_INT32}, {"fixed64", PROTO_FIXED64}, {"fixed32", PROTO_FIXED32}, {"bool", PROTO_BOOL},
        {"string", PROTO_STRING}, {"bytes", PROTO_BYTES}, {"uint32", PROTO_UINT32}, {"sfixed32", PROTO_SFIXED32},
        {"sfixed64", PROTO_SFIXED64}, {"sint32", PROTO_SINT32}, {"sint64", PROTO_SINT64},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].type;
    return PROTO_UNKNOWN;
}

static void set_type_name(struct parser *p, struct proto_field *field, const char *name)
{
    if (field->type == PROTO_UNKNOWN || field->type == PROTO_GROUP || field->type == PROTO_MESSAGE)
        field->type_name = pool_keep(p->pool, name, strlen(name));
    field->is_proto2 = p->is_proto2;
}

static bool read_message_body(struct parser *p, struct proto_message *message);

/* "group Name = 1 { ... }": a message of that name and a field in small letters. */
static bool read_group(struct parser *p, struct proto_message *message, struct proto_field **field)
{
    uint32_t number;
    char *name = read_word(p, "the name of a group");
    if (!name)
        return false;
    bool done = expect(p, "=") && read_field_number(p, &number);
    struct proto_message *group = done ? pool_add_message(p->pool, message->full_name, name, p->err) : NULL;
    if (group) {
        char *full_name = mem_printf(".%s", group->full_name);
        for (char *c = name; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c + 32);
        *field = pool_add_field(p->pool, message, name, number, PROTO_GROUP);
        set_type_name(p, *field, full_name);
        mem_free(full_name);
        done = read_brackets(p, *field) && read_message_body(p, group);
    }
    mem_free(name);
    return group && done;
}

/* After the label: "type name = 1 [...];" */
static bool read_field(struct parser *p, struct proto_message *message, struct proto_field **field)
{
    if (accept(p, "group"))
        return read_group(p, message, field);
    uint32_t number = 0;
    char *type = read_name(p, "the type of a field", true), *name = type ? read_word(p, "the name of a field") : NULL;
    bool done = name && expect(p, "=") && read_field_number(p, &number);
    if (done) {
        *field = pool_add_field(p->pool, message, name, number, scalar_type(type));
        set_type_name(p, *field, type);
        done = read_brackets(p, *field) && expect(p, ";");
    }
    mem_free(type);
    mem_free(name);
    return done;
}

static bool read_labelled_field(struct parser *p, struct proto_message *message)
{
    struct proto_field *field = NULL;
    bool repeated = accept(p, "repeated"), optional = !repeated && accept(p, "optional");
    if (!repeated && !optional)
        accept(p, "required");
    if (!read_field(p, message, &field))
        return false;
    field->is_repeated = repeated;
    if (optional && !p->is_proto2)
        field->oneof = message->oneof_count++;
    return true;
}

/* The name of the message that stands for a map's entries: "some_map" -> "SomeMapEntry". */
static char *entry_name(const char *field)
{
    struct buf name = {0};
    bool upper = true;
    for (; *field; field++) {
        if (*field == '_') {
            upper = true;
            continue;
        }
        buf_add_char(&name, (char)(upper && *field >= 'a' && *field <= 'z' ? *field - 32 : *field));
        upper = false;
    }
    buf_add_text(&name, "Entry");
    return buf_take(&name);
}

static bool add_map(struct parser *p, struct proto_message *message, const char *key, const char *value, const char *name, uint32_t number)
{
    char *entry_text = entry_name(name);
    struct proto_message *entry = pool_add_message(p->pool, message->full_name, entry_text, p->err);
    mem_free(entry_text);
    if (!entry)
        return false;
    entry->is_map_entry = true;
    set_type_name(p, pool_add_field(p->pool, entry, "key", 1, scalar_type(key)), key);
    set_type_name(p, pool_add_field(p->pool, entry, "value", 2, scalar_type(value)), value);
    struct proto_field *field = pool_add_field(p->pool, message, name, number, PROTO_MESSAGE);
    char *full_name = mem_printf(".%s", entry->full_name);
    set_type_name(p, field, full_name);
    mem_free(full_name);
    field->is_repeated = true;
    return read_brackets(p, field) && expect(p, ";");
}

/* After "map": "<key, value> name = 1;" */
static bool read_map(struct parser *p, struct proto_message *message)
{
    uint32_t number = 0;
    char *key = NULL, *value = NULL, *name = NULL;
    bool done = expect(p, "<") && (key = read_name(p, "the type of a map's keys", false)) && expect(p, ",") &&
                (value = read_name(p, "the type of a map's values", true)) && expect(p, ">") && (name = read_word(p, "the name of a field")) &&
                expect(p, "=") && read_field_number(p, &number) && add_map(p, message, key, value, name, number);
    mem_free(key);
    mem_free(value);
    mem_free(name);
    return done;
}

static bool read_oneof(struct parser *p, struct proto_message *message)
{
    char *name = read_word(p, "the name of a oneof");
    mem_free(name);
    int index = message->oneof_count++;
    if (!name || !expect(p, "{"))
        return false;
    while (!accept(p, "}")) {
        struct proto_field *field;
        if (accept(p, ";"))
            continue;
        if (accept(p, "option")) {
            if (!skip_statement(p))
                return false;
            continue;
        }
        if (!read_field(p, message, &field))
            return false;
        field->oneof = index;
    }
    return true;
}

/* ---- enums, messages, services ---- */

static bool read_enum(struct parser *p, const char *scope)
{
    char *name = read_word(p, "the name of an enum");
    struct proto_enum *enumeration = name ? pool_add_enum(p->pool, scope, name, p->err) : NULL;
    mem_free(name);
    if (!enumeration || !expect(p, "{"))
        return false;
    while (!accept(p, "}")) {
        int64_t number;
        if (accept(p, ";"))
            continue;
        if (at(p, "option") || at(p, "reserved")) {
            if (!skip_statement(p))
                return false;
            continue;
        }
        char *value = read_word(p, "the name of a value");
        bool done = value && expect(p, "=") && read_integer(p, &number) && read_brackets(p, NULL) && expect(p, ";");
        if (done)
            pool_add_enum_value(p->pool, enumeration, value, (int32_t)number);
        mem_free(value);
        if (!done)
            return false;
    }
    if (!enumeration->values)
        return lexer_fail(&p->lexer, p->err, "the enum %s has no values", enumeration->full_name);
    return true;
}

/* "extend Some.Message { fields }": the fields go to a message of their own that nobody refers to. */
static bool read_extend(struct parser *p)
{
    char *name = read_name(p, "the name of a message", true);
    mem_free(name);
    if (!name)
        return false;
    struct pool *kept = p->pool;
    struct pool *aside = pool_new();
    p->pool = aside;
    struct proto_message *message = pool_add_message(aside, NULL, "extension", p->err);
    bool done = read_message_body(p, message);
    p->pool = kept;
    pool_free(aside);
    return done;
}

static bool read_message(struct parser *p, const char *scope)
{
    char *name = read_word(p, "the name of a message");
    struct proto_message *message = name ? pool_add_message(p->pool, scope, name, p->err) : NULL;
    mem_free(name);
    return message && read_message_body(p, message);
}

static bool read_message_part(struct parser *p, struct proto_message *message)
{
    if (accept(p, ";"))
        return true;
    if (at(p, "option") || at(p, "reserved") || at(p, "extensions"))
        return skip_statement(p);
    if (accept(p, "message"))
        return read_message(p, message->full_name);
    if (accept(p, "enum"))
        return read_enum(p, message->full_name);
    if (accept(p, "oneof"))
        return read_oneof(p, message);
    if (accept(p, "extend"))
        return read_extend(p);
    if (accept(p, "map"))
        return read_map(p, message);
    return read_labelled_field(p, message);
}

static bool read_message_body(struct parser *p, struct proto_message *message)
{
    if (!expect(p, "{") || !enter(p))
        return false;
    while (!accept(p, "}"))
        if (!read_message_part(p, message))
            return false;
    p->nesting--;
    return true;
}

/* "(stream Name)" */
static bool read_method_type(struct parser *p, bool *streams, const char **type)
{
    if (!expect(p, "("))
        return false;
    *streams = accept(p, "stream");
    if (*streams && accept(p, ")")) { /* a message of that name */
        *streams = false;
        *type = "stream";
        return true;
    }
    char *name = read_name(p, "the name of a message", true);
    if (!name)
        return false;
    *type = pool_keep(p->pool, name, strlen(name));
    mem_free(name);
    return expect(p, ")");
}

static bool read_method(struct parser *p, struct proto_service *service)
{
    char *name = read_word(p, "the name of a method");
    if (!name)
        return false;
    struct proto_method *method = pool_add_method(p->pool, service, name);
    mem_free(name);
    if (!read_method_type(p, &method->client_streams, &method->input_name) || !expect(p, "returns") ||
        !read_method_type(p, &method->server_streams, &method->output_name))
        return false;
    if (!accept(p, "{"))
        return expect(p, ";");
    while (!accept(p, "}")) {
        if (accept(p, ";"))
            continue;
        if (!expect(p, "option") || !skip_statement(p))
            return false;
    }
    return true;
}

static bool read_service(struct parser *p)
{
    char *name = read_word(p, "the name of a service");
    struct proto_service *service = name ? pool_add_service(p->pool, p->package, name, p->err) : NULL;
    mem_free(name);
    if (!service || !expect(p, "{"))
        return false;
    while (!accept(p, "}")) {
        if (accept(p, ";"))
            continue;
        if (at(p, "option")) {
            if (!skip_statement(p))
                return false;
        } else if (!expect(p, "rpc") || !read_method(p, service)) {
            return false;
        }
    }
    return true;
}

/* ---- files ---- */

static bool read_syntax(struct parser *p)
{
    if (!expect(p, "=") || p->lexer.kind != TOKEN_STRING)
        return fail_expected(p, "\"proto2\" or \"proto3\"");
    bool known = p->lexer.string.len == 6 && memcmp(p->lexer.string.data, "proto", 5) == 0 && strchr("23", p->lexer.string.data[5]);
    if (!known)
        return lexer_fail(&p->lexer, p->err, "only proto2 and proto3 are known");
    p->is_proto2 = p->lexer.string.data[5] == '2';
    lexer_next(&p->lexer);
    return expect(p, ";");
}

static bool read_import(struct parser *p)
{
    if (!accept(p, "public"))
        accept(p, "weak");
    if (p->lexer.kind != TOKEN_STRING)
        return fail_expected(p, "the name of a file in quotes");
    struct import *import = mem_alloc(sizeof(*import));
    *import = (struct import){mem_strndup(p->lexer.string.data ? p->lexer.string.data : "", p->lexer.string.len), NULL};
    *p->last_import = import;
    p->last_import = &import->next;
    lexer_next(&p->lexer);
    return expect(p, ";");
}

static bool read_package(struct parser *p)
{
    mem_free(p->package);
    p->package = read_name(p, "the name of a package", false);
    return p->package && expect(p, ";");
}

static bool read_file(struct parser *p)
{
    while (p->lexer.kind != TOKEN_END) {
        bool done;
        if (accept(p, ";"))
            continue;
        if (accept(p, "syntax"))
            done = read_syntax(p);
        else if (accept(p, "package"))
            done = read_package(p);
        else if (accept(p, "import"))
            done = read_import(p);
        else if (at(p, "option"))
            done = skip_statement(p);
        else if (accept(p, "message"))
            done = read_message(p, p->package);
        else if (accept(p, "enum"))
            done = read_enum(p, p->package);
        else if (accept(p, "service"))
            done = read_service(p);
        else if (accept(p, "extend"))
            done = read_extend(p);
        else
            done = fail_expected(p, "\"message\", \"enum\", \"service\", \"import\", \"package\" or \"option\"");
        if (!done)
            return false;
    }
    return true;
}

static bool parse(struct pool *pool, const char *name, const char *text, size_t len, struct import **imports, struct error *err)
{
    struct parser p = {.pool = pool, .err = err, .is_proto2 = true}; /* proto2 unless the file says otherwise */
    p.last_import = &p.imports;
    map_set(&pool->files, name, strlen(name), pool);
    lexer_init(&p.lexer, name, text, len);
    bool done = read_file(&p);
    lexer_free(&p.lexer);
    mem_free(p.package);
    *imports = p.imports;
    return done;
}

static bool add_file(struct pool *pool, const char *name, pool_read_file *read, void *arg, int depth, struct error *err);

static bool add_text(struct pool *pool, const char *name, const char *text, size_t len, pool_read_file *read, void *arg, int depth, struct error *err)
{
    struct import *imports;
    bool done = parse(pool, name, text, len, &imports, err);
    while (imports) {
        struct import *import = imports;
        imports = import->next;
        if (done && !add_file(pool, import->name, read, arg, depth + 1, err))
            done = false;
        mem_free(import->name);
        mem_free(import);
    }
    return done;
}

static bool add_file(struct pool *pool, const char *name, pool_read_file *read, void *arg, int depth, struct error *err)
{
    size_t len = 0;
    if (pool_has_file(pool, name, strlen(name)))
        return true;
    if (depth > MAX_IMPORT_DEPTH)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "%s: imports are more than %d deep", name, MAX_IMPORT_DEPTH);
    const char *text = read ? read(arg, name, &len) : NULL;
    if (!text) {
        text = well_known_file(name);
        len = text ? strlen(text) : 0;
    }
    if (!text)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "%s: there is no such file in the import paths", name);
    return add_text(pool, name, text, len, read, arg, depth, err);
}

bool pool_add_proto_file(struct pool *pool, const char *name, pool_read_file *read, void *arg, struct error *err)
{
    return add_file(pool, name, read, arg, 0, err);
}

bool pool_add_proto_text(struct pool *pool, const char *name, const char *text, size_t len, struct error *err)
{
    return add_text(pool, name, text, len, NULL, NULL, 0, err);
}
