/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP proxies by HTTP_PROXY, HTTPS_PROXY and NO_PROXY: plain requests in absolute form, TLS through CONNECT. */
#include <string.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/digest.h"
#include "http/session.h"

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* One entry of NO_PROXY: "*", a host, ".suffix" or a parent domain, with an optional port. */
static bool entry_covers(struct text entry, const struct http_url *url)
{
    struct text port, name = text_cut(entry, ':', &port), host = text_of(url->host);
    int64_t number;
    if (text_equal(name, TEXT("*")))
        return true;
    if (port.data && (!text_to_int(port, &number) || number != url->port))
        return false;
    if (name.len && name.data[0] == '.')
        name = (struct text){name.data + 1, name.len - 1};
    if (!name.len || host.len < name.len)
        return false;
    struct text tail = {host.data + host.len - name.len, name.len};
    return text_equal_nocase(tail, name) && (host.len == name.len || host.data[host.len - name.len - 1] == '.');
}

static bool is_excluded(const char *no_proxy, const struct http_url *url)
{
    if (is_loopback(url->host))
        return true;
    for (struct text left = text_of(no_proxy), rest; left.data && left.len; left = rest)
        if (entry_covers(text_trim(text_cut(left, ',', &rest)), url))
            return true;
    return false;
}

bool proxy_for(const struct http_options *options, const struct http_url *url, struct proxy *proxy)
{
    const char *text = url->tls ? options->https_proxy : options->http_proxy;
    if (!text || is_excluded(options->no_proxy, url))
        return false;
    char *full = strstr(text, "://") ? mem_strdup(text) : mem_printf("http://%s", text);
    struct url_table *table = url_table_new(2);
    struct error err = {0};
    const struct http_url *parsed = url_table_get(table, full, strlen(full), &err);
    *proxy = (struct proxy){0};
    if (parsed) {
        proxy->host = mem_strdup(parsed->host);
        proxy->port = parsed->port;
        if (parsed->user) {
            struct buf value = {0};
            basic_authorize(&value, parsed->user, parsed->password ? parsed->password : "");
            proxy->authorization = buf_take(&value);
        }
        http_url_unref(parsed);
    }
    error_clear(&err);
    url_table_free(table);
    mem_free(full);
    return parsed != NULL;
}

void proxy_fini(struct proxy *proxy)
{
    mem_free(proxy->host);
    mem_free(proxy->authorization);
    *proxy = (struct proxy){0};
}

void proxy_connect(struct session *session, const char *authorization)
{
    struct buf *out = &session->client->worker->scratch;
    buf_clear(out);
    buf_printf(out, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n", session->origin->host, session->origin->port, session->origin->host, session->origin->port);
    if (authorization)
        buf_printf(out, "Proxy-Authorization: %s\r\n", authorization);
    buf_add_text(out, "\r\n");
    h1_init(&session->parser, true);
    conn_write(session->conn, out->data, out->len);
}
