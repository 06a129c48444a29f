/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "lint/imports.h"

static void add_import(void *arg, const char *specifier)
{
    buf_printf(arg, "%s ", specifier);
}

static void add_directive(void *arg, const char *module, const char *constraint)
{
    buf_printf(arg, "%s(%s) ", module, constraint);
}

static void imports_of_every_form_are_found(void **state)
{
    struct buf got = {0};
    const char *source = "import a from 'a'; import { b as c } from \"b\"\nimport 'c'; import * as d from './d.js';\nexport { e } from './e.js'; export * from 'f';\n"
                         "export default function () { x.import('no'); from = 'no'; }\nexport const y = 'no', z = require('g');\n// import 'no'\nlet t = import.meta.url;";
    imports_each(source, strlen(source), true, add_import, &got);
    assert_string_equal(got.data, "a b c ./d.js ./e.js f g ");
    buf_free(&got);
}

static void directives_count_only_at_the_head(void **state)
{
    struct buf got = {0};
    const char *source = "// a comment\n'use strict';\n\"use k6 >= v1.0\";\n'use k6 with k6/x/faker>=0.4';\n'use k6 with k6/x/sql'\nimport 'x';\n'use k6 with k6/x/late'";
    directives_each(source, strlen(source), add_directive, &got);
    assert_string_equal(got.data, "k6(>= v1.0) k6/x/faker(>=0.4) k6/x/sql(*) ");
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_of_every_form_are_found),
        cmocka_unit_test(directives_count_only_at_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
