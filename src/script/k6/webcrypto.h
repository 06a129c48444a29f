/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the global crypto share: algorithms and keys. Functions that return false or NULL have thrown. */
#ifndef SCRIPT_K6_WEBCRYPTO_H
#define SCRIPT_K6_WEBCRYPTO_H

#include <openssl/evp.h>

#include "core/buf.h"
#include "script/host.h"

enum wc_name {
    WC_AES_CBC, WC_AES_CTR, WC_AES_GCM, WC_AES_KW, WC_HMAC, WC_RSA_OAEP, WC_RSA_PSS, WC_RSA_PKCS1, WC_ECDSA, WC_ECDH, WC_PBKDF2,
    WC_SHA1, WC_SHA256, WC_SHA384, WC_SHA512,
};

enum wc_usage {
    WC_ENCRYPT = 1, WC_DECRYPT = 2, WC_SIGN = 4, WC_VERIFY = 8, WC_DERIVE_KEY = 16, WC_DERIVE_BITS = 32, WC_WRAP = 64, WC_UNWRAP = 128,
};

enum wc_type { WC_SECRET, WC_PRIVATE, WC_PUBLIC };

/* An algorithm as an operation got it: its name and the object with its parameters (undefined for a mere name). */
struct wc_algorithm {
    enum wc_name name;
    JSValueConst params;
};

struct wc_key {
    enum wc_type type;
    bool extractable;
    unsigned usages; /* enum wc_usage */
    enum wc_name algorithm, hash;
    int curve_nid;
    uint8_t *secret;
    size_t secret_len;
    EVP_PKEY *pkey;
};

/* operation is what the message names ("encrypt"). */
bool wc_algorithm_read(JSContext *ctx, JSValueConst value, const char *operation, struct wc_algorithm *algorithm);
/* The member "hash" of the parameters. */
bool wc_hash_read(JSContext *ctx, JSValueConst params, enum wc_name *hash);
const EVP_MD *wc_digest(enum wc_name hash);
const char *wc_display_name(enum wc_name name);
/* A member's bytes, copied into an empty *bytes: 1, or 0 when it is absent, -1 when it is something else (thrown). */
int wc_param_bytes(JSContext *ctx, JSValueConst params, const char *name, struct buf *bytes);
/* A member as an integer; fallback when it is absent. */
bool wc_param_int(JSContext *ctx, JSValueConst params, const char *name, int64_t fallback, int64_t *value);
/* Data that must be an ArrayBuffer or a view. */
bool wc_data(JSContext *ctx, JSValueConst value, struct js_bytes *bytes);

/* webcrypto_key.c; each returns the value that the promise resolves to. */
struct wc_key *wc_key_of(JSContext *ctx, JSValueConst value);
/* The key may do this: it has the usage and is of the algorithm. */
bool wc_key_allows(JSContext *ctx, const struct wc_key *key, enum wc_name algorithm, enum wc_usage usage);
void wc_keys_register(JSContext *ctx, JSValueConst global);
JSValue wc_generate_key(JSContext *ctx, int argc, JSValueConst *argv);
/* argv: format, data, algorithm, extractable, usages. */
JSValue wc_import_key(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_export_key(JSContext *ctx, int argc, JSValueConst *argv);

/* webcrypto_ops.c */
JSValue wc_encrypt(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_decrypt(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_sign(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_verify(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_derive_bits(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_derive_key(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_wrap_key(JSContext *ctx, int argc, JSValueConst *argv);
JSValue wc_unwrap_key(JSContext *ctx, int argc, JSValueConst *argv);

#endif
