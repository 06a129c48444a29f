/* SPDX-License-Identifier: Apache-2.0 */
/* What crypto.subtle does with keys: encrypt and decrypt, sign and verify, derive, wrap and unwrap. */
#include "script/k6/webcrypto.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "core/buf.h"
#include "core/mem.h"

static JSValue operation_error(JSContext *ctx, const char *what)
{
    return js_throw_named(ctx, "OperationError", "%s", what);
}

static JSValue take_buffer(JSContext *ctx, struct buf *out)
{
    JSValue value = js_new_array_buffer(ctx, out->data, out->len);
    buf_free(out);
    return value;
}

/* ---- AES ---- */

static const EVP_CIPHER *aes_cipher(const struct wc_key *key)
{
    int size = key->secret_len == 16 ? 0 : key->secret_len == 24 ? 1 : 2;
    switch (key->algorithm) {
    case WC_AES_CBC:
        return size == 0 ? EVP_aes_128_cbc() : size == 1 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
    case WC_AES_CTR:
        return size == 0 ? EVP_aes_128_ctr() : size == 1 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
    case WC_AES_GCM:
        return size == 0 ? EVP_aes_128_gcm() : size == 1 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
    default:
        return size == 0 ? EVP_aes_128_wrap() : size == 1 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();
    }
}

/* One pass of a cipher without authentication; appends. False: it failed (bad padding, a bad length). */
static bool cipher_run(const struct wc_key *key, bool encrypt, const uint8_t *iv, const uint8_t *data, size_t len, struct buf *out)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int part = 0, rest = 0;
    EVP_CIPHER_CTX_set_flags(cipher, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    uint8_t *to = (uint8_t *)buf_reserve(out, len + 32);
    bool done = len <= INT32_MAX && EVP_CipherInit_ex(cipher, aes_cipher(key), NULL, key->secret, iv, encrypt) == 1 &&
                EVP_CipherUpdate(cipher, to, &part, data ? data : (const uint8_t *)"", (int)len) == 1 && EVP_CipherFinal_ex(cipher, to + part, &rest) == 1;
    if (done)
        buf_added(out, (size_t)(part + rest));
    EVP_CIPHER_CTX_free(cipher);
    return done;
}

static JSValue aes_cbc(JSContext *ctx, const struct wc_key *key, JSValueConst params, const struct js_bytes *data, bool encrypt)
{
    struct buf iv = {0}, out = {0};
    int given = wc_param_bytes(ctx, params, "iv", &iv);
    bool fits = given > 0 && iv.len == 16, done = fits && cipher_run(key, encrypt, (uint8_t *)iv.data, data->data, data->len, &out);
    buf_free(&iv);
    if (done)
        return take_buffer(ctx, &out);
    buf_free(&out);
    if (given < 0)
        return JS_EXCEPTION;
    if (!fits)
        return operation_error(ctx, "AES-CBC needs an iv of 16 bytes");
    return operation_error(ctx, "the data could not be decrypted");
}

/* The counter is the low length bits of the block and wraps in them; OpenSSL's runs over all 128, so that what
 * comes after the wrap is a pass of its own. */
static JSValue aes_ctr(JSContext *ctx, const struct wc_key *key, JSValueConst params, const struct js_bytes *data)
{
    struct buf counter = {0};
    uint8_t block[16] = {0};
    int64_t length;
    int given = wc_param_bytes(ctx, params, "counter", &counter);
    bool fits = given > 0 && counter.len == sizeof(block);
    if (fits)
        memcpy(block, counter.data, sizeof(block));
    buf_free(&counter);
    if (given < 0 || !wc_param_int(ctx, params, "length", 0, &length))
        return JS_EXCEPTION;
    if (!fits || length < 1 || length > 128)
        return operation_error(ctx, "AES-CTR needs a counter of 16 bytes and a length from 1 to 128");
    unsigned __int128 low = 0, mask = length == 128 ? ~(unsigned __int128)0 : ((unsigned __int128)1 << length) - 1;
    for (int i = 0; i < 16; i++)
        low = low << 8 | block[i];
    unsigned __int128 blocks_left = mask - (low & mask), blocks = (data->len + 15) / 16;
    size_t first = blocks > 0 && blocks - 1 > blocks_left ? ((size_t)blocks_left + 1) * 16 : data->len;
    if (blocks > 0 && blocks - 1 > mask)
        return operation_error(ctx, "AES-CTR: the data are longer than the counter can count");
    struct buf out = {0};
    bool done = cipher_run(key, true, block, data->data, first, &out);
    if (done && first < data->len) {
        unsigned __int128 again = low & ~mask;
        for (int i = 15; i >= 0; i--, again >>= 8)
            block[i] = (uint8_t)again;
        done = cipher_run(key, true, block, data->data + first, data->len - first, &out);
    }
    if (done)
        return take_buffer(ctx, &out);
    buf_free(&out);
    return operation_error(ctx, "AES-CTR failed");
}

/* iv of 12 bytes. False: the tag is wrong. */
static bool gcm_run(const struct wc_key *key, bool encrypt, const struct buf *iv, const struct buf *extra, const uint8_t *data, size_t len, size_t tag_len, struct buf *out)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int part = 0, rest = 0, ignored = 0;
    uint8_t *to = (uint8_t *)buf_reserve(out, len + 32);
    bool done = len <= INT32_MAX && EVP_CipherInit_ex(cipher, aes_cipher(key), NULL, key->secret, (uint8_t *)iv->data, encrypt) == 1 &&
                (!extra->len || EVP_CipherUpdate(cipher, NULL, &ignored, (uint8_t *)extra->data, (int)extra->len) == 1) &&
                (!len || EVP_CipherUpdate(cipher, to, &part, data, (int)len) == 1) &&
                (encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, (void *)(uintptr_t)(data + len)) == 1) &&
                EVP_CipherFinal_ex(cipher, to + part, &rest) == 1 &&
                (!encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, to + part + rest) == 1);
    if (done)
        buf_added(out, (size_t)(part + rest) + (encrypt ? tag_len : 0));
    EVP_CIPHER_CTX_free(cipher);
    return done;
}

static JSValue aes_gcm(JSContext *ctx, const struct wc_key *key, JSValueConst params, const struct js_bytes *data, bool encrypt)
{
    struct buf iv = {0}, extra = {0}, out = {0};
    int64_t tag_bits;
    JSValue result = JS_EXCEPTION;
    size_t tag_len, len = data->len;
    int given = wc_param_bytes(ctx, params, "iv", &iv);
    if (given >= 0 && wc_param_bytes(ctx, params, "additionalData", &extra) >= 0 && wc_param_int(ctx, params, "tagLength", 128, &tag_bits)) {
        tag_len = (size_t)tag_bits / 8;
        if (iv.len != 12)
            operation_error(ctx, "AES-GCM needs an iv of 12 bytes");
        else if (tag_bits < 96 || tag_bits > 128 || tag_bits % 8)
            operation_error(ctx, "AES-GCM needs a tagLength of 96, 104, 112, 120 or 128");
        else if (!encrypt && len < tag_len)
            operation_error(ctx, "the data are shorter than their tag");
        else if (!gcm_run(key, encrypt, &iv, &extra, data->data, encrypt ? len : len - tag_len, tag_len, &out))
            operation_error(ctx, "the data could not be decrypted: they or their tag were changed");
        else
            result = js_new_array_buffer(ctx, out.data, out.len);
    }
    buf_free(&iv);
    buf_free(&extra);
    buf_free(&out);
    return result;
}

/* ---- RSA-OAEP ---- */

static JSValue rsa_oaep(JSContext *ctx, const struct wc_key *key, JSValueConst params, const struct js_bytes *data, bool encrypt)
{
    struct buf label = {0};
    if (key->type != (encrypt ? WC_PUBLIC : WC_PRIVATE))
        return js_throw_named(ctx, "InvalidAccessError", "RSA-OAEP encrypts with the public and decrypts with the private key");
    if (wc_param_bytes(ctx, params, "label", &label) < 0)
        return JS_EXCEPTION;
    EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new(key->pkey, NULL);
    struct buf out = {0};
    size_t len = (size_t)EVP_PKEY_get_size(key->pkey);
    uint8_t *to = (uint8_t *)buf_reserve(&out, len);
    bool done = (encrypt ? EVP_PKEY_encrypt_init(rsa) : EVP_PKEY_decrypt_init(rsa)) == 1 && EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(rsa, wc_digest(key->hash)) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(rsa, wc_digest(key->hash)) == 1 &&
                (!label.len || EVP_PKEY_CTX_set0_rsa_oaep_label(rsa, OPENSSL_memdup(label.data, label.len), (int)label.len) == 1) &&
                (encrypt ? EVP_PKEY_encrypt(rsa, to, &len, data->data, data->len) : EVP_PKEY_decrypt(rsa, to, &len, data->data, data->len)) == 1;
    EVP_PKEY_CTX_free(rsa);
    buf_free(&label);
    if (done) {
        buf_added(&out, len);
        return take_buffer(ctx, &out);
    }
    buf_free(&out);
    return operation_error(ctx, encrypt ? "the data could not be encrypted: they are too long for the key" : "the data could not be decrypted");
}

/* ---- encrypt, decrypt ---- */

static JSValue crypt_data(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, const struct js_bytes *data, bool encrypt)
{
    switch (algorithm->name) {
    case WC_AES_CBC:
        return aes_cbc(ctx, key, algorithm->params, data, encrypt);
    case WC_AES_CTR:
        return aes_ctr(ctx, key, algorithm->params, data);
    case WC_AES_GCM:
        return aes_gcm(ctx, key, algorithm->params, data, encrypt);
    case WC_RSA_OAEP:
        return rsa_oaep(ctx, key, algorithm->params, data, encrypt);
    default:
        return js_throw_named(ctx, "NotSupportedError", "'%s' does not encrypt", wc_display_name(algorithm->name));
    }
}

static JSValue crypt(JSContext *ctx, JSValueConst *argv, bool encrypt)
{
    struct wc_algorithm algorithm;
    struct js_bytes data;
    const struct wc_key *key;
    if (!wc_algorithm_read(ctx, argv[0], encrypt ? "encrypt" : "decrypt", &algorithm) || !(key = wc_key_of(ctx, argv[1])) ||
        !wc_key_allows(ctx, key, algorithm.name, encrypt ? WC_ENCRYPT : WC_DECRYPT) || !wc_data(ctx, argv[2], &data))
        return JS_EXCEPTION;
    return crypt_data(ctx, &algorithm, key, &data, encrypt);
}

JSValue wc_encrypt(JSContext *ctx, int argc, JSValueConst *argv)
{
    return crypt(ctx, argv, true);
}

JSValue wc_decrypt(JSContext *ctx, int argc, JSValueConst *argv)
{
    return crypt(ctx, argv, false);
}

/* ---- sign, verify ---- */

/* WebCrypto's ECDSA signature is r and s side by side, OpenSSL's is DER. */
static bool ecdsa_to_raw(const struct wc_key *key, const uint8_t *der, size_t len, struct buf *out)
{
    int width = (EVP_PKEY_get_bits(key->pkey) + 7) / 8;
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)len);
    uint8_t *to = (uint8_t *)buf_reserve(out, (size_t)width * 2);
    bool done = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, width) == width && BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + width, width) == width;
    if (done)
        buf_added(out, (size_t)width * 2);
    ECDSA_SIG_free(signature);
    return done;
}

static bool ecdsa_from_raw(const struct wc_key *key, const struct js_bytes *raw, uint8_t **der, size_t *len)
{
    int width = (EVP_PKEY_get_bits(key->pkey) + 7) / 8, der_len;
    *der = NULL;
    if (raw->len != (size_t)width * 2)
        return false;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(raw->data, width, NULL), BN_bin2bn(raw->data + width, width, NULL));
    der_len = i2d_ECDSA_SIG(signature, der);
    ECDSA_SIG_free(signature);
    *len = (size_t)(der_len > 0 ? der_len : 0);
    return der_len > 0;
}

/* A signing or verifying context for the key. NULL: thrown. */
static EVP_MD_CTX *signature_begin(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, bool sign)
{
    enum wc_name hash = key->hash;
    int64_t salt = 0;
    EVP_PKEY_CTX *details;
    if (algorithm->name == WC_ECDSA && !wc_hash_read(ctx, algorithm->params, &hash))
        return NULL;
    if (algorithm->name == WC_RSA_PSS && !wc_param_int(ctx, algorithm->params, "saltLength", 0, &salt))
        return NULL;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool begun = (sign ? EVP_DigestSignInit(md, &details, wc_digest(hash), NULL, key->pkey) : EVP_DigestVerifyInit(md, &details, wc_digest(hash), NULL, key->pkey)) == 1;
    if (begun && algorithm->name == WC_RSA_PSS)
        begun = EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(details, (int)salt) == 1;
    if (begun)
        return md;
    EVP_MD_CTX_free(md);
    operation_error(ctx, "the key and the parameters do not fit");
    return NULL;
}

static JSValue sign_with_pair(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, const struct js_bytes *data)
{
    if (key->type != WC_PRIVATE)
        return js_throw_named(ctx, "InvalidAccessError", "sign: the private key signs");
    EVP_MD_CTX *md = signature_begin(ctx, algorithm, key, true);
    if (!md)
        return JS_EXCEPTION;
    struct buf out = {0}, raw = {0};
    size_t len = (size_t)EVP_PKEY_get_size(key->pkey);
    uint8_t *to = (uint8_t *)buf_reserve(&out, len);
    bool done = EVP_DigestSign(md, to, &len, data->len ? data->data : (const uint8_t *)"", data->len) == 1;
    EVP_MD_CTX_free(md);
    if (done)
        buf_added(&out, len);
    if (done && algorithm->name == WC_ECDSA) {
        done = ecdsa_to_raw(key, (uint8_t *)out.data, out.len, &raw);
        buf_free(&out);
        out = raw;
    }
    if (done)
        return take_buffer(ctx, &out);
    buf_free(&out);
    return operation_error(ctx, "the data could not be signed with this key");
}

static JSValue verify_with_pair(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, const struct js_bytes *signature, const struct js_bytes *data)
{
    if (key->type != WC_PUBLIC)
        return js_throw_named(ctx, "InvalidAccessError", "verify: the public key verifies");
    EVP_MD_CTX *md = signature_begin(ctx, algorithm, key, false);
    if (!md)
        return JS_EXCEPTION;
    uint8_t *der = NULL;
    const uint8_t *bytes = signature->data;
    size_t len = signature->len;
    bool valid = algorithm->name != WC_ECDSA || ecdsa_from_raw(key, signature, &der, &len);
    if (der)
        bytes = der;
    valid = valid && EVP_DigestVerify(md, bytes, len, data->len ? data->data : (const uint8_t *)"", data->len) == 1;
    EVP_MD_CTX_free(md);
    OPENSSL_free(der);
    return JS_NewBool(ctx, valid);
}

static unsigned hmac_of(const struct wc_key *key, const struct js_bytes *data, uint8_t sum[EVP_MAX_MD_SIZE])
{
    unsigned len = 0;
    HMAC(wc_digest(key->hash), key->secret, (int)key->secret_len, data->data, data->len, sum, &len);
    return len;
}

static bool signs(enum wc_name name)
{
    return name == WC_HMAC || name == WC_ECDSA || name == WC_RSA_PSS || name == WC_RSA_PKCS1;
}

JSValue wc_sign(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    struct js_bytes data;
    const struct wc_key *key;
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (!wc_algorithm_read(ctx, argv[0], "sign", &algorithm))
        return JS_EXCEPTION;
    if (!signs(algorithm.name))
        return js_throw_named(ctx, "NotSupportedError", "sign: '%s' does not sign", wc_display_name(algorithm.name));
    if (!(key = wc_key_of(ctx, argv[1])) || !wc_key_allows(ctx, key, algorithm.name, WC_SIGN) || !wc_data(ctx, argv[2], &data))
        return JS_EXCEPTION;
    if (algorithm.name == WC_HMAC)
        return js_new_array_buffer(ctx, sum, hmac_of(key, &data, sum));
    return sign_with_pair(ctx, &algorithm, key, &data);
}

JSValue wc_verify(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    struct js_bytes signature, data;
    const struct wc_key *key;
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (!wc_algorithm_read(ctx, argv[0], "verify", &algorithm))
        return JS_EXCEPTION;
    if (!signs(algorithm.name))
        return js_throw_named(ctx, "NotSupportedError", "verify: '%s' does not sign", wc_display_name(algorithm.name));
    if (!(key = wc_key_of(ctx, argv[1])) || !wc_key_allows(ctx, key, algorithm.name, WC_VERIFY) || !wc_data(ctx, argv[2], &signature) || !wc_data(ctx, argv[3], &data))
        return JS_EXCEPTION;
    if (algorithm.name == WC_HMAC) {
        unsigned len = hmac_of(key, &data, sum);
        return JS_NewBool(ctx, len == signature.len && CRYPTO_memcmp(sum, signature.data, len) == 0);
    }
    return verify_with_pair(ctx, &algorithm, key, &signature, &data);
}

/* ---- derive ---- */

static bool ecdh_bits(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, struct buf *out)
{
    JSValue value = JS_IsObject(algorithm->params) ? JS_GetPropertyStr(ctx, algorithm->params, "public") : JS_UNDEFINED;
    const struct wc_key *other = wc_key_of(ctx, value);
    bool done = false;
    if (other && (other->type != WC_PUBLIC || other->algorithm != WC_ECDH || other->curve_nid != key->curve_nid || key->type != WC_PRIVATE)) {
        js_throw_named(ctx, "InvalidAccessError", "ECDH needs a private key and, as 'public', a public key of the same curve");
    } else if (other) {
        EVP_PKEY_CTX *derive = EVP_PKEY_CTX_new(key->pkey, NULL);
        size_t len = 66;
        uint8_t *to = (uint8_t *)buf_reserve(out, len);
        done = EVP_PKEY_derive_init(derive) == 1 && EVP_PKEY_derive_set_peer(derive, other->pkey) == 1 && EVP_PKEY_derive(derive, to, &len) == 1;
        EVP_PKEY_CTX_free(derive);
        if (done)
            buf_added(out, len);
        else
            operation_error(ctx, "ECDH failed");
    }
    JS_FreeValue(ctx, value);
    return done;
}

static bool pbkdf2_bits(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, size_t len, struct buf *out)
{
    enum wc_name hash;
    struct buf salt = {0};
    int64_t iterations;
    if (!wc_hash_read(ctx, algorithm->params, &hash) || !wc_param_int(ctx, algorithm->params, "iterations", 0, &iterations))
        return false;
    int given = wc_param_bytes(ctx, algorithm->params, "salt", &salt);
    bool valid = given > 0 && iterations >= 1 && iterations <= INT32_MAX;
    if (valid) {
        uint8_t *to = (uint8_t *)buf_reserve(out, len);
        PKCS5_PBKDF2_HMAC((char *)key->secret, (int)key->secret_len, (uint8_t *)salt.data, (int)salt.len, (int)iterations, wc_digest(hash), (int)len, to);
        buf_added(out, len);
    } else if (given >= 0) {
        operation_error(ctx, "PBKDF2 needs a salt and at least one iteration");
    }
    buf_free(&salt);
    return valid;
}

/* bits 0: all there are. */
static bool derive(JSContext *ctx, JSValueConst algorithm_value, JSValueConst key_value, int64_t bits, enum wc_usage usage, struct buf *out)
{
    struct wc_algorithm algorithm;
    const struct wc_key *key;
    if (!wc_algorithm_read(ctx, algorithm_value, "deriveBits", &algorithm))
        return false;
    if (algorithm.name != WC_ECDH && algorithm.name != WC_PBKDF2) {
        js_throw_named(ctx, "NotSupportedError", "'%s' derives nothing", wc_display_name(algorithm.name));
        return false;
    }
    if (!(key = wc_key_of(ctx, key_value)) || !wc_key_allows(ctx, key, algorithm.name, usage))
        return false;
    if (bits < 0 || bits % 8 || bits > 1 << 24 || (!bits && algorithm.name == WC_PBKDF2)) {
        operation_error(ctx, "the length must be a number of bits that 8 divides");
        return false;
    }
    if (algorithm.name == WC_PBKDF2)
        return pbkdf2_bits(ctx, &algorithm, key, (size_t)bits / 8, out);
    if (!ecdh_bits(ctx, &algorithm, key, out))
        return false;
    if ((size_t)bits / 8 > out->len) {
        operation_error(ctx, "the length is more than ECDH gives with this curve");
        return false;
    }
    if (bits)
        out->len = (size_t)bits / 8;
    return true;
}

JSValue wc_derive_bits(JSContext *ctx, int argc, JSValueConst *argv)
{
    int64_t bits = 0;
    struct buf out = {0};
    if (argc > 2 && !JS_IsNull(argv[2]) && !JS_IsUndefined(argv[2]) && JS_ToInt64(ctx, &bits, argv[2]))
        return JS_EXCEPTION;
    if (derive(ctx, argv[0], argv[1], bits, WC_DERIVE_BITS, &out))
        return take_buffer(ctx, &out);
    buf_free(&out);
    return JS_EXCEPTION;
}

/* importKey with bytes that were made here. */
static JSValue import_bytes(JSContext *ctx, const char *format, const struct buf *bytes, JSValueConst algorithm, JSValueConst extractable, JSValueConst usages)
{
    JSValue name = JS_NewString(ctx, format), data;
    if (strcmp(format, "jwk") == 0)
        data = JS_ParseJSON(ctx, bytes->data ? bytes->data : "", bytes->len, "key");
    else
        data = js_new_array_buffer(ctx, bytes->data, bytes->len);
    JSValueConst arguments[] = {name, data, algorithm, extractable, usages};
    JSValue key = JS_IsException(data) ? JS_EXCEPTION : wc_import_key(ctx, 5, arguments);
    JS_FreeValue(ctx, name);
    JS_FreeValue(ctx, data);
    return key;
}

JSValue wc_derive_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm wanted;
    enum wc_name hash = WC_SHA256;
    int64_t bits;
    struct buf out = {0};
    if (!wc_algorithm_read(ctx, argv[2], "deriveKey", &wanted))
        return JS_EXCEPTION;
    if (wanted.name > WC_HMAC)
        return js_throw_named(ctx, "NotSupportedError", "deriveKey: no key of '%s' can be derived", wc_display_name(wanted.name));
    if (wanted.name == WC_HMAC && !wc_hash_read(ctx, wanted.params, &hash))
        return JS_EXCEPTION;
    if (!wc_param_int(ctx, wanted.params, "length", wanted.name == WC_HMAC ? EVP_MD_get_block_size(wc_digest(hash)) * 8 : 0, &bits))
        return JS_EXCEPTION;
    JSValue key = derive(ctx, argv[0], argv[1], bits, WC_DERIVE_KEY, &out) ? import_bytes(ctx, "raw", &out, argv[2], argv[3], argv[4]) : JS_EXCEPTION;
    buf_free(&out);
    return key;
}

/* ---- wrap, unwrap ---- */

static bool export_bytes(JSContext *ctx, JSValueConst format, JSValueConst key, struct buf *out)
{
    JSValueConst arguments[] = {format, key};
    JSValue value = wc_export_key(ctx, 2, arguments);
    struct js_bytes bytes = {0};
    JSValue text = JS_UNDEFINED;
    bool done = !JS_IsException(value);
    if (done && !JS_IsArrayBuffer(value))
        text = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    done = done && js_bytes_read(ctx, JS_IsUndefined(text) ? value : text, &bytes);
    if (done)
        buf_add(out, bytes.data, bytes.len);
    js_bytes_free(ctx, &bytes);
    JS_FreeValue(ctx, text);
    JS_FreeValue(ctx, value);
    return done;
}

static JSValue wrap_data(JSContext *ctx, const struct wc_algorithm *algorithm, const struct wc_key *key, const struct js_bytes *data, bool wrap)
{
    if (algorithm->name != WC_AES_KW)
        return crypt_data(ctx, algorithm, key, data, wrap);
    struct buf out = {0};
    if (data->len % 8 == 0 && data->len >= 16 && cipher_run(key, wrap, NULL, data->data, data->len, &out))
        return take_buffer(ctx, &out);
    buf_free(&out);
    return operation_error(ctx, wrap ? "AES-KW wraps keys of 16 bytes or more that 8 divides" : "the wrapped key could not be opened");
}

JSValue wc_wrap_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    const struct wc_key *key;
    struct buf plain = {0};
    if (!wc_algorithm_read(ctx, argv[3], "wrapKey", &algorithm) || !(key = wc_key_of(ctx, argv[2])) || !wc_key_allows(ctx, key, algorithm.name, WC_WRAP))
        return JS_EXCEPTION;
    JSValue result = JS_EXCEPTION;
    if (export_bytes(ctx, argv[0], argv[1], &plain))
        result = wrap_data(ctx, &algorithm, key, &(struct js_bytes){(uint8_t *)plain.data, plain.len, NULL}, true);
    buf_free(&plain);
    return result;
}

JSValue wc_unwrap_key(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct wc_algorithm algorithm;
    struct js_bytes wrapped, plain;
    const struct wc_key *key;
    if (!wc_algorithm_read(ctx, argv[3], "unwrapKey", &algorithm) || !(key = wc_key_of(ctx, argv[2])) || !wc_key_allows(ctx, key, algorithm.name, WC_UNWRAP) ||
        !wc_data(ctx, argv[1], &wrapped))
        return JS_EXCEPTION;
    const char *format = JS_ToCString(ctx, argv[0]);
    JSValue data = format ? wrap_data(ctx, &algorithm, key, &wrapped, false) : JS_EXCEPTION, result = JS_EXCEPTION;
    if (!JS_IsException(data) && js_bytes_read(ctx, data, &plain)) {
        struct buf bytes = {0};
        buf_add(&bytes, plain.data, plain.len);
        result = import_bytes(ctx, format, &bytes, argv[4], argv[5], argv[6]);
        buf_free(&bytes);
    }
    JS_FreeValue(ctx, data);
    JS_FreeCString(ctx, format);
    return result;
}
