/* SPDX-License-Identifier: Apache-2.0 */
/* The make functions of the built-in modules: each returns the module's exports object. */
#ifndef SCRIPT_K6_MODULES_H
#define SCRIPT_K6_MODULES_H

#include "script/host.h"

JSValue k6_make(JSContext *ctx);
JSValue crypto_make(JSContext *ctx);
JSValue csv_make(JSContext *ctx);
JSValue data_make(JSContext *ctx);
JSValue encoding_make(JSContext *ctx);
JSValue execution_make(JSContext *ctx);
JSValue grpc_make(JSContext *ctx);
void grpc_imported(struct script *script);
JSValue fs_make(JSContext *ctx);
JSValue html_make(JSContext *ctx);
JSValue http_make(JSContext *ctx);
JSValue metrics_make(JSContext *ctx);
JSValue secrets_make(JSContext *ctx);
JSValue streams_make(JSContext *ctx);
JSValue timers_make(JSContext *ctx);
JSValue websockets_make(JSContext *ctx);
JSValue ws_make(JSContext *ctx);
JSValue x509_make(JSContext *ctx);

/* Globals: TextEncoder and TextDecoder, crypto. */
void text_coding_install(JSContext *ctx, JSValueConst global);
void webcrypto_install(JSContext *ctx, JSValueConst global);

#endif
