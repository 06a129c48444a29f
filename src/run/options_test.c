/* SPDX-License-Identifier: Apache-2.0 */
/* Layers in, scenarios or an error out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "run/options.h"

struct row {
    const char *file, *script, *env, *flags; /* JSON each, but flags: "--vus=5 --duration=3s" */
    const char *want; /* "executor name..." in order, or "!part of the error" */
};

static const struct row rows[] = {
    {NULL, "{}", NULL, "", "per-vu-iterations"},
    {NULL, "{\"vus\":5}", NULL, "", "shared-iterations"},
    {NULL, "{\"vus\":5,\"iterations\":10}", NULL, "", "shared-iterations"},
    {NULL, "{\"vus\":5,\"duration\":\"10s\"}", NULL, "", "constant-vus"},
    {NULL, "{\"duration\":10000}", NULL, "", "constant-vus"},
    {NULL, "{\"stages\":[{\"duration\":\"1s\",\"target\":3}]}", NULL, "", "ramping-vus"},
    {NULL, "{\"iterations\":3,\"duration\":\"9s\"}", NULL, "", "shared-iterations"},
    {"{\"duration\":\"5s\"}", "{\"iterations\":3}", NULL, "", "shared-iterations"},
    {"{\"iterations\":5}", "{}", NULL, "", "shared-iterations"},
    {NULL, "{\"iterations\":5}", "{\"duration\":\"2s\"}", "", "constant-vus"},
    {NULL, "{\"iterations\":5}", NULL, "--duration=2s", "constant-vus"},
    {NULL, "{\"duration\":\"5s\"}", NULL, "--stage=1s:5", "ramping-vus"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"1s\"},\"b\":{\"executor\":\"per-vu-iterations\"}}}", NULL, "", "constant-vus per-vu-iterations"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"1s\",\"startTime\":\"9s\"},\"b\":{\"executor\":\"per-vu-iterations\"}}}", NULL, "", "per-vu-iterations constant-vus"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"1s\"}}}", NULL, "--vus=3", "shared-iterations"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"1s\"}}}", NULL, "--iterations=3", "shared-iterations"},
    {NULL, "{\"scenarios\":{}}", NULL, "", "per-vu-iterations"},
    {NULL, "{\"stages\":[]}", NULL, "", "per-vu-iterations"},
    {NULL, "{\"iterations\":\"3\",\"vus\":\"1\",\"frobnicate\":1}", NULL, "", "shared-iterations"},
    {NULL, "{\"duration\":\"1s\",\"stages\":[{\"duration\":\"1s\",\"target\":2}]}", NULL, "", "!`duration` and `stages`"},
    {NULL, "{\"iterations\":1,\"stages\":[{\"duration\":\"1s\",\"target\":2}]}", NULL, "", "!`iterations` and `stages`"},
    {NULL, "{\"duration\":\"1s\",\"scenarios\":{\"a\":{\"executor\":\"per-vu-iterations\"}}}", NULL, "", "!`duration` and `scenarios`"},
    {NULL, "{\"duration\":\"5 minutes\"}", NULL, "", "!a duration"},
    {NULL, "{\"vus\":1.5}", NULL, "", "!whole number"},
    {NULL, "{\"vus\":\"many\"}", NULL, "", "!whole number"},
    {NULL, "{\"vus\":0}", NULL, "", "!number of VUs must be more than 0"},
    {NULL, "{\"vus\":5,\"iterations\":2}", NULL, "", "!can't be less than the number of VUs (5)"},
    {NULL, "{\"throw\":\"yes\"}", NULL, "", "!true or false"},
    {NULL, "{\"tags\":{\"a\":1}}", NULL, "", "!text as value"},
    {NULL, "{\"tlsVersion\":\"tls9\"}", NULL, "", "!unknown TLS version 'tls9'"},
    {NULL, "{\"dns\":{\"select\":\"best\"}}", NULL, "", "!dns"},
    {NULL, "{\"thresholds\":{\"checks\":\"rate>1\"}}", NULL, "", "!list of thresholds"},
    {NULL, "{\"thresholds\":{\"checks\":[5]}}", NULL, "", "!threshold"},
    {NULL, "{\"setupTimeout\":\"0s\"}", NULL, "", "!setupTimeout must be positive"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"sometimes\"}}}", NULL, "", "!unknown executor type 'sometimes'"},
    {NULL, "{\"scenarios\":{\"a\":{}}}", NULL, "", "!missing or empty type field"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"1s\",\"iterations\":3}}}", NULL, "", "!unknown field \"iterations\""},
    {NULL, "{\"scenarios\":{\"a b\":{\"executor\":\"per-vu-iterations\"}}}", NULL, "", "!scenario name"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\"}}}", NULL, "", "!the duration is unspecified"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-vus\",\"duration\":\"500ms\"}}}", NULL, "", "!at least 1s, but is 500ms"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"ramping-vus\",\"stages\":[]}}}", NULL, "", "!at least one stage"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"ramping-vus\",\"startVUs\":0,\"stages\":[{\"duration\":\"1s\",\"target\":0}]}}}", NULL, "", "!either startVUs or one of the stages"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"ramping-vus\",\"stages\":[{\"target\":1}]}}}", NULL, "", "!stage 1 doesn't have a duration"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"ramping-vus\",\"stages\":[{\"duration\":\"1s\"}]}}}", NULL, "", "!stage 1 doesn't have a target"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-arrival-rate\",\"duration\":\"1s\",\"preAllocatedVUs\":1}}}", NULL, "", "!rate isn't specified"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-arrival-rate\",\"duration\":\"1s\",\"rate\":1}}}", NULL, "", "!preAllocatedVUs isn't specified"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"constant-arrival-rate\",\"duration\":\"1s\",\"rate\":1,\"preAllocatedVUs\":3,\"maxVUs\":2}}}", NULL, "", "!maxVUs can't be less"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"per-vu-iterations\",\"startTime\":\"-1s\"}}}", NULL, "", "!startTime can't be negative"},
    {NULL, "{\"scenarios\":{\"a\":{\"executor\":\"per-vu-iterations\",\"gracefulStop\":\"-1s\"}}}", NULL, "", "!gracefulStop timeout can't be negative"},
    {NULL, "{}", NULL, "--duration=10", "!missing unit"},
    {NULL, "{}", NULL, "--vus=three", "!whole number"},
    {NULL, "{}", NULL, "--stage=5", "!DURATION:TARGET"},
    {NULL, "{}", NULL, "--tag=x", "!NAME=VALUE"},
};

static bool apply_flags(struct options *o, const char *flags, struct error *err)
{
    char copy[200];
    snprintf(copy, sizeof(copy), "%s", flags);
    char *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        if (!options_set_flag(o, word + 2, equals + 1, err))
            return false;
    }
    return true;
}

static bool consolidate(const struct row *row, struct options *o, struct error *err)
{
    const char *const layers[] = {row->file, row->script, row->env};
    options_init(o);
    for (int i = 0; i < 3; i++) {
        struct options layer;
        options_init(&layer);
        bool fine = !layers[i] || options_parse_json(&layer, layers[i], "layer", false, err);
        if (fine)
            options_merge(o, &layer, "layer");
        options_fini(&layer);
        if (!fine)
            return false;
    }
    struct options flags;
    options_init(&flags);
    bool fine = apply_flags(&flags, row->flags, err);
    if (fine)
        options_merge(o, &flags, "flags");
    options_fini(&flags);
    return fine && options_derive(o, err);
}

static void layers_consolidate_as_in_k6(void **state)
{
    static const char *const names[] = {"constant-vus", "ramping-vus", "shared-iterations", "per-vu-iterations", "constant-arrival-rate", "ramping-arrival-rate"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct options o;
        struct error err = {0};
        char got[400] = "";
        if (consolidate(&rows[i], &o, &err)) {
            for (size_t s = 0; s < o.scenario_count; s++)
                snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", s ? " " : "", names[o.scenarios[s].executor]);
            if (strcmp(got, rows[i].want) != 0)
                fail_msg("row %zu (%s): got %s, want %s", i, rows[i].script, got, rows[i].want);
        } else if (rows[i].want[0] != '!' || !strstr(err.text, rows[i].want + 1)) {
            fail_msg("row %zu (%s): got the error \"%s\", want %s", i, rows[i].script, err.text, rows[i].want);
        }
        error_clear(&err);
        options_fini(&o);
    }
}

static void scalars_come_from_the_highest_layer(void **state)
{
    const struct row row = {"{\"batch\":7,\"batchPerHost\":3,\"tags\":{\"from\":\"file\"}}", "{\"batch\":8,\"rps\":5,\"tags\":{\"a\":\"1\"}}", "{\"rps\":6}", "--rps=9 --tag=x=y=z", NULL};
    struct options o;
    size_t count;
    assert_true(consolidate(&row, &o, NULL));
    assert_int_equal(option_int(&o, "batch", 20), 8);
    assert_int_equal(option_int(&o, "batchPerHost", 6), 3);
    assert_int_equal(option_int(&o, "rps", 0), 9);
    struct option_pair *tags = option_pairs(&o, "tags", &count);
    assert_int_equal(count, 1);
    assert_string_equal(tags[0].value, "y=z");
    options_fini(&o);
}

static const char *test_env(const char *name)
{
    static const char *const pairs[][2] = {{"K6_VUS", "4"}, {"K6_STAGES", "300ms:2,500ms:3"}, {"K6_TAGS", "a:b,c:d"}, {"K6_SYSTEM_TAGS", "vu,scenario,bogus"}, {"K6_THROW", "true"},
                                           {"K6_DNS", "ttl=1m,select=first"}, {"K6_SETUP_TIMEOUT", "1500"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (strcmp(pairs[i][0], name) == 0)
            return pairs[i][1];
    return NULL;
}

static void environment_is_read(void **state)
{
    struct options o;
    size_t count;
    options_init(&o);
    assert_true(options_parse_env(&o, test_env, NULL));
    assert_int_equal(option_int(&o, "vus", 1), 4);
    assert_true(option_bool(&o, "throw"));
    assert_string_equal(option_text(&o, "setupTimeout", ""), "1.5s");
    const char *const *tags = option_list(&o, "systemTags", &count);
    assert_int_equal(count, 2);
    assert_string_equal(tags[0], "scenario");
    assert_true(options_derive(&o, NULL));
    assert_int_equal(o.scenarios[0].stage_count, 2);
    assert_int_equal(o.scenarios[0].stages[1].target, 3);
    options_fini(&o);
}

static const char *bad_env(const char *name)
{
    return strcmp(name, "K6_NO_SETUP") == 0 ? "perhaps" : NULL;
}

static void a_bad_variable_is_invalid_configuration(void **state)
{
    struct options o;
    struct error err = {0};
    options_init(&o);
    assert_false(options_parse_env(&o, bad_env, &err));
    assert_int_equal(err.code, EXIT_INVALID_CONFIG);
    assert_non_null(strstr(err.text, "K6_NO_SETUP"));
    error_clear(&err);
    options_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_consolidate_as_in_k6),
        cmocka_unit_test(scalars_come_from_the_highest_layer),
        cmocka_unit_test(environment_is_read),
        cmocka_unit_test(a_bad_variable_is_invalid_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
