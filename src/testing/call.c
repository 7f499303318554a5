/* See the header. Streams are closed only on the thread that turns the loop, and everything of a cluster may close one, so
 * every call is deferred there, even when the baton is free. It cannot be abandoned: nothing on the loop waits. */
#include "testing/call.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include <string.h>

typedef struct deferred {
    kfk_op op;
    kfk_task task;
    kfk_loop *loop;
    kft_call *call; /* on the stack of who waits */
} deferred;

static void run(kfk_task *t)
{
    deferred *d = KFK_CONTAINER(t, deferred, task);
    d->op.error.code = d->call->run(d->call, &d->op.error);
    kfk_op_finish_loop(d->loop, &d->op);
}

static void start(kfk_task *t)
{
    deferred *d = KFK_CONTAINER(t, deferred, op.task);
    kfk_loop_defer(d->loop, &d->task);
}

static void destroy(kfk_op *op)
{
    deferred *d = KFK_CONTAINER(op, deferred, op);
    kfk_loop_drop(d->loop);
    kfk_mem_free(d);
}

int kft_call_run(kft_call *x, kfk_error *err)
{
    kfk_loop *l = x->cluster->loop;
    if (kfk_loop_held(l) || kfk_thread_self()->callback_depth > 0)
        return kfk_error_set(err, KAFKA_EAGAIN, "it would have to wait, which a callback must not");
    deferred *d = kfk_mem_zalloc(sizeof *d);
    if (!d) return kfk_error_set(err, KAFKA_ENOMEM, "no memory");
    kfk_op_init(&d->op, start, destroy);
    d->task.run = run;
    d->loop = kfk_loop_hold(l);
    d->call = x;
    kfk_loop_submit(l, &d->op.task);
    kfk_op_wait(l, &d->op, KFK_TIME_NEVER);
    if (d->op.error.code != 0) *err = d->op.error;
    int code = d->op.error.code;
    kfk_op_drop(&d->op);
    return code;
}
