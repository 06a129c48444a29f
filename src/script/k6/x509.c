/* SPDX-License-Identifier: Apache-2.0 */
/* k6/crypto/x509: what a certificate says of itself. */
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/mem.h"
#include "script/k6/modules.h"

static X509 *certificate_of(JSContext *ctx, int argc, JSValueConst *argv)
{
    size_t len;
    const char *pem = argc > 0 && JS_IsString(argv[0]) ? JS_ToCStringLen(ctx, &len, argv[0]) : NULL;
    if (!pem) {
        JS_ThrowTypeError(ctx, "the certificate as PEM text is needed");
        return NULL;
    }
    BIO *in = BIO_new_mem_buf(pem, (int)len);
    X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    if (!certificate)
        js_throw_error(ctx, strstr(pem, "-----BEGIN") ? "failed to parse certificate: it is not a PEM block of type CERTIFICATE" : "failed to decode certificate PEM file");
    JS_FreeCString(ctx, pem);
    return certificate;
}

static JSValue text_of_asn1(JSContext *ctx, const ASN1_STRING *string)
{
    unsigned char *utf8 = NULL;
    int len = string ? ASN1_STRING_to_UTF8(&utf8, string) : -1;
    JSValue value = len >= 0 ? JS_NewStringLen(ctx, (char *)utf8, (size_t)len) : JS_NewString(ctx, "");
    OPENSSL_free(utf8);
    return value;
}

static JSValue entry_text(JSContext *ctx, X509_NAME *name, int nid)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    return text_of_asn1(ctx, at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)) : NULL);
}

static JSValue name_names(JSContext *ctx, X509_NAME *name)
{
    JSValue list = JS_NewArray(ctx);
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        char oid[80];
        OBJ_obj2txt(oid, sizeof(oid), X509_NAME_ENTRY_get_object(entry), 1);
        JSValue item = JS_NewObject(ctx);
        JS_SetPropertyStr(ctx, item, "type", JS_NewString(ctx, oid));
        JS_SetPropertyStr(ctx, item, "value", text_of_asn1(ctx, X509_NAME_ENTRY_get_data(entry)));
        JS_SetPropertyUint32(ctx, list, (uint32_t)i, item);
    }
    return list;
}

static JSValue name_value(JSContext *ctx, X509_NAME *name, bool subject)
{
    static const struct {
        const char *property;
        int nid;
        bool subject_only;
    } rows[] = {
        {"commonName", NID_commonName, false},        {"country", NID_countryName, false},     {"postalCode", NID_postalCode, true},
        {"stateOrProvinceName", NID_stateOrProvinceName, false}, {"localityName", NID_localityName, false}, {"streetAddress", NID_streetAddress, true},
        {"organizationName", NID_organizationName, false},
    };
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (subject || !rows[i].subject_only)
            JS_SetPropertyStr(ctx, object, rows[i].property, entry_text(ctx, name, rows[i].nid));
    if (subject) {
        JSValue units = JS_NewArray(ctx);
        uint32_t count = 0;
        for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, at)) >= 0;)
            JS_SetPropertyUint32(ctx, units, count++, text_of_asn1(ctx, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
        JS_SetPropertyStr(ctx, object, "organizationalUnitName", units);
    }
    JS_SetPropertyStr(ctx, object, "names", name_names(ctx, name));
    return object;
}

static JSValue alt_names(JSContext *ctx, X509 *certificate)
{
    /* k6's order: host names, e-mail addresses, IP addresses, URIs. */
    static const int order[] = {GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI};
    JSValue list = JS_NewArray(ctx);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    uint32_t count = 0;
    for (size_t kind = 0; kind < sizeof(order) / sizeof(order[0]); kind++) {
        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
            int type;
            const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
            char address[INET6_ADDRSTRLEN];
            if (type != order[kind])
                continue;
            if (type != GEN_IPADD)
                JS_SetPropertyUint32(ctx, list, count++, JS_NewStringLen(ctx, (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)));
            else if (inet_ntop(ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value), address, sizeof(address)))
                JS_SetPropertyUint32(ctx, list, count++, JS_NewString(ctx, address));
        }
    }
    GENERAL_NAMES_free(names);
    return list;
}

static JSValue time_value(JSContext *ctx, const ASN1_TIME *time)
{
    struct tm tm = {0};
    char text[32];
    ASN1_TIME_to_tm(time, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return JS_NewString(ctx, text);
}

/* The names are Go's. */
static const char *signature_name(int nid)
{
    static const struct {
        int nid;
        const char *name;
    } rows[] = {
        {NID_md2WithRSAEncryption, "MD2-RSA"},       {NID_md5WithRSAEncryption, "MD5-RSA"},       {NID_sha1WithRSAEncryption, "SHA1-RSA"},
        {NID_sha256WithRSAEncryption, "SHA256-RSA"}, {NID_sha384WithRSAEncryption, "SHA384-RSA"}, {NID_sha512WithRSAEncryption, "SHA512-RSA"},
        {NID_dsaWithSHA1, "DSA-SHA1"},               {NID_dsa_with_SHA256, "DSA-SHA256"},         {NID_ecdsa_with_SHA1, "ECDSA-SHA1"},
        {NID_ecdsa_with_SHA256, "ECDSA-SHA256"},     {NID_ecdsa_with_SHA384, "ECDSA-SHA384"},     {NID_ecdsa_with_SHA512, "ECDSA-SHA512"},
        {NID_rsassaPss, "RSASSA-PSS"},               {NID_ED25519, "Ed25519"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].nid == nid)
            return rows[i].name;
    return "UnknownSignatureAlgorithm";
}

static JSValue bytes_value(JSContext *ctx, const uint8_t *bytes, size_t len)
{
    JSValue list = JS_NewArray(ctx);
    for (size_t i = 0; i < len; i++)
        JS_SetPropertyUint32(ctx, list, (uint32_t)i, JS_NewInt32(ctx, bytes[i]));
    return list;
}

static JSValue number_param(JSContext *ctx, const EVP_PKEY *key, const char *param)
{
    BIGNUM *number = NULL;
    if (!EVP_PKEY_get_bn_param(key, param, &number))
        return JS_UNDEFINED;
    size_t len = (size_t)BN_num_bytes(number);
    uint8_t *bytes = mem_alloc(len ? len : 1);
    BN_bn2bin(number, bytes);
    JSValue value = bytes_value(ctx, bytes, len);
    mem_free(bytes);
    BN_free(number);
    return value;
}

static JSValue public_key(JSContext *ctx, X509 *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    JSValue object = JS_NewObject(ctx), parts = JS_NewObject(ctx);
    const char *algorithm = "";
    if (key && EVP_PKEY_is_a(key, "RSA")) {
        BIGNUM *exponent = NULL;
        algorithm = "RSA";
        if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent))
            JS_SetPropertyStr(ctx, parts, "e", JS_NewInt64(ctx, (int64_t)BN_get_word(exponent)));
        BN_free(exponent);
        JS_SetPropertyStr(ctx, parts, "n", number_param(ctx, key, OSSL_PKEY_PARAM_RSA_N));
    } else if (key && EVP_PKEY_is_a(key, "DSA")) {
        algorithm = "DSA";
        JSValue numbers = JS_NewObject(ctx);
        JS_SetPropertyStr(ctx, numbers, "p", number_param(ctx, key, OSSL_PKEY_PARAM_FFC_P));
        JS_SetPropertyStr(ctx, numbers, "q", number_param(ctx, key, OSSL_PKEY_PARAM_FFC_Q));
        JS_SetPropertyStr(ctx, numbers, "g", number_param(ctx, key, OSSL_PKEY_PARAM_FFC_G));
        JS_SetPropertyStr(ctx, parts, "parameters", numbers);
        JS_SetPropertyStr(ctx, parts, "y", number_param(ctx, key, OSSL_PKEY_PARAM_PUB_KEY));
    } else if (key && EVP_PKEY_is_a(key, "EC")) {
        algorithm = "ECDSA";
        char curve[64] = "";
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve), NULL);
        JS_SetPropertyStr(ctx, parts, "curve", JS_NewString(ctx, curve));
        JS_SetPropertyStr(ctx, parts, "x", number_param(ctx, key, OSSL_PKEY_PARAM_EC_PUB_X));
        JS_SetPropertyStr(ctx, parts, "y", number_param(ctx, key, OSSL_PKEY_PARAM_EC_PUB_Y));
    } else {
        JS_FreeValue(ctx, parts);
        parts = JS_NULL;
    }
    JS_SetPropertyStr(ctx, object, "algorithm", JS_NewString(ctx, algorithm));
    JS_SetPropertyStr(ctx, object, "key", parts);
    return object;
}

enum part { PART_ALL, PART_ALT_NAMES, PART_ISSUER, PART_SUBJECT };

static JSValue js_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    X509 *certificate = certificate_of(ctx, argc, argv);
    if (!certificate)
        return JS_EXCEPTION;
    JSValue result;
    if (magic == PART_ALT_NAMES) {
        result = alt_names(ctx, certificate);
    } else if (magic != PART_ALL) {
        result = name_value(ctx, magic == PART_ISSUER ? X509_get_issuer_name(certificate) : X509_get_subject_name(certificate), magic == PART_SUBJECT);
    } else {
        uint8_t sum[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        result = JS_NewObject(ctx);
        JS_SetPropertyStr(ctx, result, "subject", name_value(ctx, X509_get_subject_name(certificate), true));
        JS_SetPropertyStr(ctx, result, "issuer", name_value(ctx, X509_get_issuer_name(certificate), false));
        JS_SetPropertyStr(ctx, result, "notBefore", time_value(ctx, X509_get0_notBefore(certificate)));
        JS_SetPropertyStr(ctx, result, "notAfter", time_value(ctx, X509_get0_notAfter(certificate)));
        JS_SetPropertyStr(ctx, result, "altNames", alt_names(ctx, certificate));
        JS_SetPropertyStr(ctx, result, "signatureAlgorithm", JS_NewString(ctx, signature_name(X509_get_signature_nid(certificate))));
        X509_digest(certificate, EVP_sha1(), sum, &len);
        JS_SetPropertyStr(ctx, result, "fingerPrint", bytes_value(ctx, sum, len));
        JS_SetPropertyStr(ctx, result, "publicKey", public_key(ctx, certificate));
    }
    X509_free(certificate);
    return result;
}

JSValue x509_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    js_add_magic(ctx, exports, "parse", js_read, 1, PART_ALL);
    js_add_magic(ctx, exports, "getAltNames", js_read, 1, PART_ALT_NAMES);
    js_add_magic(ctx, exports, "getIssuer", js_read, 1, PART_ISSUER);
    js_add_magic(ctx, exports, "getSubject", js_read, 1, PART_SUBJECT);
    return exports;
}
