/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base64.h"

static void forms(void **state)
{
    static const struct {
        const char *plain, *std, *raw;
    } rows[] = {{"", "", ""}, {"f", "Zg==", "Zg"}, {"fo", "Zm8=", "Zm8"}, {"foo", "Zm9v", "Zm9v"}, {"foob", "Zm9vYg==", "Zm9vYg"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = {0};
        base64_encode(&out, rows[i].plain, strlen(rows[i].plain), BASE64_STD);
        buf_add_char(&out, ' ');
        base64_encode(&out, rows[i].plain, strlen(rows[i].plain), BASE64_RAW);
        buf_add_char(&out, ' ');
        size_t at = out.len;
        assert_true(base64_decode(&out, rows[i].std, strlen(rows[i].std), BASE64_STD));
        assert_int_equal(out.len - at, strlen(rows[i].plain));
        assert_true(base64_decode(&out, rows[i].raw, strlen(rows[i].raw), BASE64_URL | BASE64_RAW));
        char want[64];
        snprintf(want, sizeof(want), "%s %s %s%s", rows[i].std, rows[i].raw, rows[i].plain, rows[i].plain);
        assert_string_equal(out.data, want);
        buf_free(&out);
    }
}

static void alphabets(void **state)
{
    static const uint8_t bytes[] = {251, 255, 191, 0};
    struct buf out = {0};
    base64_encode(&out, bytes, 4, BASE64_STD);
    base64_encode(&out, bytes, 4, BASE64_URL | BASE64_RAW);
    assert_string_equal(out.data, "+/+/AA==-_-_AA");
    buf_clear(&out);
    assert_true(base64_decode(&out, "-_-_AA==", 8, BASE64_URL));
    assert_memory_equal(out.data, bytes, 4);
    buf_free(&out);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        enum base64_form form;
    } rows[] = {{"bGE", BASE64_STD},   {"bGE=", BASE64_RAW}, {"-_-_", BASE64_STD},  {"+/+/", BASE64_URL}, {"$$$$", BASE64_STD}, {"Z", BASE64_RAW},
                {"Zg=a", BASE64_STD},  {"Zg===", BASE64_STD}, {"=", BASE64_STD},    {"Zm9v=", BASE64_STD}, {"Z===", BASE64_STD}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = {0};
        assert_false(base64_decode(&out, rows[i].text, strlen(rows[i].text), rows[i].form));
        buf_free(&out);
    }
    struct buf out = {0};
    assert_true(base64_decode(&out, "Zm\r\n9v", 6, BASE64_STD));
    assert_int_equal(out.len, 3);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(alphabets), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
