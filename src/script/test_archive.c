/* SPDX-License-Identifier: Apache-2.0 */
#include "script/test_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/library.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/files.h"

/* libarchive brings libxml2 and ICU with it: it is loaded when there is an archive. */
#define ARCHIVE_FUNCTIONS(X) \
    X(archive_entry_filetype) \
    X(archive_entry_free) \
    X(archive_entry_new) \
    X(archive_entry_pathname) \
    X(archive_entry_set_filetype) \
    X(archive_entry_set_mtime) \
    X(archive_entry_set_pathname) \
    X(archive_entry_set_perm) \
    X(archive_entry_set_size) \
    X(archive_error_string) \
    X(archive_read_data) \
    X(archive_read_free) \
    X(archive_read_new) \
    X(archive_read_next_header) \
    X(archive_read_open_memory) \
    X(archive_read_support_format_tar) \
    X(archive_write_close) \
    X(archive_write_data) \
    X(archive_write_free) \
    X(archive_write_header) \
    X(archive_write_new) \
    X(archive_write_open) \
    X(archive_write_set_format_pax_restricted)

static struct {
#define DECLARE(name) __typeof__(name) *name;
    ARCHIVE_FUNCTIONS(DECLARE)
#undef DECLARE
} lib;

static bool load_library(struct error *err)
{
#define ROW(name) {#name, &lib.name},
    static const struct library_function functions[] = {ARCHIVE_FUNCTIONS(ROW)};
#undef ROW
    return library_load("libarchive.so.13", functions, sizeof(functions) / sizeof(functions[0])) ||
           error_set(err, EXIT_GENERIC, "archives need libarchive.so.13, which is not installed (Debian package libarchive13)");
}

bool test_archive_sniff(const char *data, size_t len)
{
    return len >= 512 && memcmp(data + 257, "ustar", 5) == 0;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- reading ---- */

static void free_file(void *value)
{
    struct archived_file *file = value;
    mem_free(file->data);
    mem_free(file);
}

void test_archive_free(struct test_archive *archive)
{
    if (!archive)
        return;
    for (size_t i = 0; i < 2 * archive->env_count; i++)
        mem_free(archive->env[i]);
    mem_free(archive->env);
    mem_free(archive->main_module);
    mem_free(archive->pwd);
    mem_free(archive->options_json);
    map_free(&archive->files, free_file);
    mem_free(archive);
}

/* The name in the store of what the archive keeps at path; heap, or NULL for what is no file of the script.
 * Old archives have files/ and scripts/, with _ for the root and hosts beside it. */
static char *name_of_path(const char *path)
{
    while (starts(path, "./"))
        path += 2;
    if (starts(path, "file/"))
        return mem_strdup(path + 4);
    if (starts(path, "https/"))
        return mem_printf("https://%s", path + 6);
    const char *old = starts(path, "files/") ? path + 6 : starts(path, "scripts/") ? path + 8 : NULL;
    if (!old)
        return NULL;
    if (starts(old, "_/"))
        return mem_strdup(old + 1);
    return old[0] == '/' ? mem_strdup(old) : mem_printf("https://%s", old);
}

static bool read_entry(struct archive *tar, struct buf *out)
{
    char chunk[1 << 14];
    la_ssize_t got;
    while ((got = lib.archive_read_data(tar, chunk, sizeof(chunk))) > 0)
        buf_add(out, chunk, (size_t)got);
    if (!out->data)
        buf_add(out, "", 0);
    return got == 0;
}

static void keep(struct test_archive *archive, const char *name, struct buf *text)
{
    struct archived_file *file = mem_alloc(sizeof(*file));
    file->len = text->len;
    file->data = buf_take(text);
    struct archived_file *old = map_set(&archive->files, name, strlen(name), file);
    if (old)
        free_file(old);
}

/* A URL or, in old archives, a path: as a path. */
static const char *path_of(const char *url)
{
    return starts(url, "file://") ? url + 7 : url;
}

static void read_env(struct test_archive *archive, json_t *env)
{
    const char *name;
    json_t *value;
    archive->env = mem_array(2 * json_object_size(env) + 1, sizeof(archive->env[0]));
    json_object_foreach(env, name, value) {
        if (!json_is_string(value))
            continue;
        archive->env[2 * archive->env_count] = mem_strdup(name);
        archive->env[2 * archive->env_count++ + 1] = mem_strdup(json_string_value(value));
    }
}

static bool read_metadata(struct test_archive *archive, const char *text, struct error *err)
{
    json_error_t where;
    json_t *root = json_loads(text, 0, &where);
    const char *type = json_string_value(json_object_get(root, "type")), *filename = json_string_value(json_object_get(root, "filename"));
    const char *pwd = json_string_value(json_object_get(root, "pwd")), *mode = json_string_value(json_object_get(root, "compatibilityMode"));
    json_t *options = json_object_get(root, "options");
    bool valid = true;
    if (!root)
        valid = error_set(err, EXIT_GENERIC, "metadata.json of the archive:%d:%d: %s", where.line, where.column, where.text);
    else if (type && strcmp(type, "js") != 0)
        valid = error_set(err, EXIT_GENERIC, "the archive holds a test of the type \"%s\": only js can be run", type);
    else if (!filename)
        valid = error_set(err, EXIT_GENERIC, "metadata.json of the archive names no script (filename)");
    if (valid && filename) {
        char *text_of_options = json_is_object(options) ? json_dumps(options, JSON_COMPACT) : NULL;
        archive->options_json = mem_strdup(text_of_options ? text_of_options : "{}");
        free(text_of_options);
        archive->main_module = starts(filename, "/") ? mem_printf("file://%s", filename) : mem_strdup(filename);
        archive->pwd = mem_strdup(pwd ? path_of(pwd) : "/");
        archive->base_compatibility = mode && strcmp(mode, "base") == 0;
        read_env(archive, json_object_get(root, "env"));
    }
    json_decref(root);
    return valid;
}

static bool read_entries(struct test_archive *archive, struct archive *tar, struct buf *metadata, struct buf *script, struct error *err)
{
    struct archive_entry *entry;
    int got;
    while ((got = lib.archive_read_next_header(tar, &entry)) == ARCHIVE_OK || got == ARCHIVE_WARN) {
        const char *path = lib.archive_entry_pathname(entry);
        struct buf text = {0};
        if (!path || lib.archive_entry_filetype(entry) != AE_IFREG)
            continue;
        if (!read_entry(tar, &text)) {
            buf_free(&text);
            return error_set(err, EXIT_GENERIC, "the archive is damaged at %s: %s", path, lib.archive_error_string(tar));
        }
        char *name = name_of_path(path);
        if (name)
            keep(archive, name, &text);
        else if (strcmp(path, "metadata.json") == 0 && !metadata->data)
            *metadata = text;
        else if (strcmp(path, "data") == 0 && !script->data)
            *script = text;
        else
            buf_free(&text);
        mem_free(name);
    }
    if (got != ARCHIVE_EOF)
        return error_set(err, EXIT_GENERIC, "the archive cannot be read: %s", lib.archive_error_string(tar));
    return metadata->data || error_set(err, EXIT_GENERIC, "this is no archive of a test: it has no metadata.json");
}

struct test_archive *test_archive_read(const char *data, size_t len, struct error *err)
{
    if (!load_library(err))
        return NULL;
    struct test_archive *archive = mem_zalloc(sizeof(*archive));
    struct archive *tar = lib.archive_read_new();
    struct buf metadata = {0}, script = {0};
    lib.archive_read_support_format_tar(tar);
    bool valid = lib.archive_read_open_memory(tar, data, len) == ARCHIVE_OK || error_set(err, EXIT_GENERIC, "this is no archive: %s", lib.archive_error_string(tar));
    valid = valid && read_entries(archive, tar, &metadata, &script, err) && read_metadata(archive, metadata.data, err);
    lib.archive_read_free(tar);
    if (valid && script.data && !map_has(&archive->files, path_of(archive->main_module), strlen(path_of(archive->main_module))))
        keep(archive, path_of(archive->main_module), &script);
    buf_free(&metadata);
    buf_free(&script);
    if (valid)
        return archive;
    test_archive_free(archive);
    return NULL;
}

/* ---- writing ---- */

struct writer {
    struct archive *tar;
    struct map names; /* path in the tar -> struct archived_file that is there */
    struct error *err;
    bool failed;
};

static la_ssize_t collect(struct archive *tar, void *arg, const void *data, size_t len)
{
    buf_add(arg, data, len);
    return (la_ssize_t)len;
}

static void add_file(struct writer *w, const char *path, const char *data, size_t len)
{
    const struct archived_file *old = map_get(&w->names, path, strlen(path));
    if (old && (old->len != len || memcmp(old->data, data, len) != 0))
        w->failed = !error_set(w->err, EXIT_GENERIC, "two different files would be %s in the archive, since the names of users are left out", path);
    if (old || w->failed)
        return;
    struct archived_file *file = mem_alloc(sizeof(*file));
    *file = (struct archived_file){(char *)(uintptr_t)data, len};
    map_set(&w->names, path, strlen(path), file);
    struct archive_entry *entry = lib.archive_entry_new();
    lib.archive_entry_set_pathname(entry, path);
    lib.archive_entry_set_size(entry, (la_int64_t)len);
    lib.archive_entry_set_filetype(entry, AE_IFREG);
    lib.archive_entry_set_perm(entry, 0644);
    lib.archive_entry_set_mtime(entry, 0, 0);
    bool written = lib.archive_write_header(w->tar, entry) == ARCHIVE_OK && lib.archive_write_data(w->tar, data, len) == (la_ssize_t)len;
    lib.archive_entry_free(entry);
    if (!written)
        w->failed = !error_set(w->err, EXIT_GENERIC, "cannot put %s into the archive: %s", path, lib.archive_error_string(w->tar));
}

static void add_stored(void *arg, const char *name, const char *data, size_t len)
{
    struct writer *w = arg;
    char *path;
    if (starts(name, "https://")) {
        path = mem_printf("https/%s", name + 8);
    } else {
        char *anonymous = files_anonymous_path(path_of(name));
        path = mem_printf("file%s", anonymous);
        mem_free(anonymous);
    }
    add_file(w, path, data, len);
    mem_free(path);
}

static char *metadata_of(const struct archive_contents *c)
{
    char dir[4096];
    char *main_path = files_anonymous_path(path_of(c->main_module));
    char *pwd = mem_printf("%s/", getcwd(dir, sizeof(dir)) ? dir : ""), *anonymous = files_anonymous_path(pwd);
    size_t pwd_len = strlen(anonymous) > 1 ? strlen(anonymous) - 1 : 1;
    char *filename = mem_printf("file://%s", main_path), *pwd_url = mem_printf("file://%.*s", (int)pwd_len, anonymous);
    json_t *env = json_object();
    for (size_t i = 0; i < c->env_count; i++)
        json_object_set_new(env, c->env[2 * i], json_string(c->env[2 * i + 1]));
    json_t *root = json_pack("{s:s,s:o,s:s,s:s,s:o,s:s,s:s,s:s,s:{}}", "type", "js", "options", json_loads(c->options_json, 0, NULL), "filename", filename, "pwd", pwd_url,
                             "env", env, "compatibilityMode", c->base_compatibility ? "base" : "extended", "k6version", "2.2.0", "goos", "linux", "dependencies");
    char *dumped = json_dumps(root, JSON_INDENT(2)), *text = mem_strdup(dumped);
    free(dumped);
    json_decref(root);
    mem_free(main_path);
    mem_free(pwd);
    mem_free(anonymous);
    mem_free(filename);
    mem_free(pwd_url);
    return text;
}

bool test_archive_write(struct buf *out, const struct archive_contents *c, struct error *err)
{
    if (!load_library(err))
        return false;
    struct writer w = {.tar = lib.archive_write_new(), .err = err};
    size_t script_len = 0;
    const char *script = files_module(c->files, c->main_module, &script_len, err);
    char *metadata = metadata_of(c);
    lib.archive_write_set_format_pax_restricted(w.tar);
    w.failed = !script || lib.archive_write_open(w.tar, out, NULL, collect, NULL) != ARCHIVE_OK;
    if (!w.failed)
        add_file(&w, "metadata.json", metadata, strlen(metadata));
    if (!w.failed)
        add_file(&w, "data", script, script_len);
    if (!w.failed)
        files_each(c->files, add_stored, &w);
    if (lib.archive_write_close(w.tar) != ARCHIVE_OK && !w.failed)
        w.failed = !error_set(err, EXIT_GENERIC, "cannot finish the archive: %s", lib.archive_error_string(w.tar));
    lib.archive_write_free(w.tar);
    map_free(&w.names, mem_free);
    mem_free(metadata);
    return !w.failed;
}
