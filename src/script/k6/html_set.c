/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of nodes, and matching them by what a script hands over. */
#include <string.h>

#include "core/mem.h"
#include "script/k6/html.h"

struct html_set *html_set_new(struct html_doc *doc, struct html_set *previous)
{
    struct html_set *set = mem_zalloc(sizeof(*set));
    set->refs = 1;
    set->doc = html_doc_ref(doc);
    set->previous = previous ? html_set_ref(previous) : NULL;
    return set;
}

struct html_set *html_set_ref(struct html_set *set)
{
    set->refs++;
    return set;
}

/* A loop, since a script may chain calls without end. */
void html_set_unref(struct html_set *set)
{
    while (set && --set->refs == 0) {
        struct html_set *previous = set->previous;
        html_doc_unref(set->doc);
        mem_free(set->nodes);
        mem_free(set->seen);
        mem_free(set);
        set = previous;
    }
}

static void mark_seen(struct html_set *set, const struct html_node *node)
{
    set->seen[node->order / 8] |= (uint8_t)(1u << (node->order % 8));
}

bool html_set_has(const struct html_set *set, const struct html_node *node)
{
    if (set->seen)
        return set->seen[node->order / 8] >> (node->order % 8) & 1;
    return set->count && set->nodes[0] == node;
}

void html_set_add(struct html_set *set, const struct html_node *node)
{
    if (html_set_has(set, node))
        return;
    if (set->count == 1) {
        set->seen = mem_zalloc(set->doc->node_count / 8 + 1);
        mark_seen(set, set->nodes[0]);
    }
    mem_grow(&set->nodes, &set->cap, set->count + 1, sizeof(set->nodes[0]));
    set->nodes[set->count++] = node;
    if (set->seen)
        mark_seen(set, node);
}

bool html_matcher_read(JSContext *ctx, JSValueConst value, bool optional, struct html_matcher *matcher)
{
    *matcher = (struct html_matcher){.ctx = ctx, .function = value};
    if (JS_IsUndefined(value) || JS_IsNull(value)) {
        matcher->matches_all = optional;
        return true;
    }
    matcher->is_function = JS_IsFunction(ctx, value);
    matcher->set = html_set_of(value);
    matcher->node = html_node_of(value);
    if (matcher->is_function || matcher->set || matcher->node)
        return true;
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, value);
    if (!text)
        return false;
    matcher->selector = html_selector_new(text, len);
    JS_FreeCString(ctx, text);
    return true;
}

void html_matcher_free(struct html_matcher *matcher)
{
    html_selector_free(matcher->selector);
}

int html_matches(const struct html_matcher *matcher, const struct html_node *node, struct html_doc *doc, size_t index)
{
    if (matcher->selector)
        return html_selector_matches(matcher->selector, node);
    if (matcher->set)
        return matcher->set->doc == doc && html_set_has(matcher->set, node);
    if (!matcher->is_function)
        return matcher->matches_all || matcher->node == node;
    JSContext *ctx = matcher->ctx;
    JSValue args[] = {JS_NewInt64(ctx, (int64_t)index), html_selection_of_node(ctx, doc, node)};
    JSValue result = JS_Call(ctx, matcher->function, JS_UNDEFINED, 2, (JSValueConst *)args);
    JS_FreeValue(ctx, args[1]);
    if (JS_IsException(result))
        return -1;
    int matched = JS_ToBool(ctx, result);
    JS_FreeValue(ctx, result);
    return matched;
}

struct html_set *html_find(struct html_set *set, const char *selector, bool only_first)
{
    struct html_set *found = html_set_new(set->doc, set);
    struct html_selector *compiled = html_selector_new(selector, strlen(selector));
    for (size_t i = 0; compiled && i < set->count; i++)
        for (const struct html_node *at = html_walk(set->nodes[i], set->nodes[i]); at; at = html_walk(set->nodes[i], at))
            if (!(only_first && found->count) && html_selector_matches(compiled, at))
                html_set_add(found, at);
    html_selector_free(compiled);
    return found;
}
