/* SPDX-License-Identifier: Apache-2.0 */
/* The Response object. Its fields become JavaScript values when they are first read: most scripts look at
 * two of twenty. To scripts they are own properties all the same. */
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/header.h"
#include "http/json_path.h"
#include "http/url.h"
#include "script/k6/http_job.h"

#define FIELDS(X)                                                                                                   \
    X(body) X(cookies) X(error) X(error_code) X(headers) X(ocsp) X(proto) X(remote_ip) X(remote_port) X(request)    \
    X(status) X(status_text) X(timings) X(tls_cipher_suite) X(tls_version) X(url)

enum field {
#define FIELD_ENUM(name) FIELD_##name,
    FIELDS(FIELD_ENUM)
#undef FIELD_ENUM
    FIELD_COUNT,
    METHOD_json = FIELD_COUNT,
    METHOD_html,
    METHOD_submitForm,
    METHOD_clickLink,
    NAME_COUNT,
};

static const char *const names[NAME_COUNT] = {
#define FIELD_NAME(name) #name,
    FIELDS(FIELD_NAME)
#undef FIELD_NAME
    "json", "html", "submitForm", "clickLink",
};

/* One a realm: the atoms of the names above, as the class's prototype keeps them. */
struct response_atoms {
    JSAtom atoms[NAME_COUNT];
};

struct js_response {
    struct http_response *response; /* NULL: the request could not be built */
    enum response_type type;
    char *request_url;
    char *error;
    int error_code;
    JSValue request_body;
    JSValue fields[FIELD_COUNT]; /* JS_UNINITIALIZED until read */
    JSValue parsed;              /* json() without a selector */
    JSValue extras;              /* what the script assigned; an object */
};

static struct js_response *response_of(JSValueConst value)
{
    return JS_GetOpaque(value, JS_CLASS_HTTP_RESPONSE);
}

static void response_finalize(JSRuntime *rt, JSValueConst value)
{
    struct js_response *r = response_of(value);
    if (!r)
        return;
    for (int i = 0; i < FIELD_COUNT; i++)
        JS_FreeValueRT(rt, r->fields[i]);
    JS_FreeValueRT(rt, r->request_body);
    JS_FreeValueRT(rt, r->parsed);
    JS_FreeValueRT(rt, r->extras);
    http_response_free(r->response);
    mem_free(r->request_url);
    mem_free(r->error);
    mem_free(r);
}

static void response_mark(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct js_response *r = response_of(value);
    if (!r)
        return;
    for (int i = 0; i < FIELD_COUNT; i++)
        JS_MarkValue(rt, r->fields[i], mark);
    JS_MarkValue(rt, r->request_body, mark);
    JS_MarkValue(rt, r->parsed, mark);
    JS_MarkValue(rt, r->extras, mark);
}

/* ---- fields ---- */

static JSValue make_headers(JSContext *ctx, const struct http_response *response)
{
    JSValue headers = JS_NewObject(ctx);
    struct buf joined = {0};
    for (size_t i = 0; response && i < response->header_count; i++) {
        const struct http_header *h = &response->headers[i];
        JSAtom name = JS_NewAtomLen(ctx, h->name, h->name_len);
        buf_clear(&joined);
        if (JS_HasProperty(ctx, headers, name) <= 0 && header_join(&joined, response->headers, response->header_count, h->name, h->name_len))
            JS_DefinePropertyValue(ctx, headers, name, JS_NewStringLen(ctx, joined.data ? joined.data : "", joined.len), JS_PROP_C_W_E);
        JS_FreeAtom(ctx, name);
    }
    buf_free(&joined);
    return headers;
}

static JSValue make_cookie(JSContext *ctx, const struct cookie *c)
{
    JSValue object = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, object, "name", JS_NewString(ctx, c->name));
    JS_SetPropertyStr(ctx, object, "value", JS_NewString(ctx, c->value));
    JS_SetPropertyStr(ctx, object, "domain", JS_NewString(ctx, c->domain));
    JS_SetPropertyStr(ctx, object, "path", JS_NewString(ctx, c->path));
    JS_SetPropertyStr(ctx, object, "http_only", JS_NewBool(ctx, c->http_only));
    JS_SetPropertyStr(ctx, object, "secure", JS_NewBool(ctx, c->secure));
    JS_SetPropertyStr(ctx, object, "max_age", JS_NewInt64(ctx, c->max_age_s));
    JS_SetPropertyStr(ctx, object, "expires", JS_NewInt64(ctx, c->expires_wall_s == INT64_MIN ? 0 : c->expires_wall_s * 1000));
    return object;
}

static JSValue make_cookies(JSContext *ctx, const struct http_response *response)
{
    JSValue cookies = JS_NewObject(ctx);
    for (size_t i = 0; response && i < response->header_count; i++) {
        const struct http_header *h = &response->headers[i];
        struct cookie *cookie;
        if (h->name_len != 10 || memcmp(h->name, "Set-Cookie", 10) != 0 || !cookie_parse(h->value, h->value_len, &cookie))
            continue;
        JSValue list = JS_GetPropertyStr(ctx, cookies, cookie->name);
        if (!JS_IsArray(list)) {
            list = JS_NewArray(ctx);
            JS_DefinePropertyValueStr(ctx, cookies, cookie->name, JS_DupValue(ctx, list), JS_PROP_C_W_E);
        }
        int64_t length = 0;
        JS_GetLength(ctx, list, &length);
        JS_SetPropertyInt64(ctx, list, length, make_cookie(ctx, cookie));
        JS_FreeValue(ctx, list);
        cookie_free(cookie);
    }
    return cookies;
}

static JSValue make_timings(JSContext *ctx, const struct http_response *response)
{
    static const struct http_timings none;
    const struct http_timings *t = response ? &response->timings : &none;
    const struct {
        const char *name;
        int64_t ns;
    } rows[] = {{"duration", t->duration}, {"blocked", t->blocked}, {"looking_up", t->looking_up}, {"connecting", t->connecting},
                {"tls_handshaking", t->tls_handshaking}, {"sending", t->sending}, {"waiting", t->waiting}, {"receiving", t->receiving}};
    JSValue timings = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        JS_SetPropertyStr(ctx, timings, rows[i].name, JS_NewFloat64(ctx, (double)rows[i].ns / 1e6));
    return timings;
}

static void add_request_headers(JSContext *ctx, JSValueConst headers, const struct http_response *response)
{
    for (size_t i = 0; response && i < response->request_header_count; i++) {
        const struct http_header *h = &response->request_headers[i];
        if ((h->name_len == 4 && memcmp(h->name, "Host", 4) == 0) || (h->name_len == 14 && memcmp(h->name, "Content-Length", 14) == 0))
            continue;
        char *name = mem_strndup(h->name, h->name_len);
        JSValue list = JS_GetPropertyStr(ctx, headers, name);
        if (!JS_IsArray(list)) {
            list = JS_NewArray(ctx);
            JS_DefinePropertyValueStr(ctx, headers, name, JS_DupValue(ctx, list), JS_PROP_C_W_E);
        }
        int64_t length = 0;
        JS_GetLength(ctx, list, &length);
        JS_SetPropertyInt64(ctx, list, length, JS_NewStringLen(ctx, h->value, h->value_len));
        JS_FreeValue(ctx, list);
        mem_free(name);
    }
}

static JSValue make_request(JSContext *ctx, struct js_response *r)
{
    JSValue request = JS_NewObject(ctx), headers = JS_NewObject(ctx);
    add_request_headers(ctx, headers, r->response);
    JS_SetPropertyStr(ctx, request, "method", JS_NewString(ctx, r->response && r->response->request_method ? r->response->request_method : ""));
    JS_SetPropertyStr(ctx, request, "url", JS_NewString(ctx, r->request_url ? r->request_url : ""));
    JS_SetPropertyStr(ctx, request, "headers", headers);
    JS_SetPropertyStr(ctx, request, "body", JS_IsUndefined(r->request_body) ? JS_NewString(ctx, "") : JS_DupValue(ctx, r->request_body));
    JS_SetPropertyStr(ctx, request, "cookies", JS_NewObject(ctx));
    return request;
}

static JSValue make_ocsp(JSContext *ctx, const struct http_response *response)
{
    static const struct conn_ocsp none;
    const struct conn_ocsp *o = response ? &response->ocsp : &none;
    JSValue ocsp = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, ocsp, "produced_at", JS_NewInt64(ctx, o->produced_at));
    JS_SetPropertyStr(ctx, ocsp, "this_update", JS_NewInt64(ctx, o->this_update));
    JS_SetPropertyStr(ctx, ocsp, "next_update", JS_NewInt64(ctx, o->next_update));
    JS_SetPropertyStr(ctx, ocsp, "revoked_at", JS_NewInt64(ctx, o->revoked_at));
    JS_SetPropertyStr(ctx, ocsp, "revocation_reason", JS_NewString(ctx, o->revocation_reason ? o->revocation_reason : ""));
    JS_SetPropertyStr(ctx, ocsp, "status", JS_NewString(ctx, o->status ? o->status : ""));
    return ocsp;
}

static JSValue make_body(JSContext *ctx, const struct js_response *r)
{
    if (!r->response || !r->response->has_body || r->type == RESPONSE_NONE)
        return JS_NULL;
    const struct buf *body = &r->response->body;
    if (r->type == RESPONSE_BINARY)
        return js_new_array_buffer(ctx, body->data ? body->data : "", body->len);
    return JS_NewStringLen(ctx, body->data ? body->data : "", body->len);
}

static JSValue text_or_empty(JSContext *ctx, const char *text)
{
    return JS_NewString(ctx, text ? text : "");
}

static JSValue make_field(JSContext *ctx, struct js_response *r, enum field field)
{
    const struct http_response *response = r->response;
    switch (field) {
    case FIELD_body:
        return make_body(ctx, r);
    case FIELD_cookies:
        return make_cookies(ctx, response);
    case FIELD_error:
        return text_or_empty(ctx, response ? response->error : r->error);
    case FIELD_error_code:
        return JS_NewInt32(ctx, response ? response->error_code : r->error_code);
    case FIELD_headers:
        return make_headers(ctx, response);
    case FIELD_ocsp:
        return make_ocsp(ctx, response);
    case FIELD_proto:
        return text_or_empty(ctx, response ? response->proto : NULL);
    case FIELD_remote_ip:
        return text_or_empty(ctx, response ? response->remote_ip : NULL);
    case FIELD_remote_port:
        return JS_NewInt32(ctx, response ? response->remote_port : 0);
    case FIELD_request:
        return make_request(ctx, r);
    case FIELD_status:
        return JS_NewInt32(ctx, response ? response->status : 0);
    case FIELD_status_text:
        return text_or_empty(ctx, response ? response->status_text : NULL);
    case FIELD_timings:
        return make_timings(ctx, response);
    case FIELD_tls_cipher_suite:
        return text_or_empty(ctx, response ? response->tls_cipher : NULL);
    case FIELD_tls_version:
        return text_or_empty(ctx, response ? response->tls_version : NULL);
    case FIELD_url:
        return response && response->url ? JS_NewString(ctx, response->url->clean) : text_or_empty(ctx, r->request_url);
    default:
        return JS_UNDEFINED;
    }
}

static JSValue get_field(JSContext *ctx, struct js_response *r, enum field field)
{
    if (JS_IsUninitialized(r->fields[field]))
        r->fields[field] = make_field(ctx, r, field);
    return JS_DupValue(ctx, r->fields[field]);
}

/* ---- the exotic object ---- */

static int field_of(JSContext *ctx, JSAtom atom)
{
    const struct realm *realm = JS_GetContextOpaque(ctx);
    for (int i = 0; i < NAME_COUNT; i++)
        if (realm->response_atoms[i] == atom)
            return i;
    return -1;
}

static JSValue response_get(JSContext *ctx, JSValueConst object, JSAtom atom, JSValueConst receiver)
{
    struct js_response *r = response_of(object);
    if (!JS_IsUndefined(r->extras) && JS_HasProperty(ctx, r->extras, atom) > 0)
        return JS_GetProperty(ctx, r->extras, atom);
    int field = field_of(ctx, atom);
    if (field >= 0 && field < FIELD_COUNT)
        return get_field(ctx, r, (enum field)field);
    JSValue proto = JS_GetClassProto(ctx, JS_CLASS_HTTP_RESPONSE);
    JSValue value = JS_GetProperty(ctx, proto, atom);
    JS_FreeValue(ctx, proto);
    return value;
}

static int response_set(JSContext *ctx, JSValueConst object, JSAtom atom, JSValueConst value, JSValueConst receiver, int flags)
{
    struct js_response *r = response_of(object);
    if (JS_IsUndefined(r->extras))
        r->extras = JS_NewObjectProto(ctx, JS_NULL);
    return JS_SetProperty(ctx, r->extras, atom, JS_DupValue(ctx, value));
}

static int response_own(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom atom)
{
    struct js_response *r = response_of(object);
    bool extra = !JS_IsUndefined(r->extras) && JS_HasProperty(ctx, r->extras, atom) > 0;
    if (!extra && field_of(ctx, atom) < 0)
        return 0;
    if (desc) {
        desc->flags = JS_PROP_C_W_E;
        desc->value = response_get(ctx, object, atom, object);
        desc->getter = desc->setter = JS_UNDEFINED;
    }
    return 1;
}

static int response_names(JSContext *ctx, JSPropertyEnum **list, uint32_t *count, JSValueConst object)
{
    struct js_response *r = response_of(object);
    JSPropertyEnum *extras = NULL;
    uint32_t extra_count = 0;
    if (!JS_IsUndefined(r->extras) && JS_GetOwnPropertyNames(ctx, &extras, &extra_count, r->extras, JS_GPN_STRING_MASK) < 0)
        return -1;
    *list = js_mallocz(ctx, (NAME_COUNT + extra_count) * sizeof(**list));
    *count = 0;
    for (int i = 0; i < NAME_COUNT; i++)
        (*list)[(*count)++] = (JSPropertyEnum){.is_enumerable = true, .atom = JS_NewAtom(ctx, names[i])};
    for (uint32_t i = 0; i < extra_count; i++)
        if (field_of(ctx, extras[i].atom) < 0)
            (*list)[(*count)++] = (JSPropertyEnum){.is_enumerable = true, .atom = JS_DupAtom(ctx, extras[i].atom)};
    if (extras)
        JS_FreePropertyEnum(ctx, extras, extra_count);
    return 0;
}

static const JSClassExoticMethods response_exotic = {
    .get_own_property = response_own, .get_own_property_names = response_names, .get_property = response_get, .set_property = response_set};

static const JSClassDef response_class = {"Response", .finalizer = response_finalize, .gc_mark = response_mark,
                                          .exotic = (JSClassExoticMethods *)(uintptr_t)&response_exotic};

/* ---- methods ---- */

static JSValue select_json(JSContext *ctx, const struct buf *body, JSValueConst selector)
{
    size_t len;
    const char *path = JS_ToCStringLen(ctx, &len, selector);
    if (!path)
        return JS_EXCEPTION;
    struct buf found = {0};
    JSValue value = JS_UNDEFINED;
    if (json_path_select(body->data, body->len, path, len, &found))
        value = JS_ParseJSON(ctx, found.data, found.len, "json");
    buf_free(&found);
    JS_FreeCString(ctx, path);
    return value;
}

static JSValue response_json(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_response *r = JS_GetOpaque2(ctx, this_val, JS_CLASS_HTTP_RESPONSE);
    if (!r)
        return JS_EXCEPTION;
    if (!r->response || !r->response->has_body || r->type == RESPONSE_NONE)
        return js_throw_error(ctx, "the body is null so we can't transform it to JSON - this likely was because of a request error getting the response");
    const struct buf *body = &r->response->body;
    if (!JS_IsUninitialized(r->parsed) && (argc < 1 || JS_IsUndefined(argv[0])))
        return JS_DupValue(ctx, r->parsed);
    struct error err = {0};
    if (!json_check(body->data ? body->data : "", body->len, &err)) {
        js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
        return JS_EXCEPTION;
    }
    if (argc > 0 && !JS_IsUndefined(argv[0]))
        return select_json(ctx, body, argv[0]);
    JSValue parsed = JS_ParseJSON(ctx, body->data, body->len, "json");
    if (!JS_IsException(parsed))
        r->parsed = JS_DupValue(ctx, parsed);
    return parsed;
}

void http_response_class(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_HTTP_RESPONSE, &response_class);
    struct realm *realm = JS_GetContextOpaque(ctx);
    realm->response_atoms = mem_array(NAME_COUNT, sizeof(JSAtom));
    realm->response_atom_count = NAME_COUNT;
    for (int i = 0; i < NAME_COUNT; i++)
        realm->response_atoms[i] = JS_NewAtom(ctx, names[i]);
    JSValue proto = JS_NewObject(ctx);
    js_add_function(ctx, proto, "json", response_json, 1);
    http_page_methods(ctx, proto);
    JS_SetClassProto(ctx, JS_CLASS_HTTP_RESPONSE, proto);
}

JSValue http_response_new(JSContext *ctx, struct http_response *response, enum response_type type, const char *request_url,
                          JSValueConst request_body, const char *error, int error_code)
{
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_HTTP_RESPONSE);
    if (JS_IsException(object)) {
        http_response_free(response);
        return object;
    }
    struct js_response *r = mem_alloc(sizeof(*r));
    r->response = response;
    r->type = type;
    r->request_url = request_url ? mem_strdup(request_url) : NULL;
    r->error = error ? mem_strdup(error) : NULL;
    r->error_code = error_code;
    r->request_body = JS_DupValue(ctx, request_body);
    r->parsed = JS_UNINITIALIZED;
    r->extras = JS_UNDEFINED;
    for (int i = 0; i < FIELD_COUNT; i++)
        r->fields[i] = JS_UNINITIALIZED;
    JS_SetOpaque(object, r);
    return object;
}

JSValue http_failed_response(JSContext *ctx, struct request_failure *failure)
{
    JSValue object = http_response_new(ctx, NULL, RESPONSE_TEXT, NULL, JS_UNDEFINED, failure->text, failure->code);
    mem_free(failure->text);
    failure->text = NULL;
    return object;
}

JSValue http_job_response(struct http_job *job)
{
    struct http_response *response = job->response;
    JSContext *ctx = job->ctx;
    if (response->status == 0 && job->throws)
        return js_throw_error(ctx, "%s", response->error);
    job->response = NULL;
    const char *url = job->request.url->clean;
    JSValue body = JS_UNDEFINED;
    if (job->request.body)
        body = JS_NewStringLen(ctx, job->request.body, job->request.body_len);
    JSValue object = http_response_new(ctx, response, job->response_type, url, body, NULL, 0);
    JS_FreeValue(ctx, body);
    return object;
}
