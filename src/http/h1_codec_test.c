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
    int heads;
};

static void see_head(void *arg, const char *head, size_t len)
{
    struct seen *seen = arg;
    const char *name, *value;
    size_t at = 0, name_len, value_len, text_len;
    const char *text = h1_status_text(head, len, &text_len);
    seen->heads++;
    buf_add(&seen->text, text, text_len);
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len))
        buf_printf(&seen->text, "|%.*s=%.*s", (int)name_len, name, (int)value_len, value);
    buf_add_char(&seen->text, '|');
}

static void see_body(void *arg, const char *data, size_t len)
{
    struct seen *seen = arg;
    buf_add(&seen->text, data, len);
}

static const struct h1_events events = {see_head, see_body};

struct row {
    const char *bytes;
    const char *expected; /* text, or a part of the failure's text; NULL: the connection ended too early */
    size_t unused;        /* bytes behind the response */
    bool is_head, at_close, fails, closes;
};

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
    {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na", "200 OK|Connection=x, Close|Content-Length=1|a", .closes = true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 OK|Content-Length=1|a", .closes = true},
    {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", "200 OK|Connection=Keep-Alive|Content-Length=1|a"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "200 OK|Content-Length=3|Content-Length=3|abc"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;name=\"v\"\r\n world\r\n0\r\n\r\n",
     "200 OK|Transfer-Encoding=Chunked|hello world"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n00a \r\n0123456789\r\n0\r\nTrail: er\r\nX: y\r\n\r\n+",
     "200 OK|Transfer-Encoding=chunked|Content-Length=7|0123456789", .unused = 1},
    /* failures */
    {"this is no http\r\n\r\n", "malformed HTTP response", .fails = true},
    {"HTTP/x 200 OK\r\n\r\n", "malformed HTTP version", .fails = true},
    {"HTTP/1.1 2000 OK\r\n\r\n", "malformed HTTP version or status", .fails = true},
    {"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n", "too many 1xx", .fails = true},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "unexpected 101", .fails = true},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed MIME header line \"no colon\"", .fails = true},
    {"HTTP/1.1 200 OK\r\nname : x\r\n\r\n", "malformed MIME header line", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length \"-1\"", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "conflicting Content-Length", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", "conflicting Content-Length", .fails = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "bad Content-Length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "unsupported transfer encoding", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "invalid byte in chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\n", "invalid byte in chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "invalid byte in chunk length", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", "http chunk length too large", .fails = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "malformed chunked encoding", .fails = true},
    {"", NULL, .at_close = true},
    {"HTTP/1.1 200 OK\r\nCon", NULL, .at_close = true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", NULL, .at_close = true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", NULL, .at_close = true},
};

/* Pieces of step bytes after a first one of first bytes. Every piece is in memory of its exact size, so
 * that a sanitizer sees reads beyond it. */
static void run(const struct row *row, size_t first, size_t step)
{
    struct h1_parser parser = {0};
    struct seen seen = {0};
    size_t len = strlen(row->bytes), at = 0;
    h1_init(&parser, row->is_head);
    while (at < len && parser.state != H1_DONE && parser.state != H1_FAILED) {
        size_t part = at ? step : first;
        if (part > len - at)
            part = len - at;
        char *piece = mem_dup(row->bytes + at, part);
        size_t used = h1_feed(&parser, piece, part, &events, &seen);
        mem_free(piece);
        at += used;
        assert_true(parser.state == H1_DONE || parser.state == H1_FAILED || used == part);
    }
    bool complete = parser.state == H1_DONE;
    if (row->at_close) {
        assert_false(complete);
        complete = h1_end(&parser);
    }
    buf_add_char(&seen.text, 0);
    if (!row->expected) {
        assert_false(complete);
    } else if (row->fails) {
        assert_int_equal(parser.state, H1_FAILED);
        assert_non_null(strstr(parser.failure, row->expected));
    } else {
        assert_true(complete);
        assert_string_equal(seen.text.data, row->expected);
        assert_int_equal(len - at, row->unused);
        assert_int_equal(parser.keep_alive, !row->closes);
        assert_int_equal(seen.heads, 1);
    }
    buf_free(&seen.text);
    h1_fini(&parser);
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
    struct h1_parser parser = {0};
    struct seen seen = {0};
    struct buf bytes = {0};
    h1_init(&parser, false);
    h1_feed(&parser, "HTTP/1.1 200 OK\r\n", 17, &events, &seen);
    for (int i = 0; i < 1000; i++)
        buf_add_text(&bytes, "Name: value\r\n");
    for (int i = 0; i < 200 && parser.state != H1_FAILED; i++)
        h1_feed(&parser, bytes.data, bytes.len, &events, &seen);
    assert_int_equal(parser.state, H1_FAILED);
    assert_non_null(strstr(parser.failure, "server response headers exceeded"));
    assert_int_equal(seen.heads, 0);
    buf_free(&bytes);
    h1_fini(&parser);
}

static void garbage_is_refused_before_its_line_ends(void **state)
{
    struct h1_parser parser = {0};
    struct seen seen = {0};
    char *garbage = mem_alloc(100);
    memset(garbage, 'x', 100);
    h1_init(&parser, false);
    h1_feed(&parser, garbage, 100, &events, &seen);
    assert_int_equal(parser.state, H1_FAILED);
    mem_free(garbage);
    h1_fini(&parser);
}

static void one_parser_reads_one_response_after_another(void **state)
{
    struct h1_parser parser = {0};
    struct seen seen = {0};
    static const char bytes[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    for (int i = 0; i < 3; i++) {
        h1_init(&parser, false);
        assert_int_equal(h1_feed(&parser, bytes, sizeof(bytes) - 1, &events, &seen), sizeof(bytes) - 1);
        assert_int_equal(parser.state, H1_DONE);
        assert_true(parser.keep_alive);
    }
    assert_int_equal(seen.heads, 3);
    buf_free(&seen.text);
    h1_fini(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_are_the_same_however_they_are_cut),
        cmocka_unit_test(a_head_without_end_is_refused),
        cmocka_unit_test(garbage_is_refused_before_its_line_ends),
        cmocka_unit_test(one_parser_reads_one_response_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
