/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked lists: embed a struct list_node; a head is a node that points at itself. */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next, *prev;
};

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void node_init(struct list_node *n)
{
    n->next = n->prev = n;
}

static inline bool node_is_linked(const struct list_node *n)
{
    return n->next != n;
}

static inline void node_add_tail(struct list_node *head, struct list_node *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline void node_remove(struct list_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    node_init(n);
}

#endif
