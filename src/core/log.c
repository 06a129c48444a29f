/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    enum log_format format;
    bool color, terminal;
    FILE *out; /* NULL: none */
    FILE *console;
    int64_t start_ns;
    void (*before)(void), (*after)(void);
    bool configured;
    char **secrets;
    size_t secret_count, secret_cap;
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return names[level];
}

static bool parse_level(struct text t, enum log_level *level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (text_equal(t, TEXT("warn")))
        t = TEXT("warning");
    if (text_equal(t, TEXT("trace")))
        t = TEXT("debug");
    for (int i = 0; i < 4; i++) {
        if (text_equal(t, text_of(names[i]))) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* file=PATH[,level=LEVEL] */
static bool open_file_output(const char *spec, struct error *err)
{
    struct text rest = text_of(spec + strlen("file")), path = {NULL, 0};
    if (rest.len == 0)
        return error_set(err, EXIT_GENERIC, "--log-output file needs a path: file=PATH");
    for (struct text part, left = rest; left.len; left = rest) {
        part = text_cut(left, ',', &rest);
        struct text value, key = text_cut(part, '=', &value);
        if (key.len == 0)
            path = value;
        else if (!text_equal(key, TEXT("level")) || !parse_level(value, &the_log.level))
            return error_set(err, EXIT_GENERIC, "--log-output: cannot use %.*s", (int)part.len, part.data);
    }
    char *name = mem_strndup(path.data ? path.data : "", path.len);
    the_log.out = fopen(name, "ae");
    if (!the_log.out)
        error_set(err, EXIT_GENERIC, "--log-output: cannot open %s: %s", name, strerror(errno));
    mem_free(name);
    return the_log.out != NULL;
}

bool log_configure(const struct log_config *config, struct error *err)
{
    const char *output = config->output && config->output[0] ? config->output : "stderr";
    the_log.level = config->level;
    the_log.format = config->format;
    the_log.configured = true;
    if (strcmp(output, "stderr") == 0)
        the_log.out = stderr;
    else if (strcmp(output, "stdout") == 0)
        the_log.out = stdout;
    else if (strcmp(output, "none") == 0)
        the_log.out = NULL;
    else if (strncmp(output, "file", 4) == 0) {
        if (!open_file_output(output, err))
            return false;
    } else
        return error_set(err, EXIT_GENERIC, "unsupported log output '%s': use stderr, stdout, none or file=PATH", output);
    the_log.terminal = the_log.out && isatty(fileno(the_log.out));
    the_log.color = config->color && the_log.terminal;
    if (config->console_output && config->console_output[0]) {
        the_log.console = fopen(config->console_output, "ae");
        if (!the_log.console)
            return error_set(err, EXIT_GENERIC, "cannot open the console output file %s: %s", config->console_output, strerror(errno));
    }
    return true;
}

void log_close(void)
{
    pthread_mutex_lock(&the_log.lock);
    if (the_log.console)
        fclose(the_log.console);
    the_log.console = NULL;
    if (the_log.out && the_log.out != stderr && the_log.out != stdout) {
        fclose(the_log.out);
        the_log.out = stderr;
    } else if (the_log.out) {
        fflush(the_log.out);
    }
    for (size_t i = 0; i < the_log.secret_count; i++)
        mem_free(the_log.secrets[i]);
    mem_free(the_log.secrets);
    the_log.secrets = NULL;
    the_log.secret_count = the_log.secret_cap = 0;
    pthread_mutex_unlock(&the_log.lock);
}

bool log_enabled(enum log_level level)
{
    return level <= the_log.level;
}

void log_set_terminal_hooks(void (*before)(void), void (*after)(void))
{
    the_log.before = before;
    the_log.after = after;
}

/* logfmt quotes what is not made of these characters (as logrus does). */
static bool is_plain(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = value[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._/@^+", c))))
            return false;
    }
    return true;
}

/* Go's %q: like JSON, but printable UTF-8 stays and other control characters are \x.. */
static void add_quoted(struct buf *out, const char *value, size_t len)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\r')
            buf_add_text(out, "\\r");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

static void add_value(struct buf *out, const char *value, size_t len)
{
    if (is_plain(value, len))
        buf_add(out, value, len);
    else
        add_quoted(out, value, len);
}

static void format_logfmt(struct buf *out, enum log_level level, const struct log_field *fields, size_t count, const char *message, size_t len)
{
    buf_add_text(out, "time=\"");
    clock_format_rfc3339(out, clock_wall_ns(), 0);
    buf_printf(out, "\" level=%s", log_level_name(level));
    buf_add_text(out, " msg=");
    add_value(out, message, len);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, " %s=", fields[i].name);
        add_value(out, fields[i].value, strlen(fields[i].value));
    }
}

static void format_terminal(struct buf *out, enum log_level level, const struct log_field *fields, size_t count, const char *message, size_t len)
{
    static const char *const names[] = {"ERRO", "WARN", "INFO", "DEBU"};
    static const int colors[] = {31, 33, 36, 37};
    if (!the_log.start_ns)
        the_log.start_ns = clock_mono_ns();
    long seconds = (long)((clock_mono_ns() - the_log.start_ns) / NS_PER_S);
    if (the_log.color)
        buf_printf(out, "\x1b[%dm%s\x1b[0m[%04ld] ", colors[level], names[level], seconds);
    else
        buf_printf(out, "%s[%04ld] ", names[level], seconds);
    buf_add(out, message, len);
    for (size_t pad = len; pad < 44; pad++)
        buf_add_char(out, ' ');
    for (size_t i = 0; i < count; i++) {
        if (the_log.color)
            buf_printf(out, " \x1b[%dm%s\x1b[0m=", colors[level], fields[i].name);
        else
            buf_printf(out, " %s=", fields[i].name);
        add_value(out, fields[i].value, strlen(fields[i].value));
    }
}

static void format_json(struct buf *out, enum log_level level, const struct log_field *fields, size_t count, const char *message, size_t len)
{
    buf_printf(out, "{\"level\":\"%s\",\"msg\":", log_level_name(level));
    json_quote(out, message, len);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, ",\"%s\":", fields[i].name);
        json_quote(out, fields[i].value, strlen(fields[i].value));
    }
    buf_add_text(out, ",\"time\":\"");
    clock_format_rfc3339(out, clock_wall_ns(), 0);
    buf_add_text(out, "\"}");
}

static void redact_one(struct buf *line, const char *secret)
{
    static const char mark[] = "***SECRET_REDACTED***";
    size_t len = strlen(secret);
    char *at = memmem(line->data, line->len, secret, len);
    if (!at)
        return;
    struct buf clean = {0};
    const char *from = line->data, *end = line->data + line->len;
    for (; at; at = memmem(from, (size_t)(end - from), secret, len)) {
        buf_add(&clean, from, (size_t)(at - from));
        buf_add(&clean, mark, sizeof(mark) - 1);
        from = at + len;
    }
    buf_add(&clean, from, (size_t)(end - from));
    buf_free(line);
    *line = clean;
}

/* A secret may stand in a message, and then the message is quoted: so it is looked for in what the formats get. */
static char *redacted(const char *text, size_t *len)
{
    struct buf clean = {0};
    buf_add(&clean, text, *len);
    for (size_t i = 0; i < the_log.secret_count; i++)
        redact_one(&clean, the_log.secrets[i]);
    *len = clean.len;
    return buf_take(&clean);
}

void log_add_secret(const char *secret)
{
    if (!secret[0])
        return;
    pthread_mutex_lock(&the_log.lock);
    bool known = false;
    for (size_t i = 0; i < the_log.secret_count && !known; i++)
        known = strcmp(the_log.secrets[i], secret) == 0;
    if (!known) {
        mem_grow(&the_log.secrets, &the_log.secret_cap, the_log.secret_count + 1, sizeof(the_log.secrets[0]));
        the_log.secrets[the_log.secret_count++] = mem_strdup(secret);
    }
    pthread_mutex_unlock(&the_log.lock);
}

/* Called with the lock held. */
static void write_line(FILE *to, bool terminal, enum log_level level, const struct log_field *fields, size_t count, const char *message, size_t len)
{
    struct buf line = {0};
    if (the_log.format == LOG_FORMAT_JSON)
        format_json(&line, level, fields, count, message, len);
    else if (the_log.format == LOG_FORMAT_RAW)
        buf_add(&line, message, len);
    else if (terminal)
        format_terminal(&line, level, fields, count, message, len);
    else
        format_logfmt(&line, level, fields, count, message, len);
    buf_add_char(&line, '\n');
    if (terminal && the_log.before)
        the_log.before();
    fwrite(line.data, 1, line.len, to);
    fflush(to);
    if (terminal && the_log.after)
        the_log.after();
    buf_free(&line);
}

/* Called with the lock held. */
static void emit(FILE *to, bool terminal, enum log_level level, const struct log_field *fields, size_t count, const char *message, size_t len)
{
    if (!the_log.secret_count) {
        write_line(to, terminal, level, fields, count, message, len);
        return;
    }
    struct log_field clean[8] = {{0}};
    char *text = redacted(message, &len);
    count = count < 8 ? count : 8;
    for (size_t i = 0; i < count; i++) {
        size_t value_len = strlen(fields[i].value);
        clean[i] = (struct log_field){fields[i].name, redacted(fields[i].value, &value_len)};
    }
    write_line(to, terminal, level, clean, count, text, len);
    for (size_t i = 0; i < count; i++)
        mem_free((char *)(uintptr_t)clean[i].value);
    mem_free(text);
}

void log_write(enum log_level level, const struct log_field *fields, size_t field_count, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    va_list args;
    va_start(args, format);
    char *message = mem_vprintf(format, args);
    va_end(args);
    pthread_mutex_lock(&the_log.lock);
    FILE *to = the_log.configured ? the_log.out : stderr;
    if (to)
        emit(to, the_log.terminal, level, fields, field_count, message, strlen(message));
    pthread_mutex_unlock(&the_log.lock);
    mem_free(message);
}

void log_console(enum log_level level, const char *message, size_t len)
{
    static const struct log_field source = {"source", "console"};
    if (!log_enabled(level))
        return;
    pthread_mutex_lock(&the_log.lock);
    FILE *to = the_log.console ? the_log.console : the_log.configured ? the_log.out : stderr;
    if (to)
        emit(to, !the_log.console && the_log.terminal, level, &source, 1, message, len);
    pthread_mutex_unlock(&the_log.lock);
}
