/* SPDX-License-Identifier: Apache-2.0 */
/* k6/experimental/fs: files that are read piece by piece. The bytes exist once in the process, the position
 * belongs to the VU's own File. */
#include "script/k6/fs.h"

#include <string.h>

#include "core/error.h"
#include "core/mem.h"
#include "script/files.h"
#include "script/k6/modules.h"

enum seek_mode { SEEK_START, SEEK_CURRENT, SEEK_FROM_END };

static void file_finalize(JSRuntime *rt, JSValueConst value)
{
    mem_free(JS_GetOpaque(value, JS_CLASS_FS_FILE));
}

static const JSClassDef file_class = {"File", .finalizer = file_finalize};

struct fs_file *fs_file_of(JSValueConst value)
{
    return JS_GetOpaque(value, JS_CLASS_FS_FILE);
}

static JSValue throw_type(JSContext *ctx, const char *what)
{
    return js_throw_named(ctx, "TypeError", "%s", what);
}

static JSValue open_file(JSContext *ctx, JSValueConst name)
{
    if (vu_of(ctx)->phase != PHASE_INIT)
        return js_throw_named(ctx, "ForbiddenError", "open() is only available in the init stage (the top level of the script)");
    const char *path = JS_IsString(name) ? JS_ToCString(ctx, name) : NULL;
    if (!path || !path[0]) {
        JS_FreeCString(ctx, path);
        return throw_type(ctx, "open() needs the name of a file");
    }
    JSAtom module = engine_running_module(ctx);
    const char *base = module != JS_ATOM_NULL ? JS_AtomToCString(ctx, module) : NULL;
    struct error err = {0};
    struct fs_file file = {0};
    file.data = files_open(script_of(ctx)->files, base, path, &file.len, &file.path, &err);
    JSValue result;
    if (file.data) {
        result = JS_NewObjectClass(ctx, JS_CLASS_FS_FILE);
        JS_SetOpaque(result, mem_dup(&file, sizeof(file)));
        JS_DefinePropertyValueStr(ctx, result, "path", JS_NewString(ctx, file.path), JS_PROP_ENUMERABLE);
    } else {
        bool wrong_kind = strstr(err.text, "is a directory") != NULL;
        result = js_throw_named(ctx, wrong_kind ? "InvalidResourceError" : "NotFoundError", "%s", err.text);
        error_clear(&err);
    }
    JS_FreeCString(ctx, path);
    JS_FreeCString(ctx, base);
    JS_FreeAtom(ctx, module);
    return result;
}

static JSValue js_fs_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return js_settled(ctx, open_file(ctx, argc > 0 ? argv[0] : JS_UNDEFINED));
}

static JSValue stat_file(JSContext *ctx, const struct fs_file *file)
{
    const char *slash = strrchr(file->path, '/');
    JSValue info = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, info, "name", JS_NewString(ctx, slash ? slash + 1 : file->path));
    JS_SetPropertyStr(ctx, info, "size", JS_NewInt64(ctx, (int64_t)file->len));
    return info;
}

static JSValue read_file(JSContext *ctx, struct fs_file *file, JSValueConst into)
{
    struct js_bytes bytes;
    if (JS_GetTypedArrayType(into) != JS_TYPED_ARRAY_UINT8 || !js_bytes_read(ctx, into, &bytes))
        return throw_type(ctx, "read() needs a Uint8Array to read into");
    size_t left = file->len - file->at, count = bytes.len < left ? bytes.len : left;
    if (!left)
        return JS_NULL;
    memcpy((uint8_t *)(uintptr_t)bytes.data, file->data + file->at, count);
    file->at += count;
    return JS_NewInt64(ctx, (int64_t)count);
}

static JSValue seek_file(JSContext *ctx, struct fs_file *file, JSValueConst offset, JSValueConst whence)
{
    int64_t by = 0;
    int32_t mode = 0;
    double number;
    if (!JS_IsNumber(offset) || !JS_IsNumber(whence) || JS_ToFloat64(ctx, &number, offset) || JS_ToInt64(ctx, &by, offset) || (double)by != number ||
        JS_ToInt32(ctx, &mode, whence))
        return throw_type(ctx, "seek() needs a whole number and a SeekMode");
    if (mode < SEEK_START || mode > SEEK_FROM_END)
        return throw_type(ctx, "seek() needs SeekMode.Start, SeekMode.Current or SeekMode.End");
    int64_t len = (int64_t)file->len, base = mode == SEEK_START ? 0 : mode == SEEK_CURRENT ? (int64_t)file->at : len;
    if (mode == SEEK_FROM_END && by > 0)
        return throw_type(ctx, "seek() from the end needs a negative offset or 0");
    if (by < -base || by > len - base)
        return throw_type(ctx, "seek() would leave the file");
    file->at = (size_t)(base + by);
    return JS_NewInt64(ctx, base + by);
}

enum file_method { METHOD_STAT, METHOD_READ, METHOD_SEEK };

static JSValue js_method(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int magic)
{
    struct fs_file *file = fs_file_of(this_val);
    JSValueConst first = argc > 0 ? argv[0] : JS_UNDEFINED, second = argc > 1 ? argv[1] : JS_UNDEFINED;
    if (!file)
        return js_settled(ctx, throw_type(ctx, "this is no File"));
    return js_settled(ctx, magic == METHOD_STAT ? stat_file(ctx, file) : magic == METHOD_READ ? read_file(ctx, file, first) : seek_file(ctx, file, first, second));
}

JSValue fs_make(JSContext *ctx)
{
    js_class_register(ctx, JS_CLASS_FS_FILE, &file_class);
    JSValue proto = JS_NewObject(ctx);
    js_add_magic(ctx, proto, "stat", js_method, 0, METHOD_STAT);
    js_add_magic(ctx, proto, "read", js_method, 1, METHOD_READ);
    js_add_magic(ctx, proto, "seek", js_method, 2, METHOD_SEEK);
    JS_SetClassProto(ctx, JS_CLASS_FS_FILE, proto);

    JSValue exports = JS_NewObject(ctx), modes = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, modes, "Start", JS_NewInt32(ctx, SEEK_START));
    JS_SetPropertyStr(ctx, modes, "Current", JS_NewInt32(ctx, SEEK_CURRENT));
    JS_SetPropertyStr(ctx, modes, "End", JS_NewInt32(ctx, SEEK_FROM_END));
    js_add_function(ctx, exports, "open", js_fs_open, 1);
    JS_SetPropertyStr(ctx, exports, "SeekMode", modes);
    return exports;
}
