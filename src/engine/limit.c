/* See the header: a timer and a watch that go together. */
#include "engine/limit.h"

static void limit_due(kfk_timer *t)
{
    kfk_limit *x = KFK_CONTAINER(t, kfk_limit, timer);
    x->hit(x, KAFKA_ETIMEDOUT);
}

static void limit_fired(kfk_watch *w)
{
    kfk_limit *x = KFK_CONTAINER(w, kfk_limit, watch);
    x->hit(x, KAFKA_ECANCELED);
}

void kfk_limit_init(kfk_limit *x, void (*hit)(kfk_limit *, int code))
{
    kfk_timer_init(&x->timer, limit_due);
    kfk_watch_init(&x->watch, limit_fired);
    x->hit = hit;
}

int kfk_limit_start_loop(kfk_loop *l, kfk_limit *x, int64_t deadline_ms, kfk_cancel *token)
{
    kfk_loop_timer_set(l, &x->timer, deadline_ms);
    return token ? kfk_loop_watch(l, &x->watch, token) : 0;
}

void kfk_limit_stop_loop(kfk_loop *l, kfk_limit *x)
{
    kfk_loop_timer_clear(l, &x->timer);
    kfk_loop_unwatch(l, &x->watch);
}
