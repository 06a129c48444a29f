/* SPDX-License-Identifier: Apache-2.0 */
/* The content codings by name; shared by decode.c and encode.c. */
#ifndef HTTP_DECODE_CODEC_H
#define HTTP_DECODE_CODEC_H

#include <stdbool.h>

#include "core/text.h"

enum codec { CODEC_GZIP, CODEC_DEFLATE, CODEC_ZSTD, CODEC_BR, CODEC_COUNT };

const char *codec_name(enum codec codec);
/* False when there is no such coding; case does not matter. */
bool codec_named(struct text name, enum codec *codec);

#endif
