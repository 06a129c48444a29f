/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of src/net: a server on 127.0.0.1 in the same loop, plain or TLS, and a client that
 * writes down what it is told. */
#ifndef NET_TEST_PEER_H
#define NET_TEST_PEER_H

#include <openssl/ssl.h>

#include "core/buf.h"
#include "core/loop.h"
#include "net/net.h"

enum peer_mode {
    PEER_ECHO,
    PEER_SILENT, /* accepts and never reads */
    PEER_RESET,  /* resets as soon as it got a byte */
    PEER_CLOSE,  /* closes as soon as it got a byte */
    PEER_RESET_AT_ONCE,
    PEER_TEXT_AT_ONCE, /* sends "HTTP/1.1 ..." without being asked */
};

struct peer_conn {
    struct watch watch;
    struct peer *peer;
    SSL *ssl;
    bool ready;
    struct buf out;
};

struct peer {
    struct loop *loop;
    struct watch listen;
    uint16_t port;
    enum peer_mode mode;
    SSL_CTX *ctx; /* NULL: plain */
    struct peer_conn conns[8];
    int count;
    size_t got;
    int resumed; /* handshakes that resumed a session */
    int certs;   /* handshakes with a client certificate */
};

void peer_start(struct peer *peer, struct loop *loop, enum peer_mode mode);
/* Before the first connection. names: "DNS:a,IP:1.2.3.4"; the certificate goes to cert_file as PEM when
 * that is not NULL. alpn: what the server selects, or NULL. */
void peer_use_tls(struct peer *peer, const char *names, const char *cert_file, const char *alpn);
void peer_write_key(const struct peer *peer, const char *key_file);
/* Staples an answer: status is V_OCSP_CERTSTATUS_GOOD ..., reason that of a revocation. */
void peer_staple(struct peer *peer, int status, int reason);
void peer_ask_for_cert(struct peer *peer);
void peer_stop(struct peer *peer);
/* Sends from the first connection (plain). */
void peer_say(struct peer *peer, const char *text);
/* A file without a name, so that nothing stays behind whatever becomes of the test: path gets one under /proc by
 * which anybody in this process can open it. Close the descriptor when it is done. */
int nameless_file(char path[64]);
/* A port of 127.0.0.1 on which nobody listens. */
uint16_t peer_unused_port(void);

/* What the client was told. */
struct seen {
    struct conn *conn;
    int opened, drained, data, closed;
    int close_in; /* calls conn_close in: 'o'pened, 'd'ata, 'c'losed, 'r' drained; 0: never */
    int code;
    char text[256];
    struct buf bytes;
    int64_t received_ns, read_ns;
};

extern const struct conn_handler seen_handler;
void seen_free(struct seen *seen);
/* Turns the loop until *count is at least want; fails the test after 10 s. */
void turn_until(struct loop *loop, const int *count, int want);
/* A few turns that do not wait. */
void turn_some(struct loop *loop);

#endif
