/* SPDX-License-Identifier: Apache-2.0 */
#include "report/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"

#define BAR_WIDTH 40
#define MIN_BAR_WIDTH 8
#define NAME_WIDTH 30
#define REDRAW_NS (100 * NS_PER_MS)
#define REPRINT_NS NS_PER_S

struct progress {
    FILE *out;
    bool terminal, color;
    int64_t next_ns;
    size_t lines; /* drawn on the terminal, to be overwritten */
    struct buf last;
};

static struct progress *on_terminal; /* log lines must step aside for it */

void banner_print(struct buf *out, bool color)
{
    static const char *const art[] = {
        "   _ _   _       _    ", "  | | |_| | __ _| |__ ", "  | | __| |/ _` | '_ \\", "  | | |_| | (_| | |_) |", "  |_|\\__|_|\\__,_|_.__/   the Load Testing Lab",
    };
    buf_add_char(out, '\n');
    for (size_t i = 0; i < 5; i++)
        buf_printf(out, "%s%s%s\n", color ? "\x1b[36m" : "", art[i], color ? "\x1b[0m" : "");
    buf_add_char(out, '\n');
}

static void add_go_duration(struct buf *out, int64_t ns)
{
    duration_format(out, ns);
}

void description_print(struct buf *out, const struct description *d)
{
    buf_printf(out, "\n     execution: local\n        script: %s\n        output: %s\n\n", d->script, d->output);
    buf_printf(out, "     scenarios: (%.2f%%) %zu scenario%s, %lld max VUs, ", d->segment * 100, d->scenario_count, d->scenario_count == 1 ? "" : "s", (long long)d->max_vus);
    add_go_duration(out, d->max_duration_ns);
    buf_add_text(out, " max duration (incl. graceful stop):\n");
    for (size_t i = 0; i < d->scenario_count; i++)
        buf_printf(out, "              * %s\n", d->scenarios[i]);
    buf_add_char(out, '\n');
}

void progress_time(struct buf *out, int64_t ns, bool with_minutes)
{
    int64_t tenths = ns / (NS_PER_S / 10), minutes = tenths / 600, hours = minutes / 60;
    if (hours)
        buf_printf(out, "%lldh%02lldm", (long long)hours, (long long)(minutes % 60));
    else if (minutes || with_minutes)
        buf_printf(out, "%lldm", (long long)minutes);
    buf_printf(out, "%02lld.%llds", (long long)(tenths % 600 / 10), (long long)(tenths % 10));
}

static const char *rune(enum progress_status status)
{
    static const char *const runes[] = {" ", "\xe2\x80\xa2", "\xe2\x86\x93", "\xe2\x9c\x97", "\xe2\x9c\x93"};
    return runes[status];
}

static void add_bar(struct buf *out, double fraction, int width, bool color)
{
    if (fraction < 0)
        fraction = 0;
    if (fraction > 1)
        fraction = 1;
    if (width <= MIN_BAR_WIDTH) {
        buf_printf(out, "[ %3.0f%% ]", fraction * 100);
        return;
    }
    int inner = width - 2, filled = (int)((double)inner * fraction);
    buf_printf(out, "[%s", color ? "\x1b[32m" : "");
    for (int i = 0; i < filled - (filled < inner); i++)
        buf_add_char(out, '=');
    if (filled > 0 && filled < inner)
        buf_add_char(out, '>');
    if (color)
        buf_add_text(out, "\x1b[0m");
    for (int i = filled; i < inner; i++)
        buf_add_char(out, '-');
    buf_add_char(out, ']');
}

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Adds text up to so many columns; colour sequences take none. A line that wraps could not be erased. */
static void add_cut(struct buf *out, const char *text, size_t columns)
{
    size_t used = 0;
    while (*text) {
        size_t len = 1;
        if (*text == '\x1b') {
            len = strcspn(text, "m") + 1;
        } else {
            while (((unsigned char)text[len] & 0xc0) == 0x80)
                len++;
            if (used++ >= columns) {
                text += len;
                continue;
            }
        }
        buf_add(out, text, len);
        text += len;
    }
}

static size_t name_width(const struct progress_state *state)
{
    size_t width = 0;
    for (size_t i = 0; i < state->row_count; i++)
        if (width_of(state->rows[i].name) > width)
            width = width_of(state->rows[i].name);
    return width > NAME_WIDTH ? NAME_WIDTH : width;
}

void progress_format(struct buf *out, const struct progress_state *state, int columns, bool color)
{
    int digits = 3;
    for (int64_t left = state->max_vus; left >= 1000; left /= 10)
        digits++;
    size_t most = columns > 1 ? (size_t)columns - 1 : 1, width = name_width(state);
    struct buf line = {0};
    buf_printf(&line, "%s (", state->phase);
    progress_time(&line, state->elapsed_ns, true);
    buf_printf(&line, "), %0*lld/%0*lld VUs, %llu complete and %llu interrupted iterations", digits, (long long)state->vus, digits, (long long)state->max_vus,
               (unsigned long long)state->complete, (unsigned long long)state->interrupted);
    add_cut(out, line.data, most);
    buf_add_char(out, '\n');
    for (size_t i = 0; i < state->row_count; i++) {
        const struct progress_row *row = &state->rows[i];
        int bar = columns - (int)width - (int)width_of(row->right) - 5;
        buf_clear(&line);
        add_cut(&line, row->name, width);
        size_t named = width_of(row->name);
        buf_printf(&line, "%*s %s ", (int)(named < width ? width - named : 0), "", rune(row->status));
        add_bar(&line, row->fraction, bar > BAR_WIDTH ? BAR_WIDTH : bar, color);
        buf_printf(&line, " %s", row->right);
        add_cut(out, line.data, most);
        buf_add_char(out, '\n');
    }
    buf_free(&line);
}

/* ---- drawing ---- */

static int columns_of(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 120;
}

static void erase(struct progress *p)
{
    if (p->lines)
        fprintf(p->out, "\x1b[%zuA\r\x1b[J", p->lines);
    p->lines = 0;
}

static void draw(struct progress *p)
{
    fwrite(p->last.data, 1, p->last.len, p->out);
    for (size_t i = 0; i < p->last.len; i++)
        p->lines += p->last.data[i] == '\n';
    fflush(p->out);
}

static void before_log(void)
{
    if (on_terminal)
        erase(on_terminal);
    if (on_terminal)
        fflush(on_terminal->out);
}

static void after_log(void)
{
    if (on_terminal && on_terminal->last.len)
        draw(on_terminal);
}

struct progress *progress_new(FILE *out, bool terminal, bool color)
{
    struct progress *p = mem_zalloc(sizeof(*p));
    p->out = out;
    p->terminal = terminal;
    p->color = color;
    if (terminal) {
        on_terminal = p;
        log_set_terminal_hooks(before_log, after_log);
    }
    return p;
}

static void show(struct progress *p, const struct progress_state *state)
{
    buf_clear(&p->last);
    progress_format(&p->last, state, p->terminal ? columns_of(p->out) : 120, p->color && p->terminal);
    if (!p->terminal)
        buf_add_char(&p->last, '\n');
    if (p->terminal)
        erase(p);
    draw(p);
}

void progress_update(struct progress *p, const struct progress_state *state, int64_t now_ns)
{
    if (now_ns < p->next_ns)
        return;
    if (!p->terminal && !p->next_ns) {
        p->next_ns = now_ns + REPRINT_NS;
        return;
    }
    p->next_ns = now_ns + (p->terminal ? REDRAW_NS : REPRINT_NS);
    show(p, state);
}

void progress_finish(struct progress *p, const struct progress_state *state)
{
    show(p, state);
    p->lines = 0;
    buf_clear(&p->last);
}

void progress_free(struct progress *p)
{
    if (!p)
        return;
    if (on_terminal == p) {
        on_terminal = NULL;
        log_set_terminal_hooks(NULL, NULL);
    }
    buf_free(&p->last);
    mem_free(p);
}
