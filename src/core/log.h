/* SPDX-License-Identifier: Apache-2.0 */
/* The program's log, in k6's formats. One process-wide log, any thread. Levels and fields as k6's:
 * off a terminal   time="2026-01-02T15:04:05Z" level=info msg="text" source=console
 * on a terminal    INFO[0001] text                         source=console
 * --log-format json/raw likewise. The configuration is set once, before threads start. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_RAW };

struct log_field {
    const char *name;
    const char *value;
};

struct log_config {
    enum log_level level;       /* default LOG_INFO; --verbose: LOG_DEBUG */
    enum log_format format;
    bool color;                 /* only honoured when the log goes to a terminal */
    const char *output;         /* "stderr" (NULL), "stdout", "none", "file=PATH[,level=L]" */
    const char *console_output; /* a file for console.* lines; NULL: they go where the log goes */
};

bool log_configure(const struct log_config *config, struct error *err);
/* Flushes and closes files. */
void log_close(void);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const struct log_field *fields, size_t field_count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A line of the script's console (field source=console): to the console file when there is one. */
void log_console(enum log_level level, const char *message, size_t len);
/* The name k6 prints: "error", "warning", "info", "debug". */
const char *log_level_name(enum log_level level);

/* From now on this text appears as ***SECRET_REDACTED*** in every line. Empty texts are no secrets. Any thread. */
void log_add_secret(const char *secret);

/* Called around every write to a terminal, so that a progress display can get out of the way. */
void log_set_terminal_hooks(void (*before)(void), void (*after)(void));

#define log_error(...) log_write(LOG_ERROR, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, 0, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...)                            \
    do {                                          \
        if (log_enabled(LOG_DEBUG))               \
            log_write(LOG_DEBUG, NULL, 0, __VA_ARGS__); \
    } while (0)

#endif
