/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: what the commands get, and the commands. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "run/options.h"
#include "run/test.h"

struct buf;
struct test_archive;

/* What global and runtime flags say; strings are borrowed from argv and the environment. */
struct cli_run {
    const char *command; /* the name of the command that runs */
    const char *script; /* NULL: none given */
    struct options env, flags, file;
    bool has_file;
    const char **env_pairs; /* __ENV: name, value ... */
    size_t env_count, env_cap;
    size_t env_given; /* the first ones, which -e set */
    const char **outputs;
    size_t output_count, output_cap;
    const char **secret_sources;
    size_t secret_count, secret_cap;
    bool quiet, no_color, verbose, no_thresholds, linger, new_machine_summary, base_compatibility;
    bool include_system_env;
    const char *address; /* of the REST API; NULL: none */
    bool address_by_flag;
    const char *log_output, *log_format, *config, *summary_mode, *summary_export, *import_map;
    enum script_isolation isolation;
    unsigned workers;
    bool script_by_s; /* `ltlab k6 -s FILE`: -s names the script */
    bool execution_requirements, json, force, exclude_env;
    const char *type, *archive_out; /* --type; -O of archive; NULL: not given */
    struct test_archive *archive;   /* what the script is in, once cli_test_config has read it; NULL: a script */
    const char *template_name, *project_id; /* new; NULL: not given */
};

enum command_form {
    COMMAND_K6 = 1,  /* `ltlab k6 NAME`, `k6 NAME` */
    COMMAND_OWN = 2, /* `ltlab NAME` */
};

struct command {
    const char *name, *arguments, *summary;
    int (*run)(struct cli_run *cli);
    bool runs_script;
    int forms; /* of enum command_form */
};

/* Parses flags and the script's name. False with err (EXIT_GENERIC). */
bool cli_parse(struct cli_run *cli, int argc, char **argv, bool system_env_default, struct error *err);
void cli_fini(struct cli_run *cli);
/* Sets a variable of __ENV. */
void cli_add_env(struct cli_run *cli, const char *name, size_t name_len, const char *value);
void cli_flags_help(struct buf *out);
/* Sets up the log by the flags. */
bool cli_configure_log(const struct cli_run *cli, struct error *err);
/* The configuration of a test from the flags; *stdin_text gets the script when it comes from there. */
bool cli_test_config(struct cli_run *cli, struct test_config *config, char **stdin_text, struct error *err);

int cmd_run(struct cli_run *cli);
int cmd_inspect(struct cli_run *cli);
/* cmd_control.c: a test that runs, by its REST API. */
int cmd_status(struct cli_run *cli);
int cmd_pause(struct cli_run *cli);
int cmd_resume(struct cli_run *cli);
int cmd_scale(struct cli_run *cli);
int cmd_stats(struct cli_run *cli);
/* 0: no findings; 1: some; otherwise the exit code of a script that cannot be loaded. */
int cmd_lint(struct cli_run *cli);
int cmd_new(struct cli_run *cli);
int cmd_deps(struct cli_run *cli);
int cmd_archive(struct cli_run *cli);
int cmd_lab_toy(int argc, char **argv);

#endif
