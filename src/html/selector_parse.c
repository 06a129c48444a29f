/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of selectors: recursive descent, at most MAX_DEPTH deep and MAX_COMPOUNDS long, since matching recurses as
 * deep as a selector is long and runs on a VU's stack. */
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "html/selector_private.h"

#define MAX_DEPTH 16
#define MAX_COMPOUNDS 64

struct parser {
    struct html_selector *selector;
    const char *at, *end;
    unsigned depth;
};

static bool parse_list(struct parser *p, struct alternative **list);

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool skip_spaces(struct parser *p)
{
    const char *begin = p->at;
    while (p->at < p->end && is_space(*p->at))
        p->at++;
    return p->at > begin;
}

static bool take(struct parser *p, char c)
{
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_rune(struct buf *out, unsigned rune)
{
    if (rune == 0 || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        rune = 0xfffd;
    if (rune < 0x80) {
        buf_add_char(out, (char)rune);
        return;
    }
    int more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    buf_add_char(out, (char)(lead[more] | (rune >> (6 * more))));
    while (more-- > 0)
        buf_add_char(out, (char)(0x80 | ((rune >> (6 * more)) & 0x3f)));
}

/* After the backslash: up to six hex digits and a space, or any other character. */
static bool parse_escape(struct parser *p, struct buf *out)
{
    unsigned rune = 0;
    int digits = 0;
    while (digits < 6 && p->at < p->end && hex_value(*p->at) >= 0) {
        rune = rune * 16 + (unsigned)hex_value(*p->at++);
        digits++;
    }
    if (digits) {
        if (p->at < p->end && is_space(*p->at))
            p->at++;
        add_rune(out, rune);
        return true;
    }
    if (p->at == p->end || *p->at == '\n' || *p->at == '\r' || *p->at == '\f')
        return false;
    buf_add_char(out, *p->at++);
    return true;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || (c & 0x80);
}

static struct text keep(struct parser *p, struct buf *from)
{
    struct text kept = {arena_strndup(&p->selector->arena, from->data ? from->data : "", from->len), from->len};
    buf_free(from);
    return kept;
}

/* A CSS name; an identifier also may not begin with a digit. */
static bool parse_name(struct parser *p, bool identifier, struct text *name)
{
    struct buf out = {0};
    const char *begin = p->at + (p->at < p->end && *p->at == '-');
    bool valid = !identifier || (begin < p->end && !(*begin >= '0' && *begin <= '9') && (*begin != '-' || begin == p->at));
    while (valid && p->at < p->end && (is_name_char(*p->at) || *p->at == '\\')) {
        if (*p->at == '\\') {
            p->at++;
            valid = parse_escape(p, &out);
        } else {
            buf_add_char(&out, *p->at++);
        }
    }
    valid = valid && out.len > 0;
    *name = keep(p, &out);
    return valid;
}

static void lower(struct text text)
{
    for (char *at = (char *)text.data; at < text.data + text.len; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + 32);
}

static bool parse_string(struct parser *p, struct text *value)
{
    struct buf out = {0};
    char quote = *p->at++;
    bool valid = true;
    while (valid && p->at < p->end && *p->at != quote) {
        if (*p->at == '\n' || *p->at == '\r' || *p->at == '\f')
            valid = false;
        else if (*p->at != '\\')
            buf_add_char(&out, *p->at++);
        else if (++p->at < p->end && (*p->at == '\n' || *p->at == '\r' || *p->at == '\f'))
            p->at++;
        else
            valid = parse_escape(p, &out);
    }
    *value = keep(p, &out);
    return take(p, quote) && valid;
}

static bool parse_value(struct parser *p, struct text *value)
{
    if (p->at < p->end && (*p->at == '"' || *p->at == '\''))
        return parse_string(p, value);
    return parse_name(p, true, value);
}

static struct test *add_test(struct parser *p, struct compound *compound, enum test_kind kind)
{
    struct test *test = arena_alloc(&p->selector->arena, sizeof(*test));
    *test = (struct test){.kind = kind, .next = compound->tests};
    compound->tests = test;
    return test;
}

#define MOST_QUANTIFIERS 12
#define MOST_INTERVALS 2
#define MOST_REPEATS 100

/* "{3}", "{2,50}" at the start: its length when the numbers are small, otherwise 0. */
static size_t interval_length(struct text rest)
{
    int number = 0;
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.data[i] == '}')
            return i + 1;
        number = rest.data[i] >= '0' && rest.data[i] <= '9' ? number * 10 + (rest.data[i] - '0') : 0;
        if (number > MOST_REPEATS || ((rest.data[i] < '0' || rest.data[i] > '9') && rest.data[i] != ','))
            return 0;
    }
    return 0;
}

/* The C library copies what is repeated, and copies of copies: patterns that would grow beyond reason are refused, and
 * so are two quantifiers in a row, as Go does. */
static bool is_modest(struct text pattern)
{
    int quantifiers = 0, intervals = 0;
    bool after_quantifier = false, in_brackets = false;
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.data[i];
        bool quantifier = !in_brackets && (c == '*' || c == '+' || c == '?' || c == '{');
        if (c == '\\' && !in_brackets)
            i++;
        else if (in_brackets ? c == ']' : c == '[')
            in_brackets = !in_brackets;
        if (quantifier && c == '{') {
            size_t len = interval_length((struct text){pattern.data + i, pattern.len - i});
            if (!len || ++intervals > MOST_INTERVALS)
                return false;
            i += len - 1;
        }
        if (quantifier && (after_quantifier || ++quantifiers > MOST_QUANTIFIERS))
            return false;
        after_quantifier = quantifier;
    }
    return true;
}

/* Go's regular expressions by way of POSIX ones: \d and \D, which these lack, are spelt out. */
static bool compile_regex(struct parser *p, struct test *test, struct text source)
{
    struct buf pattern = {0};
    int flags = REG_EXTENDED | REG_NOSUB;
    if (text_starts(source, "(?i)")) {
        flags |= REG_ICASE;
        source = (struct text){source.data + 4, source.len - 4};
    }
    for (size_t i = 0; i < source.len; i++) {
        bool digit = source.data[i] == '\\' && i + 1 < source.len && (source.data[i + 1] | 32) == 'd';
        if (digit)
            buf_add_text(&pattern, source.data[++i] == 'd' ? "[0-9]" : "[^0-9]");
        else
            buf_add_char(&pattern, source.data[i]);
    }
    bool valid = source.len <= 256 && is_modest(source) && regcomp(&test->regex, pattern.data ? pattern.data : "", flags) == 0;
    if (valid) {
        test->next_regex = p->selector->regexes;
        p->selector->regexes = test;
    }
    buf_free(&pattern);
    return valid;
}

/* What stands in parentheses up to the one that closes them. */
static bool parse_raw(struct parser *p, struct text *raw)
{
    const char *begin = p->at;
    int open = 1;
    for (; p->at < p->end; p->at++) {
        if (*p->at == '\\' && p->at + 1 < p->end)
            p->at++;
        else if (*p->at == '(')
            open++;
        else if (*p->at == ')' && --open == 0)
            break;
    }
    *raw = (struct text){begin, (size_t)(p->at - begin)};
    return take(p, ')');
}

static bool parse_attr_test(struct parser *p, struct compound *compound)
{
    struct test *test = add_test(p, compound, TEST_ATTR);
    skip_spaces(p);
    if (!parse_name(p, true, &test->name))
        return false;
    lower(test->name);
    skip_spaces(p);
    if (take(p, ']'))
        return true;
    if (p->at < p->end && *p->at && strchr("=~|^$*!#", *p->at))
        test->op = *p->at++;
    if (!test->op || (test->op != '=' && !take(p, '=')))
        return false;
    skip_spaces(p);
    if (test->op == '#') {
        const char *begin = p->at;
        p->at = memchr(begin, ']', (size_t)(p->end - begin));
        if (!p->at) {
            p->at = p->end;
            return false;
        }
        return compile_regex(p, test, (struct text){begin, (size_t)(p->at - begin)}) && take(p, ']');
    }
    if (!parse_value(p, &test->value))
        return false;
    skip_spaces(p);
    test->ignore_case = take(p, 'i') || take(p, 'I');
    skip_spaces(p);
    return take(p, ']');
}

static bool parse_int(struct parser *p, int *value)
{
    int64_t number;
    const char *begin = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
        p->at++;
    if (!text_to_int((struct text){begin, (size_t)(p->at - begin)}, &number) || number > 1000000)
        return false;
    *value = (int)number;
    return true;
}

/* "odd", "even", "3", "2n", "-n+3", "2n - 1" */
static bool parse_nth(struct parser *p, struct test *test)
{
    skip_spaces(p);
    struct text rest = {p->at, (size_t)(p->end - p->at)};
    if (text_starts(rest, "odd") || text_starts(rest, "even")) {
        bool odd = *p->at == 'o';
        p->at += odd ? 3 : 4;
        test->step = 2;
        test->offset = odd;
        skip_spaces(p);
        return take(p, ')');
    }
    int sign = take(p, '-') ? -1 : 1;
    if (sign > 0)
        take(p, '+');
    bool has_number = p->at < p->end && *p->at >= '0' && *p->at <= '9';
    int number = 1;
    if (has_number && !parse_int(p, &number))
        return false;
    if (!take(p, 'n') && !take(p, 'N')) {
        test->offset = sign * number;
        skip_spaces(p);
        return has_number && take(p, ')');
    }
    test->step = sign * number;
    skip_spaces(p);
    int offset_sign = take(p, '+') ? 1 : take(p, '-') ? -1 : 0;
    skip_spaces(p);
    if (offset_sign && !parse_int(p, &number))
        return false;
    test->offset = offset_sign * number;
    skip_spaces(p);
    return take(p, ')');
}

enum argument { ARG_NONE, ARG_SELECTOR, ARG_TEXT, ARG_REGEX, ARG_NTH, ARG_NAME };

static const struct pseudo {
    const char *name;
    enum test_kind kind;
    enum argument argument;
    bool of_type, from_end;
    int offset;
} pseudos[] = {
    {"not", TEST_NOT, ARG_SELECTOR},
    {"has", TEST_HAS, ARG_SELECTOR},
    {"haschild", TEST_HAS_CHILD, ARG_SELECTOR},
    {"contains", TEST_CONTAINS, ARG_TEXT},
    {"containsown", TEST_CONTAINS_OWN, ARG_TEXT},
    {"matches", TEST_MATCHES, ARG_REGEX},
    {"matchesown", TEST_MATCHES_OWN, ARG_REGEX},
    {"nth-child", TEST_NTH, ARG_NTH},
    {"nth-last-child", TEST_NTH, ARG_NTH, .from_end = true},
    {"nth-of-type", TEST_NTH, ARG_NTH, .of_type = true},
    {"nth-last-of-type", TEST_NTH, ARG_NTH, .of_type = true, .from_end = true},
    {"first-child", TEST_NTH, ARG_NONE, .offset = 1},
    {"last-child", TEST_NTH, ARG_NONE, .from_end = true, .offset = 1},
    {"first-of-type", TEST_NTH, ARG_NONE, .of_type = true, .offset = 1},
    {"last-of-type", TEST_NTH, ARG_NONE, .of_type = true, .from_end = true, .offset = 1},
    {"only-child", TEST_ONLY, ARG_NONE},
    {"only-of-type", TEST_ONLY, ARG_NONE, .of_type = true},
    {"input", TEST_INPUT, ARG_NONE},
    {"empty", TEST_EMPTY, ARG_NONE},
    {"root", TEST_ROOT, ARG_NONE},
    {"link", TEST_LINK, ARG_NONE},
    {"lang", TEST_LANG, ARG_NAME},
    {"enabled", TEST_ENABLED, ARG_NONE},
    {"disabled", TEST_DISABLED, ARG_NONE},
    {"checked", TEST_CHECKED, ARG_NONE},
    {"visited", TEST_NEVER, ARG_NONE},
    {"hover", TEST_NEVER, ARG_NONE},
    {"active", TEST_NEVER, ARG_NONE},
    {"focus", TEST_NEVER, ARG_NONE},
    {"target", TEST_NEVER, ARG_NONE},
};

static bool parse_argument(struct parser *p, enum argument argument, struct test *test)
{
    struct text raw;
    bool done;
    if (argument == ARG_NONE)
        return true;
    if (!take(p, '('))
        return false;
    switch (argument) {
    case ARG_NTH:
        return parse_nth(p, test);
    case ARG_REGEX:
        return parse_raw(p, &raw) && compile_regex(p, test, raw);
    case ARG_SELECTOR:
        return parse_list(p, &test->inner) && take(p, ')');
    default:
        skip_spaces(p);
        done = parse_value(p, &test->value);
        skip_spaces(p);
        lower(test->value);
        return done && take(p, ')');
    }
}

static bool parse_pseudo(struct parser *p, struct compound *compound)
{
    struct text name;
    take(p, ':');
    if (!parse_name(p, true, &name))
        return false;
    lower(name);
    for (size_t i = 0; i < sizeof(pseudos) / sizeof(pseudos[0]); i++) {
        const struct pseudo *pseudo = &pseudos[i];
        if (!text_equal(name, text_of(pseudo->name)))
            continue;
        struct test *test = add_test(p, compound, pseudo->kind);
        test->of_type = pseudo->of_type;
        test->from_end = pseudo->from_end;
        test->offset = pseudo->offset;
        return parse_argument(p, pseudo->argument, test);
    }
    return false;
}

static bool parse_simple(struct parser *p, struct compound *compound)
{
    char c = *p->at++;
    if (c == '[')
        return parse_attr_test(p, compound);
    if (c == ':')
        return parse_pseudo(p, compound);
    struct test *test = add_test(p, compound, TEST_ATTR);
    test->op = c == '#' ? '=' : '~';
    test->name = c == '#' ? TEXT("id") : TEXT("class");
    return parse_name(p, c == '.', &test->value);
}

static bool parse_compound(struct parser *p, struct compound *compound)
{
    const char *begin = p->at;
    if (!take(p, '*') && p->at < p->end && (is_name_char(*p->at) || *p->at == '\\')) {
        struct test *test = add_test(p, compound, TEST_NAME);
        if (!parse_name(p, true, &test->name))
            return false;
        lower(test->name);
    }
    while (p->at < p->end && (*p->at == '#' || *p->at == '.' || *p->at == '[' || *p->at == ':'))
        if (!parse_simple(p, compound))
            return false;
    return p->at > begin;
}

static bool parse_chain(struct parser *p, struct alternative *alternative)
{
    char combinator = 0;
    for (unsigned count = 0; count < MAX_COMPOUNDS; count++) {
        struct compound *compound = arena_alloc(&p->selector->arena, sizeof(*compound));
        *compound = (struct compound){.left = alternative->right, .combinator = combinator};
        if (!parse_compound(p, compound))
            return false;
        alternative->right = compound;
        combinator = skip_spaces(p) ? ' ' : 0;
        if (p->at == p->end || *p->at == ',' || *p->at == ')')
            return true;
        if (*p->at == '>' || *p->at == '+' || *p->at == '~')
            combinator = *p->at++;
        skip_spaces(p);
        if (!combinator)
            return false;
    }
    return false;
}

static bool parse_list(struct parser *p, struct alternative **list)
{
    if (++p->depth > MAX_DEPTH)
        return false;
    do {
        struct alternative *alternative = arena_alloc(&p->selector->arena, sizeof(*alternative));
        *alternative = (struct alternative){0};
        *list = alternative;
        list = &alternative->next;
        skip_spaces(p);
        if (!parse_chain(p, alternative))
            return false;
    } while (take(p, ','));
    p->depth--;
    return true;
}

struct html_selector *html_selector_new(const char *text, size_t len)
{
    struct html_selector *selector = mem_zalloc(sizeof(*selector));
    struct parser p = {.selector = selector, .at = text, .end = text + len};
    if (parse_list(&p, &selector->alternatives) && p.at == p.end)
        return selector;
    html_selector_free(selector);
    return NULL;
}

void html_selector_free(struct html_selector *selector)
{
    if (!selector)
        return;
    for (struct test *test = selector->regexes; test; test = test->next_regex)
        regfree(&test->regex);
    arena_free(&selector->arena);
    mem_free(selector);
}
