/* SPDX-License-Identifier: Apache-2.0 */
#include "script/files.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/esbuild.h"
#include "script/remote.h"
#include "script/source_map.h"

struct stored {
    char *path; /* on disk; NULL: not from a file */
    char *data; /* NULL: it could not be read, failure says why */
    size_t len;
    char *failure;
    char *original; /* of a module that was not JavaScript; NULL: data */
    struct source_map *map;
    bool is_module, map_read, lent;
    int memory; /* the bytes as a file without a name, + 1; 0: not made */
};

#define PACKAGE_SUFFIX ".bundle.js"
#define PACKAGE_SUFFIX_LEN (sizeof(PACKAGE_SUFFIX) - 1)

struct files {
    pthread_mutex_t lock;
    struct map stored; /* module name or absolute path -> struct stored */
    json_t *imports, *scopes;
    bool frozen;
    char *sealed_pwd; /* not NULL: the store is an archive */
};

static void free_stored(void *value)
{
    struct stored *s = value;
    mem_free(s->path);
    if (!s->lent)
        mem_free(s->data);
    mem_free(s->failure);
    mem_free(s->original);
    source_map_free(s->map);
    if (s->memory)
        close(s->memory - 1);
    mem_free(s);
}

static bool read_import_map(struct files *files, const char *path, struct error *err)
{
    json_error_t where;
    json_t *root = json_load_file(path, 0, &where);
    if (!root)
        return error_set(err, EXIT_INVALID_CONFIG, "import map %s:%d:%d: %s", path, where.line, where.column, where.text);
    files->imports = json_incref(json_object_get(root, "imports"));
    files->scopes = json_incref(json_object_get(root, "scopes"));
    bool valid = json_is_object(root) && (!files->imports || json_is_object(files->imports));
    json_decref(root);
    if (!valid)
        return error_set(err, EXIT_INVALID_CONFIG, "import map %s: \"imports\" must be an object of specifiers to addresses", path);
    return true;
}

struct files *files_new(const char *import_map, struct error *err)
{
    struct files *files = mem_zalloc(sizeof(*files));
    pthread_mutex_init(&files->lock, NULL);
    if (import_map && !read_import_map(files, import_map, err)) {
        files_free(files);
        return NULL;
    }
    return files;
}

void files_free(struct files *files)
{
    if (!files)
        return;
    map_free(&files->stored, free_stored);
    json_decref(files->imports);
    json_decref(files->scopes);
    mem_free(files->sealed_pwd);
    pthread_mutex_destroy(&files->lock);
    mem_free(files);
}

void files_freeze(struct files *files)
{
    pthread_mutex_lock(&files->lock);
    files->frozen = true;
    pthread_mutex_unlock(&files->lock);
}

static struct stored *keep(struct files *files, const char *key, const char *path, char *data, size_t len)
{
    struct stored *s = mem_zalloc(sizeof(*s));
    s->path = path ? mem_strdup(path) : NULL;
    s->data = data;
    s->len = len;
    struct stored *old = map_set(&files->stored, key, strlen(key), s);
    if (old)
        free_stored(old);
    return s;
}

void files_put(struct files *files, const char *name, const char *text, size_t len)
{
    pthread_mutex_lock(&files->lock);
    keep(files, name, NULL, mem_strndup(text, len), len)->is_module = true;
    pthread_mutex_unlock(&files->lock);
}

void files_lend(struct files *files, const char *name, const char *data, size_t len)
{
    pthread_mutex_lock(&files->lock);
    keep(files, name, name[0] == '/' ? name : NULL, (char *)(uintptr_t)data, len)->lent = true;
    pthread_mutex_unlock(&files->lock);
}

void files_seal(struct files *files, const char *pwd)
{
    files->sealed_pwd = mem_strdup(pwd);
}

void files_each(struct files *files, void (*each)(void *arg, const char *name, const char *data, size_t len), void *arg)
{
    pthread_mutex_lock(&files->lock);
    for (struct map_entry *e = map_next(&files->stored, NULL); e; e = map_next(&files->stored, e)) {
        const struct stored *s = e->value;
        if (s->data)
            each(arg, e->key, s->original ? s->original : s->data, s->original ? strlen(s->original) : s->len);
    }
    pthread_mutex_unlock(&files->lock);
}

/* ---- paths ---- */

/* Joins and cleans a path: no "." or ".." or double slashes remain. */
static char *clean_path(const char *dir, const char *path)
{
    struct buf out = {0};
    struct text parts[2] = {path[0] == '/' ? (struct text){"", 0} : text_of(dir), text_of(path)};
    for (int i = 0; i < 2; i++) {
        for (struct text left = parts[i], rest; left.data; left = rest) {
            struct text part = text_cut(left, '/', &rest);
            if (part.len == 0 || text_equal(part, TEXT(".")))
                continue;
            if (text_equal(part, TEXT(".."))) {
                while (out.len && out.data[--out.len] != '/')
                    ;
                continue;
            }
            buf_add_char(&out, '/');
            buf_add(&out, part.data, part.len);
        }
    }
    if (out.len == 0)
        buf_add_char(&out, '/');
    else
        buf_added(&out, 0);
    return buf_take(&out);
}

static char *working_dir(void)
{
    char *dir = getcwd(NULL, 0);
    return dir ? dir : mem_strdup("/");
}

/* The folder that relative names in a module refer to: its path up to the last slash. */
static char *dir_of(const struct files *files, const char *module)
{
    const char *path = module && strncmp(module, "file://", 7) == 0 ? module + 7 : NULL, *slash = path ? strrchr(path, '/') : NULL;
    if (slash)
        return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    return files->sealed_pwd ? mem_strdup(files->sealed_pwd) : working_dir();
}

/* Behind /home/, /Users/ or /C:/Users/: where a user's name begins; NULL elsewhere. */
static const char *user_in(const char *path)
{
    bool drive = path[0] == '/' && path[1] && path[2] == ':';
    const char *rest = drive ? path + 3 : path;
    if (strncmp(rest, "/Users/", 7) == 0)
        return rest + 7;
    return strncmp(path, "/home/", 6) == 0 ? path + 6 : NULL;
}

char *files_anonymous_path(const char *path)
{
    const char *user = user_in(path), *slash = user ? strchr(user, '/') : NULL;
    return slash ? mem_printf("%.*snobody%s", (int)(user - path), path, slash) : mem_strdup(path);
}

char *files_url_of_path(const char *path)
{
    char *dir = working_dir(), *clean = clean_path(dir, path);
    char *url = mem_printf("file://%s", clean);
    mem_free(dir);
    mem_free(clean);
    return url;
}

/* ---- resolving ---- */

/* The longest key that is the specifier, or ends with '/' and begins it. */
static char *mapped(json_t *imports, const char *specifier)
{
    const char *key, *best_key = NULL, *best = NULL;
    json_t *value;
    json_object_foreach(imports, key, value) {
        size_t len = strlen(key);
        bool fits = strcmp(key, specifier) == 0 || (len && key[len - 1] == '/' && strncmp(key, specifier, len) == 0);
        if (fits && json_is_string(value) && (!best_key || len > strlen(best_key))) {
            best_key = key;
            best = json_string_value(value);
        }
    }
    return best ? mem_printf("%s%s", best, specifier + strlen(best_key)) : NULL;
}

static char *map_specifier(struct files *files, const char *base, const char *specifier)
{
    const char *prefix;
    json_t *imports;
    if (base && files->scopes) {
        json_object_foreach(files->scopes, prefix, imports) {
            if (strncmp(base, prefix, strlen(prefix)) != 0)
                continue;
            char *to = mapped(imports, specifier);
            if (to)
                return to;
        }
    }
    return files->imports ? mapped(files->imports, specifier) : NULL;
}

static bool has_scheme(const char *specifier, const char *scheme)
{
    return strncmp(specifier, scheme, strlen(scheme)) == 0;
}

static bool is_relative(const char *specifier)
{
    return specifier[0] == '/' || has_scheme(specifier, "./") || has_scheme(specifier, "../") ||
           strcmp(specifier, ".") == 0 || strcmp(specifier, "..") == 0;
}

/* A package of a node_modules folder, or of one that an archive was made from, as a module name. */
static char *find_package(struct files *files, const char *base, const char *name)
{
    char *folder = dir_of(files, base), *found = NULL;
    if (!files->sealed_pwd) {
        char *home = esbuild_find_package(folder, name);
        found = home ? mem_printf("file://%s/node_modules/%s" PACKAGE_SUFFIX, home, name) : NULL;
        mem_free(home);
        mem_free(folder);
        return found;
    }
    pthread_mutex_lock(&files->lock);
    for (char *slash = folder + strlen(folder); slash && !found; slash = strrchr(folder, '/')) {
        *slash = 0;
        char *path = mem_printf("%s/node_modules/%s" PACKAGE_SUFFIX, folder, name), *key = files_anonymous_path(path);
        if (map_get(&files->stored, key, strlen(key)))
            found = mem_printf("file://%s", path);
        mem_free(key);
        mem_free(path);
    }
    pthread_mutex_unlock(&files->lock);
    mem_free(folder);
    return found;
}

static char *resolve_mapped(struct files *files, const char *base, const char *specifier, struct error *err)
{
    if (strcmp(specifier, "k6") == 0 || has_scheme(specifier, "k6/"))
        return mem_strdup(specifier);
    if (has_scheme(specifier, "https://"))
        return mem_strdup(specifier);
    bool remote_base = base && has_scheme(base, "https://");
    if (has_scheme(specifier, "file://")) {
        if (remote_base) {
            error_set(err, EXIT_SCRIPT_EXCEPTION, "%s may not import the local file %s", base, specifier);
            return NULL;
        }
        return files_url_of_path(specifier + 7);
    }
    if (is_relative(specifier) && remote_base)
        return remote_resolve(base, specifier, err);
    if (is_relative(specifier)) {
        char *dir = dir_of(files, base), *path = clean_path(dir, specifier);
        char *url = mem_printf("file://%s", path);
        mem_free(dir);
        mem_free(path);
        return url;
    }
    char *package = remote_base || strstr(specifier, "://") ? NULL : find_package(files, base, specifier);
    if (package)
        return package;
    if (strstr(specifier, "://"))
        error_set(err, EXIT_SCRIPT_EXCEPTION, "the module specifier \"%s\" has a scheme that is not supported: only file:// and https:// are", specifier);
    else
        error_set(err, EXIT_SCRIPT_EXCEPTION,
                  "the module specifier \"%s\" couldn't be recognised: a local file begins with \"./\", \"../\" or \"/\", a "
                  "k6 module with \"k6\"; other names need a package in node_modules or an entry in an import map (--import-map FILE)", specifier);
    return NULL;
}

char *files_resolve(struct files *files, const char *base, const char *specifier, struct error *err)
{
    char *to = map_specifier(files, base, specifier);
    char *name = resolve_mapped(files, to ? NULL : base, to ? to : specifier, err);
    mem_free(to);
    return name;
}

/* ---- reading ---- */

static char *read_whole(const char *path, size_t *len, struct error *err)
{
    struct stat info;
    FILE *file = fopen(path, "rbe");
    if (!file || fstat(fileno(file), &info) != 0) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "open %s: %s", path, errno == ENOENT ? "no such file or directory" : strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    if (S_ISDIR(info.st_mode)) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "open %s: is a directory", path);
        fclose(file);
        return NULL;
    }
    struct buf data = {0};
    size_t got;
    do {
        char *to = buf_reserve(&data, 1 << 16);
        got = fread(to, 1, 1 << 16, file);
        buf_added(&data, got);
    } while (got);
    fclose(file);
    *len = data.len;
    return buf_take(&data);
}

/* "/folder/node_modules/name.bundle.js": a package, which has no such file. */
static bool is_package(const char *path)
{
    size_t len = strlen(path);
    return len > PACKAGE_SUFFIX_LEN && strcmp(path + len - PACKAGE_SUFFIX_LEN, PACKAGE_SUFFIX) == 0 && strstr(path, "/node_modules/");
}

static char *load_package(const char *path, size_t *len, struct error *err)
{
    const char *name = strstr(path, "/node_modules/");
    char *folder = mem_strndup(path, (size_t)(name - path));
    char *package = mem_strndup(name + 14, strlen(name + 14) - PACKAGE_SUFFIX_LEN);
    char *data = esbuild_package(folder, package, len, err);
    mem_free(package);
    mem_free(folder);
    return data;
}

/* A module's name, not a data file's: open() keys its files by their path. */
static bool is_typescript(const char *key)
{
    size_t len = strlen(key);
    return has_scheme(key, "file://") && len > 3 && strcmp(key + len - 3, ".ts") == 0;
}

/* With the lock held: an archive has TypeScript as it was written; the JavaScript goes under the module's name. */
static struct stored *load_sealed_typescript(struct files *files, const char *key, const char *path, const struct stored *source, struct error *err)
{
    struct stored *s = map_get(&files->stored, key, strlen(key));
    size_t len;
    char *data = s ? NULL : esbuild_typescript(path, source->data, source->len, &len, err);
    if (!data)
        return s;
    s = keep(files, key, NULL, data, len);
    s->original = mem_strndup(source->data, source->len);
    return s;
}

/* With the lock held: what an archive has under the name. */
static struct stored *load_sealed(struct files *files, const char *key, struct error *err)
{
    char *name = has_scheme(key, "https://") ? mem_strdup(key) : files_anonymous_path(has_scheme(key, "file://") ? key + 7 : key);
    struct stored *s = map_get(&files->stored, name, strlen(name));
    if (!s)
        error_set(err, EXIT_SCRIPT_EXCEPTION, "%s is not in the archive", name);
    else if (is_typescript(key))
        s = load_sealed_typescript(files, key, name, s, err);
    mem_free(name);
    return s;
}

/* With the lock held. */
static struct stored *load(struct files *files, const char *key, const char *path, struct error *err)
{
    if (files->sealed_pwd)
        return load_sealed(files, key, err);
    struct stored *s = map_get(&files->stored, key, strlen(key));
    if (s && s->data)
        return s;
    if (s && files->frozen) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "%s", s->failure);
        return NULL;
    }
    if (files->frozen) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "%s was not opened in the first init context, so it can't be opened now", path);
        return NULL;
    }
    size_t len = 0;
    char *data, *original = NULL;
    if (path && is_package(path))
        data = load_package(path, &len, err);
    else if (path)
        data = read_whole(path, &len, err);
    else
        data = remote_fetch(key, &len, err);
    if (data && is_typescript(key)) {
        original = data;
        data = esbuild_typescript(path, original, len, &len, err);
    }
    s = keep(files, key, path, data, len);
    s->original = original;
    if (data)
        return s;
    if (err)
        s->failure = mem_strdup(err->text);
    return NULL;
}

const char *files_module(struct files *files, const char *name, size_t *len, struct error *err)
{
    const char *path = has_scheme(name, "file://") ? name + 7 : NULL;
    pthread_mutex_lock(&files->lock);
    struct stored *s = load(files, name, path, err);
    if (s)
        s->is_module = true;
    pthread_mutex_unlock(&files->lock);
    if (!s)
        return NULL;
    *len = s->len;
    return s->data;
}

const char *files_open(struct files *files, const char *base, const char *path, size_t *len, const char **full_path, struct error *err)
{
    if (!path[0]) {
        error_set(err, EXIT_SCRIPT_EXCEPTION, "open() can't be used with an empty filename");
        return NULL;
    }
    if (has_scheme(path, "file://"))
        path += 7;
    char *dir = dir_of(files, base), *full = clean_path(dir, path);
    mem_free(dir);
    pthread_mutex_lock(&files->lock);
    struct stored *s = load(files, full, full, err);
    pthread_mutex_unlock(&files->lock);
    mem_free(full);
    if (!s)
        return NULL;
    *len = s->len;
    if (full_path)
        *full_path = s->path;
    return s->data;
}

static bool make_memory(struct stored *s)
{
    int fd = memfd_create("opened", MFD_CLOEXEC);
    size_t done = 0;
    while (fd >= 0 && done < s->len) {
        ssize_t written = write(fd, s->data + done, s->len - done);
        if (written <= 0) {
            close(fd);
            return false;
        }
        done += (size_t)written;
    }
    s->memory = fd + 1;
    return fd >= 0;
}

void *files_private_mapping(struct files *files, const char *full_path)
{
    void *mapping = MAP_FAILED;
    pthread_mutex_lock(&files->lock);
    struct stored *s = map_get(&files->stored, full_path, strlen(full_path));
    if (s && s->data && s->len && (s->memory || make_memory(s)))
        mapping = mmap(NULL, s->len, PROT_READ | PROT_WRITE, MAP_PRIVATE, s->memory - 1, 0);
    pthread_mutex_unlock(&files->lock);
    return mapping == MAP_FAILED ? NULL : mapping;
}

/* ---- a script from standard input ---- */

void files_put_script(struct files *files, const char *name, const char *text, size_t len)
{
    size_t made_len;
    const char *path = has_scheme(name, "file://") ? name + 7 : name;
    char *made = esbuild_typescript(path, text, len, &made_len, NULL);
    if (!made) {
        files_put(files, name, text, len);
        return;
    }
    pthread_mutex_lock(&files->lock);
    struct stored *s = keep(files, name, NULL, made, made_len);
    s->original = mem_strndup(text, len);
    s->is_module = true;
    pthread_mutex_unlock(&files->lock);
}

/* ---- source maps ---- */

const char *files_original(struct files *files, const char *name)
{
    pthread_mutex_lock(&files->lock);
    struct stored *s = map_get(&files->stored, name, strlen(name));
    pthread_mutex_unlock(&files->lock);
    return s ? s->original ? s->original : s->data : NULL;
}

/* A relative path against a file's. */
static char *path_beside(const char *file, const char *relative)
{
    const char *slash = strrchr(file, '/');
    char *dir = mem_strndup(file, slash ? (size_t)(slash - file) : 0), *path = clean_path(dir, relative);
    mem_free(dir);
    return path;
}

/* The map that a module's last lines name: within the text, or a file beside it. */
static struct source_map *read_map(const struct stored *s)
{
    static const char mark[] = "\n//# sourceMappingURL=", inline_mark[] = "data:application/json;base64,";
    const char *at = NULL;
    for (const char *next = s->data; next && (next = strstr(next, mark)) != NULL; next++)
        at = next;
    if (!at)
        return NULL;
    struct text url = text_trim(text_of(at + sizeof(mark) - 1));
    struct source_map *map = NULL;
    struct buf json = {0};
    if (text_starts(url, inline_mark)) {
        if (base64_decode(&json, url.data + sizeof(inline_mark) - 1, url.len - (sizeof(inline_mark) - 1), BASE64_STD))
            map = source_map_read(json.data ? json.data : "", json.len);
        buf_free(&json);
    } else if (s->path && url.len < 1024) {
        size_t len;
        char *relative = mem_strndup(url.data, url.len), *path = path_beside(s->path, relative), *text = read_whole(path, &len, NULL);
        if (text)
            map = source_map_read(text, len);
        mem_free(text);
        mem_free(path);
        mem_free(relative);
    }
    return map;
}

char *files_place(struct files *files, const char *name, int *line, int *column)
{
    const char *source = NULL;
    char *result = NULL;
    pthread_mutex_lock(&files->lock);
    struct stored *s = map_get(&files->stored, name, strlen(name));
    if (s && s->data && !s->map_read) {
        s->map_read = true;
        s->map = read_map(s);
    }
    if (s && s->map && source_map_find(s->map, *line, *column, &source, line, column)) {
        if (s->original || !source || !s->path) {
            result = mem_strdup(name);
        } else {
            char *path = path_beside(s->path, source);
            result = files_url_of_path(path);
            mem_free(path);
        }
    }
    pthread_mutex_unlock(&files->lock);
    return result;
}

/* ---- does the script patch built-ins? ---- */

static const char *const builtin_names[] = {
    "Array", "Object", "String", "Number", "Boolean", "Function", "Promise", "Date", "RegExp", "Map", "Set", "WeakMap", "WeakSet",
    "Error", "TypeError", "RangeError", "Symbol", "Math", "JSON", "Reflect", "console", "BigInt", "ArrayBuffer", "DataView", "Uint8Array",
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* After a built-in's name: ".prototype" at most, one member, and an assignment. */
static bool is_assignment_to_member(const char *at)
{
    if (strncmp(at, ".prototype", 10) == 0 && !is_word(at[10]))
        at += 10;
    if (*at == '.') {
        at++;
        while (is_word(*at))
            at++;
    } else if (*at == '[') {
        while (*at && *at != ']' && *at != '\n')
            at++;
        if (*at == ']')
            at++;
    } else {
        return false;
    }
    while (*at == ' ' || *at == '\t')
        at++;
    if (*at == '?' || *at == '|' || *at == '&' || *at == '+')
        at += at[1] == at[0] ? 2 : 1;
    return at[0] == '=' && at[1] != '=' && at[1] != '>';
}

static bool is_argument_of_definer(const char *text, const char *at)
{
    static const char *const definers[] = {"defineProperty(", "defineProperties(", "assign(", "setPrototypeOf("};
    for (size_t i = 0; i < sizeof(definers) / sizeof(definers[0]); i++) {
        size_t len = strlen(definers[i]);
        if ((size_t)(at - text) >= len && strncmp(at - len, definers[i], len) == 0)
            return true;
    }
    return false;
}

static bool patches_builtins(const char *text)
{
    for (size_t i = 0; i < sizeof(builtin_names) / sizeof(builtin_names[0]); i++) {
        size_t len = strlen(builtin_names[i]);
        for (const char *at = strstr(text, builtin_names[i]); at; at = strstr(at + len, builtin_names[i])) {
            if ((at > text && (is_word(at[-1]) || at[-1] == '.')) || is_word(at[len]))
                continue;
            if (is_assignment_to_member(at + len) || is_argument_of_definer(text, at))
                return true;
        }
    }
    return false;
}

bool files_patch_builtins(struct files *files)
{
    bool found = false;
    pthread_mutex_lock(&files->lock);
    for (struct map_entry *e = map_next(&files->stored, NULL); e && !found; e = map_next(&files->stored, e)) {
        struct stored *s = e->value;
        found = s->is_module && s->data && patches_builtins(s->data);
    }
    pthread_mutex_unlock(&files->lock);
    return found;
}
