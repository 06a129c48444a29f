/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads clocks. mono_ns and wall_ns never mix: names of variables say which one. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

struct buf;

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t clock_wall_ns(void); /* since the Unix epoch */
/* CPU time that the calling thread has used. */
int64_t clock_thread_cpu_ns(void);
/* What to add to a mono time to get a wall time, measured now. */
int64_t clock_wall_offset_ns(void);
/* RFC 3339 in the machine's time zone; fraction digits 0, or 9 with trailing zeros dropped (Go's Nano). */
void clock_format_rfc3339(struct buf *out, int64_t wall_ns, int digits);

#endif
