/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "http/cookie.h"
#include "http/cookie_date.h"
#include "http/url.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW 1700000000

static void reads_set_cookie_as_go_does(void **state)
{
    static const struct {
        const char *header, *name, *value, *domain, *path;
        int64_t expires, max_age;
        bool secure, http_only, quoted;
        enum cookie_same_site same_site;
    } rows[] = {
        {"a=1", "a", "1", "", "", INT64_MIN, 0},
        {" a = 1 ; Path=/ ", "a", " 1", "", "/", INT64_MIN, 0},
        {"a=", "a", "", "", "", INT64_MIN, 0},
        {"a=b=c", "a", "b=c", "", "", INT64_MIN, 0},
        {"a=\"b c\"", "a", "b c", "", "", INT64_MIN, 0, .quoted = true},
        {"a=b, c", "a", "b, c", "", "", INT64_MIN, 0},
        {"a=1; DOMAIN=.Lab.Example; path=/x; Secure; HttpOnly", "a", "1", ".Lab.Example", "/x", INT64_MIN, 0, true, true},
        {"a=1; secure=no; httponly=", "a", "1", "", "", INT64_MIN, 0, true, true},
        {"a=1; Max-Age=60", "a", "1", "", "", INT64_MIN, 60},
        {"a=1; Max-Age=+60", "a", "1", "", "", INT64_MIN, 60},
        {"a=1; Max-Age=0", "a", "1", "", "", INT64_MIN, -1},
        {"a=1; Max-Age=-5", "a", "1", "", "", INT64_MIN, -1},
        {"a=1; Max-Age=060", "a", "1", "", "", INT64_MIN, 0},
        {"a=1; Max-Age=x", "a", "1", "", "", INT64_MIN, 0},
        {"a=1; Expires=Wed, 23-Nov-2011 01:05:03 GMT", "a", "1", "", "", 1322010303, 0},
        {"a=1; expires=Wed, 23 Nov 2011 01:05:03 GMT", "a", "1", "", "", 1322010303, 0},
        {"a=1; expires=Wed, 23-Nov-11 01:05:03 GMT", "a", "1", "", "", INT64_MIN, 0},
        {"a=1; SameSite=Lax", "a", "1", "", "", INT64_MIN, 0, .same_site = COOKIE_SAME_SITE_LAX},
        {"a=1; samesite=STRICT", "a", "1", "", "", INT64_MIN, 0, .same_site = COOKIE_SAME_SITE_STRICT},
        {"a=1; SameSite=None", "a", "1", "", "", INT64_MIN, 0, .same_site = COOKIE_SAME_SITE_NONE},
        {"a=1; SameSite=other", "a", "1", "", "", INT64_MIN, 0},
        {"a=1;; ;Path=/;", "a", "1", "", "/", INT64_MIN, 0},
        {"a=1; Path=\"/x\"", "a", "1", "", "", INT64_MIN, 0},
        {"a=1; Path=/x; Path=/y", "a", "1", "", "/y", INT64_MIN, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cookie *c;
        if (!cookie_parse(rows[i].header, strlen(rows[i].header), &c))
            fail_msg("refused: %s", rows[i].header);
        assert_string_equal(c->name, rows[i].name);
        assert_string_equal(c->value, rows[i].value);
        assert_string_equal(c->domain, rows[i].domain);
        assert_string_equal(c->path, rows[i].path);
        assert_true(c->expires_wall_s == rows[i].expires);
        assert_int_equal(c->max_age_s, rows[i].max_age);
        assert_int_equal(c->secure, rows[i].secure);
        assert_int_equal(c->http_only, rows[i].http_only);
        assert_int_equal(c->quoted, rows[i].quoted);
        assert_int_equal(c->same_site, rows[i].same_site);
        cookie_free(c);
    }
}

static void ignores_headers_that_go_ignores(void **state)
{
    static const char *const rows[] = {"",     "a",      "=1",        "a b=1",       "a\x01=1",   "a=b\"c",
                                       "a=\\", ";a=1",   "a=\x7f",    "a=\xc3\xa9", "a=\"b\"c\"", "a,b=1",
                                       "  ",   "; a=1"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cookie *c;
        if (cookie_parse(rows[i], strlen(rows[i]), &c))
            fail_msg("accepted: %s", rows[i]);
    }
}

static void reads_dates_as_go_does(void **state)
{
    static const struct {
        const char *date;
        int64_t wall_s; /* -1: none */
    } rows[] = {
        {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
        {"thu, 01 jan 1970 00:00:01 GMT", 1},
        {"Mon, 01 Jan 1970 00:00:01 UTC", 1}, /* the weekday is not checked */
        {"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
        {"Thu, 29-Feb-2024 12:00:00 GMT", 1709208000},
        {"Thu, 29 Feb 2024 12:00:00.5 GMT", 1709208000},
        {"Thu, 29 Feb 2024 12:00:00 GMT+2", 1709200800},
        {"Thu, 29 Feb 2024 12:00:00 PST", 1709208000},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Thu, 29 Feb 2023 12:00:00 GMT", -1},
        {"Thu, 1 Jan 1970 00:00:01 GMT", -1},
        {"Thu, 01 Jan 70 00:00:01 GMT", -1},
        {"Thu, 01 Jan 1970 24:00:01 GMT", -1},
        {"Thu, 01 Jan 1970 00:00:01", -1},
        {"Thu, 01 Jan-1970 00:00:01 GMT", -1},
        {"Thursday, 01-Jan-70 00:00:01 GMT", -1},
        {"Thu Jan  1 00:00:01 1970", -1},
        {"Thu, 01 Jan 1970 00:00:01 gmt", -1},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t wall_s = -1;
        bool ok = cookie_date_parse(text_of(rows[i].date), &wall_s);
        if (ok != (rows[i].wall_s != -1) || (ok && wall_s != rows[i].wall_s))
            fail_msg("%s: %lld", rows[i].date, (long long)wall_s);
    }
}

/* Each row is a story: what is set from where, and what a request to url then carries. */
struct step {
    const char *from, *header;
};

static void carries_cookies_by_rfc_6265(void **state)
{
    static const struct {
        const char *story;
        struct step steps[4];
        const char *url, *cookies;
        int64_t later_s;
    } rows[] = {
        {"a host's own", {{"http://lab.example/", "a=1"}}, "http://lab.example/x", "a=1"},
        {"not for subdomains", {{"http://lab.example/", "a=1"}}, "http://www.lab.example/", ""},
        {"a domain's", {{"http://www.lab.example/", "a=1; Domain=lab.example"}}, "http://api.lab.example/", "a=1"},
        {"a leading dot is nothing", {{"http://www.lab.example/", "a=1; Domain=.LAB.example"}}, "http://lab.example/", "a=1"},
        {"not another's domain", {{"http://lab.example/", "a=1; Domain=other.example"}}, "http://other.example/", ""},
        {"not a narrower one", {{"http://lab.example/", "a=1; Domain=www.lab.example"}}, "http://www.lab.example/", ""},
        {"no suffix without a dot", {{"http://badlab.example/", "a=1; Domain=lab.example"}}, "http://badlab.example/", ""},
        {"a top-level domain stays with its site", {{"http://lab.example/", "a=1; Domain=example"}}, "http://other.example/", ""},
        {"and reaches the site", {{"http://lab.example/", "a=1; Domain=example"}}, "http://www.lab.example/", "a=1"},
        {"an empty domain after the dot", {{"http://lab.example/", "a=1; Domain=."}}, "http://lab.example/", ""},
        {"a dot at the domain's end", {{"http://lab.example/", "a=1; Domain=lab.example."}}, "http://lab.example/", ""},
        {"a dot at the host's end", {{"http://lab.example./", "a=1"}}, "http://lab.example/", "a=1"},
        {"ports do not matter", {{"http://lab.example:81/", "a=1"}}, "http://lab.example:82/", "a=1"},
        {"case of hosts", {{"http://LAB.example/", "a=1"}}, "http://lab.EXAMPLE/", "a=1"},
        {"an address", {{"http://127.0.0.1/", "a=1"}}, "http://127.0.0.1/", "a=1"},
        {"an address as domain", {{"http://127.0.0.1/", "a=1; Domain=127.0.0.1"}}, "http://127.0.0.1/", "a=1"},
        {"an address's tail", {{"http://127.0.0.1/", "a=1; Domain=0.0.1"}}, "http://127.0.0.1/", ""},
        {"IPv6", {{"http://[::1]/", "a=1"}}, "http://[::1]:81/", "a=1"},
        {"the default path", {{"http://lab/a/b/c", "a=1"}}, "http://lab/a/b/d", "a=1"},
        {"the default path is no prefix of names", {{"http://lab/a/b/c", "a=1"}}, "http://lab/a/bc", ""},
        {"a path", {{"http://lab/", "a=1; Path=/x"}}, "http://lab/x/y", "a=1"},
        {"a path itself", {{"http://lab/", "a=1; Path=/x"}}, "http://lab/x?q", "a=1"},
        {"a path with a slash", {{"http://lab/", "a=1; Path=/x/"}}, "http://lab/x", ""},
        {"a path that is none", {{"http://lab/d/e", "a=1; Path=x"}}, "http://lab/d", "a=1"},
        {"secure", {{"https://lab/", "a=1; Secure"}}, "http://lab/", ""},
        {"secure over TLS", {{"https://lab/", "a=1; Secure"}}, "https://lab/", "a=1"},
        {"set in the clear", {{"http://lab/", "a=1; Secure"}}, "https://lab/", "a=1"},
        {"a newer value", {{"http://lab/", "a=1"}, {"http://lab/", "a=2"}}, "http://lab/", "a=2"},
        {"longer paths first, then older", {{"http://lab/", "a=1"}, {"http://lab/", "b=2; Path=/x"}, {"http://lab/", "c=3; Path=/x"}, {"http://lab/", "d=4"}}, "http://lab/x", "b=2; c=3; a=1; d=4"},
        {"a new value keeps its place", {{"http://lab/", "a=1"}, {"http://lab/", "b=2"}, {"http://lab/", "a=3"}}, "http://lab/", "a=3; b=2"},
        {"gone by Max-Age=0", {{"http://lab/", "a=1"}, {"http://lab/", "a=; Max-Age=0"}}, "http://lab/", ""},
        {"gone by Expires", {{"http://lab/", "a=1"}, {"http://lab/", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}}, "http://lab/", ""},
        {"a date that is none makes a session cookie", {{"http://lab/", "a=1; Expires=never"}}, "http://lab/", "a=1", 1000000000},
        {"Max-Age goes before Expires", {{"http://lab/", "a=1; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}}, "http://lab/", "a=1"},
        {"before it expires", {{"http://lab/", "a=1; Max-Age=10"}}, "http://lab/", "a=1", 9},
        {"when it expires", {{"http://lab/", "a=1; Max-Age=10"}}, "http://lab/", "", 10},
        {"Max-Age without bounds", {{"http://lab/", "a=1; Max-Age=9223372036854775807"}}, "http://lab/", "a=1"},
        {"quotes return", {{"http://lab/", "a=\"1\""}}, "http://lab/", "a=\"1\""},
        {"quotes around spaces", {{"http://lab/", "a=1 2"}, {"http://lab/", "b=1,2"}}, "http://lab/", "a=\"1 2\"; b=\"1,2\""},
    };
    struct url_table *t = url_table_new(0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cookie_jar *jar = cookie_jar_new();
        for (size_t s = 0; s < 4 && rows[i].steps[s].from; s++) {
            struct cookie *c;
            const char *from = rows[i].steps[s].from, *header = rows[i].steps[s].header;
            const struct http_url *url = url_table_get(t, from, strlen(from), NULL);
            assert_true(cookie_parse(header, strlen(header), &c));
            cookie_jar_set(jar, url, c, NOW);
            cookie_free(c);
            http_url_unref(url);
        }
        struct buf header = {0};
        const struct http_url *url = url_table_get(t, rows[i].url, strlen(rows[i].url), NULL);
        cookie_jar_add_to_header(jar, url, NOW + rows[i].later_s, NULL, NULL, &header);
        if (strcmp(header.data ? header.data : "", rows[i].cookies) != 0)
            fail_msg("%s: %s instead of %s", rows[i].story, header.data, rows[i].cookies);
        buf_free(&header);
        http_url_unref(url);
        cookie_jar_free(jar);
    }
    url_table_free(t);
}

static void collect(void *arg, const char *name, const char *value)
{
    buf_printf(arg, "[%s=%s]", name, value);
}

static bool is_b(void *arg, const char *name)
{
    return strcmp(name, "b") == 0;
}

static void clears_deletes_and_skips(void **state)
{
    struct url_table *t = url_table_new(0);
    struct cookie_jar *jar = cookie_jar_new();
    assert_true(cookie_jar_is_empty(jar));
    const struct http_url *root = url_table_get(t, "http://lab", 10, NULL);
    const struct http_url *deep = url_table_get(t, "http://lab/cookies", 18, NULL);
    struct cookie a = {"a", "1", "", "/", INT64_MIN}, b = {"b", "two", "", "/", INT64_MIN};
    struct cookie d = {"d", "jarred", "", "/cookies", INT64_MIN};
    cookie_jar_set(jar, root, &a, NOW);
    cookie_jar_set(jar, root, &b, NOW);
    cookie_jar_set(jar, root, &d, NOW);
    struct buf seen = {0};
    cookie_jar_add_to_header(jar, deep, NOW, is_b, NULL, &seen);
    assert_string_equal(seen.data, "d=jarred; a=1");
    buf_clear(&seen);
    cookie_jar_delete(jar, root, "a");
    cookie_jar_each(jar, deep, NOW, collect, &seen);
    assert_string_equal(seen.data, "[d=jarred][b=two]");
    buf_clear(&seen);
    cookie_jar_clear(jar, root); /* leaves what the root would not be sent */
    cookie_jar_each(jar, deep, NOW, collect, &seen);
    assert_string_equal(seen.data, "[d=jarred]");
    cookie_jar_clear_all(jar);
    assert_true(cookie_jar_is_empty(jar));
    buf_free(&seen);
    cookie_jar_free(jar);
    http_url_unref(root);
    http_url_unref(deep);
    url_table_free(t);
}

static void drops_bytes_that_no_cookie_may_hold(void **state)
{
    struct buf b = {0};
    cookie_add_to_header(&b, "na\nme", "a\x01\"b;\\c\xc3\xa9", false);
    cookie_add_to_header(&b, "empty", "", true);
    assert_string_equal(b.data, "na-me=abc; empty=");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_set_cookie_as_go_does), cmocka_unit_test(ignores_headers_that_go_ignores),
        cmocka_unit_test(reads_dates_as_go_does),      cmocka_unit_test(carries_cookies_by_rfc_6265),
        cmocka_unit_test(clears_deletes_and_skips),    cmocka_unit_test(drops_bytes_that_no_cookie_may_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
