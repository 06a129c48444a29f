/* SPDX-License-Identifier: Apache-2.0 */
/* The network as one worker sees it: name resolution, TCP and TLS connections, kernel receive times.
 * Everything here belongs to the worker's thread and is driven by its loop; callbacks run on the loop's
 * (worker's own) stack, never on a VU's. Knows nothing of HTTP. */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct error;
struct net;
struct conn;

enum dns_select { DNS_SELECT_FIRST, DNS_SELECT_RANDOM, DNS_SELECT_ROUND_ROBIN };
enum dns_policy { DNS_PREFER_IPV4, DNS_PREFER_IPV6, DNS_ONLY_IPV4, DNS_ONLY_IPV6, DNS_ANY };

/* One row of options.hosts: "name[:port]" or "*.suffix" to an address (port 0: keep the request's). */
struct net_host {
    const char *pattern;
    const char *address;
    uint16_t port;
};

/* A client certificate (options.tlsAuth); domains empty = for all. PEM text. */
struct net_tls_auth {
    const char *cert_pem, *key_pem, *password;
    const char *const *domains;
    size_t domain_count;
};

/* What the script's options say; shared by all workers, owned by the caller, constant during the run. */
struct net_options {
    int64_t dns_ttl_ns; /* INT64_MAX: for ever; 0: no cache */
    enum dns_select dns_select;
    enum dns_policy dns_policy;
    const struct net_host *hosts;
    size_t host_count;
    const char *const *block_hostnames; /* exact, or with a leading '*' */
    size_t block_hostname_count;
    const char *const *blacklist_ips; /* CIDR */
    size_t blacklist_ip_count;
    const char *local_ips; /* "a,b-c,d/24" or NULL; VU n uses index n mod total */
    bool insecure_skip_tls_verify;
    const char *tls_min, *tls_max; /* "tls1.0" ... "tls1.3"; NULL: default (1.2 to 1.3) */
    const char *const *tls_ciphers; /* Go's suite names; count 0 = default */
    size_t tls_cipher_count;
    const struct net_tls_auth *tls_auth;
    size_t tls_auth_count;
    const char *key_log_file; /* SSLKEYLOGFILE or NULL */
    const char *ca_file;      /* SSL_CERT_FILE or NULL: the system's certificates */
    bool collect_ocsp;
};

/* Checks the options (bad CIDR, unknown cipher suite ...: EXIT_INVALID_CONFIG) and makes the TLS context. */
struct net *net_new(struct loop *loop, const struct net_options *options, struct error *err);
void net_free(struct net *net); /* all connections must be closed before */
struct loop *net_loop(const struct net *net);

/* Why a connection could not be made or ended. code 0: the peer closed it in an orderly way. */
struct net_failure {
    int code;         /* k6's error_code: 1101, 1110, 1111, 1200 ... 1311 */
    const char *text; /* k6's error text; valid until the callback returns */
};

struct conn_target {
    const char *host; /* name or IP literal without brackets; copied */
    uint16_t port;
    bool tls;
    const char *alpn;       /* "h2,http/1.1", or NULL for none */
    const char *proxy_host; /* connect there instead, in the clear; NULL: none. The caller (http) speaks
                               CONNECT and then calls conn_start_tls */
    uint16_t proxy_port;
    unsigned local_ip_index;
    int64_t deadline_ns; /* mono; dialling fails with 1211 after 30 s in any case */
};

/* Mono times of the way to an open connection; 0 where a step did not happen. */
struct conn_times {
    int64_t started_ns, resolved_ns, connect_started_ns, connected_ns, tls_started_ns, tls_done_ns;
};

struct conn_handler {
    /* The connection is up (TLS included). */
    void (*opened)(struct conn *c, void *arg);
    /* Decrypted bytes. received_ns: when the kernel received the packet that completed them (mono; from
     * SO_TIMESTAMPING where there is any, otherwise read_ns); read_ns: when this process read them. The
     * bytes are valid during the call. */
    void (*data)(struct conn *c, void *arg, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns);
    /* Everything that conn_write took has gone to the kernel (after a write that did not fit at once). */
    void (*drained)(struct conn *c, void *arg);
    /* Dialling failed, or the connection ended. The last callback; the conn is freed after it returns. */
    void (*closed)(struct conn *c, void *arg, const struct net_failure *why);
};

/* Begins to connect. Never calls back before it returns. Never NULL: failures come through closed(). */
struct conn *conn_open(struct net *net, const struct conn_target *target, const struct conn_handler *handler, void *arg);
/* Sends what fits at once and keeps (a copy of) the rest. False when the connection is broken already:
 * closed() follows from the loop. */
bool conn_write(struct conn *c, const void *bytes, size_t len);
/* When the last byte written so far was handed to the kernel (mono); 0 while bytes are waiting. */
int64_t conn_written_ns(const struct conn *c);
/* Starts TLS on an open plain connection (after CONNECT through a proxy); opened() is called again. */
void conn_start_tls(struct conn *c, const char *alpn);
/* Stop or go on reading (backpressure for slow consumers). */
void conn_pause(struct conn *c, bool paused);
/* Closes at once and frees; no callback follows. Safe inside callbacks of this conn. */
void conn_close(struct conn *c);

struct conn_times conn_times(const struct conn *c);
/* The peer, text form into out (INET6_ADDRSTRLEN); returns the port. */
uint16_t conn_remote(const struct conn *c, char *out, size_t size);
const char *conn_alpn(const struct conn *c);       /* "h2", "http/1.1" or "" */
const char *conn_tls_version(const struct conn *c); /* "tls1.3" ... or "" */
const char *conn_tls_cipher(const struct conn *c);  /* "TLS_AES_128_GCM_SHA256" ... or "" */

/* A stapled OCSP answer; status NULL: none. Strings are k6's ("good", "unspecified" ...). Times: Unix s. */
struct conn_ocsp {
    const char *status, *revocation_reason;
    int64_t produced_at, this_update, next_update, revoked_at;
};
struct conn_ocsp conn_ocsp(const struct conn *c);

/* Bytes on the wire (TLS included) that all connections of an owner moved. conn_open's caller may attach
 * a counter; it is added to at every send and receive. */
struct conn_counter {
    uint64_t sent_bytes, received_bytes;
};
void conn_set_counter(struct conn *c, struct conn_counter *counter);

#endif
