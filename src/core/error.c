/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

bool error_set(struct error *err, int code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    char *text = mem_vprintf(format, args);
    va_end(args);
    mem_free(err->text);
    err->text = text;
    err->code = code;
    return false;
}

void error_prefix(struct error *err, const char *format, ...)
{
    if (!err || !err->text)
        return;
    va_list args;
    va_start(args, format);
    char *prefix = mem_vprintf(format, args);
    va_end(args);
    char *text = mem_printf("%s: %s", prefix, err->text);
    mem_free(prefix);
    mem_free(err->text);
    err->text = text;
}

void error_clear(struct error *err)
{
    if (!err)
        return;
    mem_free(err->text);
    err->text = NULL;
    err->code = 0;
}

void error_move(struct error *to, struct error *from)
{
    if (to) {
        mem_free(to->text);
        *to = *from;
    } else {
        mem_free(from->text);
    }
    from->text = NULL;
    from->code = 0;
}
