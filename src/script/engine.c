/* SPDX-License-Identifier: Apache-2.0 */
/* Includes QuickJS-ng's quickjs.c to reach what its interface hides.
 *
 * VU switching: a runtime a VU costs 190 KB and 23 us an iteration (cache misses), a context a VU 60 KB and
 * 12 us, a shared one 2.5 KB and 4 us (measured). So up to 256 VUs share a context, and entering one swaps
 * the few fields below. Whatever a parked VU holds on its C stack is a counted reference that the cycle
 * collector cannot see; it takes such objects for roots, which is what they are.
 *
 * Module instances: a module of QuickJS is a function object over ref-counted bytecode with its own variable
 * references. The compiled, resolved, never-run graph stays as the prototype; an instance copies the import
 * and export tables, shares the bytecode and is linked and evaluated by QuickJS itself. After evaluation the
 * copies are freed: closures hold the variable references that they need.
 *
 * Built-in modules exist once a context; their named exports are shared variable references (an importer
 * cannot assign to them), only the default object is copied per VU, since scripts may patch it.
 *
 * CommonJS files are C modules whose init function runs the wrapped source. What names they export is known
 * only then: importers' names are added when the graph is compiled, and namespaces are filled in afterwards. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wvla"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wcast-function-type"
/* Math.cbrt: the C library's cbrt(27) is not 3, cbrtl's rounded is. */
#include <math.h>
#define cbrt(x) ((double)cbrtl(x))
/* {...'hi'}: 0.17 copies nothing from a text. Its copying function gets another name, and its callers get ours. */
#include "quickjs.h"
static int engine_copy_data_properties(JSContext *ctx, JSValue target, JSValue source, JSValue excluded, bool setprop);
#define COPY_JSContext quickjs_copy_data_properties(JSContext
#define COPY_ctx engine_copy_data_properties(ctx
#define JS_CopyDataProperties(first, target, source, excluded, setprop) COPY_##first, target, source, excluded, setprop)
#include "quickjs.c"
#undef JS_CopyDataProperties
#undef cbrt
#pragma GCC diagnostic pop

#include "script/engine.h"

#include "core/mem.h"
#include "core/text.h"

_Static_assert(QJS_VERSION_MAJOR == 0 && QJS_VERSION_MINOR >= 17, "written against QuickJS-ng 0.17");
_Static_assert(sizeof(((struct engine_vu *)0)->jobs) == sizeof(struct list_head), "a list head is two pointers");

static int engine_copy_data_properties(JSContext *ctx, JSValue target, JSValue source, JSValue excluded, bool setprop)
{
    if (!JS_IsString(source))
        return quickjs_copy_data_properties(ctx, target, source, excluded, setprop);
    JSValue object = JS_ToObject(ctx, source);
    int result = JS_IsException(object) ? -1 : quickjs_copy_data_properties(ctx, target, object, excluded, setprop);
    JS_FreeValue(ctx, object);
    return result;
}

#define CJS_WRAPPER_NAME "$module"

/* ---- VUs ---- */

static struct list_head *jobs_of(struct engine_vu *vu)
{
    return (struct list_head *)(void *)vu->jobs;
}

void engine_vu_init(JSContext *ctx, struct engine_vu *vu, uint64_t seed)
{
    *vu = (struct engine_vu){.exception = JS_UNINITIALIZED, .random = seed ? seed : 1};
    vu->global = JS_NewObjectProto(ctx, ctx->global_obj);
    vu->global_vars = JS_NewObjectProto(ctx, JS_NULL);
    JS_DefinePropertyValue(ctx, vu->global, JS_ATOM_globalThis, js_dup(vu->global),
                           JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE);
    init_list_head(jobs_of(vu));
}

static void list_exchange(struct list_head *a, struct list_head *b)
{
    bool a_empty = list_empty(a), b_empty = list_empty(b);
    struct list_head was_a = *a, was_b = *b;
    if (a_empty && b_empty)
        return;
    if (b_empty) {
        init_list_head(a);
    } else {
        *a = was_b;
        a->next->prev = a;
        a->prev->next = a;
    }
    if (a_empty) {
        init_list_head(b);
    } else {
        *b = was_a;
        b->next->prev = b;
        b->prev->next = b;
    }
}

#define EXCHANGE(a, b)            \
    do {                          \
        __typeof__(a) was_ = (a); \
        (a) = (b);                \
        (b) = was_;               \
    } while (0)

void engine_swap(JSContext *ctx, struct engine_vu *vu)
{
    JSRuntime *rt = ctx->rt;
    EXCHANGE(ctx->global_obj, vu->global);
    EXCHANGE(ctx->global_var_obj, vu->global_vars);
    EXCHANGE(ctx->random_state, vu->random);
    EXCHANGE(rt->current_exception, vu->exception);
    EXCHANGE(rt->stack_top, vu->stack_top);
    EXCHANGE(rt->stack_size, vu->stack_bytes);
    EXCHANGE(rt->stack_limit, vu->stack_limit);
    void *frame = rt->current_stack_frame;
    rt->current_stack_frame = vu->frame;
    vu->frame = frame;
    list_exchange(&rt->job_list, jobs_of(vu));
}

void engine_vu_set_stack(struct engine_vu *vu, void *top, size_t bytes, size_t reserve)
{
    vu->stack_top = (uintptr_t)top;
    vu->stack_bytes = bytes - reserve;
    vu->stack_limit = vu->stack_top - vu->stack_bytes;
}

void engine_drop_jobs(JSContext *ctx)
{
    struct list_head *at, *next;
    list_for_each_safe(at, next, &ctx->rt->job_list) {
        JSJobEntry *job = list_entry(at, JSJobEntry, link);
        list_del(&job->link);
        for (int i = 0; i < job->argc; i++)
            JS_FreeValue(ctx, job->argv[i]);
        js_free(ctx, job);
    }
}

void engine_vu_fini(JSContext *ctx, struct engine_vu *vu)
{
    engine_swap(ctx, vu);
    engine_drop_jobs(ctx);
    engine_swap(ctx, vu);
    JS_FreeValue(ctx, vu->global);
    JS_FreeValue(ctx, vu->global_vars);
    JS_FreeValue(ctx, vu->exception);
}

void engine_seed(JSContext *ctx, uint64_t seed)
{
    ctx->random_state = seed ? seed : 1;
}

bool engine_has_jobs(JSContext *ctx)
{
    return !list_empty(&ctx->rt->job_list);
}

void engine_make_uncatchable(JSContext *ctx)
{
    JS_SetUncatchableError(ctx, ctx->rt->current_exception);
}

bool engine_is_async(JSValueConst function)
{
    if (JS_VALUE_GET_TAG(function) != JS_TAG_OBJECT)
        return false;
    JSObject *object = JS_VALUE_GET_OBJ(function);
    return object->class_id == JS_CLASS_ASYNC_FUNCTION || object->class_id == JS_CLASS_ASYNC_GENERATOR_FUNCTION;
}

/* ---- prototypes ---- */

/* Kept in private_value's place for CommonJS and built-in prototypes, beside the JSModuleDef. */
enum module_kind { MODULE_ES, MODULE_CJS, MODULE_BUILTIN };

struct prototype {
    JSModuleDef *def;
    enum module_kind kind;
    JSValue wrapper; /* CommonJS: bytecode of the wrapping function expression */
    JSValue exports; /* built-in: the shared exports object */
};

struct engine_context {
    const struct engine_host *host;
    struct prototype *prototypes;
    size_t count, cap;
    struct engine_instances *current;
    bool loading;
};

struct instance {
    JSModuleDef *def;
    JSModuleDef *prototype;
    JSValue exports; /* CommonJS: module.exports; JS_UNINITIALIZED before it ran */
    JSValue module;  /* CommonJS: the module object */
};

struct engine_instances {
    struct instance *list;
    size_t count, cap;
    struct list_head defs; /* the copies, linked by JSModuleDef.link */
};

static JSClassID context_class;

static void free_engine_context(JSRuntime *rt, void *arg)
{
    struct engine_context *engine = arg;
    mem_free(engine->prototypes);
    mem_free(engine);
}

static struct engine_context *engine_of(JSContext *ctx)
{
    return JS_GetRuntimeOpaque(ctx->rt);
}

static struct prototype *prototype_of(JSContext *ctx, JSModuleDef *def)
{
    struct engine_context *engine = engine_of(ctx);
    for (size_t i = 0; i < engine->count; i++)
        if (engine->prototypes[i].def == def)
            return &engine->prototypes[i];
    return NULL;
}

static struct prototype *add_prototype(JSContext *ctx, JSModuleDef *def, enum module_kind kind)
{
    struct engine_context *engine = engine_of(ctx);
    mem_grow(&engine->prototypes, &engine->cap, engine->count + 1, sizeof(engine->prototypes[0]));
    struct prototype *p = &engine->prototypes[engine->count++];
    *p = (struct prototype){def, kind, JS_UNDEFINED, JS_UNDEFINED};
    return p;
}

static void add_export_name(JSContext *ctx, JSModuleDef *def, JSAtom name)
{
    if (find_export_entry(ctx, def, name))
        return;
    add_export_entry2(ctx, NULL, def, JS_ATOM_NULL, name, JS_EXPORT_TYPE_LOCAL);
}

static void set_export(JSContext *ctx, JSModuleDef *def, JSAtom name, JSValue value)
{
    JSExportEntry *entry = find_export_entry(ctx, def, name);
    if (!entry || !entry->u.local.var_ref) {
        JS_FreeValue(ctx, value);
        return;
    }
    set_value(ctx, entry->u.local.var_ref->pvalue, value);
}

static int never_run(JSContext *ctx, JSModuleDef *def)
{
    return 0;
}

/* Every export of a built-in gets its variable reference at once, shared by all instances. */
static void give_var_refs(JSContext *ctx, JSModuleDef *def)
{
    for (int i = 0; i < def->export_entries_count; i++) {
        JSExportEntry *entry = &def->export_entries[i];
        if (!entry->u.local.var_ref)
            entry->u.local.var_ref = js_create_module_var(ctx, false);
    }
}

static JSModuleDef *load_builtin(JSContext *ctx, const char *name, JSValue exports)
{
    JSModuleDef *def = JS_NewCModule(ctx, name, never_run);
    struct prototype *p = add_prototype(ctx, def, MODULE_BUILTIN);
    p->exports = exports;
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, exports, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return NULL;
    add_export_name(ctx, def, JS_ATOM_default);
    for (uint32_t i = 0; i < count; i++)
        add_export_name(ctx, def, names[i].atom);
    give_var_refs(ctx, def);
    set_export(ctx, def, JS_ATOM_default, js_dup(exports));
    for (uint32_t i = 0; i < count; i++)
        set_export(ctx, def, names[i].atom, JS_GetProperty(ctx, exports, names[i].atom));
    JS_FreePropertyEnum(ctx, names, count);
    return def;
}

static int run_commonjs(JSContext *ctx, JSModuleDef *def);

static JSModuleDef *load_commonjs(JSContext *ctx, const char *name, const char *source, size_t len)
{
    static const char head[] = "(function " CJS_WRAPPER_NAME "(module, exports) {", tail[] = "\n})";
    size_t skip = len >= 2 && source[0] == '#' && source[1] == '!' ? 2 : 0; /* #! becomes // */
    char *wrapped = mem_alloc(sizeof(head) + sizeof(tail) + len + 2);
    size_t at = 0;
    memcpy(wrapped, head, sizeof(head) - 1);
    at += sizeof(head) - 1;
    if (skip)
        memcpy(wrapped + at, "//", 2), at += 2;
    memcpy(wrapped + at, source + skip, len - skip);
    at += len - skip;
    memcpy(wrapped + at, tail, sizeof(tail));
    at += sizeof(tail) - 1;
    JSValue code = JS_Eval(ctx, wrapped, at, name, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    mem_free(wrapped);
    if (JS_IsException(code))
        return NULL;
    JSModuleDef *def = JS_NewCModule(ctx, name, run_commonjs);
    struct prototype *p = add_prototype(ctx, def, MODULE_CJS);
    p->wrapper = code;
    add_export_name(ctx, def, JS_ATOM_default);
    return def;
}

/* A file without any import or export is CommonJS. */
static bool looks_commonjs(const JSModuleDef *def)
{
    return def->req_module_entries_count == 0 && def->export_entries_count == 0 &&
           def->star_export_entries_count == 0 && !def->has_tla;
}

/* Names that importers want from modules whose exports are open-ended: a built-in that lacks the name
 * exports it as undefined, a CommonJS file fills it in when it runs. */
static void add_wanted_name(JSContext *ctx, JSModuleDef *from, JSAtom name)
{
    struct prototype *p = prototype_of(ctx, from);
    if (!p || p->kind == MODULE_ES || name == JS_ATOM__star_)
        return;
    add_export_name(ctx, from, name);
    if (p->kind == MODULE_BUILTIN)
        give_var_refs(ctx, from);
}

static void add_wanted_names(JSContext *ctx, JSModuleDef *def)
{
    for (int i = 0; i < def->import_entries_count; i++) {
        JSImportEntry *entry = &def->import_entries[i];
        add_wanted_name(ctx, def->req_module_entries[entry->req_module_idx].module, entry->import_name);
    }
    for (int i = 0; i < def->export_entries_count; i++) {
        JSExportEntry *entry = &def->export_entries[i];
        if (entry->export_type == JS_EXPORT_TYPE_INDIRECT && entry->local_name != JS_ATOM__star_)
            add_wanted_name(ctx, def->req_module_entries[entry->u.req_module_idx].module, entry->local_name);
    }
}

static JSModuleDef *load_es(JSContext *ctx, const char *name, const char *source, size_t len)
{
    JSValue value = JS_Eval(ctx, source, len, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(value))
        return NULL;
    JSModuleDef *def = JS_VALUE_GET_PTR(value);
    JS_FreeValue(ctx, value);
    return def;
}

/* Whether a line begins with import or export: errors in such a file are told as a module's. */
static bool has_module_line(const char *source, size_t len)
{
    static const struct text words[] = {{"import", 6}, {"export", 6}};
    for (struct text rest = {source, len}, next; rest.data; rest = next) {
        struct text line = text_trim(text_cut(rest, '\n', &next));
        for (size_t i = 0; i < 2; i++)
            if (line.len > words[i].len && memcmp(line.data, words[i].data, words[i].len) == 0 && strchr(" \t{*\"'", line.data[words[i].len]))
                return true;
    }
    return false;
}

/* What is no module in strict mode may be a CommonJS file in sloppy mode. */
static JSModuleDef *load_sloppy(JSContext *ctx, const char *name, const char *source, size_t len)
{
    JSValue module_error = JS_GetException(ctx);
    JSModuleDef *def = load_commonjs(ctx, name, source, len);
    if (!def) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        JS_Throw(ctx, module_error);
        return NULL;
    }
    JS_FreeValue(ctx, module_error);
    return def;
}

static void forget_module(JSContext *ctx, JSModuleDef *def)
{
    js_free_module_def(ctx, def);
}

static JSModuleDef *load_file(JSContext *ctx, const char *name)
{
    struct engine_context *engine = engine_of(ctx);
    size_t len;
    const char *source = engine->host->source(ctx, name, &len, engine->host->arg);
    if (!source)
        return NULL;
    JSModuleDef *def = load_es(ctx, name, source, len);
    if (!def)
        return has_module_line(source, len) ? NULL : load_sloppy(ctx, name, source, len);
    if (looks_commonjs(def)) {
        forget_module(ctx, def);
        return load_commonjs(ctx, name, source, len);
    }
    add_prototype(ctx, def, MODULE_ES);
    add_wanted_names(ctx, def);
    return def;
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *arg)
{
    struct engine_context *engine = arg;
    if (!engine->loading) {
        JS_ThrowTypeError(ctx, "dynamic import() is not supported; import %s at the top of the file", name);
        return NULL;
    }
    JSValue exports = engine->host->builtin(ctx, name, engine->host->arg);
    if (JS_IsException(exports))
        return NULL;
    if (!JS_IsUndefined(exports))
        return load_builtin(ctx, name, exports);
    return load_file(ctx, name);
}

static char *normalize(JSContext *ctx, const char *base, const char *specifier, void *arg)
{
    struct engine_context *engine = arg;
    if (!engine->loading) {
        JS_ThrowTypeError(ctx, "dynamic import() is not supported; import '%s' at the top of the file", specifier);
        return NULL;
    }
    return engine->host->resolve(ctx, base, specifier, engine->host->arg);
}

void engine_set_host(JSContext *ctx, const struct engine_host *host)
{
    struct engine_context *engine = mem_zalloc(sizeof(*engine));
    engine->host = host;
    JS_SetRuntimeOpaque(ctx->rt, engine);
    JS_AddRuntimeFinalizer(ctx->rt, free_engine_context, engine);
    JS_SetModuleLoaderFunc(ctx->rt, normalize, load_module, engine);
    (void)context_class;
}

void engine_free_prototypes(JSContext *ctx)
{
    struct engine_context *engine = engine_of(ctx);
    for (size_t i = 0; i < engine->count; i++) {
        JS_FreeValue(ctx, engine->prototypes[i].wrapper);
        JS_FreeValue(ctx, engine->prototypes[i].exports);
    }
    engine->count = 0;
}

static JSModuleDef *find_loaded(JSContext *ctx, const char *name)
{
    JSAtom atom = JS_NewAtom(ctx, name);
    JSModuleDef *def = js_find_loaded_module(ctx, atom, JS_UNDEFINED);
    JS_FreeAtom(ctx, atom);
    return def;
}

JSModuleDef *engine_load(JSContext *ctx, const char *name)
{
    struct engine_context *engine = engine_of(ctx);
    JSModuleDef *def = find_loaded(ctx, name);
    if (def)
        return def;
    bool was_loading = engine->loading;
    engine->loading = true;
    def = load_module(ctx, name, engine);
    engine->loading = was_loading;
    return def;
}

/* ---- instances ---- */

struct engine_instances *engine_instances_new(JSContext *ctx)
{
    struct engine_instances *set = mem_zalloc(sizeof(*set));
    init_list_head(&set->defs);
    return set;
}

/* `export * as ns` creates its namespace on demand from the module copy: do it before that is gone. */
static void settle_namespace(JSContext *ctx, JSModuleDef *def)
{
    if (!JS_IsObject(def->module_ns))
        return;
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, def->module_ns, JS_GPN_STRING_MASK) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        JSValue value = JS_GetProperty(ctx, def->module_ns, names[i].atom);
        if (JS_IsException(value))
            JS_FreeValue(ctx, JS_GetException(ctx));
        JS_FreeValue(ctx, value);
    }
    JS_FreePropertyEnum(ctx, names, count);
}

void engine_instances_free(JSContext *ctx, struct engine_instances *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        settle_namespace(ctx, set->list[i].def);
    for (size_t i = 0; i < set->count; i++) {
        JS_FreeValue(ctx, set->list[i].exports);
        JS_FreeValue(ctx, set->list[i].module);
        js_free_module_def(ctx, set->list[i].def);
    }
    mem_free(set->list);
    mem_free(set);
}

void engine_set_current(JSContext *ctx, struct engine_instances *set)
{
    engine_of(ctx)->current = set;
}

static struct instance *instance_of(struct engine_instances *set, const JSModuleDef *def)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i].prototype == def || set->list[i].def == def)
            return &set->list[i];
    return NULL;
}

static void *copy_array(JSContext *ctx, const void *from, int count, size_t size)
{
    if (!count)
        return NULL;
    void *to = js_malloc(ctx, (size_t)count * size);
    memcpy(to, from, (size_t)count * size);
    return to;
}

static void copy_tables(JSContext *ctx, JSModuleDef *to, const JSModuleDef *from)
{
    to->req_module_entries = copy_array(ctx, from->req_module_entries, from->req_module_entries_count, sizeof(JSReqModuleEntry));
    to->req_module_entries_count = to->req_module_entries_size = from->req_module_entries_count;
    for (int i = 0; i < to->req_module_entries_count; i++) {
        JS_DupAtom(ctx, to->req_module_entries[i].module_name);
        js_dup(to->req_module_entries[i].attributes);
    }
    to->export_entries = copy_array(ctx, from->export_entries, from->export_entries_count, sizeof(JSExportEntry));
    to->export_entries_count = to->export_entries_size = from->export_entries_count;
    for (int i = 0; i < to->export_entries_count; i++) {
        JSExportEntry *entry = &to->export_entries[i];
        JS_DupAtom(ctx, entry->export_name);
        JS_DupAtom(ctx, entry->local_name);
    }
    to->star_export_entries = copy_array(ctx, from->star_export_entries, from->star_export_entries_count, sizeof(JSStarExportEntry));
    to->star_export_entries_count = to->star_export_entries_size = from->star_export_entries_count;
    to->import_entries = copy_array(ctx, from->import_entries, from->import_entries_count, sizeof(JSImportEntry));
    to->import_entries_count = to->import_entries_size = from->import_entries_count;
    for (int i = 0; i < to->import_entries_count; i++)
        JS_DupAtom(ctx, to->import_entries[i].import_name);
}

static void unshare_var_refs(JSModuleDef *def)
{
    for (int i = 0; i < def->export_entries_count; i++)
        if (def->export_entries[i].export_type == JS_EXPORT_TYPE_LOCAL)
            def->export_entries[i].u.local.var_ref = NULL;
}

/* A VU's own copy of a built-in's default object: the same functions, but its properties are its own. */
static JSValue copy_default(JSContext *ctx, JSValueConst shared)
{
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_IsFunction(ctx, shared) || JS_GetOwnPropertyNames(ctx, &names, &count, shared, JS_GPN_STRING_MASK) < 0)
        return js_dup(shared);
    JSValue proto = JS_GetPrototype(ctx, shared);
    JSValue copy = JS_NewObjectProto(ctx, proto);
    JS_FreeValue(ctx, proto);
    for (uint32_t i = 0; i < count; i++) {
        JSPropertyDescriptor d;
        if (JS_GetOwnProperty(ctx, &d, shared, names[i].atom) <= 0)
            continue;
        int flags = d.flags | JS_PROP_HAS_CONFIGURABLE | JS_PROP_HAS_ENUMERABLE;
        flags |= d.flags & JS_PROP_GETSET ? JS_PROP_HAS_GET | JS_PROP_HAS_SET : JS_PROP_HAS_VALUE | JS_PROP_HAS_WRITABLE;
        JS_DefineProperty(ctx, copy, names[i].atom, d.value, d.getter, d.setter, flags);
        js_free_desc(ctx, &d);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return copy;
}

static void instantiate_builtin(JSContext *ctx, JSModuleDef *def, const struct prototype *p)
{
    for (int i = 0; i < def->export_entries_count; i++) {
        JSExportEntry *entry = &def->export_entries[i];
        if (entry->export_name == JS_ATOM_default) {
            entry->u.local.var_ref = js_create_module_var(ctx, false);
            set_value(ctx, entry->u.local.var_ref->pvalue, copy_default(ctx, p->exports));
        } else {
            JS_REF_COUNT(entry->u.local.var_ref)++;
        }
    }
    def->func_created = true;
    def->status = JS_MODULE_STATUS_EVALUATED;
    def->cycle_root = def;
}

static JSModuleDef *instantiate(JSContext *ctx, struct engine_instances *set, JSModuleDef *from)
{
    struct instance *have = instance_of(set, from);
    if (have)
        return have->def;
    const struct prototype *p = prototype_of(ctx, from);
    JSModuleDef *def = js_new_module_def(ctx, JS_DupAtom(ctx, from->module_name));
    list_del(&def->link);
    list_add_tail(&def->link, &set->defs);
    def->init_func = from->init_func;
    def->has_tla = from->has_tla;
    def->resolved = true;
    copy_tables(ctx, def, from);
    mem_grow(&set->list, &set->cap, set->count + 1, sizeof(set->list[0]));
    set->list[set->count++] = (struct instance){def, from, JS_UNINITIALIZED, JS_UNDEFINED};
    if (p->kind == MODULE_BUILTIN) {
        instantiate_builtin(ctx, def, p);
        return def;
    }
    unshare_var_refs(def);
    if (p->kind == MODULE_ES) {
        for (int i = 0; i < def->export_entries_count; i++)
            if (def->export_entries[i].export_type == JS_EXPORT_TYPE_LOCAL)
                def->export_entries[i].u.local.var_idx = from->export_entries[i].u.local.var_idx;
        def->func_obj = js_dup(from->func_obj);
    }
    for (int i = 0; i < def->req_module_entries_count; i++)
        def->req_module_entries[i].module = instantiate(ctx, set, from->req_module_entries[i].module);
    return def;
}

JSValue engine_evaluate(JSContext *ctx, struct engine_instances *set, JSModuleDef *prototype)
{
    JSModuleDef *def = instantiate(ctx, set, prototype);
    if (def->status == JS_MODULE_STATUS_UNLINKED) {
        if (js_create_module_function(ctx, def) < 0)
            return JS_EXCEPTION;
        if (js_link_module(ctx, def) < 0)
            return JS_EXCEPTION;
    }
    return js_evaluate_module(ctx, def);
}

/* ---- CommonJS ---- */

static void fill_namespace(JSContext *ctx, JSModuleDef *def, JSValueConst exports)
{
    if (!JS_IsObject(def->module_ns) || !JS_IsObject(exports))
        return;
    JSObject *ns = JS_VALUE_GET_OBJ(def->module_ns);
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, exports, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        JSProperty *pr;
        if (names[i].atom == JS_ATOM_default || find_own_property(&pr, ns, names[i].atom))
            continue;
        pr = add_property(ctx, ns, names[i].atom, JS_PROP_ENUMERABLE | JS_PROP_WRITABLE);
        if (pr)
            pr->u.value = JS_GetProperty(ctx, exports, names[i].atom);
    }
    JS_FreePropertyEnum(ctx, names, count);
}

static void publish_exports(JSContext *ctx, JSModuleDef *def, JSValueConst exports)
{
    JSValue fallback = JS_UNDEFINED;
    if (JS_IsObject(exports)) {
        JSValue flag = JS_GetPropertyStr(ctx, exports, "__esModule");
        if (JS_ToBool(ctx, flag) > 0)
            fallback = JS_GetProperty(ctx, exports, JS_ATOM_default);
        else
            fallback = js_dup(exports);
        JS_FreeValue(ctx, flag);
    } else {
        fallback = js_dup(exports);
    }
    for (int i = 0; i < def->export_entries_count; i++) {
        JSAtom name = def->export_entries[i].export_name;
        if (name == JS_ATOM_default)
            set_export(ctx, def, name, js_dup(fallback));
        else if (JS_IsObject(exports))
            set_export(ctx, def, name, JS_GetProperty(ctx, exports, name));
    }
    JS_FreeValue(ctx, fallback);
    fill_namespace(ctx, def, exports);
}

static int call_wrapper(JSContext *ctx, const struct prototype *p, JSValueConst module, JSValueConst exports)
{
    JSValue function = JS_EvalFunction(ctx, js_dup(p->wrapper));
    if (JS_IsException(function))
        return -1;
    JSValueConst args[2] = {module, exports};
    JSValue result = JS_Call(ctx, function, exports, 2, args);
    JS_FreeValue(ctx, function);
    bool failed = JS_IsException(result);
    JS_FreeValue(ctx, result);
    return failed ? -1 : 0;
}

/* The init function of a CommonJS instance. */
static int run_commonjs(JSContext *ctx, JSModuleDef *def)
{
    struct engine_instances *set = engine_of(ctx)->current;
    struct instance *own = instance_of(set, def);
    const struct prototype *p = prototype_of(ctx, own->prototype);
    JSValue exports = JS_NewObject(ctx), module = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, module, "exports", js_dup(exports));
    own->exports = js_dup(exports); /* what a cycle sees meanwhile */
    own->module = js_dup(module);
    int failed = call_wrapper(ctx, p, module, exports);
    JS_FreeValue(ctx, exports);
    if (!failed) {
        exports = JS_GetPropertyStr(ctx, module, "exports");
        own = instance_of(set, def); /* the list may have moved */
        JS_FreeValue(ctx, own->exports);
        own->exports = js_dup(exports);
        publish_exports(ctx, def, exports);
        JS_FreeValue(ctx, exports);
    }
    JS_FreeValue(ctx, module);
    return failed;
}

/* What require() gives for a CommonJS instance: nothing is refused, as k6 does. */
static JSValue commonjs_exports(JSContext *ctx, const struct instance *own)
{
    if (JS_IsNull(own->exports) || JS_IsUndefined(own->exports))
        return JS_ThrowTypeError(ctx, "the module's exports are %s", JS_IsNull(own->exports) ? "null" : "undefined");
    return js_dup(own->exports);
}

static JSValue evaluated_exports(JSContext *ctx, struct engine_instances *set, JSModuleDef *prototype)
{
    struct instance *own = instance_of(set, prototype);
    const struct prototype *p = prototype_of(ctx, prototype);
    if (p->kind == MODULE_CJS)
        return commonjs_exports(ctx, own);
    if (p->kind == MODULE_BUILTIN) {
        JSExportEntry *entry = find_export_entry(ctx, own->def, JS_ATOM_default);
        return js_dup(*entry->u.local.var_ref->pvalue);
    }
    return JS_GetModuleNamespace(ctx, own->def);
}

JSValue engine_require(JSContext *ctx, struct engine_instances *set, const char *base, const char *specifier)
{
    struct engine_context *engine = engine_of(ctx);
    char *name = engine->host->resolve(ctx, base, specifier, engine->host->arg);
    if (!name)
        return JS_EXCEPTION;
    JSModuleDef *prototype = engine_load(ctx, name);
    js_free(ctx, name);
    if (!prototype)
        return JS_EXCEPTION;
    struct instance *own = instance_of(set, prototype);
    if (own && !JS_IsUninitialized(own->exports))
        return commonjs_exports(ctx, own); /* done or in a cycle */
    JSValue promise = engine_evaluate(ctx, set, prototype);
    if (JS_IsException(promise))
        return promise;
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED) {
        JSValue reason = JS_PromiseResult(ctx, promise);
        js_promise_set_handled(ctx, promise);
        JS_FreeValue(ctx, promise);
        return JS_Throw(ctx, reason);
    }
    JS_FreeValue(ctx, promise);
    return evaluated_exports(ctx, set, prototype);
}

/* ---- reading exports ---- */

static JSValue namespace_value(JSContext *ctx, JSModuleDef *def, JSAtom name)
{
    JSModuleDef *from;
    JSExportEntry *entry;
    if (js_resolve_export(ctx, &from, &entry, def, name) != JS_RESOLVE_RES_FOUND) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return JS_UNDEFINED;
    }
    if (entry->local_name == JS_ATOM__star_)
        return JS_GetModuleNamespace(ctx, from->req_module_entries[entry->u.req_module_idx].module);
    JSVarRef *var_ref = js_get_local_export_var_ref(ctx, from, entry);
    if (!var_ref || JS_IsUninitialized(*var_ref->pvalue))
        return JS_UNDEFINED;
    return js_dup(*var_ref->pvalue);
}

JSValue engine_export(JSContext *ctx, struct engine_instances *set, JSModuleDef *prototype, const char *name)
{
    struct instance *own = instance_of(set, prototype);
    if (!own)
        return JS_UNDEFINED;
    if (prototype_of(ctx, prototype)->kind == MODULE_CJS)
        return JS_IsObject(own->exports) ? JS_GetPropertyStr(ctx, own->exports, name) : JS_UNDEFINED;
    JSAtom atom = JS_NewAtom(ctx, name);
    JSValue value = namespace_value(ctx, own->def, atom);
    JS_FreeAtom(ctx, atom);
    return value;
}

void engine_each_export(JSContext *ctx, struct engine_instances *set, JSModuleDef *prototype,
                        void (*each)(void *arg, const char *name, JSValueConst value), void *arg)
{
    struct instance *own = instance_of(set, prototype);
    if (!own)
        return;
    JSValue object = prototype_of(ctx, prototype)->kind == MODULE_CJS ? js_dup(own->exports) : JS_GetModuleNamespace(ctx, own->def);
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_IsObject(object) && JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) == 0) {
        for (uint32_t i = 0; i < count; i++) {
            JSValue value = JS_GetProperty(ctx, object, names[i].atom);
            const char *name = JS_AtomToCString(ctx, names[i].atom);
            if (!JS_IsException(value) && name)
                each(arg, name, value);
            JS_FreeCString(ctx, name);
            JS_FreeValue(ctx, value);
        }
        JS_FreePropertyEnum(ctx, names, count);
    }
    JS_FreeValue(ctx, object);
}

JSAtom engine_running_module(JSContext *ctx)
{
    JSAtom nearest = JS_ATOM_NULL;
    for (JSStackFrame *frame = ctx->rt->current_stack_frame; frame; frame = frame->prev_frame) {
        if (JS_VALUE_GET_TAG(frame->cur_func) != JS_TAG_OBJECT)
            continue;
        JSObject *function = JS_VALUE_GET_OBJ(frame->cur_func);
        if (!js_class_has_bytecode(function->class_id))
            continue;
        JSFunctionBytecode *code = function->u.func.function_bytecode;
        if (nearest == JS_ATOM_NULL)
            nearest = code->filename;
        char name[32];
        bool top = code->func_name == JS_ATOM__eval_ ||
                   strcmp(JS_AtomGetStr(ctx, name, sizeof(name), code->func_name), CJS_WRAPPER_NAME) == 0;
        if (top)
            return JS_DupAtom(ctx, code->filename);
    }
    return JS_DupAtom(ctx, nearest);
}
