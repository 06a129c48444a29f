/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "http/url.h"
#include "ws/handshake.h"

/* RFC 6455, section 1.3 */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void request(void **state)
{
    struct url_table *urls = url_table_new(0);
    struct error err = {0};
    const struct http_url *url = url_table_get(urls, "http://shop.test:81/chat?a=1", 28, &err);
    const struct http_header headers[] = {{"X-A", "1", 3, 1}, {"Host", "other", 4, 5}, {"Upgrade", "nothing", 7, 7}, {"Cookie", "c=1", 6, 3}};
    struct ws_request r = {.url = url, .headers = headers, .header_count = 4, .protocols = "a, b", .user_agent = "lab", .deflate = true};
    struct buf out = {0};
    ws_handshake_request(&out, &r, KEY);
    assert_string_equal(out.data, "GET /chat?a=1 HTTP/1.1\r\nHost: other\r\nUser-Agent: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\n"
                                  "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
                                  "X-A: 1\r\nCookie: c=1\r\n\r\n");
    buf_free(&out);
    http_url_unref(url);
    url_table_free(urls);
}

static void keys_differ(void **state)
{
    char a[WS_KEY_CHARS + 1], b[WS_KEY_CHARS + 1];
    ws_handshake_key(a);
    ws_handshake_key(b);
    assert_int_equal(strlen(a), WS_KEY_CHARS);
    assert_string_not_equal(a, b);
}

#define OK_HEAD "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\nsec-websocket-accept: " ACCEPT "\r\n"

static void answers(void **state)
{
    static const struct {
        const char *head, *error;
        int status;
        bool offered, deflate;
    } rows[] = {
        {OK_HEAD "\r\n", NULL, 101, false, false},
        {OK_HEAD "sec-websocket-extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n", NULL, 101, true, true},
        {OK_HEAD "sec-websocket-extensions: permessage-deflate\r\n\r\n", "websocket: the server does not accept compression without context takeover", 101, true, false},
        {OK_HEAD "sec-websocket-extensions: permessage-deflate\r\n\r\n", "websocket: the server chose an extension that was not offered", 101, false, false},
        {"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "websocket: bad handshake", 404, false, false},
        {"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: wrong\r\n\r\n", "websocket: bad handshake", 101, false, false},
        {"HTTP/1.1 101 x\r\nconnection: upgrade\r\nsec-websocket-accept: " ACCEPT "\r\n\r\n", "websocket: bad handshake", 101, false, false},
        {"SSH-2.0-OpenSSH_9\r\n\r\n", "malformed HTTP response", 0, false, false},
        {"HTTP/1.1 abc\r\n\r\n", "malformed HTTP status code", 0, false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ws_answer answer;
        size_t len = strlen(rows[i].head);
        assert_int_equal(ws_handshake_head_length(rows[i].head, len), len);
        assert_int_equal(ws_handshake_head_length(rows[i].head, len - 1), 0);
        const char *error = ws_handshake_read(&answer, rows[i].head, len, KEY, rows[i].offered);
        if (rows[i].error)
            assert_string_equal(error, rows[i].error);
        else
            assert_null(error);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.deflate, rows[i].deflate);
        ws_answer_fini(&answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(request), cmocka_unit_test(keys_differ), cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
