/* SPDX-License-Identifier: Apache-2.0 */
#include "api/documents.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "report/values.h"

static char *written(json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT), *copy = mem_strdup(text ? text : "{}");
    free(text);
    json_decref(root);
    return copy;
}

/* Takes attributes and, when not NULL, relationships. */
static json_t *resource(const char *type, const char *id, json_t *attributes, json_t *relationships)
{
    json_t *r = json_pack("{s:s, s:s, s:o}", "type", type, "id", id, "attributes", attributes);
    if (relationships)
        json_object_set_new(r, "relationships", relationships);
    return r;
}

static char *document(json_t *data)
{
    return written(json_pack("{s:o}", "data", data));
}

/* k6's numbers of the states. */
static int state_number(enum test_phase phase)
{
    static const int numbers[] = {[TEST_CREATED] = 0, [TEST_MAKING_VUS] = 1, [TEST_PAUSED] = 4, [TEST_STARTED] = 5, [TEST_SETUP] = 6,
                                  [TEST_RUNNING] = 7, [TEST_TEARDOWN] = 8,   [TEST_ENDED] = 9,  [TEST_INTERRUPTED] = 10};
    return numbers[phase];
}

char *document_status(const struct test_status *s)
{
    return document(resource("status", "default",
                             json_pack("{s:i, s:b, s:I, s:I, s:b, s:b, s:b}", "status", state_number(s->phase), "paused", s->paused, "vus", (json_int_t)s->vus, "vus-max",
                                       (json_int_t)s->max_vus, "stopped", s->stopped, "running", s->running, "tainted", s->tainted),
                             NULL));
}

static json_t *metric_resource(const struct summary_metric *metric, int64_t duration_ns)
{
    static const char *const stats[] = {"min", "max", "avg", "med", "p(90)", "p(95)"};
    struct named_value values[MAX_VALUES];
    json_t *sample = json_object();
    size_t count = metric_values(metric, stats, 6, duration_ns, values);
    for (size_t i = 0; i < count; i++) {
        bool wanted = metric->type == METRIC_GAUGE ? strcmp(values[i].name, "value") == 0 : metric->type == METRIC_RATE ? strcmp(values[i].name, "rate") == 0 : true;
        if (wanted)
            json_object_set_new(sample, values[i].name, isfinite(values[i].value) ? json_real(values[i].value) : json_null());
    }
    bool tainted = false;
    for (size_t i = 0; i < metric->threshold_count; i++)
        tainted |= !metric->thresholds[i].ok;
    json_t *attributes = json_pack("{s:s, s:s, s:o, s:o}", "type", metric_type_name(metric->type), "contains", metric_contains_name(metric->contains), "tainted",
                                   metric->threshold_count ? json_boolean(tainted) : json_null(), "sample", sample);
    return resource("metrics", metric->name, attributes, NULL);
}

char *document_metrics(const struct summary *summary)
{
    json_t *list = json_array();
    for (size_t i = 0; summary && i < summary->metric_count; i++)
        if (!metric_is_own(summary->metrics[i].name))
            json_array_append_new(list, metric_resource(&summary->metrics[i], summary->duration_ns));
    return document(list);
}

char *document_metric(const struct summary *summary, const char *name)
{
    for (size_t i = 0; summary && i < summary->metric_count; i++)
        if (strcmp(summary->metrics[i].name, name) == 0)
            return document(metric_resource(&summary->metrics[i], summary->duration_ns));
    return NULL;
}

static json_t *group_resource(const struct summary_group *group, const struct summary_group *parent)
{
    json_t *checks = json_array(), *children = json_array();
    for (size_t i = 0; i < group->check_count; i++) {
        const struct summary_check *c = &group->checks[i];
        json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", c->id, "path", c->path, "name", c->name, "passes", (json_int_t)c->passes,
                                                "fails", (json_int_t)c->fails));
    }
    for (size_t i = 0; i < group->group_count; i++)
        json_array_append_new(children, json_pack("{s:s, s:s}", "type", "groups", "id", group->groups[i]->id));
    json_t *above = parent ? json_pack("{s:s, s:s}", "type", "groups", "id", parent->id) : json_null();
    json_t *relationships = json_pack("{s:{s:o}, s:{s:o}}", "groups", "data", children, "parent", "data", above);
    return resource("groups", group->id, json_pack("{s:s, s:s, s:o}", "path", group->path, "name", group->name, "checks", checks), relationships);
}

static void add_groups(json_t *list, const struct summary_group *group, const struct summary_group *parent)
{
    json_array_append_new(list, group_resource(group, parent));
    for (size_t i = 0; i < group->group_count; i++)
        add_groups(list, group->groups[i], group);
}

char *document_groups(const struct summary *summary)
{
    json_t *list = json_array();
    if (summary)
        add_groups(list, summary->root, NULL);
    return document(list);
}

static json_t *find_group(const struct summary_group *group, const struct summary_group *parent, const char *id)
{
    json_t *found = strcmp(group->id, id) == 0 ? group_resource(group, parent) : NULL;
    for (size_t i = 0; !found && i < group->group_count; i++)
        found = find_group(group->groups[i], group, id);
    return found;
}

char *document_group(const struct summary *summary, const char *id)
{
    json_t *found = summary ? find_group(summary->root, NULL, id) : NULL;
    return found ? document(found) : NULL;
}

char *document_setup(const char *json)
{
    json_t *data = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
    return document(resource("setupData", "default", json_pack("{s:o}", "data", data ? data : json_null()), NULL));
}

char *document_error(int status, const char *title, const char *detail)
{
    char number[12];
    snprintf(number, sizeof(number), "%d", status);
    return written(json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "status", number, "title", title, "detail", detail));
}

/* ---- what clients send ---- */

/* The body's data.attributes; NULL when there is no such object. *root is the caller's to free. */
static json_t *attributes_of(const char *body, json_t **root)
{
    *root = json_loads(body, 0, NULL);
    json_t *attributes = json_object_get(json_object_get(*root, "data"), "attributes");
    return json_is_object(attributes) ? attributes : NULL;
}

static bool read_flag(const json_t *attributes, const char *name, bool *has, bool *value)
{
    json_t *member = json_object_get(attributes, name);
    *has = json_is_boolean(member);
    *value = json_is_true(member);
    return !member || json_is_null(member) || *has;
}

const char *status_patch_read(const char *body, struct status_patch *patch)
{
    json_t *root, *attributes = attributes_of(body, &root), *vus = json_object_get(attributes, "vus");
    const char *wrong = NULL;
    *patch = (struct status_patch){0};
    if (!attributes)
        wrong = "the body must be {\"data\": {\"type\": \"status\", \"id\": \"default\", \"attributes\": {...}}}";
    else if (!read_flag(attributes, "stopped", &patch->has_stopped, &patch->stopped) || !read_flag(attributes, "paused", &patch->has_paused, &patch->paused))
        wrong = "stopped and paused must be true or false";
    else if (vus && !json_is_null(vus) && !json_is_integer(vus))
        wrong = "vus must be a whole number";
    patch->has_vus = json_is_integer(vus);
    patch->vus = json_integer_value(vus);
    json_decref(root);
    return wrong;
}

char *setup_put_read(const char *body)
{
    json_t *root, *data = json_object_get(attributes_of(body, &root), "data");
    char *text = data ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : NULL, *copy = text ? mem_strdup(text) : NULL;
    free(text);
    json_decref(root);
    return copy;
}
