/* SPDX-License-Identifier: Apache-2.0 */
#include "ws/handshake.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/cookie.h"
#include "http/h1_codec.h"
#include "http/header.h"
#include "http/url.h"

void ws_handshake_key(char key[WS_KEY_CHARS + 1])
{
    uint8_t bytes[16];
    struct buf out = {0};
    RAND_bytes(bytes, sizeof(bytes));
    base64_encode(&out, bytes, sizeof(bytes), BASE64_STD);
    memcpy(key, out.data, WS_KEY_CHARS + 1);
    buf_free(&out);
}

static const struct http_header *own(const struct ws_request *request, const char *name)
{
    return header_find(request->headers, request->header_count, name, strlen(name));
}

/* Header fields that the handshake itself sets. */
static bool is_set_apart(const struct http_header *h)
{
    static const char *const names[] = {"Host", "Cookie", "User-Agent", "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version",
                                        "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (text_equal((struct text){h->name, h->name_len}, text_of(names[i])))
            return true;
    return false;
}

void ws_handshake_request(struct buf *out, const struct ws_request *request, const char *key)
{
    const struct http_header *host = own(request, "Host"), *agent = own(request, "User-Agent"), *cookie = own(request, "Cookie");
    const struct http_header *protocol = own(request, "Sec-Websocket-Protocol");
    const char *user_agent = agent ? agent->value : request->user_agent;
    const char *protocols = request->protocols && request->protocols[0] ? request->protocols : protocol ? protocol->value : NULL;
    buf_printf(out, "GET %s HTTP/1.1\r\nHost: %s\r\n", request->url->target, host ? host->value : request->url->host_header);
    if (user_agent && user_agent[0])
        buf_printf(out, "User-Agent: %s\r\n", user_agent);
    buf_printf(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", key);
    if (protocols)
        buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", protocols);
    if (request->deflate)
        buf_add_text(out, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n");
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *h = &request->headers[i];
        if (!is_set_apart(h))
            buf_printf(out, "%.*s: %.*s\r\n", (int)h->name_len, h->name, (int)h->value_len, h->value);
    }
    struct buf cookies = {0};
    if (cookie)
        buf_add(&cookies, cookie->value, cookie->value_len);
    if (request->jar && !cookie_jar_is_empty(request->jar))
        cookie_jar_add_to_header(request->jar, request->url, clock_wall_ns() / NS_PER_S, NULL, NULL, &cookies);
    if (cookies.len)
        buf_printf(out, "Cookie: %s\r\n", cookies.data);
    buf_free(&cookies);
    buf_add_text(out, "\r\n");
}

size_t ws_handshake_head_length(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

static bool accepts(const struct ws_answer *answer, const char *key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const struct http_header *accept = header_find(answer->headers, answer->header_count, "Sec-Websocket-Accept", 20);
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned sum_len = 0;
    struct buf text = {0}, wanted = {0};
    buf_printf(&text, "%s%s", key, guid);
    EVP_Digest(text.data, text.len, sum, &sum_len, EVP_sha1(), NULL);
    base64_encode(&wanted, sum, sum_len, BASE64_STD);
    bool right = accept && text_equal((struct text){accept->value, accept->value_len}, (struct text){wanted.data, wanted.len});
    buf_free(&text);
    buf_free(&wanted);
    return right;
}

static bool has_token(const struct ws_answer *answer, const char *name, const char *token)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct http_header *h = &answer->headers[i];
        if (text_equal((struct text){h->name, h->name_len}, text_of(name)) && header_has_token(h->value, h->value_len, token))
            return true;
    }
    return false;
}

static void read_headers(struct ws_answer *answer, const char *head, size_t len)
{
    const char *name, *value;
    size_t at = 0, name_len, value_len, count = 0, room = 0;
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len))
        room += name_len + value_len + 2, count++;
    answer->headers = mem_array(count ? count : 1, sizeof(answer->headers[0]));
    char *to = answer->text = mem_alloc(room + 1);
    at = 0;
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len)) {
        char *canonical = to, *copy = to + name_len + 1;
        header_canonical(canonical, name, name_len);
        canonical[name_len] = 0;
        memcpy(copy, value, value_len);
        copy[value_len] = 0;
        to = copy + value_len + 1;
        answer->headers[answer->header_count++] = (struct http_header){canonical, copy, (uint32_t)name_len, (uint32_t)value_len};
    }
}

const char *ws_handshake_read(struct ws_answer *answer, const char *head, size_t len, const char *key, bool deflate_offered)
{
    *answer = (struct ws_answer){0};
    if (len < 12 || memcmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
        return "malformed HTTP response";
    for (int i = 9; i < 12; i++) {
        if (head[i] < '0' || head[i] > '9')
            return "malformed HTTP status code";
        answer->status = answer->status * 10 + (head[i] - '0');
    }
    read_headers(answer, head, len);
    if (answer->status != 101 || !has_token(answer, "Upgrade", "websocket") || !has_token(answer, "Connection", "upgrade") || !accepts(answer, key))
        return "websocket: bad handshake";
    const struct http_header *extension = header_find(answer->headers, answer->header_count, "Sec-Websocket-Extensions", 24);
    if (extension && extension->value_len) {
        if (!deflate_offered || strncmp(extension->value, "permessage-deflate", 18) != 0)
            return "websocket: the server chose an extension that was not offered";
        if (!strstr(extension->value, "server_no_context_takeover") || !strstr(extension->value, "client_no_context_takeover"))
            return "websocket: the server does not accept compression without context takeover";
        answer->deflate = true;
    }
    return NULL;
}

void ws_answer_fini(struct ws_answer *answer)
{
    mem_free(answer->headers);
    mem_free(answer->text);
    *answer = (struct ws_answer){0};
}
