/* lock: the mutex of what threads share beside the baton: a connection's settings and position, a partition's open batch.
 *
 * Lock order: the baton first, then one of these; nobody takes the baton, or waits, while holding one. They are held for a
 * few instructions, so a caller who finds one taken may as well sleep.
 *
 * A seam: in the simulation the places where one is taken and where it was given back are scheduling points, and it is
 * checked that nobody waits or takes the baton in between. */
#ifndef KFK_BASE_LOCK_H
#define KFK_BASE_LOCK_H
#include <pthread.h>

typedef struct kfk_lock {
    pthread_mutex_t mutex;
} kfk_lock;

typedef enum kfk_lock_point {
    KFK_LOCK_WANTED, /* about to be taken */
    KFK_LOCK_TAKEN,
    KFK_LOCK_GIVEN /* back */
} kfk_lock_point;

/* For tests: hears of every lock; NULL = nobody. Only while no other thread uses the library. */
extern void (*kfk_lock_heard)(kfk_lock_point);

/* A plain one: it cannot fail. */
static inline void kfk_lock_init(kfk_lock *l)
{
    pthread_mutex_init(&l->mutex, NULL);
}

static inline void kfk_lock_fini(kfk_lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

static inline void kfk_lock_take(kfk_lock *l)
{
    if (__builtin_expect(kfk_lock_heard != NULL, 0)) kfk_lock_heard(KFK_LOCK_WANTED);
    pthread_mutex_lock(&l->mutex);
    if (__builtin_expect(kfk_lock_heard != NULL, 0)) kfk_lock_heard(KFK_LOCK_TAKEN);
}

static inline void kfk_lock_give(kfk_lock *l)
{
    pthread_mutex_unlock(&l->mutex);
    if (__builtin_expect(kfk_lock_heard != NULL, 0)) kfk_lock_heard(KFK_LOCK_GIVEN);
}

#endif
