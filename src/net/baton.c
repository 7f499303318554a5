/* The baton and its mailbox.
 *
 * What must hold: a task that was pushed is run without anybody being woken for it. So every push is followed by a look
 * at the lock, and every unlock by a look at the mailbox, with a full fence in between on both sides: then either the
 * pusher sees the lock free, or the holder sees the task. The loop, before it sleeps, counts as a holder: it looks
 * after it has unlocked. `wants` gives the loop priority: while it waits for the lock nobody barges in, and what they
 * push it will find, since it drains after locking. A pusher must look at `wants` after its push, not before: the loop
 * may have come and gone in between. Each of these rules is a switch in tests/models/baton.pml that, left out, loses an
 * operation.
 *
 * The mailbox is a stack that is taken whole and reversed, so tasks run in order of arrival and there is no ABA. An
 * inline submission drains it first: a thread whose earlier task still lies there must not overtake itself. What is
 * pushed while a batch runs waits for the look after the unlock: a holder that went on until nothing came in any more
 * would keep the loop from its events for as long as others submit. */
#include "net/baton.h"
#include "base/thread.h"
#include "kafka/error.h"
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Tells threads apart: libkafka and libkafka-testing have a copy of this file each and share loops, so it must not be
 * the address of something of our own. */
static void *this_thread(void)
{
    return (void *)(uintptr_t)pthread_self();
}

int kfk_baton_init(kfk_baton *b)
{
    *b = (kfk_baton){.arg = NULL};
    atomic_init(&b->wants, false);
    atomic_init(&b->mailbox, NULL);
    atomic_init(&b->fence, 0);
    atomic_init(&b->holder, NULL);
    return pthread_mutex_init(&b->lock, NULL) == 0 ? 0 : KAFKA_ENOMEM;
}

void kfk_baton_fini(kfk_baton *b)
{
    assert(atomic_load(&b->mailbox) == NULL);
    pthread_mutex_destroy(&b->lock);
}

bool kfk_baton_held(kfk_baton *b)
{
    return atomic_load_explicit(&b->holder, memory_order_relaxed) == this_thread();
}

static void pass(kfk_baton *b, kfk_baton_point point)
{
    if (b->pass) b->pass(b->arg, point);
}

static void take(kfk_baton *b, bool by_loop)
{
    atomic_store_explicit(&b->holder, this_thread(), memory_order_relaxed);
    b->after_take(b->arg, by_loop);
    pass(b, KFK_BATON_TAKEN);
}

/* Both sides change the same atomic: the one that comes second sees everything the first wrote before. A plain fence
 * would do as well, but the thread sanitizer does not understand fences. */
static void full_fence(kfk_baton *b)
{
    atomic_fetch_add(&b->fence, 1);
}

static void unlock(kfk_baton *b, bool by_loop)
{
    pass(b, KFK_BATON_LEAVING);
    void *done = b->before_release(b->arg, by_loop);
    atomic_store_explicit(&b->holder, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&b->lock);
    b->after_release(b->arg, done);
    full_fence(b);
    pass(b, KFK_BATON_LEFT);
}

static bool try_take(kfk_baton *b)
{
    if (b->try_fails && b->try_fails(b->arg)) return false;
    if (atomic_load(&b->wants) || pthread_mutex_trylock(&b->lock) != 0) return false;
    take(b, false);
    return true;
}

static bool mailbox_empty(kfk_baton *b)
{
    return atomic_load(&b->mailbox) == NULL;
}

static void drain(kfk_baton *b)
{
    if (mailbox_empty(b)) return;
    kfk_task *newest = atomic_exchange(&b->mailbox, NULL), *oldest = NULL;
    while (newest) {
        kfk_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        kfk_task *t = oldest;
        oldest = t->next;
        t->run(t);
    }
}

/* What a caller does with the baton once its own task ran: run what others left meanwhile, and look again after letting
 * go. */
static void release(kfk_baton *b)
{
    do {
        drain(b);
        unlock(b, false);
    } while (!mailbox_empty(b) && try_take(b));
}

void kfk_baton_push(kfk_baton *b, kfk_task *t)
{
    kfk_task *head = atomic_load_explicit(&b->mailbox, memory_order_relaxed);
    do {
        t->next = head;
    } while (!atomic_compare_exchange_weak(&b->mailbox, &head, t));
    full_fence(b);
}

void kfk_baton_submit(kfk_baton *b, kfk_task *t)
{
    int shield = kfk_thread_shield(); /* sendmsg is a cancellation point: a thread must not die with the baton */
    assert(!kfk_baton_held(b));
    if (try_take(b)) {
        drain(b);
        t->run(t);
        release(b);
    } else {
        pass(b, KFK_BATON_REFUSED);
        kfk_baton_push(b, t);
        pass(b, KFK_BATON_PUSHED);
        if (try_take(b)) release(b);
    }
    kfk_thread_unshield(shield);
}

void kfk_baton_enter(kfk_baton *b)
{
    atomic_store(&b->wants, true);
    pthread_mutex_lock(&b->lock);
    atomic_store(&b->wants, false);
    take(b, true);
    drain(b);
}

bool kfk_baton_leave(kfk_baton *b)
{
    unlock(b, true);
    return !mailbox_empty(b);
}

void kfk_baton_look_after(kfk_baton *b)
{
    if (!mailbox_empty(b) && try_take(b)) release(b);
}
