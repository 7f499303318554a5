#ifndef KAFKA_CTX_H
#define KAFKA_CTX_H
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_cancel kafka_cancel;
KAFKA_API KAFKA_NODISCARD int kafka_cancel_new(kafka_cancel **out);
KAFKA_API void kafka_cancel_fire(kafka_cancel *);
KAFKA_API void kafka_cancel_free(kafka_cancel *);
typedef struct kafka_ctx { int64_t deadline; kafka_cancel *cancel; char *error; size_t error_cap; const void *reserved[2]; } kafka_ctx;
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
