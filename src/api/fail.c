/* See the header. */
#include "api/fail.h"
#include "base/thread.h"
#include <stdio.h>

#undef kfk_fail /* what static analysis is told of them in the header */
#undef kfk_failf

int kfk_fail(const kafka_ctx *ctx, const kfk_error *err)
{
    if (ctx && ctx->error && ctx->error_cap > 0) snprintf(ctx->error, ctx->error_cap, "%s", err->text);
    return kfk_thread_fail(err);
}

int kfk_failf(const kafka_ctx *ctx, int code, const char *fmt, ...)
{
    kfk_error err;
    va_list ap;
    va_start(ap, fmt);
    kfk_error_setv(&err, code, fmt, ap);
    va_end(ap);
    return kfk_fail(ctx, &err);
}

int kfk_fail_unless_may_wait(const kafka_ctx *ctx, const char *call)
{
    if (ctx && (ctx->reserved[0] || ctx->reserved[1]))
        return kfk_failf(ctx, KAFKA_EINVAL, "%s: a reserved field of kafka_ctx is not 0", call);
    if (kfk_thread_self()->callback_depth > 0)
        return kfk_failf(ctx, KAFKA_EAGAIN, "%s would have to wait, which a callback must not", call);
    return 0;
}

void *kafka__thread(void)
{
    return kfk_thread_self();
}

int kafka__fail(int code, const char *text)
{
    return kfk_failf(NULL, code, "%s", text);
}
