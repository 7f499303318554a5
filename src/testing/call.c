/* See the header. Streams are closed only on the thread that turns the loop, and everything of a cluster may close one,
 * so every call is deferred there, even when the baton is free. It cannot be abandoned: nothing on the loop waits. */
#include "testing/call.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include <string.h>

struct kft_call_memory {
    kfk_op op;
    kfk_task task;
    kfk_loop *loop;
    kft_call *call; /* on the stack of who waits */
};

kft_call_memory *kft_call_reserve(void)
{
    return kfk_mem_zalloc(sizeof(kft_call_memory));
}

void kft_call_release(kft_call_memory *m)
{
    kfk_mem_free(m);
}

static void run(kfk_task *t)
{
    kft_call_memory *m = KFK_CONTAINER(t, kft_call_memory, task);
    int code = m->call->run(m->call, &m->op.error);
    if (code == KFT_CALL_AGAIN) {
        kfk_loop_defer(m->loop, &m->task);
        return;
    }
    m->op.error.code = code;
    kfk_op_finish_loop(m->loop, &m->op);
}

static void start(kfk_task *t)
{
    kft_call_memory *m = KFK_CONTAINER(t, kft_call_memory, op.task);
    kfk_loop_defer(m->loop, &m->task);
}

static void destroy(kfk_op *op)
{
    kft_call_memory *m = KFK_CONTAINER(op, kft_call_memory, op);
    kfk_loop_drop(m->loop);
    kfk_mem_free(m);
}

int kft_call_check(kfk_error *err)
{
    if (kfk_thread_self()->callback_depth > 0)
        return kfk_error_set(err, KAFKA_EAGAIN, "it would have to wait, which a callback must not");
    return 0;
}

static int check(kft_call *x, kfk_error *err)
{
    if (kfk_loop_is_parents(x->cluster->loop))
        return kfk_error_set(err, KAFKA_EFORKED,
                             "the cluster is the parent process's; a forked child has to make one of its own");
    if (kfk_loop_held(x->cluster->loop))
        return kfk_error_set(err, KAFKA_EAGAIN, "it would have to wait for the thread that it is called on");
    return kft_call_check(err);
}

int kft_call_run_with(kft_call *x, kft_call_memory *m, kfk_error *err)
{
    kfk_loop *l = x->cluster->loop;
    int code = check(x, err);
    if (code != 0) {
        kft_call_release(m);
        return code;
    }
    kfk_op_init(&m->op, start, destroy);
    m->task.run = run;
    m->loop = kfk_loop_hold(l);
    m->call = x;
    kfk_loop_submit(l, &m->op.task);
    code = kfk_op_wait(l, &m->op, KFK_TIME_NEVER);
    if (code == 0) code = m->op.error.code;
    if (code != 0) *err = m->op.error;
    if (code != KAFKA_EFORKED) kfk_op_drop(&m->op); /* else the other reference would be given up by nobody */
    return code;
}

int kft_call_run(kft_call *x, kfk_error *err)
{
    int code = check(x, err);
    if (code != 0) return code;
    kft_call_memory *m = kft_call_reserve();
    return m ? kft_call_run_with(x, m, err) : kfk_error_set(err, KAFKA_ENOMEM, "no memory");
}
