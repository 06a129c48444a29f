/* SPDX-License-Identifier: Apache-2.0 */
#include "core/library.h"

#include <dlfcn.h>

bool library_load(const char *file, const struct library_function *functions, size_t count)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    bool complete = library != NULL;
    for (size_t i = 0; i < count && complete; i++) {
        *(void **)functions[i].to = dlsym(library, functions[i].name);
        complete = *(void **)functions[i].to != NULL;
    }
    return complete;
}
