/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *memory, size_t bytes)
{
    if (memory || bytes == 0)
        return memory;
    static const char text[] = "ltlab: out of memory\n";
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        abort();
    abort();
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes), bytes);
}

void *mem_zalloc(size_t bytes)
{
    return checked(calloc(1, bytes), bytes);
}

void *mem_realloc(void *old, size_t bytes)
{
    return checked(realloc(old, bytes), bytes);
}

void *mem_array(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return checked(NULL, SIZE_MAX);
    return mem_alloc(bytes);
}

void *mem_dup(const void *data, size_t bytes)
{
    void *copy = mem_alloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_vprintf(const char *format, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    return checked(len < 0 ? NULL : text, 1);
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    return text;
}

void mem_free(void *memory)
{
    free(memory);
}

void mem_grow(void *array_pointer, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return;
    size_t grown = *cap ? *cap * 2 : 8;
    if (grown < need)
        grown = need;
    size_t bytes;
    if (__builtin_mul_overflow(grown, size, &bytes))
        checked(NULL, SIZE_MAX);
    void *array;
    memcpy(&array, array_pointer, sizeof(array));
    array = mem_realloc(array, bytes);
    memcpy(array_pointer, &array, sizeof(array));
    *cap = grown;
}
