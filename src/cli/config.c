/* SPDX-License-Identifier: Apache-2.0 */
/* From flags to what a test needs: config file, script text from standard input, log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "script/test_archive.h"

static bool read_all(FILE *file, struct buf *out)
{
    size_t got;
    do {
        char *to = buf_reserve(out, 1 << 15);
        got = fread(to, 1, 1 << 15, file);
        buf_added(out, got);
    } while (got);
    return !ferror(file);
}

bool cli_configure_log(const struct cli_run *cli, struct error *err)
{
    const char *format = cli->log_format ? cli->log_format : "";
    struct log_config config = {.level = cli->verbose ? LOG_DEBUG : LOG_INFO, .color = !cli->no_color, .output = cli->log_output,
                                .console_output = option_text(&cli->flags, "consoleOutput", option_text(&cli->env, "consoleOutput", NULL))};
    if (strcmp(format, "json") == 0)
        config.format = LOG_FORMAT_JSON;
    else if (strcmp(format, "raw") == 0)
        config.format = LOG_FORMAT_RAW;
    else if (strcmp(format, "text") == 0 || strcmp(format, "") == 0)
        config.format = LOG_FORMAT_TEXT;
    else
        return error_set(err, EXIT_GENERIC, "unknown log format \"%s\": use text, json or raw", format);
    return log_configure(&config, err);
}

/* A missing default file is fine, a missing named one is not. */
static bool read_config_file(struct cli_run *cli, struct error *err)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *path = cli->config ? mem_strdup(cli->config) : base && base[0] ? mem_printf("%s/k6/config.json", base) : home ? mem_printf("%s/.config/k6/config.json", home) : NULL;
    FILE *file = path ? fopen(path, "rbe") : NULL;
    bool fine = true;
    if (file) {
        struct buf text = {0};
        fine = read_all(file, &text) || error_set(err, EXIT_GENERIC, "cannot read the config file %s", path);
        fclose(file);
        fine = fine && options_parse_json(&cli->file, text.data ? text.data : "", path, false, err);
        cli->has_file = true;
        buf_free(&text);
    } else if (cli->config) {
        fine = error_set(err, EXIT_GENERIC, "cannot open the config file %s: %s", path, strerror(errno));
    }
    mem_free(path);
    return fine;
}

static void print_debug(const char *text, size_t len)
{
    log_info("%.*s", (int)len, text);
}

/* The script's file, or standard input for "-". False without err: it cannot be read, which script_open will
 * say, or it is a pipe, which can be read only once. */
static bool read_script(const struct cli_run *cli, struct buf *text, struct error *err)
{
    bool from_stdin = strcmp(cli->script, "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(cli->script, "rbe");
    struct stat info;
    bool once = file && !from_stdin && (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode));
    bool read = file && !once && read_all(file, text);
    if (from_stdin && !read)
        error_set(err, EXIT_GENERIC, "cannot read the script from standard input");
    if (file && !from_stdin)
        fclose(file);
    return read;
}

/* -e wins over the archive's variables, these over the system's. */
static void take_archive_env(struct cli_run *cli)
{
    for (size_t i = 0; i < cli->archive->env_count; i++) {
        const char *name = cli->archive->env[2 * i];
        bool given = false;
        for (size_t g = 0; g < cli->env_given && !given; g++)
            given = strcmp(cli->env_pairs[2 * g], name) == 0;
        if (!given)
            cli_add_env(cli, name, strlen(name), cli->archive->env[2 * i + 1]);
    }
}

/* Standard input goes into *stdin_text, an archive into cli->archive; a script's own file is read later. */
static bool look_into_script(struct cli_run *cli, struct test_config *config, char **stdin_text, struct error *err)
{
    struct buf text = {0};
    const char *type = cli->type ? cli->type : "";
    bool fine = true;
    if (read_script(cli, &text, err)) {
        bool is_archive = strcmp(type, "archive") == 0 || (strcmp(type, "js") != 0 && test_archive_sniff(text.data ? text.data : "", text.len));
        if (is_archive) {
            cli->archive = test_archive_read(text.data ? text.data : "", text.len, err);
            fine = cli->archive != NULL;
            if (!fine)
                error_prefix(err, "%s", cli->script);
        } else if (strcmp(cli->script, "-") == 0) {
            config->script.text_len = text.len;
            config->script.text = *stdin_text = buf_take(&text);
        }
    } else {
        fine = !err->text;
    }
    buf_free(&text);
    if (cli->archive) {
        take_archive_env(cli);
        config->script.archive = cli->archive;
        config->script.base_compatibility |= cli->archive->base_compatibility;
        config->script.env = (const char *const *)cli->env_pairs;
        config->script.env_count = cli->env_count;
    }
    return fine;
}

bool cli_test_config(struct cli_run *cli, struct test_config *config, char **stdin_text, struct error *err)
{
    *stdin_text = NULL;
    if (!cli->script)
        return error_set(err, EXIT_GENERIC, "name the script to run: ltlab k6 run script.js (or - for standard input)");
    if (!cli_configure_log(cli, err) || !read_config_file(cli, err))
        return false;
    *config = (struct test_config){
        .script = {.path = cli->script, .env = (const char *const *)cli->env_pairs, .env_count = cli->env_count, .import_map = cli->import_map,
                   .secret_sources = cli->secret_sources, .secret_source_count = cli->secret_count, .isolation = cli->isolation, .base_compatibility = cli->base_compatibility},
        .file = cli->has_file ? &cli->file : NULL, .env = &cli->env, .flags = &cli->flags, .no_thresholds = cli->no_thresholds,
        .has_api = cli->address != NULL, .full_summary = strcmp(cli->summary_mode, "full") == 0, .workers = cli->workers, .http_debug = print_debug};
    return look_into_script(cli, config, stdin_text, err);
}
