/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "net/test_peer.h"

struct bench {
    struct loop *loop;
    struct net *net;
    struct net_options options;
    struct peer peer;
    struct seen seen;
};

static struct bench *bench_new(enum peer_mode mode)
{
    struct bench *b = mem_zalloc(sizeof(*b));
    b->loop = loop_new(NULL);
    b->net = net_new(b->loop, &b->options, NULL);
    assert_non_null(b->net);
    peer_start(&b->peer, b->loop, mode);
    return b;
}

static void bench_open(struct bench *b)
{
    struct conn_target target = {.host = "127.0.0.1", .port = b->peer.port};
    b->seen.conn = conn_open(b->net, &target, &seen_handler, &b->seen);
}

static void bench_free(struct bench *b)
{
    net_free(b->net);
    peer_stop(&b->peer);
    loop_free(b->loop);
    seen_free(&b->seen);
    mem_free(b);
}

static void an_open_conn_exchanges_bytes_and_knows_its_times(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    struct conn_counter counter = {0};
    bench_open(b);
    conn_set_counter(b->seen.conn, &counter);
    assert_int_equal(b->seen.opened, 0); /* not before conn_open has returned */
    turn_until(b->loop, &b->seen.opened, 1);
    assert_true(conn_write(b->seen.conn, "hello", 5));
    int64_t written_ns = conn_written_ns(b->seen.conn);
    turn_until(b->loop, &b->seen.data, 1);
    assert_int_equal(b->seen.bytes.len, 5);
    assert_memory_equal(b->seen.bytes.data, "hello", 5);
    struct conn_times t = conn_times(b->seen.conn);
    assert_true(t.started_ns > 0 && t.connect_started_ns >= t.started_ns && t.connected_ns >= t.connect_started_ns);
    assert_true(t.resolved_ns == 0 && t.tls_started_ns == 0);
    assert_true(written_ns >= t.connected_ns && b->seen.read_ns >= written_ns);
    assert_true(b->seen.received_ns <= b->seen.read_ns && b->seen.received_ns > t.started_ns);
    assert_int_equal(counter.sent_bytes, 5);
    assert_int_equal(counter.received_bytes, 5);
    char address[64];
    assert_int_equal(conn_remote(b->seen.conn, address, sizeof(address)), b->peer.port);
    assert_string_equal(address, "127.0.0.1");
    assert_string_equal(conn_tls_version(b->seen.conn), "");
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void the_kernel_says_when_bytes_came_even_if_they_are_read_late(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    turn_until(b->loop, &b->peer.count, 1);
    int64_t late_ns = 0;
    for (int i = 0; i < 100 && late_ns < 4 * NS_PER_MS; i++) { /* the first stamp of a system may be missing */
        int64_t sent_ns = clock_mono_ns();
        peer_say(&b->peer, "x");
        while (clock_mono_ns() < sent_ns + 5 * NS_PER_MS)
            ;
        turn_until(b->loop, &b->seen.data, b->seen.data + 1);
        late_ns = b->seen.read_ns - b->seen.received_ns;
        assert_true(b->seen.received_ns > sent_ns - NS_PER_MS);
    }
    assert_true(late_ns >= 4 * NS_PER_MS);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void expect_failure(struct bench *b, const struct conn_target *target, int code, const char *text)
{
    b->seen = (struct seen){0};
    conn_open(b->net, target, &seen_handler, &b->seen);
    assert_int_equal(b->seen.closed, 0);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_int_equal(b->seen.opened, 0);
    assert_string_equal(b->seen.text, text);
    assert_int_equal(b->seen.code, code);
}

static void a_port_without_listener_refuses(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    struct conn_target target = {.host = "127.0.0.1", .port = peer_unused_port()};
    expect_failure(b, &target, 1212, "dial: connection refused");
    bench_free(b);
    (void)state;
}

static void a_deadline_ends_dialling_and_the_handshake(void **state)
{
    struct bench *b = bench_new(PEER_SILENT);
    struct conn_target target = {.host = "127.0.0.1", .port = b->peer.port, .tls = true};
    target.deadline_ns = clock_mono_ns() + 20 * NS_PER_MS;
    expect_failure(b, &target, 1211, "dial: i/o timeout");
    assert_int_equal(b->peer.count, 1);
    bench_free(b);
    (void)state;
}

static void the_peers_end_comes_with_code_0_and_its_reset_with_1220(void **state)
{
    struct bench *b = bench_new(PEER_CLOSE);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_int_equal(b->seen.code, 0);
    bench_free(b);
    b = bench_new(PEER_RESET);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_write(b->seen.conn, "x", 1);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_int_equal(b->seen.code, 1220);
    assert_string_equal(b->seen.text, "read: connection reset by peer");
    turn_some(b->loop);
    assert_int_equal(b->seen.closed, 1);
    bench_free(b);
    (void)state;
}

static void a_write_to_a_dead_peer_fails_and_closed_follows_from_the_loop(void **state)
{
    struct bench *b = bench_new(PEER_SILENT);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    turn_until(b->loop, &b->peer.count, 1);
    b->peer.mode = PEER_RESET;
    peer_stop(&b->peer); /* bytes were not read: a reset */
    assert_true(b->seen.closed == 0);
    bool ok = true;
    for (int i = 0; i < 100 && ok; i++)
        ok = conn_write(b->seen.conn, "x", 1);
    assert_false(ok);
    assert_int_equal(b->seen.closed, 0);
    turn_until(b->loop, &b->seen.closed, 1);
    assert_true(b->seen.code == 1220 || b->seen.code == 1201);
    peer_start(&b->peer, b->loop, PEER_ECHO);
    bench_free(b);
    (void)state;
}

static void what_does_not_fit_is_kept_and_drained_is_told(void **state)
{
    struct bench *b = bench_new(PEER_SILENT);
    size_t size = (size_t)16 << 20;
    char *bytes = mem_alloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 31 >> 3);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    turn_until(b->loop, &b->peer.count, 1);
    assert_true(conn_write(b->seen.conn, bytes, size));
    assert_true(conn_write(b->seen.conn, "end", 3));
    assert_int_equal(conn_written_ns(b->seen.conn), 0);
    turn_some(b->loop);
    assert_int_equal(b->seen.drained, 0);
    b->peer.mode = PEER_ECHO;
    watch_change(b->loop, &b->peer.conns[0].watch, EPOLLIN);
    turn_until(b->loop, &b->seen.drained, 1);
    assert_true(conn_written_ns(b->seen.conn) > 0);
    while (b->seen.bytes.len < size + 3)
        turn_until(b->loop, &b->seen.data, b->seen.data + 1);
    assert_memory_equal(b->seen.bytes.data, bytes, size);
    assert_memory_equal(b->seen.bytes.data + size, "end", 3);
    assert_int_equal(b->seen.drained, 1);
    conn_close(b->seen.conn);
    mem_free(bytes);
    bench_free(b);
    (void)state;
}

static void a_paused_conn_delivers_nothing_until_it_goes_on(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    conn_pause(b->seen.conn, true);
    conn_write(b->seen.conn, "later", 5);
    while (b->peer.got < 5)
        loop_turn(b->loop, clock_mono_ns() + NS_PER_MS);
    turn_some(b->loop);
    assert_int_equal(b->seen.data, 0);
    conn_pause(b->seen.conn, false);
    turn_until(b->loop, &b->seen.data, 1);
    assert_int_equal(b->seen.bytes.len, 5);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void close_in(int where)
{
    struct bench *b = bench_new(where == 'r' ? PEER_SILENT : where == 'c' ? PEER_CLOSE : PEER_ECHO);
    b->seen.close_in = where;
    bench_open(b);
    turn_until(b->loop, &b->seen.opened, 1);
    if (where == 'd' || where == 'c') {
        conn_write(b->seen.conn, "x", 1);
        turn_until(b->loop, where == 'd' ? &b->seen.data : &b->seen.closed, 1);
    } else if (where == 'r') {
        char *bytes = mem_zalloc((size_t)16 << 20);
        turn_until(b->loop, &b->peer.count, 1);
        conn_write(b->seen.conn, bytes, (size_t)16 << 20);
        mem_free(bytes);
        b->peer.mode = PEER_ECHO;
        watch_change(b->loop, &b->peer.conns[0].watch, EPOLLIN);
        turn_until(b->loop, &b->seen.drained, 1);
    }
    turn_some(b->loop);
    assert_int_equal(b->seen.closed, where == 'c');
    bench_free(b);
}

static void closing_inside_any_callback_is_safe_and_the_last_word(void **state)
{
    close_in('o');
    close_in('d');
    close_in('r');
    close_in('c');
    (void)state;
}

static void closing_before_anything_happened_is_silent(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    bench_open(b);
    conn_close(b->seen.conn);
    turn_some(b->loop);
    bench_open(b); /* and net_free takes what the loop did not get round to */
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

static void the_rules_of_dialling_have_their_codes(void **state)
{
    static const char *const blocked[] = {"*.blocked.test"}, *const blacklist[] = {"127.0.0.2/31"};
    struct bench *b = bench_new(PEER_ECHO);
    struct net_host hosts[] = {{"named.test", "127.0.0.1", 0}, {"*.moved.test", "127.0.0.1", b->peer.port}, {"bad.test", "127.0.0.3", 0}};
    b->options = (struct net_options){.block_hostnames = blocked, .block_hostname_count = 1, .blacklist_ips = blacklist,
        .blacklist_ip_count = 1, .hosts = hosts, .host_count = 3};
    net_free(b->net);
    b->net = net_new(b->loop, &b->options, NULL);
    struct conn_target target = {.host = "www.blocked.test", .port = b->peer.port};
    expect_failure(b, &target, 1111, "hostname (www.blocked.test) is in a blocked pattern (*.blocked.test)");
    target.host = "127.0.0.3";
    expect_failure(b, &target, 1110, "IP (127.0.0.3) is in a blacklisted range (127.0.0.2/31)");
    target.host = "bad.test";
    expect_failure(b, &target, 1110, "IP (127.0.0.3) is in a blacklisted range (127.0.0.2/31)");
    const char *const fine[] = {"named.test", "a.moved.test"};
    for (int i = 0; i < 2; i++) {
        target = (struct conn_target){.host = fine[i], .port = i ? 1 : b->peer.port};
        b->seen = (struct seen){0};
        b->seen.conn = conn_open(b->net, &target, &seen_handler, &b->seen);
        turn_until(b->loop, &b->seen.opened, 1);
        conn_close(b->seen.conn);
    }
    bench_free(b);
    (void)state;
}

static void a_conn_leaves_from_the_local_address_of_its_index(void **state)
{
    struct bench *b = bench_new(PEER_ECHO);
    b->options.local_ips = "127.0.0.5-127.0.0.6";
    net_free(b->net);
    b->net = net_new(b->loop, &b->options, NULL);
    struct conn_target target = {.host = "127.0.0.1", .port = b->peer.port, .local_ip_index = 3};
    b->seen.conn = conn_open(b->net, &target, &seen_handler, &b->seen);
    turn_until(b->loop, &b->seen.opened, 1);
    turn_until(b->loop, &b->peer.count, 1);
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    getpeername(b->peer.conns[0].watch.fd, (struct sockaddr *)&from, &len);
    assert_int_equal(ntohl(from.sin_addr.s_addr), 0x7f000006);
    conn_close(b->seen.conn);
    bench_free(b);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_conn_exchanges_bytes_and_knows_its_times),
        cmocka_unit_test(the_kernel_says_when_bytes_came_even_if_they_are_read_late),
        cmocka_unit_test(a_port_without_listener_refuses),
        cmocka_unit_test(a_deadline_ends_dialling_and_the_handshake),
        cmocka_unit_test(the_peers_end_comes_with_code_0_and_its_reset_with_1220),
        cmocka_unit_test(a_write_to_a_dead_peer_fails_and_closed_follows_from_the_loop),
        cmocka_unit_test(what_does_not_fit_is_kept_and_drained_is_told),
        cmocka_unit_test(a_paused_conn_delivers_nothing_until_it_goes_on),
        cmocka_unit_test(closing_inside_any_callback_is_safe_and_the_last_word),
        cmocka_unit_test(closing_before_anything_happened_is_silent),
        cmocka_unit_test(the_rules_of_dialling_have_their_codes),
        cmocka_unit_test(a_conn_leaves_from_the_local_address_of_its_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
