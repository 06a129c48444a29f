/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of a worker share. */
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "http/decode.h"
#include "http/session.h"

/* "proxy.example:3128" means http, as in Go. */
static bool read_proxy(struct http_worker *worker, const char *name, const char *text, const struct http_url **proxy,
                       struct error *err)
{
    if (!text || !text[0])
        return true;
    char *whole = strstr(text, "://") ? mem_strdup(text) : mem_printf("http://%s", text);
    struct error why = {0};
    *proxy = url_table_get(worker->urls, whole, strlen(whole), &why);
    mem_free(whole);
    if (!*proxy)
        error_set(err, EXIT_INVALID_CONFIG, "the proxy in %s, '%s', is no http URL: %s", name, text, why.text ? why.text : "");
    else if ((*proxy)->tls)
        error_set(err, EXIT_INVALID_CONFIG, "the proxy in %s, '%s', is to be reached over TLS, which is not supported: use an http:// one", name, text);
    error_clear(&why);
    return *proxy && !(*proxy)->tls;
}

struct http_worker *http_worker_new(struct net *net, const struct http_options *options, struct error *err)
{
    struct http_worker *worker = mem_zalloc(sizeof(*worker));
    worker->net = net;
    worker->loop = net_loop(net);
    worker->options = options;
    worker->user_agent_len = options->user_agent ? strlen(options->user_agent) : 0;
    worker->urls = url_table_new(0);
    worker->decoders = decode_pool_new();
    if (!read_proxy(worker, "HTTP_PROXY", options->http_proxy, &worker->http_proxy, err) ||
        !read_proxy(worker, "HTTPS_PROXY", options->https_proxy, &worker->https_proxy, err)) {
        http_worker_free(worker);
        return NULL;
    }
    return worker;
}

void http_worker_free(struct http_worker *worker)
{
    if (!worker)
        return;
    for (int i = 0; i < DEADLINE_CLASSES; i++)
        if (worker->classes[i].timeout_ns)
            timer_stop(worker->loop, &worker->classes[i].timer);
    while (worker->free_calls) {
        struct http_call *call = worker->free_calls;
        worker->free_calls = call->next_free;
        arena_free(&call->arena);
        mem_free(call);
    }
    http_url_unref(worker->http_proxy);
    http_url_unref(worker->https_proxy);
    buf_free(&worker->out);
    h1_scratch_fini(&worker->scratch);
    decode_pool_free(worker->decoders);
    url_table_free(worker->urls);
    mem_free(worker);
}

const struct http_url *http_url_get(struct http_worker *worker, const char *text, size_t len, struct error *err)
{
    return url_table_get(worker->urls, text, len, err);
}

const struct http_url *http_url_resolve(struct http_worker *worker, const struct http_url *base, const char *reference,
                                        size_t len, struct error *err)
{
    return url_table_resolve(worker->urls, base, reference, len, err);
}
