/* SPDX-License-Identifier: Apache-2.0 */
/* All stacks of a worker come from one NORESERVE mapping: no guard pages, since 20,000 of them would
 * double the number of mappings past the kernel's default limit; the script engine checks its stack
 * limit before every call instead, and leaves C functions a reserve. */
#include "core/coro.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define CORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CORO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CORO_TSAN 1
#endif
#endif
#ifdef CORO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORO_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct transfer {
    void *context;
    void *data;
};

struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t bytes, void (*entry)(struct transfer));

struct coro_stacks {
    char *base;
    size_t count, stack_bytes;
    uint32_t *free_list;
    size_t free_count, fresh; /* fresh: stacks from here on were never used */
};

struct coro {
    void *context;        /* where it stands, while parked */
    void *resumer;        /* where to go on parking, while running */
    void (*main)(void *arg);
    void *arg;
    struct coro_stacks *stacks;
    uint32_t stack;
    bool started, done;
#ifdef CORO_ASAN
    void *fake_stack;
    const void *resumer_bottom;
    size_t resumer_size;
#endif
#ifdef CORO_TSAN
    void *fiber, *resumer_fiber;
#endif
};

struct coro_stacks *coro_stacks_new(size_t count, size_t stack_bytes, struct error *err)
{
    assert(stack_bytes % 4096 == 0);
    char *base = mmap(NULL, count * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        error_set(err, EXIT_GENERIC, "cannot reserve %zu MB of address space for the stacks of %zu VUs: %s",
                  count * stack_bytes >> 20, count, strerror(errno));
        return NULL;
    }
    madvise(base, count * stack_bytes, MADV_NOHUGEPAGE);
    struct coro_stacks *stacks = mem_zalloc(sizeof(*stacks));
    stacks->base = base;
    stacks->count = count;
    stacks->stack_bytes = stack_bytes;
    stacks->free_list = mem_array(count, sizeof(stacks->free_list[0]));
    return stacks;
}

void coro_stacks_free(struct coro_stacks *stacks)
{
    if (!stacks)
        return;
    munmap(stacks->base, stacks->count * stacks->stack_bytes);
    mem_free(stacks->free_list);
    mem_free(stacks);
}

size_t coro_stack_bytes(const struct coro_stacks *stacks)
{
    return stacks->stack_bytes;
}

static char *stack_bottom(const struct coro *coro)
{
    return coro->stacks->base + (size_t)coro->stack * coro->stacks->stack_bytes;
}

void *coro_stack_top(const struct coro *coro)
{
    return stack_bottom(coro) + coro->stacks->stack_bytes;
}

bool coro_is_started(const struct coro *coro)
{
    return coro->started;
}

static void entry(struct transfer from)
{
    struct coro *coro = from.data;
    coro->resumer = from.context;
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(NULL, &coro->resumer_bottom, &coro->resumer_size);
#endif
    coro->main(coro->arg);
    coro->done = true;
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(NULL, coro->resumer_bottom, coro->resumer_size);
#endif
#ifdef CORO_TSAN
    __tsan_switch_to_fiber(coro->resumer_fiber, 0);
#endif
    jump_fcontext(coro->resumer, coro);
    assert(!"resumed after its end");
}

struct coro *coro_new(struct coro_stacks *stacks, void (*main)(void *arg), void *arg)
{
    uint32_t stack;
    if (stacks->free_count)
        stack = stacks->free_list[--stacks->free_count];
    else if (stacks->fresh < stacks->count)
        stack = (uint32_t)stacks->fresh++;
    else
        return NULL;
    struct coro *coro = mem_zalloc(sizeof(*coro));
    coro->stacks = stacks;
    coro->stack = stack;
    coro->main = main;
    coro->arg = arg;
    coro->context = make_fcontext(coro_stack_top(coro), stacks->stack_bytes, entry);
#ifdef CORO_TSAN
    coro->fiber = __tsan_create_fiber(0);
#endif
    return coro;
}

void coro_free(struct coro *coro)
{
    if (!coro)
        return;
#ifdef CORO_ASAN
    __asan_unpoison_memory_region(stack_bottom(coro), coro->stacks->stack_bytes);
#endif
#ifdef CORO_TSAN
    __tsan_destroy_fiber(coro->fiber);
#endif
    coro->stacks->free_list[coro->stacks->free_count++] = coro->stack;
    mem_free(coro);
}

bool coro_resume(struct coro *coro)
{
    assert(!coro->done);
    coro->started = true;
#ifdef CORO_ASAN
    void *own_fake_stack = NULL;
    __sanitizer_start_switch_fiber(&own_fake_stack, stack_bottom(coro), coro->stacks->stack_bytes);
#endif
#ifdef CORO_TSAN
    coro->resumer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(coro->fiber, 0);
#endif
    struct transfer back = jump_fcontext(coro->context, coro);
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(own_fake_stack, NULL, NULL);
#endif
    coro->context = back.context;
    return !coro->done;
}

void coro_park(struct coro *coro)
{
#ifdef CORO_ASAN
    __sanitizer_start_switch_fiber(&coro->fake_stack, coro->resumer_bottom, coro->resumer_size);
#endif
#ifdef CORO_TSAN
    __tsan_switch_to_fiber(coro->resumer_fiber, 0);
#endif
    struct transfer back = jump_fcontext(coro->resumer, coro);
    coro->resumer = back.context;
#ifdef CORO_ASAN
    __sanitizer_finish_switch_fiber(coro->fake_stack, &coro->resumer_bottom, &coro->resumer_size);
#endif
}

