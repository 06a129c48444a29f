/* SPDX-License-Identifier: Apache-2.0 */
/* Every response of the table is fed whole, byte by byte, and cut in two at every offset; what comes out
 * must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "http/h1_codec.h"

struct seen {
    struct buf text; /* "200 OK|A=b|C=d|", then the body */
    bool keep_alive, has_body;
    int heads;
};

static void see_head(void *arg, const struct h1_head *head)
{
    struct seen *seen = arg;
    seen->heads++;
    seen->keep_alive = head->keep_alive;
    seen->has_body = head->has_body;
    buf_add(&seen->text, head->status_text, head->status_text_len);
    for (size_t i = 0; i < head->header_count; i++)
        buf_printf(&seen->text, "|%.*s=%.*s", (int)head->headers[i].name_len, head->headers[i].name,
                   (int)head->headers[i].value_len, head->headers[i].value);
    buf_add_char(&seen->text, '|');
}

static void see_body(void *arg, const char *data, size_t len)
{
    struct seen *seen = arg;
    buf_add(&seen->text, data, len);
}

static const struct h1_handler handler = {see_head, see_body};

struct row {
    const char *bytes;
    const char *expected; /* text, or the error's when it fails */
    size_t unused;        /* bytes behind the response */
    bool is_head, at_close, fails, closes;
};

#define BROKEN "net/http: HTTP/1.x transport connection broken: "

static const struct row rows[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 OK|Content-Length=5|hello"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP", "200 OK|Content-Length=5|hello", .unused = 4},
    {"HTTP/1.1 200 OK\nx:  y \n\n", "200 OK|x=y|", .at_close = true, .closes = true},
    {"HTTP/1.1 200 OK\r\n\r\nall of it", "200 OK|all of it", .at_close = true, .closes = true},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200|Content-Length=0|"},
    {"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content|"},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 Not Modified|Content-Length=9|"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "200 OK|Content-Length=9|", .is_head = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK|Transfer-Encoding=chunked|", .is_head = true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     "200 OK|Content-Length=2|ok"},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101 Switching Protocols|Upgrade=x|", .closes = true},
    {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na", "200 OK|Connection=x, Close|Content-Length=1|a", .closes = true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 OK|Content-Length=1|a", .closes = true},
    {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", "200 OK|Connection=Keep-Alive|Content-Length=1|a"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "200 OK|Content-Length=3|Content-Length=3|abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;name=\"v\"\r\n world\r\n0\r\n\r\n",
     "200 OK|Transfer-Encoding=Chunked|hello world"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n00a \r\n0123456789\r\n0\r\nTrail: er\r\nX: y\r\n\r\n+",
     "200 OK|Transfer-Encoding=chunked|Content-Length=7|0123456789", .unused = 1},
    {"HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nContent-Length: 0\r\n\r\n", "200 OK|A=b    c|Content-Length=0|"},
    /* failures */
    {"this is no http\r\n\r\n", BROKEN "malformed HTTP status code \"is\"", .fails = true},
    {"garbage\r\n", BROKEN "malformed HTTP response \"garbage\"", .fails = true},
    {"HTTP/x 200 OK\r\n\r\n", BROKEN "malformed HTTP version \"HTTP/x\"", .fails = true},
    {"HTTP/1.1 2000 OK\r\n\r\n", BROKEN "malformed HTTP status code \"2000\"", .fails = true},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", BROKEN "malformed MIME header line: no colon", .fails = true},
    {"HTTP/1.1 200 OK\r\nname : x\r\n\r\n", BROKEN "malformed MIME header line: name : x", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", BROKEN "bad Content-Length \"-1\"", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     BROKEN "http: message cannot contain multiple Content-Length headers; got [\"1\" \"2\"]", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", BROKEN "unsupported transfer encoding: \"gzip\"", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "invalid byte in chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\n", "invalid byte in chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "empty hex number for chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", "http chunk length too large", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "malformed chunked encoding", .fails = true},
    {"", "EOF", .at_close = true, .fails = true},
    {"HTTP/1.1 200 OK\r\nCon", BROKEN "unexpected EOF", .at_close = true, .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "unexpected EOF", .at_close = true, .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "unexpected EOF", .at_close = true, .fails = true},
};

/* Pieces of step bytes after a first one of first bytes. Every piece is in memory of its exact size, so
 * that a sanitizer sees reads beyond it. */
static void run(const struct row *row, size_t first, size_t step)
{
    struct h1_codec codec = {0};
    struct h1_scratch scratch = {0};
    struct seen seen = {0};
    size_t len = strlen(row->bytes), at = 0;
    enum h1_result result = H1_MORE;
    h1_begin(&codec, row->is_head);
    while (at < len && result == H1_MORE) {
        size_t part = at ? step : first, used;
        if (part > len - at)
            part = len - at;
        char *piece = mem_dup(row->bytes + at, part);
        result = h1_feed(&codec, piece, part, &scratch, &handler, &seen, &used);
        mem_free(piece);
        at += used;
        assert_true(result != H1_MORE || used == part);
    }
    if (row->at_close) {
        assert_int_equal(result, H1_MORE);
        result = h1_finish(&codec);
    }
    buf_add_char(&seen.text, 0);
    if (row->fails) {
        assert_int_equal(result, H1_FAILED);
        assert_string_equal(codec.error, row->expected);
    } else {
        assert_int_equal(result, H1_DONE);
        assert_string_equal(seen.text.data, row->expected);
        assert_int_equal(len - at, row->unused);
        assert_int_equal(seen.keep_alive, !row->closes);
        assert_int_equal(seen.heads, 1);
    }
    buf_free(&seen.text);
    h1_scratch_fini(&scratch);
    h1_fini(&codec);
}

static void responses_are_the_same_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].bytes);
        run(&rows[i], len, len);
        run(&rows[i], 1, 1);
        for (size_t first = 1; first < len; first++)
            run(&rows[i], first, len);
    }
}

static void a_head_without_end_is_refused(void **state)
{
    struct h1_codec codec = {0};
    struct h1_scratch scratch = {0};
    struct seen seen = {0};
    struct buf bytes = {0};
    size_t used;
    buf_add_text(&bytes, "HTTP/1.1 200 OK\r\n");
    enum h1_result result = h1_feed(&codec, bytes.data, bytes.len, &scratch, &handler, &seen, &used);
    buf_clear(&bytes);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&bytes, "Name: value\r\n");
    for (int i = 0; i < 200 && result == H1_MORE; i++)
        result = h1_feed(&codec, bytes.data, bytes.len, &scratch, &handler, &seen, &used);
    assert_int_equal(result, H1_FAILED);
    assert_non_null(strstr(codec.error, "server response headers exceeded"));
    assert_int_equal(seen.heads, 0);
    buf_free(&bytes);
    h1_scratch_fini(&scratch);
    h1_fini(&codec);
}

static void one_codec_reads_one_response_after_another(void **state)
{
    struct h1_codec codec = {0};
    struct h1_scratch scratch = {0};
    struct seen seen = {0};
    static const char bytes[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    for (int i = 0; i < 3; i++) {
        size_t used;
        h1_begin(&codec, false);
        assert_int_equal(h1_feed(&codec, bytes, sizeof(bytes) - 1, &scratch, &handler, &seen, &used), H1_DONE);
        assert_int_equal(used, sizeof(bytes) - 1);
    }
    assert_int_equal(seen.heads, 3);
    buf_free(&seen.text);
    h1_scratch_fini(&scratch);
    h1_fini(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_head_without_end_is_refused),
        cmocka_unit_test(one_codec_reads_one_response_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
