/* SPDX-License-Identifier: Apache-2.0 */
/* k6/data: SharedArray. The elements are JSON texts that exist once in the process; an element becomes a
 * value, frozen, each time it is read. To scripts it is a Proxy over an empty array, so that Array.isArray
 * and the array methods hold. */
#include <pthread.h>
#include <string.h>

#include "core/map.h"
#include "core/mem.h"
#include "script/k6/shared_array.h"
#include "script/k6/modules.h"

struct shared_item {
    char *json;
    size_t len;
};

struct shared_array {
    struct shared_item *items;
    size_t count;
};

struct shared_arrays {
    struct map by_name;
};

static const JSClassDef shared_class = {"SharedArray", .finalizer = NULL};

static void free_array(void *value)
{
    struct shared_array *array = value;
    for (size_t i = 0; i < array->count; i++)
        mem_free(array->items[i].json);
    mem_free(array->items);
    mem_free(array);
}

void shared_arrays_free(struct shared_arrays *arrays)
{
    if (!arrays)
        return;
    map_free(&arrays->by_name, free_array);
    mem_free(arrays);
}

/* ---- the proxy's traps; the target's data comes with the handler's functions ---- */

static const struct shared_array *array_of(JSContext *ctx, JSValueConst *data)
{
    return JS_GetOpaque(data[0], JS_CLASS_SHARED_ARRAY);
}

/* An index, or -1 for another property name. */
static int64_t index_of(JSContext *ctx, JSValueConst name)
{
    if (!JS_IsString(name))
        return -1;
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, name);
    int64_t index = len && len < 16 && (text[0] != '0' || len == 1) ? 0 : -1;
    for (size_t i = 0; i < len && index >= 0; i++)
        index = text[i] >= '0' && text[i] <= '9' ? index * 10 + (text[i] - '0') : -1;
    JS_FreeCString(ctx, text);
    return index;
}

static JSValue read_item(JSContext *ctx, const struct shared_array *array, int64_t index)
{
    if (index < 0 || (size_t)index >= array->count)
        return JS_UNDEFINED;
    JSValue value = JS_ParseJSON(ctx, array->items[index].json, array->items[index].len, "SharedArray");
    js_deep_freeze(ctx, value);
    return value;
}

static JSValue trap_get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    const struct shared_array *array = array_of(ctx, data);
    int64_t index = index_of(ctx, argv[1]);
    if (index >= 0)
        return read_item(ctx, array, index);
    JSAtom atom = JS_ValueToAtom(ctx, argv[1]);
    const char *name = JS_IsString(argv[1]) ? JS_ToCString(ctx, argv[1]) : NULL;
    bool is_length = name && strcmp(name, "length") == 0;
    JS_FreeCString(ctx, name);
    JSValue value = is_length ? JS_NewInt64(ctx, (int64_t)array->count) : JS_GetProperty(ctx, argv[0], atom);
    JS_FreeAtom(ctx, atom);
    return value;
}

static JSValue trap_has(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    int64_t index = index_of(ctx, argv[1]);
    if (index >= 0)
        return JS_NewBool(ctx, (size_t)index < array_of(ctx, data)->count);
    JSAtom atom = JS_ValueToAtom(ctx, argv[1]);
    int has = JS_HasProperty(ctx, argv[0], atom);
    JS_FreeAtom(ctx, atom);
    return has < 0 ? JS_EXCEPTION : JS_NewBool(ctx, has);
}

static JSValue trap_own_keys(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    const struct shared_array *array = array_of(ctx, data);
    JSValue keys = JS_NewArray(ctx);
    for (size_t i = 0; i < array->count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "%zu", i);
        JS_SetPropertyUint32(ctx, keys, (uint32_t)i, JS_NewString(ctx, name));
    }
    JS_SetPropertyUint32(ctx, keys, (uint32_t)array->count, JS_NewString(ctx, "length"));
    return keys;
}

static JSValue trap_descriptor(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    const struct shared_array *array = array_of(ctx, data);
    int64_t index = index_of(ctx, argv[1]);
    if (index < 0 || (size_t)index >= array->count) {
        const char *name = JS_IsString(argv[1]) ? JS_ToCString(ctx, argv[1]) : NULL;
        bool is_length = name && strcmp(name, "length") == 0;
        JS_FreeCString(ctx, name);
        if (!is_length)
            return JS_UNDEFINED;
    }
    JSValue descriptor = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, descriptor, "value", index >= 0 ? read_item(ctx, array, index) : JS_NewInt64(ctx, (int64_t)array->count));
    JS_SetPropertyStr(ctx, descriptor, "writable", JS_NewBool(ctx, index < 0));
    JS_SetPropertyStr(ctx, descriptor, "enumerable", JS_NewBool(ctx, index >= 0));
    JS_SetPropertyStr(ctx, descriptor, "configurable", JS_NewBool(ctx, index >= 0));
    return descriptor;
}

static JSValue trap_refuse(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic, JSValueConst *data)
{
    return JS_ThrowTypeError(ctx, "SharedArray is immutable");
}

JSValue shared_array_value(JSContext *ctx, const struct shared_array *array)
{
    static const struct {
        const char *name;
        JSCFunctionData *function;
    } traps[] = {
        {"get", trap_get}, {"has", trap_has}, {"ownKeys", trap_own_keys}, {"getOwnPropertyDescriptor", trap_descriptor},
        {"set", trap_refuse}, {"deleteProperty", trap_refuse}, {"defineProperty", trap_refuse}, {"setPrototypeOf", trap_refuse},
        {"preventExtensions", trap_refuse},
    };
    js_class_register(ctx, JS_CLASS_SHARED_ARRAY, &shared_class);
    JSValue holder = JS_NewObjectProtoClass(ctx, JS_NULL, JS_CLASS_SHARED_ARRAY);
    JS_SetOpaque(holder, (void *)(uintptr_t)array);
    JSValue handler = JS_NewObject(ctx);
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
        JS_SetPropertyStr(ctx, handler, traps[i].name, JS_NewCFunctionData(ctx, traps[i].function, 3, 0, 1, (JSValueConst *)&holder));
    JSValue target = JS_NewArray(ctx);
    JSValue proxy = JS_NewProxy(ctx, target, handler);
    JS_FreeValue(ctx, target);
    JS_FreeValue(ctx, handler);
    JS_FreeValue(ctx, holder);
    return proxy;
}

/* ---- making ---- */

const struct shared_array *shared_array_find(struct script *script, const char *name)
{
    pthread_mutex_lock(&script->module_lock);
    struct shared_array *array = script->shared_arrays ? map_get(&script->shared_arrays->by_name, name, strlen(name)) : NULL;
    pthread_mutex_unlock(&script->module_lock);
    return array;
}

struct shared_array *shared_array_new(size_t count)
{
    struct shared_array *array = mem_zalloc(sizeof(*array));
    array->items = mem_zalloc((count ? count : 1) * sizeof(array->items[0]));
    array->count = count;
    return array;
}

void shared_array_set(struct shared_array *array, size_t index, const char *json, size_t len)
{
    array->items[index] = (struct shared_item){mem_strndup(json, len), len};
}

const struct shared_array *shared_array_keep(struct script *script, const char *name, struct shared_array *array)
{
    pthread_mutex_lock(&script->module_lock);
    if (!script->shared_arrays)
        script->shared_arrays = mem_zalloc(sizeof(*script->shared_arrays));
    struct shared_array *have = map_get(&script->shared_arrays->by_name, name, strlen(name));
    if (!have)
        map_set(&script->shared_arrays->by_name, name, strlen(name), array);
    pthread_mutex_unlock(&script->module_lock);
    if (have)
        free_array(array);
    return have ? have : array;
}

static struct shared_array *build(JSContext *ctx, JSValueConst builder)
{
    JSValue list = JS_Call(ctx, builder, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(list))
        return NULL;
    if (!JS_IsArray(list)) {
        js_throw_error(ctx, "only arrays can be made into SharedArray");
        JS_FreeValue(ctx, list);
        return NULL;
    }
    int64_t count = 0;
    JS_GetLength(ctx, list, &count);
    struct shared_array *array = shared_array_new((size_t)count);
    bool failed = false;
    for (int64_t i = 0; i < count && !failed; i++) {
        JSValue item = JS_GetPropertyInt64(ctx, list, i), text = JS_JSONStringify(ctx, item, JS_UNDEFINED, JS_UNDEFINED);
        size_t len;
        const char *json = JS_IsUndefined(text) ? NULL : JS_ToCStringLen(ctx, &len, text);
        if (json)
            shared_array_set(array, (size_t)i, json, len);
        else if (JS_IsUndefined(text))
            shared_array_set(array, (size_t)i, "null", 4);
        failed = JS_IsException(text);
        JS_FreeCString(ctx, json);
        JS_FreeValue(ctx, text);
        JS_FreeValue(ctx, item);
    }
    JS_FreeValue(ctx, list);
    if (!failed)
        return array;
    free_array(array);
    return NULL;
}

static JSValue shared_array_construct(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    if (vu_of(ctx)->phase != PHASE_INIT)
        return js_throw_error(ctx, "new SharedArray must be called in the init context");
    const char *name = argc > 0 ? JS_ToCString(ctx, argv[0]) : NULL;
    if (!name || !name[0]) {
        JS_FreeCString(ctx, name);
        return js_throw_error(ctx, "empty name provided to SharedArray's constructor");
    }
    const struct shared_array *array = NULL;
    if (argc < 2 || !JS_IsFunction(ctx, argv[1])) {
        js_throw_error(ctx, "a function is expected as the second argument of SharedArray's constructor");
    } else if (engine_is_async(argv[1])) {
        js_throw_error(ctx, "SharedArray constructor does not support async functions as second argument");
    } else {
        array = shared_array_find(script_of(ctx), name);
        struct shared_array *built = array ? NULL : build(ctx, argv[1]);
        if (built)
            array = shared_array_keep(script_of(ctx), name, built);
    }
    JS_FreeCString(ctx, name);
    return array ? shared_array_value(ctx, array) : JS_EXCEPTION;
}

JSValue data_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    JSValue constructor = JS_NewCFunction2(ctx, shared_array_construct, "SharedArray", 2, JS_CFUNC_constructor, 0);
    JSValue proto = JS_NewObject(ctx);
    JS_SetConstructor(ctx, constructor, proto);
    JS_FreeValue(ctx, proto);
    JS_DefinePropertyValueStr(ctx, exports, "SharedArray", constructor, JS_PROP_C_W_E);
    return exports;
}
