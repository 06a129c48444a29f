/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab k6 inspect`: the options of a script as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"

int cmd_inspect(struct cli_run *cli)
{
    struct error err = {0};
    struct test_config config;
    char *stdin_text = NULL;
    int code = EXIT_OK;
    struct test *test = cli_test_config(cli, &config, &stdin_text, &err) ? test_new(&config, &err) : NULL;
    if (test) {
        char *text = options_inspect_json(test_options(test));
        json_t *root = json_loads(text, 0, NULL);
        if (cli->execution_requirements) {
            struct vu_plan plan = test_plan(test);
            char *test_json = options_test_json(test_options(test));
            json_t *derived = json_loads(test_json, 0, NULL);
            struct buf duration = {0};
            duration_format(&duration, plan.duration_ns);
            json_object_set(root, "scenarios", json_object_get(derived, "scenarios"));
            json_object_set_new(root, "totalDuration", json_string(duration.data));
            json_object_set_new(root, "maxVUs", json_integer(plan.max_vus));
            buf_free(&duration);
            json_decref(derived);
            free(test_json);
        }
        json_dumpf(root, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(root);
        free(text);
    } else {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    error_clear(&err);
    test_free(test);
    mem_free(stdin_text);
    return code;
}
