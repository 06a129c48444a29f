/* SPDX-License-Identifier: Apache-2.0 */
/* Against a name server of our own on 127.0.0.1: "many.test" has 10.0.0.1 to 10.0.0.3 and fd00::1,
 * "six.test" fd00::6 only, "silent.test" is never answered, other names do not exist. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/net_private.h"

struct bench {
    struct watch server;
    struct loop *loop;
    struct net *net;
    struct net_options options;
    int queries; /* of A records */
};

struct asked {
    struct resolve_request request;
    int done, code;
    char ip[INET6_ADDRSTRLEN], text[128];
};

static size_t add_record(uint8_t *out, int type, const void *data, uint8_t len)
{
    const uint8_t head[] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, len};
    memcpy(out, head, sizeof(head));
    memcpy(out + sizeof(head), data, len);
    return sizeof(head) + len;
}

static size_t add_answers(uint8_t *out, const char *name, int type, uint8_t *count)
{
    size_t len = 0;
    uint8_t six[16] = {0xfd, [15] = 1};
    *count = 0;
    if (!strcmp(name, "many.test") && type == 1) {
        for (uint8_t i = 1; i <= 3; i++, ++*count)
            len += add_record(out + len, 1, (const uint8_t[]){10, 0, 0, i}, 4);
    } else if (type == 28 && (!strcmp(name, "many.test") || !strcmp(name, "six.test"))) {
        six[15] = name[0] == 's' ? 6 : 1;
        len = add_record(out, 28, six, 16);
        *count = 1;
    }
    return len;
}

static void serve(struct watch *watch, uint32_t events)
{
    struct bench *b = (struct bench *)watch;
    uint8_t packet[1024];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t got = recvfrom(watch->fd, packet, 512, 0, (struct sockaddr *)&from, &from_len);
    if (got < 17)
        return;
    char name[256] = "";
    size_t at = 12, out = 0;
    while (at < (size_t)got && packet[at]) {
        out += (size_t)snprintf(name + out, sizeof(name) - out, "%s%.*s", out ? "." : "", packet[at], packet + at + 1);
        at += packet[at] + 1u;
    }
    int type = packet[at + 2];
    b->queries += type == 1;
    if (!strcmp(name, "silent.test"))
        return;
    uint8_t count;
    size_t len = at + 5 + add_answers(packet + at + 5, name, type, &count);
    bool known = !strcmp(name, "many.test") || !strcmp(name, "six.test");
    packet[2] = 0x81;
    packet[3] = known ? 0x80 : 0x83;
    memset(packet + 6, 0, 6);
    packet[7] = count;
    sendto(watch->fd, packet, len, 0, (struct sockaddr *)&from, from_len);
}

static struct bench *bench_new(struct net_options options)
{
    struct bench *b = mem_zalloc(sizeof(*b));
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    char server[32];
    b->loop = loop_new(NULL);
    b->options = options;
    b->net = net_new(b->loop, &b->options, NULL);
    b->server = (struct watch){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), .events = EPOLLIN, .ready = serve};
    assert_int_equal(bind(b->server.fd, (struct sockaddr *)&in, len), 0);
    getsockname(b->server.fd, (struct sockaddr *)&in, &len);
    assert_true(watch_add(b->loop, &b->server, NULL));
    snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(in.sin_port));
    assert_true(resolver_use_servers(b->net->resolver, server));
    return b;
}

static void bench_free(struct bench *b)
{
    net_free(b->net);
    watch_remove(b->loop, &b->server);
    close(b->server.fd);
    loop_free(b->loop);
    mem_free(b);
}

static void note(struct resolve_request *request, const struct ip *ip, int code, const char *text)
{
    struct asked *asked = (struct asked *)request;
    asked->done++;
    asked->code = code;
    if (ip)
        ip_format(ip, asked->ip);
    else
        snprintf(asked->text, sizeof(asked->text), "%s", text);
}

static struct asked ask(struct bench *b, const char *name)
{
    struct asked asked = {.request.done = note};
    int64_t give_up_ns = clock_mono_ns() + 10 * NS_PER_S;
    resolve_start(b->net->resolver, name, &asked.request);
    while (!asked.done) {
        loop_turn(b->loop, clock_mono_ns() + NS_PER_S / 10);
        assert_true(clock_mono_ns() < give_up_ns);
    }
    return asked;
}

static void a_cached_answer_is_not_asked_for_again_until_its_ttl_is_over(void **state)
{
    struct bench *b = bench_new((struct net_options){.dns_ttl_ns = INT64_MAX});
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.1");
    assert_string_equal(ask(b, "MANY.test").ip, "10.0.0.1");
    assert_int_equal(b->queries, 1);
    b->options.dns_ttl_ns = 0;
    ask(b, "many.test");
    ask(b, "many.test");
    assert_int_equal(b->queries, 3);
    bench_free(b);
}

static void the_policy_chooses_the_family(void **state)
{
    struct bench *b = bench_new((struct net_options){.dns_policy = DNS_PREFER_IPV6});
    assert_string_equal(ask(b, "many.test").ip, "fd00::1");
    b->options.dns_policy = DNS_PREFER_IPV4;
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.1");
    assert_string_equal(ask(b, "six.test").ip, "fd00::6");
    b->options.dns_policy = DNS_ONLY_IPV6;
    assert_string_equal(ask(b, "many.test").ip, "fd00::1");
    b->options.dns_policy = DNS_ONLY_IPV4;
    assert_int_equal(ask(b, "six.test").code, 1101);
    bench_free(b);
}

static void round_robin_takes_turns_and_random_reaches_all(void **state)
{
    struct bench *b = bench_new((struct net_options){.dns_ttl_ns = INT64_MAX, .dns_select = DNS_SELECT_ROUND_ROBIN});
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.1");
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.2");
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.3");
    assert_string_equal(ask(b, "many.test").ip, "10.0.0.1");
    b->options.dns_select = DNS_SELECT_RANDOM;
    int hits[3] = {0};
    for (int i = 0; i < 300; i++)
        hits[ask(b, "many.test").ip[7] - '1']++;
    assert_true(hits[0] > 30 && hits[1] > 30 && hits[2] > 30);
    bench_free(b);
}

static void a_name_that_does_not_exist_is_1101(void **state)
{
    struct bench *b = bench_new((struct net_options){.dns_ttl_ns = INT64_MAX});
    struct asked asked = ask(b, "gone.test");
    assert_int_equal(asked.code, 1101);
    assert_string_equal(asked.text, "lookup gone.test: no such host");
    bench_free(b);
}

static void the_hosts_file_is_asked_first(void **state)
{
    struct bench *b = bench_new((struct net_options){0});
    assert_string_equal(ask(b, "localhost").ip, "127.0.0.1");
    assert_int_equal(b->queries, 0);
    bench_free(b);
}

static void requests_for_the_same_name_share_one_query_and_can_be_taken_back(void **state)
{
    struct bench *b = bench_new((struct net_options){0});
    struct asked back = {.request.done = note}, also = {.request.done = note};
    resolve_start(b->net->resolver, "many.test", &back.request);
    resolve_start(b->net->resolver, "many.test", &also.request);
    resolve_cancel(&back.request);
    struct asked asked = ask(b, "many.test");
    assert_string_equal(asked.ip, "10.0.0.1");
    assert_int_equal(also.done, 1);
    assert_int_equal(back.done, 0);
    assert_int_equal(b->queries, 1);
    bench_free(b);
}

static void a_net_can_go_while_a_query_runs(void **state)
{
    struct bench *b = bench_new((struct net_options){0});
    struct asked asked = {.request.done = note};
    resolve_start(b->net->resolver, "silent.test", &asked.request);
    while (!b->queries)
        loop_turn(b->loop, clock_mono_ns() + NS_PER_MS);
    resolve_cancel(&asked.request);
    bench_free(b);
    assert_int_equal(asked.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cached_answer_is_not_asked_for_again_until_its_ttl_is_over),
        cmocka_unit_test(the_policy_chooses_the_family),
        cmocka_unit_test(round_robin_takes_turns_and_random_reaches_all),
        cmocka_unit_test(a_name_that_does_not_exist_is_1101),
        cmocka_unit_test(the_hosts_file_is_asked_first),
        cmocka_unit_test(requests_for_the_same_name_share_one_query_and_can_be_taken_back),
        cmocka_unit_test(a_net_can_go_while_a_query_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
