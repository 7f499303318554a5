/* kafka/ctx.h: how long a call may wait, and how to end its waiting from elsewhere. */
#ifndef KAFKA_CTX_H
#define KAFKA_CTX_H
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_cancel is a token that ends waiting: calls that were given it return KAFKA_ECANCELED once it is fired, at
 * once, and so does every later call that gets it. One token may guard any number of calls, in any threads. */
typedef struct kafka_cancel kafka_cancel;
/* kafka_cancel_new makes a token that has not fired. KAFKA_ENOMEM. */
KAFKA_API KAFKA_NODISCARD int kafka_cancel_new(kafka_cancel **out);
/* kafka_cancel_fire fires the token, for good; again does nothing. It may be called from any thread and from a signal
 * handler, never blocks, and keeps errno. NULL is fine.
 *
 * In a forked child there is a copy of each token, which may be used and freed like any other; whichever of the two
 * processes fires, the other one's token stays as it is. */
KAFKA_API void kafka_cancel_fire(kafka_cancel *);
/* kafka_cancel_free drops the caller's reference. Calls and connections that use the token still hold their own, so
 * it may be freed while they wait. NULL is fine. */
KAFKA_API void kafka_cancel_free(kafka_cancel *);

/* kafka_ctx is the limit of one call; zeroed, or NULL in its place, there is none. It is looked at during the call
 * only. */
typedef struct kafka_ctx {
    int64_t deadline;     /* on kafka_now_ms's clock, see kafka_deadline_in; 0 = none. Met: KAFKA_ETIMEDOUT */
    kafka_cancel *cancel; /* NULL = none */
    char *error;          /* a failing call puts kafka_last_error's sentence here too, cut to fit, with a NUL */
    size_t error_cap;     /* bytes at `error` */
    const void *reserved[2];
} kafka_ctx;

/* KAFKA_WITHIN(ms) is a context, for the call it stands in, whose deadline is `ms` from now:
 *
 *     err = kafka_dial(NULL, KAFKA_WITHIN(5000), "localhost:9092", &conn);
 * */
#ifdef __cplusplus
struct kafka_within {
    kafka_ctx ctx;
    explicit kafka_within(int64_t ms) : ctx() { ctx.deadline = kafka_deadline_in(ms); }
    operator const kafka_ctx *() const { return &ctx; }
};
#define KAFKA_WITHIN(ms) (kafka_within(ms))
#else
#define KAFKA_WITHIN(ms) (&(kafka_ctx){.deadline = kafka_deadline_in(ms)})
#endif

#ifdef __cplusplus
}
#endif
#endif
