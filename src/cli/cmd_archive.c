/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab k6 archive`: a script, the modules it imports, the files it opens and its options, in one file that
 * runs anywhere. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "script/test_archive.h"

static bool write_archive(const char *path, const struct buf *tar, struct error *err)
{
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *file = to_stdout ? stdout : fopen(path, "wbe");
    bool written = file && fwrite(tar->data, 1, tar->len, file) == tar->len && fflush(file) == 0;
    if (file && !to_stdout && fclose(file) != 0)
        written = false;
    return written || error_set(err, EXIT_GENERIC, "cannot write the archive %s: %s", path, strerror(errno));
}

static bool make_archive(struct cli_run *cli, struct test *test, const struct script_config *script, struct error *err)
{
    struct buf tar = {0};
    char *options = options_inspect_json(test_options(test));
    struct archive_contents contents = {.files = script_files(test_script(test)), .main_module = script_main_module(test_script(test)), .options_json = options,
                                        .env = script->env, .env_count = cli->exclude_env ? 0 : script->env_count, .base_compatibility = script->base_compatibility};
    bool made = test_archive_write(&tar, &contents, err) && write_archive(cli->archive_out ? cli->archive_out : "archive.tar", &tar, err);
    buf_free(&tar);
    free(options);
    return made;
}

int cmd_archive(struct cli_run *cli)
{
    struct error err = {0};
    struct test_config config;
    struct test *test = NULL;
    char *stdin_text = NULL;
    int code = EXIT_OK;
    bool ready = cli_test_config(cli, &config, &stdin_text, &err);
    /* What a specifier means would have to go into the archive too, and k6 would not understand it. */
    if (ready && cli->import_map)
        ready = error_set(&err, EXIT_GENERIC, "an import map cannot go into an archive: write the addresses into the script's imports");
    if (ready)
        test = test_new(&config, &err);
    if (!test || !make_archive(cli, test, &config.script, &err)) {
        log_error("%s", err.text);
        code = err.code ? err.code : EXIT_GENERIC;
    }
    test_free(test);
    mem_free(stdin_text);
    error_clear(&err);
    return code;
}
