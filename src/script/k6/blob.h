/* SPDX-License-Identifier: Apache-2.0 */
/* Blob, as k6/websockets exports it. */
#ifndef SCRIPT_K6_BLOB_H
#define SCRIPT_K6_BLOB_H

#include "script/host.h"

/* Registers the class and gives exports the constructor. */
void blob_class(JSContext *ctx, JSValueConst exports);
JSValue blob_new(JSContext *ctx, const void *data, size_t len, const char *type);
/* The bytes of a Blob; false when the value is none. They live as long as the value. */
bool blob_bytes(JSValueConst value, struct js_bytes *bytes);

#endif
