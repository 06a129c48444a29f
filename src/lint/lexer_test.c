/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "lint/lexer.h"

/* The tokens with a bar between them must be want. */
static void check(const char *source, const char *want)
{
    struct tokens tokens;
    struct buf got = {0};
    tokens_read(&tokens, source, strlen(source));
    for (size_t i = 0; i < tokens.count; i++)
        buf_printf(&got, "%s%.*s", i ? "|" : "", (int)tokens.list[i].text.len, tokens.list[i].text.data);
    assert_string_equal(got.data ? got.data : "", want);
    buf_free(&got);
    tokens_free(&tokens);
}

static void comments_and_blanks_are_left_out(void **state)
{
    check("#!/usr/bin/k6\na // b\n/* c\n d */ e", "a|e");
    check("/* never closed", "");
    check("", "");
}

static void strings_end_at_their_quote_or_line(void **state)
{
    check("'a\\'b' + \"c'd\"", "'a\\'b'|+|\"c'd\"");
    check("'open\nb", "'open|b");
}

static void a_template_holds_tokens(void **state)
{
    check("`a${b.c}d${`e${f}`}`;", "`|a|${|b|.|c|}|d|${|`|e|${|f|}|`|}|`|;");
    check("x = {a: `}`, b: {}}", "x|=|{|a|:|`|}|`|,|b|:|{|}|}");
    check("`open ${", "`|open |${");
}

static void a_slash_divides_or_begins_a_regular_expression(void **state)
{
    check("a / b / c", "a|/|b|/|c");
    check("x = /[/'\"]+\\//g.test(y)", "x|=|/[/'\"]+\\//g|.|test|(|y|)");
    check("return /a/", "return|/a/");
    check("(a) / 2 /* / */ / 3", "(|a|)|/|2|/|3");
}

static void operators_are_as_long_as_they_can_be(void **state)
{
    check("a?.b ?? c === d => ...e >>>= f", "a|?.|b|??|c|===|d|=>|...|e|>>>=|f");
    check("a?.5:1e-3", "a|?|.5|:|1e-3");
}

static void brackets_know_each_other(void **state)
{
    struct tokens t;
    const char *source = "f(a, [b], `${c}`) }";
    tokens_read(&t, source, strlen(source));
    assert_int_equal(t.list[1].match, 13);
    assert_int_equal(t.list[13].match, 1);
    assert_int_equal(t.list[4].match, 6);
    assert_int_equal(t.list[8].match, 12);
    assert_int_equal(t.list[9].match, 11);
    assert_true(t.list[14].match == NO_TOKEN);
    tokens_free(&t);
}

static void places_are_counted_from_one(void **state)
{
    struct tokens t;
    const char *source = "a\n  b `x\ny` c";
    tokens_read(&t, source, strlen(source));
    assert_int_equal(t.list[1].line, 2);
    assert_int_equal(t.list[1].column, 3);
    assert_int_equal(t.list[5].line, 3);
    assert_int_equal(t.list[5].column, 4);
    tokens_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_and_blanks_are_left_out), cmocka_unit_test(strings_end_at_their_quote_or_line),
        cmocka_unit_test(a_template_holds_tokens),          cmocka_unit_test(a_slash_divides_or_begins_a_regular_expression),
        cmocka_unit_test(operators_are_as_long_as_they_can_be), cmocka_unit_test(brackets_know_each_other),
        cmocka_unit_test(places_are_counted_from_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
