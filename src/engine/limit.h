/* limit: what ends an operation from outside: its deadline, and its cancel token. Under the loop's baton. */
#ifndef KFK_ENGINE_LIMIT_H
#define KFK_ENGINE_LIMIT_H
#include "net/loop.h"

typedef struct kfk_limit kfk_limit;
struct kfk_limit {
    kfk_timer timer;
    kfk_watch watch;
    /* Once, on the thread that turns the loop: KAFKA_ETIMEDOUT or KAFKA_ECANCELED. */
    void (*hit)(kfk_limit *, int code);
};

void kfk_limit_init(kfk_limit *x, void (*hit)(kfk_limit *, int code));
/* deadline_ms: KFK_TIME_NEVER = none; token: NULL = none. What has come to pass already is told in the next turn. 0, or
 * why the token cannot be watched: KAFKA_ENOMEM, KAFKA_EIO. */
int kfk_limit_start_loop(kfk_loop *l, kfk_limit *x, int64_t deadline_ms, kfk_cancel *token);
/* `hit` is not called any more. Also when it was not started. */
void kfk_limit_stop_loop(kfk_loop *l, kfk_limit *x);

#endif
