/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "http/decode.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const chains[] = {"gzip", "deflate", "br", "zstd", "gzip, br", "zstd,deflate , gzip,br"};

static void make_text(struct buf *b)
{
    for (int i = 0; i < 20000; i++)
        buf_printf(b, "line %d of a text that packs well\n", i * 7919 % 20011);
}

/* Feeds data in pieces of step bytes. */
static bool decode(struct decode_pool *pool, const char *chain, struct buf *data, size_t step, struct buf *out,
                   struct error *err)
{
    struct decoder *d = decoder_new(pool, chain, strlen(chain), 0);
    bool ok = d != NULL;
    for (size_t at = 0; ok && at < data->len; at += step)
        ok = decoder_feed(d, data->data + at, data->len - at < step ? data->len - at : step, out, err);
    ok = ok && decoder_finish(d, out, err);
    decoder_free(d);
    return ok;
}

static void every_chain_round_trips_in_pieces_of_any_size(void **state)
{
    struct decode_pool *pool = decode_pool_new();
    struct buf plain = {0};
    make_text(&plain);
    for (size_t i = 0; i < COUNT(chains); i++) {
        struct buf packed = {0}, encoding = {0};
        assert_true(encode_body(chains[i], strlen(chains[i]), plain.data, plain.len, &packed, &encoding, NULL));
        assert_true(packed.len < plain.len);
        static const size_t steps[] = {1, 7, 4096, SIZE_MAX};
        for (size_t s = 0; s < COUNT(steps); s++) {
            struct buf out = {0};
            assert_true(decode(pool, encoding.data, &packed, steps[s] < packed.len ? steps[s] : packed.len, &out, NULL));
            assert_int_equal(out.len, plain.len);
            assert_memory_equal(out.data, plain.data, plain.len);
            buf_free(&out);
        }
        buf_free(&packed);
        buf_free(&encoding);
    }
    buf_free(&plain);
    decode_pool_free(pool);
}

static void the_header_names_the_codings_in_order(void **state)
{
    struct buf out = {0}, encoding = {0};
    struct error err = {0};
    assert_true(encode_body(" GZIP,zstd", 10, "x", 1, &out, &encoding, &err));
    assert_string_equal(encoding.data, "gzip, zstd");
    assert_memory_equal(out.data, "\x28\xb5\x2f\xfd", 4); /* zstd came last */
    assert_false(encode_body("gzip,lzw", 8, "x", 1, &out, &encoding, &err));
    assert_string_equal(err.text, "unknown compression algorithm lzw, supported algorithms are [gzip deflate zstd br]");
    error_clear(&err);
    assert_true(encode_body("deflate", 7, NULL, 0, &out, &encoding, NULL)); /* an empty body packs too */
    assert_true(out.len > 0);
    buf_free(&out);
    buf_free(&encoding);
}

static void codings_without_a_decoder_are_left_alone(void **state)
{
    static const char *const rows[] = {"", "identity", "compress, x", " , "};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_null(decoder_new(NULL, rows[i], strlen(rows[i]), 0));
    struct decoder *d = decoder_new(NULL, "identity, gzip", 14, 0);
    assert_non_null(d);
    struct buf out = {0};
    assert_true(decoder_finish(d, &out, NULL)); /* no byte came: a HEAD's body */
    assert_int_equal(out.len, 0);
    decoder_free(d);
}

static void broken_bodies_fail_in_plain_words(void **state)
{
    static const struct {
        const char *coding, *body, *cause;
    } rows[] = {
        {"gzip", "this is no gzip", "gzip: invalid header"},
        {"deflate", "this is no zlib", "zlib: invalid header"},
        {"zstd", "this is no zstd", "invalid input: magic number mismatch"},
        {"gzip", "\x1f\x8b\x08", "unexpected EOF"},
        {"zstd", "\x28\xb5", "unexpected EOF"},
        {"br", "\x1b", "unexpected EOF"},
        {"br", "\xff\xff\xff\xff\xff", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf body = {0}, out = {0}, expected = {0};
        struct error err = {0};
        buf_add_text(&body, rows[i].body);
        assert_false(decode(NULL, rows[i].coding, &body, 4, &out, &err));
        assert_int_equal(err.code, 1701);
        buf_printf(&expected, "error decompressing response body (%s)", rows[i].cause ? rows[i].cause : "");
        if (rows[i].cause)
            assert_string_equal(err.text, expected.data);
        error_clear(&err);
        buf_free(&body);
        buf_free(&out);
        buf_free(&expected);
    }
}

static void a_flipped_or_missing_byte_is_noticed(void **state)
{
    struct buf plain = {0};
    make_text(&plain);
    for (size_t i = 0; i < 2; i++) { /* gzip and deflate carry checksums */
        struct buf packed = {0}, encoding = {0}, out = {0};
        struct error err = {0};
        assert_true(encode_body(chains[i], strlen(chains[i]), plain.data, plain.len, &packed, &encoding, NULL));
        size_t sum = packed.len - (i == 0 ? 8 : 4);
        packed.data[sum] ^= 1;
        assert_false(decode(NULL, chains[i], &packed, packed.len, &out, &err));
        assert_string_equal(err.text, i == 0 ? "error decompressing response body (gzip: invalid checksum)"
                                             : "error decompressing response body (zlib: invalid checksum)");
        error_clear(&err);
        packed.data[sum] ^= 1;
        packed.len--;
        buf_clear(&out);
        assert_false(decode(NULL, chains[i], &packed, packed.len, &out, &err));
        assert_string_equal(err.text, "error decompressing response body (unexpected EOF)");
        error_clear(&err);
        buf_free(&packed);
        buf_free(&encoding);
        buf_free(&out);
    }
    buf_free(&plain);
}

static void gzip_files_may_follow_one_another(void **state)
{
    struct buf packed = {0}, second = {0}, encoding = {0}, out = {0};
    assert_true(encode_body("gzip", 4, "one ", 4, &packed, &encoding, NULL));
    assert_true(encode_body("gzip", 4, "two", 3, &second, &encoding, NULL));
    buf_add(&packed, second.data, second.len);
    assert_true(decode(NULL, "gzip", &packed, packed.len, &out, NULL));
    assert_string_equal(out.data, "one two");
    buf_free(&packed);
    buf_free(&second);
    buf_free(&encoding);
    buf_free(&out);
}

static void bombs_stop_at_the_limit(void **state)
{
    size_t bytes = 4 << 20;
    char *zeros = mem_zalloc(bytes);
    for (size_t i = 0; i < COUNT(chains); i++) {
        struct buf packed = {0}, encoding = {0}, out = {0};
        struct error err = {0};
        assert_true(encode_body(chains[i], strlen(chains[i]), zeros, bytes, &packed, &encoding, NULL));
        struct decoder *d = decoder_new(NULL, encoding.data, encoding.len, 1 << 20);
        assert_false(decoder_feed(d, packed.data, packed.len, &out, &err));
        assert_int_equal(err.code, DECODE_ERROR_CODE);
        assert_true(out.len <= (1 << 20) + (64 << 10));
        error_clear(&err);
        decoder_free(d);
        d = decoder_new(NULL, encoding.data, encoding.len, bytes); /* what is allowed passes */
        buf_clear(&out);
        assert_true(decoder_feed(d, packed.data, packed.len, &out, &err));
        assert_int_equal(out.len, bytes);
        decoder_free(d);
        buf_free(&packed);
        buf_free(&encoding);
        buf_free(&out);
    }
    mem_free(zeros);
}

static void a_pooled_state_works_after_a_failure(void **state)
{
    struct decode_pool *pool = decode_pool_new();
    for (size_t i = 0; i < 4; i++) {
        struct buf packed = {0}, encoding = {0}, out = {0}, bad = {0};
        buf_add_text(&bad, "\xff\xff\xff\xff\xff\xff");
        assert_false(decode(pool, chains[i], &bad, bad.len, &out, NULL));
        buf_clear(&out);
        assert_true(encode_body(chains[i], strlen(chains[i]), "good", 4, &packed, &encoding, NULL));
        assert_true(decode(pool, chains[i], &packed, packed.len, &out, NULL));
        assert_string_equal(out.data, "good");
        buf_free(&packed);
        buf_free(&encoding);
        buf_free(&out);
        buf_free(&bad);
    }
    decode_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chain_round_trips_in_pieces_of_any_size),
        cmocka_unit_test(the_header_names_the_codings_in_order),
        cmocka_unit_test(codings_without_a_decoder_are_left_alone),
        cmocka_unit_test(broken_bodies_fail_in_plain_words),
        cmocka_unit_test(a_flipped_or_missing_byte_is_noticed),
        cmocka_unit_test(gzip_files_may_follow_one_another),
        cmocka_unit_test(bombs_stop_at_the_limit),
        cmocka_unit_test(a_pooled_state_works_after_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
