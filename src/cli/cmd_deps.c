/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab k6 deps`: which modules a script needs, read from its imports without running it. As in k6, what is
 * only require()d is not followed. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/map.h"
#include "core/mem.h"
#include "lint/imports.h"
#include "script/files.h"

struct deps {
    struct files *files;
    struct map modules; /* resolved names in the order in which they were found */
    json_t *build;      /* "k6/x/..." -> constraint */
    const char *base;
    struct error error; /* the first that was met */
};

static void add_import(void *arg, const char *specifier)
{
    struct deps *d = arg;
    char *name = d->error.text ? NULL : files_resolve(d->files, d->base, specifier, &d->error);
    if (!name)
        return;
    if (!map_has(&d->modules, name, strlen(name)))
        map_set(&d->modules, name, strlen(name), d);
    if (strncmp(name, "k6/x/", 5) == 0 && !json_object_get(d->build, name))
        json_object_set_new(d->build, name, json_string("*"));
    mem_free(name);
}

/* Two constraints on one module hold both. */
static void add_directive(void *arg, const char *module, const char *constraint)
{
    struct deps *d = arg;
    const char *old = json_string_value(json_object_get(d->build, module));
    bool more = old && strcmp(old, "*") != 0 && strcmp(old, constraint) != 0 && strcmp(constraint, "*") != 0;
    if (old && strcmp(constraint, "*") == 0)
        return;
    char *both = more ? mem_printf("%s, %s", old, constraint) : mem_strdup(constraint);
    json_object_set_new(d->build, module, json_string(both));
    mem_free(both);
}

static bool collect(struct deps *d, const char *main_module, struct error *err)
{
    map_set(&d->modules, main_module, strlen(main_module), d);
    for (size_t i = 0; i < d->modules.used; i++) {
        /* The map's table moves as it grows, its keys do not. */
        const char *name = d->base = d->modules.entries[i].key;
        size_t len;
        if (strcmp(name, "k6") == 0 || strncmp(name, "k6/", 3) == 0)
            continue;
        const char *source = files_module(d->files, name, &len, err);
        if (!source)
            return false;
        directives_each(source, len, add_directive, d);
        imports_each(source, len, false, add_import, d);
        if (d->error.text) {
            error_move(err, &d->error);
            return false;
        }
    }
    return true;
}

/* Local modules by their paths, as k6 names them. */
static const char *shown(const char *name)
{
    return strncmp(name, "file://", 7) == 0 ? name + 7 : name;
}

/* Extensions are what this program cannot have: a script that needs one needs a k6 built with it. */
static bool needs_custom_build(const struct deps *d)
{
    const char *module;
    json_t *constraint;
    json_object_foreach(d->build, module, constraint)
        if (strncmp(module, "k6/x/", 5) == 0)
            return true;
    return false;
}

static void print_json(const struct deps *d)
{
    json_t *imports = json_array();
    for (struct map_entry *e = map_next(&d->modules, NULL); e; e = map_next(&d->modules, e))
        json_array_append_new(imports, json_string(shown(e->key)));
    json_t *root = json_pack("{s:O,s:o,s:b}", "buildDependencies", d->build, "imports", imports, "customBuildRequired", needs_custom_build(d));
    json_dumpf(root, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(root);
}

static void print_text(const struct deps *d)
{
    const char *module;
    json_t *constraint;
    printf("Build Dependencies:\n");
    json_object_foreach(d->build, module, constraint)
        printf("  %s: %s\n", module, json_string_value(constraint));
    if (!json_object_size(d->build))
        printf("  (none)\n");
    printf("\nImports:\n");
    for (struct map_entry *e = map_next(&d->modules, NULL); e; e = map_next(&d->modules, e))
        printf("  %s\n", shown(e->key));
    printf("\nCustom Build Required: %s\n", needs_custom_build(d) ? "yes" : "no");
}

int cmd_deps(struct cli_run *cli)
{
    struct error err = {0};
    struct test_config config;
    struct deps d = {.build = json_object()};
    char *stdin_text = NULL, *main_module = NULL;
    int code = EXIT_OK;
    bool ready = cli_test_config(cli, &config, &stdin_text, &err);
    d.files = ready ? script_files_open(&config.script, &main_module, &err) : NULL;
    if (d.files && collect(&d, main_module, &err)) {
        if (cli->json)
            print_json(&d);
        else
            print_text(&d);
    } else {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    map_free(&d.modules, NULL);
    json_decref(d.build);
    files_free(d.files);
    mem_free(main_module);
    mem_free(stdin_text);
    error_clear(&err);
    error_clear(&d.error);
    return code;
}
