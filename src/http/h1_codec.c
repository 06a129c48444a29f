/* SPDX-License-Identifier: Apache-2.0 */
/* A head that comes in one piece, as nearly all do, is parsed where it lies. */
#include "http/h1_codec.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "http/header.h"

#define MAX_INTERIM 5

void h1_init(struct h1_parser *p, bool is_head_request)
{
    struct buf head = p->head;
    *p = (struct h1_parser){.is_head_request = is_head_request, .head = head};
    buf_clear(&p->head);
}

void h1_fini(struct h1_parser *p)
{
    buf_free(&p->head);
}

static void fail(struct h1_parser *p, const char *why, const char *what, size_t len)
{
    p->state = H1_FAILED;
    p->keep_alive = false;
    if (len > 40)
        len = 40;
    char shown[41];
    for (size_t i = 0; i < len; i++)
        shown[i] = what[i] >= 0x20 && what[i] < 0x7f && what[i] != '"' ? what[i] : '.';
    shown[len] = '\0';
    if (len)
        snprintf(p->failure, sizeof(p->failure), "net/http: HTTP/1.x transport connection broken: %s \"%s\"", why, shown);
    else
        snprintf(p->failure, sizeof(p->failure), "net/http: HTTP/1.x transport connection broken: %s", why);
}

/* ---- heads ---- */

static size_t line_length(const char *data, size_t len)
{
    size_t line = 0;
    while (line < len && data[line] != '\r' && data[line] != '\n')
        line++;
    return line;
}

static bool is_token_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}

const char *h1_status_text(const char *head, size_t len, size_t *text_len)
{
    const char *space = memchr(head, ' ', len), *end = memchr(head, '\n', len);
    if (!space || !end || space > end) {
        *text_len = 0;
        return "";
    }
    while (space < end && *space == ' ')
        space++;
    while (end > space && (end[-1] == '\r' || end[-1] == ' '))
        end--;
    *text_len = (size_t)(end - space);
    return space;
}

bool h1_next_header(const char *head, size_t len, size_t *at, const char **name, size_t *name_len, const char **value, size_t *value_len)
{
    if (*at == 0) {
        const char *end = memchr(head, '\n', len);
        *at = end ? (size_t)(end - head) + 1 : len;
    }
    if (*at >= len)
        return false;
    const char *line = head + *at, *end = memchr(line, '\n', len - *at);
    if (!end)
        return false;
    *at = (size_t)(end - head) + 1;
    if (end > line && end[-1] == '\r')
        end--;
    const char *colon = end > line ? memchr(line, ':', (size_t)(end - line)) : NULL;
    if (!colon)
        return false;
    *name = line;
    *name_len = (size_t)(colon - line);
    colon++;
    while (colon < end && (*colon == ' ' || *colon == '\t'))
        colon++;
    while (end > colon && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = colon;
    *value_len = (size_t)(end - colon);
    return true;
}

static bool name_is(const char *name, size_t len, const char *want)
{
    return text_equal_nocase((struct text){name, len}, text_of(want));
}

static bool read_status_line(struct h1_parser *p, const char *head, size_t len)
{
    size_t line = line_length(head, len);
    bool valid = line >= 12 && memcmp(head, "HTTP/1.", 7) == 0 && (head[7] == '0' || head[7] == '1') && head[8] == ' ';
    for (size_t i = 9; valid && i < 12; i++)
        valid = head[i] >= '0' && head[i] <= '9';
    if (valid && line > 12 && head[12] != ' ')
        valid = false;
    if (!valid) {
        fail(p, line >= 5 && memcmp(head, "HTTP/", 5) == 0 ? "malformed HTTP version or status" : "malformed HTTP response", head, line);
        return false;
    }
    p->minor_version = head[7] - '0';
    p->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    return true;
}

static bool read_length(struct h1_parser *p, const char *value, size_t len)
{
    int64_t length;
    struct text comma, first = text_trim(text_cut((struct text){value, len}, ',', &comma));
    if (!text_to_int(first, &length) || first.data[0] < '0' || first.data[0] > '9') {
        fail(p, "bad Content-Length", value, len);
        return false;
    }
    while (comma.data) {
        struct text other = text_trim(text_cut(comma, ',', &comma));
        if (!text_equal(other, first)) {
            fail(p, "conflicting Content-Length values", value, len);
            return false;
        }
    }
    if (p->content_length_known && p->content_length != (uint64_t)length) {
        fail(p, "conflicting Content-Length headers", value, len);
        return false;
    }
    p->content_length_known = true;
    p->content_length = (uint64_t)length;
    return true;
}

static bool line_is_header(const char *line, size_t len)
{
    const char *colon = len ? memchr(line, ':', len) : NULL;
    if (!colon || colon == line)
        return false;
    for (const char *c = line; c < colon; c++)
        if (!is_token_char((unsigned char)*c))
            return false;
    for (const char *c = colon; c < line + len; c++)
        if ((unsigned char)*c < 0x20 && *c != '\t')
            return false;
    return true;
}

static bool check_lines(struct h1_parser *p, const char *head, size_t len)
{
    const char *line = memchr(head, '\n', len), *end = head + len;
    for (line = line ? line + 1 : end; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = (size_t)((next ? next : end) - line);
        if (bytes && line[bytes - 1] == '\r')
            bytes--;
        if (bytes == 0)
            return true;
        if (!line_is_header(line, bytes)) {
            fail(p, "malformed MIME header line", line, bytes);
            return false;
        }
        line = next ? next + 1 : end;
    }
    return true;
}

/* What follows the head. */
static void choose_body(struct h1_parser *p, bool chunked)
{
    if (p->is_head_request || p->status == 204 || p->status == 304) {
        p->state = H1_DONE;
    } else if (chunked) {
        p->state = H1_CHUNK_SIZE;
    } else if (p->content_length_known) {
        p->body_left = p->content_length;
        p->state = p->body_left ? H1_BODY_LENGTH : H1_DONE;
    } else {
        p->keep_alive = false;
        p->state = H1_BODY_CLOSE;
    }
}

static void read_head(struct h1_parser *p, const char *head, size_t len, const struct h1_events *events, void *arg)
{
    const char *name, *value;
    size_t at = 0, name_len, value_len;
    bool chunked = false, closes = false, keeps = false;
    p->content_length_known = false;
    if (!read_status_line(p, head, len) || !check_lines(p, head, len))
        return;
    while (h1_next_header(head, len, &at, &name, &name_len, &value, &value_len)) {
        if (name_len == 14 && name_is(name, name_len, "content-length") && !read_length(p, value, value_len))
            return;
        if (name_len == 17 && name_is(name, name_len, "transfer-encoding")) {
            chunked = header_has_token(value, value_len, "chunked");
            if (!chunked && !header_has_token(value, value_len, "identity")) {
                fail(p, "unsupported transfer encoding:", value, value_len);
                return;
            }
        }
        if (name_len == 10 && name_is(name, name_len, "connection")) {
            closes |= header_has_token(value, value_len, "close");
            keeps |= header_has_token(value, value_len, "keep-alive");
        }
    }
    if (p->status >= 100 && p->status < 200 && p->status != 101) {
        p->state = H1_HEAD; /* interim; the real one follows */
        if (++p->interim_count > MAX_INTERIM)
            fail(p, "too many 1xx informational responses", "", 0);
        return;
    }
    if (p->status == 101) {
        fail(p, "unexpected 101 Switching Protocols", "", 0);
        return;
    }
    p->keep_alive = !closes && (p->minor_version == 1 || keeps);
    choose_body(p, chunked);
    events->head(arg, head, len);
}

/* The length of a complete head at data, 0 when it goes on. from: where to look first. */
static size_t head_length(const char *data, size_t len, size_t from)
{
    const char *at = data + from, *end = data + len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if (at < end && *at == '\n')
            return (size_t)(at - data) + 1;
        if (at + 1 < end && at[0] == '\r' && at[1] == '\n')
            return (size_t)(at - data) + 2;
    }
    return 0;
}

static size_t feed_head(struct h1_parser *p, const char *data, size_t len, const struct h1_events *events, void *arg)
{
    if (p->head.len == 0) {
        size_t whole = head_length(data, len, 0);
        if (whole) {
            read_head(p, data, whole, events, arg);
            return whole;
        }
    }
    size_t before = p->head.len, from = before > 3 ? before - 3 : 0;
    buf_add(&p->head, data, len);
    size_t whole = head_length(p->head.data, p->head.len, from);
    if (!whole && p->head.len > H1_MAX_HEAD_BYTES) {
        fail(p, "server response headers exceeded 1048576 bytes; aborted", "", 0);
        return len;
    }
    if (!whole) {
        /* what cannot become a response is refused early, so that a stream of garbage does not wait */
        static const char start[] = "HTTP/";
        size_t have = p->head.len < 5 ? p->head.len : 5;
        if (memcmp(p->head.data, start, have) != 0 && (memchr(p->head.data, '\n', p->head.len) || p->head.len > 64))
            fail(p, "malformed HTTP response", p->head.data, line_length(p->head.data, p->head.len));
        return len;
    }
    struct buf head = p->head;
    p->head = (struct buf){0};
    read_head(p, head.data, whole, events, arg);
    buf_free(&head);
    return whole - before;
}

/* ---- bodies ---- */

static size_t feed_data(struct h1_parser *p, const char *data, size_t len, const struct h1_events *events, void *arg, enum h1_state then)
{
    size_t take = len < p->body_left ? len : (size_t)p->body_left;
    events->body(arg, data, take);
    p->body_left -= take;
    if (p->body_left == 0)
        p->state = then;
    return take;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the line with a chunk's size; extensions are skipped. */
static void feed_chunk_size(struct h1_parser *p, char c)
{
    int digit = hex_digit(c);
    if (++p->line_bytes > 4096) {
        fail(p, "header line too long", "", 0);
    } else if (c == '\n') {
        if (!p->any_digit) {
            fail(p, "invalid byte in chunk length", "", 0);
            return;
        }
        p->state = p->body_left ? H1_CHUNK_DATA : H1_TRAILER;
        p->line_bytes = 0;
        p->trailer_bytes = 0;
        p->any_digit = false;
        p->content_length_known = false;
    } else if (digit >= 0 && !p->content_length_known) {
        if (p->body_left >> 58) {
            fail(p, "http chunk length too large", "", 0);
            return;
        }
        p->body_left = p->body_left << 4 | (uint64_t)digit;
        p->any_digit = true;
    } else if (c == ';' || c == ' ' || c == '\t' || c == '\r' || p->content_length_known) {
        p->content_length_known = true; /* used as "past the digits" while chunks are read */
    } else {
        fail(p, "invalid byte in chunk length", &c, 1);
    }
}

static void feed_chunk_end(struct h1_parser *p, char c)
{
    if (c == '\n') {
        p->state = H1_CHUNK_SIZE;
        p->body_left = 0;
    } else if (c != '\r') {
        fail(p, "malformed chunked encoding", &c, 1);
    }
}

static void feed_trailer(struct h1_parser *p, char c)
{
    if (++p->trailer_bytes > 65536) {
        fail(p, "trailer too long", "", 0);
    } else if (c == '\n') {
        if (p->line_bytes == 0)
            p->state = H1_DONE;
        p->line_bytes = 0;
    } else if (c != '\r') {
        p->line_bytes++;
    }
}

size_t h1_feed(struct h1_parser *p, const char *data, size_t len, const struct h1_events *events, void *arg)
{
    size_t used = 0;
    while (used < len && p->state != H1_DONE && p->state != H1_FAILED) {
        switch (p->state) {
        case H1_HEAD:
            used += feed_head(p, data + used, len - used, events, arg);
            if (p->state == H1_CHUNK_SIZE) {
                p->content_length_known = false;
                p->body_left = 0;
            }
            break;
        case H1_BODY_LENGTH:
            used += feed_data(p, data + used, len - used, events, arg, H1_DONE);
            break;
        case H1_CHUNK_DATA:
            used += feed_data(p, data + used, len - used, events, arg, H1_CHUNK_END);
            break;
        case H1_BODY_CLOSE:
            events->body(arg, data + used, len - used);
            used = len;
            break;
        case H1_CHUNK_SIZE:
            feed_chunk_size(p, data[used++]);
            break;
        case H1_CHUNK_END:
            feed_chunk_end(p, data[used++]);
            break;
        case H1_TRAILER:
            feed_trailer(p, data[used++]);
            break;
        case H1_DONE:
        case H1_FAILED:
            break;
        }
    }
    return used;
}

bool h1_end(struct h1_parser *p)
{
    if (p->state == H1_BODY_CLOSE)
        p->state = H1_DONE;
    return p->state == H1_DONE;
}
