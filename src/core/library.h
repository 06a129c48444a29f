/* SPDX-License-Identifier: Apache-2.0 */
/* Shared libraries that are loaded when they are first needed: those that bring many others with them would slow the
 * start of every run down. */
#ifndef CORE_LIBRARY_H
#define CORE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct library_function {
    const char *name;
    void *to; /* the address of a pointer to a function of that name */
};

/* Loads the file and fills the pointers; stays loaded. False: it is not installed, or lacks one of them. A second time
 * does it again, at little cost. Any thread. */
bool library_load(const char *file, const struct library_function *functions, size_t count);

#endif
