/* SPDX-License-Identifier: Apache-2.0 */
#include "api/client.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "http/h1_codec.h"

static int connect_to(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (!colon || !colon[1]) {
        error_set(err, EXIT_GENERIC, "the address \"%s\" must be host:port, like localhost:6565", address);
        return -1;
    }
    char *host = mem_strndup(address, (size_t)(colon - address));
    int failed = getaddrinfo(host[0] ? host : "localhost", colon + 1, &hints, &found), fd = -1, why = 0;
    mem_free(host);
    if (failed) {
        error_set(err, EXIT_GENERIC, "\"%s\" is no address: %s", address, gai_strerror(failed));
        return -1;
    }
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            why = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        error_set(err, EXIT_GENERIC, "no test with a REST API answers on %s: %s (start it with --address %s)", address, strerror(why), address);
    return fd;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static void no_head(void *arg, const char *head, size_t len)
{
}

static void add_body(void *arg, const char *data, size_t len)
{
    buf_add(arg, data, len);
}

static bool exchange(int fd, const struct buf *request, struct buf *answer, int *status)
{
    static const struct h1_events events = {no_head, add_body};
    struct h1_parser parser = {0};
    char part[8192];
    ssize_t got = 0;
    h1_init(&parser, false);
    bool sent = send_all(fd, request->data, request->len);
    while (sent && parser.state != H1_DONE && parser.state != H1_FAILED && (got = recv(fd, part, sizeof(part), 0)) > 0)
        h1_feed(&parser, part, (size_t)got, &events, answer);
    bool complete = sent && (parser.state == H1_DONE || (got == 0 && h1_end(&parser)));
    *status = parser.status;
    h1_fini(&parser);
    return complete;
}

char *api_request(const char *address, const char *method, const char *path, const char *body, struct error *err)
{
    int fd = connect_to(address, err), status = 0;
    if (fd < 0)
        return NULL;
    struct buf request = {0}, answer = {0};
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", method, path, address,
               body ? strlen(body) : 0, body ? body : "");
    bool done = exchange(fd, &request, &answer, &status);
    close(fd);
    buf_free(&request);
    if (!done) {
        error_set(err, EXIT_GENERIC, "the answer from %s broke off", address);
    } else if (status < 200 || status > 299) {
        json_t *root = json_loadb(answer.data ? answer.data : "", answer.len, 0, NULL);
        const char *detail = json_string_value(json_object_get(json_array_get(json_object_get(root, "errors"), 0), "detail"));
        error_set(err, EXIT_GENERIC, "%s", detail ? detail : "the answer is not that of a REST API of k6 or ltlab");
        json_decref(root);
        done = false;
    }
    if (done)
        return buf_take(&answer);
    buf_free(&answer);
    return NULL;
}
