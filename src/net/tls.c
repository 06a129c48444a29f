/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over a conn with OpenSSL. The library never sees the socket: a BIO of our own reads from the bytes
 * that conn.c has just received (no copy) and writes with conn_send, so that receive times, counters and
 * backpressure are the same as without TLS. What a paused conn did not take waits, still encrypted, in
 * tls->held. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/net_private.h"
#include "net/ocsp.h"

#define RECORD_MAX ((size_t)16384)
#define HANDSHAKE_TIMEOUT_NS (30 * NS_PER_S)

struct tls {
    SSL *ssl;
    const uint8_t *in; /* ciphertext that was received and not read by OpenSSL */
    size_t in_len;
    struct buf held;
    bool any_input;
    int bad_code; /* of the peer's certificate; 0: fine */
    char *bad_text;
    char *alpn;
    struct conn_ocsp ocsp;
};

/* --- the BIO --- */

static pthread_once_t bio_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *bio_method;

static int wire_read(BIO *bio, char *out, int size)
{
    struct tls *tls = ((struct conn *)BIO_get_data(bio))->tls;
    BIO_clear_retry_flags(bio);
    if (!tls || !tls->in_len) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t len = (size_t)size < tls->in_len ? (size_t)size : tls->in_len;
    memcpy(out, tls->in, len);
    tls->in += len;
    tls->in_len -= len;
    return (int)len;
}

static int wire_write(BIO *bio, const char *bytes, int len)
{
    BIO_clear_retry_flags(bio);
    return conn_send(BIO_get_data(bio), bytes, (size_t)len) ? len : -1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
    if (!bio_method)
        return;
    BIO_meth_set_read(bio_method, wire_read);
    BIO_meth_set_write(bio_method, wire_write);
    BIO_meth_set_ctrl(bio_method, wire_control);
}

static BIO *make_bio(struct conn *c)
{
    pthread_once(&bio_once, make_bio_method);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- what went wrong --- */

static void add_name(struct buf *names, const char *name, size_t len)
{
    if (names->len)
        buf_add_text(names, ", ");
    buf_add(names, name, len);
}

/* The names (or, for an address, the addresses) that a certificate is for: "a, b". */
static void list_names(X509 *cert, bool addresses, struct buf *names)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (!addresses && name->type == GEN_DNS) {
            add_name(names, (const char *)ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (addresses && name->type == GEN_IPADD) {
            int len = ASN1_STRING_length(name->d.iPAddress);
            struct ip ip = {.family = len == 4 ? AF_INET : AF_INET6};
            char text[INET6_ADDRSTRLEN];
            if (len != 4 && len != 16)
                continue;
            memcpy(ip.bytes, ASN1_STRING_get0_data(name->d.iPAddress), (size_t)len);
            ip_format(&ip, text);
            add_name(names, text, strlen(text));
        }
    }
    GENERAL_NAMES_free(all);
}

/* NULL when the certificate is for the host. */
static char *describe_mismatch(X509 *cert, const char *host)
{
    struct ip ip;
    bool address = ip_parse(host, &ip);
    if (address ? X509_check_ip_asc(cert, host, 0) == 1
                : X509_check_host(cert, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                  NULL) == 1)
        return NULL;
    struct buf names = {0};
    list_names(cert, address, &names);
    char *text;
    if (names.len)
        text = mem_printf("x509: certificate is valid for %s, not %s", names.data, host);
    else if (address)
        text = mem_printf("x509: cannot validate certificate for %s because it doesn't contain any IP SANs", host);
    else
        text = mem_printf("x509: certificate is not valid for any names, but wanted to match %s", host);
    buf_free(&names);
    return text;
}

void tls_note_bad_certificate(struct conn *c, X509_STORE_CTX *store)
{
    struct tls *tls = c->tls;
    if (tls->bad_code)
        return;
    int error = X509_STORE_CTX_get_error(store);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    tls->bad_text = leaf ? describe_mismatch(leaf, c->host) : NULL; /* names come first, as in Go */
    tls->bad_code = 1311;
    if (tls->bad_text)
        return;
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
        tls->bad_code = 1310;
        tls->bad_text = mem_strdup("x509: certificate signed by unknown authority");
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
        tls->bad_code = 1300;
        tls->bad_text = mem_strdup("x509: certificate has expired or is not yet valid");
        return;
    default:
        tls->bad_code = 1300;
        tls->bad_text = mem_printf("x509: %s", X509_verify_cert_error_string(error));
    }
}

static void fail_tls(struct conn *c)
{
    struct tls *tls = c->tls;
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    char *text = NULL;
    int code = 1300;
    if (tls->bad_code) {
        code = tls->bad_code;
        text = mem_strdup(tls->bad_text);
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        code = 1301;
        text = mem_strdup("tls: first record does not look like a TLS handshake");
    } else if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) {
        text = mem_printf("remote error: tls: %s", SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    } else {
        const char *what = error ? ERR_reason_error_string(error) : NULL;
        text = mem_printf("tls: %s", what ? what : "the connection ended in an unknown way");
    }
    ERR_clear_error();
    conn_break(c, code, text);
    mem_free(text);
}

/* --- the handshake --- */

static void handshake_timed_out(struct timer *timer)
{
    struct conn *c = (struct conn *)((char *)timer - offsetof(struct conn, dial_timer));
    conn_end(c, 1211, "dial: i/o timeout");
}

bool tls_start(struct conn *c, const char *alpn)
{
    struct net *net = c->net;
    if (!net->plain_buffer)
        net->plain_buffer = mem_alloc(NET_READ_SIZE);
    c->state = CONN_HANDSHAKE;
    conn_update_watch(c);
    c->times.tls_started_ns = clock_mono_ns();
    c->tls = mem_zalloc(sizeof(*c->tls));
    c->tls->ssl = tls_context_open(net->tls, c, c->host, c->port, alpn);
    BIO *bio = c->tls->ssl ? make_bio(c) : NULL;
    if (!bio) {
        conn_break(c, 1300, "tls: OpenSSL cannot make a connection (out of memory?)");
        return false;
    }
    SSL_set_bio(c->tls->ssl, bio, bio);
    if (!timer_is_started(&c->dial_timer)) {
        int64_t due = c->times.tls_started_ns + HANDSHAKE_TIMEOUT_NS;
        c->dial_timer.fire = handshake_timed_out;
        timer_start(net->loop, &c->dial_timer, c->deadline_ns > 0 && c->deadline_ns < due ? c->deadline_ns : due);
    }
    ERR_clear_error();
    int done = SSL_do_handshake(c->tls->ssl);
    if (done != 1 && SSL_get_error(c->tls->ssl, done) != SSL_ERROR_WANT_READ) {
        fail_tls(c);
        return false;
    }
    return true;
}

static void handshake_done(struct conn *c)
{
    struct tls *tls = c->tls;
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &name, &len);
    tls->alpn = mem_strndup(len ? (const char *)name : "", len);
    if (tls_context_wants_ocsp(c->net->tls))
        tls->ocsp = ocsp_read(tls->ssl);
    timer_stop(c->net->loop, &c->dial_timer);
    c->times.tls_done_ns = clock_mono_ns();
    c->state = CONN_OPEN;
    conn_update_watch(c);
    c->handler->opened(c, c->arg);
}

/* True: the conn is open. */
static bool go_on_with_handshake(struct conn *c)
{
    struct tls *tls = c->tls;
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    if (done == 1) {
        handshake_done(c);
        return c->state == CONN_OPEN;
    }
    if (SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ)
        fail_tls(c);
    return false;
}

/* --- bytes --- */

/* Decrypts what there is into the shared buffer. False: no more will come. */
static bool decrypt(struct conn *c, size_t *len)
{
    *len = 0;
    while (NET_READ_SIZE - *len >= RECORD_MAX) {
        ERR_clear_error();
        int got = SSL_read(c->tls->ssl, c->net->plain_buffer + *len, (int)(NET_READ_SIZE - *len));
        if (got > 0) {
            *len += (size_t)got;
            continue;
        }
        int why = SSL_get_error(c->tls->ssl, got);
        if (why == SSL_ERROR_ZERO_RETURN)
            conn_break(c, 0, "EOF");
        else if (why != SSL_ERROR_WANT_READ)
            fail_tls(c);
        return false;
    }
    return true;
}

static void read_records(struct conn *c, int64_t received_ns, int64_t read_ns)
{
    if (c->state == CONN_HANDSHAKE && !go_on_with_handshake(c))
        return;
    bool more = true;
    while (more && c->state == CONN_OPEN && !c->paused) {
        size_t len;
        more = decrypt(c, &len);
        if (len)
            c->handler->data(c, c->arg, c->net->plain_buffer, len, received_ns, read_ns);
    }
}

void tls_input(struct conn *c, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns)
{
    struct tls *tls = c->tls;
    if (!tls->any_input && len && (bytes[0] < 20 || bytes[0] > 23)) { /* no record of TLS begins like this */
        conn_end(c, 1301, "tls: first record does not look like a TLS handshake");
        return;
    }
    tls->any_input = true;
    bool from_held = tls->held.len > 0;
    if (from_held && len)
        buf_add(&tls->held, bytes, len);
    tls->in = from_held ? (const uint8_t *)tls->held.data : bytes;
    tls->in_len = from_held ? tls->held.len : len;
    read_records(c, received_ns, read_ns);
    size_t left = tls->in_len;
    if (!left && from_held)
        buf_free(&tls->held);
    else if (from_held)
        buf_drop(&tls->held, tls->held.len - left);
    else if (left)
        buf_add(&tls->held, tls->in, left);
    tls->in = NULL;
    tls->in_len = 0;
}

void tls_input_end(struct conn *c)
{
    if (c->state == CONN_HANDSHAKE)
        conn_end(c, 1300, "EOF");
    else
        conn_end(c, 0, "EOF");
}

bool tls_write(struct conn *c, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len) {
        int piece = len > INT32_MAX ? INT32_MAX : (int)len;
        ERR_clear_error();
        int done = SSL_write(c->tls->ssl, at, piece);
        if (done <= 0) {
            fail_tls(c); /* the first reason stays, if conn_send had one */
            return false;
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

void tls_close(struct conn *c)
{
    if (!c->out.len)
        SSL_shutdown(c->tls->ssl);
    ERR_clear_error();
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    buf_free(&tls->held);
    mem_free(tls->bad_text);
    mem_free(tls->alpn);
    mem_free(tls);
}

/* --- facts --- */

const char *conn_alpn(const struct conn *c)
{
    return c->tls && c->tls->alpn ? c->tls->alpn : "";
}

const char *conn_tls_version(const struct conn *c)
{
    if (!c->tls || !c->tls->ssl)
        return "";
    switch (SSL_version(c->tls->ssl)) {
    case TLS1_VERSION:
        return "tls1.0";
    case TLS1_1_VERSION:
        return "tls1.1";
    case TLS1_2_VERSION:
        return "tls1.2";
    case TLS1_3_VERSION:
        return "tls1.3";
    default:
        return "";
    }
}

const char *conn_tls_cipher(const struct conn *c)
{
    const SSL_CIPHER *cipher = c->tls && c->tls->ssl ? SSL_get_current_cipher(c->tls->ssl) : NULL;
    const char *name = cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
    return name ? name : "";
}

struct conn_ocsp conn_ocsp(const struct conn *c)
{
    return c->tls ? c->tls->ocsp : (struct conn_ocsp){0};
}
