/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/groups.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/mem.h"

static void md5_hex(const char *text, char out[33])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!text[0]) { /* the root of every run: starting OpenSSL for it would take milliseconds */
        memcpy(out, "d41d8cd98f00b204e9800998ecf8427e", 33);
        return;
    }
    EVP_Digest(text, strlen(text), digest, &len, EVP_md5(), NULL);
    for (unsigned i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

struct group_node *group_node_new(const char *name, const char *path)
{
    struct group_node *node = mem_zalloc(sizeof(*node));
    node->name = mem_strdup(name);
    node->path = mem_strdup(path);
    md5_hex(path, node->id);
    return node;
}

void group_node_free(struct group_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->group_count; i++)
        group_node_free(node->groups[i]);
    for (size_t i = 0; i < node->check_count; i++) {
        mem_free(node->checks[i]->name);
        mem_free(node->checks[i]->path);
        mem_free(node->checks[i]);
    }
    for (size_t i = 0; i < node->sink_count; i++) {
        if (node->sinks[i])
            sink_fini(node->sinks[i]);
        mem_free(node->sinks[i]);
    }
    mem_free(node->sinks);
    mem_free(node->groups);
    mem_free(node->checks);
    mem_free(node->name);
    mem_free(node->path);
    mem_free(node);
}

static struct group_node *child(struct group_node *parent, const char *name, size_t len)
{
    for (size_t i = 0; i < parent->group_count; i++)
        if (strlen(parent->groups[i]->name) == len && strncmp(parent->groups[i]->name, name, len) == 0)
            return parent->groups[i];
    char *own = mem_strndup(name, len), *path = mem_printf("%s::%s", parent->path, own);
    mem_grow(&parent->groups, &parent->group_cap, parent->group_count + 1, sizeof(parent->groups[0]));
    struct group_node *node = parent->groups[parent->group_count++] = group_node_new(own, path);
    mem_free(own);
    mem_free(path);
    return node;
}

struct group_node *group_node_find(struct group_node *root, const char *path)
{
    struct group_node *node = root;
    while (strncmp(path, "::", 2) == 0) {
        path += 2;
        const char *end = strstr(path, "::");
        size_t len = end ? (size_t)(end - path) : strlen(path);
        node = child(node, path, len);
        path += len;
    }
    return node;
}

struct check_node *group_node_check(struct group_node *group, const char *name)
{
    for (size_t i = 0; i < group->check_count; i++)
        if (strcmp(group->checks[i]->name, name) == 0)
            return group->checks[i];
    struct check_node *check = mem_zalloc(sizeof(*check));
    check->name = mem_strdup(name);
    check->path = mem_printf("%s::%s", group->path, name);
    md5_hex(check->path, check->id);
    mem_grow(&group->checks, &group->check_cap, group->check_count + 1, sizeof(group->checks[0]));
    group->checks[group->check_count++] = check;
    return check;
}

struct sink *group_node_sink(struct group_node *node, const struct metric *metric)
{
    if (metric->id >= node->sink_count) {
        node->sinks = mem_realloc(node->sinks, (metric->id + 1) * sizeof(node->sinks[0]));
        memset(node->sinks + node->sink_count, 0, (metric->id + 1 - node->sink_count) * sizeof(node->sinks[0]));
        node->sink_count = metric->id + 1;
    }
    if (!node->sinks[metric->id]) {
        node->sinks[metric->id] = mem_zalloc(sizeof(struct sink));
        sink_init(node->sinks[metric->id], metric->type);
    }
    return node->sinks[metric->id];
}
