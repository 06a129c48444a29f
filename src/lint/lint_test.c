/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/clock.h"
#include "lint/lint.h"

static const char *csv_text;

static const char *open_csv(void *arg, const char *path, size_t *len)
{
    *len = csv_text ? strlen(csv_text) : 0;
    return csv_text;
}

static bool has_env(void *arg, const char *name)
{
    return strcmp(name, "GIVEN") == 0;
}

/* The rules and lines that the source breaks, as "rule:line rule:line". */
static void check_load(const char *source, const struct scenario_config *scenarios, size_t count, const char *want)
{
    struct findings f = {0};
    struct buf got = {0};
    struct lint_input input = {.source = source, .len = strlen(source), .scenarios = scenarios, .scenario_count = count, .has_workload = true, .open = open_csv, .has_env = has_env};
    lint_source(&f, &input);
    for (size_t i = 0; i < f.count; i++)
        buf_printf(&got, "%s%s:%d", i ? " " : "", f.list[i].rule, f.list[i].line);
    assert_string_equal(got.data ? got.data : "", want);
    buf_free(&got);
    findings_free(&f);
}

static void check(const char *source, const char *want)
{
    check_load(source, NULL, 0, want);
}

static void a_name_without_import_is_told_once(void **state)
{
    check("export default () => {\n http.get('/'); http.get('/');\n sleep(1);\n new Counter('x');\n};", "missing-import:2 missing-import:3 missing-import:4");
    check("export default () => { randomBetween(1, 2); }", "undefined-name:1");
    check("http.url`x`", "missing-import:1");
}

static void a_name_that_is_bound_in_any_way_is_no_finding(void **state)
{
    check("import http, { CookieJar as Jar } from 'k6/http';\nimport * as k6 from 'k6';\nhttp.get('/'); new Jar(); k6.sleep(1);", "");
    check("const { check, sleep: nap } = require('k6'), http = require('k6/http');\ncheck(); nap(); http.get('/');", "");
    check("function f(exec, ...rest) { exec.go(); rest.map((ws) => ws.x); [1].map(fail => fail()); }\nf();", "");
    check("try { f(); } catch (group) { group(); } function f() {}", "");
    check("class A { check(a) { return this.check(a); } }\nconst o = { sleep(a) {}, get http() { return 1; }, Counter: 1 };\no.sleep(); new A(); o.Counter.x;", "");
    check("let a = 1,\n  http = 2\nhttp.x", "");
    check("globalThis.helper = 1; helper(); global.http.get(); http.get();", "");
    check("if (typeof exec === 'undefined') exec.x();", "");
    check("crypto.randomUUID(); console.log(Math.max(1), __ENV.X);", "");
    check("// sleep(1)\n'sleep(1)'; `sleep(1)`; x = a ? b : /sleep(1)/; var a, b, x;", "");
}

static void a_url_with_an_unset_variable_is_told(void **state)
{
    check("import http from 'k6/http';\nhttp.get(`${__ENV.BASE}/x`);\nhttp.get(__ENV['OTHER'] + '/x');", "undefined-in-url:2 undefined-in-url:3");
    check("import http from 'k6/http';\nconst base = __ENV.BASE;\nhttp.post(base + '/x', __ENV.Y);\nhttp.get(base);", "undefined-in-url:3");
    check("import http from 'k6/http';\nhttp.request('GET', 'http://a/undefined');", "undefined-in-url:2");
    check("import http from 'k6/http';\nhttp.get(`${__ENV.BASE || 'http://a'}/x`); http.get(`${__ENV.GIVEN}/`);", "");
    check("import http from 'k6/http';\nif (!__ENV.BASE) throw new Error('x');\nhttp.get(__ENV.BASE);", "");
    check("import http from 'k6/http';\nconst base = __ENV.BASE || 'http://a';\nhttp.get(base);", "");
}

static void csv_files_are_compared_with_their_reading(void **state)
{
    csv_text = "1\n2\n3";
    check("import papaparse from 'x';\nconst t = open('./u.csv');\npapaparse.parse(t, { header: true });", "csv-header:3");
    check("import p from 'x';\np.parse(open('u.csv'), { header: false });", "");
    csv_text = "id,name\n1,a";
    check("import p from 'x';\np.parse(open('u.csv'), { header: true });", "");
    check("import p from 'x';\np.parse(open('u.csv')).data;", "csv-header:2");
    check("open('u.csv').split('\\n').map((l) => l);", "csv-header:1");
    check("open('u.csv').split('\\n').slice(1);", "");
    csv_text = "id,name\n1,a\n";
    check("import p from 'x';\np.parse(open('u.csv'), { header: true });", "csv-empty-row:2");
    check("import p from 'x';\np.parse(open('u.csv'), { header: true, skipEmptyLines: true });", "");
    check("open('u.csv').trim().split('\\n').slice(1);", "");
    csv_text = NULL;
    check("open('u.csv').split('\\n');", "");
}

static void a_body_that_may_be_null_is_told(void **state)
{
    check("var res; res.body.length;", "null-body:1");
    check("var res; JSON.parse(res.body);", "null-body:1");
    check("var x = { a: (r) => r.status === 200,\n b: (r) => JSON.parse(r.body).x > 0 };", "null-body:2");
    check("var res; if (res.status !== 200) {\n res.body.substring(0, 9); }", "null-body:2");
    check("import http from 'k6/http'; const page = http.get('/');\npage.body.includes('x');", "null-body:2");
}

static void a_body_that_was_looked_at_is_no_finding(void **state)
{
    check("var x = { a: (r) => r.body && r.body.length > 0, b: r => r.status === 200 && JSON.parse(r.body).x };", "");
    check("var res; if (res.status === 200) { JSON.parse(res.body); }", "");
    check("var res; if (res.status !== 200) { f(); } else { JSON.parse(res.body); } function f() {}", "");
    check("var res; if (!res.body) return;\nJSON.parse(res.body);", "");
    check("var res; try { JSON.parse(res.body); } catch (e) {}", "");
    check("import { check } from 'k6'; var res; if (check(res, { a: (r) => r.status === 200 })) { res.body.length; }", "");
    check("import { check } from 'k6'; var res; const ok = check(res, {}); if (ok) { res.body.length; }", "");
    check("var res; res.body?.length; (res.body || '').length; f(res.body); function f() {}", "");
    check("var req; req.body.length; this.body.length;", "");
}

static void the_load_is_judged_by_the_scenarios(void **state)
{
    struct scenario_config s = {.name = "default", .exec = "default", .executor = EXECUTOR_CONSTANT_VUS, .vus = 50, .duration_ns = 60 * NS_PER_S};
    const char *quick = "export const options = {\n vus: 50 };\nexport default function () {}";
    check_load(quick, &s, 1, "constant-load:2 no-think-time:3");
    s.vus = 1;
    check_load("import { sleep } from 'k6';\nexport default function () { sleep(1); }", &s, 1, "");
    s.executor = EXECUTOR_CONSTANT_ARRIVAL_RATE;
    check_load(quick, &s, 1, "");
    s = (struct scenario_config){.name = "herd", .exec = "default", .executor = EXECUTOR_SHARED_ITERATIONS, .vus = 500, .iterations = 500};
    check_load("export const options = { scenarios: {\n herd: {} } };\nexport default () => {}", &s, 1, "herd:2");
    s.iterations = 5000;
    check_load("export default () => {}", &s, 1, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_without_import_is_told_once),  cmocka_unit_test(a_name_that_is_bound_in_any_way_is_no_finding),
        cmocka_unit_test(a_url_with_an_unset_variable_is_told), cmocka_unit_test(csv_files_are_compared_with_their_reading),
        cmocka_unit_test(a_body_that_may_be_null_is_told),     cmocka_unit_test(a_body_that_was_looked_at_is_no_finding),
        cmocka_unit_test(the_load_is_judged_by_the_scenarios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
