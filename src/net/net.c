/* SPDX-License-Identifier: Apache-2.0 */
/* The context that the connections of one worker share.
 *
 * Work that must not happen on the caller's stack (starting a conn, telling of a broken one, freeing a
 * dead one) waits in a list that a timer of due time 0 works off. A timer rather than a loop_defer'd
 * task, since a timer can be taken back: net_free leaves nothing behind in the loop. */
#include "net/net.h"

#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "net/net_private.h"

static void work_off(struct timer *timer)
{
    struct net *net = (struct net *)((char *)timer - offsetof(struct net, work_timer));
    struct conn *c = net->work;
    net->work = NULL;
    net->work_tail = &net->work;
    while (c) {
        struct conn *next = c->work_next;
        c->queued = false;
        conn_work(c);
        c = next;
    }
}

struct net *net_new(struct loop *loop, const struct net_options *options, struct error *err)
{
    struct net *net = mem_zalloc(sizeof(*net));
    net->loop = loop;
    net->options = options;
    net->work_tail = &net->work;
    timer_init(&net->work_timer, work_off);
    net->read_buffer = mem_alloc(NET_READ_SIZE);
    net->wall_offset_ns = clock_wall_offset_ns();
    net->wall_offset_read_ns = clock_mono_ns();
    net->resolver = resolver_new(net);
    if (!rules_init(&net->rules, options, err) || !(net->tls = tls_context_new(options, err))) {
        net_free(net);
        return NULL;
    }
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    for (struct conn *c = net->work; c;) {
        struct conn *next = c->work_next;
        conn_destroy(c);
        c = next;
    }
    timer_stop(net->loop, &net->work_timer);
    resolver_free(net->resolver);
    tls_context_free(net->tls);
    rules_free(&net->rules);
    mem_free(net->read_buffer);
    mem_free(net->plain_buffer);
    mem_free(net);
}

struct loop *net_loop(const struct net *net)
{
    return net->loop;
}
