/* SPDX-License-Identifier: Apache-2.0 */
/* The files of k6/experimental/fs, for modules that read them (k6/experimental/csv). */
#ifndef SCRIPT_K6_FS_H
#define SCRIPT_K6_FS_H

#include "script/host.h"

struct fs_file {
    const char *path; /* absolute */
    const char *data; /* shared by all VUs, lives as long as the script */
    size_t len, at;
};

/* The file behind a value that open() gave. NULL: it is none; nothing thrown. */
struct fs_file *fs_file_of(JSValueConst value);

#endif
