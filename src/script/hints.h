/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind common mistakes of scripts. Any thread. */
#ifndef SCRIPT_HINTS_H
#define SCRIPT_HINTS_H

#include "core/text.h"

/* "import http from 'k6/http';" for http; NULL for a name that no module of k6 exports. Static. */
const char *hint_import_line(struct text name);

/* A request went to a URL that contains "undefined": says so, for the first few. */
void hint_undefined_url(const char *url);

#endif
