/* SPDX-License-Identifier: Apache-2.0 */
/* Timestamps and durations as protojson writes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grpc/json.h"

#define FIRST_SECOND INT64_C(-62135596800) /* 0001-01-01 */
#define LAST_SECOND INT64_C(253402300799)  /* 9999-12-31T23:59:59 */
#define MOST_SECONDS INT64_C(315576000000) /* of a duration */

/* ".5", ".123" ... : 3, 6 or 9 digits, as Go prints them; nothing for 0. */
static void add_fraction(struct buf *out, int64_t nanos)
{
    if (!nanos)
        return;
    int digits = nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9;
    for (int i = digits; i < 9; i++)
        nanos /= 10;
    buf_printf(out, ".%0*lld", digits, (long long)nanos);
}

bool timestamp_format(struct buf *out, int64_t seconds, int64_t nanos)
{
    struct tm tm;
    time_t at = (time_t)seconds;
    if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > 999999999 || !gmtime_r(&at, &tm))
        return false;
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    add_fraction(out, nanos);
    buf_add_char(out, 'Z');
    return true;
}

/* Up to nine digits as nanoseconds; NULL when there are none or more. */
static const char *read_fraction(const char *at, int32_t *nanos)
{
    int digits = 0;
    *nanos = 0;
    for (; *at >= '0' && *at <= '9'; at++, digits++)
        if (digits < 9)
            *nanos = *nanos * 10 + (*at - '0');
    for (int i = digits; i < 9; i++)
        *nanos *= 10;
    return digits && digits <= 9 ? at : NULL;
}

bool timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    struct tm tm = {0};
    int used = 0, hours, minutes;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 || used != 19)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *seconds = (int64_t)timegm(&tm);
    *nanos = 0;
    const char *at = text + used;
    if (*at == '.' && !(at = read_fraction(at + 1, nanos)))
        return false;
    if (strcmp(at, "Z") == 0)
        return *seconds >= FIRST_SECOND && *seconds <= LAST_SECOND;
    if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || at[6])
        return false;
    *seconds -= (*at == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    return *seconds >= FIRST_SECOND && *seconds <= LAST_SECOND;
}

bool proto_duration_format(struct buf *out, int64_t seconds, int64_t nanos)
{
    if (llabs(seconds) > MOST_SECONDS || llabs(nanos) > 999999999 || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return false;
    buf_printf(out, "%s%lld", seconds < 0 || nanos < 0 ? "-" : "", llabs(seconds));
    add_fraction(out, llabs(nanos));
    buf_add_char(out, 's');
    return true;
}

bool proto_duration_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    char *end;
    if (*at < '0' || *at > '9')
        return false;
    *seconds = strtoll(at, &end, 10);
    *nanos = 0;
    at = end;
    if (*at == '.' && !(at = read_fraction(at + 1, nanos)))
        return false;
    if (negative) {
        *seconds = -*seconds;
        *nanos = -*nanos;
    }
    return strcmp(at, "s") == 0 && llabs(*seconds) <= MOST_SECONDS;
}
