/* SPDX-License-Identifier: Apache-2.0 */
#include "http/cookie_date.h"

#include <string.h>

static bool take_char(struct text *t, char c)
{
    if (t->len == 0 || t->data[0] != c)
        return false;
    *t = (struct text){t->data + 1, t->len - 1};
    return true;
}

/* A number of exactly digits digits; with at_most also of fewer, but at least one. */
static bool take_number(struct text *t, size_t digits, bool at_most, int *value)
{
    size_t n = 0;
    *value = 0;
    while (n < digits && n < t->len && t->data[n] >= '0' && t->data[n] <= '9')
        *value = *value * 10 + (t->data[n++] - '0');
    if (n == 0 || (n < digits && !at_most))
        return false;
    *t = (struct text){t->data + n, t->len - n};
    return true;
}

/* One of the three-letter names in the list, case ignored; its index from 1. */
static int take_name(struct text *t, const char *names)
{
    for (int i = 0; t->len >= 3 && names[3 * i]; i++)
        if (text_equal_nocase((struct text){t->data, 3}, (struct text){names + 3 * i, 3})) {
            *t = (struct text){t->data + 3, t->len - 3};
            return i + 1;
        }
    return 0;
}

/* "+2", "-08": hours from -23 to 23; how many bytes it takes, 0 when there is none. */
static size_t signed_hours(struct text t, int *hours)
{
    if (t.len < 2 || (t.data[0] != '+' && t.data[0] != '-'))
        return 0;
    size_t n = 1;
    int value = 0;
    while (n < t.len && t.data[n] >= '0' && t.data[n] <= '9' && value < 100)
        value = value * 10 + (t.data[n++] - '0');
    if (n == 1 || value > 23)
        return 0;
    *hours = t.data[0] == '-' ? -value : value;
    return n;
}

/* An abbreviation of a time zone. Go knows the offsets of none but those it can read from the text. */
static bool is_zone(struct text t, int *offset_hours)
{
    *offset_hours = 0;
    if (text_starts(t, "GMT"))
        return t.len == 3 || signed_hours((struct text){t.data + 3, t.len - 3}, offset_hours) == t.len - 3;
    if (t.len && (t.data[0] == '+' || t.data[0] == '-')) {
        int hours; /* a name like "+03" is only a name */
        return signed_hours(t, &hours) == t.len && t.len > 0;
    }
    if (text_equal(t, TEXT("ChST")) || text_equal(t, TEXT("MeST")) || text_equal(t, TEXT("WITA")))
        return true;
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] < 'A' || t.data[i] > 'Z')
            return false;
    return t.len == 3 || ((t.len == 4 || t.len == 5) && t.data[t.len - 1] == 'T');
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t days_since_epoch(int year, int month, int day)
{
    /* whole years before this one in the proleptic Gregorian calendar, from year 1 */
    int64_t before = year - 1;
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400;
    if (year == 0)
        days = -366;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return days + day - 1 - 719162;
}

static bool take_time(struct text *t, int *hour, int *minute, int *second)
{
    if (!take_number(t, 2, true, hour) || !take_char(t, ':') || !take_number(t, 2, false, minute) ||
        !take_char(t, ':') || !take_number(t, 2, false, second))
        return false;
    if (t->len > 1 && (t->data[0] == '.' || t->data[0] == ',') && t->data[1] >= '0' && t->data[1] <= '9') {
        size_t n = 1; /* fractions are allowed though the layout has none */
        while (n < t->len && t->data[n] >= '0' && t->data[n] <= '9')
            n++;
        *t = (struct text){t->data + n, t->len - n};
    }
    return *hour < 24 && *minute < 60 && *second < 60;
}

bool cookie_date_parse(struct text t, int64_t *wall_s)
{
    int day, year, hour, minute, second, offset;
    if (!take_name(&t, "MonTueWedThuFriSatSun") || !take_char(&t, ',') || !take_char(&t, ' ') ||
        !take_number(&t, 2, false, &day) || t.len == 0)
        return false;
    char separator = t.data[0];
    if ((separator != ' ' && separator != '-') || !take_char(&t, separator))
        return false;
    int month = take_name(&t, "JanFebMarAprMayJunJulAugSepOctNovDec");
    if (!month || !take_char(&t, separator) || !take_number(&t, 4, false, &year) || !take_char(&t, ' ') ||
        !take_time(&t, &hour, &minute, &second) || !take_char(&t, ' ') || !is_zone(t, &offset))
        return false;
    if (day < 1 || day > days_in_month(year, month))
        return false;
    *wall_s = days_since_epoch(year, month, day) * 86400 + (hour - offset) * 3600 + minute * 60 + second;
    return true;
}
