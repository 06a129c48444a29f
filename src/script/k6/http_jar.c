/* SPDX-License-Identifier: Apache-2.0 */
/* http.cookieJar() and new http.CookieJar(). */
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/cookie_date.h"
#include "http/url.h"
#include "script/k6/http_job.h"

struct js_jar {
    struct cookie_jar *own; /* NULL: the VU's */
};

static void jar_finalize(JSRuntime *rt, JSValueConst value)
{
    struct js_jar *jar = JS_GetOpaque(value, JS_CLASS_COOKIE_JAR);
    if (!jar)
        return;
    cookie_jar_free(jar->own);
    mem_free(jar);
}

static const JSClassDef jar_class = {"CookieJar", .finalizer = jar_finalize};

struct cookie_jar *http_jar_of_value(JSValueConst value)
{
    struct js_jar *jar = JS_GetOpaque(value, JS_CLASS_COOKIE_JAR);
    return jar ? jar->own : NULL;
}

static struct cookie_jar *jar_of(JSContext *ctx, JSValueConst this_val)
{
    struct js_jar *jar = JS_GetOpaque2(ctx, this_val, JS_CLASS_COOKIE_JAR);
    if (!jar)
        return NULL;
    return jar->own ? jar->own : cookie_jar_of(vu_of(ctx));
}

static const struct http_url *url_of(JSContext *ctx, JSValueConst value)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, value);
    if (!text)
        return NULL;
    struct error err = {0};
    const struct http_url *url = http_url_get(vu_of(ctx)->worker->http, text, len, &err);
    if (!url)
        js_throw_error(ctx, "%s", err.text);
    error_clear(&err);
    JS_FreeCString(ctx, text);
    return url;
}

static JSValue jar_new(JSContext *ctx, bool own)
{
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_COOKIE_JAR);
    struct js_jar *jar = mem_zalloc(sizeof(*jar));
    jar->own = own ? cookie_jar_new() : NULL;
    JS_SetOpaque(object, jar);
    return object;
}

static JSValue js_cookie_jar(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    if (!vu_require_running(ctx, "http.cookieJar()"))
        return JS_EXCEPTION;
    return jar_new(ctx, false);
}

static JSValue js_new_jar(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    if (!vu_require_running(ctx, "new http.CookieJar()"))
        return JS_EXCEPTION;
    return jar_new(ctx, true);
}

struct collector {
    JSContext *ctx;
    JSValue object;
};

static void collect(void *arg, const char *name, const char *value)
{
    struct collector *c = arg;
    JSValue list = JS_GetPropertyStr(c->ctx, c->object, name);
    if (!JS_IsArray(list)) {
        list = JS_NewArray(c->ctx);
        JS_DefinePropertyValueStr(c->ctx, c->object, name, JS_DupValue(c->ctx, list), JS_PROP_C_W_E);
    }
    int64_t length = 0;
    JS_GetLength(c->ctx, list, &length);
    JS_SetPropertyInt64(c->ctx, list, length, JS_NewString(c->ctx, value));
    JS_FreeValue(c->ctx, list);
}

static JSValue jar_cookies_for_url(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct cookie_jar *jar = jar_of(ctx, this_val);
    const struct http_url *url = jar ? url_of(ctx, argv[0]) : NULL;
    if (!url)
        return JS_EXCEPTION;
    struct collector c = {ctx, JS_NewObject(ctx)};
    cookie_jar_each(jar, url, clock_wall_ns() / NS_PER_S, collect, &c);
    http_url_unref(url);
    return c.object;
}

/* Strings of a cookie that is being set; freed together. */
struct new_cookie {
    struct cookie cookie;
    const char *strings[4];
};

static bool read_option(JSContext *ctx, JSValueConst options, const char *name, const char **text)
{
    JSValue value = JS_GetPropertyStr(ctx, options, name);
    bool done = !JS_IsException(value);
    if (done && !JS_IsUndefined(value) && !JS_IsNull(value)) {
        *text = JS_ToCString(ctx, value);
        done = *text != NULL;
    }
    JS_FreeValue(ctx, value);
    return done;
}

static bool read_flag(JSContext *ctx, JSValueConst options, const char *name)
{
    JSValue value = JS_GetPropertyStr(ctx, options, name);
    bool flag = JS_ToBool(ctx, value) > 0;
    JS_FreeValue(ctx, value);
    return flag;
}

static bool read_expires(JSContext *ctx, JSValueConst options, struct cookie *cookie)
{
    const char *text = NULL;
    if (!read_option(ctx, options, "expires", &text))
        return false;
    bool valid = !text || !text[0] || cookie_date_parse(text_of(text), &cookie->expires_wall_s);
    if (!valid)
        js_throw_error(ctx, "unable to parse the cookie's expires date '%s': write it like 'Mon, 02 Jan 2006 15:04:05 GMT'", text);
    JS_FreeCString(ctx, text);
    return valid;
}

static bool read_options(JSContext *ctx, JSValueConst options, struct new_cookie *new)
{
    if (!JS_IsObject(options))
        return true;
    JSValue age = JS_GetPropertyStr(ctx, options, "max_age");
    int64_t seconds = 0;
    bool done = !JS_ToInt64(ctx, &seconds, age);
    JS_FreeValue(ctx, age);
    new->cookie.max_age_s = seconds;
    new->cookie.secure = read_flag(ctx, options, "secure");
    new->cookie.http_only = read_flag(ctx, options, "http_only");
    return done && read_option(ctx, options, "domain", &new->strings[2]) && read_option(ctx, options, "path", &new->strings[3]) &&
           read_expires(ctx, options, &new->cookie);
}

static JSValue jar_set(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct cookie_jar *jar = jar_of(ctx, this_val);
    const struct http_url *url = jar ? url_of(ctx, argv[0]) : NULL;
    if (!url)
        return JS_EXCEPTION;
    struct new_cookie new = {.cookie = {.expires_wall_s = INT64_MIN}};
    new.strings[0] = JS_ToCString(ctx, argv[1]);
    new.strings[1] = new.strings[0] ? JS_ToCString(ctx, argv[2]) : NULL;
    bool done = new.strings[1] && (argc < 4 || read_options(ctx, argv[3], &new));
    if (done) {
        new.cookie.name = new.strings[0];
        new.cookie.value = new.strings[1];
        new.cookie.domain = new.strings[2] ? new.strings[2] : "";
        new.cookie.path = new.strings[3] ? new.strings[3] : "";
        cookie_jar_set(jar, url, &new.cookie, clock_wall_ns() / NS_PER_S);
    }
    for (int i = 0; i < 4; i++)
        JS_FreeCString(ctx, new.strings[i]);
    http_url_unref(url);
    return done ? JS_TRUE : JS_EXCEPTION;
}

static JSValue jar_clear(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct cookie_jar *jar = jar_of(ctx, this_val);
    const struct http_url *url = jar ? url_of(ctx, argv[0]) : NULL;
    if (!url)
        return JS_EXCEPTION;
    cookie_jar_clear(jar, url);
    http_url_unref(url);
    return JS_UNDEFINED;
}

static JSValue jar_delete(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct cookie_jar *jar = jar_of(ctx, this_val);
    const struct http_url *url = jar ? url_of(ctx, argv[0]) : NULL;
    if (!url)
        return JS_EXCEPTION;
    const char *name = JS_ToCString(ctx, argv[1]);
    if (name)
        cookie_jar_delete(jar, url, name);
    JS_FreeCString(ctx, name);
    http_url_unref(url);
    return name ? JS_UNDEFINED : JS_EXCEPTION;
}

void http_jar_class(JSContext *ctx, JSValueConst exports)
{
    js_class_register(ctx, JS_CLASS_COOKIE_JAR, &jar_class);
    JSValue proto = JS_NewObject(ctx);
    js_add_function(ctx, proto, "cookiesForURL", jar_cookies_for_url, 1);
    js_add_function(ctx, proto, "set", jar_set, 4);
    js_add_function(ctx, proto, "clear", jar_clear, 1);
    js_add_function(ctx, proto, "delete", jar_delete, 2);
    JSValue constructor = JS_NewCFunction2(ctx, js_new_jar, "CookieJar", 0, JS_CFUNC_constructor, 0);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_COOKIE_JAR, proto);
    JS_DefinePropertyValueStr(ctx, exports, "CookieJar", constructor, JS_PROP_C_W_E);
    js_add_function(ctx, exports, "cookieJar", js_cookie_jar, 0);
}
