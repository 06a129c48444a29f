/* SPDX-License-Identifier: Apache-2.0 */
/* Execution segments: which part of every count of VUs, iterations and ticks this instance runs. The whole is
 * cut into `denominator` slots that repeat; the segment owns `length` of them. Pure. */
#ifndef RUN_SEGMENT_H
#define RUN_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

struct error;

struct segment {
    int64_t denominator, length;
    int64_t *slots; /* own slots, ascending; heap */
    double fraction;
};

/* segment like "1/4:1/2", "20%", "0.2:2/3"; sequence like "0,1/4,1/2,1". Both may be NULL. */
bool segment_parse(struct segment *s, const char *segment, const char *sequence, struct error *err);
void segment_fini(struct segment *s);
/* How many of total belong to this segment. */
int64_t segment_share(const struct segment *s, int64_t total);
/* The global index (from 0) of this segment's own index (from 0). */
int64_t segment_index(const struct segment *s, int64_t own);

#endif
