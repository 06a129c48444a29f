/* SPDX-License-Identifier: Apache-2.0 */
/* k6/execution: exec.instance, exec.scenario, exec.test, exec.vu. The objects exist once a realm; what they
 * tell is that of the VU which asks. */
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "script/k6/modules.h"

/* ---- exec.instance ---- */

enum instance_field { INSTANCE_DURATION, INSTANCE_COMPLETED, INSTANCE_INTERRUPTED, INSTANCE_ACTIVE, INSTANCE_INITIALIZED };

static JSValue instance_get(JSContext *ctx, JSValueConst this_val, int field)
{
    struct script_stats *stats = &script_of(ctx)->stats;
    if (!vu_require_running(ctx, "exec.instance"))
        return JS_EXCEPTION;
    switch ((enum instance_field)field) {
    case INSTANCE_DURATION:
        return JS_NewFloat64(ctx, (double)(clock_mono_ns() - atomic_load(&stats->start_mono_ns)) / 1e6);
    case INSTANCE_COMPLETED:
        return JS_NewInt64(ctx, (int64_t)atomic_load(&stats->iterations_completed));
    case INSTANCE_INTERRUPTED:
        return JS_NewInt64(ctx, (int64_t)atomic_load(&stats->iterations_interrupted));
    case INSTANCE_ACTIVE:
        return JS_NewInt32(ctx, atomic_load(&stats->vus_active));
    case INSTANCE_INITIALIZED:
        return JS_NewInt32(ctx, atomic_load(&stats->vus_initialized));
    }
    return JS_UNDEFINED;
}

/* ---- exec.scenario ---- */

enum scenario_field { SCENARIO_NAME, SCENARIO_EXECUTOR, SCENARIO_START, SCENARIO_PROGRESS, SCENARIO_IN_INSTANCE, SCENARIO_IN_TEST };

static JSValue scenario_get(JSContext *ctx, JSValueConst this_val, int field)
{
    struct vu *vu = vu_of(ctx);
    const struct scenario_info *scenario = vu->phase == PHASE_ITERATION ? vu->scenario : NULL;
    if (!scenario)
        return js_throw_error(ctx, "getting scenario information outside of the VU context is not supported");
    switch ((enum scenario_field)field) {
    case SCENARIO_NAME:
        return JS_NewString(ctx, scenario->name);
    case SCENARIO_EXECUTOR:
        return JS_NewString(ctx, scenario->executor);
    case SCENARIO_START:
        return JS_NewInt64(ctx, scenario->start_wall_ns / NS_PER_MS);
    case SCENARIO_PROGRESS:
        return JS_NewFloat64(ctx, scenario->progress ? scenario->progress(scenario) : 0);
    case SCENARIO_IN_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)vu->iteration.in_scenario_instance);
    case SCENARIO_IN_TEST:
        return JS_NewInt64(ctx, (int64_t)vu->iteration.in_scenario_test);
    }
    return JS_UNDEFINED;
}

/* ---- exec.test ---- */

static JSValue test_abort(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    const struct script_settings *settings = vu->realm->script->settings;
    const char *reason = argc > 0 && !JS_IsUndefined(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    char *message = reason && reason[0] ? mem_printf("test aborted: %s", reason) : mem_strdup("test aborted");
    JS_FreeCString(ctx, reason);
    if (vu->phase != PHASE_INIT && settings && settings->abort)
        settings->abort(settings->arg, message);
    mem_free(vu->abort_message);
    vu->abort_message = message;
    vu->cut = vu->cut_is_abort = true;
    js_throw_error(ctx, "%s", message);
    engine_make_uncatchable(ctx);
    return JS_EXCEPTION;
}

static JSValue test_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct script_settings *settings = script_of(ctx)->settings;
    if (!vu_require_running(ctx, "exec.test.fail()"))
        return JS_EXCEPTION;
    const char *reason = argc > 0 && !JS_IsUndefined(argv[0]) ? JS_ToCString(ctx, argv[0]) : NULL;
    if (settings->fail)
        settings->fail(settings->arg, reason ? reason : "");
    JS_FreeCString(ctx, reason);
    return JS_UNDEFINED;
}

static JSValue test_options(JSContext *ctx, JSValueConst this_val, int magic)
{
    const struct script_settings *settings = script_of(ctx)->settings;
    if (!settings || vu_of(ctx)->phase == PHASE_INIT)
        return js_throw_error(ctx, "getting test options in the init context is not supported");
    JSValue options = JS_ParseJSON(ctx, settings->test_options_json, strlen(settings->test_options_json), "options");
    js_deep_freeze(ctx, options);
    return options;
}

/* ---- exec.vu ---- */

enum vu_field { VU_ID_INSTANCE, VU_ID_TEST, VU_ITERATION_INSTANCE, VU_ITERATION_SCENARIO };

static JSValue vu_get(JSContext *ctx, JSValueConst this_val, int field)
{
    struct vu *vu = vu_of(ctx);
    if (vu->phase == PHASE_INIT)
        return js_throw_error(ctx, "getting VU information in the init context is not supported");
    switch ((enum vu_field)field) {
    case VU_ID_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)vu->id_in_instance);
    case VU_ID_TEST:
        return JS_NewInt64(ctx, (int64_t)vu->id_in_test);
    case VU_ITERATION_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)vu->iterations);
    case VU_ITERATION_SCENARIO:
        return JS_NewInt64(ctx, (int64_t)vu->iterations_in_scenario);
    }
    return JS_UNDEFINED;
}

/* ---- tags and metadata: objects whose properties are the VU's ---- */

enum map_kind { MAP_TAGS, MAP_METADATA };

static enum map_kind kind_of(JSValueConst object)
{
    return (enum map_kind)((uintptr_t)JS_GetOpaque(object, JS_CLASS_TAG_MAP) - 1);
}

static char *metadata_get(struct vu *vu, const char *name)
{
    for (size_t i = 0; i < vu->metadata_count; i++)
        if (strcmp(vu->metadata[i].key, name) == 0)
            return mem_strdup(vu->metadata[i].value);
    if (strcmp(name, "vu") == 0 && vu_has_system_tag(vu, TAG_VU))
        return mem_printf("%llu", (unsigned long long)vu->id_in_test);
    if (strcmp(name, "iter") == 0 && vu_has_system_tag(vu, TAG_ITER) && vu->phase == PHASE_ITERATION)
        return mem_printf("%llu", (unsigned long long)vu->iterations);
    return NULL;
}

static void metadata_set(struct vu *vu, const char *name, const char *value)
{
    for (size_t i = 0; i < vu->metadata_count; i++) {
        if (strcmp(vu->metadata[i].key, name) != 0)
            continue;
        mem_free((char *)vu->metadata[i].value);
        if (value) {
            vu->metadata[i].value = mem_strdup(value);
        } else {
            mem_free((char *)vu->metadata[i].key);
            vu->metadata[i] = vu->metadata[--vu->metadata_count];
        }
        return;
    }
    if (!value)
        return;
    mem_grow(&vu->metadata, &vu->metadata_cap, vu->metadata_count + 1, sizeof(vu->metadata[0]));
    vu->metadata[vu->metadata_count++] = (struct tag){mem_strdup(name), mem_strdup(value)};
}

/* Heap, or NULL when there is none of that name. */
static char *map_value(struct vu *vu, enum map_kind kind, const char *name)
{
    if (kind == MAP_METADATA)
        return metadata_get(vu, name);
    const char *value = vu->tags ? tagset_get(vu->tags, name) : NULL;
    return value ? mem_strdup(value) : NULL;
}

static void map_store(struct vu *vu, enum map_kind kind, const char *name, const char *value)
{
    if (kind == MAP_METADATA) {
        metadata_set(vu, name, value);
        return;
    }
    struct tag change = {name, value};
    vu->tags = vu_tags_with(vu, &change, 1);
}

static int map_get_own(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom atom)
{
    struct vu *vu = vu_of(ctx);
    if (vu->phase == PHASE_INIT)
        return 0;
    JSValue key = JS_AtomToValue(ctx, atom);
    bool is_text = JS_IsString(key);
    JS_FreeValue(ctx, key);
    const char *name = is_text ? JS_AtomToCString(ctx, atom) : NULL;
    if (!name)
        return 0;
    char *value = map_value(vu, kind_of(object), name);
    JS_FreeCString(ctx, name);
    if (value && desc) {
        desc->flags = JS_PROP_C_W_E;
        desc->value = JS_NewString(ctx, value);
        desc->getter = desc->setter = JS_UNDEFINED;
    }
    mem_free(value);
    return value != NULL;
}

static int map_names(JSContext *ctx, JSPropertyEnum **names, uint32_t *count, JSValueConst object)
{
    struct vu *vu = vu_of(ctx);
    bool tags = kind_of(object) == MAP_TAGS;
    uint32_t have = tags ? (vu->tags ? vu->tags->count : 0) : (uint32_t)vu->metadata_count;
    *names = js_mallocz(ctx, (have + 2) * sizeof(**names));
    *count = 0;
    for (uint32_t i = 0; i < have; i++)
        (*names)[(*count)++].atom = JS_NewAtom(ctx, tags ? vu->tags->tags[i].key : vu->metadata[i].key);
    if (!tags && vu_has_system_tag(vu, TAG_VU))
        (*names)[(*count)++].atom = JS_NewAtom(ctx, "vu");
    if (!tags && vu_has_system_tag(vu, TAG_ITER) && vu->phase == PHASE_ITERATION)
        (*names)[(*count)++].atom = JS_NewAtom(ctx, "iter");
    for (uint32_t i = 0; i < *count; i++)
        (*names)[i].is_enumerable = true;
    return 0;
}

static int map_delete(JSContext *ctx, JSValueConst object, JSAtom atom)
{
    const char *name = JS_AtomToCString(ctx, atom);
    if (!name)
        return -1;
    map_store(vu_of(ctx), kind_of(object), name, NULL);
    JS_FreeCString(ctx, name);
    return 1;
}

static int map_set(JSContext *ctx, JSValueConst object, JSAtom atom, JSValueConst value, JSValueConst receiver, int flags)
{
    const char *name = JS_AtomToCString(ctx, atom);
    if (!name)
        return -1;
    int stored = -1;
    if (JS_IsString(value) || JS_IsNumber(value) || JS_IsBool(value)) {
        const char *text = JS_ToCString(ctx, value);
        if (text) {
            map_store(vu_of(ctx), kind_of(object), name, text);
            stored = 1;
        }
        JS_FreeCString(ctx, text);
    } else {
        JS_ThrowTypeError(ctx, "invalid value for the tag '%s': only String, Boolean and Number types are accepted", name);
    }
    JS_FreeCString(ctx, name);
    return stored;
}

static const JSClassExoticMethods map_exotic = {
    .get_own_property = map_get_own, .get_own_property_names = map_names, .delete_property = map_delete, .set_property = map_set};

static const JSClassDef map_class = {"TagMap", .exotic = (JSClassExoticMethods *)(uintptr_t)&map_exotic};

static JSValue new_map(JSContext *ctx, enum map_kind kind)
{
    JSValue proto = JS_GetClassProto(ctx, 1);
    JSValue object = JS_NewObjectProtoClass(ctx, proto, JS_CLASS_TAG_MAP);
    JS_FreeValue(ctx, proto);
    JS_SetOpaque(object, (void *)((uintptr_t)kind + 1));
    return object;
}

/* ---- the module ---- */

struct field {
    const char *name;
    int magic;
};

static JSValue make_object(JSContext *ctx, const struct field *fields, size_t count, JSValue (*get)(JSContext *, JSValueConst, int))
{
    JSValue object = JS_NewObject(ctx);
    for (size_t i = 0; i < count; i++)
        js_add_getter(ctx, object, fields[i].name, get, fields[i].magic);
    return object;
}

static JSValue make_vu(JSContext *ctx)
{
    static const struct field fields[] = {{"idInInstance", VU_ID_INSTANCE}, {"idInTest", VU_ID_TEST},
                                          {"iterationInInstance", VU_ITERATION_INSTANCE}, {"iterationInScenario", VU_ITERATION_SCENARIO}};
    JSValue vu = make_object(ctx, fields, 4, vu_get), tags = new_map(ctx, MAP_TAGS), metrics = JS_NewObject(ctx);
    JS_DefinePropertyValueStr(ctx, vu, "tags", JS_DupValue(ctx, tags), JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, metrics, "tags", tags, JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, metrics, "metadata", new_map(ctx, MAP_METADATA), JS_PROP_ENUMERABLE);
    JS_DefinePropertyValueStr(ctx, vu, "metrics", metrics, JS_PROP_ENUMERABLE);
    return vu;
}

JSValue execution_make(JSContext *ctx)
{
    static const struct field instance[] = {{"currentTestRunDuration", INSTANCE_DURATION}, {"iterationsCompleted", INSTANCE_COMPLETED},
                                            {"iterationsInterrupted", INSTANCE_INTERRUPTED}, {"vusActive", INSTANCE_ACTIVE},
                                            {"vusInitialized", INSTANCE_INITIALIZED}};
    static const struct field scenario[] = {{"name", SCENARIO_NAME}, {"executor", SCENARIO_EXECUTOR}, {"startTime", SCENARIO_START},
                                            {"progress", SCENARIO_PROGRESS}, {"iterationInInstance", SCENARIO_IN_INSTANCE},
                                            {"iterationInTest", SCENARIO_IN_TEST}};
    js_class_register(ctx, JS_CLASS_TAG_MAP, &map_class);
    JSValue exports = JS_NewObject(ctx), test = JS_NewObject(ctx);
    js_add_function(ctx, test, "abort", test_abort, 1);
    js_add_function(ctx, test, "fail", test_fail, 1);
    js_add_getter(ctx, test, "options", test_options, 0);
    JS_DefinePropertyValueStr(ctx, exports, "instance", make_object(ctx, instance, 5, instance_get), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, exports, "scenario", make_object(ctx, scenario, 6, scenario_get), JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, exports, "test", test, JS_PROP_C_W_E);
    JS_DefinePropertyValueStr(ctx, exports, "vu", make_vu(ctx), JS_PROP_C_W_E);
    return exports;
}
