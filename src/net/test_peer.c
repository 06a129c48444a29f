/* SPDX-License-Identifier: Apache-2.0 */
#include "net/test_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/mem.h"

/* --- the server --- */

static void peer_conn_close(struct peer_conn *c, bool reset)
{
    if (c->watch.fd < 0)
        return;
    struct linger hard = {.l_onoff = 1};
    if (reset)
        setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    watch_remove(c->peer->loop, &c->watch);
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->watch.fd);
    c->watch.fd = -1;
    buf_free(&c->out);
}

static ssize_t peer_read(struct peer_conn *c, char *out, size_t size)
{
    ERR_clear_error();
    if (!c->ssl)
        return recv(c->watch.fd, out, size, 0);
    int got = SSL_read(c->ssl, out, (int)size);
    if (got > 0)
        return got;
    errno = EAGAIN;
    return SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static void peer_flush(struct peer_conn *c)
{
    while (c->out.len) {
        ssize_t sent = c->ssl ? SSL_write(c->ssl, c->out.data, (int)c->out.len)
                              : send(c->watch.fd, c->out.data, c->out.len, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        buf_drop(&c->out, (size_t)sent);
    }
    watch_change(c->peer->loop, &c->watch, EPOLLIN | (c->out.len ? EPOLLOUT : 0u));
}

static bool peer_handshake(struct peer_conn *c)
{
    if (!c->ssl || c->ready)
        return true;
    ERR_clear_error();
    int done = SSL_accept(c->ssl);
    if (done == 1) {
        c->ready = true;
        c->peer->resumed += SSL_session_reused(c->ssl);
        c->peer->certs += SSL_get0_peer_certificate(c->ssl) != NULL;
        return true;
    }
    if (SSL_get_error(c->ssl, done) != SSL_ERROR_WANT_READ)
        peer_conn_close(c, false);
    return false;
}

static void peer_ready(struct watch *watch, uint32_t events)
{
    struct peer_conn *c = (struct peer_conn *)watch;
    char bytes[16384];
    if (!peer_handshake(c))
        return;
    for (;;) {
        ssize_t got = peer_read(c, bytes, sizeof(bytes));
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0 || c->peer->mode == PEER_RESET || c->peer->mode == PEER_CLOSE) {
            peer_conn_close(c, c->peer->mode == PEER_RESET);
            return;
        }
        c->peer->got += (size_t)got;
        buf_add(&c->out, bytes, (size_t)got);
    }
    peer_flush(c);
}

static void peer_accept(struct watch *watch, uint32_t events)
{
    struct peer *peer = (struct peer *)((char *)watch - offsetof(struct peer, listen));
    struct peer_conn *c = &peer->conns[peer->count++];
    assert_true(peer->count <= 8);
    *c = (struct peer_conn){.peer = peer};
    c->watch = (struct watch){.fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK), .ready = peer_ready};
    c->watch.events = peer->mode == PEER_SILENT ? 0 : EPOLLIN;
    assert_true(watch_add(peer->loop, &c->watch, NULL));
    if (peer->mode == PEER_RESET_AT_ONCE) {
        peer_conn_close(c, true);
    } else if (peer->mode == PEER_TEXT_AT_ONCE) {
        peer_say(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    } else if (peer->ctx) {
        c->ssl = SSL_new(peer->ctx);
        SSL_set_fd(c->ssl, c->watch.fd);
    }
}

static int bound_socket(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

uint16_t peer_unused_port(void)
{
    uint16_t port;
    close(bound_socket(&port));
    return port;
}

void peer_start(struct peer *peer, struct loop *loop, enum peer_mode mode)
{
    *peer = (struct peer){.loop = loop, .mode = mode};
    signal(SIGPIPE, SIG_IGN); /* SSL_write of the server; the code under test does without */
    peer->listen = (struct watch){.fd = bound_socket(&peer->port), .events = EPOLLIN, .ready = peer_accept};
    assert_int_equal(listen(peer->listen.fd, 16), 0);
    assert_true(watch_add(loop, &peer->listen, NULL));
}

void peer_stop(struct peer *peer)
{
    for (int i = 0; i < peer->count; i++)
        peer_conn_close(&peer->conns[i], false);
    watch_remove(peer->loop, &peer->listen);
    close(peer->listen.fd);
    SSL_CTX_free(peer->ctx);
}

void peer_say(struct peer *peer, const char *text)
{
    assert_int_equal(send(peer->conns[0].watch.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned len, void *arg)
{
    const char *want = arg;
    for (unsigned at = 0; at < len; at += in[at] + 1u) {
        if (in[at] == strlen(want) && !memcmp(in + at + 1, want, in[at])) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static X509 *make_cert(EVP_PKEY *key, const char *names)
{
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ltlab test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

void peer_use_tls(struct peer *peer, const char *names, const char *cert_file, const char *alpn)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert(key, names);
    peer->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(peer->ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(peer->ctx, key), 1);
    SSL_CTX_set_mode(peer->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_id_context(peer->ctx, (const unsigned char *)"t", 1);
    if (alpn)
        SSL_CTX_set_alpn_select_cb(peer->ctx, select_alpn, (void *)alpn);
    if (cert_file) {
        FILE *file = fopen(cert_file, "w");
        assert_non_null(file);
        PEM_write_X509(file, cert);
        fclose(file);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

void peer_write_key(const struct peer *peer, const char *key_file)
{
    FILE *file = fopen(key_file, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, SSL_CTX_get0_privatekey(peer->ctx), NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

struct staple {
    int status, reason;
};

static int give_staple(SSL *ssl, void *arg)
{
    const struct staple *staple = arg;
    X509 *cert = SSL_get_certificate(ssl);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    ASN1_TIME *at = ASN1_TIME_set(NULL, 1700000000), *next = ASN1_TIME_set(NULL, 1800000000);
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, cert, cert);
    OCSP_basic_add1_status(basic, id, staple->status, staple->reason, at, at, next);
    OCSP_basic_sign(basic, cert, SSL_get_privatekey(ssl), EVP_sha256(), NULL, 0);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *der = NULL;
    int len = i2d_OCSP_RESPONSE(response, &der);
    SSL_set_tlsext_status_ocsp_resp(ssl, der, len); /* takes der */
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(at);
    ASN1_TIME_free(next);
    return SSL_TLSEXT_ERR_OK;
}

void peer_staple(struct peer *peer, int status, int reason)
{
    static struct staple staple;
    staple = (struct staple){status, reason};
    SSL_CTX_set_tlsext_status_cb(peer->ctx, give_staple);
    SSL_CTX_set_tlsext_status_arg(peer->ctx, &staple);
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
    return 1;
}

void peer_ask_for_cert(struct peer *peer)
{
    SSL_CTX_set_verify(peer->ctx, SSL_VERIFY_PEER, accept_any);
}

/* --- the client --- */

static void maybe_close(struct seen *seen, struct conn *c, int where)
{
    if (seen->close_in == where)
        conn_close(c);
}

static void seen_opened(struct conn *c, void *arg)
{
    struct seen *seen = arg;
    seen->opened++;
    maybe_close(seen, c, 'o');
}

static void seen_data(struct conn *c, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct seen *seen = arg;
    seen->data++;
    seen->received_ns = received_ns;
    seen->read_ns = read_ns;
    buf_add(&seen->bytes, bytes, len);
    maybe_close(seen, c, 'd');
}

static void seen_drained(struct conn *c, void *arg)
{
    struct seen *seen = arg;
    seen->drained++;
    maybe_close(seen, c, 'r');
}

static void seen_closed(struct conn *c, void *arg, const struct net_failure *why)
{
    struct seen *seen = arg;
    seen->closed++;
    seen->code = why->code;
    snprintf(seen->text, sizeof(seen->text), "%s", why->text);
    maybe_close(seen, c, 'c');
}

const struct conn_handler seen_handler = {seen_opened, seen_data, seen_drained, seen_closed};

void seen_free(struct seen *seen)
{
    buf_free(&seen->bytes);
}

void turn_until(struct loop *loop, const int *count, int want)
{
    int64_t give_up_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (*count < want) {
        loop_turn(loop, clock_mono_ns() + NS_PER_S / 10);
        assert_true(clock_mono_ns() < give_up_ns);
    }
}

void turn_some(struct loop *loop)
{
    for (int i = 0; i < 10; i++)
        loop_turn(loop, 0);
}

int nameless_file(char path[64])
{
    int fd = memfd_create("ltlab-test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}
