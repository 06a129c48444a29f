/* SPDX-License-Identifier: Apache-2.0 */
/* CryptoKey: making, reading and writing keys. */
#include "script/k6/webcrypto.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/base64.h"
#include "core/mem.h"

static void key_free(struct wc_key *key)
{
    if (!key)
        return;
    if (key->secret)
        OPENSSL_cleanse(key->secret, key->secret_len);
    mem_free(key->secret);
    EVP_PKEY_free(key->pkey);
    mem_free(key);
}

static void key_finalize(JSRuntime *rt, JSValueConst value)
{
    key_free(JS_GetOpaque(value, JS_CLASS_CRYPTO_KEY));
}

static const JSClassDef key_class = {"CryptoKey", .finalizer = key_finalize};

struct wc_key *wc_key_of(JSContext *ctx, JSValueConst value)
{
    struct wc_key *key = JS_GetOpaque(value, JS_CLASS_CRYPTO_KEY);
    if (!key)
        JS_ThrowTypeError(ctx, "a CryptoKey is needed");
    return key;
}

bool wc_key_allows(JSContext *ctx, const struct wc_key *key, enum wc_name algorithm, enum wc_usage usage)
{
    if (key->algorithm != algorithm)
        js_throw_named(ctx, "InvalidAccessError", "the key is for %s, not %s", wc_display_name(key->algorithm), wc_display_name(algorithm));
    else if (!(key->usages & usage))
        js_throw_named(ctx, "InvalidAccessError", "the key's usages do not allow this operation");
    else
        return true;
    return false;
}

/* ---- usages ---- */

static const struct {
    const char *name;
    enum wc_usage bit;
} usage_names[] = {
    {"encrypt", WC_ENCRYPT}, {"decrypt", WC_DECRYPT}, {"sign", WC_SIGN}, {"verify", WC_VERIFY}, {"deriveKey", WC_DERIVE_KEY},
    {"deriveBits", WC_DERIVE_BITS}, {"wrapKey", WC_WRAP}, {"unwrapKey", WC_UNWRAP},
};

enum { USAGE_COUNT = sizeof(usage_names) / sizeof(usage_names[0]) };

static bool usages_read(JSContext *ctx, JSValueConst list, unsigned *usages)
{
    int64_t count = 0;
    *usages = 0;
    if (!JS_IsArray(list) || JS_GetLength(ctx, list, &count)) {
        JS_ThrowTypeError(ctx, "key usages must be an array of names");
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyInt64(ctx, list, i);
        const char *name = JS_ToCString(ctx, item);
        unsigned bit = 0;
        for (int k = 0; name && k < USAGE_COUNT; k++)
            if (strcmp(usage_names[k].name, name) == 0)
                bit = usage_names[k].bit;
        if (name && !bit)
            js_throw_named(ctx, "SyntaxError", "'%s' is no key usage", name);
        JS_FreeCString(ctx, name);
        JS_FreeValue(ctx, item);
        if (!bit)
            return false;
        *usages |= bit;
    }
    return true;
}

static JSValue usages_value(JSContext *ctx, unsigned usages)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;
    for (int i = 0; i < USAGE_COUNT; i++)
        if (usages & usage_names[i].bit)
            JS_SetPropertyUint32(ctx, list, count++, JS_NewString(ctx, usage_names[i].name));
    return list;
}

static unsigned allowed_usages(enum wc_name algorithm, enum wc_type type)
{
    switch (algorithm) {
    case WC_AES_CBC: case WC_AES_CTR: case WC_AES_GCM:
        return WC_ENCRYPT | WC_DECRYPT | WC_WRAP | WC_UNWRAP;
    case WC_AES_KW:
        return WC_WRAP | WC_UNWRAP;
    case WC_HMAC:
        return WC_SIGN | WC_VERIFY;
    case WC_RSA_OAEP:
        return type == WC_PUBLIC ? WC_ENCRYPT | WC_WRAP : WC_DECRYPT | WC_UNWRAP;
    case WC_RSA_PSS: case WC_RSA_PKCS1: case WC_ECDSA:
        return type == WC_PUBLIC ? WC_VERIFY : WC_SIGN;
    case WC_ECDH:
        return type == WC_PUBLIC ? 0 : WC_DERIVE_KEY | WC_DERIVE_BITS;
    default:
        return WC_DERIVE_KEY | WC_DERIVE_BITS;
    }
}

static bool is_aes(enum wc_name name) { return name <= WC_AES_KW; }
static bool is_rsa(enum wc_name name) { return name == WC_RSA_OAEP || name == WC_RSA_PSS || name == WC_RSA_PKCS1; }
static bool is_ec(enum wc_name name) { return name == WC_ECDSA || name == WC_ECDH; }

/* ---- the object ---- */

static const struct curve {
    const char *name;
    int nid;
    size_t bytes;
} curves[] = {{"P-256", NID_X9_62_prime256v1, 32}, {"P-384", NID_secp384r1, 48}, {"P-521", NID_secp521r1, 66}};

static const struct curve *curve_of_nid(int nid)
{
    for (size_t i = 0; i < 3; i++)
        if (curves[i].nid == nid)
            return &curves[i];
    return NULL;
}

static const struct curve *curve_read(JSContext *ctx, JSValueConst params)
{
    JSValue value = JS_IsObject(params) ? JS_GetPropertyStr(ctx, params, "namedCurve") : JS_UNDEFINED;
    const char *name = JS_ToCString(ctx, value);
    const struct curve *found = NULL;
    for (size_t i = 0; name && !found && i < 3; i++)
        if (strcmp(curves[i].name, name) == 0)
            found = &curves[i];
    if (name && !found)
        js_throw_named(ctx, "NotSupportedError", "unsupported curve '%s' (P-256, P-384 or P-521)", name);
    JS_FreeCString(ctx, name);
    JS_FreeValue(ctx, value);
    return found;
}

static JSValue hash_value(JSContext *ctx, enum wc_name hash)
{
    JSValue object = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, object, "name", JS_NewString(ctx, wc_display_name(hash)));
    return object;
}

static JSValue algorithm_value(JSContext *ctx, const struct wc_key *key)
{
    JSValue object = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, object, "name", JS_NewString(ctx, wc_display_name(key->algorithm)));
    if (is_rsa(key->algorithm)) {
        BIGNUM *exponent = NULL;
        uint8_t bytes[16];
        JS_SetPropertyStr(ctx, object, "modulusLength", JS_NewInt32(ctx, EVP_PKEY_get_bits(key->pkey)));
        if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) && BN_num_bytes(exponent) <= (int)sizeof(bytes))
            JS_SetPropertyStr(ctx, object, "publicExponent", JS_NewUint8ArrayCopy(ctx, bytes, (size_t)BN_bn2bin(exponent, bytes)));
        BN_free(exponent);
    }
    if (is_aes(key->algorithm) || key->algorithm == WC_HMAC)
        JS_SetPropertyStr(ctx, object, "length", JS_NewInt64(ctx, (int64_t)key->secret_len * 8));
    if (is_ec(key->algorithm))
        JS_SetPropertyStr(ctx, object, "namedCurve", JS_NewString(ctx, curve_of_nid(key->curve_nid)->name));
    if (is_rsa(key->algorithm) || key->algorithm == WC_HMAC)
        JS_SetPropertyStr(ctx, object, "hash", hash_value(ctx, key->hash));
    return object;
}

/* Takes the key. */
static JSValue key_value(JSContext *ctx, struct wc_key *key)
{
    static const char *const types[] = {"secret", "private", "public"};
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_CRYPTO_KEY);
    JS_SetOpaque(object, key);
    JS_DefinePropertyValueStr(ctx, object, "type", JS_NewString(ctx, types[key->type]), JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, object, "extractable", JS_NewBool(ctx, key->extractable), JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, object, "algorithm", algorithm_value(ctx, key), JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, object, "usages", usages_value(ctx, key->usages), JS_PROP_ENUMERABLE);
    return object;
}

static JSValue js_no_constructor(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return JS_ThrowTypeError(ctx, "CryptoKey has no constructor: use crypto.subtle.generateKey() or importKey()");
}

void wc_keys_register(JSContext *ctx, JSValueConst global)
{
    js_class_register(ctx, JS_CLASS_CRYPTO_KEY, &key_class);
    JSValue constructor = JS_NewCFunction2(ctx, js_no_constructor, "CryptoKey", 0, JS_CFUNC_constructor, 0), proto = JS_NewObject(ctx);
    JS_SetConstructor(ctx, constructor, proto);
    JS_SetClassProto(ctx, JS_CLASS_CRYPTO_KEY, proto);
    JS_DefinePropertyValueStr(ctx, global, "CryptoKey", constructor, JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
}

static struct wc_key *key_new(enum wc_type type, enum wc_name algorithm, enum wc_name hash, bool extractable, unsigned usages)
{
    struct wc_key *key = mem_zalloc(sizeof(*key));
    *key = (struct wc_key){.type = type, .algorithm = algorithm, .hash = hash, .extractable = extractable, .usages = usages};
    return key;
}

/* ---- generateKey ---- */

static JSValue generate_secret(JSContext *ctx, const struct wc_algorithm *algorithm, bool extractable, unsigned usages)
{
    enum wc_name hash = WC_SHA256;
    int64_t bits;
    if (algorithm->name == WC_HMAC && !wc_hash_read(ctx, algorithm->params, &hash))
        return JS_EXCEPTION;
    int64_t fallback = algorithm->name == WC_HMAC ? EVP_MD_get_block_size(wc_digest(hash)) * 8 : 0;
    if (!wc_param_int(ctx, algorithm->params, "length", fallback, &bits))
        return JS_EXCEPTION;
    bool valid = algorithm->name == WC_HMAC ? bits > 0 && bits % 8 == 0 && bits <= 1 << 20 : bits == 128 || bits == 192 || bits == 256;
    if (!valid)
        return js_throw_named(ctx, "OperationError", "generateKey: invalid key length %lld", (long long)bits);
    struct wc_key *key = key_new(WC_SECRET, algorithm->name, hash, extractable, usages);
    key->secret_len = (size_t)bits / 8;
    key->secret = mem_alloc(key->secret_len);
    RAND_bytes(key->secret, (int)key->secret_len);
    return key_value(ctx, key);
}

static EVP_PKEY *generate_rsa(JSContext *ctx, JSValueConst params)
{
    int64_t bits;
    struct buf exponent = {0};
    if (!wc_param_int(ctx, params, "modulusLength", 0, &bits))
        return NULL;
    int given = wc_param_bytes(ctx, params, "publicExponent", &exponent);
    if (given < 0)
        return NULL;
    if (bits < 1024 || bits > 16384 || !given) {
        buf_free(&exponent);
        js_throw_named(ctx, "OperationError", "generateKey: an RSA key needs a modulusLength from 1024 to 16384 and a publicExponent");
        return NULL;
    }
    BIGNUM *e = BN_bin2bn((uint8_t *)exponent.data, (int)exponent.len, NULL);
    buf_free(&exponent);
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    EVP_PKEY *pkey = NULL;
    bool made = EVP_PKEY_keygen_init(maker) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(maker, (int)bits) == 1 && EVP_PKEY_CTX_set1_rsa_keygen_pubexp(maker, e) == 1 &&
                EVP_PKEY_generate(maker, &pkey) == 1;
    EVP_PKEY_CTX_free(maker);
    BN_free(e);
    if (!made)
        js_throw_named(ctx, "OperationError", "generateKey: no RSA key can be made with these parameters");
    return made ? pkey : NULL;
}

JSValue wc_generate_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    unsigned usages;
    if (!wc_algorithm_read(ctx, argv[0], "generateKey", &algorithm) || !usages_read(ctx, argv[2], &usages))
        return JS_EXCEPTION;
    bool extractable = JS_ToBool(ctx, argv[1]) > 0, pair = is_rsa(algorithm.name) || is_ec(algorithm.name);
    if (!pair && !is_aes(algorithm.name) && algorithm.name != WC_HMAC)
        return js_throw_named(ctx, "NotSupportedError", "generateKey: '%s' has no keys to generate", wc_display_name(algorithm.name));
    unsigned private_usages = usages & allowed_usages(algorithm.name, WC_PRIVATE), public_usages = pair ? usages & allowed_usages(algorithm.name, WC_PUBLIC) : 0;
    if (usages & ~(private_usages | public_usages))
        return js_throw_named(ctx, "SyntaxError", "generateKey: a key of %s cannot have these usages", wc_display_name(algorithm.name));
    if (!private_usages)
        return js_throw_named(ctx, "SyntaxError", "generateKey: the key would have no usage");
    if (!pair)
        return generate_secret(ctx, &algorithm, extractable, private_usages);

    EVP_PKEY *pkey;
    enum wc_name hash = WC_SHA256;
    const struct curve *curve = NULL;
    if (is_rsa(algorithm.name)) {
        pkey = wc_hash_read(ctx, algorithm.params, &hash) ? generate_rsa(ctx, algorithm.params) : NULL;
    } else {
        curve = curve_read(ctx, algorithm.params);
        pkey = curve ? EVP_EC_gen(curve->name) : NULL;
    }
    if (!pkey)
        return JS_EXCEPTION;
    struct wc_key *private = key_new(WC_PRIVATE, algorithm.name, hash, extractable, private_usages);
    struct wc_key *public = key_new(WC_PUBLIC, algorithm.name, hash, true, public_usages);
    private->curve_nid = public->curve_nid = curve ? curve->nid : 0;
    private->pkey = pkey;
    EVP_PKEY_up_ref(pkey);
    public->pkey = pkey;
    JSValue result = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, result, "privateKey", key_value(ctx, private));
    JS_SetPropertyStr(ctx, result, "publicKey", key_value(ctx, public));
    return result;
}

/* ---- JSON web keys ---- */

static void jwk_set(JSContext *ctx, JSValueConst jwk, const char *name, const uint8_t *bytes, size_t len)
{
    struct buf out = {0};
    base64_encode(&out, bytes, len, BASE64_URL | BASE64_RAW);
    JS_SetPropertyStr(ctx, jwk, name, JS_NewStringLen(ctx, out.data ? out.data : "", out.len));
    buf_free(&out);
}

/* The member's bytes in out; false when it is missing or not base64url (nothing thrown). */
static bool jwk_get(JSContext *ctx, JSValueConst jwk, const char *name, struct buf *out)
{
    JSValue value = JS_GetPropertyStr(ctx, jwk, name);
    size_t len;
    const char *text = JS_IsString(value) ? JS_ToCStringLen(ctx, &len, value) : NULL;
    bool read = text && base64_decode(out, text, len, BASE64_URL | BASE64_RAW) && out->len;
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    return read;
}

static const struct jwk_number {
    const char *name, *param;
    bool private;
} rsa_numbers[] = {
    {"n", OSSL_PKEY_PARAM_RSA_N, false},       {"e", OSSL_PKEY_PARAM_RSA_E, false},          {"d", OSSL_PKEY_PARAM_RSA_D, true},
    {"p", OSSL_PKEY_PARAM_RSA_FACTOR1, true},  {"q", OSSL_PKEY_PARAM_RSA_FACTOR2, true},     {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, true},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, true}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, true},
};

enum { RSA_NUMBER_COUNT = sizeof(rsa_numbers) / sizeof(rsa_numbers[0]) };

static void jwk_set_number(JSContext *ctx, JSValueConst jwk, const char *name, const EVP_PKEY *pkey, const char *param, size_t width)
{
    BIGNUM *number = NULL;
    if (!EVP_PKEY_get_bn_param(pkey, param, &number))
        return;
    size_t len = width ? width : (size_t)BN_num_bytes(number);
    uint8_t *bytes = mem_zalloc(len);
    BN_bn2binpad(number, bytes, (int)len);
    jwk_set(ctx, jwk, name, bytes, len);
    OPENSSL_cleanse(bytes, len);
    mem_free(bytes);
    BN_clear_free(number);
}

static JSValue jwk_export(JSContext *ctx, const struct wc_key *key)
{
    JSValue jwk = JS_NewObject(ctx);
    char alg[16] = "";
    int digest_bits = EVP_MD_get_size(wc_digest(key->hash)) * 8;
    if (key->hash == WC_SHA1)
        digest_bits = 1;
    if (key->type == WC_SECRET) {
        JS_SetPropertyStr(ctx, jwk, "kty", JS_NewString(ctx, "oct"));
        jwk_set(ctx, jwk, "k", key->secret, key->secret_len);
        if (key->algorithm == WC_HMAC)
            snprintf(alg, sizeof(alg), "HS%d", digest_bits);
        else
            snprintf(alg, sizeof(alg), "A%zu%s", key->secret_len * 8, wc_display_name(key->algorithm) + 4);
    } else if (is_rsa(key->algorithm)) {
        JS_SetPropertyStr(ctx, jwk, "kty", JS_NewString(ctx, "RSA"));
        for (int i = 0; i < RSA_NUMBER_COUNT; i++)
            if (key->type == WC_PRIVATE || !rsa_numbers[i].private)
                jwk_set_number(ctx, jwk, rsa_numbers[i].name, key->pkey, rsa_numbers[i].param, 0);
        if (key->algorithm == WC_RSA_OAEP)
            snprintf(alg, sizeof(alg), digest_bits == 1 ? "RSA-OAEP" : "RSA-OAEP-%d", digest_bits);
        else
            snprintf(alg, sizeof(alg), "%s%d", key->algorithm == WC_RSA_PSS ? "PS" : "RS", digest_bits);
    } else {
        const struct curve *curve = curve_of_nid(key->curve_nid);
        JS_SetPropertyStr(ctx, jwk, "kty", JS_NewString(ctx, "EC"));
        JS_SetPropertyStr(ctx, jwk, "crv", JS_NewString(ctx, curve->name));
        jwk_set_number(ctx, jwk, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, curve->bytes);
        jwk_set_number(ctx, jwk, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, curve->bytes);
        if (key->type == WC_PRIVATE)
            jwk_set_number(ctx, jwk, "d", key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, curve->bytes);
    }
    if (alg[0])
        JS_SetPropertyStr(ctx, jwk, "alg", JS_NewString(ctx, alg));
    JS_SetPropertyStr(ctx, jwk, "ext", JS_NewBool(ctx, key->extractable));
    JS_SetPropertyStr(ctx, jwk, "key_ops", usages_value(ctx, key->usages));
    return jwk;
}

static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM_BLD *builder, bool private)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (params && EVP_PKEY_fromdata_init(maker) == 1 && EVP_PKEY_fromdata(maker, &pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(maker);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_from_jwk(JSContext *ctx, JSValueConst jwk, bool *private)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[RSA_NUMBER_COUNT] = {0};
    bool complete = true;
    *private = false;
    for (int i = 0; i < RSA_NUMBER_COUNT; i++) {
        struct buf bytes = {0};
        if (jwk_get(ctx, jwk, rsa_numbers[i].name, &bytes)) {
            numbers[i] = BN_bin2bn((uint8_t *)bytes.data, (int)bytes.len, NULL);
            OSSL_PARAM_BLD_push_BN(builder, rsa_numbers[i].param, numbers[i]);
            *private |= rsa_numbers[i].private;
        } else if (!rsa_numbers[i].private) {
            complete = false;
        }
        buf_free(&bytes);
    }
    EVP_PKEY *pkey = complete ? pkey_from("RSA", builder, *private) : NULL;
    OSSL_PARAM_BLD_free(builder);
    for (int i = 0; i < RSA_NUMBER_COUNT; i++)
        BN_clear_free(numbers[i]);
    return pkey;
}

/* An uncompressed point (0x04 X Y), with the private number or without. */
static EVP_PKEY *ec_from_point(const struct curve *curve, const uint8_t *point, size_t len, const struct buf *d)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *number = d && d->len ? BN_bin2bn((uint8_t *)d->data, (int)d->len, NULL) : NULL;
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->name, 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len);
    if (number)
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, number);
    EVP_PKEY *pkey = pkey_from("EC", builder, number != NULL);
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(number);
    return pkey;
}

static EVP_PKEY *ec_from_jwk(JSContext *ctx, JSValueConst jwk, const struct curve *curve, bool *private)
{
    struct buf x = {0}, y = {0}, d = {0};
    EVP_PKEY *pkey = NULL;
    uint8_t point[1 + 2 * 66] = {4};
    JSValue crv = JS_GetPropertyStr(ctx, jwk, "crv");
    const char *name = JS_ToCString(ctx, crv);
    *private = jwk_get(ctx, jwk, "d", &d);
    if (name && strcmp(name, curve->name) == 0 && jwk_get(ctx, jwk, "x", &x) && jwk_get(ctx, jwk, "y", &y) && x.len == curve->bytes && y.len == curve->bytes) {
        memcpy(point + 1, x.data, x.len);
        memcpy(point + 1 + x.len, y.data, y.len);
        pkey = ec_from_point(curve, point, 1 + 2 * curve->bytes, &d);
    }
    JS_FreeCString(ctx, name);
    JS_FreeValue(ctx, crv);
    buf_free(&x);
    buf_free(&y);
    buf_free(&d);
    return pkey;
}

/* ---- importKey ---- */

static JSValue data_error(JSContext *ctx, const char *format, enum wc_name algorithm)
{
    return js_throw_named(ctx, "DataError", "importKey: the data are no %s key of %s", format, wc_display_name(algorithm));
}

static JSValue import_secret(JSContext *ctx, const char *format, JSValueConst data, const struct wc_algorithm *algorithm, bool extractable, unsigned usages)
{
    struct js_bytes bytes = {0};
    struct buf decoded = {0};
    enum wc_name hash = WC_SHA256;
    if (algorithm->name == WC_HMAC && !wc_hash_read(ctx, algorithm->params, &hash))
        return JS_EXCEPTION;
    if (strcmp(format, "jwk") == 0 && algorithm->name != WC_PBKDF2) {
        JSValue kty = JS_IsObject(data) ? JS_GetPropertyStr(ctx, data, "kty") : JS_UNDEFINED;
        const char *type = JS_ToCString(ctx, kty);
        bool read = type && strcmp(type, "oct") == 0 && jwk_get(ctx, data, "k", &decoded);
        JS_FreeCString(ctx, type);
        JS_FreeValue(ctx, kty);
        if (!read) {
            buf_free(&decoded);
            return data_error(ctx, format, algorithm->name);
        }
        bytes.data = (uint8_t *)decoded.data;
        bytes.len = decoded.len;
    } else if (strcmp(format, "raw") != 0) {
        return js_throw_named(ctx, "NotSupportedError", "importKey: a key of %s is not read as '%s'", wc_display_name(algorithm->name), format);
    } else if (!wc_data(ctx, data, &bytes)) {
        return JS_EXCEPTION;
    }
    bool valid = is_aes(algorithm->name) ? bytes.len == 16 || bytes.len == 24 || bytes.len == 32 : algorithm->name == WC_PBKDF2 || bytes.len > 0;
    JSValue result;
    if (valid) {
        struct wc_key *key = key_new(WC_SECRET, algorithm->name, hash, extractable, usages);
        key->secret = mem_dup(bytes.len ? bytes.data : (const uint8_t *)"", bytes.len ? bytes.len : 1);
        key->secret_len = bytes.len;
        result = key_value(ctx, key);
    } else {
        result = data_error(ctx, format, algorithm->name);
    }
    buf_free(&decoded);
    return result;
}

static EVP_PKEY *pkey_read(JSContext *ctx, const char *format, JSValueConst data, const struct curve *curve, bool rsa, bool *private)
{
    struct js_bytes bytes;
    *private = strcmp(format, "pkcs8") == 0;
    if (strcmp(format, "jwk") == 0) {
        if (!JS_IsObject(data))
            return NULL;
        return rsa ? rsa_from_jwk(ctx, data, private) : ec_from_jwk(ctx, data, curve, private);
    }
    if (!wc_data(ctx, data, &bytes))
        return NULL;
    const unsigned char *at = bytes.data;
    if (strcmp(format, "spki") == 0)
        return d2i_PUBKEY(NULL, &at, (long)bytes.len);
    if (*private) {
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)bytes.len);
        EVP_PKEY *pkey = info ? EVP_PKCS82PKEY(info) : NULL;
        PKCS8_PRIV_KEY_INFO_free(info);
        return pkey;
    }
    return !rsa && strcmp(format, "raw") == 0 && bytes.len == 1 + 2 * curve->bytes ? ec_from_point(curve, bytes.data, bytes.len, NULL) : NULL;
}

static JSValue import_pair(JSContext *ctx, const char *format, JSValueConst data, const struct wc_algorithm *algorithm, bool extractable, unsigned usages)
{
    enum wc_name hash = WC_SHA256;
    const struct curve *curve = NULL;
    bool rsa = is_rsa(algorithm->name), private;
    if (rsa ? !wc_hash_read(ctx, algorithm->params, &hash) : !(curve = curve_read(ctx, algorithm->params)))
        return JS_EXCEPTION;
    EVP_PKEY *pkey = pkey_read(ctx, format, data, curve, rsa, &private);
    if (!pkey && JS_HasException(ctx))
        return JS_EXCEPTION;
    char group[64] = "";
    if (pkey && !rsa)
        EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL);
    if (!pkey || !EVP_PKEY_is_a(pkey, rsa ? "RSA" : "EC") || (!rsa && OBJ_txt2nid(group) != curve->nid)) {
        EVP_PKEY_free(pkey);
        return data_error(ctx, format, algorithm->name);
    }
    enum wc_type type = private ? WC_PRIVATE : WC_PUBLIC;
    if (usages & ~allowed_usages(algorithm->name, type) || (private && !usages)) {
        EVP_PKEY_free(pkey);
        return js_throw_named(ctx, "SyntaxError", "importKey: a %s key of %s cannot have these usages", private ? "private" : "public", wc_display_name(algorithm->name));
    }
    struct wc_key *key = key_new(type, algorithm->name, hash, extractable, usages);
    key->pkey = pkey;
    key->curve_nid = curve ? curve->nid : 0;
    return key_value(ctx, key);
}

JSValue wc_import_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    unsigned usages;
    const char *format = JS_ToCString(ctx, argv[0]);
    if (!format)
        return JS_EXCEPTION;
    JSValue result = JS_EXCEPTION;
    bool extractable = JS_ToBool(ctx, argv[3]) > 0;
    if (strcmp(format, "raw") && strcmp(format, "jwk") && strcmp(format, "spki") && strcmp(format, "pkcs8")) {
        js_throw_named(ctx, "NotSupportedError", "importKey: unknown format '%s' (raw, jwk, spki or pkcs8)", format);
    } else if (wc_algorithm_read(ctx, argv[2], "importKey", &algorithm) && usages_read(ctx, argv[4], &usages)) {
        if (is_rsa(algorithm.name) || is_ec(algorithm.name))
            result = import_pair(ctx, format, argv[1], &algorithm, extractable, usages);
        else if (algorithm.name >= WC_SHA1)
            js_throw_named(ctx, "NotSupportedError", "importKey: '%s' has no keys", wc_display_name(algorithm.name));
        else if (!usages || usages & ~allowed_usages(algorithm.name, WC_SECRET))
            js_throw_named(ctx, "SyntaxError", "importKey: a key of %s cannot have these usages", wc_display_name(algorithm.name));
        else
            result = import_secret(ctx, format, argv[1], &algorithm, extractable, usages);
    }
    JS_FreeCString(ctx, format);
    return result;
}

/* ---- exportKey ---- */

static JSValue export_der(JSContext *ctx, const struct wc_key *key, bool private)
{
    unsigned char *der = NULL;
    int len = -1;
    if (private) {
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
        len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
        PKCS8_PRIV_KEY_INFO_free(info);
    } else {
        len = i2d_PUBKEY(key->pkey, &der);
    }
    JSValue result = len > 0 ? js_new_array_buffer(ctx, der, (size_t)len) : js_throw_named(ctx, "OperationError", "exportKey: the key cannot be written");
    OPENSSL_free(der);
    return result;
}

static JSValue export_as(JSContext *ctx, const char *format, const struct wc_key *key)
{
    if (strcmp(format, "jwk") == 0 && key->algorithm != WC_PBKDF2)
        return jwk_export(ctx, key);
    if (strcmp(format, "raw") == 0 && key->type == WC_SECRET)
        return js_new_array_buffer(ctx, key->secret, key->secret_len);
    if (strcmp(format, "raw") == 0 && key->type == WC_PUBLIC && is_ec(key->algorithm)) {
        uint8_t point[1 + 2 * 66];
        size_t len = 0;
        EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len);
        return js_new_array_buffer(ctx, point, len);
    }
    if ((strcmp(format, "spki") == 0 && key->type == WC_PUBLIC) || (strcmp(format, "pkcs8") == 0 && key->type == WC_PRIVATE))
        return export_der(ctx, key, key->type == WC_PRIVATE);
    return js_throw_named(ctx, "InvalidAccessError", "exportKey: this key cannot be written as '%s'", format);
}

JSValue wc_export_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    const struct wc_key *key = wc_key_of(ctx, argv[1]);
    if (!key)
        return JS_EXCEPTION;
    if (!key->extractable)
        return js_throw_named(ctx, "InvalidAccessError", "exportKey: the key is not extractable");
    const char *format = JS_ToCString(ctx, argv[0]);
    JSValue result = format ? export_as(ctx, format, key) : JS_EXCEPTION;
    JS_FreeCString(ctx, format);
    return result;
}
