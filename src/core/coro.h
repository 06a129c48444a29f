/* SPDX-License-Identifier: Apache-2.0 */
/* Stackful coroutines (Boost.Context's fcontext) on lazily touched stacks from one mapping.
 * A coroutine belongs to the thread that first resumes it. AddressSanitizer and ThreadSanitizer are told
 * of every switch. */
#ifndef CORE_CORO_H
#define CORE_CORO_H

#include <stdbool.h>
#include <stddef.h>

struct coro;
struct coro_stacks;
struct error;

/* Address space for up to count stacks of stack_bytes each; memory is used only where a stack is touched. */
struct coro_stacks *coro_stacks_new(size_t count, size_t stack_bytes, struct error *err);
void coro_stacks_free(struct coro_stacks *stacks);
size_t coro_stack_bytes(const struct coro_stacks *stacks);

/* NULL when all stacks are in use. main runs at the first resume; the coroutine ends when it returns. */
struct coro *coro_new(struct coro_stacks *stacks, void (*main)(void *arg), void *arg);
/* Only for one that has ended or was never resumed: a parked one must be resumed until it ends. */
void coro_free(struct coro *coro);

/* Runs the coroutine until it parks or ends; false when it has ended. Not from inside itself. */
bool coro_resume(struct coro *coro);
/* Goes back to whoever resumed this coroutine. */
void coro_park(struct coro *coro);
/* It has been resumed at least once. */
bool coro_is_started(const struct coro *coro);
/* The highest address of its stack; it grows down from there. */
void *coro_stack_top(const struct coro *coro);

#endif
