/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization headers: Basic (RFC 7617) and Digest (RFC 7616: MD5, SHA-256, SHA-512-256 and their
 * -sess forms; qop auth, auth-int or none). Pure but for the random client nonce; any thread. */
#ifndef HTTP_DIGEST_H
#define HTTP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512_256 };
enum digest_qop { DIGEST_QOP_NONE, DIGEST_QOP_AUTH, DIGEST_QOP_AUTH_INT };

struct digest_challenge {
    char *memory; /* holds the texts below */
    const char *realm, *nonce;
    const char *opaque; /* NULL when not given */
    const char *algorithm_text; /* as the server wrote it; NULL when not given (then MD5) */
    enum digest_algorithm algorithm;
    bool session; /* the -sess form */
    enum digest_qop qop; /* the one to answer with; auth goes before auth-int */
    bool userhash, stale;
};

/* Reads the first Digest challenge of a WWW-Authenticate value (others, like Basic, may stand around it).
 * False when there is none or its algorithm or qop is unknown; then challenge is empty. */
bool digest_parse(struct digest_challenge *challenge, const char *header, size_t len, struct error *err);
void digest_fini(struct digest_challenge *challenge);

struct digest_request {
    const char *user, *password, *method;
    const char *uri; /* the request's target, "/path?query" */
    const void *body; /* only read for auth-int */
    size_t body_len;
    unsigned nonce_count; /* of requests with this nonce, from 1 */
    const char *cnonce; /* NULL: a random one */
};

/* Adds the value of the Authorization header ("Digest username=..."). */
bool digest_authorize(struct buf *out, const struct digest_challenge *challenge, const struct digest_request *request,
                      struct error *err);

/* Adds "Basic dXNlcjpwYXNz". */
void basic_authorize(struct buf *out, const char *user, const char *password);

#endif
