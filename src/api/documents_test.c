/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/documents.h" /* before cmocka, whose macros have names that it uses */
#include "core/mem.h"

#include <cmocka.h>

static void check(char *document, const char *want)
{
    assert_string_equal(document, want);
    mem_free(document);
}

static void status(void **state)
{
    struct test_status s = {.phase = TEST_RUNNING, .running = true, .vus = 3, .max_vus = 10};
    check(document_status(&s), "{\"data\":{\"type\":\"status\",\"id\":\"default\",\"attributes\":{\"status\":7,\"paused\":false,\"vus\":3,\"vus-max\":10,"
                               "\"stopped\":false,\"running\":true,\"tainted\":false}}}");
}

static void metrics_and_groups(void **state)
{
    struct summary_threshold threshold = {.source = "count<1", .ok = false};
    struct summary_metric metrics[] = {{.name = "iterations", .type = METRIC_COUNTER, .count = 4, .thresholds = &threshold, .threshold_count = 1},
                                       {.name = "vus", .type = METRIC_GAUGE, .value = 2, .min = 1, .max = 3}};
    struct summary_check ok = {.name = "ok", .path = "::g::ok", .id = "c1", .passes = 2, .fails = 1};
    struct summary_group child = {.name = "g", .path = "::g", .id = "g1", .checks = &ok, .check_count = 1}, *children[] = {&child};
    struct summary_group root = {.name = "", .path = "", .id = "r0", .groups = children, .group_count = 1};
    struct summary s = {.metrics = metrics, .metric_count = 2, .root = &root, .duration_ns = 2000000000};
    check(document_metric(&s, "iterations"), "{\"data\":{\"type\":\"metrics\",\"id\":\"iterations\",\"attributes\":{\"type\":\"counter\",\"contains\":\"default\","
                                             "\"tainted\":true,\"sample\":{\"count\":4.0,\"rate\":2.0}}}}");
    check(document_metric(&s, "vus"), "{\"data\":{\"type\":\"metrics\",\"id\":\"vus\",\"attributes\":{\"type\":\"gauge\",\"contains\":\"default\",\"tainted\":null,"
                                      "\"sample\":{\"value\":2.0}}}}");
    assert_null(document_metric(&s, "nothing"));
    check(document_group(&s, "g1"), "{\"data\":{\"type\":\"groups\",\"id\":\"g1\",\"attributes\":{\"path\":\"::g\",\"name\":\"g\",\"checks\":[{\"id\":\"c1\","
                                    "\"path\":\"::g::ok\",\"name\":\"ok\",\"passes\":2,\"fails\":1}]},\"relationships\":{\"groups\":{\"data\":[]},"
                                    "\"parent\":{\"data\":{\"type\":\"groups\",\"id\":\"r0\"}}}}}");
    assert_null(document_group(&s, "x"));
    check(document_metrics(NULL), "{\"data\":[]}");
}

static void patches(void **state)
{
    struct status_patch p;
    assert_null(status_patch_read("{\"data\":{\"attributes\":{\"vus\":5,\"paused\":true}}}", &p));
    assert_true(p.has_vus && p.vus == 5 && p.has_paused && p.paused && !p.has_stopped);
    assert_non_null(status_patch_read("", &p));
    assert_non_null(status_patch_read("{\"data\":{\"attributes\":{\"vus\":\"5\"}}}", &p));
    assert_non_null(status_patch_read("{\"data\":{\"attributes\":{\"stopped\":1}}}", &p));
    check(setup_put_read("{\"data\":{\"attributes\":{\"data\":{\"a\":[1]}}}}"), "{\"a\":[1]}");
    assert_null(setup_put_read("[]"));
    check(document_setup(NULL), "{\"data\":{\"type\":\"setupData\",\"id\":\"default\",\"attributes\":{\"data\":null}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(status), cmocka_unit_test(metrics_and_groups), cmocka_unit_test(patches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
