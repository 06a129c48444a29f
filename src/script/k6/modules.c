/* SPDX-License-Identifier: Apache-2.0 */
/* The table of built-in modules. Adding one: its file, its declaration in modules.h, its row here. */
#include "script/k6/modules.h"

#include <string.h>

#include "core/log.h"

static void websockets_moved(struct script *script)
{
    log_warning("k6/experimental/websockets is k6/websockets now: change the import");
}

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
    {"k6/experimental/websockets", websockets_make, websockets_moved},
    {"k6/html", html_make, NULL},
    {"k6/http", http_make, NULL},
    {"k6/metrics", metrics_make, NULL},
    {"k6/net/grpc", grpc_make, grpc_imported},
    {"k6/secrets", secrets_make, NULL},
    {"k6/timers", timers_make, NULL},
    {"k6/websockets", websockets_make, NULL},
    {"k6/ws", ws_make, NULL},
};

const struct k6_module *k6_module_find(const char *name)
{
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (strcmp(modules[i].name, name) == 0)
            return &modules[i];
    return NULL;
}

const char *k6_module_replacement(const char *name)
{
    static const struct {
        const char *name, *instead;
    } removed[] = {
        {"k6/experimental/browser", "k6/browser, which ltlab does not have"}, {"k6/experimental/grpc", "k6/net/grpc"}, {"k6/experimental/redis", "an extension, which ltlab does not have"},
        {"k6/experimental/timers", "k6/timers"}, {"k6/experimental/tracing", "the jslib module http-instrumentation-tempo"}, {"k6/experimental/webcrypto", "the global crypto object"},
    };
    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++)
        if (strcmp(removed[i].name, name) == 0)
            return removed[i].instead;
    return NULL;
}

void k6_globals_install(JSContext *ctx, JSValueConst global)
{
    text_coding_install(ctx, global);
    webcrypto_install(ctx, global);
}
