/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the options: the table and the normal forms. */
#ifndef RUN_OPTIONS_PRIVATE_H
#define RUN_OPTIONS_PRIVATE_H

#include <jansson.h>

#include "core/text.h"
#include "run/options.h"

enum option_kind {
    KIND_BOOL,
    KIND_INT,
    KIND_DURATION, /* a text in Go's form */
    KIND_TEXT,
    KIND_LIST,     /* texts; one text "a,b" outside JSON */
    KIND_PAIRS,    /* names to texts */
    KIND_STAGES,
    KIND_SCENARIOS,
    KIND_THRESHOLDS,
    KIND_DNS,
    KIND_TLS_VERSION,
    KIND_TLS_AUTH,
    KIND_RAW,
};

struct option_row {
    const char *name;
    enum option_kind kind;
    const char *env;  /* NULL: not by environment */
    const char *flag; /* NULL: no flag */
    const char *help;
    bool not_in_json; /* by environment and flag only */
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

const struct option_row *option_row_find(const char *name);
/* The normal form of a JSON value (a new reference), or NULL with err. JSON null gives JSON null. */
json_t *option_normal(const struct option_row *row, json_t *value, struct error *err);
/* The normal form of a text from the environment or a flag. */
json_t *option_normal_text(const struct option_row *row, const char *text, struct error *err);
/* A duration in JSON (text, or a number of ms); false when it is none. */
bool duration_read(json_t *value, int64_t *ns);
json_t *duration_json(int64_t ns);
/* Stages from "5s:10,1m:20". */
json_t *stages_from_text(const char *text, struct error *err);
/* One scenario: checks names and types, fills config and the JSON that exec.test.options shows. */
bool scenario_read(struct options *o, const char *name, json_t *value, struct scenario_config *config, json_t **shown, struct error *err);
/* Adds the scenario's mistakes (texts) to the list. */
void scenario_validate(const struct scenario_config *config, json_t *given, json_t *mistakes);
const char *executor_name(enum executor_kind kind);

#endif
