/* SPDX-License-Identifier: Apache-2.0 */
#include "http/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "core/buf.h"
#include "core/mem.h"
#include "http/url.h"

static int compare_keys(const struct form_pair *a, const struct form_pair *b)
{
    size_t shorter = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = shorter ? memcmp(a->key, b->key, shorter) : 0;
    return order ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int compare_slots(const void *a, const void *b)
{
    const struct form_pair *x = *(const struct form_pair *const *)a, *y = *(const struct form_pair *const *)b;
    int order = compare_keys(x, y);
    return order ? order : (x > y) - (x < y);
}

void form_encode(struct buf *out, const struct form_pair *pairs, size_t count)
{
    if (count == 0)
        return;
    const struct form_pair **sorted = mem_array(count, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &pairs[i];
    qsort(sorted, count, sizeof(*sorted), compare_slots);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, '&');
        http_query_escape(out, sorted[i]->key, sorted[i]->key_len);
        buf_add_char(out, '=');
        http_query_escape(out, sorted[i]->value, sorted[i]->value_len);
    }
    mem_free(sorted);
}

void form_boundary(char boundary[FORM_BOUNDARY_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[FORM_BOUNDARY_LEN / 2];
    if (RAND_bytes(random, sizeof(random)) != 1)
        abort(); /* no randomness in this system: nothing that needs TLS or nonces can work either */
    for (size_t i = 0; i < sizeof(random); i++) {
        boundary[2 * i] = digits[random[i] >> 4];
        boundary[2 * i + 1] = digits[random[i] & 15];
    }
    boundary[FORM_BOUNDARY_LEN] = 0;
}

/* A name inside the quotes of Content-Disposition. Line ends go as the WHATWG form rules have it; they
 * would end the header. */
static void add_escaped(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '\\':
            buf_add(out, "\\\\", 2);
            break;
        case '"':
            buf_add(out, "\\\"", 2);
            break;
        case '\r':
            buf_add(out, "%0D", 3);
            break;
        case '\n':
            buf_add(out, "%0A", 3);
            break;
        default:
            buf_add_char(out, text[i]);
        }
    }
}

static void add_part(struct buf *out, const struct form_part *part)
{
    buf_add_text(out, "Content-Disposition: form-data; name=\"");
    add_escaped(out, part->name, part->name_len);
    if (part->filename) {
        buf_add_text(out, "\"; filename=\"");
        add_escaped(out, part->filename, part->filename_len);
    }
    buf_add_text(out, "\"\r\n");
    if (part->content_type || part->filename) {
        buf_add_text(out, "Content-Type: ");
        if (part->content_type && part->content_type_len)
            buf_add(out, part->content_type, part->content_type_len);
        else
            buf_add_text(out, "application/octet-stream");
        buf_add_text(out, "\r\n");
    }
    buf_add_text(out, "\r\n");
    buf_add(out, part->data, part->len);
    buf_add_text(out, "\r\n");
}

void form_write_multipart(struct buf *out, const char *boundary, const struct form_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, "--");
        buf_add_text(out, boundary);
        buf_add_text(out, "\r\n");
        add_part(out, &parts[i]);
    }
    buf_add_text(out, "--");
    buf_add_text(out, boundary);
    buf_add_text(out, "--\r\n");
}

void form_multipart_type(struct buf *out, const char *boundary)
{
    buf_add_text(out, "multipart/form-data; boundary=");
    buf_add_text(out, boundary);
}
