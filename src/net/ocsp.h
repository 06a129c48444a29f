/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a stapled OCSP answer. Private to src/net; any thread. */
#ifndef NET_OCSP_H
#define NET_OCSP_H

#include <openssl/ssl.h>

#include "net/net.h"

/* Of a connection whose handshake is done; status NULL when the server stapled none that can be read.
 * The strings are constants. The signature is not checked (it is reported, not relied on). */
struct conn_ocsp ocsp_read(SSL *ssl);

#endif
