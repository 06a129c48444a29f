/* SPDX-License-Identifier: Apache-2.0 */
/* The global crypto: random values, digests, and the table of crypto.subtle. Operations are done at once; what they
 * return is a promise that is settled already. The object is made when a script first reads it. */
#include "script/k6/webcrypto.h"

#include <string.h>
#include <strings.h>

#include <openssl/rand.h>

#include "core/mem.h"
#include "script/k6/modules.h"

static const char *const names[] = {
    "AES-CBC", "AES-CTR", "AES-GCM", "AES-KW", "HMAC", "RSA-OAEP", "RSA-PSS", "RSASSA-PKCS1-v1_5", "ECDSA", "ECDH", "PBKDF2",
    "SHA-1", "SHA-256", "SHA-384", "SHA-512",
};

const char *wc_display_name(enum wc_name name)
{
    return names[name];
}

bool wc_algorithm_read(JSContext *ctx, JSValueConst value, const char *operation, struct wc_algorithm *algorithm)
{
    JSValue name = JS_IsObject(value) ? JS_GetPropertyStr(ctx, value, "name") : JS_DupValue(ctx, value);
    const char *text = JS_IsString(name) ? JS_ToCString(ctx, name) : NULL;
    algorithm->params = JS_IsObject(value) ? value : JS_UNDEFINED;
    bool found = false;
    for (size_t i = 0; text && !found && i < sizeof(names) / sizeof(names[0]); i++) {
        found = strcasecmp(names[i], text) == 0;
        algorithm->name = (enum wc_name)i;
    }
    if (!text && !JS_HasException(ctx))
        js_throw_named(ctx, "SyntaxError", "%s: the algorithm must be a name or an object with one", operation);
    else if (!found && text)
        js_throw_named(ctx, "NotSupportedError", "%s: unsupported algorithm '%s'", operation, text);
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, name);
    return found;
}

bool wc_hash_read(JSContext *ctx, JSValueConst params, enum wc_name *hash)
{
    struct wc_algorithm algorithm;
    JSValue value = JS_IsObject(params) ? JS_GetPropertyStr(ctx, params, "hash") : JS_UNDEFINED;
    bool read = wc_algorithm_read(ctx, value, "hash", &algorithm);
    JS_FreeValue(ctx, value);
    if (read && algorithm.name < WC_SHA1) {
        js_throw_named(ctx, "NotSupportedError", "hash: '%s' is no digest", names[algorithm.name]);
        read = false;
    }
    *hash = algorithm.name;
    return read;
}

const EVP_MD *wc_digest(enum wc_name hash)
{
    return hash == WC_SHA1 ? EVP_sha1() : hash == WC_SHA256 ? EVP_sha256() : hash == WC_SHA384 ? EVP_sha384() : EVP_sha512();
}

bool wc_data(JSContext *ctx, JSValueConst value, struct js_bytes *bytes)
{
    if (!JS_IsString(value) && js_bytes_read(ctx, value, bytes))
        return true;
    JS_ThrowTypeError(ctx, "data must be an ArrayBuffer or a view of one");
    return false;
}

int wc_param_bytes(JSContext *ctx, JSValueConst params, const char *name, struct buf *bytes)
{
    struct js_bytes read;
    JSValue value = JS_IsObject(params) ? JS_GetPropertyStr(ctx, params, name) : JS_UNDEFINED;
    int result = JS_IsUndefined(value) ? 0 : wc_data(ctx, value, &read) ? 1 : -1;
    if (result > 0)
        buf_add(bytes, read.data, read.len);
    JS_FreeValue(ctx, value);
    return result;
}

bool wc_param_int(JSContext *ctx, JSValueConst params, const char *name, int64_t fallback, int64_t *value)
{
    JSValue member = JS_IsObject(params) ? JS_GetPropertyStr(ctx, params, name) : JS_UNDEFINED;
    bool read = true;
    *value = fallback;
    if (!JS_IsUndefined(member) && !JS_IsNull(member))
        read = !JS_IsException(member) && JS_ToInt64(ctx, value, member) == 0;
    JS_FreeValue(ctx, member);
    return read;
}

/* ---- digest ---- */

static JSValue wc_digest_of(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    struct js_bytes data;
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!wc_algorithm_read(ctx, argv[0], "digest", &algorithm))
        return JS_EXCEPTION;
    if (algorithm.name < WC_SHA1)
        return js_throw_named(ctx, "NotSupportedError", "digest: '%s' is no digest", names[algorithm.name]);
    if (!wc_data(ctx, argv[1], &data))
        return JS_EXCEPTION;
    EVP_Digest(data.data, data.len, sum, &len, wc_digest(algorithm.name), NULL);
    return js_new_array_buffer(ctx, sum, len);
}

/* ---- subtle ---- */

static const struct subtle_operation {
    const char *name;
    int least_arguments;
    JSValue (*run)(JSContext *ctx, int argc, JSValueConst *argv);
} subtle_operations[] = {
    {"encrypt", 3, wc_encrypt},       {"decrypt", 3, wc_decrypt},      {"sign", 3, wc_sign},           {"verify", 4, wc_verify},
    {"digest", 2, wc_digest_of},      {"generateKey", 3, wc_generate_key}, {"importKey", 5, wc_import_key}, {"exportKey", 2, wc_export_key},
    {"deriveBits", 2, wc_derive_bits}, {"deriveKey", 5, wc_derive_key}, {"wrapKey", 4, wc_wrap_key},    {"unwrapKey", 7, wc_unwrap_key},
};

static JSValue js_subtle(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    const struct subtle_operation *operation = &subtle_operations[magic];
    if (argc < operation->least_arguments)
        return js_settled(ctx, JS_ThrowTypeError(ctx, "%s() needs %d arguments", operation->name, operation->least_arguments));
    return js_settled(ctx, operation->run(ctx, argc, argv));
}

/* ---- random ---- */

static JSValue js_get_random_values(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_bytes bytes;
    int type = argc > 0 ? JS_GetTypedArrayType(argv[0]) : -1;
    if (type < 0 || type >= JS_TYPED_ARRAY_FLOAT16)
        return js_throw_named(ctx, "TypeMismatchError", "getRandomValues() needs a typed array of integers");
    if (!js_bytes_read(ctx, argv[0], &bytes))
        return JS_EXCEPTION;
    if (bytes.len > 65536)
        return js_throw_named(ctx, "QuotaExceededError", "getRandomValues() gives at most 65536 bytes at once, %zu were asked for", bytes.len);
    if (bytes.len && RAND_bytes((uint8_t *)(uintptr_t)bytes.data, (int)bytes.len) != 1)
        return js_throw_named(ctx, "OperationError", "the system has no random bytes");
    return JS_DupValue(ctx, argv[0]);
}

static JSValue js_random_uuid(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint8_t b[16];
    char text[40];
    if (RAND_bytes(b, sizeof(b)) != 1)
        return js_throw_named(ctx, "OperationError", "the system has no random bytes");
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
             b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return JS_NewString(ctx, text);
}

static JSValue make_crypto(JSContext *ctx)
{
    JSValue crypto = JS_NewObject(ctx), subtle = JS_NewObject(ctx);
    for (int i = 0; i < (int)(sizeof(subtle_operations) / sizeof(subtle_operations[0])); i++)
        js_add_magic(ctx, subtle, subtle_operations[i].name, js_subtle, subtle_operations[i].least_arguments, i);
    js_add_function(ctx, crypto, "getRandomValues", js_get_random_values, 1);
    js_add_function(ctx, crypto, "randomUUID", js_random_uuid, 0);
    JS_DefinePropertyValueStr(ctx, crypto, "subtle", subtle, JS_PROP_C_W_E);
    return crypto;
}

enum lazy_global { LAZY_CRYPTO, LAZY_CRYPTO_KEY };

static const char *const lazy_names[] = {"crypto", "CryptoKey"};

static JSValue get_lazy(JSContext *ctx, JSValueConst this_val, int magic)
{
    JSValue global = JS_GetGlobalObject(ctx);
    wc_keys_register(ctx, global);
    JS_DefinePropertyValueStr(ctx, global, "crypto", make_crypto(ctx), JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    JSValue value = JS_GetPropertyStr(ctx, global, lazy_names[magic]);
    JS_FreeValue(ctx, global);
    return value;
}

static JSValue set_lazy(JSContext *ctx, JSValueConst this_val, JSValueConst value, int magic)
{
    JSValue global = JS_GetGlobalObject(ctx);
    JS_DefinePropertyValueStr(ctx, global, lazy_names[magic], JS_DupValue(ctx, value), JS_PROP_C_W_E);
    JS_FreeValue(ctx, global);
    return JS_UNDEFINED;
}

void webcrypto_install(JSContext *ctx, JSValueConst global)
{
    for (int i = LAZY_CRYPTO; i <= LAZY_CRYPTO_KEY; i++) {
        JSCFunctionType getter = {.getter_magic = get_lazy}, setter = {.setter_magic = set_lazy};
        JSAtom atom = JS_NewAtom(ctx, lazy_names[i]);
        JS_DefinePropertyGetSet(ctx, global, atom, JS_NewCFunction2(ctx, getter.generic, lazy_names[i], 0, JS_CFUNC_getter_magic, i),
                                JS_NewCFunction2(ctx, setter.generic, lazy_names[i], 1, JS_CFUNC_setter_magic, i), JS_PROP_CONFIGURABLE);
        JS_FreeAtom(ctx, atom);
    }
}
