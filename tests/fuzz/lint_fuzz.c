/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a script: the tokens stand in order inside the source, brackets know each other, and every rule
 * comes to an end. */
#include <stdint.h>
#include <stdlib.h>

#include "lint/imports.h"
#include "lint/lexer.h"
#include "lint/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *open_file(void *arg, const char *path, size_t *len)
{
    *len = sizeof("id,name\n1,a\n") - 1;
    return "id,name\n1,a\n";
}

static void ignore(void *arg, const char *text)
{
}

static void ignore_two(void *arg, const char *module, const char *constraint)
{
}

static void check_tokens(const char *source, size_t size)
{
    struct tokens t;
    const char *at = source;
    tokens_read(&t, source, size);
    for (size_t i = 0; i < t.count; i++) {
        const struct token *one = &t.list[i];
        if (one->text.data < at || !one->text.len || one->text.data + one->text.len > source + size)
            abort();
        if (one->match != NO_TOKEN && (one->match >= t.count || t.list[one->match].match != i))
            abort();
        at = one->text.data + one->text.len;
    }
    tokens_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *source = (const char *)data;
    struct scenario_config scenario = {.name = "default", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 50, .duration_ns = 60000000000};
    struct lint_input input = {.source = source, .len = size, .scenarios = &scenario, .scenario_count = 1, .has_workload = true, .open = open_file};
    struct findings findings = {0};
    check_tokens(source, size);
    lint_source(&findings, &input);
    findings_free(&findings);
    imports_each(source, size, true, ignore, NULL);
    directives_each(source, size, ignore_two, NULL);
    return 0;
}
