/* SPDX-License-Identifier: Apache-2.0 */
/* k6's archives: a tar with metadata.json, data (the script's text) and the trees file/ and https/ of every
 * module and opened file. Paths lose the name of the user's home. One thread at a time; constant once read. */
#ifndef SCRIPT_TEST_ARCHIVE_H
#define SCRIPT_TEST_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/map.h"

struct buf;
struct error;
struct files;

struct test_archive {
    char *main_module;  /* "file:///home/nobody/script.js" */
    char *pwd;          /* a path: what relative names without a module mean */
    char *options_json; /* the consolidated options, which stand for the script's own */
    char **env;         /* name, value ... */
    size_t env_count;   /* pairs */
    bool base_compatibility;
    struct map files; /* path or https URL -> struct archived_file */
};

struct archived_file {
    char *data; /* zero-terminated */
    size_t len;
};

/* The beginning of a file looks like a tar's. */
bool test_archive_sniff(const char *data, size_t len);
/* NULL with err (EXIT_GENERIC). */
struct test_archive *test_archive_read(const char *data, size_t len, struct error *err);
void test_archive_free(struct test_archive *archive);

/* What goes into an archive; everything is borrowed. */
struct archive_contents {
    struct files *files;
    const char *main_module, *options_json;
    const char *const *env; /* name, value ... */
    size_t env_count;
    bool base_compatibility;
};

/* The same contents give the same bytes. False with err. */
bool test_archive_write(struct buf *out, const struct archive_contents *contents, struct error *err);

#endif
