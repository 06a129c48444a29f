/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "net/net_private.h"

static const char *hosts_answer(const struct net_options *options, const char *host, uint16_t port)
{
    const struct net_host *row = rules_host(options, host, port);
    return row ? row->address : "none";
}

static void the_most_specific_row_of_hosts_wins(void **state)
{
    static const struct net_host rows[] = {{"*.test", "1", 0}, {"*.b.test", "2", 0}, {"a.b.test", "3", 0},
        {"a.b.test:8080", "4", 0}, {"*.b.test:9", "5", 0}, {"::1", "6", 0}};
    struct net_options options = {.hosts = rows, .host_count = 6};
    assert_string_equal(hosts_answer(&options, "x.test", 80), "1");
    assert_string_equal(hosts_answer(&options, "x.b.test", 80), "2");
    assert_string_equal(hosts_answer(&options, "x.b.test", 9), "5");
    assert_string_equal(hosts_answer(&options, "a.b.test", 80), "3");
    assert_string_equal(hosts_answer(&options, "A.b.test", 8080), "4");
    assert_string_equal(hosts_answer(&options, "::1", 1), "6");
    assert_string_equal(hosts_answer(&options, "test", 80), "none");
}

static void blocked_names_are_exact_or_wildcards_in_any_case(void **state)
{
    static const char *const patterns[] = {"one.test", "*.two.test", "*.deep.two.test"};
    struct net_options options = {.block_hostnames = patterns, .block_hostname_count = 3};
    assert_string_equal(rules_blocked(&options, "ONE.test"), "one.test");
    assert_string_equal(rules_blocked(&options, "a.two.test"), "*.two.test");
    assert_string_equal(rules_blocked(&options, "a.deep.two.test"), "*.deep.two.test");
    assert_null(rules_blocked(&options, "two.test"));
    assert_null(rules_blocked(&options, "x.one.test"));
}

static bool is_blacklisted(const struct rules *rules, const char *text)
{
    struct ip ip;
    assert_true(ip_parse(text, &ip));
    return rules_blacklisted(rules, &ip) != NULL;
}

static void blacklisted_ranges_hold_their_addresses(void **state)
{
    static const char *const cidrs[] = {"10.1.2.3/20", "fd00::/9", "192.168.0.1/32"};
    struct net_options options = {.blacklist_ips = cidrs, .blacklist_ip_count = 3};
    struct rules rules;
    assert_true(rules_init(&rules, &options, NULL));
    assert_true(is_blacklisted(&rules, "10.1.0.0") && is_blacklisted(&rules, "10.1.15.255"));
    assert_false(is_blacklisted(&rules, "10.1.16.0") || is_blacklisted(&rules, "10.0.255.255"));
    assert_true(is_blacklisted(&rules, "::ffff:10.1.2.3"));
    assert_true(is_blacklisted(&rules, "fd7f::1"));
    assert_false(is_blacklisted(&rules, "fd80::1"));
    assert_true(is_blacklisted(&rules, "192.168.0.1"));
    assert_false(is_blacklisted(&rules, "192.168.0.0"));
    rules_free(&rules);
}

static void expect_local(const char *list, unsigned index, const char *want)
{
    struct net_options options = {.local_ips = list};
    struct rules rules;
    struct ip ip;
    char text[INET6_ADDRSTRLEN];
    assert_true(rules_init(&rules, &options, NULL));
    assert_true(rules_local_ip(&rules, index, &ip));
    ip_format(&ip, text);
    assert_string_equal(text, want);
    rules_free(&rules);
}

static void local_addresses_are_counted_through_the_list(void **state)
{
    const char *list = "10.0.0.1, 10.0.0.254-10.0.1.1, 10.9.0.0/30, 10.8.0.2/31";
    static const char *const want[] = {"10.0.0.1", "10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1",
        "10.9.0.1", "10.9.0.2", "10.8.0.2", "10.8.0.3", "10.0.0.1"};
    for (unsigned i = 0; i < 10; i++)
        expect_local(list, i, want[i]);
    expect_local("fd00::/64", 256, "fd00::100");
    expect_local("::-ffff::", 0, "::");
}

static void bad_lists_of_local_addresses_are_refused(void **state)
{
    static const char *const bad[] = {"x", "1.2.3.4-1.2.3.3", "1.2.3.4-::1", "1.2.3.4/33", "1.2.3.4,,1.2.3.5", "1.2.3.4-"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct net_options options = {.local_ips = bad[i]};
        struct rules rules;
        struct error err = {0};
        assert_false(rules_init(&rules, &options, &err));
        assert_non_null(strstr(err.text, "invalid local IP"));
        error_clear(&err);
        rules_free(&rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_row_of_hosts_wins),
        cmocka_unit_test(blocked_names_are_exact_or_wildcards_in_any_case),
        cmocka_unit_test(blacklisted_ranges_hold_their_addresses),
        cmocka_unit_test(local_addresses_are_counted_through_the_list),
        cmocka_unit_test(bad_lists_of_local_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
