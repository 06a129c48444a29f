/* SPDX-License-Identifier: Apache-2.0 */
/* A selector, a line end and a document: what a selector finds in valid JSON is valid JSON, and in other
 * text it does no harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/error.h"
#include "http/json_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = (const char *)data, *line_end = size ? memchr(path, '\n', size) : NULL;
    if (!line_end)
        return 0;
    const char *json = line_end + 1;
    size_t path_len = (size_t)(line_end - path), json_len = size - path_len - 1;
    struct error err = {0};
    struct buf out = {0};
    bool valid = json_check(json, json_len, &err);
    bool found = json_path_select(json, json_len, path, path_len, &out);
    if (!valid && !err.text)
        abort();
    if (valid && found && !json_check(out.data, out.len, NULL))
        abort();
    if (!found && out.len)
        abort();
    error_clear(&err);
    buf_free(&out);
    return 0;
}
