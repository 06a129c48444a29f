/* SPDX-License-Identifier: Apache-2.0 */
/* The header fields of a request: the script's own, and what k6 (Go) adds to them. */
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/cookie.h"
#include "http/digest.h"
#include "http/header.h"
#include "http/session.h"

static const struct http_header *own(const struct http_call *call, const char *name, size_t len)
{
    return call->request.header_count ? header_find(call->request.headers, call->request.header_count, name, len) : NULL;
}

const char *request_host(const struct http_call *call)
{
    const struct http_header *host = call->drop_auth ? NULL : own(call, "Host", 4);
    return host && host->value_len ? host->value : call->url->host_header;
}

static bool is_replaced(void *arg, const char *name)
{
    const struct http_call *call = arg;
    for (size_t i = 0; i < call->request.cookie_count; i++)
        if (call->request.cookie_replaces[i] && strcmp(call->request.cookies[i].name, name) == 0)
            return true;
    return false;
}

static void add_cookies(struct http_call *call, struct buf *out)
{
    const struct http_header *header = call->drop_auth ? NULL : own(call, "Cookie", 6);
    if (header)
        buf_add(out, header->value, header->value_len);
    for (size_t i = 0; i < call->request.cookie_count && !call->drop_auth; i++)
        cookie_add_to_header(out, call->request.cookies[i].name, call->request.cookies[i].value, false);
    if (call->request.jar && !cookie_jar_is_empty(call->request.jar))
        cookie_jar_add_to_header(call->request.jar, call->url, clock_wall_ns() / NS_PER_S, is_replaced, call, out);
}

static bool wants_length(const struct http_call *call)
{
    if (call->send_body)
        return true;
    return strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0 || strcmp(call->method, "PATCH") == 0;
}

static bool is_set_apart(const struct http_header *h, const struct http_call *call)
{
    struct text name = {h->name, h->name_len};
    if (text_equal(name, TEXT("Host")) || text_equal(name, TEXT("User-Agent")) || text_equal(name, TEXT("Cookie")))
        return true;
    if (call->drop_auth && (text_equal(name, TEXT("Authorization")) || text_equal(name, TEXT("Www-Authenticate"))))
        return true;
    return !call->send_body && call->request.body && text_equal(name, TEXT("Content-Type"));
}

struct emitter {
    struct http_call *call;
    void (*each)(void *, const char *, size_t, const char *, size_t);
    void *arg;
};

static void emit(struct emitter *e, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct http_response *r = e->call->response;
    e->each(e->arg, name, name_len, value, value_len);
    response_add_header(&r->request_headers, &r->request_header_count, r, response_keep(r, name, name_len), name_len, response_keep(r, value, value_len), value_len);
}

static void emit_user_agent(struct emitter *e)
{
    const struct http_header *agent = own(e->call, "User-Agent", 10);
    const char *text = e->call->client->worker->options->user_agent;
    if (agent && agent->value_len)
        emit(e, "User-Agent", 10, agent->value, agent->value_len);
    else if (!agent && text && text[0]) {
        struct http_response *r = e->call->response;
        size_t len = strlen(text);
        e->each(e->arg, "User-Agent", 10, text, len);
        response_add_header(&r->request_headers, &r->request_header_count, r, "User-Agent", 10, text, len); /* the options outlive responses */
    }
}

static void emit_authorization(struct emitter *e)
{
    struct http_call *call = e->call;
    if (call->authorization.len) {
        emit(e, "Authorization", 13, call->authorization.data, call->authorization.len);
    } else if (call->url->user && call->request.auth != HTTP_AUTH_DIGEST && !own(call, "Authorization", 13)) {
        struct buf value = {0};
        basic_authorize(&value, call->url->user, call->url->password ? call->url->password : "");
        emit(e, "Authorization", 13, value.data, value.len);
        buf_free(&value);
    }
}

static size_t write_number(char out[24], size_t value)
{
    char digits[24];
    size_t len = 0;
    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    return len;
}

void request_fields(struct http_call *call, void (*each)(void *arg, const char *name, size_t name_len, const char *value, size_t value_len), void *arg)
{
    struct emitter e = {call, each, arg};
    call->response->request_header_count = 0;
    call->response->request_headers = NULL;
    emit_user_agent(&e);
    if (wants_length(call)) {
        char number[24];
        size_t len = write_number(number, call->send_body ? call->request.body_len : 0);
        emit(&e, "Content-Length", 14, number, len);
    }
    for (size_t i = 0; i < call->request.header_count; i++) {
        const struct http_header *h = &call->request.headers[i];
        if (!is_set_apart(h, call))
            emit(&e, h->name, h->name_len, h->value, h->value_len);
    }
    emit_authorization(&e);
    if (call->referer.len && !own(call, "Referer", 7))
        emit(&e, "Referer", 7, call->referer.data, call->referer.len);
    struct buf cookies = {0};
    add_cookies(call, &cookies);
    if (cookies.len)
        emit(&e, "Cookie", 6, cookies.data, cookies.len);
    buf_free(&cookies);
}
