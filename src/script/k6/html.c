/* SPDX-License-Identifier: Apache-2.0 */
/* k6/html: parseHTML and the Selection's ways through a page. Order and uniqueness of nodes are goquery's: what each
 * node of the set leads to, in the set's order, each node once. */
#include "script/k6/html.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "script/k6/modules.h"

static void selection_finalize(JSRuntime *rt, JSValueConst value)
{
    html_set_unref(JS_GetOpaque(value, JS_CLASS_HTML_SELECTION));
}

static const JSClassDef selection_class = {"Selection", .finalizer = selection_finalize};

struct html_set *html_set_of(JSValueConst value)
{
    return JS_GetOpaque(value, JS_CLASS_HTML_SELECTION);
}

static struct html_set *this_set(JSContext *ctx, JSValueConst this_val)
{
    return JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_SELECTION);
}

JSValue html_selection_new(JSContext *ctx, struct html_set *set)
{
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_HTML_SELECTION);
    if (JS_IsException(object))
        html_set_unref(set);
    else
        JS_SetOpaque(object, set);
    return object;
}

JSValue html_selection_of_node(JSContext *ctx, struct html_doc *doc, const struct html_node *node)
{
    struct html_set *set = html_set_new(doc, NULL);
    html_set_add(set, node);
    return html_selection_new(ctx, set);
}

JSValue html_parse_selection(JSContext *ctx, const char *source, size_t len, const char *url)
{
    html_classes(ctx);
    struct html_doc *doc = html_parse(source, len, url);
    JSValue selection = html_selection_of_node(ctx, doc, doc->root);
    html_doc_unref(doc);
    return selection;
}

static JSValueConst arg_at(int argc, JSValueConst *argv, int index)
{
    return argc > index ? argv[index] : JS_UNDEFINED;
}

/* ---- the ways ---- */

enum way { CHILDREN, CONTENTS, NEXT, NEXT_ALL, PREV, PREV_ALL, PARENT, PARENTS, SIBLINGS, NEXT_UNTIL, PREV_UNTIL, PARENTS_UNTIL };

static const struct html_node *parent_element(const struct html_node *node)
{
    return node->parent && node->parent->kind == HTML_ELEMENT ? node->parent : NULL;
}

static const struct html_node *step(const struct html_node *node, enum way way)
{
    switch (way) {
    case NEXT:
    case NEXT_ALL:
    case NEXT_UNTIL:
        return html_next_element(node);
    case PREV:
    case PREV_ALL:
    case PREV_UNTIL:
        return html_prev_element(node);
    default:
        return parent_element(node);
    }
}

/* Adds where a way leads from a node, as far as filter lets it and, for the last three, until stops it. False: threw. */
static bool walk_way(struct html_set *out, const struct html_node *from, enum way way, const struct html_matcher *filter, const struct html_matcher *until)
{
    bool down = way == CHILDREN || way == CONTENTS, around = way == SIBLINGS, once = way == NEXT || way == PREV || way == PARENT;
    const struct html_node *at = down ? from->first : around ? (from->parent ? from->parent->first : NULL) : step(from, way);
    while (at) {
        if (until && html_matches(until, at, out->doc, 0) != 0)
            break;
        bool candidate = way == CONTENTS || (at->kind == HTML_ELEMENT && !(around && at == from));
        int matched = candidate ? html_matches(filter, at, out->doc, out->count) : 0;
        if (matched < 0)
            return false;
        if (matched)
            html_set_add(out, at);
        at = once ? NULL : down || around ? at->next : step(at, way);
    }
    return true;
}

static JSValue selection_way(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    struct html_set *set = this_set(ctx, this_val);
    enum way way = (enum way)magic;
    bool has_until = way >= NEXT_UNTIL;
    struct html_matcher filter, until;
    if (!set || !html_matcher_read(ctx, arg_at(argc, argv, has_until ? 1 : 0), true, &filter))
        return JS_EXCEPTION;
    if (!html_matcher_read(ctx, has_until ? arg_at(argc, argv, 0) : JS_UNDEFINED, false, &until)) {
        html_matcher_free(&filter);
        return JS_EXCEPTION;
    }
    struct html_set *out = html_set_new(set->doc, set);
    bool done = true;
    for (size_t i = 0; i < set->count && done; i++)
        done = walk_way(out, set->nodes[i], way, &filter, has_until ? &until : NULL);
    html_matcher_free(&filter);
    html_matcher_free(&until);
    if (done)
        return html_selection_new(ctx, out);
    html_set_unref(out);
    return JS_EXCEPTION;
}

/* ---- what takes a matcher ---- */

enum narrowing { FIND, SINGLE, FILTER, NOT, HAS, CLOSEST, IS };

/* Adds to out what a matcher makes of one node. False: a function threw. */
static bool narrow(struct html_set *out, const struct html_node *node, size_t index, enum narrowing how, const struct html_matcher *matcher)
{
    int matched = 0;
    switch (how) {
    case FIND:
    case SINGLE:
    case HAS:
        for (const struct html_node *at = html_walk(node, node); at; at = html_walk(node, at)) {
            matched = html_matches(matcher, at, out->doc, index);
            if (matched > 0)
                html_set_add(out, how == HAS ? node : at);
            if (matched < 0 || (matched && how != FIND))
                break;
        }
        return matched >= 0;
    case CLOSEST:
        for (; node && matched == 0; node = matched ? node : node->parent) {
            matched = html_matches(matcher, node, out->doc, index);
            if (matched > 0)
                html_set_add(out, node);
        }
        return matched >= 0;
    default:
        matched = html_matches(matcher, node, out->doc, index);
        if (matched >= 0 && (matched == 1) != (how == NOT))
            html_set_add(out, node);
        return matched >= 0;
    }
}

static JSValue selection_narrow(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    struct html_set *set = this_set(ctx, this_val);
    enum narrowing how = (enum narrowing)magic;
    struct html_matcher matcher;
    if (!set || !html_matcher_read(ctx, arg_at(argc, argv, 0), false, &matcher))
        return JS_EXCEPTION;
    struct html_set *out = html_set_new(set->doc, set);
    bool done = true;
    for (size_t i = 0; i < set->count && done && !((how == SINGLE || how == IS) && out->count); i++)
        done = narrow(out, set->nodes[i], i, how, &matcher);
    html_matcher_free(&matcher);
    if (done && how != IS)
        return html_selection_new(ctx, out);
    JSValue result = done ? JS_NewBool(ctx, out->count > 0) : JS_EXCEPTION;
    html_set_unref(out);
    return result;
}

/* Whatever matches in the whole page, or the nodes given. */
static JSValue selection_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    struct html_matcher matcher;
    if (!set || !html_matcher_read(ctx, arg_at(argc, argv, 0), false, &matcher))
        return JS_EXCEPTION;
    struct html_set *out = html_set_new(set->doc, set);
    for (size_t i = 0; i < set->count; i++)
        html_set_add(out, set->nodes[i]);
    const struct html_node *top = set->doc->root;
    for (const struct html_node *at = top; at && !matcher.is_function; at = html_walk(top, at))
        if (html_matches(&matcher, at, set->doc, 0) > 0)
            html_set_add(out, at);
    html_matcher_free(&matcher);
    return html_selection_new(ctx, out);
}

/* ---- by position ---- */

static struct html_set *slice(struct html_set *set, int64_t begin, int64_t end)
{
    int64_t count = (int64_t)set->count;
    struct html_set *out = html_set_new(set->doc, set);
    begin = begin < 0 ? begin + count : begin;
    end = end < 0 ? end + count : end;
    for (int64_t i = begin < 0 ? 0 : begin; i < end && i < count; i++)
        html_set_add(out, set->nodes[i]);
    return out;
}

static JSValue selection_slice(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    int64_t begin = 0, end = set ? (int64_t)set->count : 0;
    if (!set || JS_ToInt64(ctx, &begin, arg_at(argc, argv, 0)))
        return JS_EXCEPTION;
    if (argc > 1 && !JS_IsUndefined(argv[1]) && JS_ToInt64(ctx, &end, argv[1]))
        return JS_EXCEPTION;
    return html_selection_new(ctx, slice(set, begin, end));
}

enum position { FIRST, LAST, EQ, GET };

static JSValue selection_at(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    struct html_set *set = this_set(ctx, this_val);
    int64_t index = magic == LAST ? -1 : 0;
    if (!set || ((magic == EQ || magic == GET) && argc > 0 && JS_ToInt64(ctx, &index, argv[0])))
        return JS_EXCEPTION;
    index = index < 0 ? index + (int64_t)set->count : index;
    bool inside = index >= 0 && index < (int64_t)set->count;
    if (magic != GET)
        return html_selection_new(ctx, slice(set, inside ? index : 0, inside ? index + 1 : 0));
    if (argc > 0 && !JS_IsUndefined(argv[0]))
        return inside ? html_element_new(ctx, set->doc, set->nodes[index]) : JS_UNDEFINED;
    JSValue list = JS_NewArray(ctx);
    for (size_t i = 0; i < set->count; i++)
        JS_SetPropertyUint32(ctx, list, (uint32_t)i, html_element_new(ctx, set->doc, set->nodes[i]));
    return list;
}

static JSValue selection_to_array(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    JSValue list = JS_NewArray(ctx);
    for (size_t i = 0; i < set->count; i++)
        JS_SetPropertyUint32(ctx, list, (uint32_t)i, html_selection_of_node(ctx, set->doc, set->nodes[i]));
    return list;
}

static int64_t index_among(const struct html_set *set, const struct html_node *node)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->nodes[i] == node)
            return (int64_t)i;
    return -1;
}

/* Among its siblings; in all that a selector finds; or where a node given stands in this set. */
static JSValue selection_index(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    struct html_matcher matcher;
    if (!set || !html_matcher_read(ctx, arg_at(argc, argv, 0), true, &matcher))
        return JS_EXCEPTION;
    int64_t index = -1;
    if (matcher.matches_all && set->count) {
        index = 0;
        for (const struct html_node *at = html_prev_element(set->nodes[0]); at; at = html_prev_element(at))
            index++;
    } else if (matcher.selector && set->count && html_selector_matches(matcher.selector, set->nodes[0])) {
        index = 0;
        for (const struct html_node *at = set->doc->root; at != set->nodes[0]; at = html_walk(set->doc->root, at))
            index += html_selector_matches(matcher.selector, at);
    } else if (matcher.node || (matcher.set && matcher.set->count)) {
        index = index_among(set, matcher.node ? matcher.node : matcher.set->nodes[0]);
    }
    html_matcher_free(&matcher);
    return JS_NewInt64(ctx, index);
}

static JSValue selection_size(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    return set ? JS_NewInt64(ctx, (int64_t)set->count) : JS_EXCEPTION;
}

static JSValue selection_end(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    return html_selection_new(ctx, set->previous ? html_set_ref(set->previous) : html_set_new(set->doc, NULL));
}

/* ---- functions of the script ---- */

static JSValue call_for(JSContext *ctx, JSValueConst function, size_t index, JSValue item)
{
    JSValue args[] = {JS_NewInt64(ctx, (int64_t)index), item};
    JSValue result = JS_Call(ctx, function, JS_UNDEFINED, 2, (JSValueConst *)args);
    JS_FreeValue(ctx, item);
    return result;
}

static JSValue selection_each(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    if (!JS_IsFunction(ctx, arg_at(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "the argument to each() must be a function");
    for (size_t i = 0; i < set->count; i++) {
        JSValue result = call_for(ctx, argv[0], i, html_element_new(ctx, set->doc, set->nodes[i]));
        if (JS_IsException(result))
            return JS_EXCEPTION;
        JS_FreeValue(ctx, result);
    }
    return JS_DupValue(ctx, this_val);
}

/* As in k6, an item whose function throws is left out; what ends an iteration is no such exception. */
static JSValue selection_map(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct html_set *set = this_set(ctx, this_val);
    if (!set)
        return JS_EXCEPTION;
    if (!JS_IsFunction(ctx, arg_at(argc, argv, 0)))
        return JS_ThrowTypeError(ctx, "the argument to map() must be a function");
    JSValue list = JS_NewArray(ctx);
    uint32_t length = 0;
    for (size_t i = 0; i < set->count; i++) {
        JSValue result = call_for(ctx, argv[0], i, html_selection_of_node(ctx, set->doc, set->nodes[i]));
        if (!JS_IsException(result)) {
            JS_SetPropertyUint32(ctx, list, length++, result);
            continue;
        }
        JSValue error = JS_GetException(ctx);
        if (JS_IsUncatchableError(error)) {
            JS_FreeValue(ctx, list);
            return JS_Throw(ctx, error);
        }
        JS_FreeValue(ctx, error);
    }
    return list;
}

static JSValue selection_url(JSContext *ctx, JSValueConst this_val, int magic)
{
    struct html_set *set = this_set(ctx, this_val);
    return set ? JS_NewString(ctx, set->doc->url) : JS_EXCEPTION;
}

/* ---- the module ---- */

static const struct {
    const char *name;
    JSCFunctionMagic *function;
    int magic;
} magics[] = {
    {"children", selection_way, CHILDREN},     {"contents", selection_way, CONTENTS},      {"next", selection_way, NEXT},
    {"nextAll", selection_way, NEXT_ALL},      {"prev", selection_way, PREV},              {"prevAll", selection_way, PREV_ALL},
    {"parent", selection_way, PARENT},         {"parents", selection_way, PARENTS},        {"siblings", selection_way, SIBLINGS},
    {"nextUntil", selection_way, NEXT_UNTIL},  {"prevUntil", selection_way, PREV_UNTIL},   {"parentsUntil", selection_way, PARENTS_UNTIL},
    {"find", selection_narrow, FIND},          {"single", selection_narrow, SINGLE},       {"filter", selection_narrow, FILTER},
    {"not", selection_narrow, NOT},            {"has", selection_narrow, HAS},             {"closest", selection_narrow, CLOSEST},
    {"is", selection_narrow, IS},              {"first", selection_at, FIRST},             {"last", selection_at, LAST},
    {"eq", selection_at, EQ},                  {"get", selection_at, GET},
};

static const struct {
    const char *name;
    JSCFunction *function;
} functions[] = {
    {"add", selection_add}, {"slice", selection_slice}, {"toArray", selection_to_array}, {"index", selection_index},
    {"size", selection_size}, {"end", selection_end}, {"each", selection_each}, {"map", selection_map},
};

void html_classes(JSContext *ctx)
{
    if (JS_IsRegisteredClass(JS_GetRuntime(ctx), JS_CLASS_HTML_SELECTION))
        return;
    js_class_register(ctx, JS_CLASS_HTML_SELECTION, &selection_class);
    JSValue proto = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        js_add_magic(ctx, proto, magics[i].name, magics[i].function, 1, magics[i].magic);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        js_add_function(ctx, proto, functions[i].name, functions[i].function, 1);
    html_value_methods(ctx, proto);
    js_add_getter(ctx, proto, "url", selection_url, 0);
    JS_SetClassProto(ctx, JS_CLASS_HTML_SELECTION, proto);
    html_element_classes(ctx);
}

static JSValue html_parse_html(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t len;
    const char *source = JS_ToCStringLen(ctx, &len, arg_at(argc, argv, 0));
    if (!source)
        return JS_EXCEPTION;
    JSValue selection = html_parse_selection(ctx, source, len, "");
    JS_FreeCString(ctx, source);
    return selection;
}

JSValue html_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    js_add_function(ctx, exports, "parseHTML", html_parse_html, 1);
    return exports;
}
