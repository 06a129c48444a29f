/* SPDX-License-Identifier: Apache-2.0 */
/* What k6 leaves to the reader: which line to add for a name that is not defined, and where in the source an
 * exception of the init context came from. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/files.h"
#include "script/hints.h"
#include "script/host.h"

static const struct {
    const char *name, *line;
} imports[] = {
    {"http", "import http from 'k6/http';"},
    {"check", "import { check } from 'k6';"},
    {"sleep", "import { sleep } from 'k6';"},
    {"group", "import { group } from 'k6';"},
    {"fail", "import { fail } from 'k6';"},
    {"randomSeed", "import { randomSeed } from 'k6';"},
    {"Counter", "import { Counter } from 'k6/metrics';"},
    {"Gauge", "import { Gauge } from 'k6/metrics';"},
    {"Rate", "import { Rate } from 'k6/metrics';"},
    {"Trend", "import { Trend } from 'k6/metrics';"},
    {"SharedArray", "import { SharedArray } from 'k6/data';"},
    {"exec", "import exec from 'k6/execution';"},
    {"encoding", "import encoding from 'k6/encoding';"},
    {"crypto", "import crypto from 'k6/crypto';"},
    {"parseHTML", "import { parseHTML } from 'k6/html';"},
    {"ws", "import ws from 'k6/ws';"},
    {"WebSocket", "import { WebSocket } from 'k6/websockets';"},
    {"grpc", "import grpc from 'k6/net/grpc';"},
    {"secrets", "import secrets from 'k6/secrets';"},
    {"papaparse", "import papaparse from 'https://jslib.k6.io/papaparse/5.1.1/index.js';"},
};

const char *hint_import_line(struct text name)
{
    for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++)
        if (text_equal(text_of(imports[i].name), name))
            return imports[i].line;
    return NULL;
}

#define MOST_URL_HINTS 3

void hint_undefined_url(const char *url)
{
    static atomic_int told;
    if (atomic_load_explicit(&told, memory_order_relaxed) < MOST_URL_HINTS && atomic_fetch_add(&told, 1) < MOST_URL_HINTS)
        log_warning("the URL %s contains \"undefined\": a variable in it has no value; a column that the CSV file does not have, say, or __ENV.NAME without -e NAME=...", url);
}

static char *import_hint(const char *message)
{
    const char *end = strstr(message, " is not defined"), *start = end;
    if (!end)
        return NULL;
    while (start > message && start[-1] != ' ' && start[-1] != '\'')
        start--;
    size_t len = (size_t)(end - start);
    if (len && start[len - 1] == '\'')
        len--;
    const char *line = hint_import_line((struct text){start, len});
    return line ? mem_printf("%.*s is exported by a k6 module; add this line at the top of the script: %s", (int)len, start, line) : NULL;
}

/* Finds the first "file:///path:LINE:COLUMN" in an exception's stack. */
static bool find_place(const char *text, char **module, int *line, int *column)
{
    for (const char *at = text; (at = strstr(at, "file://")); at += 7) {
        size_t len = strcspn(at, " )\n");
        char *place = mem_strndup(at, len);
        char *last = strrchr(place, ':');
        if (last) {
            *last = '\0';
            char *first = strrchr(place + 7, ':');
            int64_t l, c;
            if (first && text_to_int(text_of(first + 1), &l) && text_to_int(text_of(last + 1), &c)) {
                *first = '\0';
                *module = place;
                *line = (int)l;
                *column = (int)c;
                return true;
            }
        }
        mem_free(place);
    }
    return false;
}

static struct text source_line(const char *source, int line)
{
    for (int i = 1; i < line && source; i++) {
        source = strchr(source, '\n');
        if (source)
            source++;
    }
    return source ? (struct text){source, strcspn(source, "\r\n")} : (struct text){NULL, 0};
}

/* A property of null, and the line reads a response's body. */
static char *body_hint(struct script *script, const char *message)
{
    char *module;
    int line, column;
    if (!strstr(message, " of null") || !find_place(message, &module, &line, &column))
        return NULL;
    struct text code = source_line(files_original(script->files, module), line);
    mem_free(module);
    if (!code.data || !memmem(code.data, code.len, ".body", 5))
        return NULL;
    return mem_strdup("the body of a response is null when the request failed (status 0) or nothing keeps it: look at the status first, or write (res.body || '')");
}

char *hint_for_error(struct script *script, const char *message)
{
    char *hint = import_hint(message);
    return hint ? hint : body_hint(script, message);
}

static void add_source(struct buf *out, struct realm *realm, const char *text)
{
    char *module;
    int line, column;
    if (!find_place(text, &module, &line, &column))
        return;
    const char *source = files_original(realm->script->files, module);
    struct text code = source ? source_line(source, line) : (struct text){NULL, 0};
    if (code.data && code.len < 500) {
        buf_printf(out, "\n\n    %d | %.*s\n", line, (int)code.len, code.data);
        char number[16];
        int digits = snprintf(number, sizeof(number), "%d", line);
        buf_printf(out, "    %*s | ", digits, "");
        for (int i = 1; i < column && (size_t)i <= code.len; i++)
            buf_add_char(out, code.data[i - 1] == '\t' ? '\t' : ' ');
        buf_add_char(out, '^');
    }
    mem_free(module);
}

char *describe_init_error(struct realm *realm, JSValueConst error)
{
    struct buf out = {0};
    char *text = js_error_text(realm->ctx, error);
    buf_add_text(&out, text);
    add_source(&out, realm, text);
    char *hint = hint_for_error(realm->script, text);
    if (hint)
        buf_printf(&out, "\n\n    hint: %s", hint);
    mem_free(hint);
    mem_free(text);
    return buf_take(&out);
}
