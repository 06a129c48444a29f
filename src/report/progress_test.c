/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/clock.h"
#include "report/progress.h"

static const struct progress_row one_row[] = {{.name = "default", .fraction = 1.0 / 30 * 2, .right = "10 VUs  01.0s/30s"}};
static const struct progress_state one = {
    .elapsed_ns = NS_PER_S, .vus = 1, .max_vus = 10, .complete = 12, .phase = "running", .rows = one_row, .row_count = 1};

static void assert_lines(const struct progress_state *state, int columns, bool color, const char *expected)
{
    struct buf out = {0};
    progress_format(&out, state, columns, color);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void a_running_test_looks_like_k6s(void **state)
{
    assert_lines(&one, 120, false,
                 "running (0m01.0s), 001/010 VUs, 12 complete and 0 interrupted iterations\n"
                 "default   [=>------------------------------------] 10 VUs  01.0s/30s\n");
}

static void every_status_has_its_rune_and_names_line_up(void **state)
{
    const struct progress_row rows[] = {
        {.name = "a", .status = PROGRESS_RUNNING, .fraction = 0.5, .right = "R"},
        {.name = "bb", .status = PROGRESS_WAITING, .fraction = 0, .right = "W"},
        {.name = "c\xc3\xa9", .status = PROGRESS_STOPPING, .fraction = 1, .right = "S"},
        {.name = "d", .status = PROGRESS_INTERRUPTED, .fraction = -1, .right = "I"},
        {.name = "a name of more than thirty characters", .status = PROGRESS_DONE, .fraction = 2, .right = "D"},
    };
    const struct progress_state s = {.elapsed_ns = 61 * NS_PER_S, .max_vus = 12345, .interrupted = 3, .phase = "setup", .rows = rows, .row_count = 5};
    assert_lines(&s, 55, false,
                 "setup (1m01.0s), 00000/12345 VUs, 0 complete and 3 int\n"
                 "a                                [=======>---------] R\n"
                 "bb                             • [-----------------] W\n"
                 "cé                             ↓ [=================] S\n"
                 "d                              ✗ [-----------------] I\n"
                 "a name of more than thirty cha ✓ [=================] D\n");
}

static void a_narrow_terminal_gets_a_percentage_and_no_wrapped_line(void **state)
{
    assert_lines(&one, 33, false,
                 "running (0m01.0s), 001/010 VUs, \n"
                 "default   [   7% ] 10 VUs  01.0s\n");
}

static void times_have_fixed_widths(void **state)
{
    static const struct {
        int64_t ns;
        bool minutes;
        const char *text;
    } rows[] = {
        {0, true, "0m00.0s"},          {NS_PER_S, true, "0m01.0s"},           {NS_PER_S, false, "01.0s"},
        {1990 * NS_PER_MS, false, "01.9s"}, {61 * NS_PER_S, false, "1m01.0s"}, {600 * NS_PER_S, true, "10m00.0s"},
        {3723 * NS_PER_S, true, "1h02m03.0s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = {0};
        progress_time(&out, rows[i].ns, rows[i].minutes);
        assert_string_equal(out.data, rows[i].text);
        buf_free(&out);
    }
}

static void the_description_names_every_scenario(void **state)
{
    const char *const scenarios[] = {"default: 10 looping VUs for 30s (gracefulStop: 30s)"};
    const struct description d = {"script.js", "-", 1, 1, 10, 60 * NS_PER_S, scenarios};
    struct buf out = {0};
    description_print(&out, &d);
    assert_string_equal(out.data, "\n     execution: local\n        script: script.js\n        output: -\n\n"
                                  "     scenarios: (100.00%) 1 scenario, 10 max VUs, 1m0s max duration (incl. graceful stop):\n"
                                  "              * default: 10 looping VUs for 30s (gracefulStop: 30s)\n\n");
    buf_free(&out);
}

/* What updates at these times print. */
static void assert_printed(bool terminal, const int64_t *times_ms, size_t count, const char *expected)
{
    static const struct progress_state bare = {.phase = "running", .max_vus = 1};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct progress *p = progress_new(out, terminal, false);
    for (size_t i = 0; i < count; i++)
        progress_update(p, &bare, 1 + times_ms[i] * NS_PER_MS);
    progress_finish(p, &bare);
    progress_free(p);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

#define LINE "running (0m00.0s), 000/001 VUs, 0 complete and 0 interrupted iterations\n"

static void off_a_terminal_it_prints_once_a_second(void **state)
{
    const int64_t times[] = {0, 500, 999, 1000, 1500, 2000};
    assert_printed(false, times, 6, LINE "\n" LINE "\n" LINE "\n");
}

static void on_a_terminal_it_redraws_in_place_ten_times_a_second(void **state)
{
    const int64_t times[] = {0, 50, 100};
    assert_printed(true, times, 3, LINE "\x1b[1A\r\x1b[J" LINE "\x1b[1A\r\x1b[J" LINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_test_looks_like_k6s),
        cmocka_unit_test(every_status_has_its_rune_and_names_line_up),
        cmocka_unit_test(a_narrow_terminal_gets_a_percentage_and_no_wrapped_line),
        cmocka_unit_test(times_have_fixed_widths),
        cmocka_unit_test(the_description_names_every_scenario),
        cmocka_unit_test(off_a_terminal_it_prints_once_a_second),
        cmocka_unit_test(on_a_terminal_it_redraws_in_place_ten_times_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
