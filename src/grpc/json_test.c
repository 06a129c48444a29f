/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "grpc/json.h"
#include "grpc/pool.h"

static const char proto[] =
    "syntax = \"proto3\"; package lab;"
    "import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/duration.proto\"; import \"google/protobuf/struct.proto\";"
    "import \"google/protobuf/any.proto\"; import \"google/protobuf/wrappers.proto\"; import \"google/protobuf/field_mask.proto\";"
    "enum Colour { RED = 0; DARK_BLUE = 2; }"
    "message Inner { string some_name = 1; repeated int32 numbers = 2; }"
    "message All { int32 a = 1; int64 b = 2; uint32 c = 3; uint64 d = 4; sint32 e = 5; sint64 f = 6; fixed32 g = 7; fixed64 h = 8;"
    " sfixed32 i = 9; sfixed64 j = 10; float k = 11; double l = 12; bool m = 13; string n = 14; bytes o = 15; Colour p = 16; Inner q = 17;"
    " repeated Inner r = 18; map<string, int32> s = 19; map<int32, Inner> t = 20; oneof choice { string u = 21; int32 v = 22; } optional int32 w = 23; }"
    "message Known { google.protobuf.Timestamp at = 1; google.protobuf.Duration took = 2; google.protobuf.Struct data = 3; google.protobuf.Any any = 4;"
    " google.protobuf.Int64Value boxed = 5; google.protobuf.FieldMask mask = 6; google.protobuf.Value value = 7; }";

static struct pool *the_pool;

static int set_up(void **state)
{
    struct error err = {0};
    the_pool = pool_new();
    bool made = pool_add_proto_text(the_pool, "t.proto", proto, sizeof(proto) - 1, &err) && pool_link(the_pool, &err);
    if (!made)
        print_message("%s\n", err.text);
    return made ? 0 : -1;
}

static int tear_down(void **state)
{
    pool_free(the_pool);
    return 0;
}

/* JSON to wire and back. want NULL: refused. */
static void round_trip(const char *message, const char *json, const char *want)
{
    struct proto_types types = {&the_pool, 1};
    struct buf wire = {0}, back = {0};
    struct error err = {0};
    const struct proto_message *m = pool_message(the_pool, message, strlen(message));
    assert_non_null(m);
    bool read = proto_from_json(&types, m, json, strlen(json), &wire, &err);
    if (!want) {
        assert_false(read);
        assert_non_null(err.text);
    } else {
        if (!read)
            print_message("%s: %s\n", json, err.text);
        assert_true(read);
        assert_true(proto_to_json(&types, m, wire.data, wire.len, &back, &err));
        assert_string_equal(back.data, want);
    }
    error_clear(&err);
    buf_free(&wire);
    buf_free(&back);
}

#define REST "\"q\":null,\"r\":[],\"s\":{},\"t\":{}"

static void scalars(void **state)
{
    round_trip("lab.All", "{}", "{\"a\":0,\"b\":\"0\",\"c\":0,\"d\":\"0\",\"e\":0,\"f\":\"0\",\"g\":0,\"h\":\"0\",\"i\":0,\"j\":\"0\",\"k\":0,\"l\":0,\"m\":false,"
                                "\"n\":\"\",\"o\":\"\",\"p\":\"RED\"," REST "}");
    round_trip("lab.All",
               "{\"a\":-5,\"b\":\"-9223372036854775808\",\"c\":4294967295,\"d\":\"18446744073709551615\",\"e\":-7,\"f\":-8,\"g\":9,\"h\":10,\"i\":-11,\"j\":\"-12\",\"k\":0.1,\"l\":1e100,"
               "\"m\":true,\"n\":\"k\xc5\xaf\xc5\x88\",\"o\":\"+/8=\",\"p\":\"DARK_BLUE\",\"w\":0,\"u\":\"\"}",
               "{\"a\":-5,\"b\":\"-9223372036854775808\",\"c\":4294967295,\"d\":\"18446744073709551615\",\"e\":-7,\"f\":\"-8\",\"g\":9,\"h\":\"10\",\"i\":-11,\"j\":\"-12\",\"k\":0.1,\"l\":1e+100,"
               "\"m\":true,\"n\":\"k\xc5\xaf\xc5\x88\",\"o\":\"+/8=\",\"p\":\"DARK_BLUE\"," REST ",\"u\":\"\",\"w\":0}");
}

static void nested(void **state)
{
    round_trip("lab.Inner", "{\"someName\":\"x\",\"numbers\":[1,-1,300]}", "{\"someName\":\"x\",\"numbers\":[1,-1,300]}");
    round_trip("lab.Inner", "{\"some_name\":\"x\"}", "{\"someName\":\"x\",\"numbers\":[]}");
    round_trip("lab.Known", "{\"at\":\"2026-11-23T19:44:02.5Z\",\"took\":\"-1.5s\",\"data\":{\"a\":[1,null,{\"b\":true}]},\"any\":{\"@type\":\"x/lab.Inner\",\"someName\":\"in\"},"
                            "\"boxed\":\"7\",\"mask\":\"aB,c\",\"value\":null}",
               "{\"at\":\"2026-11-23T19:44:02.500Z\",\"took\":\"-1.500s\",\"data\":{\"a\":[1,null,{\"b\":true}]},\"any\":{\"@type\":\"x/lab.Inner\",\"someName\":\"in\",\"numbers\":[]},"
               "\"boxed\":\"7\",\"mask\":\"aB,c\",\"value\":null}");
    round_trip("lab.Known", "{\"at\":\"2026-01-01T00:00:00+01:00\"}",
               "{\"at\":\"2025-12-31T23:00:00Z\",\"took\":null,\"data\":null,\"any\":null,\"boxed\":null,\"mask\":null,\"value\":null}");
}

static void refused(void **state)
{
    static const char *const bad[] = {"[]", "{", "{\"zz\":1}", "{\"a\":\"x\"}", "{\"a\":2147483648}", "{\"a\":1.5}", "{\"c\":-1}", "{\"m\":1}", "{\"n\":1}", "{\"o\":\"***\"}",
                                      "{\"p\":\"GREEN\"}", "{\"q\":5}", "{\"r\":{}}", "{\"s\":[]}", "{\"t\":{\"x\":{}}}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        round_trip("lab.All", bad[i], NULL);
    round_trip("lab.Known", "{\"at\":\"yesterday\"}", NULL);
    round_trip("lab.Known", "{\"took\":\"5\"}", NULL);
    round_trip("lab.Known", "{\"any\":{\"@type\":\"x/lab.Nothing\"}}", NULL);
}

static void maps(void **state)
{
    struct proto_types types = {&the_pool, 1};
    struct buf wire = {0}, back = {0};
    struct error err = {0};
    const char *json = "{\"s\":{\"k\":3},\"t\":{\"-4\":{\"someName\":\"v\"}},\"v\":9}";
    const struct proto_message *m = pool_message(the_pool, "lab.All", 7);
    assert_true(proto_from_json(&types, m, json, strlen(json), &wire, &err));
    assert_true(proto_to_json(&types, m, wire.data, wire.len, &back, &err));
    assert_non_null(strstr(back.data, "\"s\":{\"k\":3},\"t\":{\"-4\":{\"someName\":\"v\",\"numbers\":[]}},\"v\":9}"));
    buf_clear(&back);
    assert_false(proto_to_json(&types, m, "\xff\xff", 2, &back, &err));
    error_clear(&err);
    buf_free(&wire);
    buf_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scalars), cmocka_unit_test(nested), cmocka_unit_test(maps), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
