/* SPDX-License-Identifier: Apache-2.0 */
#include "http/digest.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "core/base64.h"
#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/text.h"

#define DIGEST_ERROR_CODE 1000
#define HEX_MAX (2 * EVP_MAX_MD_SIZE + 1)

static struct text skip_space(struct text t, const char *also)
{
    while (t.len && t.data[0] && (t.data[0] == ' ' || t.data[0] == '\t' || strchr(also, t.data[0])))
        t = (struct text){t.data + 1, t.len - 1};
    return t;
}

static struct text take_until(struct text *t, const char *stops)
{
    size_t n = 0;
    while (n < t->len && t->data[n] && !strchr(stops, t->data[n]))
        n++;
    struct text taken = {t->data, n};
    *t = (struct text){t->data + n, t->len - n};
    return taken;
}

/* A quoted string's content with its escapes undone, or a token. */
static char *take_value(struct text *t)
{
    struct buf value = {0};
    if (t->len == 0 || t->data[0] != '"') {
        struct text token = take_until(t, " \t,");
        buf_add(&value, token.data, token.len);
        return buf_take(&value);
    }
    size_t i = 1;
    for (; i < t->len && t->data[i] != '"'; i++) {
        if (t->data[i] == '\\' && i + 1 < t->len)
            i++;
        buf_add_char(&value, t->data[i]);
    }
    if (i < t->len)
        i++;
    *t = (struct text){t->data + i, t->len - i};
    return buf_take(&value);
}

/* Finds "Digest " where a challenge may start: at the front or after a comma, outside of quotes. */
static bool find_digest(struct text *t)
{
    bool start = true, quoted = false;
    for (size_t i = 0; i < t->len; i++) {
        char c = t->data[i];
        struct text rest = {t->data + i, t->len - i};
        if (!quoted && start && rest.len > 6 && text_equal_nocase((struct text){rest.data, 6}, TEXT("digest")) &&
            (rest.data[6] == ' ' || rest.data[6] == '\t')) {
            *t = (struct text){rest.data + 7, rest.len - 7};
            return true;
        }
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        if (c != ' ' && c != '\t')
            start = c == ',' && !quoted;
    }
    return false;
}

static bool choose_algorithm(struct digest_challenge *c, struct text name)
{
    static const struct {
        const char *name;
        enum digest_algorithm algorithm;
    } known[] = {{"MD5", DIGEST_MD5}, {"SHA-256", DIGEST_SHA256}, {"SHA-512-256", DIGEST_SHA512_256}};
    struct text session = TEXT("-sess");
    if (name.len > session.len &&
        text_equal_nocase((struct text){name.data + name.len - session.len, session.len}, session)) {
        c->session = true;
        name.len -= session.len;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (text_equal_nocase(name, text_of(known[i].name))) {
            c->algorithm = known[i].algorithm;
            return true;
        }
    return false;
}

static bool choose_qop(struct digest_challenge *c, struct text list)
{
    bool any = false;
    while (list.data) {
        struct text one = text_trim(text_cut(list, ',', &list));
        any = any || one.len > 0;
        if (text_equal_nocase(one, TEXT("auth")))
            c->qop = DIGEST_QOP_AUTH;
        else if (text_equal_nocase(one, TEXT("auth-int")) && c->qop == DIGEST_QOP_NONE)
            c->qop = DIGEST_QOP_AUTH_INT;
    }
    return !any || c->qop != DIGEST_QOP_NONE;
}

/* The parameters of the challenge one by one, until the next challenge ("Scheme token=...") begins. */
struct parameters {
    char *realm, *nonce, *opaque, *algorithm, *qop, *stale, *userhash;
};

static void read_parameters(struct parameters *p, struct text t)
{
    struct {
        const char *name;
        char **value;
    } slots[] = {{"realm", &p->realm}, {"nonce", &p->nonce}, {"opaque", &p->opaque}, {"algorithm", &p->algorithm},
                 {"qop", &p->qop},     {"stale", &p->stale}, {"userhash", &p->userhash}};
    while ((t = skip_space(t, ",")).len) {
        struct text name = take_until(&t, " \t=,");
        t = skip_space(t, "");
        if (t.len == 0 || t.data[0] != '=')
            return;
        t = skip_space((struct text){t.data + 1, t.len - 1}, "");
        char *value = take_value(&t);
        for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
            if (!*slots[i].value && text_equal_nocase(name, text_of(slots[i].name))) {
                *slots[i].value = value;
                value = NULL;
                break;
            }
        mem_free(value);
    }
}

static bool is_true(const char *value)
{
    return value && text_equal_nocase(text_of(value), TEXT("true"));
}

static void keep_texts(struct digest_challenge *c, const struct parameters *p)
{
    struct buf all = {0};
    const char *texts[] = {p->realm ? p->realm : "", p->nonce, p->opaque, p->algorithm};
    const char **places[] = {&c->realm, &c->nonce, &c->opaque, &c->algorithm_text};
    size_t at[4];
    for (size_t i = 0; i < 4; i++) {
        at[i] = all.len;
        if (texts[i])
            buf_add(&all, texts[i], strlen(texts[i]) + 1);
    }
    c->memory = buf_take(&all);
    for (size_t i = 0; i < 4; i++)
        *places[i] = texts[i] ? c->memory + at[i] : NULL;
}

bool digest_parse(struct digest_challenge *challenge, const char *header, size_t len, struct error *err)
{
    *challenge = (struct digest_challenge){0};
    struct text t = {header, len};
    if (!find_digest(&t))
        return error_set(err, DIGEST_ERROR_CODE, "digest authentication: the server offers no Digest challenge");
    struct parameters p = {0};
    read_parameters(&p, t);
    struct digest_challenge c = {.stale = is_true(p.stale), .userhash = is_true(p.userhash)};
    bool ok = false;
    if (!p.nonce)
        error_set(err, DIGEST_ERROR_CODE, "digest authentication: the server's challenge has no nonce");
    else if (p.algorithm && !choose_algorithm(&c, text_of(p.algorithm)))
        error_set(err, DIGEST_ERROR_CODE, "digest authentication: the server wants the unknown algorithm \"%s\"",
                  p.algorithm);
    else if (p.qop && !choose_qop(&c, text_of(p.qop)))
        error_set(err, DIGEST_ERROR_CODE, "digest authentication: the server wants the unknown qop \"%s\"", p.qop);
    else
        ok = true;
    if (ok) {
        keep_texts(&c, &p);
        *challenge = c;
    }
    char *const all[] = {p.realm, p.nonce, p.opaque, p.algorithm, p.qop, p.stale, p.userhash};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        mem_free(all[i]);
    return ok;
}

void digest_fini(struct digest_challenge *challenge)
{
    mem_free(challenge->memory);
    *challenge = (struct digest_challenge){0};
}

static const EVP_MD *hash_of(enum digest_algorithm algorithm)
{
    switch (algorithm) {
    case DIGEST_SHA256:
        return EVP_sha256();
    case DIGEST_SHA512_256:
        return EVP_sha512_256();
    default:
        return EVP_md5();
    }
}

static void add_hex(char *out, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = 0;
}

static bool hash_hex(const EVP_MD *md, const void *data, size_t len, char out[HEX_MAX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned sum_len;
    if (EVP_Digest(data, len, sum, &sum_len, md, NULL) != 1)
        return false;
    add_hex(out, sum, sum_len);
    return true;
}

/* The hash of the texts joined by ':' (a NULL ends them). */
static bool hash_joined(const EVP_MD *md, char out[HEX_MAX], const char *const *texts)
{
    struct buf all = {0};
    for (size_t i = 0; texts[i]; i++) {
        if (i)
            buf_add_char(&all, ':');
        buf_add_text(&all, texts[i]);
    }
    bool ok = hash_hex(md, all.data, all.len, out);
    buf_free(&all);
    return ok;
}

static const char *qop_name(enum digest_qop qop)
{
    return qop == DIGEST_QOP_AUTH_INT ? "auth-int" : "auth";
}

static bool compute_response(const struct digest_challenge *c, const struct digest_request *r, const char *nc,
                             const char *cnonce, char out[HEX_MAX])
{
    const EVP_MD *md = hash_of(c->algorithm);
    char a1[HEX_MAX], a2[HEX_MAX], body[HEX_MAX];
    bool ok = hash_joined(md, a1, (const char *[]){r->user, c->realm, r->password, NULL});
    if (ok && c->session) {
        char first[HEX_MAX];
        memcpy(first, a1, sizeof(first));
        ok = hash_joined(md, a1, (const char *[]){first, c->nonce, cnonce, NULL});
    }
    if (ok && c->qop == DIGEST_QOP_AUTH_INT)
        ok = hash_hex(md, r->body ? r->body : "", r->body_len, body) &&
             hash_joined(md, a2, (const char *[]){r->method, r->uri, body, NULL});
    else if (ok)
        ok = hash_joined(md, a2, (const char *[]){r->method, r->uri, NULL});
    if (!ok)
        return false;
    if (c->qop == DIGEST_QOP_NONE)
        return hash_joined(md, out, (const char *[]){a1, c->nonce, a2, NULL});
    return hash_joined(md, out, (const char *[]){a1, c->nonce, nc, cnonce, qop_name(c->qop), a2, NULL});
}

static void add_quoted(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *value);
    }
    buf_add_char(out, '"');
}

static void add_fields(struct buf *out, const struct digest_challenge *c, const struct digest_request *r,
                       const char *user, const char *response, const char *nc, const char *cnonce)
{
    buf_add_text(out, "Digest ");
    add_quoted(out, "username", user);
    add_quoted(out, ", realm", c->realm);
    add_quoted(out, ", nonce", c->nonce);
    add_quoted(out, ", uri", r->uri);
    if (c->algorithm_text)
        buf_printf(out, ", algorithm=%s", c->algorithm_text);
    if (c->qop != DIGEST_QOP_NONE)
        buf_printf(out, ", qop=%s, nc=%s", qop_name(c->qop), nc);
    if (c->qop != DIGEST_QOP_NONE || c->session)
        add_quoted(out, ", cnonce", cnonce);
    add_quoted(out, ", response", response);
    if (c->opaque)
        add_quoted(out, ", opaque", c->opaque);
    if (c->userhash)
        buf_add_text(out, ", userhash=true");
}

bool digest_authorize(struct buf *out, const struct digest_challenge *challenge, const struct digest_request *request,
                      struct error *err)
{
    char own_cnonce[33], response[HEX_MAX], user[HEX_MAX], nc[9];
    const char *cnonce = request->cnonce;
    if (!cnonce) {
        unsigned char random[16];
        if (RAND_bytes(random, sizeof(random)) != 1)
            return error_set(err, DIGEST_ERROR_CODE, "digest authentication: the system gives no random bytes");
        add_hex(own_cnonce, random, sizeof(random));
        cnonce = own_cnonce;
    }
    unsigned char count[4] = {(unsigned char)(request->nonce_count >> 24), (unsigned char)(request->nonce_count >> 16),
                              (unsigned char)(request->nonce_count >> 8), (unsigned char)request->nonce_count};
    add_hex(nc, count, 4);
    const EVP_MD *md = hash_of(challenge->algorithm);
    bool hidden = challenge->userhash;
    if ((hidden && !hash_joined(md, user, (const char *[]){request->user, challenge->realm, NULL})) ||
        !compute_response(challenge, request, nc, cnonce, response))
        return error_set(err, DIGEST_ERROR_CODE, "digest authentication: this OpenSSL refuses to compute %s",
                         challenge->algorithm_text ? challenge->algorithm_text : "MD5");
    add_fields(out, challenge, request, hidden ? user : request->user, response, nc, cnonce);
    return true;
}

void basic_authorize(struct buf *out, const char *user, const char *password)
{
    struct buf pair = {0};
    buf_printf(&pair, "%s:%s", user, password ? password : "");
    buf_add_text(out, "Basic ");
    base64_encode(out, pair.data, pair.len, BASE64_STD);
    buf_free(&pair);
}
