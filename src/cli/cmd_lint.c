/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab lint`: the script and the local modules it imports, each finding with its line and what to write
 * instead. A script that cannot be loaded is still read. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/text.h"
#include "lint/imports.h"
#include "lint/lint.h"
#include "script/files.h"

#define EXIT_FINDINGS 1

struct checked {
    const char *module; /* its name in the store */
    const char *source;
    size_t len;
    struct findings findings;
};

struct check {
    struct cli_run *cli;
    struct test *test; /* NULL: the script could not be loaded */
    struct files *files;
    struct checked *modules; /* the first is the script */
    size_t count, cap;
    const char *base; /* the module whose imports or files are looked up */
};

/* ---- the modules ---- */

static void add_module(void *arg, const char *specifier)
{
    struct check *c = arg;
    struct error err = {0};
    char *name = files_resolve(c->files, c->base, specifier, &err);
    bool wanted = name && strncmp(name, "file://", 7) == 0 && !strstr(name, "/node_modules/");
    for (size_t i = 0; i < c->count && wanted; i++)
        wanted = strcmp(c->modules[i].module, name) != 0;
    size_t len = 0;
    const char *source = wanted ? files_module(c->files, name, &len, &err) : NULL;
    if (source) {
        mem_grow(&c->modules, &c->cap, c->count + 1, sizeof(c->modules[0]));
        c->modules[c->count++] = (struct checked){.module = name, .source = source, .len = len};
    } else {
        mem_free(name);
    }
    error_clear(&err);
}

static bool collect(struct check *c, const struct script_config *config, struct error *err)
{
    char *main_module;
    c->files = script_files_open(config, &main_module, err);
    if (!c->files)
        return false;
    add_module(c, main_module);
    mem_free(main_module);
    for (size_t i = 0; i < c->count; i++) {
        c->base = c->modules[i].module;
        imports_each(c->modules[i].source, c->modules[i].len, true, add_module, c);
    }
    return true;
}

static const char *open_data(void *arg, const char *path, size_t *len)
{
    struct check *c = arg;
    struct error err = {0};
    const char *data = files_open(c->files, c->base, path, len, NULL, &err);
    error_clear(&err);
    return data;
}

static bool has_env(void *arg, const char *name)
{
    const struct check *c = arg;
    for (size_t i = 0; i < c->cli->env_count; i++)
        if (strcmp(c->cli->env_pairs[2 * i], name) == 0)
            return true;
    return false;
}

static void lint_all(struct check *c)
{
    static const char *const workload[] = {"vus", "duration", "iterations", "stages", "scenarios"};
    bool waits = false;
    for (size_t i = 1; i < c->count; i++)
        waits = waits || lint_waits(c->modules[i].source, c->modules[i].len);
    for (size_t i = 0; i < c->count; i++) {
        struct checked *m = &c->modules[i];
        struct lint_input input = {.source = m->source, .len = m->len, .waits_elsewhere = waits, .open = open_data, .has_env = has_env, .arg = c};
        struct options *o = i == 0 && c->test ? test_options(c->test) : NULL;
        if (o) {
            input.scenarios = o->scenarios;
            input.scenario_count = o->scenario_count;
            input.min_iteration_set = option_is_set(o, "minIterationDuration");
            for (size_t w = 0; w < sizeof(workload) / sizeof(workload[0]); w++)
                input.has_workload |= option_is_set(o, workload[w]);
        }
        c->base = m->module;
        lint_source(&m->findings, &input);
    }
}

/* ---- printing ---- */

static const char *shown_path(const struct check *c, const struct checked *m, const char *dir)
{
    const char *path = m->module + strlen("file://");
    size_t len = strlen(dir);
    if (m == c->modules)
        return c->cli->script;
    return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static struct text line_of(const struct checked *m, int line)
{
    struct text rest = {m->source, m->len}, one = rest;
    for (int i = 0; i < line && rest.data; i++)
        one = text_cut(rest, '\n', &rest);
    return one;
}

static void print_finding(struct buf *out, const char *path, const struct checked *m, const struct finding *f)
{
    struct text line = line_of(m, f->line);
    buf_printf(out, "%s:%d:%d: warning: %s\n", path, f->line, f->column, f->what);
    if (line.len < 300) {
        buf_printf(out, "%6d | %.*s\n       | ", f->line, (int)text_trim(line).len + (int)(text_trim(line).data - line.data), line.data);
        for (int i = 0; i + 1 < f->column && (size_t)i < line.len; i++)
            buf_add_char(out, line.data[i] == '\t' ? '\t' : ' ');
        buf_add_text(out, "^\n");
    }
    buf_printf(out, "       write: %s\n", f->instead);
}

static void print_text(struct check *c, const char *dir, size_t count)
{
    struct buf out = {0};
    for (size_t i = 0; i < c->count; i++)
        for (size_t n = 0; n < c->modules[i].findings.count; n++)
            print_finding(&out, shown_path(c, &c->modules[i], dir), &c->modules[i], &c->modules[i].findings.list[n]);
    if (count)
        buf_printf(&out, "%zu warning%s\n", count, count == 1 ? "" : "s");
    else
        buf_add_text(&out, "no warnings\n");
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
}

static void print_json(struct check *c, const char *dir)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->count; i++) {
        for (size_t n = 0; n < c->modules[i].findings.count; n++) {
            const struct finding *f = &c->modules[i].findings.list[n];
            json_array_append_new(list, json_pack("{s:s,s:i,s:i,s:s,s:s,s:s}", "file", shown_path(c, &c->modules[i], dir), "line", f->line, "column", f->column,
                                                  "rule", f->rule, "message", f->what, "instead", f->instead));
        }
    }
    json_t *root = json_pack("{s:o}", "findings", list);
    json_dumpf(root, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(root);
}

/* What stopped the script from loading is one of the findings. */
static bool is_told(const struct check *c, const struct error *err)
{
    if (!strstr(err->text, " is not defined"))
        return false;
    for (size_t i = 0; i < c->count; i++)
        for (size_t n = 0; n < c->modules[i].findings.count; n++)
            if (strstr(c->modules[i].findings.list[n].what, "ReferenceError"))
                return true;
    return false;
}

static int report(struct check *c, const struct error *err)
{
    size_t count = 0;
    char *dir = getcwd(NULL, 0);
    for (size_t i = 0; i < c->count; i++)
        count += c->modules[i].findings.count;
    if (c->cli->json)
        print_json(c, dir ? dir : "");
    else
        print_text(c, dir ? dir : "", count);
    mem_free(dir);
    if (err->text && !is_told(c, err)) {
        log_error("the script does not load, so its load was not checked: %s", err->text);
        return err->code ? err->code : EXIT_GENERIC;
    }
    return count ? EXIT_FINDINGS : EXIT_OK;
}

int cmd_lint(struct cli_run *cli)
{
    struct error err = {0}, reading = {0};
    struct test_config config;
    struct check c = {.cli = cli};
    char *stdin_text = NULL;
    int code = EXIT_GENERIC;
    bool ready = cli_test_config(cli, &config, &stdin_text, &err);
    if (ready && collect(&c, &config.script, &reading)) {
        c.test = test_new(&config, &err);
        lint_all(&c);
        code = report(&c, &err);
    } else {
        const struct error *why = ready ? &reading : &err;
        log_error("%s", why->text);
        code = why->code ? why->code : EXIT_GENERIC;
    }
    for (size_t i = 0; i < c.count; i++) {
        findings_free(&c.modules[i].findings);
        mem_free((char *)(uintptr_t)c.modules[i].module);
    }
    mem_free(c.modules);
    files_free(c.files);
    test_free(c.test);
    mem_free(stdin_text);
    error_clear(&err);
    error_clear(&reading);
    return code;
}
