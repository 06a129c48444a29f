/* SPDX-License-Identifier: Apache-2.0 */
/* k6/crypto: digests, HMACs, random bytes. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "core/base64.h"
#include "core/mem.h"
#include "script/k6/modules.h"

static const struct algorithm {
    const char *name, *openssl_name;
} algorithms[] = {
    {"md4", "MD4"},       {"md5", "MD5"},       {"sha1", "SHA1"},             {"sha256", "SHA256"},         {"sha384", "SHA384"},
    {"sha512", "SHA512"}, {"sha512_224", "SHA512-224"}, {"sha512_256", "SHA512-256"}, {"ripemd160", "RIPEMD160"},
};

enum { ALGORITHM_COUNT = sizeof(algorithms) / sizeof(algorithms[0]) };

/* MD4 lives in OpenSSL's legacy provider: a library context of our own has it, so that TLS does not. */
static OSSL_LIB_CTX *crypto_library(void)
{
    static OSSL_LIB_CTX *library;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!library) {
        library = OSSL_LIB_CTX_new();
        OSSL_PROVIDER_load(library, "default");
        OSSL_PROVIDER_load(library, "legacy");
    }
    pthread_mutex_unlock(&lock);
    return library;
}

/* A running digest or HMAC; one of the two is set. */
struct hasher {
    EVP_MD_CTX *digest;
    EVP_MAC_CTX *mac;
};

static void hasher_release(struct hasher *h)
{
    EVP_MD_CTX_free(h->digest);
    EVP_MAC_CTX_free(h->mac);
}

static bool hasher_begin(struct hasher *h, const struct algorithm *algorithm, const struct js_bytes *secret)
{
    *h = (struct hasher){0};
    OSSL_LIB_CTX *library = crypto_library();
    if (!secret) {
        EVP_MD *md = EVP_MD_fetch(library, algorithm->openssl_name, NULL);
        h->digest = EVP_MD_CTX_new();
        bool begun = md && EVP_DigestInit_ex(h->digest, md, NULL);
        EVP_MD_free(md);
        return begun;
    }
    EVP_MAC *mac = EVP_MAC_fetch(library, "HMAC", NULL);
    h->mac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)algorithm->openssl_name, 0), OSSL_PARAM_construct_end()};
    return EVP_MAC_init(h->mac, secret->len ? secret->data : (const uint8_t *)"", secret->len, params);
}

static void hasher_add(struct hasher *h, const void *data, size_t len)
{
    if (h->digest)
        EVP_DigestUpdate(h->digest, data, len);
    else
        EVP_MAC_update(h->mac, data, len);
}

/* What was added so far; more may be added later. */
static size_t hasher_sum(const struct hasher *h, uint8_t sum[EVP_MAX_MD_SIZE])
{
    size_t len = 0;
    if (h->digest) {
        unsigned digest_len = 0;
        EVP_MD_CTX *copy = EVP_MD_CTX_new();
        EVP_MD_CTX_copy_ex(copy, h->digest);
        EVP_DigestFinal_ex(copy, sum, &digest_len);
        EVP_MD_CTX_free(copy);
        len = digest_len;
    } else {
        EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(h->mac);
        EVP_MAC_final(copy, sum, &len, EVP_MAX_MD_SIZE);
        EVP_MAC_CTX_free(copy);
    }
    return len;
}

/* ---- results ---- */

static JSValue hex_string(JSContext *ctx, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = mem_alloc(len * 2 + 1);
    for (size_t i = 0; i < len; i++) {
        text[i * 2] = digits[data[i] >> 4];
        text[i * 2 + 1] = digits[data[i] & 15];
    }
    JSValue value = JS_NewStringLen(ctx, text, len * 2);
    mem_free(text);
    return value;
}

static JSValue encoded(JSContext *ctx, const uint8_t *data, size_t len, JSValueConst encoding)
{
    const char *name = JS_IsUndefined(encoding) ? NULL : JS_ToCString(ctx, encoding);
    if (JS_HasException(ctx))
        return JS_EXCEPTION;
    JSValue result;
    int form = -1;
    if (name && strcmp(name, "base64") == 0)
        form = BASE64_STD;
    else if (name && strcmp(name, "base64url") == 0)
        form = BASE64_URL;
    else if (name && strcmp(name, "base64rawurl") == 0)
        form = BASE64_URL | BASE64_RAW;
    if (form >= 0) {
        struct buf out = {0};
        base64_encode(&out, data, len, (enum base64_form)form);
        result = JS_NewStringLen(ctx, out.data, out.len);
        buf_free(&out);
    } else if (name && strcmp(name, "hex") == 0) {
        result = hex_string(ctx, data, len);
    } else if (name && strcmp(name, "binary") == 0) {
        result = js_new_array_buffer(ctx, data, len);
    } else {
        result = js_throw_error(ctx, "invalid output encoding: '%s' (hex, base64, base64url, base64rawurl or binary)", name ? name : "");
    }
    JS_FreeCString(ctx, name);
    return result;
}

/* False: exception thrown. */
static bool read_bytes(JSContext *ctx, JSValueConst value, struct js_bytes *bytes)
{
    if (js_bytes_read(ctx, value, bytes))
        return true;
    if (!JS_HasException(ctx))
        JS_ThrowTypeError(ctx, "a string or an ArrayBuffer is needed");
    return false;
}

static const struct algorithm *algorithm_of(JSContext *ctx, JSValueConst value)
{
    const char *name = JS_ToCString(ctx, value);
    const struct algorithm *found = NULL;
    for (size_t i = 0; name && !found && i < ALGORITHM_COUNT; i++)
        if (strcmp(algorithms[i].name, name) == 0)
            found = &algorithms[i];
    if (name && !found)
        js_throw_error(ctx, "invalid algorithm: '%s'", name);
    JS_FreeCString(ctx, name);
    return found;
}

static JSValue not_available(JSContext *ctx, const struct algorithm *algorithm)
{
    return js_throw_error(ctx, "%s is not available: this machine's OpenSSL does not have it (its legacy provider is missing)", algorithm->name);
}

static JSValue sum_of(JSContext *ctx, const struct algorithm *algorithm, const struct js_bytes *secret, JSValueConst input, JSValueConst encoding)
{
    struct hasher h;
    struct js_bytes bytes;
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (!read_bytes(ctx, input, &bytes))
        return JS_EXCEPTION;
    JSValue result;
    if (hasher_begin(&h, algorithm, secret)) {
        hasher_add(&h, bytes.data, bytes.len);
        size_t len = hasher_sum(&h, sum);
        result = encoded(ctx, sum, len, encoding);
    } else {
        result = not_available(ctx, algorithm);
    }
    hasher_release(&h);
    js_bytes_free(ctx, &bytes);
    return result;
}

/* ---- functions ---- */

static JSValue js_digest(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    return sum_of(ctx, &algorithms[magic], NULL, argc > 0 ? argv[0] : JS_UNDEFINED, argc > 1 ? argv[1] : JS_UNDEFINED);
}

static JSValue js_hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_bytes secret;
    if (argc < 3)
        return JS_ThrowTypeError(ctx, "hmac() needs an algorithm, a secret and data");
    const struct algorithm *algorithm = algorithm_of(ctx, argv[0]);
    if (!algorithm || !read_bytes(ctx, argv[1], &secret))
        return JS_EXCEPTION;
    JSValue result = sum_of(ctx, algorithm, &secret, argv[2], argc > 3 ? argv[3] : JS_UNDEFINED);
    js_bytes_free(ctx, &secret);
    return result;
}

static JSValue js_random_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int64_t count = 0;
    if (argc < 1 || JS_ToInt64(ctx, &count, argv[0]))
        return argc < 1 ? js_throw_error(ctx, "invalid size: randomBytes() needs a number") : JS_EXCEPTION;
    if (count < 1 || count > 1 << 30)
        return js_throw_error(ctx, "invalid size: randomBytes() needs a number from 1 on");
    uint8_t *bytes = mem_alloc((size_t)count);
    JSValue result;
    if (RAND_bytes(bytes, (int)count) == 1)
        result = js_new_array_buffer(ctx, bytes, (size_t)count);
    else
        result = js_throw_error(ctx, "the system has no random bytes");
    mem_free(bytes);
    return result;
}

static JSValue js_hex_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_bytes bytes;
    if (!read_bytes(ctx, argc > 0 ? argv[0] : JS_UNDEFINED, &bytes))
        return JS_EXCEPTION;
    JSValue text = hex_string(ctx, bytes.data, bytes.len);
    js_bytes_free(ctx, &bytes);
    return text;
}

/* ---- hasher objects ---- */

static void hasher_finalize(JSRuntime *rt, JSValueConst value)
{
    struct hasher *h = JS_GetOpaque(value, JS_CLASS_HASHER);
    if (!h)
        return;
    hasher_release(h);
    mem_free(h);
}

static const JSClassDef hasher_class = {"Hasher", .finalizer = hasher_finalize};

static JSValue js_update(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = JS_GetOpaque2(ctx, this_val, JS_CLASS_HASHER);
    struct js_bytes bytes;
    if (!h || !read_bytes(ctx, argc > 0 ? argv[0] : JS_UNDEFINED, &bytes))
        return JS_EXCEPTION;
    hasher_add(h, bytes.data, bytes.len);
    js_bytes_free(ctx, &bytes);
    return JS_UNDEFINED;
}

static JSValue js_sum(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = JS_GetOpaque2(ctx, this_val, JS_CLASS_HASHER);
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (!h)
        return JS_EXCEPTION;
    size_t len = hasher_sum(h, sum);
    return encoded(ctx, sum, len, argc > 0 ? argv[0] : JS_UNDEFINED);
}

static JSValue hasher_new(JSContext *ctx, const struct algorithm *algorithm, const struct js_bytes *secret)
{
    struct hasher *h = mem_alloc(sizeof(*h));
    bool begun = hasher_begin(h, algorithm, secret);
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_HASHER);
    JS_SetOpaque(object, h);
    if (begun)
        return object;
    JS_FreeValue(ctx, object);
    return not_available(ctx, algorithm);
}

static JSValue js_create_hash(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct algorithm *algorithm = algorithm_of(ctx, argc > 0 ? argv[0] : JS_UNDEFINED);
    return algorithm ? hasher_new(ctx, algorithm, NULL) : JS_EXCEPTION;
}

static JSValue js_create_hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct js_bytes secret;
    const struct algorithm *algorithm = algorithm_of(ctx, argc > 0 ? argv[0] : JS_UNDEFINED);
    if (!algorithm || !read_bytes(ctx, argc > 1 ? argv[1] : JS_UNDEFINED, &secret))
        return JS_EXCEPTION;
    JSValue object = hasher_new(ctx, algorithm, &secret);
    js_bytes_free(ctx, &secret);
    return object;
}

JSValue crypto_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_HASHER, &hasher_class);
    JSValue proto = JS_NewObject(ctx);
    js_add_function(ctx, proto, "update", js_update, 1);
    js_add_function(ctx, proto, "digest", js_sum, 1);
    JS_SetClassProto(ctx, JS_CLASS_HASHER, proto);

    JSValue exports = JS_NewObject(ctx);
    for (int i = 0; i < ALGORITHM_COUNT; i++)
        js_add_magic(ctx, exports, algorithms[i].name, js_digest, 2, i);
    js_add_function(ctx, exports, "createHash", js_create_hash, 1);
    js_add_function(ctx, exports, "createHMAC", js_create_hmac, 2);
    js_add_function(ctx, exports, "hmac", js_hmac, 4);
    js_add_function(ctx, exports, "randomBytes", js_random_bytes, 1);
    js_add_function(ctx, exports, "hexEncode", js_hex_encode, 1);
    return exports;
}
