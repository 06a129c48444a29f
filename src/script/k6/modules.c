/* SPDX-License-Identifier: Apache-2.0 */
/* The table of built-in modules. Adding one: its file, its declaration in modules.h, its row here. */
#include "script/k6/modules.h"

#include <string.h>

static const struct k6_module modules[] = {
    {"k6", k6_make, NULL},
    {"k6/crypto", crypto_make, NULL},
    {"k6/crypto/x509", x509_make, NULL},
    {"k6/data", data_make, NULL},
    {"k6/encoding", encoding_make, NULL},
    {"k6/execution", execution_make, NULL},
    {"k6/experimental/csv", csv_make, NULL},
    {"k6/experimental/fs", fs_make, NULL},
    {"k6/experimental/streams", streams_make, NULL},
    {"k6/html", html_make, NULL},
    {"k6/http", http_make, NULL},
    {"k6/metrics", metrics_make, NULL},
    {"k6/timers", timers_make, NULL},
};

const struct k6_module *k6_module_find(const char *name)
{
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (strcmp(modules[i].name, name) == 0)
            return &modules[i];
    return NULL;
}

void k6_globals_install(JSContext *ctx, JSValueConst global)
{
    text_coding_install(ctx, global);
    webcrypto_install(ctx, global);
}
