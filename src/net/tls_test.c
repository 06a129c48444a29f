/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/ocsp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "net/test_peer.h"

static const struct net_host hosts[] = {{"a.test", "127.0.0.1", 0}, {"b.test", "127.0.0.1", 0}};

struct bench {
    struct loop *loop;
    struct net *net;
    struct net_options options;
    struct peer peer;
    struct seen seen;
    int ca_fd;
    char ca_file[64];
};

/* A TLS server for a.test and 127.0.0.1 and a client that knows its certificate. */
static struct bench *bench_new(const char *server_alpn)
{
    struct bench *b = mem_zalloc(sizeof(*b));
    b->loop = loop_new(NULL);
    b->ca_fd = nameless_file(b->ca_file);
    peer_start(&b->peer, b->loop, PEER_ECHO);
    peer_use_tls(&b->peer, "DNS:a.test,DNS:*.a.test,IP:127.0.0.1", b->ca_file, server_alpn);
    b->options = (struct net_options){.hosts = hosts, .host_count = 2, .ca_file = b->ca_file};
    return b;
}

static void bench_net(struct bench *b)
{
    struct error err = {0};
    b->net = net_new(b->loop, &b->options, &err);
    assert_null(err.text);
    assert_non_null(b->net);
}

static void bench_free(struct bench *b)
{
    net_free(b->net);
    peer_stop(&b->peer);
    loop_free(b->loop);
    seen_free(&b->seen);
    close(b->ca_fd);
    mem_free(b);
}

static void bench_open(struct bench *b, const char *host, const char *alpn)
{
    struct conn_target target = {.host = host, .port = b->peer.port, .tls = true, .alpn = alpn};
    seen_free(&b->seen);
    b->seen = (struct seen){.close_in = b->seen.close_in};
    b->seen.conn = conn_open(b->net, &target, &seen_handler, &b->seen);
}

static void expect_failure(struct bench *b, const char *host, int code, const char *text)
{
    bench_open(b, host, NULL);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_string_equal(b->seen.text, text);
    assert_int_equal(b->seen.code, code);
    assert_int_equal(b->seen.opened, 0);
}

static void a_trusted_server_is_talked_to_and_says_what_was_agreed(void **state)
{
    struct bench *b = bench_new("h2");
    struct conn_counter counter = {0};
    bench_net(b);
    bench_open(b, "a.test", "h2,http/1.1");
    conn_set_counter(b->seen.conn, &counter);
    turn_until(b->loop, &b->seen.opened, 1);
    assert_string_equal(conn_alpn(b->seen.conn), "h2");
    assert_string_equal(conn_tls_version(b->seen.conn), "tls1.3");
    assert_string_equal(conn_tls_cipher(b->seen.conn), "TLS_AES_256_GCM_SHA384");
    struct conn_times t = conn_times(b->seen.conn);
    assert_true(t.tls_started_ns >= t.connected_ns && t.tls_done_ns > t.tls_started_ns);
    assert_true(conn_write(b->seen.conn, "secret", 6));
    assert_true(conn_written_ns(b->seen.conn) >= t.tls_done_ns);
    turn_until(b->loop, &b->seen.data, 1);
    assert_int_equal(b->seen.bytes.len, 6);
    assert_memory_equal(b->seen.bytes.data, "secret", 6);
    assert_true(b->seen.received_ns <= b->seen.read_ns && b->seen.received_ns > t.started_ns);
    assert_true(counter.sent_bytes > 200 && counter.received_bytes > 500); /* the wire, not the text */
    assert_null(conn_ocsp(b->seen.conn).status);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void an_ip_address_is_checked_against_the_certificate(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    bench_open(b, "127.0.0.1", "h2,http/1.1");
    turn_until(b->loop, &b->seen.opened, 1);
    assert_string_equal(conn_alpn(b->seen.conn), "");
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void an_unknown_authority_is_1310_and_another_name_1311(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    expect_failure(b, "b.test", 1311, "x509: certificate is valid for a.test, *.a.test, not b.test");
    net_free(b->net);
    b->options.ca_file = NULL;
    bench_net(b);
    expect_failure(b, "a.test", 1310, "x509: certificate signed by unknown authority");
    expect_failure(b, "b.test", 1311, "x509: certificate is valid for a.test, *.a.test, not b.test");
    net_free(b->net);
    b->options.insecure_skip_tls_verify = true;
    bench_net(b);
    bench_open(b, "b.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void a_server_without_tls_is_1301_and_one_that_resets_1220(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    b->peer.mode = PEER_TEXT_AT_ONCE;
    expect_failure(b, "a.test", 1301, "tls: first record does not look like a TLS handshake");
    b->peer.mode = PEER_RESET_AT_ONCE;
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_int_equal(b->seen.code, 1220);
    bench_free(b);
    (void)state;
}

static void versions_that_do_not_meet_are_1300(void **state)
{
    struct bench *b = bench_new(NULL);
    SSL_CTX_set_min_proto_version(b->peer.ctx, TLS1_3_VERSION);
    b->options.tls_max = "tls1.2";
    bench_net(b);
    expect_failure(b, "a.test", 1300, "remote error: tls: protocol version");
    bench_free(b);
    (void)state;
}

static void configured_versions_and_suites_are_used(void **state)
{
    static const char *const suites[] = {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"};
    struct bench *b = bench_new(NULL);
    b->options.tls_max = "tls1.2";
    b->options.tls_ciphers = suites;
    b->options.tls_cipher_count = 1;
    bench_net(b);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    assert_string_equal(conn_tls_version(b->seen.conn), "tls1.2");
    assert_string_equal(conn_tls_cipher(b->seen.conn), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void expect_invalid(const struct net_options *options, const char *text)
{
    struct loop *loop = loop_new(NULL);
    struct error err = {0};
    assert_null(net_new(loop, options, &err));
    assert_int_equal(err.code, EXIT_INVALID_CONFIG);
    assert_non_null(strstr(err.text, text));
    error_clear(&err);
    loop_free(loop);
}

static void bad_options_are_told_before_the_run(void **state)
{
    static const char *const suites[] = {"TLS_X"}, *const cidrs[] = {"10.0.0.0"};
    static const struct net_tls_auth auth = {.cert_pem = "no", .key_pem = "no"};
    expect_invalid(&(struct net_options){.tls_ciphers = suites, .tls_cipher_count = 1}, "unknown cipher suite 'TLS_X'");
    expect_invalid(&(struct net_options){.tls_min = "ssl3"}, "unknown TLS version 'ssl3'");
    expect_invalid(&(struct net_options){.tls_min = "tls1.3", .tls_max = "tls1.2"}, "above the greatest");
    expect_invalid(&(struct net_options){.blacklist_ips = cidrs, .blacklist_ip_count = 1}, "invalid CIDR '10.0.0.0'");
    expect_invalid(&(struct net_options){.local_ips = "1.2.3.4,x"}, "invalid local IP 'x'");
    expect_invalid(&(struct net_options){.tls_auth = &auth, .tls_auth_count = 1}, "tlsAuth[0]");
    expect_invalid(&(struct net_options){.ca_file = "/nowhere"}, "/nowhere");
    (void)state;
}

static void a_second_connection_resumes_the_session(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    for (int i = 0; i < 2; i++) {
        bench_open(b, "a.test", NULL);
        turn_until(b->loop, &b->seen.opened, 1);
        conn_write(b->seen.conn, "x", 1);
        turn_until(b->loop, &b->seen.data, 1); /* the tickets came before it */
        conn_close(b->seen.conn);
    }
    assert_int_equal(b->peer.resumed, 1);
    bench_free(b);
    (void)state;
}

static void keys_are_logged(void **state)
{
    struct bench *b = bench_new(NULL);
    char path[64], line[256] = "";
    int fd = nameless_file(path);
    b->options.key_log_file = path;
    bench_net(b);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    assert_non_null(strstr(line, "_SECRET "));
    conn_close(b->seen.conn);
    close(fd);
    bench_free(b);
    (void)state;
}

static void a_large_body_comes_through_whole_also_past_a_pause(void **state)
{
    struct bench *b = bench_new(NULL);
    size_t size = (size_t)3 << 20;
    char *bytes = mem_alloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 >> 2);
    bench_net(b);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    assert_true(conn_write(b->seen.conn, bytes, size));
    turn_until(b->loop, &b->seen.data, 1);
    conn_pause(b->seen.conn, true);
    int before = b->seen.data;
    turn_some(b->loop);
    assert_int_equal(b->seen.data, before);
    conn_pause(b->seen.conn, false);
    while (b->seen.bytes.len < size)
        turn_until(b->loop, &b->seen.data, b->seen.data + 1);
    assert_int_equal(b->seen.bytes.len, size);
    assert_memory_equal(b->seen.bytes.data, bytes, size);
    conn_close(b->seen.conn);
    mem_free(bytes);
    bench_free(b);
    (void)state;
}

static void a_conn_paused_from_the_start_shakes_hands_and_then_holds_back(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    bench_open(b, "a.test", NULL);
    conn_pause(b->seen.conn, true);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    while (!b->peer.got)
        loop_turn(b->loop, clock_mono_ns() + NS_PER_MS);
    turn_some(b->loop);
    assert_int_equal(b->seen.data, 0);
    conn_pause(b->seen.conn, false);
    turn_until(b->loop, &b->seen.data, 1);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void an_orderly_end_of_tls_has_code_0(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    b->peer.mode = PEER_CLOSE;
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_int_equal(b->seen.code, 0);
    bench_free(b);
    (void)state;
}

static void closing_inside_the_callbacks_of_tls_is_safe(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    b->seen.close_in = 'o';
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    turn_some(b->loop);
    b->seen.close_in = 'd';
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.data, 1);
    turn_some(b->loop);
    assert_int_equal(b->seen.closed, 0);
    b->seen.close_in = 'c';
    expect_failure(b, "b.test", 1311, "x509: certificate is valid for a.test, *.a.test, not b.test");
    bench_free(b);
    (void)state;
}

static void tls_starts_on_a_plain_conn_through_a_proxy(void **state)
{
    struct bench *b = bench_new(NULL);
    bench_net(b);
    struct conn_target target = {.host = "a.test", .port = 443, .tls = true, .proxy_host = "127.0.0.1", .proxy_port = b->peer.port};
    b->seen.conn = conn_open(b->net, &target, &seen_handler, &b->seen);
    turn_until(b->loop, &b->seen.opened, 1);
    assert_string_equal(conn_tls_version(b->seen.conn), "");
    conn_start_tls(b->seen.conn, NULL);
    turn_until(b->loop, &b->seen.opened, 2);
    assert_string_equal(conn_tls_version(b->seen.conn), "tls1.3");
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static struct conn_ocsp staple_of(int status, int reason)
{
    struct bench *b = bench_new(NULL);
    b->options.collect_ocsp = true;
    peer_staple(&b->peer, status, reason);
    bench_net(b);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    struct conn_ocsp ocsp = conn_ocsp(b->seen.conn);
    conn_close(b->seen.conn);
    bench_free(b);
    assert_int_equal(ocsp.this_update, 1700000000);
    assert_int_equal(ocsp.next_update, 1800000000);
    assert_true(ocsp.produced_at > 1700000000);
    return ocsp;
}

static void a_stapled_ocsp_answer_is_read(void **state)
{
    struct conn_ocsp ocsp = staple_of(V_OCSP_CERTSTATUS_GOOD, 0);
    assert_string_equal(ocsp.status, "good");
    assert_null(ocsp.revocation_reason);
    ocsp = staple_of(V_OCSP_CERTSTATUS_REVOKED, OCSP_REVOKED_STATUS_KEYCOMPROMISE);
    assert_string_equal(ocsp.status, "revoked");
    assert_string_equal(ocsp.revocation_reason, "key_compromise");
    assert_int_equal(ocsp.revoked_at, 1700000000);
    assert_string_equal(staple_of(V_OCSP_CERTSTATUS_UNKNOWN, 0).status, "unknown");
    (void)state;
}

static char *read_whole(const char *path)
{
    char text[8192];
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    return mem_strndup(text, len);
}

static void a_client_certificate_goes_to_its_domains_only(void **state)
{
    struct bench *b = bench_new(NULL);
    char key_file[64];
    int key_fd = nameless_file(key_file);
    peer_write_key(&b->peer, key_file);
    char *cert = read_whole(b->ca_file), *key = read_whole(key_file);
    const char *const domains[] = {"*.a.test"};
    struct net_tls_auth auth = {.cert_pem = cert, .key_pem = key, .domains = domains, .domain_count = 1};
    const struct net_host both[] = {{"a.test", "127.0.0.1", 0}, {"x.a.test", "127.0.0.1", 0}};
    b->options.hosts = both;
    b->options.tls_auth = &auth;
    b->options.tls_auth_count = 1;
    peer_ask_for_cert(&b->peer);
    bench_net(b);
    bench_open(b, "x.a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.data, 1);
    assert_int_equal(b->peer.certs, 1);
    conn_close(b->seen.conn);
    bench_open(b, "a.test", NULL);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.data, 1);
    assert_int_equal(b->peer.certs, 1);
    conn_close(b->seen.conn);
    close(key_fd);
    bench_free(b);
    mem_free(cert);
    mem_free(key);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_server_is_talked_to_and_says_what_was_agreed),
        cmocka_unit_test(an_ip_address_is_checked_against_the_certificate),
        cmocka_unit_test(an_unknown_authority_is_1310_and_another_name_1311),
        cmocka_unit_test(a_server_without_tls_is_1301_and_one_that_resets_1220),
        cmocka_unit_test(versions_that_do_not_meet_are_1300),
        cmocka_unit_test(configured_versions_and_suites_are_used),
        cmocka_unit_test(bad_options_are_told_before_the_run),
        cmocka_unit_test(a_second_connection_resumes_the_session),
        cmocka_unit_test(keys_are_logged),
        cmocka_unit_test(a_large_body_comes_through_whole_also_past_a_pause),
        cmocka_unit_test(a_conn_paused_from_the_start_shakes_hands_and_then_holds_back),
        cmocka_unit_test(an_orderly_end_of_tls_has_code_0),
        cmocka_unit_test(closing_inside_the_callbacks_of_tls_is_safe),
        cmocka_unit_test(tls_starts_on_a_plain_conn_through_a_proxy),
        cmocka_unit_test(a_stapled_ocsp_answer_is_read),
        cmocka_unit_test(a_client_certificate_goes_to_its_domains_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
