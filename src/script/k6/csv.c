/* SPDX-License-Identifier: Apache-2.0 */
/* k6/experimental/csv: a whole file as a SharedArray, and a parser that reads a record at a time. */
#include <stdint.h>
#include <string.h>

#include "core/buf.h"
#include "core/csv.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/k6/fs.h"
#include "script/k6/modules.h"
#include "script/k6/shared_array.h"

struct csv_options {
    char delimiter;
    bool skip_first, as_objects;
    int64_t from, to; /* lines, from 0; to INT64_MAX: all */
};

/* A reader with its options: where it stands and its header. */
struct csv_source {
    struct csv_reader reader;
    struct csv_options options;
    int64_t line; /* of the next record */
    char **header;
    size_t header_count;
};

/* ---- options ---- */

static bool bool_option(JSContext *ctx, JSValueConst object, const char *name, bool *value)
{
    JSValue member = JS_GetPropertyStr(ctx, object, name);
    if (!JS_IsUndefined(member) && !JS_IsNull(member))
        *value = JS_ToBool(ctx, member) > 0;
    JS_FreeValue(ctx, member);
    return !JS_IsException(member);
}

static bool line_option(JSContext *ctx, JSValueConst object, const char *name, int64_t *value)
{
    JSValue member = JS_GetPropertyStr(ctx, object, name);
    bool valid = !JS_IsException(member);
    if (valid && !JS_IsUndefined(member) && !JS_IsNull(member)) {
        valid = JS_IsNumber(member) && JS_ToInt64(ctx, value, member) == 0 && *value >= 0;
        if (!valid && !JS_HasException(ctx))
            js_throw_error(ctx, "%s must be the number of a line, 0 or more", name);
    }
    JS_FreeValue(ctx, member);
    return valid;
}

static bool delimiter_option(JSContext *ctx, JSValueConst object, char *delimiter)
{
    JSValue member = JS_GetPropertyStr(ctx, object, "delimiter");
    size_t len = 0;
    bool given = !JS_IsUndefined(member) && !JS_IsNull(member);
    const char *text = given ? JS_ToCStringLen(ctx, &len, member) : NULL;
    bool valid = !given || (text && len == 1 && text[0] != '"' && text[0] != '\n' && text[0] != '\r');
    if (text && !valid)
        js_throw_error(ctx, "delimiter must be one character (one byte; no quote or line end)");
    if (text && valid)
        *delimiter = text[0];
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, member);
    return valid;
}

/* False: thrown. */
static bool options_read(JSContext *ctx, JSValueConst object, struct csv_options *options)
{
    *options = (struct csv_options){.delimiter = ',', .to = INT64_MAX};
    if (JS_IsUndefined(object) || JS_IsNull(object))
        return true;
    if (!JS_IsObject(object)) {
        JS_ThrowTypeError(ctx, "the csv options must be an object");
        return false;
    }
    if (!delimiter_option(ctx, object, &options->delimiter) || !bool_option(ctx, object, "skipFirstLine", &options->skip_first) ||
        !bool_option(ctx, object, "asObjects", &options->as_objects) || !line_option(ctx, object, "fromLine", &options->from) ||
        !line_option(ctx, object, "toLine", &options->to))
        return false;
    if (options->as_objects && options->skip_first)
        js_throw_error(ctx, "asObjects needs the first line for its names, so skipFirstLine can't be used with it");
    else if (options->from > options->to)
        js_throw_error(ctx, "fromLine (%lld) can't be behind toLine (%lld)", (long long)options->from, (long long)options->to);
    else
        return true;
    return false;
}

/* ---- reading ---- */

static void source_close(struct csv_source *s)
{
    csv_close(&s->reader);
    for (size_t i = 0; i < s->header_count; i++)
        mem_free(s->header[i]);
    mem_free(s->header);
}

static int source_step(struct csv_source *s, struct error *err)
{
    int got = csv_next(&s->reader, err);
    s->line += got > 0;
    return got;
}

static bool source_open(struct csv_source *s, const struct fs_file *file, const struct csv_options *options, struct error *err)
{
    *s = (struct csv_source){.options = *options};
    csv_open(&s->reader, file->data, file->len, options->delimiter);
    if (!options->as_objects && !options->skip_first)
        return true;
    int got = source_step(s, err);
    if (got < 0)
        return false;
    if (got && options->as_objects) {
        s->header_count = s->reader.count;
        s->header = mem_array(s->header_count, sizeof(s->header[0]));
        for (size_t i = 0; i < s->header_count; i++) {
            size_t len;
            const char *name = csv_field(&s->reader, i, &len);
            s->header[i] = mem_strndup(name, len);
        }
    }
    return true;
}

static int source_next(struct csv_source *s, struct error *err)
{
    if (s->line > s->options.to)
        return 0;
    int got = source_step(s, err);
    while (got > 0 && s->line <= s->options.from)
        got = source_step(s, err);
    return got > 0 && s->line - 1 > s->options.to ? 0 : got;
}

/* The record as JSON: an array of strings, or an object. */
static void record_json(const struct csv_source *s, struct buf *out)
{
    buf_add_char(out, s->header ? '{' : '[');
    for (size_t i = 0; i < s->reader.count; i++) {
        size_t len;
        const char *field = csv_field(&s->reader, i, &len);
        if (i)
            buf_add_char(out, ',');
        if (s->header) {
            json_quote(out, s->header[i], strlen(s->header[i]));
            buf_add_char(out, ':');
        }
        json_quote(out, field, len);
    }
    buf_add_char(out, s->header ? '}' : ']');
}

static JSValue throw_csv(JSContext *ctx, const struct fs_file *file, struct error *err)
{
    js_throw_error(ctx, "%s is not valid CSV: %s", file->path, err->text);
    error_clear(err);
    return JS_EXCEPTION;
}

static struct fs_file *file_of(JSContext *ctx, int argc, JSValueConst *argv, const char *what)
{
    struct fs_file *file = argc > 0 ? fs_file_of(argv[0]) : NULL;
    if (!file)
        JS_ThrowTypeError(ctx, "%s needs a file that open() of k6/experimental/fs gave", what);
    return file;
}

/* ---- parse ---- */

struct rows {
    struct buf json;
    size_t *ends;
    size_t count, cap;
};

static const struct shared_array *keep_rows(JSContext *ctx, const char *name, const struct rows *rows)
{
    struct shared_array *array = shared_array_new(rows->count);
    for (size_t i = 0, at = 0; i < rows->count; at = rows->ends[i++])
        shared_array_set(array, i, rows->json.data + at, rows->ends[i] - at);
    return shared_array_keep(script_of(ctx), name, array);
}

static JSValue parse_file(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct csv_options options;
    if (!vu_require_init(ctx, "csv.parse()"))
        return JS_EXCEPTION;
    const struct fs_file *file = file_of(ctx, argc, argv, "csv.parse()");
    if (!file || !options_read(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, &options))
        return JS_EXCEPTION;
    char *name = mem_printf("\001csv %s %d%d%d %lld %lld", file->path, options.delimiter, options.skip_first, options.as_objects, (long long)options.from, (long long)options.to);
    const struct shared_array *array = shared_array_find(script_of(ctx), name);
    struct error err = {0};
    int got = 0;
    if (!array) {
        struct csv_source source;
        struct rows rows = {0};
        got = source_open(&source, file, &options, &err) ? 1 : -1;
        while (got > 0 && (got = source_next(&source, &err)) > 0) {
            record_json(&source, &rows.json);
            mem_grow(&rows.ends, &rows.cap, rows.count + 1, sizeof(rows.ends[0]));
            rows.ends[rows.count++] = rows.json.len;
        }
        if (got == 0)
            array = keep_rows(ctx, name, &rows);
        source_close(&source);
        buf_free(&rows.json);
        mem_free(rows.ends);
    }
    mem_free(name);
    return array ? shared_array_value(ctx, array) : throw_csv(ctx, file, &err);
}

static JSValue js_parse(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_settled(ctx, parse_file(ctx, argc, argv));
}

/* ---- Parser ---- */

struct csv_parser {
    struct fs_file file;
    struct csv_source source;
};

static void parser_finalize(JSRuntime *rt, JSValueConst value)
{
    struct csv_parser *parser = JS_GetOpaque(value, JS_CLASS_CSV_PARSER);
    if (!parser)
        return;
    source_close(&parser->source);
    mem_free(parser);
}

static const JSClassDef parser_class = {"Parser", .finalizer = parser_finalize};

static JSValue js_new_parser(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct csv_options options;
    struct error err = {0};
    if (!vu_require_init(ctx, "new csv.Parser()"))
        return JS_EXCEPTION;
    const struct fs_file *file = file_of(ctx, argc, argv, "new csv.Parser()");
    if (!file || !options_read(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, &options))
        return JS_EXCEPTION;
    struct csv_parser *parser = mem_zalloc(sizeof(*parser));
    parser->file = *file;
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_CSV_PARSER);
    JS_SetOpaque(object, parser);
    if (source_open(&parser->source, &parser->file, &options, &err))
        return object;
    JS_FreeValue(ctx, object);
    return throw_csv(ctx, file, &err);
}

static JSValue next_record(JSContext *ctx, JSValueConst this_val)
{
    struct csv_parser *parser = JS_GetOpaque2(ctx, this_val, JS_CLASS_CSV_PARSER);
    struct error err = {0};
    if (!parser)
        return JS_EXCEPTION;
    int got = source_next(&parser->source, &err);
    if (got < 0)
        return throw_csv(ctx, &parser->file, &err);
    JSValue result = JS_NewObject(ctx), value;
    if (got) {
        struct buf json = {0};
        record_json(&parser->source, &json);
        value = JS_ParseJSON(ctx, json.data, json.len, "csv");
        buf_free(&json);
    } else {
        value = JS_NewArray(ctx);
    }
    JS_SetPropertyStr(ctx, result, "done", JS_NewBool(ctx, !got));
    JS_SetPropertyStr(ctx, result, "value", value);
    return result;
}

static JSValue js_next(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_settled(ctx, next_record(ctx, this_val));
}

JSValue csv_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_CSV_PARSER, &parser_class);
    JSValue exports = JS_NewObject(ctx), proto = JS_NewObject(ctx);
    JSValue constructor = JS_NewCFunction2(ctx, js_new_parser, "Parser", 2, JS_CFUNC_constructor, 0);
    js_add_function(ctx, proto, "next", js_next, 0);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_CSV_PARSER, proto);
    js_add_function(ctx, exports, "parse", js_parse, 2);
    JS_DefinePropertyValueStr(ctx, exports, "Parser", constructor, JS_PROP_C_W_E);
    return exports;
}
