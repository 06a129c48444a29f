/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "script/source_map.h"

static struct source_map *read_text(const char *text)
{
    return source_map_read(text, strlen(text));
}

/* Made by esbuild from "interface A { x: number }\nconst a: A = { x: 1 };\n\nthrow new Error('' + a.x);\n", whose
 * output is "const a = { x: 1 };\nthrow new Error(\"\" + a.x);\n". */
static void places(void **state)
{
    struct source_map *map = read_text("{\"version\":3,\"sources\":[\"a.ts\"],\"mappings\":\"AACA,MAAM,IAAO,EAAE,GAAG,EAAE;AAEpB,MAAM,IAAI,MAAM,KAAK,EAAE,CAAC;\",\"names\":[]}");
    const char *source;
    int line, column;
    assert_non_null(map);
    assert_true(source_map_find(map, 1, 1, &source, &line, &column));
    assert_string_equal(source, "a.ts");
    assert_int_equal(line, 2);
    assert_int_equal(column, 1);
    assert_true(source_map_find(map, 1, 13, &source, &line, &column));
    assert_int_equal(column, 16);
    assert_true(source_map_find(map, 2, 12, &source, &line, &column));
    assert_int_equal(line, 4);
    assert_int_equal(column, 11);
    assert_false(source_map_find(map, 3, 1, &source, &line, &column));
    source_map_free(map);
}

static void refused(void **state)
{
    assert_null(read_text(""));
    assert_null(read_text("{}"));
    assert_null(read_text("{\"version\":2,\"sources\":[],\"mappings\":\"\"}"));
    assert_null(read_text("{\"version\":3,\"sources\":[],\"mappings\":\"AA!A\"}"));
    assert_null(read_text("{\"version\":3,\"sources\":[],\"mappings\":\"gggggggggA\"}"));
    const char *source;
    int line, column;
    struct source_map *map = read_text("{\"version\":3,\"sources\":[null],\"mappings\":\";;A,EEAA\"}");
    assert_non_null(map);
    assert_false(source_map_find(map, 1, 1, &source, &line, &column));
    assert_true(source_map_find(map, 3, 9, &source, &line, &column));
    assert_null(source); /* an index out of range */
    source_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(places), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
