/* SPDX-License-Identifier: Apache-2.0 */
#include "script/k6/ws_link.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/header.h"
#include "http/url.h"
#include "metrics/builtin.h"
#include "script/k6/http_job.h"

#define HANDSHAKE_TIMEOUT_NS (60 * NS_PER_S)
#define MAX_TAGS 40

/* ---- arguments ---- */

static bool read_url(struct ws_link *link, JSContext *ctx, JSValueConst value)
{
    struct error err = {0};
    const char *text = JS_IsString(value) ? JS_ToCString(ctx, value) : NULL;
    bool secure = text && strncasecmp(text, "wss://", 6) == 0, plain = text && strncasecmp(text, "ws://", 5) == 0;
    if (!secure && !plain) {
        js_throw_error(ctx, "malformed ws or wss URL: '%s'", text ? text : "");
    } else if (strchr(text, '#')) {
        js_throw_named(ctx, "SyntaxError", "the URL of a WebSocket can't have a fragment: '%s'", text);
    } else {
        char *as_http = mem_printf("http%s%s", secure ? "s" : "", text + (secure ? 3 : 2));
        link->request.url = http_url_get(link->vu->worker->http, as_http, strlen(as_http), &err);
        mem_free(as_http);
        if (link->request.url)
            link->url_text = mem_strdup(text);
        else
            js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
    }
    JS_FreeCString(ctx, text);
    return link->url_text != NULL;
}

static const char *keep(struct ws_link *link, JSContext *ctx, JSValueConst value, size_t *len)
{
    const char *text = JS_ToCStringLen(ctx, len, value);
    const char *copy = text ? arena_strndup(&link->arena, text, *len) : NULL;
    JS_FreeCString(ctx, text);
    return copy;
}

static bool read_header(JSContext *ctx, void *arg, const char *name, JSValueConst value)
{
    struct ws_link *link = arg;
    struct http_header *headers = (struct http_header *)(uintptr_t)link->request.headers;
    size_t name_len = strlen(name), len, count = link->request.header_count;
    struct error err = {0};
    const char *text = keep(link, ctx, value, &len);
    if (!text)
        return false;
    if (!header_check(name, name_len, text, len, &err)) {
        js_throw_error(ctx, "%s", err.text);
        error_clear(&err);
        return false;
    }
    if ((count & 7) == 0) { /* grows by eight in the arena */
        struct http_header *grown = arena_alloc(&link->arena, (count + 8) * sizeof(*grown));
        if (count)
            memcpy(grown, headers, count * sizeof(*grown));
        link->request.headers = headers = grown;
    }
    char *canonical = arena_strndup(&link->arena, name, name_len);
    header_canonical(canonical, name, name_len);
    headers[link->request.header_count++] = (struct http_header){canonical, text, (uint32_t)name_len, (uint32_t)len};
    return true;
}

static bool read_jar(struct ws_link *link, JSContext *ctx, JSValueConst value)
{
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return true;
    if (!JS_IsObject(value)) {
        JS_ThrowTypeError(ctx, "jar must be a CookieJar of k6/http");
        return false;
    }
    struct cookie_jar *jar = http_jar_of_value(value);
    link->request.jar = jar ? jar : cookie_jar_of(link->vu);
    link->pinned_jar = JS_DupValue(ctx, value);
    return true;
}

static bool read_compression(struct ws_link *link, JSContext *ctx, JSValueConst value)
{
    if (JS_IsUndefined(value) || JS_IsNull(value))
        return true;
    const char *name = JS_ToCString(ctx, value);
    bool valid = name && (!name[0] || strcmp(name, "deflate") == 0);
    link->request.deflate = valid && name[0];
    if (name && !valid)
        js_throw_error(ctx, "unsupported compression algorithm '%s', supported algorithm is 'deflate'", name);
    JS_FreeCString(ctx, name);
    return valid;
}

struct param_reader {
    struct ws_link *link;
    bool strict;
};

static bool read_param(JSContext *ctx, void *arg, const char *name, JSValueConst value)
{
    struct param_reader *reader = arg;
    struct ws_link *link = reader->link;
    if (strcmp(name, "headers") == 0)
        return js_each_property(ctx, value, "headers", read_header, link);
    if (strcmp(name, "tags") == 0)
        return js_tags_read(ctx, value, &link->own_tags);
    if (strcmp(name, "jar") == 0)
        return read_jar(link, ctx, value);
    if (strcmp(name, "compression") == 0)
        return read_compression(link, ctx, value);
    if (reader->strict)
        js_throw_error(ctx, "unknown option '%s': headers, tags, jar and compression are known", name);
    return !reader->strict;
}

bool ws_link_init(struct ws_link *link, JSContext *ctx, JSValueConst url, JSValueConst params, const char *protocols, bool strict)
{
    *link = (struct ws_link){.vu = vu_of(ctx), .pinned_jar = JS_UNDEFINED};
    const struct script_settings *settings = script_of(ctx)->settings;
    link->request.timeout_ns = HANDSHAKE_TIMEOUT_NS;
    link->request.user_agent = settings->http->user_agent;
    link->request.local_ip_index = (unsigned)link->vu->id_in_instance;
    if (!read_url(link, ctx, url))
        return false;
    link->request.jar = cookie_jar_of(link->vu);
    if (!js_each_property(ctx, params, "params", read_param, &(struct param_reader){link, strict}))
        return false;
    link->request.protocols = protocols ? arena_strndup(&link->arena, protocols, strlen(protocols)) : NULL;
    link->base_tags = link->vu->tags;
    return true;
}

void ws_link_fini(struct ws_link *link)
{
    JSContext *ctx = link->vu->realm->ctx;
    ws_free(link->socket);
    link->socket = NULL;
    http_url_unref(link->request.url);
    js_tags_free(&link->own_tags);
    JS_FreeValue(ctx, link->pinned_jar);
    arena_free(&link->arena);
    mem_free(link->ping_ns);
    mem_free(link->url_text);
}

void ws_link_start(struct ws_link *link, const struct ws_handler *handler, void *arg)
{
    link->started_ns = clock_mono_ns();
    link->socket = ws_open(link->vu->worker->net, &link->request, http_client_counter(http_client_of(link->vu)), handler, arg);
}

/* ---- samples ---- */

struct tag_list {
    struct tag tags[MAX_TAGS];
    size_t count;
};

static void add_tag(const struct ws_link *link, struct tag_list *list, unsigned bit, const char *key, const char *value)
{
    if (value[0] && vu_has_system_tag(link->vu, bit))
        list->tags[list->count++] = (struct tag){key, value};
}

static void make_tags(struct ws_link *link)
{
    struct tag_list list = {.count = 0};
    const char *name = NULL;
    char status[12];
    for (size_t i = 0; i < link->own_tags.count; i++)
        if (strcmp(link->own_tags.list[i].key, "name") == 0)
            name = link->own_tags.list[i].value;
    snprintf(status, sizeof(status), "%d", ws_status(link->socket));
    add_tag(link, &list, TAG_URL, "url", name ? name : link->url_text);
    add_tag(link, &list, TAG_NAME, "name", name ? name : link->url_text);
    add_tag(link, &list, TAG_STATUS, "status", status);
    add_tag(link, &list, TAG_SUBPROTO, "subproto", ws_protocol(link->socket));
    for (size_t i = 0; i < link->own_tags.count && list.count < MAX_TAGS; i++)
        if (strcmp(link->own_tags.list[i].key, "name") != 0)
            list.tags[list.count++] = link->own_tags.list[i];
    const struct tagset *current = link->vu->tags;
    link->vu->tags = link->base_tags;
    link->tags = vu_tags_with(link->vu, list.tags, list.count);
    link->vu->tags = current;
}

static void emit_one(struct ws_link *link, enum builtin metric, double value)
{
    struct sample sample = {builtin_metric(metric), link->tags, value};
    vu_emit(link->vu, &sample, 1, 0);
}

static double ms_since(int64_t then_ns)
{
    return (double)(clock_mono_ns() - then_ns) / 1e6;
}

void ws_link_connected(struct ws_link *link)
{
    make_tags(link);
    emit_one(link, BUILTIN_WS_SESSIONS, 1);
    emit_one(link, BUILTIN_WS_CONNECTING, ms_since(link->started_ns));
}

void ws_link_sent(struct ws_link *link)
{
    emit_one(link, BUILTIN_WS_MSGS_SENT, 1);
}

void ws_link_received(struct ws_link *link)
{
    emit_one(link, BUILTIN_WS_MSGS_RECEIVED, 1);
}

void ws_link_ended(struct ws_link *link)
{
    emit_one(link, BUILTIN_WS_SESSION_DURATION, ms_since(link->started_ns));
}

void ws_link_ping(struct ws_link *link)
{
    char payload[12];
    mem_grow(&link->ping_ns, &link->ping_cap, link->pings + 1, sizeof(link->ping_ns[0]));
    link->ping_ns[link->pings] = clock_mono_ns();
    int len = snprintf(payload, sizeof(payload), "%u", link->pings++);
    ws_ping(link->socket, payload, (size_t)len);
}

void ws_link_pong(struct ws_link *link, const uint8_t *data, size_t len)
{
    char text[12] = "";
    if (!len || len >= sizeof(text))
        return;
    memcpy(text, data, len);
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || number >= link->pings || !link->ping_ns[number])
        return;
    emit_one(link, BUILTIN_WS_PING, ms_since(link->ping_ns[number]));
    link->ping_ns[number] = 0;
}
