/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ws/deflate.h"

static void round_trip(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 1000, 70000, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf plain = {0}, small = {0}, back = {0};
        for (size_t k = 0; k < sizes[i]; k++)
            buf_add_char(&plain, (char)('a' + k * k % 23));
        ws_deflate(&small, plain.data ? plain.data : "", plain.len);
        assert_true(sizes[i] < 1000 || small.len < plain.len / 2);
        assert_true(ws_inflate(&back, small.data, small.len, sizes[i]));
        assert_int_equal(back.len, plain.len);
        assert_memory_equal(back.data, plain.data ? plain.data : "", plain.len);
        assert_true(!sizes[i] || !ws_inflate(&back, small.data, small.len, sizes[i] - 1));
        buf_free(&plain);
        buf_free(&small);
        buf_free(&back);
    }
}

/* The example of RFC 7692, section 7.2.3.1. */
static void known(void **state)
{
    struct buf out = {0};
    assert_true(ws_inflate(&out, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, 100));
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "Hello", 5);
    buf_free(&out);
}

static void refused(void **state)
{
    struct buf out = {0};
    assert_false(ws_inflate(&out, "\xff\xff\xff", 3, 100));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(known), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
