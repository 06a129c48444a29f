/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts of calls. Nearly all calls of a test have one of very few timeouts, so that those with the same
 * one end in the order in which they began: a list each, with one timer for its head, makes beginning and
 * ending a call a list operation. The timer is never moved when a call ends; it fires for nobody at most
 * once per timeout. Calls that find no list use a timer of their own. */
#include <string.h>

#include "core/clock.h"
#include "http/session.h"

static void expire(struct http_call *call)
{
    client_detach(call);
    call_failed(call, 1050, "request timeout");
}

static void class_fire(struct timer *timer)
{
    struct deadline_class *class = CONTAINER_OF(timer, struct deadline_class, timer);
    int64_t now = loop_now_ns(class->loop);
    while (node_is_linked(&class->calls)) {
        struct http_call *call = CONTAINER_OF(class->calls.next, struct http_call, in_deadline);
        if (call->deadline_ns > now) {
            timer_start(class->loop, timer, call->deadline_ns);
            return;
        }
        node_remove(&call->in_deadline);
        expire(call);
    }
}

static void call_fire(struct timer *timer)
{
    expire(CONTAINER_OF(timer, struct http_call, timer));
}

static struct deadline_class *find_class(struct http_worker *worker, int64_t timeout_ns)
{
    struct deadline_class *empty = NULL;
    for (int i = 0; i < DEADLINE_CLASSES; i++) {
        struct deadline_class *class = &worker->classes[i];
        if (class->timeout_ns == timeout_ns)
            return class;
        if (!class->timeout_ns || (!node_is_linked(&class->calls) && !timer_is_started(&class->timer)))
            empty = class;
    }
    if (!empty)
        return NULL;
    if (!empty->timeout_ns) {
        node_init(&empty->calls);
        timer_init(&empty->timer, class_fire);
        empty->loop = worker->loop;
    }
    empty->timeout_ns = timeout_ns;
    return empty;
}

void deadline_start(struct http_call *call)
{
    if (call->request.timeout_ns <= 0)
        return;
    call->deadline_ns = call->begun_ns + call->request.timeout_ns;
    struct deadline_class *class = find_class(call->worker, call->request.timeout_ns);
    if (!class) {
        timer_init(&call->timer, call_fire);
        timer_start(call->worker->loop, &call->timer, call->deadline_ns);
        return;
    }
    node_add_tail(&class->calls, &call->in_deadline);
    if (!timer_is_started(&class->timer))
        timer_start(call->worker->loop, &class->timer, call->deadline_ns);
}

void deadline_stop(struct http_call *call)
{
    node_remove(&call->in_deadline);
    timer_stop(call->worker->loop, &call->timer);
}
