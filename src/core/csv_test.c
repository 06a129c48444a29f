/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/csv.h"
#include "core/error.h"

/* All records as "a|b;c|d;", or the error's text. */
static void expect(const char *csv, char delimiter, const char *want)
{
    struct csv_reader r;
    struct buf out = {0};
    struct error err = {0};
    int got;
    csv_open(&r, csv, strlen(csv), delimiter);
    while ((got = csv_next(&r, &err)) > 0) {
        for (size_t i = 0; i < r.count; i++) {
            size_t len;
            const char *field = csv_field(&r, i, &len);
            assert_int_equal(strlen(field), len);
            buf_printf(&out, "%s%s", i ? "|" : "", field);
        }
        buf_add_char(&out, ';');
    }
    if (got < 0)
        buf_add_text(&out, err.text);
    assert_string_equal(out.data ? out.data : "", want);
    buf_free(&out);
    error_clear(&err);
    csv_close(&r);
}

static void records(void **state)
{
    expect("", ',', "");
    expect("\n\r\n", ',', "");
    expect("a,b\nc,d\n", ',', "a|b;c|d;");
    expect("a,b\r\n\r\nc,d", ',', "a|b;c|d;");
    expect("a,\n,b\n", ',', "a|;|b;");
    expect("a;b,c\n", ';', "a|b,c;");
    expect(" a , b ", ',', " a | b ;");
}

static void quotes(void **state)
{
    expect("\"a,b\",\"say \"\"hi\"\"\"\n", ',', "a,b|say \"hi\";");
    expect("\"two\r\nlines\",x\n", ',', "two\nlines|x;");
    expect("\"\",\"\"", ',', "|;");
}

static void refused(void **state)
{
    expect("a,b\n1\n", ',', "a|b;line 2: 1 fields, but the first record has 2");
    expect("a\nb\"c\n", ',', "a;line 2: a quote inside a field that is not quoted");
    expect("\"a\"b\n", ',', "line 1: text after the closing quote of a field");
    expect("x\n\"a\nb", ',', "x;line 2: a quoted field has no closing quote");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(quotes), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
