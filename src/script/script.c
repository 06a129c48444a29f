/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a script: its init context runs once as VU 0, which tells the options and what is exported. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/log.h"
#include "core/mem.h"
#include "script/files.h"
#include "script/host.h"
#include "script/secrets.h"
#include "script/test_archive.h"

void vu_wait_in_init(int64_t due_mono_ns)
{
    int64_t left = due_mono_ns - clock_mono_ns();
    if (left <= 0)
        return;
    struct timespec wait = {left / NS_PER_S, left % NS_PER_S};
    nanosleep(&wait, NULL);
}

static void note_export(void *arg, const char *name, JSValueConst value)
{
    struct script *script = arg;
    JSContext *ctx = script->first_realm->ctx;
    script->exports = mem_realloc(script->exports, (script->export_count + 1) * sizeof(script->exports[0]));
    script->exports[script->export_count++] = (struct script_export){mem_strdup(name), JS_IsFunction(ctx, value)};
}

static bool read_options(struct script *script, struct vu *vu, struct error *err)
{
    JSContext *ctx = script->first_realm->ctx;
    JSValue options = engine_export(ctx, vu->instances, script->first_realm->main, "options");
    bool valid = true;
    if (!JS_IsUndefined(options) && !JS_IsNull(options)) {
        if (!JS_IsObject(options) || JS_IsFunction(ctx, options))
            valid = error_set(err, EXIT_INVALID_CONFIG, "the exported \"options\" must be an object");
        else if (!js_to_go_json(ctx, options, &script->options_json))
            valid = error_set(err, EXIT_INVALID_CONFIG, "the exported \"options\" hold something that is not data (a function, NaN, a symbol)");
    }
    JS_FreeValue(ctx, options);
    return valid;
}

static bool check_hooks(const struct script *script, struct error *err)
{
    static const char *const hooks[] = {"setup", "teardown", "handleSummary"};
    for (size_t i = 0; i < 3; i++)
        if (script_has_export(script, hooks[i]) && !script_has_function(script, hooks[i]))
            return error_set(err, EXIT_SCRIPT_EXCEPTION, "the exported \"%s\" must be a function", hooks[i]);
    return true;
}

static bool run_first_init(struct script *script, struct error *err)
{
    struct realm *realm = script->first_realm = realm_new(script, NULL, err);
    struct vu *vu = realm ? vu_new(realm, 0, 0, err) : NULL;
    if (!vu)
        return false;
    const char here = 0;
    engine_vu_set_stack(&vu->engine, (void *)(uintptr_t)&here, 4 << 20, 0);
    vu_enter(vu);
    bool done = vu_run_init(vu, err);
    if (done) {
        engine_each_export(realm->ctx, vu->instances, realm->main, note_export, script);
        done = read_options(script, vu, err) && check_hooks(script, err);
    }
    vu_leave(vu);
    vu_free(vu);
    return done;
}

/* The script's own path must be readable: that is not a script exception. */
static bool check_script_file(const char *path, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return error_set(err, EXIT_GENERIC, "the script \"%s\" couldn't be read: no such file, or no permission", path);
    if (S_ISDIR(info.st_mode))
        return error_set(err, EXIT_GENERIC, "\"%s\" is a folder: name the script file in it", path);
    return true;
}

struct files *script_files_open(const struct script_config *config, char **main_module, struct error *err)
{
    const struct test_archive *archive = config->archive;
    bool from_stdin = config->text != NULL;
    *main_module = NULL;
    if (!archive && !from_stdin && !check_script_file(config->path, err))
        return NULL;
    struct files *files = files_new(config->import_map, err);
    if (!files)
        return NULL;
    if (archive) {
        for (struct map_entry *e = map_next(&archive->files, NULL); e; e = map_next(&archive->files, e)) {
            const struct archived_file *file = e->value;
            files_lend(files, e->key, file->data, file->len);
        }
        files_seal(files, archive->pwd);
        *main_module = mem_strdup(archive->main_module);
        return files;
    }
    *main_module = files_url_of_path(from_stdin ? "-" : config->path);
    if (from_stdin)
        files_put_script(files, *main_module, config->text, config->text_len);
    return files;
}

struct script *script_open(const struct script_config *config, struct error *err)
{
    char *main_module;
    struct files *files = script_files_open(config, &main_module, err);
    if (!files)
        return NULL;
    struct script *script = mem_zalloc(sizeof(*script));
    script->config = *config;
    script->files = files;
    script->main_module = main_module;
    pthread_mutex_init(&script->module_lock, NULL);
    script->secrets = secrets_new(config->secret_sources, config->secret_source_count, err);
    if (!script->secrets || !run_first_init(script, err)) {
        script_free(script);
        return NULL;
    }
    if (config->archive) {
        mem_free(script->options_json);
        script->options_json = mem_strdup(config->archive->options_json);
    }
    files_freeze(script->files);
    script->isolate_vus = config->isolation == ISOLATE_VU || (config->isolation == ISOLATE_AUTO && files_patch_builtins(script->files));
    if (script->isolate_vus && config->isolation == ISOLATE_AUTO)
        log_debug("the script changes built-in objects, so every VU gets a realm of its own (--isolation=realm overrides)");
    return script;
}

void script_set_settings(struct script *script, const struct script_settings *settings)
{
    script->settings = settings;
    realm_free(script->first_realm);
    script->first_realm = NULL;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    realm_free(script->first_realm);
    for (size_t i = 0; i < script->export_count; i++)
        mem_free(script->exports[i].name);
    mem_free(script->exports);
    shared_arrays_free(script->shared_arrays);
    grpc_pools_free(script->grpc_pools);
    files_free(script->files);
    secrets_free(script->secrets);
    mem_free(script->main_module);
    mem_free(script->options_json);
    mem_free(script->setup_data);
    pthread_mutex_destroy(&script->module_lock);
    mem_free(script);
}

const char *script_options_json(const struct script *script)
{
    return script->options_json;
}

struct files *script_files(const struct script *script)
{
    return script->files;
}

const char *script_main_module(const struct script *script)
{
    return script->main_module;
}

bool script_has_function(const struct script *script, const char *name)
{
    for (size_t i = 0; i < script->export_count; i++)
        if (script->exports[i].callable && strcmp(script->exports[i].name, name) == 0)
            return true;
    return false;
}

bool script_has_export(const struct script *script, const char *name)
{
    for (size_t i = 0; i < script->export_count; i++)
        if (strcmp(script->exports[i].name, name) == 0)
            return true;
    return false;
}

size_t script_function_count(const struct script *script)
{
    size_t count = 0;
    for (size_t i = 0; i < script->export_count; i++)
        count += script->exports[i].callable;
    return count;
}

struct script_stats *script_stats(struct script *script)
{
    return &script->stats;
}

void script_set_setup_data(struct script *script, const char *json)
{
    mem_free(script->setup_data);
    script->setup_data = json ? mem_strdup(json) : NULL;
}

const char *script_setup_data(const struct script *script)
{
    return script->setup_data;
}
