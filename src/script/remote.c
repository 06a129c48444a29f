/* SPDX-License-Identifier: Apache-2.0 */
/* A module that was fetched once is kept under $XDG_CACHE_HOME/ltlab/modules as <sha256 of the URL>.js,
 * beside a .sum file with the SHA-256 of the text. A cached text whose sum does not match is not run: the
 * file was damaged or changed, and the user is told which one to delete. */
#include "script/remote.h"

#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/exit_codes.h"
#include "core/library.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/url.h"

#define FETCH_TIMEOUT_S 60L
#define FETCH_MAX_BYTES ((size_t)64 << 20)

/* jslib modules that have an npm package of the same contents. */
static const struct {
    const char *url, *file;
} twins[] = {
    {"https://jslib.k6.io/papaparse/5.1.1/index.js", "papaparse/papaparse.js"},
};

char *remote_resolve(const char *base, const char *specifier, struct error *err)
{
    struct url_table *table = url_table_new(4);
    const struct http_url *from = url_table_get(table, base, strlen(base), err);
    const struct http_url *to = from ? url_table_resolve(table, from, specifier, strlen(specifier), err) : NULL;
    char *text = to ? mem_strdup(to->text) : NULL;
    if (!to && err) {
        error_prefix(err, "cannot resolve \"%s\" against %s", specifier, base);
        err->code = EXIT_SCRIPT_EXCEPTION;
    }
    if (to)
        http_url_unref(to);
    if (from)
        http_url_unref(from);
    url_table_free(table);
    return text;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return NULL;
    struct buf data = {0};
    size_t got;
    do {
        char *to = buf_reserve(&data, 1 << 15);
        got = fread(to, 1, 1 << 15, file);
        buf_added(&data, got);
    } while (got);
    fclose(file);
    *len = data.len;
    return buf_take(&data);
}

/* node_modules beside the program's folder (a build in the source tree) or under share (an installed one). */
static char *read_twin(const char *url, size_t *len)
{
    char exe[4096];
    ssize_t got = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (got <= 0)
        return NULL;
    exe[got] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash)
        *slash = '\0';
    static const char *const places[] = {"%s/../node_modules/%s", "%s/../share/ltlab/node_modules/%s", "%s/node_modules/%s"};
    for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
        if (strcmp(twins[i].url, url) != 0)
            continue;
        for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
            struct buf path = {0};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            buf_printf(&path, places[p], exe, twins[i].file);
#pragma GCC diagnostic pop
            char *text = read_file(path.data, len);
            buf_free(&path);
            if (text)
                return text;
        }
    }
    return NULL;
}

static void sha256_hex(const void *data, size_t len, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(data, len, digest, &size, EVP_sha256(), NULL);
    for (unsigned i = 0; i < size && i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static char *cache_dir(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && cache[0] == '/')
        return mem_printf("%s/ltlab/modules", cache);
    return home && home[0] ? mem_printf("%s/.cache/ltlab/modules", home) : NULL;
}

static void make_dirs(const char *path)
{
    char *copy = mem_strdup(path);
    for (char *at = copy + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        mkdir(copy, 0700);
        *at = '/';
    }
    mkdir(copy, 0700);
    mem_free(copy);
}

static size_t collect(char *data, size_t size, size_t count, void *arg)
{
    struct buf *out = arg;
    if (out->len + size * count > FETCH_MAX_BYTES)
        return 0;
    buf_add(out, data, size * count);
    return size * count;
}

/* libcurl brings thirty libraries with it, whose loading would double the start-up time of every run; so it
 * is loaded when a script first needs the network. */
struct curl_library {
    CURLcode (*global_init)(long);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    void (*easy_cleanup)(CURL *);
    const char *(*easy_strerror)(CURLcode);
};

static bool load_curl(struct curl_library *curl)
{
    const struct library_function functions[] = {
        {"curl_global_init", &curl->global_init},   {"curl_easy_init", &curl->easy_init},       {"curl_easy_setopt", &curl->easy_setopt},   {"curl_easy_perform", &curl->easy_perform},
        {"curl_easy_getinfo", &curl->easy_getinfo}, {"curl_easy_cleanup", &curl->easy_cleanup}, {"curl_easy_strerror", &curl->easy_strerror},
    };
    return library_load("libcurl.so.4", functions, sizeof(functions) / sizeof(functions[0])) && curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool download(const char *url, struct buf *out, struct error *err)
{
    struct curl_library lib;
    if (!load_curl(&lib))
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "the module %s couldn't be fetched: libcurl.so.4 is not installed (Debian package libcurl4); an import map (--import-map FILE) can point it to a local file", url);
    CURL *curl = lib.easy_init();
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;
    lib.easy_setopt(curl, CURLOPT_URL, url);
    lib.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    lib.easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    lib.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    lib.easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    lib.easy_setopt(curl, CURLOPT_TIMEOUT, FETCH_TIMEOUT_S);
    lib.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    lib.easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    lib.easy_setopt(curl, CURLOPT_USERAGENT, "ltlab/" LTLAB_VERSION);
    lib.easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    lib.easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    lib.easy_setopt(curl, CURLOPT_WRITEDATA, out);
    CURLcode code = lib.easy_perform(curl);
    lib.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    lib.easy_cleanup(curl);
    if (code != CURLE_OK)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "the module %s couldn't be fetched: %s (an import map, --import-map FILE, can point it to a local file)",
                         url, reason[0] ? reason : lib.easy_strerror(code));
    if (status < 200 || status > 299)
        return error_set(err, EXIT_SCRIPT_EXCEPTION, "the module %s couldn't be fetched: the server answered with status %ld", url, status);
    return true;
}

static void write_file(const char *path, const void *data, size_t len)
{
    char *temporary = mem_printf("%s.%d", path, (int)getpid());
    FILE *file = fopen(temporary, "wbe");
    if (file) {
        bool written = fwrite(data, 1, len, file) == len;
        if (fclose(file) != 0 || !written || rename(temporary, path) != 0)
            unlink(temporary);
    } else {
        log_debug("cannot write %s: %s", temporary, strerror(errno));
    }
    mem_free(temporary);
}

/* Returns NULL without err when there is no cached copy. */
static char *read_cached(const char *path, const char *sum_path, const char *url, size_t *len, struct error *err)
{
    size_t sum_len = 0;
    char *text = read_file(path, len), *sum = read_file(sum_path, &sum_len);
    if (text && sum) {
        char have[65];
        sha256_hex(text, *len, have);
        if (strncmp(sum, have, 64) != 0) {
            error_set(err, EXIT_SCRIPT_EXCEPTION, "the cached copy of %s does not match its checksum; delete %s to fetch it again", url, path);
            mem_free(text);
            text = NULL;
        }
    } else {
        mem_free(text);
        text = NULL;
    }
    mem_free(sum);
    return text;
}

char *remote_fetch(const char *url, size_t *len, struct error *err)
{
    char *text = read_twin(url, len);
    if (text)
        return text;
    char key[65], *dir = cache_dir();
    sha256_hex(url, strlen(url), key);
    char *path = dir ? mem_printf("%s/%s.js", dir, key) : NULL, *sum_path = dir ? mem_printf("%s/%s.sum", dir, key) : NULL;
    struct error cached = {0};
    text = path ? read_cached(path, sum_path, url, len, &cached) : NULL;
    if (cached.text) {
        error_move(err, &cached);
    } else if (!text) {
        struct buf body = {0};
        if (download(url, &body, err)) {
            *len = body.len;
            text = buf_take(&body);
            if (path) {
                char sum[65];
                make_dirs(dir);
                sha256_hex(text, *len, sum);
                write_file(path, text, *len);
                write_file(sum_path, sum, 64);
            }
        }
        buf_free(&body);
    }
    mem_free(dir);
    mem_free(path);
    mem_free(sum_path);
    return text;
}
