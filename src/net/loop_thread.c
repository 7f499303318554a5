/* A loop with a thread of its own.
 *
 * The thread turns it until the last use was given up. Whoever gives that up joins the thread, except under the baton,
 * where nobody may wait for it, and in a callback: the thread may be in one as well, and wait there for what this one
 * holds. */
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/listen.h"
#include "net/loop_epoll.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/work.h"

static const char doing[] = "starting the I/O thread";

typedef struct loop_thread {
    kfk_loop_epoll epoll;
    pthread_t thread;
    bool stopping;
    bool must_end; /* the thread's: what `stopping` was when the turn ended */
    kfk_task stop_task;
} loop_thread;

static loop_thread *self(kfk_loop *l)
{
    return KFK_CONTAINER(l, loop_thread, epoll.base);
}

/* Before leaving: once it is set, what is deferred from now on is the loop's own. */
static void look_whether_to_stop(kfk_loop_epoll *e)
{
    loop_thread *t = KFK_CONTAINER(e, loop_thread, epoll);
    t->must_end = t->stopping;
}

static void *turn_until_stopped(void *arg)
{
    loop_thread *t = arg;
    for (int64_t at_ms = 0;;) {
        at_ms = kfk_loop_epoll_turn(&t->epoll, at_ms, look_whether_to_stop);
        if (kfk_loop_is_parents(&t->epoll.base)) return NULL;
        if (t->must_end && at_ms > kfk_time_now_ms()) break; /* nothing is left that has to be done */
    }
    kfk_loop_drop(&t->epoll.base);
    return NULL;
}

static void stop_run(kfk_task *task)
{
    loop_thread *t = KFK_CONTAINER(task, loop_thread, stop_task);
    t->stopping = true;
    t->epoll.base.poke = true;
}

/* Who is under the baton must not wait for its thread to end. There the task goes into the mailbox, since the turn that
 * runs may have looked at `stopping` already; who pushes under the baton, or as the loop's thread, looks there
 * afterwards. */
static void stop(kfk_loop *l)
{
    loop_thread *t = self(l);
    if (kfk_loop_held(l) || pthread_equal(pthread_self(), t->thread)) {
        pthread_detach(t->thread);
        kfk_baton_push(&l->baton, &t->stop_task);
        return;
    }
    int shield = kfk_thread_shield(); /* pthread_join is a cancellation point */
    kfk_loop_hold(l); /* the thread may give up the last one while the submission still looks at the mailbox */
    kfk_loop_submit(l, &t->stop_task);
    if (kfk_thread_self()->callback_depth > 0)
        pthread_detach(t->thread);
    else
        pthread_join(t->thread, NULL);
    kfk_loop_drop(l);
    kfk_thread_unshield(shield);
}

static void destroy(kfk_loop *l)
{
    loop_thread *t = self(l);
    kfk_loop_epoll_fini(&t->epoll);
    kfk_mem_free(t);
}

static const kfk_loop_ops thread_ops = {
    KFK_LOOP_EPOLL_OPS, .park = kfk_loop_epoll_park, .unpark = kfk_loop_epoll_unpark, .stop = stop, .destroy = destroy,
};

int kfk_loop_new(const char *name, kfk_loop **out, kfk_error *err)
{
    int code, number;
    loop_thread *t = kfk_mem_zalloc(sizeof *t);
    if (!t) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a loop");
    if ((code = kfk_loop_epoll_init(&t->epoll, &thread_ops, doing, err)) != 0) {
        kfk_mem_free(t);
        return code;
    }
    t->stop_task.run = stop_run;
    kfk_loop *l = &t->epoll.base;
    kfk_loop_hold(l); /* the thread's */
    if ((number = kfk_work_thread(&t->thread, false, name, turn_until_stopped, t)) != 0) {
        code = kfk_loop_epoll_refused(err, doing, "pthread_create", number);
        destroy(l);
        return code;
    }
    *out = l;
    return 0;
}
