/* SPDX-License-Identifier: Apache-2.0 */
/* k6's REST API (JSON:API, /v1/...) over one test. Requests come in on a thread of the server's own and are answered
 * on the test's main thread. */
#ifndef API_SERVER_H
#define API_SERVER_H

struct api_server;
struct error;
struct test;

/* Listens on "host:port" (":6565" means localhost). NULL with err (EXIT_CANNOT_START_API). */
struct api_server *api_start(const char *address, struct test *test, struct error *err);
/* On the test's main thread, when test_run has returned. */
void api_stop(struct api_server *server);

#endif
