/* lock.c: what happens when a lock is taken, and the seam.
 *
 * A waiter marks the word with 2 before it sleeps, and takes the lock with 2, since it cannot know whether others sleep
 * as well; so whoever gives a 2 back wakes one, now and then for nothing. A sleeper that is woken competes like any
 * other. */
#include "base/lock.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first look comes after about as long as a lock is usually held, each further one after twice as long: who looks
 * all the time takes the cache line from the one that is to give the lock back. With four threads on two processors
 * that append to one partition, 84 ns a message; with 100 looks in a row it was 100. */
enum { PAUSES_FIRST = 16, PAUSES_LAST = 256 };

void (*kfk_lock_heard)(kfk_lock_point);

static inline void pause_for(int count)
{
    for (int i = 0; i < count; i++) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#else
        __asm__ __volatile__("" ::: "memory"); /* or the loop would be gone */
#endif
    }
}

void kfk_lock_wait(kfk_lock *l)
{
    for (int pauses = PAUSES_FIRST; pauses <= PAUSES_LAST; pauses *= 2) {
        uint32_t word = 0;
        pause_for(pauses);
        if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&l->word, &word, 1, memory_order_acquire, memory_order_relaxed))
            return;
    }
    while (atomic_exchange_explicit(&l->word, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void kfk_lock_wake(kfk_lock *l)
{
    syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void kfk_lock_take_heard(kfk_lock *l)
{
    kfk_lock_heard(KFK_LOCK_WANTED);
    kfk_lock_take_quietly(l);
    kfk_lock_heard(KFK_LOCK_TAKEN);
}

void kfk_lock_give_heard(kfk_lock *l)
{
    kfk_lock_give_quietly(l);
    kfk_lock_heard(KFK_LOCK_GIVEN);
}
