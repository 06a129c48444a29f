/* SPDX-License-Identifier: Apache-2.0 */
/* Set-Cookie headers, one a line: what a jar takes it can send, without bytes that end a header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/text.h"
#include "http/cookie.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char where[] = "https://www.lab.example/a/b";
    struct url_table *table = url_table_new(1);
    const struct http_url *url = url_table_get(table, where, strlen(where), NULL);
    struct cookie_jar *jar = cookie_jar_new();
    struct text rest = {(const char *)data, size};
    while (rest.data) {
        struct text line = text_cut(rest, '\n', &rest);
        struct cookie *cookie;
        if (!cookie_parse(line.data, line.len, &cookie))
            continue;
        cookie_jar_set(jar, url, cookie, 1700000000);
        cookie_free(cookie);
    }
    struct buf header = {0};
    cookie_jar_add_to_header(jar, url, 1700000000, NULL, NULL, &header);
    for (size_t i = 0; i < header.len; i++)
        if ((unsigned char)header.data[i] < ' ' || header.data[i] == 0x7f)
            abort();
    buf_free(&header);
    cookie_jar_clear(jar, url);
    cookie_jar_free(jar);
    http_url_unref(url);
    url_table_free(table);
    return 0;
}
