/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/url.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct http_url *get(struct url_table *t, const char *text)
{
    struct error err = {0};
    const struct http_url *url = url_table_get(t, text, strlen(text), &err);
    if (!url)
        fail_msg("%s: %s", text, err.text);
    return url;
}

static void prints_urls_as_go_does(void **state)
{
    static const struct {
        const char *in, *text, *host, *host_header, *target, *path;
        int port;
    } rows[] = {
        {"http://lab", "http://lab", "lab", "lab", "/", "/", 80},
        {"HTTP://Lab/", "http://Lab/", "lab", "Lab", "/", "/", 80},
        {"https://lab:8443/a?b=c#d", "https://lab:8443/a?b=c#d", "lab", "lab:8443", "/a?b=c", "/a", 8443},
        {"http://lab:80/", "http://lab:80/", "lab", "lab:80", "/", "/", 80},
        {"https://lab:/x", "https://lab:/x", "lab", "lab", "/x", "/x", 443},
        {"http://lab?", "http://lab?", "lab", "lab", "/?", "/", 80},
        {"http://lab?q", "http://lab?q", "lab", "lab", "/?q", "/", 80},
        {"http://lab/a b", "http://lab/a%20b", "lab", "lab", "/a%20b", "/a b", 80},
        {"http://lab/a%2fb", "http://lab/a%2fb", "lab", "lab", "/a%2fb", "/a/b", 80},
        {"http://lab/%61", "http://lab/%61", "lab", "lab", "/%61", "/a", 80},
        {"http://lab/../x/./y", "http://lab/../x/./y", "lab", "lab", "/../x/./y", "/../x/./y", 80},
        {"http://lab/\xc3\xa9?\xc3\xa9=1", "http://lab/%C3%A9?\xc3\xa9=1", "lab", "lab", "/%C3%A9?\xc3\xa9=1", "/\xc3\xa9", 80},
        {"http://lab/a\"<>|^`{}[]", "http://lab/a%22%3C%3E%7C%5E%60%7B%7D%5B%5D", "lab", "lab",
         "/a%22%3C%3E%7C%5E%60%7B%7D%5B%5D", "/a\"<>|^`{}[]", 80},
        {"http://lab/[x]!", "http://lab/[x]!", "lab", "lab", "/[x]!", "/[x]!", 80},
        {"http://lab/#a b", "http://lab/#a%20b", "lab", "lab", "/", "/", 80},
        {"http://[::1]:8080/", "http://[::1]:8080/", "::1", "[::1]:8080", "/", "/", 8080},
        {"http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/", "fe80::1%eth0", "[fe80::1]", "/", "/", 80},
        {"http://b\xc3\xbc" "cher.example/", "http://b%C3%BCcher.example/", "xn--bcher-kva.example",
         "xn--bcher-kva.example", "/", "/", 80},
        {"http://b%C3%BCcher.example/", "http://b%C3%BCcher.example/", "xn--bcher-kva.example",
         "xn--bcher-kva.example", "/", "/", 80},
        {"http://lab//a//b", "http://lab//a//b", "lab", "lab", "//a//b", "//a//b", 80},
    };
    struct url_table *t = url_table_new(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct http_url *url = get(t, rows[i].in);
        assert_string_equal(url->text, rows[i].text);
        assert_string_equal(url->host, rows[i].host);
        assert_string_equal(url->host_header, rows[i].host_header);
        assert_string_equal(url->target, rows[i].target);
        assert_string_equal(url->path, rows[i].path);
        assert_int_equal(url->port, rows[i].port);
        assert_null(url->user);
        assert_string_equal(url->clean, url->text);
        assert_int_equal(url->clean_len, strlen(url->clean));
        http_url_unref(url);
    }
    url_table_free(t);
}

static void decodes_and_masks_credentials(void **state)
{
    static const struct {
        const char *in, *text, *clean, *user, *password;
    } rows[] = {
        {"http://u:p@lab/", "http://u:p@lab/", "http://****:****@lab/", "u", "p"},
        {"http://u@lab/", "http://u@lab/", "http://****@lab/", "u", NULL},
        {"http://u:@lab/", "http://u:@lab/", "http://****:****@lab/", "u", ""},
        {"http://a%40b:c%3Ad@lab/", "http://a%40b:c%3Ad@lab/", "http://****:****@lab/", "a@b", "c:d"},
        {"http://a@b:c:d@lab/x", "http://a%40b:c%3Ad@lab/x", "http://****:****@lab/x", "a@b", "c:d"},
    };
    struct url_table *t = url_table_new(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct http_url *url = get(t, rows[i].in);
        assert_string_equal(url->text, rows[i].text);
        assert_string_equal(url->clean, rows[i].clean);
        assert_string_equal(url->user, rows[i].user);
        if (rows[i].password)
            assert_string_equal(url->password, rows[i].password);
        else
            assert_null(url->password);
        http_url_unref(url);
    }
    url_table_free(t);
}

static void refuses_bad_urls_in_k6s_words(void **state)
{
    static const struct {
        const char *in;
        int code;
        const char *text;
    } rows[] = {
        {"http:// lab/", 1020, "invalid URL: parse \"http:// lab/\": invalid character \" \" in host name"},
        {"http://lab:port/", 1020, "invalid URL: parse \"http://lab:port/\": invalid port \":port\" after host"},
        {"http://lab/%zz", 1020, "invalid URL: parse \"http://lab/%zz\": invalid URL escape \"%zz\""},
        {"http://lab/%2", 1020, "invalid URL: parse \"http://lab/%2\": invalid URL escape \"%2\""},
        {"http://lab/#%", 1020, "invalid URL: parse \"http://lab/#%\": invalid URL escape \"%\""},
        {"http://%41/#x", 1020, "invalid URL: parse \"http://%41/\": invalid URL escape \"%41\""},
        {"://lab", 1020, "invalid URL: parse \"://lab\": missing protocol scheme"},
        {"1:2", 1020, "invalid URL: parse \"1:2\": first path segment in URL cannot contain colon"},
        {"127.0.0.1:80/x", 1020, "invalid URL: parse \"127.0.0.1:80/x\": first path segment in URL cannot contain colon"},
        {"http://lab/\n", 1020, "invalid URL: parse \"http://lab/\\n\": net/url: invalid control character in URL"},
        {"http://[::1/", 1020, "invalid URL: parse \"http://[::1/\": missing ']' in host"},
        {"http://a b@lab/", 1020, "invalid URL: parse \"http://a b@lab/\": net/url: invalid userinfo"},
        {"", 1000, "unsupported protocol scheme \"\""},
        {"lab/x", 1000, "unsupported protocol scheme \"\""},
        {"ftp://lab/", 1000, "unsupported protocol scheme \"ftp\""},
        {"lab:80", 1000, "unsupported protocol scheme \"lab\""},
        {"http:///x", 1000, "http: no Host in request URL"},
        {"http:x", 1000, "http: no Host in request URL"},
        {"http://:80/", 1000, "http: no Host in request URL"},
        {"http://a<b/", 1000, "http: invalid Host header"},
        {"http://lab:99999/", 1210, "dial tcp: address 99999: invalid port"},
    };
    struct url_table *t = url_table_new(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {0};
        const struct http_url *url = url_table_get(t, rows[i].in, strlen(rows[i].in), &err);
        if (url)
            fail_msg("%s was accepted", rows[i].in);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(err.code, rows[i].code);
        error_clear(&err);
    }
    url_table_free(t);
}

static void resolves_references(void **state)
{
    static const struct {
        const char *base, *reference, *text;
    } rows[] = {
        /* RFC 3986, 5.4 */
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "/g", "http://a/g"},
        {"http://a/b/c/d;p?q", "//g", "http://g"},
        {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
        {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
        {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q#s"},
        {"http://a/b/c/d;p?q", "g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"},
        {"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
        {"http://a/b/c/d;p?q", "..", "http://a/b/"},
        {"http://a/b/c/d;p?q", "../..", "http://a/"},
        {"http://a/b/c/d;p?q", "../../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/./g", "http://a/g"},
        {"http://a/b/c/d;p?q", "g.", "http://a/b/c/g."},
        {"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g"},
        {"http://a/b/c/d;p?q", "./g/.", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "g;x=1/../y", "http://a/b/c/y"},
        {"http://a/b/c/d;p?q", "https://other/../x", "https://other/x"},
        /* and what else redirects hold */
        {"http://u:p@a/b", "/c", "http://u:p@a/c"},
        {"http://u:p@a/b", "//a/c", "http://a/c"},
        {"http://a", "b", "http://a/b"},
        {"http://a/x", "/b%2fc", "http://a/b%2fc"},
        {"http://a/x", "/b c", "http://a/b%20c"},
        {"http://a/x?", "?", "http://a/x?"},
        {"https://a:8443/x", "//b", "https://b"},
    };
    struct url_table *t = url_table_new(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {0};
        const struct http_url *base = get(t, rows[i].base);
        const struct http_url *url = url_table_resolve(t, base, rows[i].reference, strlen(rows[i].reference), &err);
        if (!url)
            fail_msg("%s: %s", rows[i].reference, err.text);
        assert_string_equal(url->text, rows[i].text);
        http_url_unref(url);
        http_url_unref(base);
    }
    struct error err = {0};
    const struct http_url *base = get(t, "http://a/");
    assert_null(url_table_resolve(t, base, "http://[", 8, &err));
    assert_int_equal(err.code, 1020);
    error_clear(&err);
    http_url_unref(base);
    url_table_free(t);
}

static void a_hot_url_is_parsed_once(void **state)
{
    struct url_table *t = url_table_new(0);
    const struct http_url *first = get(t, "http://lab/hot"), *second = get(t, "http://lab/hot");
    assert_ptr_equal(first, second);
    assert_int_equal(first->refs, 3);
    http_url_unref(first);
    http_url_unref(second);
    url_table_free(t);
}

static void the_table_forgets_cold_urls_and_keeps_hot_ones(void **state)
{
    struct url_table *t = url_table_new(100);
    const struct http_url *kept = get(t, "http://lab/kept");
    const struct http_url *hot = get(t, "http://lab/hot");
    for (int i = 0; i < 1000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "http://lab/cold/%d", i);
        const struct http_url *cold = get(t, text);
        assert_string_equal(cold->text, text);
        http_url_unref(cold);
        const struct http_url *again = get(t, "http://lab/hot");
        assert_ptr_equal(again, hot);
        http_url_unref(again);
    }
    assert_int_equal(kept->refs, 1); /* evicted, but alive */
    assert_string_equal(kept->target, "/kept");
    const struct http_url *anew = get(t, "http://lab/kept");
    assert_ptr_not_equal(anew, kept);
    http_url_unref(anew);
    http_url_unref(kept);
    url_table_free(t);
    assert_int_equal(hot->refs, 1);
    http_url_unref(hot);
}

static void escapes_as_go_does(void **state)
{
    struct buf b = {0};
    const char all[] = "aZ9-_.~ !\"#$%&'()*+,/:;<=>?@[]^`{|}\xc3\xa9";
    http_query_escape(&b, all, strlen(all));
    assert_string_equal(b.data, "aZ9-_.~+%21%22%23%24%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3C%3D%3E%3F%40%5B%5D%5E%60%7B%7C%7D%C3%A9");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_urls_as_go_does),
        cmocka_unit_test(decodes_and_masks_credentials),
        cmocka_unit_test(refuses_bad_urls_in_k6s_words),
        cmocka_unit_test(resolves_references),
        cmocka_unit_test(a_hot_url_is_parsed_once),
        cmocka_unit_test(the_table_forgets_cold_urls_and_keeps_hot_ones),
        cmocka_unit_test(escapes_as_go_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
