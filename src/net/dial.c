/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a connected socket. In this order: blocked host names, the hosts map, IP literals, the
 * resolver, blacklisted ranges, connect. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/dial.h"
#include "net/net_private.h"

#define DIAL_TIMEOUT_NS (30 * NS_PER_S)

static void fail_dial(struct conn *c, int error)
{
    if (error == ECONNREFUSED) {
        conn_end(c, 1212, "dial: connection refused");
    } else if (error == ECONNRESET) { /* accepted and reset before we looked */
        conn_end(c, 1220, "dial: connection reset by peer");
    } else if (error == ETIMEDOUT) {
        conn_end(c, 1211, "dial: i/o timeout");
    } else {
        char *text = mem_printf("dial: %s", strerror(error));
        if (text[6] >= 'A' && text[6] <= 'Z')
            text[6] = (char)(text[6] - 'A' + 'a');
        conn_end(c, 1210, text);
        mem_free(text);
    }
}

static socklen_t fill_address(struct sockaddr_storage *out, const struct ip *ip, uint16_t port)
{
    memset(out, 0, sizeof(*out));
    if (ip->family == AF_INET) {
        struct sockaddr_in *in4 = (struct sockaddr_in *)out;
        in4->sin_family = AF_INET;
        in4->sin_port = htons(port);
        memcpy(&in4->sin_addr, ip->bytes, 4);
        return sizeof(*in4);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, ip->bytes, 16);
    return sizeof(*in6);
}

/* Binds to the VU's local address; 0 or errno. */
static int bind_local(struct conn *c, int fd, int family)
{
    struct ip ip;
    if (!rules_local_ip(&c->net->rules, c->local_ip_index, &ip))
        return 0;
    if (ip.family != family)
        return EAFNOSUPPORT;
    struct sockaddr_storage local;
    socklen_t len = fill_address(&local, &ip, 0);
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, (struct sockaddr *)&local, len) ? errno : 0;
}

static void connect_to(struct conn *c, const struct ip *ip)
{
    int fd = socket(ip->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail_dial(c, errno);
        return;
    }
    c->watch.fd = fd;
    int on = 1, stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)); /* refused: read times must do */
    int failed = bind_local(c, fd, ip->family);
    if (failed) {
        fail_dial(c, failed);
        return;
    }
    socklen_t len = fill_address(&c->peer, ip, c->dial_port);
    c->state = CONN_CONNECTING;
    c->times.connect_started_ns = clock_mono_ns();
    if (connect(fd, (struct sockaddr *)&c->peer, len) && errno != EINPROGRESS) {
        fail_dial(c, errno);
        return;
    }
    c->watch.events = EPOLLOUT;
    c->watched = watch_add(c->net->loop, &c->watch, NULL);
    if (!c->watched)
        fail_dial(c, ENOMEM);
}

void dial_connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    if (error) {
        fail_dial(c, error);
        return;
    }
    c->times.connected_ns = clock_mono_ns();
    c->state = CONN_OPEN;
    if (c->wants_tls) {
        tls_start(c, c->alpn);
        return;
    }
    conn_update_watch(c);
    timer_stop(c->net->loop, &c->dial_timer);
    c->handler->opened(c, c->arg);
}

static void connect_allowed(struct conn *c, const struct ip *ip)
{
    const struct ip_block *block = rules_blacklisted(&c->net->rules, ip);
    if (!block) {
        connect_to(c, ip);
        return;
    }
    char address[INET6_ADDRSTRLEN], range[INET6_ADDRSTRLEN];
    ip_format(ip, address);
    ip_format(&block->base, range);
    char *text = mem_printf("IP (%s) is in a blacklisted range (%s/%u)", address, range, block->prefix);
    conn_end(c, 1110, text);
    mem_free(text);
}

static void resolved(struct resolve_request *request, const struct ip *ip, int code, const char *text)
{
    struct conn *c = (struct conn *)((char *)request - offsetof(struct conn, lookup));
    c->times.resolved_ns = clock_mono_ns();
    if (ip)
        connect_allowed(c, ip);
    else
        conn_end(c, code, text);
}

static void dial_timed_out(struct timer *timer)
{
    struct conn *c = (struct conn *)((char *)timer - offsetof(struct conn, dial_timer));
    conn_end(c, 1211, "dial: i/o timeout");
}

static void arm_deadline(struct conn *c)
{
    int64_t due = c->times.started_ns + DIAL_TIMEOUT_NS;
    if (c->deadline_ns > 0 && c->deadline_ns < due)
        due = c->deadline_ns;
    c->dial_timer.fire = dial_timed_out;
    timer_start(c->net->loop, &c->dial_timer, due);
}

void dial_start(struct conn *c)
{
    const struct net_options *options = c->net->options;
    const char *name = c->proxy_host ? c->proxy_host : c->host;
    c->dial_port = c->proxy_host ? c->proxy_port : c->port;
    const char *pattern = rules_blocked(options, name);
    if (pattern) {
        char *text = mem_printf("hostname (%s) is in a blocked pattern (%s)", name, pattern);
        conn_end(c, 1111, text);
        mem_free(text);
        return;
    }
    arm_deadline(c);
    const struct net_host *row = rules_host(options, name, c->dial_port);
    if (row) {
        name = row->address;
        if (row->port)
            c->dial_port = row->port;
    }
    struct ip ip;
    if (ip_parse(name, &ip)) {
        connect_allowed(c, &ip);
        return;
    }
    c->state = CONN_RESOLVING;
    c->lookup.done = resolved;
    resolve_start(c->net->resolver, name, &c->lookup);
}
