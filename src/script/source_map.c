/* SPDX-License-Identifier: Apache-2.0 */
#include "script/source_map.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "core/mem.h"

struct mapping {
    int line, column; /* generated, from 0 */
    int source, source_line, source_column;
};

struct source_map {
    struct mapping *mappings;
    size_t count, cap;
    char **sources;
    size_t source_count;
};

static int digit_of(char c)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : -1;
}

/* One base64 VLQ number; false at a character that is none. */
static bool read_number(const char **at, int *number)
{
    uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 5) {
        int digit = digit_of(**at);
        if (digit < 0)
            return false;
        (*at)++;
        value |= (uint32_t)(digit & 31) << shift;
        if (!(digit & 32)) {
            *number = value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
            return true;
        }
    }
    return false;
}

static bool read_mappings(struct source_map *map, const char *at)
{
    struct mapping m = {0};
    int name = 0, by;
    while (*at) {
        if (*at == ';') {
            m.line++;
            m.column = 0;
            at++;
        } else if (*at == ',') {
            at++;
        } else {
            if (!read_number(&at, &by))
                return false;
            m.column += by;
            if (!*at || *at == ',' || *at == ';')
                continue; /* generated code without a source */
            int *fields[] = {&m.source, &m.source_line, &m.source_column};
            for (int i = 0; i < 3; i++) {
                if (!read_number(&at, &by))
                    return false;
                *fields[i] += by;
            }
            if (*at && *at != ',' && *at != ';' && !read_number(&at, &name))
                return false;
            mem_grow(&map->mappings, &map->cap, map->count + 1, sizeof(map->mappings[0]));
            map->mappings[map->count++] = m;
        }
    }
    return true;
}

struct source_map *source_map_read(const char *json, size_t len)
{
    json_t *root = json_loadb(json, len, 0, NULL), *sources = json_object_get(root, "sources");
    const char *mappings = json_string_value(json_object_get(root, "mappings"));
    struct source_map *map = NULL;
    if (mappings && json_integer_value(json_object_get(root, "version")) == 3) {
        map = mem_zalloc(sizeof(*map));
        map->source_count = json_array_size(sources);
        map->sources = mem_zalloc((map->source_count + 1) * sizeof(map->sources[0]));
        for (size_t i = 0; i < map->source_count; i++) {
            const char *name = json_string_value(json_array_get(sources, i));
            map->sources[i] = name ? mem_strdup(name) : NULL;
        }
        if (!read_mappings(map, mappings)) {
            source_map_free(map);
            map = NULL;
        }
    }
    json_decref(root);
    return map;
}

void source_map_free(struct source_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->source_count; i++)
        mem_free(map->sources[i]);
    mem_free(map->sources);
    mem_free(map->mappings);
    mem_free(map);
}

bool source_map_find(const struct source_map *map, int line, int column, const char **source, int *source_line, int *source_column)
{
    const struct mapping *best = NULL;
    size_t low = 0, high = map->count;
    while (low < high) { /* the last mapping at or before the place: they are in order */
        size_t middle = low + (high - low) / 2;
        const struct mapping *m = &map->mappings[middle];
        if (m->line < line - 1 || (m->line == line - 1 && m->column <= column - 1)) {
            best = m;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!best || best->line != line - 1)
        return false;
    *source = best->source >= 0 && (size_t)best->source < map->source_count ? map->sources[best->source] : NULL;
    *source_line = best->source_line + 1;
    *source_column = best->source_column + 1;
    return true;
}
