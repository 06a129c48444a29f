/* SPDX-License-Identifier: Apache-2.0 */
/* The toy server over plain blocking sockets: every route, and what it does with requests that it cannot serve. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/mem.h"
#include "lab/toy.h"

struct reply {
    int status; /* 0: the server hung up without an answer */
    char *text; /* head and body */
    const char *body;
};

static int start(void **state)
{
    struct error err = {0};
    *state = toy_start(0, &err);
    return *state ? 0 : -1;
}

static int stop(void **state)
{
    toy_stop(*state);
    return 0;
}

static int dial(const struct toy *toy)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(toy_port(toy)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* hung up on: the answer, if any, tells why */
        text += sent;
        len -= (size_t)sent;
    }
}

/* Reads to the end of the connection and closes it. */
static struct reply receive(int fd)
{
    struct reply reply = {0};
    struct buf in = {0};
    for (;;) {
        ssize_t got = recv(fd, buf_reserve(&in, 4096), 4096, 0);
        if (got <= 0)
            break;
        buf_added(&in, (size_t)got);
    }
    close(fd);
    buf_add_char(&in, '\0');
    reply.text = buf_take(&in);
    if (strncmp(reply.text, "HTTP/1.1 ", 9) == 0)
        reply.status = (int)strtol(reply.text + 9, NULL, 10);
    const char *blank = strstr(reply.text, "\r\n\r\n");
    reply.body = blank ? blank + 4 : "";
    return reply;
}

static struct reply ask(const struct toy *toy, const char *method, const char *path, const char *body)
{
    int fd = dial(toy);
    char *request = mem_printf("%s %s HTTP/1.1\r\nHost: toy\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method, path, strlen(body), body);
    send_text(fd, request, strlen(request));
    mem_free(request);
    return receive(fd);
}

static void expect(const struct toy *toy, const char *method, const char *path, const char *body, int status, const char *part)
{
    struct reply reply = ask(toy, method, path, body);
    if (reply.status != status || !strstr(reply.body, part))
        fail_msg("%s %s %.80s: wanted %d with %s, got %s", method, path, body, status, part, reply.text);
    mem_free(reply.text);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

static void health_and_fast_answer_with_the_time(void **state)
{
    expect(*state, "GET", "/health", "", 200, "{\"status\":\"ok\",\"ts\":\"20");
    expect(*state, "GET", "/fast", "", 200, "{\"ok\":true,\"speed\":\"fast\",\"ts\":\"20");
    expect(*state, "GET", "/fast?who=me", "", 200, "\"speed\":\"fast\"");
}

static void answers_are_json(void **state)
{
    struct reply reply = ask(*state, "GET", "/fast", "");
    assert_non_null(strstr(reply.text, "Content-Type: application/json\r\n"));
    mem_free(reply.text);
}

static void users_lists_fifty_and_each_can_be_asked_for(void **state)
{
    struct reply reply = ask(*state, "GET", "/users", "");
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body[0], '[');
    assert_int_equal(count_of(reply.body, "\"id\":"), 50);
    mem_free(reply.text);
    expect(*state, "GET", "/users/7", "", 200, "\"email\":\"user7@example.com\"");
}

static void unknown_users_are_404(void **state)
{
    static const char *const paths[] = {"/users/0", "/users/-1", "/users/10001", "/users/x", "/users/", "/users/99999999999999999999"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        expect(*state, "GET", paths[i], "", 404, "no such user");
}

static void cpu_sums_ten_million_roots(void **state)
{
    expect(*state, "GET", "/cpu", "", 200, "{\"ok\":true,\"cpu\":21081849486}");
}

static void io_takes_at_least_300_ms(void **state)
{
    int64_t begun = clock_mono_ns();
    expect(*state, "GET", "/io", "", 200, "\"io\":true");
    assert_true(clock_mono_ns() - begun >= 300 * NS_PER_MS);
}

static void slow_takes_at_least_500_ms_and_holds_nobody_else_up(void **state)
{
    static const char request[] = "GET /slow HTTP/1.1\r\nHost: toy\r\nConnection: close\r\n\r\n";
    int64_t begun = clock_mono_ns();
    int slow = dial(*state);
    send_text(slow, request, sizeof(request) - 1);
    for (int i = 0; i < 20; i++)
        expect(*state, "GET", "/fast", "", 200, "fast");
    struct reply reply = receive(slow);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"speed\":\"slow\""));
    assert_true(clock_mono_ns() - begun >= 500 * NS_PER_MS);
    mem_free(reply.text);
}

/* 30 %: not one of 200 would be a chance of one in 10^31. */
static void error_fails_sometimes(void **state)
{
    int good = 0, bad = 0;
    for (int i = 0; i < 200; i++) {
        struct reply reply = ask(*state, "GET", "/error", "");
        good += reply.status == 200;
        bad += reply.status == 500 && strstr(reply.body, "\"error\"") != NULL;
        mem_free(reply.text);
    }
    assert_int_equal(good + bad, 200);
    assert_true(bad > 0 && good > bad);
}

static void jobs_are_accepted_and_can_be_asked_for(void **state)
{
    expect(*state, "POST", "/jobs", "{\"mode\":\"cpu\"}", 202, "{\"accepted\":true,\"jobId\":\"1\",\"mode\":\"cpu\",\"status\":\"queued\"}");
    expect(*state, "POST", "/jobs", "{ \"mode\" : \"io\" }", 202, "\"mode\":\"io\"");
    expect(*state, "POST", "/jobs", "{}", 202, "\"mode\":\"mixed\"");
    expect(*state, "POST", "/jobs", "", 202, "\"jobId\":\"4\"");
    expect(*state, "GET", "/jobs/2", "", 200, "\"mode\":\"io\",\"createdAt\":\"20");
}

static void a_job_comes_to_its_end(void **state)
{
    expect(*state, "POST", "/jobs", "{\"mode\":\"fast\"}", 202, "\"jobId\":\"1\"");
    for (;;) { /* the test's own time limit ends it */
        struct reply reply = ask(*state, "GET", "/jobs/1", "");
        assert_int_equal(reply.status, 200);
        bool failed = strstr(reply.body, "\"status\":\"failed\"") != NULL, done = failed || strstr(reply.body, "\"status\":\"done\"") != NULL;
        if (done) {
            assert_null(strstr(reply.body, "null"));
            assert_non_null(strstr(reply.body, failed ? "\"result\":{\"error\":\"random failure\"}" : "\"result\":{\"ok\":true}"));
        } else {
            assert_non_null(strstr(reply.body, "\"finishedAt\":null,\"result\":null"));
        }
        mem_free(reply.text);
        if (done)
            return;
    }
}

/* 100 jobs of which one in ten fails: none or all would be a one in 40,000 chance at most. */
static void jobs_end_in_order_and_some_fail(void **state)
{
    int failed = 0, ended = 0;
    for (int i = 0; i < 100; i++)
        expect(*state, "POST", "/jobs", "{\"mode\":\"fast\"}", 202, "queued");
    while (ended < 100) {
        char path[32];
        snprintf(path, sizeof(path), "/jobs/%d", ended + 1);
        struct reply reply = ask(*state, "GET", path, "");
        if (strstr(reply.body, "\"finishedAt\":\"")) {
            ended++;
            failed += strstr(reply.body, "\"status\":\"failed\"") != NULL;
        }
        mem_free(reply.text);
    }
    assert_in_range(failed, 1, 40);
}

static void jobs_refuse_what_they_cannot_read(void **state)
{
    static const char *const bodies[] = {"{\"mode\":\"lunch\"}", "{\"mode\":3}", "mode=cpu", "{\"mode\":\"cpu", "[]"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        expect(*state, "POST", "/jobs", bodies[i], 400, "mode must be");
    static const char *const ids[] = {"/jobs/1", "/jobs/0", "/jobs/-1", "/jobs/x", "/jobs/"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        expect(*state, "GET", ids[i], "", 404, "no such job");
}

static void a_body_that_is_too_large_is_refused(void **state)
{
    char *body = mem_alloc(70001);
    memset(body, ' ', 70000);
    body[70000] = '\0';
    body[0] = '{';
    expect(*state, "POST", "/jobs", body, 413, "larger than 65536 bytes");
    mem_free(body);
}

static void other_paths_and_methods_are_refused(void **state)
{
    expect(*state, "GET", "/", "", 404, "there are /health");
    expect(*state, "GET", "/fastest", "", 404, "not found");
    expect(*state, "GET", "/../etc/passwd", "", 404, "not found");
    expect(*state, "DELETE", "/users/1", "", 405, "method not allowed");
    expect(*state, "POST", "/fast", "{}", 405, "method not allowed");
}

static void garbage_leaves_the_server_standing(void **state)
{
    static const char *const lines[] = {"garbage\r\n\r\n", "GET\r\n\r\n", "GET /fast HTTP/1.1\r\nContent-Length: -5\r\n\r\n", ""};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        int fd = dial(*state);
        send_text(fd, lines[i], strlen(lines[i]));
        shutdown(fd, SHUT_WR);
        struct reply reply = receive(fd);
        assert_true(reply.status == 0 || reply.status == 400);
        mem_free(reply.text);
    }
    expect(*state, "GET", "/fast", "", 200, "fast");
}

static void stopping_does_not_wait_for_sleepers(void **state)
{
    static const char request[] = "GET /slow HTTP/1.1\r\nHost: toy\r\n\r\n";
    struct error err = {0};
    struct toy *toy = toy_start(0, &err);
    assert_non_null(toy);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(toy);
        send_text(fds[i], request, sizeof(request) - 1);
    }
    expect(toy, "GET", "/fast", "", 200, "fast");
    toy_stop(toy);
    for (int i = 0; i < 20; i++) {
        struct reply reply = receive(fds[i]); /* ends: the server has closed it */
        mem_free(reply.text);
    }
}

static void a_port_in_use_is_told(void **state)
{
    struct error err = {0};
    assert_null(toy_start(toy_port(*state), &err));
    assert_non_null(strstr(err.text, "is the port in use?"));
    error_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(health_and_fast_answer_with_the_time, start, stop),
        cmocka_unit_test_setup_teardown(answers_are_json, start, stop),
        cmocka_unit_test_setup_teardown(users_lists_fifty_and_each_can_be_asked_for, start, stop),
        cmocka_unit_test_setup_teardown(unknown_users_are_404, start, stop),
        cmocka_unit_test_setup_teardown(cpu_sums_ten_million_roots, start, stop),
        cmocka_unit_test_setup_teardown(io_takes_at_least_300_ms, start, stop),
        cmocka_unit_test_setup_teardown(slow_takes_at_least_500_ms_and_holds_nobody_else_up, start, stop),
        cmocka_unit_test_setup_teardown(error_fails_sometimes, start, stop),
        cmocka_unit_test_setup_teardown(jobs_are_accepted_and_can_be_asked_for, start, stop),
        cmocka_unit_test_setup_teardown(a_job_comes_to_its_end, start, stop),
        cmocka_unit_test_setup_teardown(jobs_end_in_order_and_some_fail, start, stop),
        cmocka_unit_test_setup_teardown(jobs_refuse_what_they_cannot_read, start, stop),
        cmocka_unit_test_setup_teardown(a_body_that_is_too_large_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(other_paths_and_methods_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(garbage_leaves_the_server_standing, start, stop),
        cmocka_unit_test(stopping_does_not_wait_for_sleepers),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
