/* SPDX-License-Identifier: Apache-2.0 */
#include "script/k6/stream_queue.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

bool stream_method(JSContext *ctx, JSValueConst object, const char *name, JSValue *method)
{
    *method = JS_IsObject(object) ? JS_GetPropertyStr(ctx, object, name) : JS_UNDEFINED;
    if (JS_IsUndefined(*method) || JS_IsFunction(ctx, *method))
        return true;
    if (!JS_IsException(*method))
        JS_ThrowTypeError(ctx, "%s must be a function", name);
    JS_FreeValue(ctx, *method);
    *method = JS_UNDEFINED;
    return false;
}

bool stream_queue_init(JSContext *ctx, struct stream_queue *queue, JSValueConst strategy)
{
    *queue = (struct stream_queue){.high_water_mark = 1, .size_of = JS_UNDEFINED};
    if (!JS_IsObject(strategy))
        return true;
    JSValue mark = JS_GetPropertyStr(ctx, strategy, "highWaterMark");
    bool valid = JS_IsUndefined(mark) || JS_ToFloat64(ctx, &queue->high_water_mark, mark) == 0;
    JS_FreeValue(ctx, mark);
    if (valid && (isnan(queue->high_water_mark) || queue->high_water_mark < 0)) {
        JS_ThrowRangeError(ctx, "highWaterMark must be a number that is not negative");
        valid = false;
    }
    return valid && stream_method(ctx, strategy, "size", &queue->size_of);
}

bool stream_queue_add(JSContext *ctx, struct stream_queue *queue, JSValueConst value, struct deferred written)
{
    double size = 1;
    if (!JS_IsUndefined(queue->size_of)) {
        JSValue result = JS_Call(ctx, queue->size_of, JS_UNDEFINED, 1, &value);
        bool failed = JS_IsException(result) || JS_ToFloat64(ctx, &size, result);
        JS_FreeValue(ctx, result);
        if (failed)
            return false;
        if (!isfinite(size) || size < 0) {
            JS_ThrowRangeError(ctx, "the strategy's size() must give a finite number that is not negative");
            return false;
        }
    }
    mem_grow(&queue->chunks, &queue->cap, queue->count + 1, sizeof(queue->chunks[0]));
    queue->chunks[queue->count++] = (struct stream_chunk){JS_DupValue(ctx, value), size, written};
    queue->total += size;
    return true;
}

struct stream_chunk stream_queue_take(struct stream_queue *queue)
{
    struct stream_chunk first = queue->chunks[0];
    queue->count--;
    memmove(queue->chunks, queue->chunks + 1, queue->count * sizeof(queue->chunks[0]));
    queue->total = queue->count ? queue->total - first.size : 0;
    return first;
}

void stream_queue_clear(JSRuntime *rt, struct stream_queue *queue)
{
    size_t count = queue->count;
    queue->count = 0;
    queue->total = 0;
    for (size_t i = 0; i < count; i++) {
        JS_FreeValueRT(rt, queue->chunks[i].value);
        deferred_free(rt, &queue->chunks[i].written);
    }
}

void stream_queue_free(JSRuntime *rt, struct stream_queue *queue)
{
    stream_queue_clear(rt, queue);
    JS_FreeValueRT(rt, queue->size_of);
    mem_free(queue->chunks);
}

void stream_queue_mark(JSRuntime *rt, const struct stream_queue *queue, JS_MarkFunc *mark)
{
    for (size_t i = 0; i < queue->count; i++) {
        JS_MarkValue(rt, queue->chunks[i].value, mark);
        deferred_mark(rt, &queue->chunks[i].written, mark);
    }
    JS_MarkValue(rt, queue->size_of, mark);
}
