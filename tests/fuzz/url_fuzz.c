/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: what is accepted prints to a text that parses to itself; references resolve or are refused. The
 * input is a URL, a line end and a reference. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *line_end = size ? memchr(text, '\n', size) : NULL;
    size_t len = line_end ? (size_t)(line_end - text) : size;
    struct url_table *table = url_table_new(8);
    struct error err = {0};
    const struct http_url *url = url_table_get(table, text, len, &err);
    if (!url && (!err.text || !err.code))
        abort();
    error_clear(&err);
    if (url) {
        const struct http_url *again = url_table_get(table, url->text, strlen(url->text), NULL);
        /* Go prints some zones of IPv6 addresses in a form that it refuses to read */
        bool odd_zone = strchr(url->host, '%') != NULL;
        if ((!again && !odd_zone) || (again && strcmp(again->text, url->text) != 0))
            abort();
        if (url->path[0] != '/' || url->target[0] != '/')
            abort();
        http_url_unref(again);
        if (line_end)
            http_url_unref(url_table_resolve(table, url, line_end + 1, size - len - 1, &err));
        error_clear(&err);
    }
    http_url_unref(url);
    url_table_free(table);
    return 0;
}
