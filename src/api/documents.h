/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of k6's REST API: JSON:API from what is known of a test, and what a PATCH asks for. Pure. */
#ifndef API_DOCUMENTS_H
#define API_DOCUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/summary.h"
#include "run/test.h"

/* All heap. */
char *document_status(const struct test_status *status);
char *document_metrics(const struct summary *summary);
char *document_metric(const struct summary *summary, const char *name); /* NULL: there is none */
char *document_groups(const struct summary *summary);
char *document_group(const struct summary *summary, const char *id); /* NULL: there is none */
char *document_setup(const char *json); /* json may be NULL */
char *document_error(int status, const char *title, const char *detail);

struct status_patch {
    bool has_stopped, stopped, has_paused, paused, has_vus;
    int64_t vus;
};
/* NULL when it is fine, otherwise what is wrong with the body. */
const char *status_patch_read(const char *body, struct status_patch *patch);
/* The attributes' data of a PUT /v1/setup as JSON (heap). NULL: it has none. */
char *setup_put_read(const char *body);

#endif
