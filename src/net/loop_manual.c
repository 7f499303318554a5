/* A loop that the application turns.
 *
 * One thread at a time turns it: inside kafka_loop_run, or while it waits in a blocking call. `runner` says which: the
 * thread that turned it last, and whether it is in it. An operation that this thread waits for has the loop turned from
 * the beginning of the wait to its end, and in between kafka_loop_run gives KAFKA_EAGAIN to all others; any other
 * thread waits on its futex, as it does beside a loop with a thread. A thread that comes into kafka_loop_run is the one
 * that turned last from then on; a call of several operations may so lose the loop between two of them, and waits on
 * the futex from there.
 *
 * Between turns the loop counts as asleep: who leaves something that cannot wait writes the eventfd, and so makes the
 * descriptor readable. What is special about a loop that goes away after its turns:
 *
 *   - it looks at the mailbox as a caller does, since it does not come back to it by itself (leave_off);
 *   - the one who finishes the operation that the turning thread waits for must end that thread's epoll_wait. It looks
 *     at `waits_for` after it has changed the operation's word, the other one sets it before it looks at the word; so
 *     at least one of them sees the other;
 *   - a blocking call may leave the loop with an earlier time to run than the application has been told, and which it
 *     may be waiting for, in poll, on another thread: then the end of the call makes the descriptor readable. Told and
 *     published times are looked at crosswise in the same way;
 *   - with the last use the application will not run it any more, and whoever gives that up does what is left: closing.
 *
 * tests/models/manual.pml is a model of these rules. */
#include "net/loop_manual.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/listen.h"
#include "net/loop_epoll.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/work.h"

/* A bit of `runner` beside the thread. */
static const uintptr_t INSIDE = 1;

typedef struct loop_manual {
    kfk_loop_epoll epoll;
    _Atomic uintptr_t runner;              /* who turned it last, INSIDE while it does */
    _Atomic(_Atomic uint32_t *) waits_for; /* the word that the thread which is inside waits for, in a blocking call */
    _Atomic int64_t told_ms;               /* what the application knows: when the loop wants to run */
    _Atomic bool stopping;                 /* the last use is gone */
    kfk_task stop_task;
} loop_manual;

static loop_manual *self(kfk_loop *l)
{
    return KFK_CONTAINER(l, loop_manual, epoll.base);
}

/* Tells threads apart, as in baton.c. A new thread may get the address of one that has ended: then nobody else can
 * claim to have turned the loop last, and it turns the loop in that one's place. */
static uintptr_t this_thread(void)
{
    static _Thread_local uintptr_t here;
    return (uintptr_t)&here;
}

/* ---- who turns --------------------------------------------------------------------------------------------------- */

/* By kafka_loop_run anybody may begin, by a blocking call only who turned it last. */
static bool begin(loop_manual *m, bool only_the_last)
{
    uintptr_t before = atomic_load(&m->runner), me = this_thread();
    if (before & INSIDE || (only_the_last && before != me)) return false;
    return atomic_compare_exchange_strong(&m->runner, &before, me | INSIDE);
}

static void end(loop_manual *m)
{
    atomic_store(&m->runner, this_thread());
}

static bool is_inside(loop_manual *m)
{
    return atomic_load(&m->runner) == (this_thread() | INSIDE);
}

/* One turn, after which there may be none for long. */
static int64_t turn(loop_manual *m, int64_t until_ms)
{
    int64_t at_ms = kfk_loop_epoll_turn(&m->epoll, until_ms, NULL);
    if (!kfk_loop_is_parents(&m->epoll.base)) kfk_baton_look_after(&m->epoll.base.baton);
    return at_ms;
}

/* Turns until nothing is left to be done now. */
static void turn_to_the_end(loop_manual *m)
{
    while (turn(m, 0) <= kfk_time_now_ms()) continue;
}

/* Lets others turn the loop. Who gave up the last use and found a thread inside has left the rest to that one, which
 * therefore looks once more after it has let go. */
static void leave_off(loop_manual *m)
{
    do {
        if (atomic_exchange(&m->stopping, false)) turn_to_the_end(m);
        end(m);
    } while (atomic_load(&m->stopping) && begin(m, false));
}

int kfk_loop_manual_run(kfk_loop *l)
{
    loop_manual *m = self(l);
    if (kfk_loop_held(l) || !begin(m, false)) return KAFKA_EAGAIN;
    int shield = kfk_thread_shield(); /* epoll_wait is a cancellation point */
    kfk_loop_hold(l);                 /* a callback may free all there is */
    turn(m, 0);
    int code = kfk_loop_is_parents(l) ? KAFKA_EFORKED : 0;
    if (code == 0) {
        leave_off(m);
        kfk_loop_drop(l);
    }
    kfk_thread_unshield(shield);
    return code;
}

/* ---- blocking calls ---------------------------------------------------------------------------------------------- */

static void turn_while(loop_manual *m, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    int64_t at_ms = atomic_load(&m->epoll.base.wake_at_ms);
    atomic_store(&m->waits_for, word);
    while (atomic_load(word) == value && !kfk_loop_is_parents(&m->epoll.base) &&
           (deadline_ms == KFK_TIME_NEVER || kfk_time_now_ms() < deadline_ms))
        at_ms = turn(m, at_ms < deadline_ms ? at_ms : deadline_ms);
    atomic_store(&m->waits_for, NULL);
}

static void park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms)
{
    loop_manual *m = self(l);
    if (!begin(m, true)) {
        kfk_loop_epoll_park(l, word, value, deadline_ms);
        return;
    }
    int shield = kfk_thread_shield();
    kfk_loop_hold(l);
    turn_while(m, word, value, deadline_ms);
    if (kfk_loop_is_parents(l)) return; /* in a child that a callback forked nothing of it is touched */
    if (atomic_load(&l->wake_at_ms) < atomic_load(&m->told_ms)) kfk_loop_epoll_wake(l);
    leave_off(m);
    kfk_loop_drop(l);
    kfk_thread_unshield(shield);
}

static void unpark(kfk_loop *l, _Atomic uint32_t *word)
{
    loop_manual *m = self(l);
    if (atomic_load(&m->waits_for) != word)
        kfk_loop_epoll_unpark(l, word);
    else if (!is_inside(m))
        kfk_loop_epoll_wake(l);
}

/* ---- what the application polls ---------------------------------------------------------------------------------- */

int kfk_loop_manual_fd(kfk_loop *l)
{
    return self(l)->epoll.epoll_fd;
}

int64_t kfk_loop_manual_timeout_ms(kfk_loop *l)
{
    loop_manual *m = self(l);
    int64_t at_ms;
    do {
        at_ms = atomic_load(&l->wake_at_ms);
        atomic_store(&m->told_ms, at_ms);
    } while (atomic_load(&l->wake_at_ms) < at_ms);
    return kfk_time_left_ms(at_ms);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

/* Under the baton, run from the mailbox, so nothing of the engine is in the middle of something. If no thread is
 * inside, none will be any more. The submitter holds the loop as well, or this could be the end of it. */
static void stop_run(kfk_task *t)
{
    loop_manual *m = KFK_CONTAINER(t, loop_manual, stop_task);
    atomic_store(&m->stopping, true);
    if (begin(m, false)) {
        kfk_loop_run_deferred_loop(&m->epoll.base);
        end(m);
    }
    kfk_loop_drop(&m->epoll.base);
}

/* Under the baton nothing can be closed: somebody may be in the middle of what is to go. */
static void stop(kfk_loop *l)
{
    loop_manual *m = self(l);
    kfk_loop_hold(l);
    if (kfk_loop_held(l)) {
        kfk_baton_push(&l->baton, &m->stop_task);
        return;
    }
    int shield = kfk_thread_shield();
    atomic_store(&m->stopping, true);
    if (begin(m, false)) leave_off(m);
    kfk_loop_drop(l);
    kfk_thread_unshield(shield);
}

static void destroy(kfk_loop *l)
{
    loop_manual *m = self(l);
    kfk_loop_epoll_fini(&m->epoll);
    kfk_mem_free(m);
}

static const kfk_loop_ops manual_ops = {
    KFK_LOOP_EPOLL_OPS, .park = park, .unpark = unpark, .stop = stop, .destroy = destroy,
};

bool kfk_loop_is_manual(const kfk_loop *l)
{
    return l->ops == &manual_ops;
}

/* The first turn, in which nothing happens, publishes that the loop is asleep. */
int kfk_loop_new_manual(kfk_loop **out, kfk_error *err)
{
    loop_manual *m = kfk_mem_zalloc(sizeof *m);
    if (!m) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a loop");
    int code = kfk_loop_epoll_init(&m->epoll, &manual_ops, "making a manual loop", err);
    if (code != 0) {
        kfk_mem_free(m);
        return code;
    }
    atomic_init(&m->runner, this_thread() | INSIDE);
    atomic_init(&m->waits_for, NULL);
    atomic_init(&m->told_ms, KFK_TIME_NEVER);
    atomic_init(&m->stopping, false);
    m->stop_task.run = stop_run;
    turn(m, 0);
    end(m);
    *out = &m->epoll.base;
    return 0;
}
