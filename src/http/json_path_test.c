/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/json_path.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char store[] =
    " {\"store\":{\"name\":\"lab\",\"open\":true,\"stock\":3,\"price\":12.5,\"none\":null,\"items\":["
    "{\"id\":1,\"name\":\"one\",\"tags\":[\"a\",\"b\"]}, {\"id\":2,\"name\":\"two\",\"tags\":[]},"
    "{\"id\":3,\"name\":\"thr\xc3\xa9" "e\",\"tags\":[\"c\"]}]}}\n";

/* The document of gjson's manual, with a few additions. */
static const char people[] =
    "{\"name\":{\"first\":\"Tom\",\"last\":\"Anderson\"},\"age\":37,\"children\":[\"Sara\",\"Alex\",\"Jack\"],"
    "\"fav.movie\":\"Deer Hunter\",\"friends\":["
    "{\"first\":\"Dale\",\"last\":\"Murphy\",\"age\":44,\"nets\":[\"ig\",\"fb\",\"tw\"]},"
    "{\"first\":\"Roger\",\"last\":\"Craig\",\"age\":68,\"nets\":[\"fb\",\"tw\"],\"vip\":true},"
    "{\"first\":\"Jane\",\"last\":\"Murphy\",\"age\":47,\"nets\":[\"ig\",\"tw\"],\"vip\":false}],"
    "\"q\\u00e9\":\"\\\"x\\\"\",\"*\":1,\"\":2,\"empty\":[],\"5\":\"five\",\"n\":[[1,2],[3],[]],\"nul\":null}";

static void selects_as_gjson_does(void **state)
{
    static const struct {
        const char *json, *path, *selected; /* NULL: nothing */
    } rows[] = {
        {store, "store.name", "\"lab\""},
        {store, "store.open", "true"},
        {store, "store.stock", "3"},
        {store, "store.price", "12.5"},
        {store, "store.none", "null"},
        {store, "store.items.#", "3"},
        {store, "store.items.1.name", "\"two\""},
        {store, "store.items.#.id", "[1,2,3]"},
        {store, "store.items.0.tags.1", "\"b\""},
        {store, "store.items.#(id==3).name", "\"thr\xc3\xa9" "e\""},
        {store, "store.absent", NULL},
        {people, "name.last", "\"Anderson\""},
        {people, "name", "{\"first\":\"Tom\",\"last\":\"Anderson\"}"},
        {people, "age", "37"},
        {people, "children", "[\"Sara\",\"Alex\",\"Jack\"]"},
        {people, "children.#", "3"},
        {people, "children.1", "\"Alex\""},
        {people, "children.9", NULL},
        {people, "children.-1", NULL},
        {people, "children.name", NULL},
        {people, "child*.2", "\"Jack\""},
        {people, "c?ildren.0", "\"Sara\""},
        {people, "fav\\.movie", "\"Deer Hunter\""},
        {people, "fav.movie", NULL},
        {people, "f*.movie", NULL},
        {people, "friends.#.first", "[\"Dale\",\"Roger\",\"Jane\"]"},
        {people, "friends.1.last", "\"Craig\""},
        {people, "friends.#.vip", "[true,false]"},
        {people, "friends.#.absent", "[]"},
        {people, "friends.#.nets.#", "[3,2,2]"},
        {people, "friends.#.nets.0", "[\"ig\",\"fb\",\"ig\"]"},
        {people, "friends.#(last==\"Murphy\").first", "\"Dale\""},
        {people, "friends.#(last=\"Murphy\").first", "\"Dale\""},
        {people, "friends.#(last == \"Murphy\")#.first", "[\"Dale\",\"Jane\"]"},
        {people, "friends.#[last==\"Murphy\"].first", "\"Dale\""},
        {people, "friends.#(age>45)#.last", "[\"Craig\",\"Murphy\"]"},
        {people, "friends.#(age>=47)#.age", "[68,47]"},
        {people, "friends.#(age<47)#.age", "[44]"},
        {people, "friends.#(age<=47)#.age", "[44,47]"},
        {people, "friends.#(age!=47)#.age", "[44,68]"},
        {people, "friends.#(first%\"D*\").last", "\"Murphy\""},
        {people, "friends.#(first!%\"D*\").last", "\"Craig\""},
        {people, "friends.#(nets.#(==\"fb\"))#.first", "[\"Dale\",\"Roger\"]"},
        {people, "friends.#(vip).first", "\"Roger\""},
        {people, "friends.#(vip==true)#.first", "[\"Roger\"]"},
        {people, "friends.#(vip==false)#.first", "[\"Jane\"]"},
        {people, "friends.#(last==\"Nobody\").first", NULL},
        {people, "friends.#(last==\"Nobody\")#", "[]"},
        {people, "friends.#(last==\"Murphy\")#.absent", "[]"},
        {people, "friends.#(last==\"Murphy\").nets.1", "\"fb\""},
        {people, "children.#(!%\"*a*\")#", "[\"Alex\"]"},
        {people, "children.#(%\"S*\")", "\"Sara\""},
        {people, "children.#(==\"Jack\")", "\"Jack\""},
        {people, "children.#(>\"B\")#", "[\"Sara\",\"Jack\"]"},
        {people, "friends.#(last==\"Murphy\")#|0.first", "\"Dale\""},
        {people, "friends.#.first|1", "\"Roger\""},
        {people, "friends.#.first|#", "3"},
        {people, "name|first", "\"Tom\""},
        {people, "q\xc3\xa9", "\"\\\"x\\\"\""},
        {people, "\\*", "1"},
        {people, "empty.#", "0"},
        {people, "empty", "[]"},
        {people, "empty.#.x", "[]"},
        {people, "5", "\"five\""},
        {people, "n.#.0", "[1,3]"},
        {people, "n.#.#", "[2,1,0]"},
        {people, "n.0.1", "2"},
        {people, "nul", "null"},
        {people, "nul.x", NULL},
        {people, "age.x", NULL},
        {people, "name.#", NULL},
        {people, "friends.#(", NULL},
        {people, "friends.#(age", NULL},
        {people, "", NULL},
        {"[1,{\"a\":2}]", "1.a", "2"},
        {"[1,{\"a\":2}]", "#", "2"},
        {"{\"a\":{\"x\":1},\"ab\":{\"y\":2}}", "a*.y", "2"},
        {"\"text\"", "a", NULL},
        {"{\"a\":[{\"v\":\"x)y\"},{\"v\":\"z\"}]}", "a.#(v==\"x)y\").v", "\"x)y\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out = {0};
        buf_add_text(&out, ">");
        bool found = json_path_select(rows[i].json, strlen(rows[i].json), rows[i].path, strlen(rows[i].path), &out);
        if (found != (rows[i].selected != NULL) || strcmp(out.data + 1, found ? rows[i].selected : "") != 0)
            fail_msg("%s: %s instead of %s", rows[i].path, out.data + 1, rows[i].selected ? rows[i].selected : "nothing");
        buf_free(&out);
    }
}

static void reports_errors_as_k6_does(void **state)
{
    static const struct {
        const char *json;
        int line, character;
        const char *cause;
    } rows[] = {
        {"{\"broken\": ", 1, 11, "unexpected end of JSON input"},
        {"", 1, 0, "unexpected end of JSON input"},
        {"<html>", 1, 2, "invalid character '<' looking for beginning of value"},
        {"{\"a\":1,}", 1, 8, "invalid character '}' looking for beginning of object key string"},
        {"[1,]", 1, 4, "invalid character ']' looking for beginning of value"},
        {"[1 2]", 1, 5, "invalid character '2' after array element"},
        {"{\"a\" 1}", 1, 7, "invalid character '1' after object key"},
        {"{\"a\":1 \"b\"}", 1, 9, "invalid character '\"' after object key:value pair"},
        {"{a:1}", 1, 3, "invalid character 'a' looking for beginning of object key string"},
        {"1 2", 1, 3, "invalid character '2' after top-level value"},
        {"01", 1, 2, "invalid character '1' after top-level value"},
        {"-x", 1, 2, "invalid character 'x' in numeric literal"},
        {"1.x", 1, 3, "invalid character 'x' after decimal point in numeric literal"},
        {"1ex", 1, 3, "invalid character 'x' in exponent of numeric literal"},
        {"trux", 1, 4, "invalid character 'x' in literal true (expecting 'e')"},
        {"fx", 1, 2, "invalid character 'x' in literal false (expecting 'a')"},
        {"nulx", 1, 4, "invalid character 'x' in literal null (expecting 'l')"},
        {"\"\\x\"", 1, 4, "invalid character 'x' in string escape code"},
        {"\"\\u00g0\"", 1, 7, "invalid character 'g' in \\u hexadecimal character escape"},
        {"\"a\tb\"", 1, 4, "invalid character '\\t' in string literal"},
        {"'", 1, 1, "invalid character '\\'' looking for beginning of value"},
        {"\xc3\xa9", 1, 1, "invalid character '\xc3\x83' looking for beginning of value"},
        {"{\n  \"a\": x\n}", 3, 1, "invalid character 'x' looking for beginning of value"},
        {"{\n  \"a\": xy\n}", 2, 10, "invalid character 'x' looking for beginning of value"},
        {"[\"a", 1, 3, "unexpected end of JSON input"},
        {"tru", 1, 3, "unexpected end of JSON input"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {0};
        struct buf expected = {0};
        if (json_check(rows[i].json, strlen(rows[i].json), &err))
            fail_msg("accepted: %s", rows[i].json);
        buf_printf(&expected, "cannot parse json due to an error at line %d, character %d , error: %s", rows[i].line,
                   rows[i].character, rows[i].cause);
        assert_string_equal(err.text, expected.data);
        error_clear(&err);
        buf_free(&expected);
    }
}

static void accepts_what_is_json(void **state)
{
    static const char *const rows[] = {"0", " -1.5e+3 ", "\"\\u00e9\\n\\/\"", "[]", "{}", "[[],{},[{}]]", "\"\x7f\xff\"",
                                       "\r\n\t[ 1 , true , false , null ]\n", "{\"\":{\"a\":[1,2,{\"b\":\"c\"}]}}", "1E5"};
    for (size_t i = 0; i < COUNT(rows); i++)
        if (!json_check(rows[i], strlen(rows[i]), NULL))
            fail_msg("refused: %s", rows[i]);
    assert_true(json_check(store, strlen(store), NULL));
    assert_true(json_check(people, strlen(people), NULL));
}

static void nesting_has_a_limit(void **state)
{
    struct buf b = {0};
    struct error err = {0};
    for (int i = 0; i < 10000; i++)
        buf_add_char(&b, '[');
    for (int i = 0; i < 10000; i++)
        buf_add_char(&b, ']');
    assert_true(json_check(b.data, b.len, NULL));
    b.data[10000] = '[';
    assert_false(json_check(b.data, b.len, &err));
    assert_non_null(strstr(err.text, "exceeded max depth"));
    error_clear(&err);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects_as_gjson_does),
        cmocka_unit_test(reports_errors_as_k6_does),
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(nesting_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
