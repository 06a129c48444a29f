/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of groups and checks, grown from the tags of samples in order of first appearance. */
#ifndef METRICS_GROUPS_H
#define METRICS_GROUPS_H

#include "metrics/collector.h"

struct check_node {
    char *name, *path;
    char id[33];
    uint64_t passes, total;
};

struct group_node {
    char *name, *path;
    char id[33];
    struct group_node **groups;
    size_t group_count, group_cap;
    struct check_node **checks;
    size_t check_count, check_cap;
    struct sink **sinks; /* by metric id; only when groups' own metrics are kept */
    size_t sink_count;
};

struct group_node *group_node_new(const char *name, const char *path);
void group_node_free(struct group_node *node);
/* The group of a path ("::a::b", "" = root), made with its ancestors when it is new. */
struct group_node *group_node_find(struct group_node *root, const char *path);
struct check_node *group_node_check(struct group_node *group, const char *name);
/* The node's own sink of a metric, made when it is new. */
struct sink *group_node_sink(struct group_node *node, const struct metric *metric);

#endif
