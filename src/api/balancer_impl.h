/* balancer_impl: what the kinds of balancers (balancer_*.c) have in common: an object, its states, one for each topic,
 * and ways to choose. */
#ifndef KFK_API_BALANCER_IMPL_H
#define KFK_API_BALANCER_IMPL_H
#include "api/balancer.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/ref.h"
#include "base/thread.h"
#include <pthread.h>

/* What tells one kind of balancer from another: constant data of its file. */
typedef struct kfk_balancer_kind {
    /* Sets *partition and returns 0, or returns a code with its sentence. Both lists have at least one entry. */
    int (*pick)(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer, int32_t *partition,
                kfk_error *err);
    void (*topic_fini)(kfk_balancer_topic *t); /* NULL = nothing to free */
    bool stateless;                            /* one topic is like another: nobody has to look up which */
    bool java;                                 /* keys go where Java's producer sends them */
    bool foreign; /* what it picks is somebody else's choice: it may not have been offered */
} kfk_balancer_kind;

/* What least bytes knows of a topic; the partitions with the fewest bytes on top (balancer_spread.c). */
typedef struct kfk_balancer_tally {
    uint64_t bytes;
    int32_t partition;
} kfk_balancer_tally;

struct kfk_balancer_topic {
    kafka_balancer *balancer;
    kfk_map_node node; /* in the balancer's topics */
    char *name;        /* "" for the state of what has no topic */
    size_t name_len;
    _Atomic uint64_t turns; /* round robin, hash: how many were taken */
    _Atomic uint64_t run;   /* sticky: index of the partition << 32 | bytes that it still gets */
    kfk_lock lock;          /* least bytes: around what follows */
    kfk_balancer_tally *heap;
    int32_t *offered; /* the partitions in the heap, ascending */
    size_t offered_count;
};

struct kafka_balancer {
    const kfk_balancer_kind *kind;
    kfk_ref ref;
    uint32_t born; /* base/fork.h */
    bool consistent;
    kfk_rand_shared random;
    /* functions of the application (balancer_func.c) */
    kafka_balance_fn balance;
    kafka_hash32_fn hash; /* NULL = FNV-1a */
    void *userdata;
    void (*destroy)(void *);
    pthread_mutex_t outside;          /* held while one of them runs: no kfk_lock, since they may use the library */
    _Atomic(kfk_thread *) is_outside; /* the thread that is in one, NULL = none */
    /* states */
    _Atomic(kfk_balancer_topic *) recent; /* that was asked for last */
    kfk_balancer_topic common;            /* of what has no topic, or one too many */
    kfk_lock topics_lock;                 /* around what follows */
    kfk_map topics;
};

/* A balancer of that kind. NULL without memory, which is published; `call` names the public function. */
kafka_balancer *kfk_balancer_new(const kfk_balancer_kind *kind, const char *call);
/* What random choices follow from; for tests and the simulation. */
void kfk_balancer_seed(kafka_balancer *b, uint64_t seed);

/* The next in turn of a list. */
static inline int32_t kfk_balancer_turn(kfk_balancer_topic *t, const int32_t *list, size_t count)
{
    return list[atomic_fetch_add_explicit(&t->turns, 1, memory_order_relaxed) % count];
}
/* Number 0 ... n-1, any with the same probability but for a deviation of n / 2^32; n > 0. */
static inline uint32_t kfk_balancer_below(kafka_balancer *b, size_t n)
{
    return (uint32_t)((kfk_rand_shared_next(&b->random) >> 32) * (uint64_t)n >> 32);
}
/* Any of a list. */
static inline int32_t kfk_balancer_any(kafka_balancer *b, const int32_t *list, size_t count)
{
    return list[kfk_balancer_below(b, count)];
}
/* Where Java's producer sends a key; a null one goes where an empty one does. */
int32_t kfk_balancer_murmur2(const kafka_message *m, const kfk_balancer_offer *offer);

/* Runs the application's hash function, alone. KAFKA_EAGAIN inside one of the balancer's functions. */
int kfk_balancer_foreign_hash(kafka_balancer *b, kafka_bytes key, uint32_t *hash, kfk_error *err);

#endif
