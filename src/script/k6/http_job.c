/* SPDX-License-Identifier: Apache-2.0 */
/* From the arguments of http.get() and its siblings to a request. A plain GET allocates nothing here: the
 * URL is interned, and the arena takes a block only for headers, forms and compressed bodies. */
#include "script/k6/http_job.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/decode.h"
#include "http/form.h"
#include "http/header.h"
#include "http/url.h"
#include "script/hints.h"

#define DEFAULT_TIMEOUT_NS (60 * NS_PER_S)

struct http_vu *http_vu_of(struct vu *vu)
{
    if (!vu->http_state)
        vu->http_state = mem_zalloc(sizeof(*vu->http_state));
    return vu->http_state;
}

void http_vu_free(struct http_vu *state)
{
    if (!state)
        return;
    http_callback_fini(&state->callback);
    mem_free(state);
}

struct http_client *http_client_of(struct vu *vu)
{
    if (!vu->http)
        vu->http = http_client_new(vu->worker->http, (unsigned)vu->id_in_instance);
    return vu->http;
}

struct cookie_jar *cookie_jar_of(struct vu *vu)
{
    if (!vu->jar)
        vu->jar = cookie_jar_new();
    return vu->jar;
}

/* ---- failures ---- */

static bool fail(struct request_failure *failure, int code, const char *text)
{
    failure->code = code;
    failure->text = mem_strdup(text);
    return false;
}

static char *keep_text(struct http_job *job, JSValueConst value, size_t *len)
{
    const char *text = JS_ToCStringLen(job->ctx, len, value);
    if (!text)
        return NULL;
    char *copy = arena_strndup(&job->arena, text, *len);
    JS_FreeCString(job->ctx, text);
    return copy;
}

/* ---- URL ---- */

static bool read_url(struct http_job *job, JSValueConst url, struct request_failure *failure)
{
    JSContext *ctx = job->ctx;
    JSValue text_value = JS_UNDEFINED;
    if (JS_IsObject(url)) {
        /* made by http.url`...`: {url, name} */
        JSValue name = JS_GetPropertyStr(ctx, url, "name");
        if (JS_IsString(name))
            job->name = keep_text(job, name, &job->name_len);
        JS_FreeValue(ctx, name);
        text_value = JS_GetPropertyStr(ctx, url, "url");
        if (!JS_IsString(text_value)) {
            JS_FreeValue(ctx, text_value);
            text_value = JS_ToString(ctx, url);
        }
        url = text_value;
    }
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, url);
    JS_FreeValue(ctx, text_value);
    if (!text)
        return false;
    struct error err = {0};
    job->request.url = http_url_get(job->vu->worker->http, text, len, &err);
    JS_FreeCString(ctx, text);
    if (job->request.url) {
        if (job->request.url->has_undefined)
            hint_undefined_url(job->request.url->clean);
        return true;
    }
    failure->code = err.code;
    failure->text = err.text;
    return false;
}

/* ---- headers ---- */

static struct http_header *add_header(struct http_job *job, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct http_header *old = (struct http_header *)(uintptr_t)job->request.headers;
    size_t count = job->request.header_count;
    if ((count & 7) == 0) { /* grows by eight in the arena */
        struct http_header *grown = arena_alloc(&job->arena, (count + 8) * sizeof(*grown));
        if (count)
            memcpy(grown, old, count * sizeof(*grown));
        old = grown;
        job->request.headers = grown;
    }
    old[count] = (struct http_header){name, value, (uint32_t)name_len, (uint32_t)value_len};
    job->request.header_count = count + 1;
    return &old[count];
}

static const struct http_header *has_header(const struct http_job *job, const char *name)
{
    return header_find(job->request.headers, job->request.header_count, name, strlen(name));
}

static bool read_header(struct http_job *job, JSAtom atom, JSValueConst value, struct request_failure *failure)
{
    JSContext *ctx = job->ctx;
    JSValue name_value = JS_AtomToString(ctx, atom);
    size_t name_len, value_len;
    char *name = keep_text(job, name_value, &name_len), *text = name ? keep_text(job, value, &value_len) : NULL;
    JS_FreeValue(ctx, name_value);
    if (!text)
        return false;
    header_canonical(name, name, name_len);
    struct error err = {0};
    if (!header_check(name, name_len, text, value_len, &err)) {
        failure->code = err.code;
        failure->text = err.text;
        return false;
    }
    if (strcmp(name, "Content-Length") == 0) {
        log_warning("the header Content-Length is set by the client from the body; the script's value is ignored");
        return true;
    }
    add_header(job, name, name_len, text, value_len);
    return true;
}

static bool read_headers(struct http_job *job, JSValueConst headers, struct request_failure *failure)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (!JS_IsObject(headers))
        return true;
    if (JS_GetOwnPropertyNames(job->ctx, &names, &count, headers, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    bool done = true;
    for (uint32_t i = 0; i < count && done; i++) {
        JSValue value = JS_GetProperty(job->ctx, headers, names[i].atom);
        done = !JS_IsException(value) && read_header(job, names[i].atom, value, failure);
        JS_FreeValue(job->ctx, value);
    }
    JS_FreePropertyEnum(job->ctx, names, count);
    return done;
}

/* ---- cookies ---- */

static bool read_cookie(struct http_job *job, struct http_header *to, bool *replaces, JSAtom atom, JSValueConst value)
{
    JSContext *ctx = job->ctx;
    JSValue name_value = JS_AtomToString(ctx, atom), text_value = JS_DupValue(ctx, value);
    if (JS_IsObject(value)) {
        JSValue replace = JS_GetPropertyStr(ctx, value, "replace");
        *replaces = JS_ToBool(ctx, replace) > 0;
        JS_FreeValue(ctx, replace);
        JS_FreeValue(ctx, text_value);
        text_value = JS_GetPropertyStr(ctx, value, "value");
    }
    size_t name_len, value_len;
    to->name = keep_text(job, name_value, &name_len);
    to->value = to->name ? keep_text(job, text_value, &value_len) : NULL;
    JS_FreeValue(ctx, name_value);
    JS_FreeValue(ctx, text_value);
    if (!to->value)
        return false;
    to->name_len = (uint32_t)name_len;
    to->value_len = (uint32_t)value_len;
    return true;
}

static bool read_cookies(struct http_job *job, JSValueConst cookies)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (!JS_IsObject(cookies))
        return true;
    if (JS_GetOwnPropertyNames(job->ctx, &names, &count, cookies, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    struct http_header *list = arena_alloc(&job->arena, (count + 1) * sizeof(*list));
    bool *replaces = arena_alloc(&job->arena, count + 1), done = true;
    for (uint32_t i = 0; i < count && done; i++) {
        JSValue value = JS_GetProperty(job->ctx, cookies, names[i].atom);
        replaces[i] = false;
        done = !JS_IsException(value) && read_cookie(job, &list[i], &replaces[i], names[i].atom, value);
        JS_FreeValue(job->ctx, value);
    }
    JS_FreePropertyEnum(job->ctx, names, count);
    job->request.cookies = list;
    job->request.cookie_replaces = replaces;
    job->request.cookie_count = done ? count : 0;
    return done;
}

/* ---- params ---- */

static bool read_auth(struct http_job *job, JSValueConst value)
{
    const char *text = JS_ToCString(job->ctx, value);
    if (!text)
        return false;
    bool known = strcmp(text, "ntlm") != 0; /* others mean basic, as in k6 */
    job->request.auth = strcmp(text, "digest") == 0 ? HTTP_AUTH_DIGEST : HTTP_AUTH_BASIC;
    JS_FreeCString(job->ctx, text);
    if (!known)
        JS_ThrowTypeError(job->ctx, "auth: \"ntlm\" is not supported by ltlab; use \"basic\" or \"digest\"");
    return known;
}

static bool read_response_type(struct http_job *job, JSValueConst value)
{
    static const char *const names[] = {"text", "binary", "none"};
    const char *text = JS_ToCString(job->ctx, value);
    int found = -1;
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0)
            found = i;
    if (text && found < 0)
        js_throw_error(job->ctx, "invalid response type '%s': use 'text', 'binary' or 'none'", text);
    JS_FreeCString(job->ctx, text);
    if (found >= 0)
        job->response_type = (enum response_type)found;
    return found >= 0;
}

static bool read_jar(struct http_job *job, JSValueConst value)
{
    struct cookie_jar *jar = http_jar_of_value(value);
    if (!jar)
        return true; /* k6 ignores what is no jar */
    job->request.jar = jar;
    job->pinned_jar = JS_DupValue(job->ctx, value);
    return true;
}

static bool read_redirects(struct http_job *job, JSValueConst value)
{
    int32_t redirects;
    if (JS_ToInt32(job->ctx, &redirects, value))
        return false;
    job->request.redirects = redirects < 0 ? 0 : redirects;
    return true;
}

static bool take_name_tag(struct http_job *job)
{
    for (size_t i = 0; i < job->tags.count; i++) {
        if (strcmp(job->tags.list[i].key, "name") == 0) {
            job->name = job->tags.list[i].value;
            job->name_len = strlen(job->name);
        }
    }
    return true;
}

enum param { PARAM_HEADERS, PARAM_TAGS, PARAM_TIMEOUT, PARAM_COOKIES, PARAM_JAR, PARAM_AUTH, PARAM_REDIRECTS,
             PARAM_RESPONSE_TYPE, PARAM_RESPONSE_CALLBACK, PARAM_THROW, PARAM_COUNT };

static bool read_param(struct http_job *job, enum param param, JSValueConst value, struct request_failure *failure)
{
    if (JS_IsException(value))
        return false;
    if (param == PARAM_RESPONSE_CALLBACK && !JS_IsUndefined(value)) {
        http_callback_fini(&job->callback);
        return http_callback_read(job->ctx, value, &job->callback);
    }
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return true;
    switch (param) {
    case PARAM_HEADERS:
        return read_headers(job, value, failure);
    case PARAM_TAGS:
        return js_tags_read(job->ctx, value, &job->tags) && take_name_tag(job);
    case PARAM_TIMEOUT:
        return js_to_duration_ns(job->ctx, value, &job->request.timeout_ns);
    case PARAM_COOKIES:
        return read_cookies(job, value);
    case PARAM_JAR:
        return read_jar(job, value);
    case PARAM_AUTH:
        return read_auth(job, value);
    case PARAM_REDIRECTS:
        return read_redirects(job, value);
    case PARAM_RESPONSE_TYPE:
        return read_response_type(job, value);
    case PARAM_THROW:
        job->throws = JS_ToBool(job->ctx, value) > 0;
        return true;
    default:
        return true;
    }
}

static bool read_params(struct http_job *job, JSValueConst params, struct request_failure *failure)
{
    static const char *const names[PARAM_COUNT] = {"headers", "tags", "timeout", "cookies", "jar", "auth", "redirects",
                                                   "responseType", "responseCallback", "throw"};
    if (!JS_IsObject(params))
        return true;
    bool done = true;
    for (int i = 0; i < PARAM_COUNT && done; i++) {
        JSValue value = JS_GetPropertyStr(job->ctx, params, names[i]);
        done = read_param(job, (enum param)i, value, failure);
        JS_FreeValue(job->ctx, value);
    }
    return done;
}

/* ---- body ---- */

static void set_body(struct http_job *job, struct buf *from)
{
    char *copy = arena_alloc(&job->arena, from->len + 1);
    memcpy(copy, from->data ? from->data : "", from->len);
    job->request.body = copy;
    job->request.body_len = from->len;
    buf_free(from);
}

static void set_type(struct http_job *job, const char *type)
{
    if (!has_header(job, "Content-Type"))
        add_header(job, "Content-Type", strlen("Content-Type"), arena_strndup(&job->arena, type, strlen(type)), strlen(type));
}

struct form_reader {
    struct form_pair *pairs;
    struct form_part *parts;
    size_t count, cap, part_cap;
    bool has_file;
};

static bool add_form_value(struct http_job *job, struct form_reader *form, const char *key, size_t key_len, JSValueConst value)
{
    size_t len = 0;
    struct form_part part = {.name = key, .name_len = key_len};
    mem_grow(&form->pairs, &form->cap, form->count + 1, sizeof(form->pairs[0]));
    mem_grow(&form->parts, &form->part_cap, form->count + 1, sizeof(form->parts[0]));
    if (JS_GetClassID(value) == JS_CLASS_HTTP_FILE) {
        JSValue data = JS_GetPropertyStr(job->ctx, value, "data"), name = JS_GetPropertyStr(job->ctx, value, "filename"),
                type = JS_GetPropertyStr(job->ctx, value, "content_type");
        struct js_bytes bytes;
        if (js_bytes_read(job->ctx, data, &bytes)) {
            char *copy = arena_alloc(&job->arena, bytes.len + 1);
            memcpy(copy, bytes.data ? bytes.data : (const uint8_t *)"", bytes.len);
            part.data = copy;
            part.len = bytes.len;
            js_bytes_free(job->ctx, &bytes);
        }
        part.filename = keep_text(job, name, &part.filename_len);
        part.content_type = keep_text(job, type, &part.content_type_len);
        JS_FreeValue(job->ctx, data);
        JS_FreeValue(job->ctx, name);
        JS_FreeValue(job->ctx, type);
        form->has_file = true;
    } else if (!JS_IsNull(value) && !JS_IsUndefined(value) && (!JS_IsObject(value) || JS_IsArray(value))) {
        part.data = keep_text(job, value, &len);
        part.len = len;
        if (!part.data)
            return false;
    } else {
        part.data = "";
    }
    form->parts[form->count] = part;
    form->pairs[form->count++] = (struct form_pair){key, part.data, key_len, part.len};
    return true;
}

static bool add_form_property(struct http_job *job, struct form_reader *form, JSAtom atom, JSValueConst value)
{
    JSValue name = JS_AtomToString(job->ctx, atom);
    size_t key_len;
    char *key = keep_text(job, name, &key_len);
    JS_FreeValue(job->ctx, name);
    if (!key)
        return false;
    if (!JS_IsArray(value))
        return add_form_value(job, form, key, key_len, value);
    int64_t length = 0;
    JS_GetLength(job->ctx, value, &length);
    bool done = true;
    for (int64_t i = 0; i < length && done; i++) {
        JSValue item = JS_GetPropertyInt64(job->ctx, value, i);
        done = add_form_value(job, form, key, key_len, item);
        JS_FreeValue(job->ctx, item);
    }
    return done;
}

static void write_form(struct http_job *job, const struct form_reader *form)
{
    struct buf out = {0}, type = {0};
    if (form->has_file) {
        char boundary[FORM_BOUNDARY_LEN + 1];
        form_boundary(boundary);
        form_write_multipart(&out, boundary, form->parts, form->count);
        form_multipart_type(&type, boundary);
    } else {
        form_encode(&out, form->pairs, form->count);
        buf_add_text(&type, "application/x-www-form-urlencoded");
    }
    set_type(job, type.data);
    set_body(job, &out);
    buf_free(&type);
}

static bool read_form(struct http_job *job, JSValueConst body)
{
    JSPropertyEnum *names;
    uint32_t count;
    struct form_reader form = {0};
    if (JS_GetOwnPropertyNames(job->ctx, &names, &count, body, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return false;
    bool done = true;
    for (uint32_t i = 0; i < count && done; i++) {
        JSValue value = JS_GetProperty(job->ctx, body, names[i].atom);
        done = !JS_IsException(value) && add_form_property(job, &form, names[i].atom, value);
        JS_FreeValue(job->ctx, value);
    }
    JS_FreePropertyEnum(job->ctx, names, count);
    if (done)
        write_form(job, &form);
    mem_free(form.pairs);
    mem_free(form.parts);
    return done;
}

static bool read_body(struct http_job *job, JSValueConst body)
{
    if (JS_IsUndefined(body) || JS_IsNull(body))
        return true;
    job->body_value = JS_DupValue(job->ctx, body);
    if (JS_IsNumber(body) || JS_IsBool(body)) {
        JSValue text = JS_ToString(job->ctx, body);
        JS_FreeValue(job->ctx, job->body_value);
        job->body_value = text;
    }
    if (js_bytes_read(job->ctx, job->body_value, &job->body_bytes)) {
        job->request.body = job->body_bytes.data ? job->body_bytes.data : (const uint8_t *)"";
        job->request.body_len = job->body_bytes.len;
        return true;
    }
    if (JS_IsObject(body) && !JS_IsFunction(job->ctx, body))
        return read_form(job, body);
    js_throw_error(job->ctx, "unknown request body type: text, an ArrayBuffer or an object of form fields is needed");
    return false;
}

static bool compress_body(struct http_job *job, JSValueConst params, struct request_failure *failure)
{
    if (!JS_IsObject(params) || !job->request.body)
        return true;
    JSValue value = JS_GetPropertyStr(job->ctx, params, "compression");
    bool wanted = JS_IsString(value);
    size_t len;
    const char *names = wanted ? JS_ToCStringLen(job->ctx, &len, value) : NULL;
    JS_FreeValue(job->ctx, value);
    if (!names || !names[0]) {
        JS_FreeCString(job->ctx, names);
        return true;
    }
    struct buf out = {0}, encoding = {0};
    struct error err = {0};
    bool done = encode_body(names, len, job->request.body, job->request.body_len, &out, &encoding, &err);
    JS_FreeCString(job->ctx, names);
    if (!done) {
        buf_free(&out);
        buf_free(&encoding);
        failure->code = err.code ? err.code : 1000;
        failure->text = err.text;
        return false;
    }
    set_body(job, &out);
    if (has_header(job, "Content-Encoding"))
        log_warning("compression is used and the header Content-Encoding is set as well; the header stays as it is");
    else
        add_header(job, "Content-Encoding", 16, arena_strndup(&job->arena, encoding.data, encoding.len), encoding.len);
    buf_free(&encoding);
    return true;
}

/* ---- the whole ---- */

bool http_job_prepare(struct http_job *job, JSContext *ctx, const char *method, JSValueConst url, JSValueConst body,
                      JSValueConst params, struct request_failure *failure)
{
    struct vu *vu = vu_of(ctx);
    const struct script_settings *settings = vu->realm->script->settings;
    *job = (struct http_job){.vu = vu, .ctx = ctx, .body_value = JS_UNDEFINED, .pinned_jar = JS_UNDEFINED};
    *failure = (struct request_failure){0};
    job->throws = settings->throw_errors;
    job->base_tags = vu->tags;
    job->response_type = settings->discard_response_bodies ? RESPONSE_NONE : RESPONSE_TEXT;
    job->request.method = method;
    job->request.redirects = -1;
    job->request.timeout_ns = DEFAULT_TIMEOUT_NS;
    if (vu->http_state) {
        job->callback = vu->http_state->callback;
        if (job->callback.ranges)
            job->callback.ranges->refs++;
    }
    if (!header_method_is_valid(method, strlen(method)))
        return fail(failure, 1000, "net/http: invalid method");
    if (!read_url(job, url, failure) || !read_params(job, params, failure) || !read_body(job, body) ||
        !compress_body(job, params, failure))
        return false;
    if (!job->request.jar)
        job->request.jar = cookie_jar_of(vu);
    job->request.discard_body = job->response_type == RESPONSE_NONE;
    job->is_prepared = true;
    return true;
}

void http_job_fini(struct http_job *job)
{
    if (job->request.url)
        http_url_unref(job->request.url);
    http_response_free(job->response);
    js_bytes_free(job->ctx, &job->body_bytes);
    JS_FreeValue(job->ctx, job->body_value);
    JS_FreeValue(job->ctx, job->pinned_jar);
    js_tags_free(&job->tags);
    http_callback_fini(&job->callback);
    arena_free(&job->arena);
}

void http_job_start(struct http_job *job, http_done *done, void *arg)
{
    job->call = http_send(http_client_of(job->vu), &job->request, done, arg);
}
