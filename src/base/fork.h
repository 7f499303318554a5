/* fork: in which process an object was made.
 *
 * After a fork the child has copies of the parent's objects, but none of the threads that serve them, and locks that
 * may be held for ever. So every object that a caller holds notes the generation it was born in; a call compares that
 * with the present one before it takes any lock, and refuses with KAFKA_EFORKED what is the parent's. The generation is
 * a count of forks that only a child's memory ever sees raised.
 *
 * Static state (the default loop, the helper threads' pools) is made new in the child by a function of its owner's.
 *
 * vfork, posix_spawn, and clone without a copy of the memory do not come here, and need not. _Fork and a bare clone(2)
 * do not either: a child made that way must exec. */
#ifndef KFK_BASE_FORK_H
#define KFK_BASE_FORK_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint32_t kfk_fork_count; /* for the two functions below */

static inline uint32_t kfk_fork_generation(void)
{
    return atomic_load_explicit(&kfk_fork_count, memory_order_relaxed);
}

/* Was an object of this generation inherited from the parent process? */
static inline bool kfk_fork_is_parents(uint32_t born)
{
    return born != kfk_fork_generation();
}

/* Sees to it that a fork is noticed, and that `run`, which may be NULL, runs in the child before fork returns there.
 * To be called before anything that a child must not touch is made; again does nothing. Any thread, takes no lock. What
 * runs in the child may take none either, nor allocate. 0 or KAFKA_ENOMEM. */
int kfk_fork_watch(void (*run)(void));

/* Around a call of the C library's that takes a lock which fork does not look after: a child forked meanwhile finds it
 * taken for ever. getaddrinfo has one (glibc's for resolv.conf), and a child could look up no name. A fork waits until
 * nobody is in between, and who comes meanwhile waits for the fork, each for a fifth of a second at most: a look-up
 * that takes longer waits for a server, with no lock. Any thread; not nested, no fork in between.
 * kfk_fork_watch comes first. */
void kfk_fork_hold(void);
void kfk_fork_let(void);

/* In a child: closes what it has of a descriptor of the parent's, once; -1 = none. What is behind it the parent goes on
 * using, so there is nothing else that may be done with it. */
void kfk_fork_close(_Atomic int *fd);

#endif
