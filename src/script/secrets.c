/* SPDX-License-Identifier: Apache-2.0 */
#include "script/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/map.h"
#include "core/mem.h"
#include "core/text.h"

struct secret_source {
    char *name;
    bool is_default;
    struct map values;
};

struct secrets {
    struct secret_source *sources;
    size_t count;
};

static void add_value(struct secret_source *source, struct text key, struct text value)
{
    mem_free(map_set(&source->values, key.data, key.len, mem_strndup(value.data ? value.data : "", value.len)));
}

static bool read_file(struct secret_source *source, const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, EXIT_GENERIC, "the secret source's file %s couldn't be read: %s", path, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    for (int number = 1; (len = getline(&line, &room, file)) >= 0; number++) {
        if (len && line[len - 1] == '\n')
            len--;
        if (!len)
            continue;
        struct text value, key = text_cut((struct text){line, (size_t)len}, '=', &value);
        if (!value.data && !memchr(line, '=', (size_t)len)) {
            error_set(err, EXIT_INVALID_CONFIG, "%s:%d: a line of secrets must be key=value", path, number);
            break;
        }
        add_value(source, key, value);
    }
    free(line);
    fclose(file);
    return !err->text;
}

/* One part between commas: name=..., default, and what the type knows. */
static bool read_part(struct secret_source *source, const char *type, struct text part, char **path, struct error *err)
{
    struct text value, key = text_cut(part, '=', &value);
    bool has_value = memchr(part.data, '=', part.len) != NULL;
    if (has_value && text_equal(key, TEXT("name"))) {
        mem_free(source->name);
        source->name = mem_strndup(value.data, value.len);
    } else if (!has_value && text_equal(key, TEXT("default"))) {
        source->is_default = true;
    } else if (strcmp(type, "mock") == 0 && has_value) {
        add_value(source, key, value);
    } else if (strcmp(type, "file") == 0 && (!has_value || text_equal(key, TEXT("filename"))) && !*path) {
        struct text name = has_value ? value : part;
        *path = mem_strndup(name.data, name.len);
    } else {
        return error_set(err, EXIT_INVALID_CONFIG, "invalid argument \"%.*s\" of the secret source '%s'", (int)part.len, part.data, type);
    }
    return true;
}

static bool read_spec(struct secret_source *source, const char *spec, struct error *err)
{
    struct text args, type = text_cut(text_of(spec), '=', &args), rest = args;
    char *kind = mem_strndup(type.data, type.len), *path = NULL;
    bool read = true;
    if (strcmp(kind, "file") != 0 && strcmp(kind, "mock") != 0)
        read = error_set(err, EXIT_INVALID_CONFIG, "invalid secret source '%s': ltlab knows file=PATH and mock=key=value", kind);
    while (read && rest.data && rest.len) {
        struct text next, part = text_cut(rest, ',', &next);
        read = read_part(source, kind, part, &path, err);
        rest = next;
    }
    if (read && strcmp(kind, "file") == 0)
        read = path ? read_file(source, path, err) : error_set(err, EXIT_INVALID_CONFIG, "the secret source 'file' needs a path: --secret-source=file=PATH");
    mem_free(path);
    mem_free(kind);
    return read;
}

static bool check_names(const struct secrets *secrets, struct error *err)
{
    size_t defaults = 0;
    for (size_t i = 0; i < secrets->count; i++) {
        defaults += secrets->sources[i].is_default;
        for (size_t k = 0; k < i; k++)
            if (strcmp(secrets->sources[i].name, secrets->sources[k].name) == 0)
                return error_set(err, EXIT_INVALID_CONFIG, "two secret sources are named \"%s\": give each a name=", secrets->sources[i].name);
    }
    if (defaults > 1)
        return error_set(err, EXIT_INVALID_CONFIG, "only one secret source can be the default");
    return true;
}

struct secrets *secrets_new(const char *const *specs, size_t count, struct error *err)
{
    struct secrets *secrets = mem_zalloc(sizeof(*secrets));
    secrets->sources = mem_zalloc((count + 1) * sizeof(secrets->sources[0]));
    secrets->count = count;
    bool read = true;
    for (size_t i = 0; i < count && read; i++) {
        secrets->sources[i].name = mem_strdup("default");
        read = read_spec(&secrets->sources[i], specs[i], err);
    }
    if (read && count == 1)
        secrets->sources[0].is_default = true;
    if (read && check_names(secrets, err))
        return secrets;
    secrets_free(secrets);
    return NULL;
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    for (size_t i = 0; i < secrets->count; i++) {
        mem_free(secrets->sources[i].name);
        map_free(&secrets->sources[i].values, mem_free);
    }
    mem_free(secrets->sources);
    mem_free(secrets);
}

const struct secret_source *secrets_find(const struct secrets *secrets, const char *name, struct error *err)
{
    for (size_t i = 0; i < secrets->count; i++)
        if (name ? strcmp(secrets->sources[i].name, name) == 0 : secrets->sources[i].is_default)
            return &secrets->sources[i];
    if (!secrets->count)
        error_set(err, 0, "no secret sources are configured: name one with --secret-source");
    else if (name)
        error_set(err, 0, "no secret source with the name '%s'", name);
    else
        error_set(err, 0, "no secret source is the default: add ,default to one, or use secrets.source(name)");
    return NULL;
}

const char *secret_get(const struct secret_source *source, const char *key)
{
    return map_get(&source->values, key, strlen(key));
}
