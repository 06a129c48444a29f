/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out for an exchange: the fields, as k6's response.request lists them, and the head in
 * HTTP/1.1's form, in the order in which Go's net/http writes it (Host, User-Agent, Content-Length, the
 * others by name). */
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "http/cookie.h"
#include "http/header.h"
#include "http/session.h"

static bool name_is(const struct http_header *h, const char *name, size_t len)
{
    return h->name_len == len && memcmp(h->name, name, len) == 0;
}
#define NAME_IS(h, literal) name_is((h), literal, sizeof(literal) - 1)

/* By name; fields of the same name stay in order. */
static void add_sent(struct http_call *call, const char *name, size_t name_len, const char *value, size_t value_len)
{
    size_t at = call->sent_count++;
    while (at && strcmp(call->sent[at - 1].name, name) > 0) {
        call->sent[at] = call->sent[at - 1];
        at--;
    }
    call->sent[at] = (struct http_header){name, value, (uint32_t)name_len, (uint32_t)value_len};
}

static const char *keep(struct http_call *call, const struct buf *text)
{
    return arena_strndup(&call->arena, text->data ? text->data : "", text->len);
}

static bool is_secret(const struct http_header *h)
{
    return NAME_IS(h, "Authorization") || NAME_IS(h, "Cookie") || NAME_IS(h, "Cookie2") || NAME_IS(h, "Www-Authenticate") ||
           NAME_IS(h, "Proxy-Authorization");
}

static bool describes_body(const struct http_header *h)
{
    return NAME_IS(h, "Content-Type") || NAME_IS(h, "Content-Encoding") || NAME_IS(h, "Content-Language") ||
           NAME_IS(h, "Content-Location");
}

/* Written from elsewhere, or not for scripts to set. */
static bool is_ours(const struct http_header *h)
{
    return NAME_IS(h, "Host") || NAME_IS(h, "Content-Length") || NAME_IS(h, "Transfer-Encoding") || NAME_IS(h, "Trailer") ||
           NAME_IS(h, "Cookie");
}

static bool skips_cookie(void *arg, const char *name)
{
    const struct http_request *request = arg;
    for (size_t i = 0; i < request->cookie_count; i++)
        if (request->cookie_replaces[i] && strcmp(request->cookies[i].name, name) == 0)
            return true;
    return false;
}

static void add_cookies(struct http_call *call, const struct http_header *own)
{
    struct http_request *request = &call->request;
    bool jar = request->jar && !cookie_jar_is_empty(request->jar);
    if (!own && !jar && !request->cookie_count)
        return;
    struct buf out = {0};
    if (own)
        buf_add(&out, own->value, own->value_len);
    for (size_t i = 0; i < request->cookie_count; i++)
        cookie_add_to_header(&out, request->cookies[i].name, request->cookies[i].value, false);
    if (jar)
        cookie_jar_add_to_header(request->jar, call->url, clock_wall_ns() / NS_PER_S, skips_cookie, request, &out);
    if (out.len)
        add_sent(call, "Cookie", 6, keep(call, &out), out.len);
    buf_free(&out);
}

static void add_authorization(struct http_call *call, bool script_has)
{
    const struct http_url *url = call->url;
    struct buf out = {0};
    if (call->has_challenge) {
        struct digest_request digest = {.user = call->request.url->user,
                                        .password = call->request.url->password ? call->request.url->password : "",
                                        .method = call->method, .uri = url->target,
                                        .body = call->sends_body ? call->request.body : NULL,
                                        .body_len = call->sends_body ? call->request.body_len : 0, .nonce_count = 1};
        digest_authorize(&out, &call->challenge, &digest, NULL);
    } else if (url->user && !script_has && call->request.auth != HTTP_AUTH_DIGEST) {
        basic_authorize(&out, url->user, url->password ? url->password : "");
    }
    if (out.len)
        add_sent(call, "Authorization", 13, keep(call, &out), out.len);
    buf_free(&out);
}

static void add_length(struct http_call *call)
{
    const char *m = call->method;
    bool needs_length = strcmp(m, "POST") == 0 || strcmp(m, "PUT") == 0 || strcmp(m, "PATCH") == 0;
    size_t length = call->sends_body ? call->request.body_len : 0;
    if (!length && !needs_length)
        return;
    char digits[24];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + length % 10);
    while (length /= 10);
    size_t len = sizeof(digits) - at;
    add_sent(call, "Content-Length", 14, arena_strndup(&call->arena, digits + at, len), len);
}

void request_build(struct http_call *call)
{
    const struct http_request *request = &call->request;
    const struct http_options *options = call->worker->options;
    const struct http_header *cookie = NULL;
    bool has_agent = false, has_authorization = false, has_referer = false, has_connection = false;
    arena_reset(&call->arena);
    call->sent = arena_alloc(&call->arena, (request->header_count + 8) * sizeof(call->sent[0]));
    call->sent_count = 0;
    call->host = call->url->host_header;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *h = &request->headers[i];
        if (NAME_IS(h, "Host") && h->value_len && !call->strips_secrets)
            call->host = h->value;
        has_agent |= NAME_IS(h, "User-Agent");
        if ((call->strips_secrets && is_secret(h)) || (call->drops_body_headers && describes_body(h)))
            continue;
        if (NAME_IS(h, "Cookie"))
            cookie = h;
        if (is_ours(h) || (NAME_IS(h, "User-Agent") && !h->value_len))
            continue;
        has_authorization |= NAME_IS(h, "Authorization");
        has_referer |= NAME_IS(h, "Referer");
        has_connection |= NAME_IS(h, "Connection");
        add_sent(call, h->name, h->name_len, h->value, h->value_len);
    }
    if (!has_agent && call->worker->user_agent_len)
        add_sent(call, "User-Agent", 10, options->user_agent, call->worker->user_agent_len);
    if (options->no_connection_reuse && !has_connection)
        add_sent(call, "Connection", 10, "close", 5);
    if (call->referer && !has_referer)
        add_sent(call, "Referer", 7, call->referer, strlen(call->referer));
    add_length(call);
    add_authorization(call, has_authorization);
    add_cookies(call, cookie);
}

static void add_field(struct buf *out, const struct http_header *h)
{
    size_t len = h->name_len + h->value_len + 4;
    char *at = buf_reserve(out, len);
    memcpy(at, h->name, h->name_len);
    at += h->name_len;
    *at++ = ':';
    *at++ = ' ';
    memcpy(at, h->value, h->value_len);
    at += h->value_len;
    *at++ = '\r';
    *at = '\n';
    buf_added(out, len);
}

static bool goes_first(const struct http_header *h)
{
    return NAME_IS(h, "User-Agent") || NAME_IS(h, "Content-Length");
}

void request_write_h1(struct http_call *call, const struct http_url *proxy)
{
    struct buf *out = &call->worker->out;
    buf_clear(out);
    buf_add(out, call->method, call->method_len);
    buf_add_char(out, ' ');
    if (proxy) {
        buf_add_text(out, "http://");
        buf_add_text(out, call->url->host_header);
    }
    buf_add_text(out, call->url->target);
    buf_add(out, " HTTP/1.1\r\nHost: ", 17);
    buf_add_text(out, call->host);
    buf_add(out, "\r\n", 2);
    size_t later = 0;
    for (size_t i = call->sent_count; i-- > 0;) {
        if (goes_first(&call->sent[i]))
            add_field(out, &call->sent[i]); /* User-Agent stands behind Content-Length in the list */
        else
            later++;
    }
    for (size_t i = 0; later && i < call->sent_count; i++)
        if (!goes_first(&call->sent[i]))
            add_field(out, &call->sent[i]);
    if (proxy)
        proxy_authorize(out, proxy);
    buf_add(out, "\r\n", 2);
}
