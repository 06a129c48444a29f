/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "http/form.h"

#define PAIR(k, v) {k, v, sizeof(k) - 1, sizeof(v) - 1}

static void forms_are_sorted_by_key_and_escaped(void **state)
{
    const struct form_pair pairs[] = {PAIR("user", "ada"), PAIR("note", "a b&c"), PAIR("b", "2"), PAIR("note", "="),
                                      PAIR("b", "1"),      PAIR("bb", ""),        PAIR("\xc3\xa9", "\0")};
    struct buf b = {0};
    form_encode(&b, pairs, 7);
    assert_string_equal(b.data, "b=2&b=1&bb=&note=a+b%26c&note=%3D&user=ada&%C3%A9=%00");
    buf_free(&b);
    form_encode(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void parts_are_written_as_go_does(void **state)
{
    const struct form_part parts[] = {
        {.name = "field", .name_len = 5, .data = "value", .len = 5},
        {.name = "f", .name_len = 1, .filename = "a\"b\\\r\n.txt", .filename_len = 10, .content_type = "text/plain",
         .content_type_len = 10, .data = "x\0y", .len = 3},
        {.name = "raw", .name_len = 3, .filename = "raw.bin", .filename_len = 7},
    };
    static const char expected[] = "--BOUND\r\n"
                                   "Content-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n"
                                   "--BOUND\r\n"
                                   "Content-Disposition: form-data; name=\"f\"; filename=\"a\\\"b\\\\%0D%0A.txt\"\r\n"
                                   "Content-Type: text/plain\r\n\r\nx\0y\r\n"
                                   "--BOUND\r\n"
                                   "Content-Disposition: form-data; name=\"raw\"; filename=\"raw.bin\"\r\n"
                                   "Content-Type: application/octet-stream\r\n\r\n\r\n"
                                   "--BOUND--\r\n";
    struct buf b = {0};
    form_write_multipart(&b, "BOUND", parts, 3);
    assert_int_equal(b.len, sizeof(expected) - 1);
    assert_memory_equal(b.data, expected, b.len);
    buf_clear(&b);
    form_multipart_type(&b, "BOUND");
    assert_string_equal(b.data, "multipart/form-data; boundary=BOUND");
    buf_free(&b);
}

static void boundaries_are_random_hexadecimal(void **state)
{
    char a[FORM_BOUNDARY_LEN + 1], b[FORM_BOUNDARY_LEN + 1];
    form_boundary(a);
    form_boundary(b);
    assert_int_equal(strspn(a, "0123456789abcdef"), FORM_BOUNDARY_LEN);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_sorted_by_key_and_escaped),
        cmocka_unit_test(parts_are_written_as_go_does),
        cmocka_unit_test(boundaries_are_random_hexadecimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
