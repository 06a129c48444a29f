/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory. Running out of memory is a bug of the machine, not an error to handle: these functions
 * never return NULL, they end the process with a message. Any thread. */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t bytes);
void *mem_zalloc(size_t bytes);
void *mem_realloc(void *old, size_t bytes);
/* An array of count elements of size bytes each; ends the process when the product overflows. */
void *mem_array(size_t count, size_t size);
void *mem_dup(const void *data, size_t bytes);
char *mem_strdup(const char *text);
/* Copies len bytes and adds the terminating zero. */
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* Takes NULL. */
void mem_free(void *memory);

/* Grows *array (elements of size bytes) so that it holds at least need elements; *cap is in elements. */
void mem_grow(void *array_pointer, size_t *cap, size_t need, size_t size);

#endif
