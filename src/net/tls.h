/* SPDX-License-Identifier: Apache-2.0 */
/* What tls.c needs of tls_context.c: the OpenSSL context that all TLS conns of a net share, its client
 * certificates and its sessions. Private to src/net; worker's thread. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct conn;
struct tls_context;

/* A new client SSL with ALPN, SNI, checks of names, client certificate and a session to resume set.
 * NULL: OpenSSL ran out of something. owner comes back from tls_owner. */
SSL *tls_context_open(struct tls_context *context, struct conn *owner, const char *host, uint16_t port, const char *alpn);
struct conn *tls_owner(const SSL *ssl);
/* From the check of certificates, in tls.c: why the peer's certificate is no good. */
void tls_note_bad_certificate(struct conn *c, X509_STORE_CTX *store);
bool tls_context_wants_ocsp(const struct tls_context *context);

#endif
