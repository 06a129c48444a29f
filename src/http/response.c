/* SPDX-License-Identifier: Apache-2.0 */
/* A response and what it owns: one arena for the texts and lists, one buffer for the body. */
#include <string.h>

#include "core/arena.h"
#include "core/mem.h"
#include "http/header.h"
#include "http/session.h"

/* The arena's first block lies in the same allocation: small responses cost one. */
#define OWN_BYTES 1024

struct memory {
    struct http_response response;
    struct arena arena;
    size_t used;
    struct http_hop first_hop;
    _Alignas(16) char own[OWN_BYTES];
};

struct http_response *response_new(void)
{
    struct memory *m = mem_alloc(sizeof(*m));
    memset(m, 0, offsetof(struct memory, own));
    m->response.private_memory = m;
    m->response.status_text = m->response.proto = m->response.error = m->response.tls_version = m->response.tls_cipher = "";
    m->response.request_method = "";
    return &m->response;
}

static void *keep_bytes(struct http_response *response, size_t bytes)
{
    struct memory *m = response->private_memory;
    bytes = (bytes + 7) & ~(size_t)7;
    if (m->used + bytes <= OWN_BYTES) {
        void *at = m->own + m->used;
        m->used += bytes;
        return at;
    }
    return arena_alloc(&m->arena, bytes);
}

char *response_keep(struct http_response *response, const char *text, size_t len)
{
    char *copy = keep_bytes(response, len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

struct http_header *response_add_header(struct http_header **list, size_t *count, struct http_response *response, const char *name, size_t name_len,
                                        const char *value, size_t value_len)
{
    if ((*count & 7) == 0) {
        struct http_header *grown = keep_bytes(response, (*count + 8) * sizeof(*grown));
        if (*count)
            memcpy(grown, *list, *count * sizeof(*grown));
        *list = grown;
    }
    struct http_header *h = &(*list)[(*count)++];
    *h = (struct http_header){name, value, (uint32_t)name_len, (uint32_t)value_len};
    return h;
}

struct http_hop *response_add_hop(struct http_response *response)
{
    struct memory *m = response->private_memory;
    if (response->hop_count == 0) {
        response->hops = &m->first_hop;
    } else {
        struct http_hop *grown = keep_bytes(response, (response->hop_count + 1) * sizeof(*grown));
        memcpy(grown, response->hops, response->hop_count * sizeof(*grown));
        response->hops = grown;
    }
    struct http_hop *hop = &response->hops[response->hop_count++];
    memset(hop, 0, sizeof(*hop));
    return hop;
}

void http_response_free(struct http_response *response)
{
    if (!response)
        return;
    struct memory *m = response->private_memory;
    for (size_t i = 0; i < response->hop_count; i++)
        http_url_unref(response->hops[i].url);
    if (response->url)
        http_url_unref(response->url);
    buf_free(&response->body);
    arena_free(&m->arena);
    mem_free(m);
}

const struct http_header *http_response_header(const struct http_response *response, const char *name)
{
    return header_find(response->headers, response->header_count, name, strlen(name));
}
