/* SPDX-License-Identifier: Apache-2.0 */
/* Matching a selector against a node, from right to left. */
#include <string.h>

#include "core/buf.h"
#include "html/dom.h"
#include "html/selector_private.h"

static bool matches_any(const struct alternative *list, const struct html_node *node);

static bool equal(struct text a, struct text b, bool ignore_case)
{
    return ignore_case ? text_equal_nocase(a, b) : text_equal(a, b);
}

static struct text part(struct text t, size_t at, size_t len)
{
    return (struct text){t.data + at, len};
}

static bool contains(struct text text, struct text wanted, bool ignore_case)
{
    for (size_t at = 0; at + wanted.len <= text.len; at++)
        if (equal(part(text, at, wanted.len), wanted, ignore_case))
            return true;
    return false;
}

static bool has_word(struct text list, struct text word, bool ignore_case)
{
    while (list.len) {
        size_t len = 0;
        while (len < list.len && !strchr(" \t\r\n\f", list.data[len]))
            len++;
        if (len && equal(part(list, 0, len), word, ignore_case))
            return true;
        len += len < list.len;
        list = part(list, len, list.len - len);
    }
    return false;
}

static bool regex_finds(const struct test *test, const char *text)
{
    return regexec(&test->regex, text, 0, NULL, 0) == 0;
}

static bool value_matches(const struct test *test, struct text value)
{
    struct text wanted = test->value;
    bool fits = wanted.len <= value.len, blank = text_trim(wanted).len == 0;
    switch (test->op) {
    case 0:
        return true;
    case '=':
        return equal(value, wanted, test->ignore_case);
    case '!':
        return !equal(value, wanted, test->ignore_case);
    case '~':
        return has_word(value, wanted, test->ignore_case);
    case '|':
        return equal(value, wanted, test->ignore_case) ||
               (fits && value.len > wanted.len && value.data[wanted.len] == '-' && equal(part(value, 0, wanted.len), wanted, test->ignore_case));
    case '^':
        return !blank && fits && equal(part(value, 0, wanted.len), wanted, test->ignore_case);
    case '$':
        return !blank && fits && equal(part(value, value.len - wanted.len, wanted.len), wanted, test->ignore_case);
    case '*':
        return !blank && contains(value, wanted, test->ignore_case);
    default:
        return regex_finds(test, value.data);
    }
}

static bool attr_matches(const struct test *test, const struct html_node *node)
{
    for (size_t i = 0; i < node->attr_count; i++)
        if (text_equal(node->attrs[i].name, test->name) && (test->op == '!' || value_matches(test, node->attrs[i].value)))
            return test->op != '!' || value_matches(test, node->attrs[i].value);
    return test->op == '!';
}

static bool text_matches(const struct test *test, const struct html_node *node)
{
    struct buf text = {0};
    if (test->kind == TEST_CONTAINS || test->kind == TEST_MATCHES) {
        html_text(&text, node);
    } else {
        for (const struct html_node *child = node->first; child; child = child->next)
            if (child->kind == HTML_TEXT)
                buf_add(&text, child->text.data, child->text.len);
    }
    const char *data = text.data ? text.data : "";
    bool by_regex = test->kind == TEST_MATCHES || test->kind == TEST_MATCHES_OWN;
    bool found = by_regex ? regex_finds(test, data) : contains((struct text){data, text.len}, test->value, true);
    buf_free(&text);
    return found;
}

static bool has_inside(const struct test *test, const struct html_node *node)
{
    if (test->kind == TEST_HAS_CHILD) {
        for (const struct html_node *child = html_first_element(node); child; child = html_next_element(child))
            if (matches_any(test->inner, child))
                return true;
        return false;
    }
    for (const struct html_node *at = html_walk(node, node); at; at = html_walk(node, at))
        if (matches_any(test->inner, at))
            return true;
    return false;
}

static bool nth_matches(const struct test *test, const struct html_node *node)
{
    int position = 1;
    if (!node->parent || node->parent->kind == HTML_DOCUMENT)
        return false;
    for (const struct html_node *at = node;;) {
        at = test->from_end ? html_next_element(at) : html_prev_element(at);
        if (!at)
            break;
        position += !test->of_type || text_equal(at->text, node->text);
    }
    position -= test->offset;
    if (test->step == 0)
        return position == 0;
    return position % test->step == 0 && position / test->step >= 0;
}

static bool only_matches(const struct test *test, const struct html_node *node)
{
    if (!node->parent || node->parent->kind == HTML_DOCUMENT)
        return false;
    for (const struct html_node *at = html_first_element(node->parent); at; at = html_next_element(at))
        if (at != node && (!test->of_type || text_equal(at->text, node->text)))
            return false;
    return true;
}

static bool is_named(const struct html_node *node, const char *names)
{
    return html_has_word(text_of(names), node->text);
}

static bool is_empty(const struct html_node *node)
{
    for (const struct html_node *child = node->first; child; child = child->next)
        if (child->kind == HTML_ELEMENT || child->kind == HTML_TEXT)
            return false;
    return true;
}

static bool lang_matches(const struct test *test, const struct html_node *node)
{
    const struct test is_lang = {.op = '|', .value = test->value, .ignore_case = true};
    for (; node; node = node->parent) {
        const struct html_attr *lang = html_attr(node, "lang");
        if (lang)
            return value_matches(&is_lang, lang->value);
    }
    return false;
}

static bool is_disabled(const struct html_node *node)
{
    if (!is_named(node, "button input select textarea optgroup option fieldset menuitem"))
        return false;
    if (html_attr(node, "disabled"))
        return true;
    for (const struct html_node *at = node->parent; at; at = at->parent) {
        if (html_is(node, "option") ? html_is(at, "optgroup") && html_attr(at, "disabled") : html_is(at, "fieldset") && html_attr(at, "disabled"))
            return true;
    }
    return false;
}

static bool is_checked(const struct html_node *node)
{
    if (html_is(node, "option"))
        return html_attr(node, "selected") != NULL;
    return html_is(node, "input") && html_attr(node, "checked") && (html_attr_is(node, "type", "checkbox") || html_attr_is(node, "type", "radio"));
}

static bool test_matches(const struct test *test, const struct html_node *node)
{
    switch (test->kind) {
    case TEST_NAME:
        return text_equal_nocase(node->text, test->name);
    case TEST_ATTR:
        return attr_matches(test, node);
    case TEST_NOT:
        return !matches_any(test->inner, node);
    case TEST_HAS:
    case TEST_HAS_CHILD:
        return has_inside(test, node);
    case TEST_CONTAINS:
    case TEST_CONTAINS_OWN:
    case TEST_MATCHES:
    case TEST_MATCHES_OWN:
        return text_matches(test, node);
    case TEST_NTH:
        return nth_matches(test, node);
    case TEST_ONLY:
        return only_matches(test, node);
    case TEST_INPUT:
        return is_named(node, "input select textarea button");
    case TEST_EMPTY:
        return is_empty(node);
    case TEST_ROOT:
        return node->parent && node->parent->kind == HTML_DOCUMENT;
    case TEST_LINK:
        return is_named(node, "a area link") && html_attr(node, "href");
    case TEST_LANG:
        return lang_matches(test, node);
    case TEST_ENABLED:
        return is_named(node, "button input select textarea optgroup option fieldset menuitem") && !is_disabled(node);
    case TEST_DISABLED:
        return is_disabled(node);
    case TEST_CHECKED:
        return is_checked(node);
    case TEST_NEVER:
        break;
    }
    return false;
}

static bool chain_matches(const struct compound *compound, const struct html_node *node)
{
    if (!node || node->kind != HTML_ELEMENT)
        return false;
    for (const struct test *test = compound->tests; test; test = test->next)
        if (!test_matches(test, node))
            return false;
    if (!compound->left)
        return true;
    switch (compound->combinator) {
    case '>':
        return chain_matches(compound->left, node->parent);
    case '+':
        return chain_matches(compound->left, html_prev_element(node));
    case '~':
        for (node = html_prev_element(node); node; node = html_prev_element(node))
            if (chain_matches(compound->left, node))
                return true;
        return false;
    default:
        for (node = node->parent; node; node = node->parent)
            if (chain_matches(compound->left, node))
                return true;
        return false;
    }
}

static bool matches_any(const struct alternative *list, const struct html_node *node)
{
    for (; list; list = list->next)
        if (chain_matches(list->right, node))
            return true;
    return false;
}

bool html_selector_matches(const struct html_selector *selector, const struct html_node *node)
{
    return matches_any(selector->alternatives, node);
}
