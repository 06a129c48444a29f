/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/digest.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))


static void answers_the_examples_of_the_rfcs(void **state)
{
    static const struct {
        const char *challenge, *user, *password, *uri, *cnonce, *response;
    } rows[] = {
        /* RFC 2617, 3.5 */
        {"Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
         "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
         "Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
        /* RFC 2069 as corrected: no qop */
        {"Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"", "Mufasa", "CircleOfLife",
         "/dir/index.html", "unused", "1949323746fe6a43ef61f9606e7febea"},
        /* RFC 7616, 3.9.1 */
        {"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, "
         "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
         "Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
         "8ca523f5e9506fed4657c9700eebdbec"},
        {"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, "
         "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
         "Mufasa", "Circle of Life", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
         "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct digest_challenge c;
        struct buf out = {0}, expected = {0};
        assert_true(digest_parse(&c, rows[i].challenge, strlen(rows[i].challenge), NULL));
        struct digest_request r = {rows[i].user, rows[i].password, "GET", rows[i].uri, .nonce_count = 1, .cnonce = rows[i].cnonce};
        assert_true(digest_authorize(&out, &c, &r, NULL));
        buf_printf(&expected, "response=\"%s\"", rows[i].response);
        if (!strstr(out.data, expected.data))
            fail_msg("%s lacks %s", out.data, expected.data);
        buf_free(&out);
        buf_free(&expected);
        digest_fini(&c);
    }
}

static void writes_all_that_the_challenge_asks_for(void **state)
{
    const char *header = "Digest realm=\"a \\\"b\\\"\", nonce=n1 ,qop=\"auth\",opaque=\"o\", algorithm=MD5-sess, stale=TRUE";
    struct digest_challenge c;
    struct buf out = {0};
    assert_true(digest_parse(&c, header, strlen(header), NULL));
    assert_true(c.stale);
    assert_true(c.session);
    assert_string_equal(c.realm, "a \"b\"");
    struct digest_request r = {"u", "p", "POST", "/x?y", .nonce_count = 0x1a, .cnonce = "c1"};
    assert_true(digest_authorize(&out, &c, &r, NULL));
    const char *start = "Digest username=\"u\", realm=\"a \\\"b\\\"\", nonce=\"n1\", uri=\"/x?y\", algorithm=MD5-sess, "
                        "qop=auth, nc=0000001a, cnonce=\"c1\", response=\"";
    assert_memory_equal(out.data, start, strlen(start));
    assert_string_equal(out.data + strlen(start) + 32, "\", opaque=\"o\"");
    buf_free(&out);
    digest_fini(&c);
}

static void sess_and_auth_int_take_part_in_the_hash(void **state)
{
    static const struct {
        const char *algorithm, *qop, *response; /* computed with Python's hashlib */
    } rows[] = {
        {"MD5-sess", "auth", "8c5115d1fe030c1181dbb1bafe01c033"},
        {"SHA-256-sess", "auth", "154bd4e2606cba3a64ac20f86ff19313e059818703d9877be1ed16cbe0d92931"},
        {"SHA-512-256", "auth", "19eb4321a48050d74b50ab9c1bde697ce93a381c7bb0673708bf41f57ae3029a"},
        {"MD5", "auth-int", "f45218200616207546916dc19ec49699"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct digest_challenge c;
        struct buf header = {0}, out = {0};
        buf_printf(&header, "Digest realm=\"lab\", nonce=\"n\", algorithm=%s, qop=\"%s\"", rows[i].algorithm, rows[i].qop);
        assert_true(digest_parse(&c, header.data, header.len, NULL));
        struct digest_request r = {"ada", "pw", "POST", "/x", "body", 4, 1, "cn"};
        assert_true(digest_authorize(&out, &c, &r, NULL));
        if (!strstr(out.data, rows[i].response))
            fail_msg("%s %s: %s", rows[i].algorithm, rows[i].qop, out.data);
        buf_free(&header);
        buf_free(&out);
        digest_fini(&c);
    }
}

static void finds_the_digest_challenge_among_others(void **state)
{
    static const struct {
        const char *header, *nonce; /* NULL: none is usable */
    } rows[] = {
        {"Digest nonce=\"x\", realm=\"r\"", "x"},
        {"digest nonce=x,realm=r", "x"},
        {"Basic realm=\"Digest nonce=y\", Digest realm=\"r\", nonce=\"x\"", "x"},
        {"Digest realm=\"r\", nonce=\"x\", Basic realm=\"s\"", "x"},
        {"Digest nonce = \"x\"", "x"},
        {"Basic realm=\"lab\"", NULL},
        {"Digest realm=\"r\"", NULL},
        {"Digest nonce=x, algorithm=SHA3", NULL},
        {"Digest nonce=x, qop=\"auth-x\"", NULL},
        {"NotDigest nonce=x", NULL},
        {"Digest", NULL},
        {"Digest nonce=\"x", "x"},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct digest_challenge c;
        struct error err = {0};
        bool ok = digest_parse(&c, rows[i].header, strlen(rows[i].header), &err);
        if (ok != (rows[i].nonce != NULL))
            fail_msg("%s: %s", rows[i].header, ok ? "accepted" : err.text);
        if (ok)
            assert_string_equal(c.nonce, rows[i].nonce);
        else
            assert_non_null(err.text);
        error_clear(&err);
        digest_fini(&c);
    }
}

static void makes_a_new_client_nonce_each_time(void **state)
{
    struct digest_challenge c;
    struct buf a = {0}, b = {0};
    assert_true(digest_parse(&c, "Digest nonce=x, qop=auth", 24, NULL));
    struct digest_request r = {"u", "p", "GET", "/", .nonce_count = 1};
    assert_true(digest_authorize(&a, &c, &r, NULL));
    assert_true(digest_authorize(&b, &c, &r, NULL));
    assert_string_not_equal(a.data, b.data);
    buf_free(&a);
    buf_free(&b);
    digest_fini(&c);
}

static void writes_basic_credentials(void **state)
{
    struct buf b = {0};
    basic_authorize(&b, "Aladdin", "open sesame");
    assert_string_equal(b.data, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    buf_clear(&b);
    basic_authorize(&b, "u", NULL);
    assert_string_equal(b.data, "Basic dTo=");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_the_examples_of_the_rfcs),
        cmocka_unit_test(writes_all_that_the_challenge_asks_for),
        cmocka_unit_test(sess_and_auth_int_take_part_in_the_hash),
        cmocka_unit_test(finds_the_digest_challenge_among_others),
        cmocka_unit_test(makes_a_new_client_nonce_each_time),
        cmocka_unit_test(writes_basic_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
