/* lock: the mutex of what threads share beside the baton: a connection's settings and position, a partition's open
 * batch.
 *
 * Lock order: the baton first, then one of these; nobody takes the baton, or waits, while holding one. They are held
 * for a few instructions: a pthread mutex, uncontended, would cost more than what is done under it (two calls, its
 * owner and kind to be looked at). This is one word, and one atomic operation each way. Who finds it taken spins for
 * some microseconds, looking less and less often, then sleeps. It is neither fair nor recursive, and taking it is no
 * cancellation point.
 *
 * A seam: in the simulation the places where one is taken and where it was given back are scheduling points, and it is
 * checked that nobody waits or takes the baton in between. */
#ifndef KFK_BASE_LOCK_H
#define KFK_BASE_LOCK_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kfk_lock {
    _Atomic uint32_t word; /* 0 = free, as in zeroed memory; 1 = taken; 2 = taken, and somebody may sleep */
} kfk_lock;

typedef enum kfk_lock_point {
    KFK_LOCK_WANTED, /* about to be taken */
    KFK_LOCK_TAKEN,
    KFK_LOCK_GIVEN /* back */
} kfk_lock_point;

/* For tests: hears of every lock; NULL = nobody. Only while no other thread uses the library. */
extern void (*kfk_lock_heard)(kfk_lock_point);

/* What is not the common way: the lock is taken, somebody may sleep, somebody hears. */
void kfk_lock_wait(kfk_lock *l);
void kfk_lock_wake(kfk_lock *l);
void kfk_lock_take_heard(kfk_lock *l);
void kfk_lock_give_heard(kfk_lock *l);

static inline void kfk_lock_init(kfk_lock *l)
{
    atomic_init(&l->word, 0);
}

/* There is nothing to give back. */
static inline void kfk_lock_fini(kfk_lock *l)
{
    (void)l;
}

static inline void kfk_lock_take_quietly(kfk_lock *l)
{
    uint32_t word = 0;
    if (__builtin_expect(
            !atomic_compare_exchange_strong_explicit(&l->word, &word, 1, memory_order_acquire, memory_order_relaxed),
            0))
        kfk_lock_wait(l);
}

static inline void kfk_lock_give_quietly(kfk_lock *l)
{
    if (__builtin_expect(atomic_exchange_explicit(&l->word, 0, memory_order_release) == 2, 0)) kfk_lock_wake(l);
}

static inline void kfk_lock_take(kfk_lock *l)
{
    if (__builtin_expect(kfk_lock_heard != NULL, 0))
        kfk_lock_take_heard(l);
    else
        kfk_lock_take_quietly(l);
}

static inline void kfk_lock_give(kfk_lock *l)
{
    if (__builtin_expect(kfk_lock_heard != NULL, 0))
        kfk_lock_give_heard(l);
    else
        kfk_lock_give_quietly(l);
}

#endif
