/* SPDX-License-Identifier: Apache-2.0 */
/* Name resolution: c-ares, driven by the worker's loop, with our own cache.
 *
 * A dns_entry per name stays for the whole run (so that round-robin goes on after a refresh). While a
 * query runs, further requests for the same name wait for its answer. Failures are not cached. Waiters
 * are told from a list they are taken off one by one, so that a callback may cancel any other. */
#include <ares.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/net_private.h"

struct dns_entry {
    struct resolver *resolver;
    char *name;
    struct ip *ips;
    size_t ip_count;
    uint32_t turn;      /* of round-robin */
    int64_t expires_ns; /* mono */
    bool asking;
    struct resolve_request *waiters;
};

/* A descriptor of c-ares. */
struct dns_watch {
    struct watch watch;
    struct resolver *resolver;
    struct dns_watch *next;
};

struct resolver {
    struct net *net;
    struct map entries;
    ares_channel channel;
    bool channel_open, closing;
    struct dns_watch *watches;
    struct timer timer;
    uint64_t random; /* xorshift state */
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void init_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

/* --- c-ares on the loop --- */

static void arm_timer(struct resolver *resolver)
{
    struct timeval wait, *left = ares_timeout(resolver->channel, NULL, &wait);
    if (left)
        timer_start(resolver->net->loop, &resolver->timer,
                    clock_mono_ns() + left->tv_sec * NS_PER_S + left->tv_usec * NS_PER_US);
    else
        timer_stop(resolver->net->loop, &resolver->timer);
}

static void dns_timer_fired(struct timer *timer)
{
    struct resolver *resolver = (struct resolver *)((char *)timer - offsetof(struct resolver, timer));
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(resolver);
}

static void dns_ready(struct watch *watch, uint32_t events)
{
    struct resolver *resolver = ((struct dns_watch *)watch)->resolver;
    bool failed = events & (EPOLLERR | EPOLLHUP);
    int fd = watch->fd; /* the watch may be gone after the next call */
    ares_process_fd(resolver->channel, events & EPOLLIN || failed ? fd : ARES_SOCKET_BAD,
                    events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
    arm_timer(resolver);
}

static void forget_socket(struct resolver *resolver, struct dns_watch **link)
{
    struct dns_watch *watch = *link;
    *link = watch->next;
    watch_remove(resolver->net->loop, &watch->watch);
    mem_free(watch);
}

static void socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = data;
    uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    struct dns_watch **link = &resolver->watches;
    while (*link && (*link)->watch.fd != fd)
        link = &(*link)->next;
    if (*link && !events) {
        forget_socket(resolver, link);
    } else if (*link) {
        watch_change(resolver->net->loop, &(*link)->watch, events);
    } else if (events) {
        struct dns_watch *watch = mem_zalloc(sizeof(*watch));
        watch->watch = (struct watch){.fd = fd, .events = events, .ready = dns_ready};
        watch->resolver = resolver;
        watch->next = resolver->watches;
        resolver->watches = watch;
        watch_add(resolver->net->loop, &watch->watch, NULL); /* refused: the query times out */
    }
}

static bool open_channel(struct resolver *resolver)
{
    if (resolver->channel_open)
        return true;
    pthread_once(&library_once, init_library);
    struct ares_options options = {.sock_state_cb = socket_state, .sock_state_cb_data = resolver};
    int mask = ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
    mask |= ARES_OPT_QUERY_CACHE; /* size 0: dns.ttl rules alone */
#endif
    if (library_status || ares_init_options(&resolver->channel, &options, mask))
        return false;
    resolver->channel_open = true;
    return true;
}

/* --- answers --- */

static uint32_t next_random(struct resolver *resolver)
{
    resolver->random ^= resolver->random << 13;
    resolver->random ^= resolver->random >> 7;
    resolver->random ^= resolver->random << 17;
    return (uint32_t)(resolver->random >> 32);
}

static const struct ip *choose(struct dns_entry *entry)
{
    switch (entry->resolver->net->options->dns_select) {
    case DNS_SELECT_RANDOM:
        return &entry->ips[next_random(entry->resolver) % entry->ip_count];
    case DNS_SELECT_ROUND_ROBIN:
        return &entry->ips[entry->turn++ % entry->ip_count];
    default:
        return &entry->ips[0];
    }
}

void resolve_cancel(struct resolve_request *request)
{
    if (!request->link)
        return;
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
    request->link = NULL;
}

static void add_waiter(struct dns_entry *entry, struct resolve_request *request)
{
    request->next = entry->waiters;
    if (request->next)
        request->next->link = &request->next;
    request->link = &entry->waiters;
    entry->waiters = request;
}

static void answer_waiters(struct dns_entry *entry, int code, const char *text)
{
    while (entry->waiters) {
        struct resolve_request *request = entry->waiters;
        resolve_cancel(request);
        struct ip ip = {0};
        if (!code)
            ip = *choose(entry);
        request->done(request, code ? NULL : &ip, code, text);
    }
}

static int wanted_family(enum dns_policy policy, bool has_4, bool has_6)
{
    switch (policy) {
    case DNS_ONLY_IPV4:
        return AF_INET;
    case DNS_ONLY_IPV6:
        return AF_INET6;
    case DNS_PREFER_IPV6:
        return has_6 ? AF_INET6 : AF_INET;
    case DNS_PREFER_IPV4:
        return has_4 ? AF_INET : AF_INET6;
    default:
        return AF_UNSPEC;
    }
}

static void keep_addresses(struct dns_entry *entry, const struct ares_addrinfo *info)
{
    bool has_4 = false, has_6 = false;
    size_t cap = 0;
    mem_free(entry->ips);
    entry->ips = NULL;
    entry->ip_count = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        has_4 = has_4 || node->ai_family == AF_INET;
        has_6 = has_6 || node->ai_family == AF_INET6;
    }
    int family = wanted_family(entry->resolver->net->options->dns_policy, has_4, has_6);
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next) {
        struct ip ip = {.family = node->ai_family};
        if (family != AF_UNSPEC && node->ai_family != family)
            continue;
        if (node->ai_family == AF_INET)
            memcpy(ip.bytes, &((struct sockaddr_in *)node->ai_addr)->sin_addr, 4);
        else if (node->ai_family == AF_INET6)
            memcpy(ip.bytes, &((struct sockaddr_in6 *)node->ai_addr)->sin6_addr, 16);
        else
            continue;
        mem_grow(&entry->ips, &cap, entry->ip_count + 1, sizeof(ip));
        entry->ips[entry->ip_count++] = ip;
    }
}

static void fail_lookup(struct dns_entry *entry, int status)
{
    bool unknown = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS ||
                   status == ARES_EBADNAME || status == ARES_ENONAME;
    const char *why = unknown ? "no such host" : status == ARES_ETIMEOUT ? "i/o timeout" : ares_strerror(status);
    char *text = mem_printf("lookup %s: %s", entry->name, why);
    answer_waiters(entry, unknown ? 1101 : 1100, text);
    mem_free(text);
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_entry *entry = arg;
    struct resolver *resolver = entry->resolver;
    entry->asking = false;
    if (status == ARES_SUCCESS && !resolver->closing)
        keep_addresses(entry, info);
    if (info)
        ares_freeaddrinfo(info);
    if (resolver->closing)
        return; /* nobody waits any more */
    if (status != ARES_SUCCESS || !entry->ip_count) {
        entry->expires_ns = 0;
        fail_lookup(entry, status);
        return;
    }
    int64_t ttl_ns = resolver->net->options->dns_ttl_ns, now_ns = clock_mono_ns();
    entry->expires_ns = ttl_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + ttl_ns;
    answer_waiters(entry, 0, NULL);
}

/* --- asking --- */

static struct dns_entry *find_entry(struct resolver *resolver, const char *host)
{
    char *name = mem_strdup(host);
    for (char *p = name; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    struct dns_entry *entry = map_get(&resolver->entries, name, strlen(name));
    if (entry) {
        mem_free(name);
        return entry;
    }
    entry = mem_zalloc(sizeof(*entry));
    entry->resolver = resolver;
    entry->name = name;
    map_set(&resolver->entries, name, strlen(name), entry);
    return entry;
}

void resolve_start(struct resolver *resolver, const char *host, struct resolve_request *request)
{
    struct dns_entry *entry = find_entry(resolver, host);
    if (entry->ip_count && resolver->net->options->dns_ttl_ns > 0 && clock_mono_ns() < entry->expires_ns) {
        struct ip ip = *choose(entry);
        request->done(request, &ip, 0, NULL);
        return;
    }
    add_waiter(entry, request);
    if (entry->asking)
        return;
    if (!open_channel(resolver)) {
        fail_lookup(entry, ARES_ENOTINITIALIZED);
        return;
    }
    enum dns_policy policy = resolver->net->options->dns_policy;
    struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT,
        .ai_family = policy == DNS_ONLY_IPV4 ? AF_INET : policy == DNS_ONLY_IPV6 ? AF_INET6 : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM};
    entry->asking = true;
    ares_getaddrinfo(resolver->channel, entry->name, NULL, &hints, answered, entry);
    arm_timer(resolver);
}

bool resolver_use_servers(struct resolver *resolver, const char *servers)
{
    return open_channel(resolver) && ares_set_servers_ports_csv(resolver->channel, servers) == ARES_SUCCESS;
}

struct resolver *resolver_new(struct net *net)
{
    struct resolver *resolver = mem_zalloc(sizeof(*resolver));
    resolver->net = net;
    resolver->random = (uint64_t)clock_mono_ns() | 1;
    timer_init(&resolver->timer, dns_timer_fired);
    return resolver;
}

static void free_entry(void *value)
{
    struct dns_entry *entry = value;
    mem_free(entry->name);
    mem_free(entry->ips);
    mem_free(entry);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver->closing = true;
    if (resolver->channel_open)
        ares_destroy(resolver->channel);
    timer_stop(resolver->net->loop, &resolver->timer);
    while (resolver->watches)
        forget_socket(resolver, &resolver->watches);
    map_free(&resolver->entries, free_entry);
    mem_free(resolver);
}
