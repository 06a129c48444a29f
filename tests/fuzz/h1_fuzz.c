/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 responses: the same bytes, whole and byte by byte, give the same result, and every byte is used
 * until the response ends. The first byte says whether it answers a HEAD request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "http/h1_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void see_head(void *arg, const char *head, size_t len)
{
    const char *name, *value;
    size_t at = 0, name_len, value_len, text_len;
    buf_add(arg, h1_status_text(head, len, &text_len), 0);
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len)) {
        buf_add(arg, name, name_len);
        buf_add(arg, value, value_len);
    }
}

static void see_body(void *arg, const char *data, size_t len)
{
    buf_add(arg, data, len);
}

static enum h1_state feed(struct buf *seen, bool is_head, const uint8_t *data, size_t size, size_t step)
{
    static const struct h1_events events = {see_head, see_body};
    struct h1_parser parser = {0};
    enum h1_state state;
    h1_init(&parser, is_head);
    for (size_t at = 0; at < size && parser.state != H1_DONE && parser.state != H1_FAILED;) {
        size_t part = step < size - at ? step : size - at;
        size_t used = h1_feed(&parser, (const char *)data + at, part, &events, seen);
        if (used > part || (used < part && parser.state != H1_DONE && parser.state != H1_FAILED))
            abort();
        at += used;
    }
    h1_end(&parser);
    state = parser.state == H1_DONE || parser.state == H1_FAILED ? parser.state : H1_HEAD;
    if (state == H1_FAILED && !parser.failure[0])
        abort();
    h1_fini(&parser);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct buf whole = {0}, bytes = {0};
    bool is_head = data[0] & 1;
    enum h1_state a = feed(&whole, is_head, data + 1, size - 1, size);
    enum h1_state b = feed(&bytes, is_head, data + 1, size - 1, 1);
    /* a broken response may be refused before its last bytes come, but never accepted one way only */
    if ((a == H1_DONE) != (b == H1_DONE))
        abort();
    if (a == H1_DONE && (whole.len != bytes.len || (whole.len && memcmp(whole.data, bytes.data, whole.len) != 0)))
        abort();
    buf_free(&whole);
    buf_free(&bytes);
    return 0;
}
