/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab new`: a first script to change. Templates may hold {{ .ScriptName }} and {{ .ProjectID }}. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"

static const char minimal[] =
    "import http from 'k6/http';\n"
    "import { check, sleep } from 'k6';\n"
    "\n"
    "const BASE = __ENV.BASE || 'http://127.0.0.1:8080';\n"
    "\n"
    "export const options = {\n"
    "  stages: [\n"
    "    { duration: '10s', target: 5 },   // visitors come\n"
    "    { duration: '20s', target: 5 },   // and stay\n"
    "    { duration: '5s', target: 0 },    // and go\n"
    "  ],\n"
    "{{ .Cloud }}};\n"
    "\n"
    "// What one visitor does, again and again.\n"
    "export default function () {\n"
    "  const page = http.get(`${BASE}/`);\n"
    "  check(page, { 'status is 200': (r) => r.status === 200 });\n"
    "  sleep(1);\n"
    "}\n";

static const char protocol[] =
    "import http from 'k6/http';\n"
    "import { check, group, sleep } from 'k6';\n"
    "\n"
    "const BASE = __ENV.BASE || 'http://127.0.0.1:8080';\n"
    "\n"
    "export const options = {\n"
    "  scenarios: {\n"
    "    // People who look around: a closed model, more of them over time.\n"
    "    visitors: {\n"
    "      executor: 'ramping-vus',\n"
    "      exec: 'browse',\n"
    "      stages: [\n"
    "        { duration: '30s', target: 10 },\n"
    "        { duration: '1m', target: 10 },\n"
    "        { duration: '15s', target: 0 },\n"
    "      ],\n"
    "    },\n"
    "    // Orders that arrive at a rate of their own, however slow the answers are: an open model.\n"
    "    orders: {\n"
    "      executor: 'ramping-arrival-rate',\n"
    "      exec: 'order',\n"
    "      startRate: 1,\n"
    "      timeUnit: '1s',\n"
    "      preAllocatedVUs: 5,\n"
    "      maxVUs: 50,\n"
    "      stages: [{ duration: '1m', target: 5 }, { duration: '45s', target: 5 }],\n"
    "    },\n"
    "  },\n"
    "  thresholds: {\n"
    "    http_req_failed: ['rate<0.01'],                        // nearly everything works\n"
    "    'http_req_duration{scenario:visitors}': ['p(95)<500'], // and is quick\n"
    "    checks: ['rate>0.99'],                                 // and right\n"
    "  },\n"
    "{{ .Cloud }}};\n"
    "\n"
    "// Runs once, before the scenarios; what it returns is given to every iteration.\n"
    "export function setup() {\n"
    "  const home = http.get(`${BASE}/`);\n"
    "  if (home.status !== 200) throw new Error(`${BASE} answers with ${home.status} ${home.error}`);\n"
    "  return { started: new Date().toISOString() };\n"
    "}\n"
    "\n"
    "export function browse() {\n"
    "  group('home', () => {\n"
    "    const page = http.get(`${BASE}/`);\n"
    "    check(page, { 'home is there': (r) => r.status === 200 });\n"
    "  });\n"
    "  sleep(1 + Math.random() * 2);\n"
    "}\n"
    "\n"
    "export function order(data) {\n"
    "  const answer = http.post(`${BASE}/orders`, JSON.stringify({ product: 1, quantity: 1 }), {\n"
    "    headers: { 'Content-Type': 'application/json' },\n"
    "    tags: { name: 'order' },\n"
    "  });\n"
    "  check(answer, { 'order is accepted': (r) => r.status === 200 || r.status === 201 });\n"
    "}\n"
    "\n"
    "// Runs once, at the end.\n"
    "export function teardown(data) {\n"
    "  console.log(`the test began at ${data.started}`);\n"
    "}\n";

static char *replace(char *text, const char *what, const char *by)
{
    struct buf out = {0};
    const char *at = text;
    for (const char *hit; (hit = strstr(at, what)); at = hit + strlen(what)) {
        buf_add(&out, at, (size_t)(hit - at));
        buf_add_text(&out, by);
    }
    buf_add_text(&out, at);
    mem_free(text);
    return buf_take(&out);
}

static char *read_template(const char *path, struct error *err)
{
    struct buf text = {0};
    struct stat info;
    FILE *file = fopen(path, "rbe");
    if (!file || fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode)) {
        error_set(err, EXIT_GENERIC, "cannot read the template %s: %s; use minimal, protocol or the path of a file", path, file ? "not a file" : strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    size_t got;
    do {
        char *to = buf_reserve(&text, 1 << 14);
        got = fread(to, 1, 1 << 14, file);
        buf_added(&text, got);
    } while (got);
    fclose(file);
    return buf_take(&text);
}

static char *template_text(const char *name, struct error *err)
{
    if (strcmp(name, "minimal") == 0)
        return mem_strdup(minimal);
    if (strcmp(name, "protocol") == 0)
        return mem_strdup(protocol);
    if (strcmp(name, "browser") == 0) {
        error_set(err, EXIT_GENERIC, "the template browser needs k6/browser, which ltlab does not have: use minimal, protocol or the path of a file");
        return NULL;
    }
    return read_template(name, err);
}

static bool write_script(const char *path, const char *text, bool force, struct error *err)
{
    FILE *file = fopen(path, force ? "wbe" : "wbxe");
    if (!file && errno == EEXIST)
        return error_set(err, EXIT_GENERIC, "%s already exists: use --force to overwrite it", path);
    bool written = file && fputs(text, file) >= 0;
    if (file && fclose(file) != 0)
        written = false;
    return written || error_set(err, EXIT_GENERIC, "cannot write %s: %s", path, strerror(errno));
}

static bool make_script(struct cli_run *cli, const char *path, const char *name, struct error *err)
{
    const char *project = cli->project_id ? cli->project_id : "", *slash = strrchr(path, '/');
    int64_t number;
    if (project[0] && !text_to_int(text_of(project), &number))
        return error_set(err, EXIT_GENERIC, "invalid value \"%s\" for --project-id: it must be a number", project);
    char *text = template_text(name, err);
    if (!text)
        return false;
    char *cloud = project[0] ? mem_printf("  cloud: { projectID: %s },\n", project) : mem_strdup("");
    text = replace(text, "{{ .Cloud }}", cloud);
    text = replace(text, "{{ .ProjectID }}", project);
    text = replace(text, "{{ .ScriptName }}", slash ? slash + 1 : path);
    bool written = write_script(path, text, cli->force, err);
    mem_free(cloud);
    mem_free(text);
    return written;
}

int cmd_new(struct cli_run *cli)
{
    struct error err = {0};
    const char *path = cli->script ? cli->script : "script.js", *name = cli->template_name ? cli->template_name : "minimal";
    int code = EXIT_OK;
    if (cli_configure_log(cli, &err) && make_script(cli, path, name, &err)) {
        printf("New script created: %s (%s template).\n", path, name);
    } else {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    error_clear(&err);
    return code;
}
