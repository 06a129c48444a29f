/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the REST API of a test that runs. Blocking. */
#ifndef API_CLIENT_H
#define API_CLIENT_H

struct error;

/* The body of a 2xx answer (heap), NULL with err (EXIT_GENERIC). body may be NULL. */
char *api_request(const char *address, const char *method, const char *path, const char *body, struct error *err);

#endif
