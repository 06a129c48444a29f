/* SPDX-License-Identifier: Apache-2.0 */
/* The globals TextEncoder and TextDecoder: UTF-8, and UTF-16 in both byte orders for decoding. */
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "script/k6/modules.h"

enum coding { CODING_UTF8, CODING_UTF16LE, CODING_UTF16BE };

static const char *const coding_names[] = {"utf-8", "utf-16le", "utf-16be"};

struct decoder {
    enum coding coding;
    bool fatal, ignore_bom, bom_seen;
    uint8_t kept[4]; /* the begun character of a stream */
    unsigned kept_len;
};

static const struct {
    const char *label;
    enum coding coding;
} labels[] = {
    {"utf-8", CODING_UTF8},     {"utf8", CODING_UTF8},         {"unicode-1-1-utf-8", CODING_UTF8}, {"unicode11utf8", CODING_UTF8}, {"unicode20utf8", CODING_UTF8},
    {"x-unicode20utf8", CODING_UTF8}, {"utf-16", CODING_UTF16LE}, {"utf-16le", CODING_UTF16LE},     {"ucs-2", CODING_UTF16LE},      {"unicode", CODING_UTF16LE},
    {"csunicode", CODING_UTF16LE}, {"iso-10646-ucs-2", CODING_UTF16LE}, {"unicodefeff", CODING_UTF16LE}, {"utf-16be", CODING_UTF16BE}, {"unicodefffe", CODING_UTF16BE},
};

/* ---- characters ---- */

static void add_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        buf_add_char(out, (char)(0xc0 | c >> 6));
        buf_add_char(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_add_char(out, (char)(0xe0 | c >> 12));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
        buf_add_char(out, (char)(0x80 | (c & 63)));
    } else {
        buf_add_char(out, (char)(0xf0 | c >> 18));
        buf_add_char(out, (char)(0x80 | (c >> 12 & 63)));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 63)));
        buf_add_char(out, (char)(0x80 | (c & 63)));
    }
}

#define BAD_CHARACTER UINT32_MAX

/* One character at the start of the bytes: its length and code point, BAD_CHARACTER for the bytes that one U+FFFD
 * stands for, 0 when more bytes are needed. */
static unsigned utf8_next(const uint8_t *in, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned need = in[0] < 0x80 ? 1 : in[0] >= 0xc2 && in[0] < 0xe0 ? 2 : (in[0] & 0xf0) == 0xe0 ? 3 : in[0] >= 0xf0 && in[0] < 0xf5 ? 4 : 0;
    *c = BAD_CHARACTER;
    if (need < 2) {
        if (need)
            *c = in[0];
        return 1;
    }
    uint32_t value = in[0] & (0xffu >> (need + 1));
    for (unsigned i = 1; i < need; i++) {
        if (i == len)
            return 0;
        bool valid = (in[i] & 0xc0) == 0x80;
        if (valid && i == 1)
            valid = !(in[0] == 0xe0 && in[1] < 0xa0) && !(in[0] == 0xed && in[1] > 0x9f) && !(in[0] == 0xf0 && in[1] < 0x90) && !(in[0] == 0xf4 && in[1] > 0x8f);
        if (!valid)
            return i;
        value = value << 6 | (in[i] & 63);
    }
    *c = value >= least[need] ? value : BAD_CHARACTER;
    return need;
}

static unsigned utf16_next(const uint8_t *in, size_t len, bool big, uint32_t *c)
{
    *c = BAD_CHARACTER;
    if (len < 2)
        return 0;
    uint32_t unit = big ? (uint32_t)in[0] << 8 | in[1] : (uint32_t)in[1] << 8 | in[0];
    if (unit < 0xd800 || unit > 0xdfff) {
        *c = unit;
        return 2;
    }
    if (unit >= 0xdc00)
        return 2;
    if (len < 4)
        return 0;
    uint32_t low = big ? (uint32_t)in[2] << 8 | in[3] : (uint32_t)in[3] << 8 | in[2];
    if (low < 0xdc00 || low > 0xdfff)
        return 2;
    *c = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return 4;
}

/* ---- TextDecoder ---- */

static void decoder_finalize(JSRuntime *rt, JSValueConst value)
{
    mem_free(JS_GetOpaque(value, JS_CLASS_TEXT_DECODER));
}

static const JSClassDef decoder_class = {"TextDecoder", .finalizer = decoder_finalize};

static bool flag_of(JSContext *ctx, JSValueConst options, const char *name)
{
    if (!JS_IsObject(options))
        return false;
    JSValue value = JS_GetPropertyStr(ctx, options, name);
    bool flag = JS_ToBool(ctx, value) > 0;
    JS_FreeValue(ctx, value);
    return flag;
}

static JSValue js_new_decoder(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct decoder found = {.coding = CODING_UTF8};
    if (argc > 0 && !JS_IsUndefined(argv[0])) {
        const char *label = JS_ToCString(ctx, argv[0]);
        if (!label)
            return JS_EXCEPTION;
        struct text wanted = text_trim(text_of(label));
        bool known = false;
        for (size_t i = 0; !known && i < sizeof(labels) / sizeof(labels[0]); i++) {
            known = text_equal_nocase(wanted, text_of(labels[i].label));
            if (known)
                found.coding = labels[i].coding;
        }
        if (!known)
            JS_ThrowRangeError(ctx, "unsupported encoding: %s", label);
        JS_FreeCString(ctx, label);
        if (!known)
            return JS_EXCEPTION;
    }
    found.fatal = argc > 1 && flag_of(ctx, argv[1], "fatal");
    found.ignore_bom = argc > 1 && flag_of(ctx, argv[1], "ignoreBOM");
    JSValue object = JS_NewObjectClass(ctx, JS_CLASS_TEXT_DECODER);
    if (!JS_IsException(object))
        JS_SetOpaque(object, mem_dup(&found, sizeof(found)));
    return object;
}

static void decode_bytes(struct decoder *d, struct buf *out, const uint8_t *in, size_t len, bool stream, bool *bad)
{
    while (len) {
        uint32_t c;
        unsigned used = d->coding == CODING_UTF8 ? utf8_next(in, len, &c) : utf16_next(in, len, d->coding == CODING_UTF16BE, &c);
        if (!used && stream && len <= sizeof(d->kept)) {
            memcpy(d->kept, in, len);
            d->kept_len = (unsigned)len;
            return;
        }
        if (!used)
            used = (unsigned)len;
        if (c == BAD_CHARACTER)
            *bad = true;
        if (c == 0xfeff && !d->bom_seen && !d->ignore_bom) {
            /* not part of the text */
        } else {
            add_utf8(out, c == BAD_CHARACTER ? 0xfffd : c);
        }
        d->bom_seen = true;
        in += used;
        len -= used;
    }
}

static JSValue js_decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct decoder *d = JS_GetOpaque2(ctx, this_val, JS_CLASS_TEXT_DECODER);
    struct js_bytes bytes = {0};
    if (!d)
        return JS_EXCEPTION;
    if (argc > 0 && !JS_IsUndefined(argv[0]) && (JS_IsString(argv[0]) || !js_bytes_read(ctx, argv[0], &bytes)))
        return JS_ThrowTypeError(ctx, "decode() needs an ArrayBuffer or a view of one");
    bool stream = argc > 1 && flag_of(ctx, argv[1], "stream"), bad = false;
    struct buf out = {0}, whole = {0};
    const uint8_t *in = bytes.data;
    size_t len = bytes.len;
    if (d->kept_len) {
        buf_add(&whole, d->kept, d->kept_len);
        buf_add(&whole, in, len);
        in = (uint8_t *)whole.data;
        len = whole.len;
        d->kept_len = 0;
    }
    decode_bytes(d, &out, in, len, stream, &bad);
    if (!stream)
        d->bom_seen = false;
    JSValue text;
    if (bad && d->fatal)
        text = JS_ThrowTypeError(ctx, "unable to decode the bytes: they are not valid %s", coding_names[d->coding]);
    else
        text = JS_NewStringLen(ctx, out.data ? out.data : "", out.len);
    buf_free(&out);
    buf_free(&whole);
    return text;
}

enum decoder_part { PART_ENCODING, PART_FATAL, PART_IGNORE_BOM };

static JSValue get_part(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct decoder *d = JS_GetOpaque2(ctx, this_val, JS_CLASS_TEXT_DECODER);
    if (!d)
        return JS_EXCEPTION;
    if (magic == PART_ENCODING)
        return JS_NewString(ctx, coding_names[d->coding]);
    return JS_NewBool(ctx, magic == PART_FATAL ? d->fatal : d->ignore_bom);
}

/* ---- TextEncoder ---- */

static JSValue js_new_encoder(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    JSValue proto = JS_GetPropertyStr(ctx, new_target, "prototype");
    JSValue object = JS_NewObjectProto(ctx, proto);
    JS_FreeValue(ctx, proto);
    return object;
}

static JSValue get_encoding(JSContext *ctx, JSValueConst this_val, int magic)
{
    return JS_NewString(ctx, "utf-8");
}

static JSValue js_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    size_t len = 0;
    const char *text = NULL;
    if (argc > 0 && !JS_IsUndefined(argv[0])) {
        text = JS_ToCStringLen(ctx, &len, argv[0]);
        if (!text)
            return JS_EXCEPTION;
    }
    /* QuickJS writes a lone surrogate as three bytes of its own; here it becomes U+FFFD, which has three as well. */
    uint8_t *bytes = mem_dup(text ? text : "", len);
    for (size_t i = 0; i + 2 < len; i++)
        if (bytes[i] == 0xed && bytes[i + 1] > 0x9f)
            memcpy(bytes + i, "\xef\xbf\xbd", 3);
    JSValue array = JS_NewUint8ArrayCopy(ctx, bytes, len);
    mem_free(bytes);
    JS_FreeCString(ctx, text);
    return array;
}

void text_coding_install(JSContext *ctx, JSValueConst global)
{
    js_class_register(ctx, JS_CLASS_TEXT_DECODER, &decoder_class);
    JSValue decoder = JS_NewCFunction2(ctx, js_new_decoder, "TextDecoder", 2, JS_CFUNC_constructor, 0), proto = JS_NewObject(ctx);
    js_add_function(ctx, proto, "decode", js_decode, 2);
    js_add_getter(ctx, proto, "encoding", get_part, PART_ENCODING);
    js_add_getter(ctx, proto, "fatal", get_part, PART_FATAL);
    js_add_getter(ctx, proto, "ignoreBOM", get_part, PART_IGNORE_BOM);
    JS_SetConstructor(ctx, decoder, proto);
    JS_SetClassProto(ctx, JS_CLASS_TEXT_DECODER, proto);
    JS_DefinePropertyValueStr(ctx, global, "TextDecoder", decoder, JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);

    JSValue encoder = JS_NewCFunction2(ctx, js_new_encoder, "TextEncoder", 0, JS_CFUNC_constructor, 0);
    proto = JS_NewObject(ctx);
    js_add_function(ctx, proto, "encode", js_encode, 1);
    js_add_getter(ctx, proto, "encoding", get_encoding, 0);
    JS_SetConstructor(ctx, encoder, proto);
    JS_FreeValue(ctx, proto);
    JS_DefinePropertyValueStr(ctx, global, "TextEncoder", encoder, JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
}
