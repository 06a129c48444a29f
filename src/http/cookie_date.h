/* SPDX-License-Identifier: Apache-2.0 */
/* Dates in cookies ("Mon, 02 Jan 2006 15:04:05 GMT"), as Go's time.Parse reads its RFC1123 layout and the
 * one with dashes. Also what k6's CookieJar.set takes for expires. Pure. */
#ifndef HTTP_COOKIE_DATE_H
#define HTTP_COOKIE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

/* Seconds since the Unix epoch; false for any other form of date. */
bool cookie_date_parse(struct text date, int64_t *wall_s);

#endif
