/* SPDX-License-Identifier: Apache-2.0 */
/* `ltlab lab toy`: the toy server until Ctrl-C. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/text.h"
#include "lab/toy.h"

int cmd_lab_toy(int argc, char **argv)
{
    int64_t port = 0;
    struct error err = {0};
    sigset_t set;
    int which;
    if (argc > 0 && (argc != 2 || strcmp(argv[0], "--port") != 0 || !text_to_int(text_of(argv[1]), &port) || port < 0 || port > 65535)) {
        fprintf(stderr, "usage: ltlab lab toy [--port N] (0 or none: a free port)\n");
        return EXIT_GENERIC;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct toy *toy = toy_start((uint16_t)port, &err);
    if (!toy) {
        fprintf(stderr, "%s\n", err.text);
        error_clear(&err);
        return EXIT_GENERIC;
    }
    printf("http://127.0.0.1:%u\n", toy_port(toy));
    fflush(stdout);
    sigwait(&set, &which);
    toy_stop(toy);
    return EXIT_OK;
}
