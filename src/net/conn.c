/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: reading, writing, closing. The hot path is one keep-alive request: one send(), one wake-up
 * of epoll, one recvmsg() into a buffer that all conns share, no allocation. The watch is registered once
 * for reading; EPOLLOUT is asked for only while bytes wait.
 *
 * Receive times come from the kernel (SO_TIMESTAMPING): the wall time of the packet that completed what
 * was read. It is moved to mono time by an offset that is measured anew about once a second. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/dial.h"
#include "net/net_private.h"

#define READS_PER_WAKE 16

/* --- work off the caller's stack --- */

void conn_queue(struct conn *c)
{
    struct net *net = c->net;
    if (c->queued)
        return;
    c->queued = true;
    c->work_next = NULL;
    *net->work_tail = c;
    net->work_tail = &c->work_next;
    if (!timer_is_started(&net->work_timer))
        timer_start(net->loop, &net->work_timer, 0);
}

/* Gives back what the outside holds of the conn; accessors go on working. */
static void conn_shut(struct conn *c)
{
    struct loop *loop = c->net->loop;
    resolve_cancel(&c->lookup);
    timer_stop(loop, &c->dial_timer);
    if (c->watched)
        watch_remove(loop, &c->watch);
    c->watched = false;
    if (c->watch.fd >= 0)
        close(c->watch.fd);
    c->watch.fd = -1;
    c->state = CONN_DEAD;
}

void conn_end(struct conn *c, int code, const char *text)
{
    if (c->state == CONN_DEAD)
        return;
    struct net_failure why = {code, text};
    if (c->broken_code >= 0)
        why = (struct net_failure){c->broken_code, c->broken_text};
    conn_shut(c);
    c->handler->closed(c, c->arg, &why);
    conn_queue(c);
}

void conn_break(struct conn *c, int code, const char *text)
{
    if (c->state == CONN_DEAD || c->broken_code >= 0)
        return;
    c->broken_code = code;
    c->broken_text = mem_strdup(text);
    conn_queue(c);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (c->tls && c->state == CONN_OPEN && c->broken_code < 0)
        tls_close(c);
    conn_shut(c);
    conn_queue(c);
}

void conn_destroy(struct conn *c)
{
    if (c->state != CONN_DEAD)
        conn_shut(c);
    tls_free(c->tls);
    buf_free(&c->out);
    mem_free(c->broken_text);
    mem_free(c->host);
    mem_free(c->alpn);
    mem_free(c->proxy_host);
    mem_free(c);
}

/* --- reading --- */

/* A pause holds back data, not the handshake. */
static bool is_held(const struct conn *c)
{
    return c->paused && c->state != CONN_HANDSHAKE;
}

static void fail_read(struct conn *c, int error)
{
    if (error == ECONNRESET) {
        conn_end(c, 1220, "read: connection reset by peer");
        return;
    }
    char *text = mem_printf("read: %s", strerror(error));
    conn_end(c, 1200, text);
    mem_free(text);
}

static int64_t kernel_receive_ns(struct net *net, struct msghdr *message, int64_t read_ns)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPING)
            continue;
        struct scm_timestamping stamps;
        memcpy(&stamps, CMSG_DATA(part), sizeof(stamps));
        int64_t wall_ns = stamps.ts[0].tv_sec * NS_PER_S + stamps.ts[0].tv_nsec;
        if (wall_ns == 0)
            break;
        if (read_ns - net->wall_offset_read_ns > NS_PER_S) {
            net->wall_offset_ns = clock_wall_offset_ns();
            net->wall_offset_read_ns = read_ns;
        }
        int64_t received_ns = wall_ns - net->wall_offset_ns;
        return received_ns < 0 ? 0 : received_ns > read_ns ? read_ns : received_ns;
    }
    return read_ns;
}

static void deliver(struct conn *c, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    if (c->tls)
        tls_input(c, bytes, len, received_ns, read_ns);
    else
        c->handler->data(c, c->arg, bytes, len, received_ns, read_ns);
}

/* Reads once. True: there may be more. */
static bool read_once(struct conn *c, bool ending)
{
    struct net *net = c->net;
    union {
        char bytes[CMSG_SPACE(sizeof(struct scm_timestamping))];
        struct cmsghdr align;
    } control;
    struct iovec piece = {net->read_buffer, NET_READ_SIZE};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(c->watch.fd, &message, 0);
    if (got < 0) {
        if (errno == EINTR)
            return true;
        if (errno != EAGAIN)
            fail_read(c, errno);
        return false;
    }
    if (got == 0) {
        if (c->tls)
            tls_input_end(c);
        else
            conn_end(c, 0, "EOF");
        return false;
    }
    int64_t read_ns = clock_mono_ns();
    if (c->counter)
        c->counter->received_bytes += (uint64_t)got;
    deliver(c, net->read_buffer, (size_t)got, kernel_receive_ns(net, &message, read_ns), read_ns);
    return ending || (size_t)got == NET_READ_SIZE;
}

static void read_socket(struct conn *c, bool ending)
{
    for (int i = 0; i < READS_PER_WAKE; i++)
        if (!read_once(c, ending) || c->state == CONN_DEAD || is_held(c))
            return;
}

/* --- writing --- */

void conn_update_watch(struct conn *c)
{
    uint32_t events = (is_held(c) ? 0u : EPOLLIN | EPOLLRDHUP) | (c->out.len ? EPOLLOUT : 0u);
    if (c->state == CONN_DEAD || c->state < CONN_HANDSHAKE)
        return;
    if (!events && c->watched) { /* not kept with no events: EPOLLHUP cannot be masked */
        watch_remove(c->net->loop, &c->watch);
        c->watched = false;
    } else if (events && !c->watched) {
        c->watch.events = events;
        c->watched = watch_add(c->net->loop, &c->watch, NULL);
        if (!c->watched)
            conn_break(c, 1200, "read: the connection cannot be watched any more");
    } else if (events) {
        watch_change(c->net->loop, &c->watch, events);
    }
}

static bool fail_write(struct conn *c, int error)
{
    if (error == EPIPE) {
        conn_break(c, 1201, "write: broken pipe");
    } else if (error == ECONNRESET) {
        conn_break(c, 1220, "write: connection reset by peer");
    } else {
        char *text = mem_printf("write: %s", strerror(error));
        conn_break(c, 1200, text);
        mem_free(text);
    }
    return false;
}

/* One send(). How much the kernel took, or -1: broken. */
static ssize_t send_once(struct conn *c, const void *bytes, size_t len)
{
    ssize_t sent;
    do
        sent = send(c->watch.fd, bytes, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno == EAGAIN)
            return 0;
        fail_write(c, errno);
        return -1;
    }
    if (c->counter)
        c->counter->sent_bytes += (uint64_t)sent;
    return sent;
}

bool conn_send(struct conn *c, const void *bytes, size_t len)
{
    if (c->state == CONN_DEAD || c->broken_code >= 0)
        return false;
    ssize_t sent = 0;
    if (!c->out.len) {
        sent = send_once(c, bytes, len);
        if (sent < 0)
            return false;
        if ((size_t)sent == len) {
            c->written_ns = clock_mono_ns();
            return true;
        }
    }
    c->written_ns = 0;
    c->was_full = c->was_full || c->state == CONN_OPEN;
    buf_add(&c->out, (const char *)bytes + sent, len - (size_t)sent);
    conn_update_watch(c);
    return true;
}

static void flush_out(struct conn *c)
{
    ssize_t sent = send_once(c, c->out.data + c->out_at, c->out.len - c->out_at);
    if (sent < 0)
        return;
    c->out_at += (size_t)sent;
    if (c->out_at < c->out.len)
        return;
    c->written_ns = clock_mono_ns();
    c->out_at = 0;
    buf_free(&c->out); /* rare; an idle conn keeps no buffer */
    conn_update_watch(c);
    if (c->was_full && c->state == CONN_OPEN) {
        c->was_full = false;
        if (c->handler->drained)
            c->handler->drained(c, c->arg);
    }
}

bool conn_write(struct conn *c, const void *bytes, size_t len)
{
    if (c->state != CONN_OPEN || c->broken_code >= 0)
        return false;
    if (!len)
        return true;
    return c->tls ? tls_write(c, bytes, len) : conn_send(c, bytes, len);
}

/* --- the loop --- */

static void socket_ready(struct watch *watch, uint32_t events)
{
    struct conn *c = (struct conn *)((char *)watch - offsetof(struct conn, watch));
    if (c->state == CONN_CONNECTING) {
        dial_connected(c);
        return;
    }
    if (events & EPOLLOUT && c->out.len)
        flush_out(c);
    if (c->state == CONN_DEAD || is_held(c))
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        read_socket(c, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

void conn_work(struct conn *c)
{
    if (c->state == CONN_NEW)
        dial_start(c);
    if (c->resume && c->state != CONN_DEAD && !c->paused) {
        c->resume = false;
        if (c->tls)
            tls_input(c, NULL, 0, loop_now_ns(c->net->loop), loop_now_ns(c->net->loop));
    }
    if (c->broken_code >= 0 && c->state >= CONN_HANDSHAKE) {
        if (!c->paused && c->state == CONN_OPEN)
            read_socket(c, true); /* what the peer said before it went away */
        conn_end(c, c->broken_code, c->broken_text);
    }
    if (c->state == CONN_DEAD && !c->queued)
        conn_destroy(c);
}

struct conn *conn_open(struct net *net, const struct conn_target *target, const struct conn_handler *handler, void *arg)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    c->net = net;
    c->handler = handler;
    c->arg = arg;
    c->state = CONN_NEW;
    c->broken_code = -1;
    c->watch = (struct watch){.fd = -1, .ready = socket_ready};
    c->times.started_ns = clock_mono_ns();
    c->host = mem_strdup(target->host);
    c->port = target->port;
    c->alpn = target->alpn ? mem_strdup(target->alpn) : NULL;
    c->proxy_host = target->proxy_host ? mem_strdup(target->proxy_host) : NULL;
    c->proxy_port = target->proxy_port;
    c->wants_tls = target->tls && !target->proxy_host;
    c->local_ip_index = target->local_ip_index;
    c->deadline_ns = target->deadline_ns;
    conn_queue(c);
    return c;
}

void conn_start_tls(struct conn *c, const char *alpn)
{
    if (c->state == CONN_OPEN && !c->tls && c->broken_code < 0)
        tls_start(c, alpn);
}

void conn_pause(struct conn *c, bool paused)
{
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (c->state == CONN_DEAD)
        return;
    conn_update_watch(c);
    if (!paused && c->tls) {
        c->resume = true;
        conn_queue(c);
    }
}

/* --- facts --- */

int64_t conn_written_ns(const struct conn *c)
{
    return c->written_ns;
}

struct conn_times conn_times(const struct conn *c)
{
    return c->times;
}

uint16_t conn_remote(const struct conn *c, char *out, size_t size)
{
    if (size)
        out[0] = '\0';
    const void *address = c->peer.ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)&c->peer)->sin6_addr
                                                        : (const void *)&((const struct sockaddr_in *)&c->peer)->sin_addr;
    if (!c->peer.ss_family || !inet_ntop(c->peer.ss_family, address, out, (socklen_t)size))
        return 0;
    return c->dial_port;
}

void conn_set_counter(struct conn *c, struct conn_counter *counter)
{
    c->counter = counter;
}
