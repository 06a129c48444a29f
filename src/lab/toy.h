/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's first room: a small HTTP server with the old lab's toy routes, for a learner without a server. On
 * 127.0.0.1 only.
 *   GET /health   200 {status: "ok", ts}          GET /cpu        10,000,000 square roots, 200 {ok, cpu}
 *   GET /fast     200 {ok, speed: "fast", ts}     GET /io         300 to 1,500 ms, 200 {ok, io}
 *   GET /slow     500 to 2,500 ms, 200            GET /users      200, a list of users; /users/:id one of them
 *   GET /error    30 % are 500 {error}            POST /jobs      202 {accepted, jobId, mode, status: "queued"}
 *                                                 GET /jobs/:id   the job, or 404
 * Jobs are done one after another by one thread; one in ten fails. An unknown mode is refused with 400. */
#ifndef LAB_TOY_H
#define LAB_TOY_H

#include <stdint.h>

struct error;
struct toy;

/* port 0: the kernel picks one. NULL with err. */
struct toy *toy_start(uint16_t port, struct error *err);
uint16_t toy_port(const struct toy *toy);
void toy_stop(struct toy *toy);

#endif
