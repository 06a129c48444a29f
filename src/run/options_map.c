/* SPDX-License-Identifier: Apache-2.0 */
/* From options to what the floors below want. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "http/client.h"
#include "metrics/metrics.h"
#include "net/net.h"
#include "run/options_private.h"
#include "script/script.h"

static const char *environment(const char *upper, const char *lower)
{
    const char *value = getenv(lower);
    if (!value || !value[0])
        value = getenv(upper);
    return value && value[0] ? value : NULL;
}

static int index_of(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (text && strcmp(text, names[i]) == 0)
            return i;
    return -1;
}

static void fill_dns(struct options *o, struct net_options *net)
{
    static const char *const selects[] = {"first", "random", "roundRobin", NULL};
    static const char *const policies[] = {"preferIPv4", "preferIPv6", "onlyIPv4", "onlyIPv6", "any", NULL};
    json_t *dns = json_object_get(o->values, "dns"), *ttl = json_object_get(dns, "ttl");
    const char *ttl_text = json_string_value(ttl);
    net->dns_ttl_ns = INT64_C(300000000000);
    if (ttl_text && strcmp(ttl_text, "inf") == 0)
        net->dns_ttl_ns = INT64_MAX;
    else if (ttl)
        duration_read(ttl, &net->dns_ttl_ns);
    int select = index_of(json_string_value(json_object_get(dns, "select")), selects);
    int policy = index_of(json_string_value(json_object_get(dns, "policy")), policies);
    net->dns_select = select >= 0 ? (enum dns_select)select : DNS_SELECT_RANDOM;
    net->dns_policy = policy >= 0 ? (enum dns_policy)policy : DNS_PREFER_IPV4;
}

/* "ip", "ip:port" or "[v6]:port". */
static bool split_address(struct options *o, const char *text, struct net_host *host)
{
    const char *colon = strrchr(text, ':'), *close = strrchr(text, ']');
    bool has_port = colon && (strchr(text, ':') == colon || (close && colon > close));
    int64_t port = 0;
    size_t len = has_port ? (size_t)(colon - text) : strlen(text);
    if (has_port && (!text_to_int(text_of(colon + 1), &port) || port < 1 || port > 65535))
        return false;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    host->address = arena_strndup(&o->memory, text, len);
    host->port = (uint16_t)port;
    return len > 0;
}

static bool fill_hosts(struct options *o, struct net_options *net, struct error *err)
{
    size_t count;
    struct option_pair *pairs = option_pairs(o, "hosts", &count);
    struct net_host *hosts = arena_alloc(&o->memory, (count + 1) * sizeof(*hosts));
    for (size_t i = 0; i < count; i++) {
        hosts[i].pattern = pairs[i].key;
        if (!split_address(o, pairs[i].value, &hosts[i]))
            return error_set(err, EXIT_INVALID_CONFIG, "option hosts: \"%s\" for %s is no address (ip or ip:port)", pairs[i].value, pairs[i].key);
    }
    net->hosts = hosts;
    net->host_count = count;
    return true;
}

static void fill_tls_auth(struct options *o, struct net_options *net)
{
    json_t *list = json_object_get(o->values, "tlsAuth"), *item, *domain;
    size_t i, d;
    struct net_tls_auth *auths = arena_alloc(&o->memory, (json_array_size(list) + 1) * sizeof(*auths));
    json_array_foreach(list, i, item) {
        json_t *domains = json_object_get(item, "domains");
        const char **names = arena_alloc(&o->memory, (json_array_size(domains) + 1) * sizeof(*names));
        json_array_foreach(domains, d, domain)
            names[d] = json_string_value(domain);
        auths[i] = (struct net_tls_auth){json_string_value(json_object_get(item, "cert")), json_string_value(json_object_get(item, "key")),
                                         json_string_value(json_object_get(item, "password")), names, json_array_size(domains)};
    }
    net->tls_auth = auths;
    net->tls_auth_count = json_array_size(list);
}

bool options_fill_net(struct options *o, struct net_options *net, struct error *err)
{
    json_t *version = json_object_get(o->values, "tlsVersion");
    *net = (struct net_options){0};
    fill_dns(o, net);
    if (!fill_hosts(o, net, err))
        return false;
    fill_tls_auth(o, net);
    net->block_hostnames = option_list(o, "blockHostnames", &net->block_hostname_count);
    net->blacklist_ips = option_list(o, "blacklistIPs", &net->blacklist_ip_count);
    net->local_ips = option_text(o, "localIPs", NULL);
    net->insecure_skip_tls_verify = option_bool(o, "insecureSkipTLSVerify");
    net->tls_min = json_string_value(json_object_get(version, "min"));
    net->tls_max = json_string_value(json_object_get(version, "max"));
    net->tls_ciphers = option_list(o, "tlsCipherSuites", &net->tls_cipher_count);
    net->key_log_file = environment("SSLKEYLOGFILE", "SSLKEYLOGFILE");
    net->ca_file = environment("SSL_CERT_FILE", "SSL_CERT_FILE");
    net->collect_ocsp = true;
    return true;
}

void options_fill_http(struct options *o, struct http_options *http)
{
    *http = (struct http_options){
        .max_redirects = (int)option_int(o, "maxRedirects", 10),
        .user_agent = option_text(o, "userAgent", "Grafana k6/2.2.0"),
        .batch = (int)option_int(o, "batch", 20),
        .batch_per_host = (int)option_int(o, "batchPerHost", 6),
        .no_connection_reuse = option_bool(o, "noConnectionReuse"),
        .rps = (double)option_int(o, "rps", 0),
        .http_proxy = environment("HTTP_PROXY", "http_proxy"),
        .https_proxy = environment("HTTPS_PROXY", "https_proxy"),
        .no_proxy = environment("NO_PROXY", "no_proxy"),
    };
}

/* ---- for the script floor and the outputs ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *options_system_tags(struct options *o, size_t *count)
{
    static const char *const defaults[] = {"check", "error", "error_code", "expected_response", "group", "method", "name", "proto",
                                           "scenario", "service", "status", "subproto", "tls_version", "url"};
    *count = sizeof(defaults) / sizeof(defaults[0]);
    if (!option_is_set(o, "systemTags"))
        return defaults;
    const char *const *names = option_list(o, "systemTags", count);
    const char **sorted = arena_alloc(&o->memory, (*count + 1) * sizeof(*sorted));
    for (size_t i = 0; i < *count; i++)
        sorted[i] = names[i];
    qsort(sorted, *count, sizeof(*sorted), compare_names);
    return sorted;
}

void options_fill_settings(struct options *o, struct tag_interner *tags, struct script_settings *settings)
{
    size_t count;
    struct option_pair *pairs = option_pairs(o, "tags", &count);
    settings->run_tags = tagset_empty(tags);
    for (size_t i = 0; i < count; i++) {
        struct tag tag = {pairs[i].key, pairs[i].value};
        settings->run_tags = tagset_with(tags, settings->run_tags, &tag, 1);
    }
    const char *const *names = options_system_tags(o, &count);
    for (size_t i = 0; i < count; i++)
        settings->system_tags |= system_tag_bit(names[i]);
    settings->throw_errors = option_bool(o, "throw");
    settings->discard_response_bodies = option_bool(o, "discardResponseBodies");
    settings->no_cookies_reset = option_bool(o, "noCookiesReset");
    settings->no_vu_connection_reuse = option_bool(o, "noVUConnectionReuse");
    settings->min_iteration_ns = option_duration_ns(o, "minIterationDuration", 0);
}
