/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "grpc/pool.h"

static struct pool *parse(const char *text, struct error *err)
{
    struct pool *pool = pool_new();
    if (pool_add_proto_text(pool, "t.proto", text, strlen(text), err) && pool_link(pool, err))
        return pool;
    pool_free(pool);
    return NULL;
}

static void service(void **state)
{
    struct error err = {0};
    struct pool *pool = parse("// a comment\nsyntax = \"proto3\"; package shop.v1; option go_package = \"x/y\";\n"
                              "/* another */ service Cart { option deprecated = true; rpc Add(Item) returns (stream .shop.v1.Item) { option (a.b) = { c: 1 d: [2] }; }\n"
                              " rpc Watch(stream Item) returns (stream Item); }\n"
                              "message Item { reserved 5, 7 to 9; reserved \"old\"; string id = 1 [deprecated = true, json_name = \"ID\"]; message Part { int32 n = 1; } repeated Part parts = 2; }",
                              &err);
    assert_non_null(pool);
    const struct proto_method *add = pool_method(pool, "/shop.v1.Cart/Add"), *watch = pool_method(pool, "/shop.v1.Cart/Watch");
    assert_true(add && add->server_streams && !add->client_streams);
    assert_true(watch && watch->server_streams && watch->client_streams);
    assert_string_equal(add->input->full_name, "shop.v1.Item");
    assert_non_null(message_field_named(add->input, "ID"));
    assert_string_equal(message_field_named(add->input, "parts")->message->full_name, "shop.v1.Item.Part");
    pool_free(pool);
}

static void proto2(void **state)
{
    struct error err = {0};
    struct pool *pool = parse("syntax = \"proto2\"; message A { required int32 x = 1; optional string y = 2 [default = \"a;b\"]; repeated int32 z = 3 [packed = true];"
                              " extensions 100 to max; enum E { ONE = 1; MINUS = -1; } optional E e = 4; } extend A { optional int32 extra = 100; }",
                              &err);
    assert_non_null(pool);
    const struct proto_message *a = pool_message(pool, "A", 1);
    assert_true(field_has_presence(message_field(a, 1)));
    assert_true(message_field(a, 3)->is_packed);
    assert_string_equal(enum_name(message_field(a, 4)->enumeration, -1), "MINUS");
    pool_free(pool);
}

static void refused(void **state)
{
    static const char *const bad[] = {"message", "message A { int32 x = 1 }", "message A { int32 x = 0; }", "message A { Nothing x = 1; }", "message A { int32 x = 1; int32 y = 1; }",
                                      "message A {} message A {}", "service S { rpc M(A) returns (B); }", "syntax = \"proto9\";", "enum E {}", "import \"nowhere.proto\";", "}", "message A { string s = \"", "/* no end"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        char text[256];
        snprintf(text, sizeof(text), "%s%s", strncmp(bad[i], "syntax", 6) == 0 ? "" : "syntax = \"proto3\"; ", bad[i]);
        struct pool *pool = parse(text, &err);
        if (pool)
            print_message("accepted: %s\n", bad[i]);
        assert_null(pool);
        assert_non_null(err.text);
        error_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(service), cmocka_unit_test(proto2), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
