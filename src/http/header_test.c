/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/client.h"
#include "http/header.h"
#include "http/quote.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void names_become_canonical(void **state)
{
    static const char *const rows[][2] = {
        {"content-type", "Content-Type"}, {"x-LAB-one", "X-Lab-One"}, {"ETAG", "Etag"}, {"a--b", "A--B"},
        {"x_lab-1a", "X_lab-1a"},         {"with space", "with space"}, {"h\xc3\xa9-x", "h\xc3\xa9-x"}, {"", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[32];
        size_t len = strlen(rows[i][0]);
        header_canonical(out, rows[i][0], len);
        out[len] = 0;
        assert_string_equal(out, rows[i][1]);
        memcpy(out, rows[i][0], len);
        header_canonical(out, out, len); /* in place */
        out[len] = 0;
        assert_string_equal(out, rows[i][1]);
    }
}

static void bad_fields_are_refused_in_k6s_words(void **state)
{
    static const struct {
        const char *name, *value, *problem; /* NULL: fine */
    } rows[] = {
        {"X-Lab", "yes", NULL},
        {"X-Lab", "", NULL},
        {"X-Lab", "tab\there \xc3\xa9", NULL},
        {"X Lab", "yes", "net/http: invalid header field name \"X Lab\""},
        {"", "yes", "net/http: invalid header field name \"\""},
        {"X:", "yes", "net/http: invalid header field name \"X:\""},
        {"X-Lab", "a\nb", "net/http: invalid header field value for \"X-Lab\""},
        {"X-Lab", "a\x7f", "net/http: invalid header field value for \"X-Lab\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {0};
        bool ok = header_check(rows[i].name, strlen(rows[i].name), rows[i].value, strlen(rows[i].value), &err);
        assert_int_equal(ok, rows[i].problem == NULL);
        if (!ok) {
            assert_string_equal(err.text, rows[i].problem);
            assert_int_equal(err.code, 1000);
        }
        error_clear(&err);
    }
    assert_false(header_value_is_valid("a\0b", 3));
    assert_true(header_method_is_valid("PATCH", 5));
    assert_false(header_method_is_valid("GET /", 5));
}

static void fields_are_found_and_joined(void **state)
{
    const struct http_header list[] = {
        {"X-A", "1", 3, 1}, {"X-B", "2", 3, 1}, {"X-A", "3, 4", 3, 4},
    };
    struct buf b = {0};
    assert_ptr_equal(header_find(list, 3, "X-B", 3), &list[1]);
    assert_ptr_equal(header_find(list, 3, "X-A", 3), &list[0]);
    assert_null(header_find(list, 3, "X-C", 3));
    assert_true(header_join(&b, list, 3, "X-A", 3));
    assert_string_equal(b.data, "1, 3, 4");
    assert_false(header_join(&b, list, 3, "X", 1));
    buf_free(&b);
}

static void tokens_are_found_in_any_case_and_only_whole(void **state)
{
    assert_true(header_has_token("keep-alive, Upgrade", 19, "upgrade"));
    assert_true(header_has_token("CLOSE", 5, "close"));
    assert_false(header_has_token("closed", 6, "close"));
    assert_false(header_has_token("", 0, "close"));
}

static void quotes_as_go_does(void **state)
{
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } rows[] = {
        {"plain", 5, "\"plain\""},
        {"a\"b\\", 4, "\"a\\\"b\\\\\""},
        {"\a\b\f\n\r\t\v\0\x1b\x7f", 10, "\"\\a\\b\\f\\n\\r\\t\\v\\x00\\x1b\\x7f\""},
        {"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x8e", 9, "\"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x90\x8e\""},
        {"\xff\xc3", 2, "\"\\xff\\xc3\""},
        {"\xc2\xa0\xe2\x80\x8b", 5, "\"\\u00a0\\u200b\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b = {0};
        go_quote(&b, rows[i].in, rows[i].len);
        assert_string_equal(b.data, rows[i].out);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_canonical),
        cmocka_unit_test(bad_fields_are_refused_in_k6s_words),
        cmocka_unit_test(fields_are_found_and_joined),
        cmocka_unit_test(tokens_are_found_in_any_case_and_only_whole),
        cmocka_unit_test(quotes_as_go_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
