/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/net share; nobody else includes it. Everything runs on the worker's thread.
 *
 * The life of a connection: NEW (waits for the net's work timer, so that conn_open never calls back) ->
 * RESOLVING -> CONNECTING -> HANDSHAKE (TLS only) -> OPEN -> DEAD. A dead conn holds no descriptor and
 * waits for the work timer to free it; so closing is safe in the middle of any callback. */
#ifndef NET_NET_PRIVATE_H
#define NET_NET_PRIVATE_H

#include <netinet/in.h>
#include <openssl/ssl.h>

#include "core/buf.h"
#include "core/loop.h"
#include "core/map.h"
#include "net/net.h"

/* --- addresses and rules (rules.c) --- */

/* An IPv4 address (in the first 4 bytes) or an IPv6 address. */
struct ip {
    int family; /* AF_INET, AF_INET6; 0: none */
    uint8_t bytes[16];
};

bool ip_parse(const char *text, struct ip *ip);
void ip_format(const struct ip *ip, char out[INET6_ADDRSTRLEN]);

struct ip_block {
    struct ip base; /* host bits are zero */
    unsigned prefix;
};

struct ip_span {
    struct ip first;
    uint64_t count;
};

struct rules {
    struct ip_block *blacklist;
    size_t blacklist_count;
    struct ip_span *local_spans;
    size_t local_span_count;
    uint64_t local_total; /* 0: the system chooses */
};

bool rules_init(struct rules *rules, const struct net_options *options, struct error *err);
void rules_free(struct rules *rules);
/* The pattern of blockHostnames that covers the name, or NULL. */
const char *rules_blocked(const struct net_options *options, const char *host);
/* The row of the hosts map for the name, the most specific first, or NULL. */
const struct net_host *rules_host(const struct net_options *options, const char *host, uint16_t port);
/* The blacklisted block that holds the address, or NULL. */
const struct ip_block *rules_blacklisted(const struct rules *rules, const struct ip *ip);
/* The local address number index mod total; false when none are configured. */
bool rules_local_ip(const struct rules *rules, unsigned index, struct ip *ip);

/* --- name resolution (resolve.c) --- */

struct resolver;
struct dns_entry;

struct resolve_request {
    struct resolve_request *next, **link; /* among the waiters of entry; link NULL: not waiting */
    /* ip NULL: failed with code and text */
    void (*done)(struct resolve_request *request, const struct ip *ip, int code, const char *text);
};

struct resolver *resolver_new(struct net *net);
void resolver_free(struct resolver *resolver);
/* Asks these ("ip:port,...") instead of those of /etc/resolv.conf; what the tests need. */
bool resolver_use_servers(struct resolver *resolver, const char *servers);
/* done() may be called before this returns (the name was cached). */
void resolve_start(struct resolver *resolver, const char *host, struct resolve_request *request);
void resolve_cancel(struct resolve_request *request);

/* --- the net (net.c) --- */

#define NET_READ_SIZE ((size_t)64 * 1024)

struct net {
    struct loop *loop;
    const struct net_options *options;
    struct rules rules;
    struct resolver *resolver;
    struct tls_context *tls;
    struct timer work_timer; /* starts new conns, tells of broken ones, frees dead ones */
    struct conn *work, **work_tail;
    int64_t wall_offset_ns, wall_offset_read_ns; /* wall - mono, and when that was measured (mono) */
    uint8_t *read_buffer;                        /* NET_READ_SIZE, shared by all conns */
    uint8_t *plain_buffer;                       /* the same for decrypted bytes; made by the first TLS conn */
};

/* --- connections (conn.c) --- */

enum conn_state { CONN_NEW, CONN_RESOLVING, CONN_CONNECTING, CONN_HANDSHAKE, CONN_OPEN, CONN_DEAD };

struct conn {
    struct net *net;
    const struct conn_handler *handler;
    void *arg;
    struct conn_counter *counter;
    struct conn *work_next;
    enum conn_state state;
    bool queued;  /* on the net's work list */
    bool watched; /* the watch is registered */
    bool paused;
    bool wants_tls; /* TLS begins as soon as TCP is up */
    bool was_full;  /* drained() is owed */
    bool resume;    /* bytes held back by conn_pause are to be delivered */
    int broken_code; /* < 0: fine; otherwise closed() is owed with broken_text */
    char *broken_text;
    struct watch watch;
    struct timer dial_timer;
    struct resolve_request lookup;
    struct conn_times times;
    int64_t deadline_ns, written_ns;
    struct buf out; /* what the kernel did not take yet, from out_at on */
    size_t out_at;
    struct tls *tls;
    char *host, *alpn, *proxy_host;
    uint16_t port, proxy_port, dial_port; /* dial_port: where the SYN goes */
    unsigned local_ip_index;
    struct sockaddr_storage peer;
};

/* Puts the conn on the work list. */
void conn_queue(struct conn *c);
/* Ends the conn from the loop: closed() is called now. */
void conn_end(struct conn *c, int code, const char *text);
/* Ends it from anywhere: closed() follows from the loop. The first reason stays. */
void conn_break(struct conn *c, int code, const char *text);
/* Hands bytes for the wire to the kernel, or keeps them. False: broken. */
bool conn_send(struct conn *c, const void *bytes, size_t len);
/* Watches the socket for what the conn's state asks for. */
void conn_update_watch(struct conn *c);
void conn_work(struct conn *c);
void conn_destroy(struct conn *c);

/* --- TLS (tls.c, tls_context.c) --- */

struct tls_context *tls_context_new(const struct net_options *options, struct error *err);
void tls_context_free(struct tls_context *context);
/* Sends the first flight. False: the conn is broken. */
bool tls_start(struct conn *c, const char *alpn);
void tls_free(struct tls *tls);
/* Takes ciphertext; calls opened(), data(), closed(). len 0: goes on with what conn_pause held back. */
void tls_input(struct conn *c, const uint8_t *bytes, size_t len, int64_t received_ns, int64_t read_ns);
/* The peer closed TCP. */
void tls_input_end(struct conn *c);
bool tls_write(struct conn *c, const void *bytes, size_t len);
/* Says goodbye (close_notify), best effort. */
void tls_close(struct conn *c);

#endif
