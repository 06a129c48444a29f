/* SPDX-License-Identifier: Apache-2.0 */
/* ltlab, and k6 when it is called by that name. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"

static const struct command commands[] = {
    {"run", "FILE", "run a test: a script, an archive, or - for standard input", cmd_run, true, COMMAND_K6},
    {"archive", "FILE", "put a script and all that it needs into one file", cmd_archive, false, COMMAND_K6},
    {"inspect", "FILE", "print the options of a script as JSON", cmd_inspect, false, COMMAND_K6},
    {"lint", "FILE", "tell what in a script makes it measure something else", cmd_lint, false, COMMAND_OWN},
    {"new", "[FILE]", "write a first script (script.js)", cmd_new, false, COMMAND_K6 | COMMAND_OWN},
    {"deps", "FILE", "list the modules that a script needs", cmd_deps, false, COMMAND_K6},
    {"status", "", "what a running test does (REST API)", cmd_status, false, COMMAND_K6 | COMMAND_OWN},
    {"pause", "", "pause a running test", cmd_pause, false, COMMAND_K6 | COMMAND_OWN},
    {"resume", "", "let a paused test go on", cmd_resume, false, COMMAND_K6 | COMMAND_OWN},
    {"scale", "-u VUS", "change the VUs of an externally-controlled scenario", cmd_scale, false, COMMAND_K6 | COMMAND_OWN},
    {"stats", "", "the metrics of a running test", cmd_stats, false, COMMAND_K6 | COMMAND_OWN},
};

static int print_version(void)
{
    struct utsname machine;
    uname(&machine);
    printf("ltlab v%s (k6 v2.2.0 compatible, %s/%s)\n", LTLAB_VERSION, "linux", machine.machine);
    return EXIT_OK;
}

static int print_help(bool as_k6)
{
    struct buf out = {0};
    const char *prefix = as_k6 ? "k6" : "ltlab k6";
    buf_add_text(&out, "ltlab, the Load Testing Lab: runs k6 scripts, fast and small.\n\nUsage:\n");
    if (!as_k6)
        buf_add_text(&out, "  ltlab k6 -s FILE [flags]              run a test (here -s names the script)\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct command *c = &commands[i];
        if (as_k6 && !(c->forms & COMMAND_K6))
            continue;
        const char *before = c->forms & COMMAND_K6 ? prefix : "ltlab";
        int room = 28 - (int)(strlen(before) + strlen(c->name) + strlen(c->arguments));
        buf_printf(&out, "  %s %s %s [flags]%*s%s\n", before, c->name, c->arguments, room > 1 ? room : 1, "", c->summary);
    }
    if (!as_k6)
        buf_add_text(&out, "  ltlab lab toy [--port N]              a small server to test, on 127.0.0.1\n");
    buf_printf(&out, "  %s version\n  %s help\n\n", as_k6 ? "k6" : "ltlab", as_k6 ? "k6" : "ltlab");
    cli_flags_help(&out);
    fwrite(out.data, 1, out.len, stdout);
    buf_free(&out);
    return EXIT_OK;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "version") == 0 || strcmp(word, "--version") == 0;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_command(const struct command *command, int argc, char **argv, bool script_by_s)
{
    struct cli_run cli = {.command = command->name, .script_by_s = script_by_s};
    struct error err = {0};
    int code;
    if (cli_parse(&cli, argc, argv, command->runs_script, &err)) {
        code = command->run(&cli);
    } else {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    error_clear(&err);
    cli_fini(&cli);
    log_close();
    return code;
}

static int unknown_command(const char *word, bool as_k6)
{
    fprintf(stderr, "unknown command \"%s\" for \"%s\"; `%s help` lists the commands\n", word, as_k6 ? "k6" : "ltlab", as_k6 ? "k6" : "ltlab");
    return EXIT_GENERIC;
}

static const struct command *find_command(const char *name, enum command_form form)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if ((commands[i].forms & form) && strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* argv without the program's name: k6's own command line. */
static int k6_main(int argc, char **argv, bool as_k6)
{
    if (argc == 0 || is_help(argv[0]))
        return print_help(as_k6);
    if (is_version(argv[0]))
        return print_version();
    const struct command *command = find_command(argv[0], COMMAND_K6);
    if (command)
        return asks_for_help(argc, argv) ? print_help(as_k6) : run_command(command, argc - 1, argv + 1, false);
    if (!as_k6 && argv[0][0] == '-')
        return run_command(&commands[0], argc, argv, true);
    return unknown_command(argv[0], as_k6);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    if (strcmp(name, "k6") == 0)
        return k6_main(argc - 1, argv + 1, true);
    if (argc < 2 || is_help(argv[1]))
        return print_help(false);
    if (is_version(argv[1]))
        return print_version();
    if (strcmp(argv[1], "k6") == 0)
        return k6_main(argc - 2, argv + 2, false);
    if (strcmp(argv[1], "lab") == 0 && argc > 2 && strcmp(argv[2], "toy") == 0)
        return cmd_lab_toy(argc - 3, argv + 3);
    const struct command *command = find_command(argv[1], COMMAND_OWN);
    if (command)
        return asks_for_help(argc - 1, argv + 1) ? print_help(false) : run_command(command, argc - 2, argv + 2, false);
    return unknown_command(argv[1], false);
}
