/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/buf.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_offset_ns(void)
{
    /* the wall clock is read between two readings of the other; the tightest of a few tries wins */
    int64_t best_gap = INT64_MAX, offset = 0;
    for (int i = 0; i < 5; i++) {
        int64_t before = clock_mono_ns(), wall = clock_wall_ns(), after = clock_mono_ns();
        if (after - before < best_gap) {
            best_gap = after - before;
            offset = wall - (before + (after - before) / 2);
        }
    }
    return offset;
}

void clock_format_rfc3339(struct buf *out, int64_t wall_ns, int digits)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    long rest = (long)(wall_ns % NS_PER_S);
    struct tm parts;
    localtime_r(&seconds, &parts);
    char text[40];
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    buf_add_text(out, text);
    if (digits && rest) {
        int len = snprintf(text, sizeof(text), ".%09ld", rest);
        while (text[len - 1] == '0')
            len--;
        buf_add(out, text, (size_t)len);
    }
    long offset_min = parts.tm_gmtoff / 60;
    if (offset_min == 0)
        buf_add_char(out, 'Z');
    else
        buf_printf(out, "%c%02ld:%02ld", offset_min < 0 ? '-' : '+', labs(offset_min) / 60, labs(offset_min) % 60);
}
