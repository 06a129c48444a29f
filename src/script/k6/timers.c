/* SPDX-License-Identifier: Apache-2.0 */
/* k6/timers: the global timer functions as a module. */
#include "script/k6/modules.h"

JSValue timers_make(JSContext *ctx)
{
    JSValue exports = JS_NewObject(ctx);
    timers_install(ctx, exports);
    return exports;
}
