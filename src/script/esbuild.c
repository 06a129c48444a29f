/* SPDX-License-Identifier: Apache-2.0 */
#include "script/esbuild.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "core/text.h"

extern char **environ;

/* ---- finding it ---- */

static bool is_program(const char *path)
{
    struct stat info;
    return access(path, X_OK) == 0 && stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* In node_modules of folder or of a folder above it. The platform's own package first: the other is a script that
 * starts node. */
static char *find_above(const char *folder)
{
    static const char *const places[] = {"@esbuild/linux-x64/bin/esbuild", "@esbuild/linux-arm64/bin/esbuild", ".bin/esbuild"};
    char *at = mem_strdup(folder), *found = NULL;
    while (!found) {
        for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
            char *path = mem_printf("%s/node_modules/%s", at, places[i]);
            if (is_program(path))
                found = path;
            else
                mem_free(path);
        }
        char *slash = strrchr(at, '/');
        if (!slash)
            break;
        *slash = 0;
    }
    mem_free(at);
    return found;
}

static char *find_in_path(void)
{
    const char *path = getenv("PATH");
    struct text rest = text_of(path ? path : ""), next;
    for (; rest.data && rest.len; rest = next) {
        struct text folder = text_cut(rest, ':', &next);
        char *candidate = mem_printf("%.*s/esbuild", (int)folder.len, folder.data);
        if (is_program(candidate))
            return candidate;
        mem_free(candidate);
    }
    return NULL;
}

static char *find_esbuild(const char *folder, struct error *err)
{
    const char *given = getenv("LTLAB_ESBUILD");
    char self[4096];
    if (given && given[0]) {
        if (is_program(given))
            return mem_strdup(given);
        error_set(err, EXIT_SCRIPT_EXCEPTION, "LTLAB_ESBUILD=%s is no program", given);
        return NULL;
    }
    char *found = find_above(folder);
    ssize_t len = found ? -1 : readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len > 0) {
        self[len] = 0;
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = 0;
        found = find_above(self);
    }
    if (!found)
        found = find_in_path();
    if (!found)
        error_set(err, EXIT_SCRIPT_EXCEPTION,
                  "TypeScript and npm packages need esbuild, and it was not found: install it with `npm install esbuild` beside the script, "
                  "with `apt-get install esbuild`, or name it in LTLAB_ESBUILD");
    return found;
}

/* ---- running it ---- */

/* Feeds input, collects both outputs until the child has closed them. */
static void exchange(int to, int from, int errors, const char *input, size_t len, struct buf *out, struct buf *problems)
{
    struct pollfd fds[3] = {{to, POLLOUT, 0}, {from, POLLIN, 0}, {errors, POLLIN, 0}};
    struct buf *sinks[3] = {NULL, out, problems};
    if (!len) {
        close(to);
        fds[0].fd = -1;
    }
    while (fds[0].fd >= 0 || fds[1].fd >= 0 || fds[2].fd >= 0) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            break;
        if (fds[0].fd >= 0 && fds[0].revents) {
            ssize_t sent = write(to, input, len < 65536 ? len : 65536);
            if (sent > 0) {
                input += sent;
                len -= (size_t)sent;
            }
            if (!len || (sent < 0 && errno != EAGAIN && errno != EINTR)) {
                close(to);
                fds[0].fd = -1;
            }
        }
        for (int i = 1; i < 3; i++) {
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t got = read(fds[i].fd, buf_reserve(sinks[i], 65536), 65536);
            if (got > 0)
                buf_added(sinks[i], (size_t)got);
            else if (got == 0 || errno != EINTR) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
    }
}

static bool run_program(const char *folder, const char *const argv[], const char *input, size_t len, struct buf *out, struct buf *problems)
{
    int in[2], result[2], errors[2], status = -1;
    pid_t child = -1;
    posix_spawn_file_actions_t actions;
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(result, O_CLOEXEC) != 0) {
        close(in[0]), close(in[1]);
        return false;
    }
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(in[0]), close(in[1]), close(result[0]), close(result[1]);
        return false;
    }
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder[0] ? folder : "/");
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, result[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
    int failed = posix_spawn(&child, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]), close(result[1]), close(errors[1]);
    void (*pipe_handler)(int) = signal(SIGPIPE, SIG_IGN);
    exchange(in[1], result[0], errors[0], input, failed ? 0 : len, out, problems);
    signal(SIGPIPE, pipe_handler);
    if (failed) {
        buf_printf(problems, "%s: %s", argv[0], strerror(failed));
        return false;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* folder: where the search for esbuild starts; there may be none of that name. home: where it runs, which is where it
 * looks for packages. */
static char *run_esbuild(const char *folder, const char *home, const char *const args[], size_t count, const char *input, size_t len, size_t *out_len, struct error *err)
{
    const char *argv[24];
    char *program = find_esbuild(folder, err);
    if (!program)
        return NULL;
    size_t n = 0;
    argv[n++] = program;
    argv[n++] = "--log-level=error";
    argv[n++] = "--color=false";
    argv[n++] = "--charset=utf8";
    argv[n++] = "--target=es2022";
    argv[n++] = "--sourcemap=inline";
    argv[n++] = "--sources-content=false";
    for (size_t i = 0; i < count; i++)
        argv[n++] = args[i];
    argv[n] = NULL;
    struct buf out = {0}, problems = {0};
    char *result = NULL;
    if (run_program(home, argv, input, len, &out, &problems)) {
        *out_len = out.len;
        result = buf_take(&out);
    } else {
        struct text text = text_trim((struct text){problems.data ? problems.data : "", problems.len});
        error_set(err, EXIT_SCRIPT_EXCEPTION, "%s\n%.*s", program, (int)text.len, text.data);
    }
    buf_free(&out);
    buf_free(&problems);
    mem_free(program);
    return result;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return mem_strndup(path, slash ? (size_t)(slash - path) : 0);
}

char *esbuild_typescript(const char *path, const char *text, size_t len, size_t *out_len, struct error *err)
{
    char *folder = folder_of(path), *source = mem_printf("--sourcefile=%s", path);
    const char *const args[] = {"--loader=ts", "--tsconfig-raw={}", source};
    char *result = run_esbuild(folder, "/", args, 3, text, len, out_len, err);
    mem_free(source);
    mem_free(folder);
    return result;
}

/* ---- packages ---- */

/* "@scope/name/part" -> "@scope/name" */
static size_t package_length(const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash && name[0] == '@')
        slash = strchr(slash + 1, '/');
    return slash ? (size_t)(slash - name) : strlen(name);
}

char *esbuild_find_package(const char *folder, const char *name)
{
    char *at = mem_strdup(folder);
    for (;;) {
        struct stat info;
        char *path = mem_printf("%s/node_modules/%.*s", at, (int)package_length(name), name);
        bool found = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
        mem_free(path);
        if (found)
            return at;
        char *slash = strrchr(at, '/');
        if (!slash)
            break;
        *slash = 0;
    }
    mem_free(at);
    return NULL;
}

char *esbuild_package(const char *folder, const char *name, size_t *out_len, struct error *err)
{
    char *entry = mem_printf("module.exports = require('%s');\n", name);
    char *source = mem_printf("--sourcefile=%s/package.js", folder);
    const char *const args[] = {"--bundle", "--format=cjs", "--platform=browser", "--loader=js", "--external:k6", "--external:k6/*", source};
    char *result = run_esbuild(folder, folder, args, 7, entry, strlen(entry), out_len, err);
    mem_free(source);
    mem_free(entry);
    return result;
}
