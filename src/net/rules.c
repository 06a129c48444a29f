/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of dialling: blocked names, the hosts map, blacklisted ranges, local addresses. They are
 * asked once per new connection, so plain scans over the configured rows do. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"
#include "net/net_private.h"

bool ip_parse(const char *text, struct ip *ip)
{
    memset(ip, 0, sizeof(*ip));
    if (inet_pton(AF_INET, text, ip->bytes) == 1) {
        ip->family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, ip->bytes) == 1) {
        ip->family = AF_INET6;
        return true;
    }
    return false;
}

void ip_format(const struct ip *ip, char out[INET6_ADDRSTRLEN])
{
    if (!inet_ntop(ip->family, ip->bytes, out, INET6_ADDRSTRLEN))
        out[0] = '\0';
}

static unsigned ip_bits(const struct ip *ip)
{
    return ip->family == AF_INET ? 32 : 128;
}

static void clear_host_bits(struct ip *ip, unsigned prefix)
{
    for (unsigned i = 0; i < ip_bits(ip) / 8; i++) {
        unsigned keep = prefix > i * 8 ? prefix - i * 8 : 0;
        if (keep < 8)
            ip->bytes[i] &= (uint8_t)(0xff00u >> keep);
    }
}

static bool block_parse(struct text text, struct ip_block *block)
{
    struct text bits;
    struct text address = text_cut(text, '/', &bits);
    int64_t prefix;
    if (!bits.data || !text_to_int(bits, &prefix))
        return false;
    char *copy = mem_strndup(address.data, address.len);
    bool ok = ip_parse(copy, &block->base);
    mem_free(copy);
    if (!ok || prefix < 0 || prefix > (int64_t)ip_bits(&block->base))
        return false;
    block->prefix = (unsigned)prefix;
    return true;
}

/* IPv4 addresses that are written as IPv6 (::ffff:1.2.3.4) are IPv4 to the rules, as they are to Go. */
static struct ip ip_unmapped(const struct ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ip out = *ip;
    if (ip->family == AF_INET6 && !memcmp(ip->bytes, mapped, sizeof(mapped))) {
        out = (struct ip){.family = AF_INET};
        memcpy(out.bytes, ip->bytes + 12, 4);
    }
    return out;
}

const struct ip_block *rules_blacklisted(const struct rules *rules, const struct ip *ip)
{
    struct ip plain = ip_unmapped(ip);
    for (size_t i = 0; i < rules->blacklist_count; i++) {
        const struct ip_block *block = &rules->blacklist[i];
        if (block->base.family != plain.family)
            continue;
        struct ip masked = plain;
        clear_host_bits(&masked, block->prefix);
        if (!memcmp(masked.bytes, block->base.bytes, sizeof(masked.bytes)))
            return block;
    }
    return NULL;
}

/* "*.example.com" covers every name that ends in ".example.com". */
static bool wildcard_covers(const char *pattern, size_t pattern_len, const char *name)
{
    size_t suffix = pattern_len - 1, len = strlen(name);
    return len >= suffix && !strncasecmp(name + len - suffix, pattern + 1, suffix);
}

const char *rules_blocked(const struct net_options *options, const char *host)
{
    const char *found = NULL;
    for (size_t i = 0; i < options->block_hostname_count; i++) {
        const char *pattern = options->block_hostnames[i];
        if (!strcasecmp(pattern, host))
            return pattern;
        if (pattern[0] == '*' && wildcard_covers(pattern, strlen(pattern), host) &&
            (!found || strlen(pattern) > strlen(found)))
            found = pattern;
    }
    return found;
}

/* Splits "name:port"; a name with several colons is an IPv6 address and has no port. */
static size_t pattern_name_len(const char *pattern, int64_t *port)
{
    const char *colon = strchr(pattern, ':');
    *port = 0;
    if (!colon || strchr(colon + 1, ':') || !text_to_int(text_of(colon + 1), port))
        return strlen(pattern);
    return (size_t)(colon - pattern);
}

const struct net_host *rules_host(const struct net_options *options, const char *host, uint16_t port)
{
    const struct net_host *found = NULL;
    size_t found_rank = 0, host_len = strlen(host);
    for (size_t i = 0; i < options->host_count; i++) {
        const struct net_host *row = &options->hosts[i];
        int64_t row_port;
        size_t len = pattern_name_len(row->pattern, &row_port), rank = 0;
        if (row_port && row_port != port)
            continue;
        if (len == host_len && !strncasecmp(row->pattern, host, len))
            rank = row_port ? SIZE_MAX : SIZE_MAX - 1;
        else if (len && row->pattern[0] == '*' && wildcard_covers(row->pattern, len, host))
            rank = len * 2 + (row_port != 0);
        if (rank > found_rank) {
            found = row;
            found_rank = rank;
        }
    }
    return found;
}

/* --- the list of local addresses --- */

static struct ip ip_plus(const struct ip *ip, uint64_t add)
{
    struct ip out = *ip;
    for (unsigned i = ip_bits(ip) / 8; i-- > 0 && add;) {
        add += out.bytes[i];
        out.bytes[i] = (uint8_t)add;
        add >>= 8;
    }
    return out;
}

/* Addresses from first to last; 0 when last is before first. Huge IPv6 ranges are cut at 2^62. */
static uint64_t ip_distance(const struct ip *first, const struct ip *last)
{
    unsigned __int128 a = 0, b = 0;
    for (unsigned i = 0; i < ip_bits(first) / 8; i++) {
        a = a << 8 | first->bytes[i];
        b = b << 8 | last->bytes[i];
    }
    const uint64_t most = UINT64_C(1) << 62;
    return b < a ? 0 : b - a >= most ? most : (uint64_t)(b - a) + 1;
}

static bool span_of_block(struct text part, struct ip_span *span)
{
    struct ip_block block;
    if (!block_parse(part, &block))
        return false;
    clear_host_bits(&block.base, block.prefix);
    unsigned free_bits = ip_bits(&block.base) - block.prefix;
    span->first = block.base;
    span->count = free_bits >= 62 ? UINT64_C(1) << 62 : UINT64_C(1) << free_bits;
    if (block.base.family == AF_INET && block.prefix < 31) { /* without network and broadcast address */
        span->first = ip_plus(&block.base, 1);
        span->count -= 2;
    }
    return true;
}

static bool span_of_range(struct text part, struct ip_span *span)
{
    struct text rest;
    struct text from = text_trim(text_cut(part, '-', &rest));
    struct ip last;
    char *text = mem_strndup(from.data, from.len);
    bool ok = ip_parse(text, &span->first);
    mem_free(text);
    if (!ok || !rest.data) {
        span->count = 1;
        return ok;
    }
    rest = text_trim(rest);
    text = mem_strndup(rest.data, rest.len);
    ok = ip_parse(text, &last) && last.family == span->first.family;
    mem_free(text);
    span->count = ok ? ip_distance(&span->first, &last) : 0;
    return span->count > 0;
}

static bool local_ips_parse(struct rules *rules, const char *list, struct error *err)
{
    size_t cap = 0;
    struct text rest = text_of(list);
    while (rest.data) {
        struct text part = text_trim(text_cut(rest, ',', &rest));
        struct ip_span span;
        bool ok = memchr(part.data, '/', part.len) ? span_of_block(part, &span) : span_of_range(part, &span);
        if (!ok)
            return error_set(err, EXIT_INVALID_CONFIG,
                             "invalid local IP '%.*s' in '%s': write addresses, ranges (a-b) or CIDRs, "
                             "separated by commas", (int)part.len, part.data, list);
        mem_grow(&rules->local_spans, &cap, rules->local_span_count + 1, sizeof(span));
        rules->local_spans[rules->local_span_count++] = span;
        rules->local_total += span.count;
        if (rules->local_total > UINT64_C(1) << 62) /* nobody has as many VUs */
            rules->local_total = UINT64_C(1) << 62;
    }
    return true;
}

bool rules_local_ip(const struct rules *rules, unsigned index, struct ip *ip)
{
    if (!rules->local_total)
        return false;
    uint64_t left = index % rules->local_total;
    for (size_t i = 0; i < rules->local_span_count; i++) {
        if (left < rules->local_spans[i].count) {
            *ip = ip_plus(&rules->local_spans[i].first, left);
            return true;
        }
        left -= rules->local_spans[i].count;
    }
    return false;
}

bool rules_init(struct rules *rules, const struct net_options *options, struct error *err)
{
    *rules = (struct rules){0};
    if (options->blacklist_ip_count)
        rules->blacklist = mem_array(options->blacklist_ip_count, sizeof(rules->blacklist[0]));
    for (size_t i = 0; i < options->blacklist_ip_count; i++) {
        struct ip_block *block = &rules->blacklist[i];
        if (!block_parse(text_of(options->blacklist_ips[i]), block))
            return error_set(err, EXIT_INVALID_CONFIG, "invalid CIDR '%s' in blacklistIPs: write it like 10.0.0.0/8",
                             options->blacklist_ips[i]);
        clear_host_bits(&block->base, block->prefix);
        rules->blacklist_count++;
    }
    return !options->local_ips || !options->local_ips[0] || local_ips_parse(rules, options->local_ips, err);
}

void rules_free(struct rules *rules)
{
    mem_free(rules->blacklist);
    mem_free(rules->local_spans);
}
