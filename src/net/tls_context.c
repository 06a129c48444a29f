/* SPDX-License-Identifier: Apache-2.0 */
/* What all TLS conns of a net share: versions, cipher suites, trusted certificates, client certificates,
 * the key log, and the sessions that later connections to the same host and port resume. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "net/net_private.h"
#include "net/tls.h"

#define SESSIONS_MAX 4096

struct client_cert {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) *chain;
};

struct tls_context {
    const struct net_options *options;
    SSL_CTX *ctx;
    struct client_cert *certs; /* in the order of options->tls_auth */
    struct map sessions;       /* "host:port" -> SSL_SESSION */
    int key_log_fd;
    bool trust_is_lazy; /* certificates of authorities are read at the first connection */
};

/* --- names --- */

static const struct {
    const char *go, *openssl;
} suites[] = {
    {"TLS_RSA_WITH_RC4_128_SHA", "RC4-SHA"},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", "ECDHE-ECDSA-RC4-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", "ECDHE-RSA-RC4-SHA"},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "ECDHE-RSA-DES-CBC3-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    /* those of TLS 1.3, which cannot be chosen among, as in Go */
    {"TLS_AES_128_GCM_SHA256", NULL},
    {"TLS_AES_256_GCM_SHA384", NULL},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL},
};

static bool set_ciphers(SSL_CTX *ctx, const struct net_options *options, struct error *err)
{
    struct buf list = {0};
    bool only_13 = true;
    for (size_t i = 0; i < options->tls_cipher_count; i++) {
        size_t n = 0, count = sizeof(suites) / sizeof(suites[0]);
        while (n < count && strcmp(suites[n].go, options->tls_ciphers[i]))
            n++;
        if (n == count) {
            buf_free(&list);
            return error_set(err, EXIT_INVALID_CONFIG, "unknown cipher suite '%s'", options->tls_ciphers[i]);
        }
        if (suites[n].openssl)
            buf_printf(&list, "%s%s", only_13 ? "" : ":", suites[n].openssl);
        only_13 = only_13 && !suites[n].openssl;
    }
    bool ok = true;
    if (only_13 && options->tls_cipher_count)
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    else if (!only_13 && !SSL_CTX_set_cipher_list(ctx, list.data))
        ok = error_set(err, EXIT_INVALID_CONFIG,
                       "this OpenSSL has none of the configured cipher suites (%s): name a newer one", list.data);
    buf_free(&list);
    ERR_clear_error();
    return ok;
}

static bool version_number(const char *name, int otherwise, int *number, struct error *err)
{
    static const char *const names[] = {"tls1.0", "tls1.1", "tls1.2", "tls1.3"};
    *number = otherwise;
    if (!name || !name[0])
        return true;
    for (int i = 0; i < 4; i++) {
        if (!strcmp(name, names[i])) {
            *number = TLS1_VERSION + i;
            return true;
        }
    }
    return error_set(err, EXIT_INVALID_CONFIG, "unknown TLS version '%s': use tls1.0, tls1.1, tls1.2 or tls1.3", name);
}

static bool set_versions(SSL_CTX *ctx, const struct net_options *options, struct error *err)
{
    int least, most;
    if (!version_number(options->tls_min, TLS1_2_VERSION, &least, err) ||
        !version_number(options->tls_max, TLS1_3_VERSION, &most, err))
        return false;
    if (most < least && !options->tls_min)
        least = most;
    if (most < least)
        return error_set(err, EXIT_INVALID_CONFIG, "tlsVersion: the least version (%s) is above the greatest (%s)",
                         options->tls_min, options->tls_max);
    SSL_CTX_set_min_proto_version(ctx, least);
    SSL_CTX_set_max_proto_version(ctx, most);
    /* OpenSSL allows the old versions and suites at level 0 only */
    SSL_CTX_set_security_level(ctx, least < TLS1_2_VERSION || options->tls_cipher_count ? 0 : 1);
    return true;
}

/* --- client certificates --- */

static int give_password(char *out, int size, int writing, void *password)
{
    size_t len = password ? strlen(password) : 0;
    if (len > (size_t)size)
        return -1;
    if (len)
        memcpy(out, password, len);
    return (int)len;
}

static bool read_client_cert(const struct net_tls_auth *auth, struct client_cert *out)
{
    BIO *bio = BIO_new_mem_buf(auth->cert_pem, -1);
    out->chain = sk_X509_new_null();
    out->cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    for (X509 *more; out->cert && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        sk_X509_push(out->chain, more);
    BIO_free(bio);
    bio = BIO_new_mem_buf(auth->key_pem, -1);
    out->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *)auth->password) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return out->cert && out->key && X509_check_private_key(out->cert, out->key) == 1;
}

static bool read_client_certs(struct tls_context *context, struct error *err)
{
    const struct net_options *options = context->options;
    if (!options->tls_auth_count)
        return true;
    context->certs = mem_zalloc(options->tls_auth_count * sizeof(context->certs[0]));
    for (size_t i = 0; i < options->tls_auth_count; i++) {
        const struct net_tls_auth *auth = &options->tls_auth[i];
        if (!auth->cert_pem || !auth->key_pem || !read_client_cert(auth, &context->certs[i]))
            return error_set(err, EXIT_INVALID_CONFIG,
                             "tlsAuth[%zu]: cert and key cannot be read as a PEM certificate and its private key "
                             "(does the key belong to it, is the password right?)", i);
    }
    return true;
}

static bool domain_covers(const char *domain, const char *host)
{
    size_t len = strlen(host);
    if (!strcasecmp(domain, host))
        return true;
    if (domain[0] != '*' || domain[1] != '.')
        return false;
    size_t suffix = strlen(domain + 1);
    return len > suffix && !strcasecmp(host + len - suffix, domain + 1);
}

static const struct client_cert *client_cert_for(const struct tls_context *context, const char *host)
{
    const struct client_cert *for_all = NULL;
    for (size_t i = 0; i < context->options->tls_auth_count; i++) {
        const struct net_tls_auth *auth = &context->options->tls_auth[i];
        if (!auth->domain_count && !for_all)
            for_all = &context->certs[i];
        for (size_t d = 0; d < auth->domain_count; d++)
            if (domain_covers(auth->domains[d], host))
                return &context->certs[i];
    }
    return for_all;
}

/* --- sessions --- */

static char *session_key(const char *host, uint16_t port)
{
    return mem_printf("%s:%u", host, port);
}

static void free_session(void *session)
{
    SSL_SESSION_free(session);
}

/* OpenSSL hands over its reference when this returns 1. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct conn *c = tls_owner(ssl);
    char *key = session_key(c->host, c->port);
    size_t len = strlen(key);
    bool keep = context->sessions.count < SESSIONS_MAX || map_has(&context->sessions, key, len);
    if (keep)
        SSL_SESSION_free(map_set(&context->sessions, key, len, session));
    mem_free(key);
    return keep;
}

static void resume_session(struct tls_context *context, SSL *ssl, const char *host, uint16_t port)
{
    char *key = session_key(host, port);
    SSL_SESSION *session = map_get(&context->sessions, key, strlen(key));
    if (session && SSL_SESSION_is_resumable(session))
        SSL_set_session(ssl, session);
    mem_free(key);
}

/* --- the key log --- */

static void log_keys(const SSL *ssl, const char *line)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char *text = mem_printf("%s\n", line);
    size_t len = strlen(text);
    if (write(context->key_log_fd, text, len) != (ssize_t)len) /* one write: lines of workers do not mix */
        log_warning("cannot write to the TLS key log %s: %s", context->options->key_log_file, strerror(errno));
    mem_free(text);
}

static bool open_key_log(struct tls_context *context, struct error *err)
{
    const char *path = context->options->key_log_file;
    if (!path || !path[0])
        return true;
    context->key_log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (context->key_log_fd < 0)
        return error_set(err, EXIT_INVALID_CONFIG, "cannot open the TLS key log '%s' (SSLKEYLOGFILE): %s", path, strerror(errno));
    SSL_CTX_set_keylog_callback(context->ctx, log_keys);
    return true;
}

/* --- the context --- */

static int check_certificate(int ok, X509_STORE_CTX *store)
{
    if (!ok)
        tls_note_bad_certificate(tls_owner(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())), store);
    return ok;
}

/* Parsing 140 certificates takes 40 ms, so that is done at the first TLS connection; here only a look. */
static bool looks_like_pem(const char *path)
{
    char head[4096];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(head, sizeof(head), file))
        found = strstr(head, "-----BEGIN ") != NULL;
    if (file)
        fclose(file);
    return found;
}

static void load_trust(struct tls_context *context)
{
    const char *file = context->options->ca_file;
    if (!file || !file[0])
        SSL_CTX_set_default_verify_paths(context->ctx);
    else if (!SSL_CTX_load_verify_file(context->ctx, file))
        log_error("cannot read certificates from '%s' (SSL_CERT_FILE): is it a PEM file?", file);
    ERR_clear_error();
    context->trust_is_lazy = false;
}

static bool set_trust(struct tls_context *context, struct error *err)
{
    const char *file = context->options->ca_file;
    SSL_CTX_set_verify(context->ctx, context->options->insecure_skip_tls_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       context->options->insecure_skip_tls_verify ? NULL : check_certificate);
    context->trust_is_lazy = !context->options->insecure_skip_tls_verify;
    if (file && file[0] && !looks_like_pem(file))
        return error_set(err, EXIT_INVALID_CONFIG, "cannot read certificates from '%s' (SSL_CERT_FILE): is it a PEM file?", file);
    ERR_clear_error();
    return true;
}

/* Starting OpenSSL takes milliseconds, so a run without TLS options does it at its first TLS connection. */
static bool make_ctx(struct tls_context *context, struct error *err)
{
    if (context->ctx)
        return true;
    context->ctx = SSL_CTX_new(TLS_client_method());
    if (!context->ctx)
        return error_set(err, EXIT_GENERIC, "OpenSSL cannot make a TLS context: is its configuration readable?");
    SSL_CTX_set_app_data(context->ctx, context);
    SSL_CTX_set_mode(context->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context->ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ctx, keep_session);
    return set_versions(context->ctx, context->options, err) && set_ciphers(context->ctx, context->options, err) && set_trust(context, err) &&
           read_client_certs(context, err) && open_key_log(context, err);
}

static bool has_tls_options(const struct net_options *o)
{
    return o->tls_min || o->tls_max || o->tls_cipher_count || o->tls_auth_count || o->key_log_file || o->ca_file;
}

struct tls_context *tls_context_new(const struct net_options *options, struct error *err)
{
    struct tls_context *context = mem_zalloc(sizeof(*context));
    context->options = options;
    context->key_log_fd = -1;
    bool only_ca = options->ca_file && !options->tls_min && !options->tls_max && !options->tls_cipher_count && !options->tls_auth_count && !options->key_log_file;
    bool fine = true;
    if (only_ca && options->ca_file[0] && !looks_like_pem(options->ca_file))
        fine = error_set(err, EXIT_INVALID_CONFIG, "cannot read certificates from '%s' (SSL_CERT_FILE): is it a PEM file?", options->ca_file);
    else if (has_tls_options(options) && !only_ca)
        fine = make_ctx(context, err);
    if (fine)
        return context;
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (!context)
        return;
    for (size_t i = 0; context->certs && i < context->options->tls_auth_count; i++) {
        X509_free(context->certs[i].cert);
        EVP_PKEY_free(context->certs[i].key);
        sk_X509_pop_free(context->certs[i].chain, X509_free);
    }
    mem_free(context->certs);
    map_free(&context->sessions, free_session);
    SSL_CTX_free(context->ctx);
    if (context->key_log_fd >= 0)
        close(context->key_log_fd);
    mem_free(context);
}

bool tls_context_wants_ocsp(const struct tls_context *context)
{
    return context->options->collect_ocsp;
}

/* --- one connection --- */

struct conn *tls_owner(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* "h2,http/1.1" to the form of the wire: every name after its length. */
static void set_alpn(SSL *ssl, const char *alpn)
{
    struct buf wire = {0};
    struct text rest = text_of(alpn);
    while (rest.data) {
        struct text name = text_trim(text_cut(rest, ',', &rest));
        if (!name.len || name.len > 255)
            continue;
        buf_add_char(&wire, (char)name.len);
        buf_add(&wire, name.data, name.len);
    }
    if (wire.len)
        SSL_set_alpn_protos(ssl, (const unsigned char *)wire.data, (unsigned)wire.len);
    buf_free(&wire);
}

static void set_names(SSL *ssl, const char *host)
{
    struct ip ip;
    bool address = ip_parse(host, &ip);
    char *name = mem_strdup(host);
    size_t len = strlen(name);
    if (len > 1 && name[len - 1] == '.') /* the root dot is not part of the name in certificates */
        name[len - 1] = '\0';
    if (address) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    } else {
        SSL_set_tlsext_host_name(ssl, name);
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        SSL_set1_host(ssl, name);
    }
    mem_free(name);
}

SSL *tls_context_open(struct tls_context *context, struct conn *owner, const char *host, uint16_t port, const char *alpn)
{
    struct error err = {0};
    if (!make_ctx(context, &err)) {
        log_error("%s", err.text);
        error_clear(&err);
        return NULL;
    }
    if (context->trust_is_lazy)
        load_trust(context);
    SSL *ssl = SSL_new(context->ctx);
    if (!ssl)
        return NULL;
    SSL_set_app_data(ssl, owner);
    SSL_set_connect_state(ssl);
    set_names(ssl, host);
    if (alpn && alpn[0])
        set_alpn(ssl, alpn);
    const struct client_cert *cert = client_cert_for(context, host);
    if (cert && SSL_use_cert_and_key(ssl, cert->cert, cert->key, cert->chain, 1) != 1) {
        ERR_clear_error();
        SSL_free(ssl);
        return NULL;
    }
    if (context->options->collect_ocsp)
        SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp); /* a resumed handshake would staple none */
    else
        resume_session(context, ssl, host, port);
    return ssl;
}
