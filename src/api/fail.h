/* fail: how a public call ends badly: the sentence goes to the thread (kafka_last_error) and into the caller's
 * context. */
#ifndef KFK_API_FAIL_H
#define KFK_API_FAIL_H
#include "base/error.h"
#include "kafka/ctx.h"

/* Publishes and returns err->code. ctx may be NULL. */
int kfk_fail(const kafka_ctx *ctx, const kfk_error *err);
int kfk_failf(const kafka_ctx *ctx, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* May this call wait? KAFKA_EAGAIN, published, inside a callback of the library; KAFKA_EINVAL when a reserved field of
 * the context is set. `call` names the function. */
int kfk_fail_unless_may_wait(const kafka_ctx *ctx, const char *call);

#ifdef __clang_analyzer__ /* as in base/error.h */
static inline int kfk_fail_told(const kafka_ctx *ctx, const kfk_error *err)
{
    int code = kfk_fail(ctx, err);
    if (code == 0) __builtin_unreachable();
    return code;
}
#define kfk_fail(ctx, err)        kfk_fail_told((ctx), (err))
#define kfk_failf(ctx, code, ...) ((void)(kfk_failf)((ctx), (code), __VA_ARGS__), (code))
#endif

/* For libkafka-testing, which has no other way to the thread's last failure: publishes code and text, returns the
 * code. */
KAFKA_API int kafka__fail(int code, const char *text);
/* Likewise: the calling thread's state (kfk_thread), so that a callback of one library is known to the other. */
KAFKA_API void *kafka__thread(void);

#endif
