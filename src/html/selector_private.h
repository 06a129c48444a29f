/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled selector: a list of alternatives, each a chain of compounds from right to left, each compound a list
 * of tests. Everything but the regular expressions lies in the outermost selector's arena. */
#ifndef HTML_SELECTOR_PRIVATE_H
#define HTML_SELECTOR_PRIVATE_H

#include <regex.h>

#include "core/arena.h"
#include "core/text.h"
#include "html/selector.h"

enum test_kind {
    TEST_NAME,
    TEST_ATTR,  /* op, name, value */
    TEST_NOT,   /* inner */
    TEST_HAS,   /* inner, anywhere inside */
    TEST_HAS_CHILD,
    TEST_CONTAINS,     /* value in the text, whatever its case */
    TEST_CONTAINS_OWN, /* the same of the element's own text */
    TEST_MATCHES,      /* regex on the text */
    TEST_MATCHES_OWN,
    TEST_NTH, /* step, offset; from_end, of_type */
    TEST_ONLY, /* of_type */
    TEST_INPUT,
    TEST_EMPTY,
    TEST_ROOT,
    TEST_LINK,
    TEST_LANG,
    TEST_ENABLED,
    TEST_DISABLED,
    TEST_CHECKED,
    TEST_NEVER,
};

struct test {
    struct test *next;
    enum test_kind kind;
    char op; /* of TEST_ATTR: 0 exists, = ~ | ^ $ * as in CSS, ! not equal, # regex */
    bool ignore_case, from_end, of_type;
    int step, offset;
    struct text name, value;
    struct alternative *inner;
    regex_t regex;
    struct test *next_regex; /* of the selector's list of what regfree must see */
};

struct compound {
    struct compound *left; /* NULL: the leftmost */
    char combinator;       /* between left and this: ' ' > + ~ */
    struct test *tests;
};

struct alternative {
    struct alternative *next;
    struct compound *right;
};

struct html_selector {
    struct arena arena;
    struct alternative *alternatives;
    struct test *regexes;
};

#endif
