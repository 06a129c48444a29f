/* SPDX-License-Identifier: Apache-2.0 */
/* Flags in GNU style. Options of the test come from the options table; the rest is the table here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/test_archive.h"

extern char **environ;

enum flag_id {
    FLAG_CONFIG, FLAG_ENV, FLAG_INCLUDE_ENV, FLAG_COMPATIBILITY, FLAG_NO_THRESHOLDS, FLAG_SUMMARY_MODE,
    FLAG_SUMMARY_EXPORT, FLAG_MACHINE_SUMMARY, FLAG_OUT, FLAG_LINGER, FLAG_NO_USAGE_REPORT, FLAG_LOG_OUTPUT, FLAG_LOG_FORMAT, FLAG_NO_COLOR,
    FLAG_VERBOSE, FLAG_QUIET, FLAG_IMPORT_MAP, FLAG_ISOLATION, FLAG_WORKERS, FLAG_REQUIREMENTS, FLAG_SECRET_SOURCE, FLAG_ADDRESS,
    FLAG_FORCE, FLAG_TEMPLATE, FLAG_PROJECT_ID, FLAG_TYPE, FLAG_ARCHIVE_OUT, FLAG_EXCLUDE_ENV,
    FLAG_JSON,
};

struct flag {
    const char *name;
    char letter;
    bool needs_value;
    enum flag_id id;
    const char *env, *kind, *help;
    const char *only; /* the commands that take it, with blanks around each; NULL: all */
};

static const struct flag flags[] = {
    {"config", 'c', true, FLAG_CONFIG, "K6_CONFIG", "FILE", "JSON file with options"},
    {"env", 'e', true, FLAG_ENV, NULL, "K=V", "add an environment variable for the script (repeatable)"},
    {"include-system-env-vars", 0, false, FLAG_INCLUDE_ENV, "K6_INCLUDE_SYSTEM_ENV_VARS", "", "__ENV has the system's variables"},
    {"compatibility-mode", 0, true, FLAG_COMPATIBILITY, "K6_COMPATIBILITY_MODE", "MODE", "base or extended"},
    {"no-thresholds", 0, false, FLAG_NO_THRESHOLDS, "K6_NO_THRESHOLDS", "", "do not check thresholds"},
    {"summary-mode", 0, true, FLAG_SUMMARY_MODE, "K6_SUMMARY_MODE", "MODE", "compact, full or disabled"},
    {"summary-export", 0, true, FLAG_SUMMARY_EXPORT, "K6_SUMMARY_EXPORT", "FILE", "write the summary as JSON"},
    {"new-machine-readable-summary", 0, false, FLAG_MACHINE_SUMMARY, "K6_NEW_MACHINE_READABLE_SUMMARY", "", "use the schema 1.0.0 for JSON summaries"},
    {"out", 'o', true, FLAG_OUT, "K6_OUT", "NAME=ARG", "send samples to an output: json=FILE, csv=FILE (repeatable)"},
    {"linger", 'l', false, FLAG_LINGER, "K6_LINGER", "", "stay until Ctrl-C when the test is done"},
    {"no-usage-report", 0, false, FLAG_NO_USAGE_REPORT, "K6_NO_USAGE_REPORT", "", "accepted for k6's sake: ltlab never reports usage"},
    {"log-output", 0, true, FLAG_LOG_OUTPUT, "K6_LOG_OUTPUT", "WHERE", "stderr, stdout, none or file=PATH"},
    {"log-format", 0, true, FLAG_LOG_FORMAT, "K6_LOG_FORMAT", "FORMAT", "text, json or raw"},
    {"no-color", 0, false, FLAG_NO_COLOR, "K6_NO_COLOR", "", "no colours"},
    {"verbose", 'v', false, FLAG_VERBOSE, NULL, "", "log debug messages too"},
    {"quiet", 'q', false, FLAG_QUIET, NULL, "", "no banner, description or progress"},
    {"address", 'a', true, FLAG_ADDRESS, "K6_ADDRESS", "HOST:PORT", "run: serve the REST API there; status, pause, resume, scale, stats: where it is (localhost:6565)"},
    {"secret-source", 0, true, FLAG_SECRET_SOURCE, "K6_SECRET_SOURCE", "TYPE=ARGS", "secrets for k6/secrets: file=PATH or mock=key=value (repeatable)"},
    {"import-map", 0, true, FLAG_IMPORT_MAP, "LTLAB_IMPORT_MAP", "FILE", "where bare and remote imports come from (the web's import-map format)"},
    {"isolation", 0, true, FLAG_ISOLATION, "LTLAB_ISOLATION", "MODE", "auto, realm (VUs share built-in objects) or vu"},
    {"workers", 0, true, FLAG_WORKERS, "LTLAB_WORKERS", "N", "worker threads (default: one a core)"},
    {"execution-requirements", 0, false, FLAG_REQUIREMENTS, NULL, "", "inspect: add the scenarios, duration and VUs", " inspect "},
    {"json", 0, false, FLAG_JSON, NULL, "", "lint, deps: print JSON", " lint deps "},
    {"type", 't', true, FLAG_TYPE, "K6_TYPE", "TYPE", "js or archive, where the file itself does not tell", NULL},
    {"archive-out", 'O', true, FLAG_ARCHIVE_OUT, NULL, "FILE", "archive: where to write (archive.tar; - is standard output)", " archive "},
    {"exclude-env-vars", 0, false, FLAG_EXCLUDE_ENV, NULL, "", "archive: leave the variables of -e out", " archive "},
    {"force", 'f', false, FLAG_FORCE, NULL, "", "new: overwrite a file that is there", " new "},
    {"template", 0, true, FLAG_TEMPLATE, NULL, "NAME", "new: minimal, protocol or the path of a file", " new "},
    {"project-id", 0, true, FLAG_PROJECT_ID, NULL, "N", "new: the project for options.cloud", " new "},
};

static const struct {
    char letter;
    const char *option;
} letters[] = {{'p', "paused"}, {'u', "vus"}, {'d', "duration"}, {'i', "iterations"}, {'s', "stage"}, {'w', "throw"}};

static bool is_taken(const struct flag *flag, const char *command)
{
    char *name = mem_printf(" %s ", command);
    bool taken = !flag->only || strstr(flag->only, name);
    mem_free(name);
    return taken;
}

static const struct flag *find(const struct cli_run *cli, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (strlen(flags[i].name) == len && strncmp(flags[i].name, name, len) == 0 && is_taken(&flags[i], cli->command))
            return &flags[i];
    return NULL;
}

void cli_add_env(struct cli_run *cli, const char *name, size_t name_len, const char *value)
{
    for (size_t i = 0; i < cli->env_count; i++) {
        if (strlen(cli->env_pairs[2 * i]) == name_len && strncmp(cli->env_pairs[2 * i], name, name_len) == 0) {
            mem_free((char *)(uintptr_t)cli->env_pairs[2 * i + 1]);
            cli->env_pairs[2 * i + 1] = mem_strdup(value);
            return;
        }
    }
    mem_grow(&cli->env_pairs, &cli->env_cap, 2 * cli->env_count + 2, sizeof(cli->env_pairs[0]));
    cli->env_pairs[2 * cli->env_count] = mem_strndup(name, name_len);
    cli->env_pairs[2 * cli->env_count++ + 1] = mem_strdup(value);
}

static bool name_is_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return len > 0;
}

static bool set_env(struct cli_run *cli, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    if (!name_is_valid(text, len))
        return error_set(err, EXIT_GENERIC, "invalid environment variable name in \"%s\": letters, digits and underscores only", text);
    const char *value = equals ? equals + 1 : getenv(text);
    if (value)
        cli_add_env(cli, text, len, value);
    return true;
}

static bool read_bool(const char *name, const char *value, bool *out, struct error *err)
{
    if (!value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *out = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *out = false;
    else
        return error_set(err, EXIT_GENERIC, "invalid value \"%s\" for %s: it must be true or false", value, name);
    return true;
}

static bool is_one_of(const char *value, const char *a, const char *b, const char *c)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0 || strcmp(value, c) == 0;
}

static bool apply_text(struct cli_run *cli, const struct flag *flag, const char *value, struct error *err)
{
    int64_t number;
    switch (flag->id) {
    case FLAG_CONFIG:
        cli->config = value;
        return true;
    case FLAG_ENV:
        return set_env(cli, value, err);
    case FLAG_COMPATIBILITY:
        if (!is_one_of(value, "base", "extended", "experimental_enhanced"))
            return error_set(err, EXIT_GENERIC, "invalid compatibility mode \"%s\": use extended or base", value);
        cli->base_compatibility = strcmp(value, "base") == 0;
        return true;
    case FLAG_SUMMARY_MODE:
        if (!is_one_of(value, "compact", "full", "disabled"))
            return error_set(err, EXIT_GENERIC, "invalid summary mode \"%s\": use compact, full or disabled", value);
        cli->summary_mode = value;
        return true;
    case FLAG_SUMMARY_EXPORT:
        cli->summary_export = value;
        return true;
    case FLAG_OUT:
        mem_grow(&cli->outputs, &cli->output_cap, cli->output_count + 1, sizeof(cli->outputs[0]));
        cli->outputs[cli->output_count++] = value;
        return true;
    case FLAG_ADDRESS:
        cli->address = value;
        return true;
    case FLAG_SECRET_SOURCE:
        mem_grow(&cli->secret_sources, &cli->secret_cap, cli->secret_count + 1, sizeof(cli->secret_sources[0]));
        cli->secret_sources[cli->secret_count++] = value;
        return true;
    case FLAG_LOG_OUTPUT:
        cli->log_output = value;
        return true;
    case FLAG_LOG_FORMAT:
        cli->log_format = value;
        return true;
    case FLAG_IMPORT_MAP:
        cli->import_map = value;
        return true;
    case FLAG_TYPE:
        if (!is_one_of(value, "js", "archive", ""))
            return error_set(err, EXIT_GENERIC, "invalid type \"%s\": use js or archive", value);
        cli->type = value;
        return true;
    case FLAG_ARCHIVE_OUT:
        cli->archive_out = value;
        return true;
    case FLAG_TEMPLATE:
        cli->template_name = value;
        return true;
    case FLAG_PROJECT_ID:
        cli->project_id = value;
        return true;
    case FLAG_ISOLATION:
        if (!is_one_of(value, "auto", "realm", "vu"))
            return error_set(err, EXIT_GENERIC, "invalid isolation \"%s\": use auto, realm or vu", value);
        cli->isolation = strcmp(value, "vu") == 0 ? ISOLATE_VU : strcmp(value, "realm") == 0 ? ISOLATE_REALM : ISOLATE_AUTO;
        return true;
    case FLAG_WORKERS:
        if (!text_to_int(text_of(value), &number) || number < 1 || number > 64)
            return error_set(err, EXIT_GENERIC, "invalid number of workers \"%s\": use 1 to 64", value);
        cli->workers = (unsigned)number;
        return true;
    default:
        return true;
    }
}

static bool apply(struct cli_run *cli, const struct flag *flag, const char *value, struct error *err)
{
    bool on = true;
    if (flag->needs_value)
        return apply_text(cli, flag, value, err);
    if (!read_bool(flag->name, value, &on, err))
        return false;
    switch (flag->id) {
    case FLAG_INCLUDE_ENV:
        cli->include_system_env = on;
        break;
    case FLAG_NO_THRESHOLDS:
        cli->no_thresholds = on;
        break;
    case FLAG_MACHINE_SUMMARY:
        cli->new_machine_summary = on;
        break;
    case FLAG_LINGER:
        cli->linger = on;
        break;
    case FLAG_NO_COLOR:
        cli->no_color = on;
        break;
    case FLAG_VERBOSE:
        cli->verbose = on;
        break;
    case FLAG_QUIET:
        cli->quiet = on;
        break;
    case FLAG_REQUIREMENTS:
        cli->execution_requirements = on;
        break;
    case FLAG_JSON:
        cli->json = on;
        break;
    case FLAG_FORCE:
        cli->force = on;
        break;
    case FLAG_EXCLUDE_ENV:
        cli->exclude_env = on;
        break;
    default:
        break;
    }
    return true;
}

/* ---- near misses ---- */

static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), row[64];
    if (la >= 60 || lb >= 60)
        return 99;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[lb];
}

struct guess {
    const char *wanted, *best;
    size_t distance;
};

static void consider(void *arg, const char *flag, const char *kind, const char *env, const char *help)
{
    struct guess *g = arg;
    size_t d = distance(g->wanted, flag);
    if (d < g->distance) {
        g->best = flag;
        g->distance = d;
    }
}

static bool unknown_flag(const struct cli_run *cli, const char *name, struct error *err)
{
    struct guess g = {name, NULL, 4};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (is_taken(&flags[i], cli->command))
            consider(&g, flags[i].name, NULL, NULL, NULL);
    options_each_flag(consider, &g);
    if (g.best)
        return error_set(err, EXIT_GENERIC, "unknown flag: --%s; did you mean --%s?", name, g.best);
    return error_set(err, EXIT_GENERIC, "unknown flag: --%s; `ltlab help k6` lists the flags", name);
}

/* ---- the command line ---- */

struct args {
    int argc, at;
    char **argv;
};

static bool parse_long(struct cli_run *cli, struct args *a, char *text, struct error *err)
{
    char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : strlen(text);
    const struct flag *flag = find(cli, text, len);
    char *name = mem_strndup(text, len);
    const char *value = equals ? equals + 1 : NULL;
    bool is_bool = false, is_option = !flag && options_has_flag(name, &is_bool), done = true;
    bool needs = flag ? flag->needs_value : is_option && !is_bool;
    if (!flag && !is_option)
        done = unknown_flag(cli, name, err);
    else if (needs && !value && a->at >= a->argc)
        done = error_set(err, EXIT_GENERIC, "flag needs an argument: --%s", name);
    else if (needs && !value)
        value = a->argv[a->at++];
    if (done)
        done = flag ? apply(cli, flag, value, err) : options_set_flag(&cli->flags, name, value, err);
    mem_free(name);
    return done;
}

static bool parse_letters(struct cli_run *cli, struct args *a, char *text, struct error *err)
{
    for (; *text; text++) {
        const char *option = NULL;
        const struct flag *flag = NULL;
        if (*text == 's' && cli->script_by_s && !cli->script) {
            cli->script = text[1] ? text + 1 : a->at < a->argc ? a->argv[a->at++] : NULL;
            return cli->script || error_set(err, EXIT_GENERIC, "-s needs the script's file name");
        }
        for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
            if (letters[i].letter == *text)
                option = letters[i].option;
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
            if (flags[i].letter == *text && is_taken(&flags[i], cli->command))
                flag = &flags[i];
        if (!option && !flag)
            return error_set(err, EXIT_GENERIC, "unknown shorthand flag: -%c; `ltlab help k6` lists the flags", *text);
        bool is_bool = flag ? !flag->needs_value : *text == 'w' || *text == 'p';
        if (is_bool) {
            if (flag ? !apply(cli, flag, NULL, err) : !options_set_flag(&cli->flags, option, NULL, err))
                return false;
            continue;
        }
        const char *value = text[1] == '=' ? text + 2 : text[1] ? text + 1 : a->at < a->argc ? a->argv[a->at++] : NULL;
        if (!value)
            return error_set(err, EXIT_GENERIC, "flag needs an argument: -%c", *text);
        return flag ? apply(cli, flag, value, err) : options_set_flag(&cli->flags, option, value, err);
    }
    return true;
}

static bool has_env(const struct cli_run *cli, const char *name, size_t len)
{
    for (size_t i = 0; i < cli->env_count; i++)
        if (strlen(cli->env_pairs[2 * i]) == len && strncmp(cli->env_pairs[2 * i], name, len) == 0)
            return true;
    return false;
}

/* What -e did not set. */
static void add_system_env(struct cli_run *cli)
{
    for (char **at = environ; *at; at++) {
        const char *equals = strchr(*at, '=');
        if (equals && !has_env(cli, *at, (size_t)(equals - *at)))
            cli_add_env(cli, *at, (size_t)(equals - *at), equals + 1);
    }
}

static const char *get_variable(const char *name)
{
    return getenv(name);
}

static bool read_variables(struct cli_run *cli, struct error *err)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        const char *value = flags[i].env ? getenv(flags[i].env) : NULL;
        if (!value || !value[0])
            continue;
        if (!apply(cli, &flags[i], flags[i].id == FLAG_NO_COLOR ? NULL : value, err)) {
            error_prefix(err, "environment variable %s", flags[i].env);
            return false;
        }
    }
    if (getenv("NO_COLOR"))
        cli->no_color = true;
    return options_parse_env(&cli->env, get_variable, err);
}

/* A repeatable flag wins over its environment variable, whose value comes first in the list. */
static void prefer_flags(const char **list, size_t *count, size_t from_env)
{
    if (!from_env || *count == from_env)
        return;
    memmove(list, list + from_env, (*count - from_env) * sizeof(list[0]));
    *count -= from_env;
}

bool cli_parse(struct cli_run *cli, int argc, char **argv, bool system_env_default, struct error *err)
{
    struct args a = {argc, 0, argv};
    bool only_names = false;
    cli->include_system_env = system_env_default;
    cli->summary_mode = "compact";
    options_init(&cli->env);
    options_init(&cli->flags);
    options_init(&cli->file);
    if (!read_variables(cli, err))
        return false;
    size_t outputs_from_env = cli->output_count, secrets_from_env = cli->secret_count;
    const char *address_from_env = cli->address;
    while (a.at < a.argc) {
        char *text = argv[a.at++];
        bool is_flag = !only_names && text[0] == '-' && text[1];
        if (!only_names && strcmp(text, "--") == 0) {
            only_names = true;
        } else if (is_flag && text[1] == '-') {
            if (!parse_long(cli, &a, text + 2, err))
                return false;
        } else if (is_flag) {
            if (!parse_letters(cli, &a, text + 1, err))
                return false;
        } else if (cli->script) {
            return error_set(err, EXIT_GENERIC, "one script at a time: \"%s\" is too much after \"%s\"", text, cli->script);
        } else {
            cli->script = text;
        }
    }
    cli->env_given = cli->env_count;
    if (cli->include_system_env)
        add_system_env(cli);
    cli->address_by_flag = cli->address != address_from_env;
    prefer_flags(cli->outputs, &cli->output_count, outputs_from_env);
    prefer_flags(cli->secret_sources, &cli->secret_count, secrets_from_env);
    return true;
}

void cli_fini(struct cli_run *cli)
{
    for (size_t i = 0; i < 2 * cli->env_count; i++)
        mem_free((char *)(uintptr_t)cli->env_pairs[i]);
    mem_free(cli->env_pairs);
    mem_free(cli->outputs);
    mem_free(cli->secret_sources);
    test_archive_free(cli->archive);
    options_fini(&cli->env);
    options_fini(&cli->flags);
    options_fini(&cli->file);
}

static void help_row(void *arg, const char *name, const char *kind, const char *env, const char *help)
{
    struct buf *out = arg;
    char shown[64];
    snprintf(shown, sizeof(shown), "--%s %s", name, kind);
    buf_printf(out, "      %-38s %s%s%s%s\n", shown, help, env ? " (" : "", env ? env : "", env ? ")" : "");
}

void cli_flags_help(struct buf *out)
{
    buf_add_text(out, "Options of the test:\n");
    options_each_flag(help_row, out);
    buf_add_text(out, "      short: -u vus, -d duration, -i iterations, -s stage, -p paused, -w throw\n\nOther flags:\n");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        help_row(out, flags[i].name, flags[i].kind, flags[i].env, flags[i].help);
    buf_add_text(out, "      short: -a address, -c config, -e env, -o out, -l linger, -v verbose, -q quiet\n");
}
