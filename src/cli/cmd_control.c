/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab status`, `pause`, `resume`, `scale` and `stats`: a test that runs, by its REST API. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "cli/cli.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"

static int ask(struct cli_run *cli, const char *method, const char *path, const char *body, void (*print)(json_t *data))
{
    struct error err = {0};
    if (cli->script) {
        log_error("\"%s\" is too much: this command takes flags only", cli->script);
        return EXIT_GENERIC;
    }
    const char *address = cli->address && cli->address[0] ? cli->address : "localhost:6565";
    char *answer = api_request(address, method, path, body, &err);
    if (!answer) {
        log_error("%s", err.text);
        error_clear(&err);
        return EXIT_GENERIC;
    }
    json_t *root = json_loads(answer, 0, NULL);
    print(json_object_get(root, "data"));
    json_decref(root);
    mem_free(answer);
    return EXIT_OK;
}

static void print_value(const char *name, json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(10));
    printf("%s: %s\n", name, text ? text : "null");
    free(text);
}

static void print_status(json_t *data)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(data, "attributes"), key, value)
        print_value(key, value);
}

static void print_metrics(json_t *data)
{
    size_t i;
    json_t *metric, *value;
    const char *key;
    json_array_foreach(data, i, metric) {
        printf("%s\n", json_string_value(json_object_get(metric, "id")));
        json_object_foreach(json_object_get(json_object_get(metric, "attributes"), "sample"), key, value) {
            printf("  ");
            print_value(key, value);
        }
    }
}

static int patch(struct cli_run *cli, const char *attributes)
{
    char *body = mem_printf("{\"data\":{\"type\":\"status\",\"id\":\"default\",\"attributes\":{%s}}}", attributes);
    int code = ask(cli, "PATCH", "/v1/status", body, print_status);
    mem_free(body);
    return code;
}

int cmd_status(struct cli_run *cli)
{
    return ask(cli, "GET", "/v1/status", NULL, print_status);
}

int cmd_stats(struct cli_run *cli)
{
    return ask(cli, "GET", "/v1/metrics", NULL, print_metrics);
}

int cmd_pause(struct cli_run *cli)
{
    return patch(cli, "\"paused\":true");
}

int cmd_resume(struct cli_run *cli)
{
    return patch(cli, "\"paused\":false");
}

int cmd_scale(struct cli_run *cli)
{
    if (!option_is_set(&cli->flags, "vus")) {
        log_error("name the number of VUs: ltlab scale --vus 20");
        return EXIT_GENERIC;
    }
    char *attributes = mem_printf("\"vus\":%lld", (long long)option_int(&cli->flags, "vus", 0));
    int code = patch(cli, attributes);
    mem_free(attributes);
    return code;
}
