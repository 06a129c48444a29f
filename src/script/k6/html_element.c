/* SPDX-License-Identifier: Apache-2.0 */
/* The Element of k6/html. All accessors are methods. A tag's prototype is made when its first element is; the
 * prototypes of a realm are the properties of an object that stands in for the prototype of a class of its own. */
#include "script/k6/html_element.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

static void element_finalize(JSRuntime *rt, JSValueConst value)
{
    struct html_element *element = JS_GetOpaque(value, JS_CLASS_HTML_ELEMENT);
    if (!element)
        return;
    html_doc_unref(element->doc);
    mem_free(element);
}

static const JSClassDef element_class = {"Element", .finalizer = element_finalize};
static const JSClassDef attribute_class = {"Attribute"};
static const JSClassDef prototypes_class = {"ElementPrototypes"};

const struct html_node *html_node_of(JSValueConst value)
{
    const struct html_element *element = JS_GetOpaque(value, JS_CLASS_HTML_ELEMENT);
    return element ? element->node : NULL;
}

static JSValue call_accessor(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct html_element *element = JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_ELEMENT);
    const struct html_accessor *row = &html_accessors[magic];
    return element ? row->get(ctx, element, row) : JS_EXCEPTION;
}

/* The prototype of elements with this name. */
static JSValue prototype_of(JSContext *ctx, struct text name)
{
    JSValue prototypes = JS_GetClassProto(ctx, JS_CLASS_HTML_PROTOTYPES);
    JSAtom atom = JS_NewAtomLen(ctx, name.data, name.len);
    JSValue proto = JS_GetProperty(ctx, prototypes, atom);
    for (size_t i = 0; JS_IsUndefined(proto) && i < html_accessor_count; i++) {
        if (!html_has_word(text_of(html_accessors[i].tags), name))
            continue;
        JSValue base = JS_GetClassProto(ctx, JS_CLASS_HTML_ELEMENT);
        proto = JS_NewObjectProto(ctx, base);
        JS_FreeValue(ctx, base);
        for (; i < html_accessor_count; i++)
            if (html_has_word(text_of(html_accessors[i].tags), name))
                js_add_magic(ctx, proto, html_accessors[i].name, call_accessor, 0, (int)i);
        JS_DefinePropertyValue(ctx, prototypes, atom, JS_DupValue(ctx, proto), JS_PROP_C_W_E);
    }
    JS_FreeAtom(ctx, atom);
    JS_FreeValue(ctx, prototypes);
    return JS_IsUndefined(proto) ? JS_GetClassProto(ctx, JS_CLASS_HTML_ELEMENT) : proto;
}

JSValue html_element_new(JSContext *ctx, struct html_doc *doc, const struct html_node *node)
{
    if (!node)
        return JS_UNDEFINED;
    JSValue proto = prototype_of(ctx, node->kind == HTML_ELEMENT ? node->text : TEXT(""));
    JSValue object = JS_NewObjectProtoClass(ctx, proto, JS_CLASS_HTML_ELEMENT);
    JS_FreeValue(ctx, proto);
    if (JS_IsException(object))
        return object;
    struct html_element *element = mem_alloc(sizeof(*element));
    *element = (struct html_element){html_doc_ref(doc), node};
    JS_SetOpaque(object, element);
    return object;
}

JSValue html_list_inside(JSContext *ctx, struct html_doc *doc, const struct html_node *top, const char *selector)
{
    JSValue list = JS_NewArray(ctx);
    struct html_selector *compiled = html_selector_new(selector, strlen(selector));
    uint32_t count = 0;
    for (const struct html_node *at = compiled ? html_walk(top, top) : NULL; at; at = html_walk(top, at))
        if (html_selector_matches(compiled, at))
            JS_SetPropertyUint32(ctx, list, count++, html_element_new(ctx, doc, at));
    html_selector_free(compiled);
    return list;
}

const struct html_node *html_first_inside(struct html_doc *doc, const struct html_node *top, const char *selector)
{
    struct html_selector *compiled = html_selector_new(selector, strlen(selector));
    const struct html_node *at = compiled ? html_walk(top, top) : NULL;
    while (at && !html_selector_matches(compiled, at))
        at = html_walk(top, at);
    html_selector_free(compiled);
    return at;
}

/* ---- attributes ---- */

static JSValue attribute_new(JSContext *ctx, JSValueConst owner, const struct html_attr *attr)
{
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_HTML_ATTRIBUTE);
    struct buf name = {0};
    if (attr->prefix.len)
        buf_printf(&name, "%s:", attr->prefix.data);
    buf_add(&name, attr->name.data, attr->name.len);
    JS_DefinePropertyValueStr(ctx, object, "name", JS_NewStringLen(ctx, name.data, name.len), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, object, "value", html_text_value(ctx, attr->value), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, object, "ownerElement", JS_DupValue(ctx, owner), JS_PROP_C_W_E);
    buf_free(&name);
    return object;
}

enum name_part { PART_PREFIX, PART_LOCAL, PART_NAMESPACE };

static JSValue attribute_part(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int part)
{
    JSValue value = JS_GetPropertyStr(ctx, this_val, "name");
    const char *name = JS_ToCString(ctx, value);
    JS_FreeValue(ctx, value);
    if (!name)
        return JS_EXCEPTION;
    static const char *const spaces[][2] = {{"xlink", "http://www.w3.org/1999/xlink"}, {"xml", "http://www.w3.org/XML/1998/namespace"},
                                            {"xmlns", "http://www.w3.org/2000/xmlns/"}};
    const char *colon = strchr(name, ':');
    struct text prefix = {name, colon ? (size_t)(colon - name) : 0};
    JSValue result = part == PART_LOCAL ? JS_NewString(ctx, colon ? colon + 1 : name) : part == PART_PREFIX ? html_text_value(ctx, prefix) : JS_UNDEFINED;
    for (size_t i = 0; part == PART_NAMESPACE && i < sizeof(spaces) / sizeof(spaces[0]); i++)
        if (text_equal(prefix, text_of(spaces[i][0])))
            result = JS_NewString(ctx, spaces[i][1]);
    JS_FreeCString(ctx, name);
    return JS_IsUndefined(result) ? JS_NewString(ctx, "") : result;
}

/* ---- the common methods: without arguments ---- */

enum common {
    ATTRIBUTES, HAS_ATTRIBUTES, TO_STRING, HAS_CHILD_NODES, TEXT_CONTENT, ID, SELECTION, NODE_NAME, FIRST_CHILD, LAST_CHILD,
    FIRST_ELEMENT, LAST_ELEMENT, PREVIOUS, NEXT_SIBLING, PREVIOUS_ELEMENT, NEXT_ELEMENT, PARENT_NODE, PARENT_ELEMENT, CHILD_NODES,
    CHILDREN_LIST, CHILD_COUNT, CLASS_LIST, CLASS_NAME, LANG, OWNER_DOCUMENT, NAMESPACE_URI, IS_DEFAULT_NAMESPACE, INNER_HTML,
    NODE_TYPE, NODE_VALUE,
};

static const char *const common_names[] = {
    "attributes", "hasAttributes", "toString", "hasChildNodes", "textContent", "id", "selection", "nodeName", "firstChild", "lastChild",
    "firstElementChild", "lastElementChild", "previousSibling", "nextSibling", "previousElementSibling", "nextElementSibling", "parentNode",
    "parentElement", "childNodes", "children", "childElementCount", "classList", "className", "lang", "ownerDocument", "namespaceURI",
    "isDefaultNamespace", "innerHTML", "nodeType", "nodeValue",
};

static const struct html_node *relative(const struct html_element *e, enum common which)
{
    const struct html_node *n = e->node;
    switch (which) {
    case FIRST_CHILD:
        return n->first;
    case LAST_CHILD:
        return n->last;
    case FIRST_ELEMENT:
        return html_first_element(n);
    case LAST_ELEMENT:
        return html_last_element(n);
    case PREVIOUS:
        return n->prev;
    case NEXT_SIBLING:
        return n->next;
    case PREVIOUS_ELEMENT:
        return html_prev_element(n);
    case NEXT_ELEMENT:
        return html_next_element(n);
    case PARENT_ELEMENT:
        return n->parent && n->parent->kind == HTML_ELEMENT ? n->parent : NULL;
    case OWNER_DOCUMENT:
        return e->doc->root;
    default:
        return n->parent;
    }
}

static JSValue child_list(JSContext *ctx, const struct html_element *e, bool all)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;
    for (const struct html_node *child = e->node->first; child; child = child->next)
        if (all || child->kind == HTML_ELEMENT)
            JS_SetPropertyUint32(ctx, list, count++, html_element_new(ctx, e->doc, child));
    return list;
}

static JSValue attribute_map(JSContext *ctx, JSValueConst owner, const struct html_node *node)
{
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; node->kind == HTML_ELEMENT && i < node->attr_count; i++)
        JS_DefinePropertyValueStr(ctx, object, node->attrs[i].name.data, attribute_new(ctx, owner, &node->attrs[i]), JS_PROP_C_W_E);
    return object;
}

static JSValue text_content(JSContext *ctx, const struct html_node *node)
{
    struct buf out = {0};
    if (node->kind == HTML_COMMENT)
        return html_text_value(ctx, node->text);
    html_text(&out, node);
    JSValue value = html_text_value(ctx, (struct text){out.data, out.len});
    buf_free(&out);
    return value;
}

static JSValue element_common(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    static const struct html_accessor class_row = {.attr = "class", .extra = ""};
    static const char *const spaces[] = {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"};
    static const char *const names[] = {"#document", "", "", "#text", "#comment"};
    static const int types[] = {9, 10, 1, 3, 8};
    const struct html_element *e = JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_ELEMENT);
    if (!e)
        return JS_EXCEPTION;
    const struct html_node *n = e->node;
    int64_t count = 0;
    switch ((enum common)magic) {
    case ATTRIBUTES:
        return attribute_map(ctx, this_val, n);
    case HAS_ATTRIBUTES:
        return JS_NewBool(ctx, n->kind == HTML_ELEMENT && n->attr_count > 0);
    case TO_STRING:
        return JS_NewString(ctx, "[object html.Node]");
    case HAS_CHILD_NODES:
        return JS_NewBool(ctx, n->first != NULL);
    case TEXT_CONTENT:
        return text_content(ctx, n);
    case ID:
        return html_attr_value(ctx, n, "id", "");
    case SELECTION:
        return html_selection_of_node(ctx, e->doc, n);
    case NODE_NAME:
        return n->kind == HTML_ELEMENT || n->kind == HTML_DOCTYPE ? html_text_value(ctx, n->text) : JS_NewString(ctx, names[n->kind]);
    case CHILD_NODES:
    case CHILDREN_LIST:
        return child_list(ctx, e, magic == CHILD_NODES);
    case CHILD_COUNT:
        for (const struct html_node *child = html_first_element(n); child; child = html_next_element(child))
            count++;
        return JS_NewInt64(ctx, count);
    case CLASS_LIST:
        return html_get_words(ctx, e, &class_row);
    case CLASS_NAME:
        return html_get_text(ctx, e, &class_row);
    case LANG:
        return html_attr_value(ctx, n, "lang", "");
    case NAMESPACE_URI:
        return JS_NewString(ctx, spaces[n->space]);
    case IS_DEFAULT_NAMESPACE:
        return JS_NewBool(ctx, n->space == HTML_SPACE_HTML);
    case INNER_HTML:
        return html_inner_value(ctx, n);
    case NODE_TYPE:
        return JS_NewInt32(ctx, types[n->kind]);
    case NODE_VALUE:
        return n->kind == HTML_TEXT || n->kind == HTML_COMMENT ? html_text_value(ctx, n->text) : JS_UNDEFINED;
    default:
        return html_element_new(ctx, e->doc, relative(e, (enum common)magic));
    }
}

/* ---- the common methods: with a text ---- */

enum asking { GET_ATTRIBUTE, GET_ATTRIBUTE_NODE, HAS_ATTRIBUTE, BY_CLASS, BY_TAG, QUERY, QUERY_ALL, MATCHES };

static const char *const asking_names[] = {
    "getAttribute", "getAttributeNode", "hasAttribute", "getElementsByClassName", "getElementsByTagName", "querySelector", "querySelectorAll", "matches",
};

/* Elements that have all of the classes. */
static JSValue by_class(JSContext *ctx, const struct html_element *e, const char *classes)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;
    for (const struct html_node *at = html_walk(e->node, e->node); at; at = html_walk(e->node, at)) {
        const struct html_attr *own = html_attr(at, "class");
        struct text rest = text_trim(text_of(classes));
        bool has_all = own && rest.len;
        while (has_all && rest.len) {
            struct text word = text_cut(rest, ' ', &rest);
            has_all = !word.len || html_has_word(own->value, word);
        }
        if (has_all)
            JS_SetPropertyUint32(ctx, list, count++, html_element_new(ctx, e->doc, at));
    }
    return list;
}

static JSValue answer(JSContext *ctx, JSValueConst this_val, const struct html_element *e, enum asking which, const char *text)
{
    const struct html_attr *attr = which <= HAS_ATTRIBUTE ? html_attr(e->node, text) : NULL;
    struct html_selector *selector;
    bool matched;
    switch (which) {
    case GET_ATTRIBUTE:
        return html_attr_value(ctx, e->node, text, NULL);
    case GET_ATTRIBUTE_NODE:
        return attr ? attribute_new(ctx, this_val, attr) : JS_UNDEFINED;
    case HAS_ATTRIBUTE:
        return JS_NewBool(ctx, attr != NULL);
    case BY_CLASS:
        return by_class(ctx, e, text);
    case QUERY:
        return html_element_new(ctx, e->doc, html_first_inside(e->doc, e->node, text));
    case MATCHES:
        selector = html_selector_new(text, strlen(text));
        matched = selector && html_selector_matches(selector, e->node);
        html_selector_free(selector);
        return JS_NewBool(ctx, matched);
    default:
        return html_list_inside(ctx, e->doc, e->node, text);
    }
}

static JSValue element_ask(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct html_element *e = JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_ELEMENT);
    const char *text = e ? JS_ToCString(ctx, argc > 0 ? argv[0] : JS_UNDEFINED) : NULL;
    if (!text)
        return JS_EXCEPTION;
    JSValue result = answer(ctx, this_val, e, (enum asking)magic, text);
    JS_FreeCString(ctx, text);
    return result;
}

enum comparing { CONTAINS, IS_SAME, IS_EQUAL };

static JSValue element_compare(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct html_element *e = JS_GetOpaque2(ctx, this_val, JS_CLASS_HTML_ELEMENT);
    if (!e)
        return JS_EXCEPTION;
    const struct html_set *set = argc > 0 ? html_set_of(argv[0]) : NULL;
    const struct html_node *other = set && set->count ? set->nodes[0] : argc > 0 ? html_node_of(argv[0]) : NULL;
    if (!other)
        return JS_FALSE;
    if (magic == CONTAINS)
        return JS_NewBool(ctx, html_is_inside(other, e->node));
    if (magic == IS_SAME)
        return JS_NewBool(ctx, other == e->node);
    struct buf own = {0}, others = {0};
    html_render(&own, e->node);
    html_render(&others, other);
    bool equal = own.len == others.len && (own.len == 0 || memcmp(own.data, others.data, own.len) == 0);
    buf_free(&own);
    buf_free(&others);
    return JS_NewBool(ctx, equal && other->kind == e->node->kind);
}

void html_element_classes(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_HTML_ELEMENT, &element_class);
    js_class_register(ctx, JS_CLASS_HTML_ATTRIBUTE, &attribute_class);
    js_class_register(ctx, JS_CLASS_HTML_PROTOTYPES, &prototypes_class);
    JSValue proto = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(common_names) / sizeof(common_names[0]); i++)
        js_add_magic(ctx, proto, common_names[i], element_common, 0, (int)i);
    for (size_t i = 0; i < sizeof(asking_names) / sizeof(asking_names[0]); i++)
        js_add_magic(ctx, proto, asking_names[i], element_ask, 1, (int)i);
    js_add_magic(ctx, proto, "contains", element_compare, 1, CONTAINS);
    js_add_magic(ctx, proto, "isSameNode", element_compare, 1, IS_SAME);
    js_add_magic(ctx, proto, "isEqualNode", element_compare, 1, IS_EQUAL);
    JS_SetClassProto(ctx, JS_CLASS_HTML_ELEMENT, proto);
    JSValue attribute = JS_NewObject(ctx);
    js_add_magic(ctx, attribute, "prefix", attribute_part, 0, PART_PREFIX);
    js_add_magic(ctx, attribute, "localName", attribute_part, 0, PART_LOCAL);
    js_add_magic(ctx, attribute, "namespaceURI", attribute_part, 0, PART_NAMESPACE);
    JS_SetClassProto(ctx, JS_CLASS_HTML_ATTRIBUTE, attribute);
    JS_SetClassProto(ctx, JS_CLASS_HTML_PROTOTYPES, JS_NewObjectProto(ctx, JS_NULL));
}
