/* SPDX-License-Identifier: Apache-2.0 */
/* Reads CSV (RFC 4180) from memory, a record at a time. Empty lines are skipped; "\r\n" ends a line like "\n"
 * and reads as "\n" within quotes. One thread at a time. */
#ifndef CORE_CSV_H
#define CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

struct error;

struct csv_reader {
    const char *at, *end;
    char delimiter;
    size_t line;   /* of what comes next, from 1 */
    size_t fields; /* of every record: those of the first; 0 before it */
    /* the record: its fields one after another, each with a zero behind it */
    struct buf text;
    size_t *starts;
    size_t count, cap;
};

/* data must outlive the reader. */
void csv_open(struct csv_reader *r, const char *data, size_t len, char delimiter);
/* 1: a record was read; 0: the end; -1: not CSV (err names the line). */
int csv_next(struct csv_reader *r, struct error *err);
/* Field i of the record, zero-terminated, with its length. */
const char *csv_field(const struct csv_reader *r, size_t i, size_t *len);
void csv_close(struct csv_reader *r);

#endif
