/* rand: a small seeded generator (xoshiro256**) for jitter and choices. Not for secrets: those come from the system. */
#ifndef KFK_BASE_RAND_H
#define KFK_BASE_RAND_H
#include <stdatomic.h>
#include <stdint.h>

typedef struct kfk_rand {
    uint64_t s[4];
} kfk_rand;

/* The same seed gives the same sequence on every machine. */
void kfk_rand_seed(kfk_rand *r, uint64_t seed);
uint64_t kfk_rand_next(kfk_rand *r);
/* 0 ... n-1 without bias; n > 0. */
uint64_t kfk_rand_below(kfk_rand *r, uint64_t n);
/* A seed from the system's random source (getrandom), or from clock and address where that fails. */
uint64_t kfk_rand_system_seed(void);
/* For the simulation, which has no contact with the system: where such seeds come from; NULL restores the system. */
void kfk_rand_set_source(uint64_t (*seed)(void));

/* A generator that several threads share without a lock, for choices whose order does not matter. `next` is where it
 * is: any start will do. */
typedef struct kfk_rand_shared {
    _Atomic uint64_t next;
} kfk_rand_shared;
uint64_t kfk_rand_shared_next(kfk_rand_shared *r);

#endif
