/* rand.c: xoshiro256** by Blackman and Vigna, its state filled by splitmix64 as they advise. The shared generator is
 * splitmix64 itself, whose state is a counter: one atomic addition is all that threads have to agree on.
 *
 * A generator is a value that its owner seeds: the simulation replays a run from one number, and no two threads share
 * one. Splitmix turns any seed, also 0 and small neighbours, into a state that is never all zero.
 *
 * kfk_rand_below rejects the few values at the bottom that would make some remainders likelier than others. At most
 * half of all values are rejected, in practice one in many millions; the two divisions do not matter for jitter. */
#include "base/rand.h"
#include "base/time.h"
#include <sys/random.h>
#include <unistd.h>

static uint64_t (*_Atomic source)(void);

static const uint64_t splitmix_step = 0x9e3779b97f4a7c15u;

static uint64_t splitmix_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t splitmix(uint64_t *state)
{
    return splitmix_mix(*state += splitmix_step);
}

static uint64_t rotate_left(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

void kfk_rand_seed(kfk_rand *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) r->s[i] = splitmix(&seed);
}

uint64_t kfk_rand_next(kfk_rand *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t kfk_rand_below(kfk_rand *r, uint64_t n)
{
    uint64_t rejected = (0 - n) % n; /* 2^64 mod n; what remains is a multiple of n */
    uint64_t x;

    do {
        x = kfk_rand_next(r);
    } while (x < rejected);
    return x % n;
}

uint64_t kfk_rand_shared_next(kfk_rand_shared *r)
{
    return splitmix_mix(atomic_fetch_add_explicit(&r->next, splitmix_step, memory_order_relaxed));
}

void kfk_rand_set_source(uint64_t (*seed)(void))
{
    atomic_store(&source, seed);
}

uint64_t kfk_rand_system_seed(void)
{
    uint64_t (*from)(void) = atomic_load_explicit(&source, memory_order_relaxed);
    uint64_t seed;

    if (from != NULL) return from();
    /* Never waits: early at boot a guessable seed beats a program that hangs. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
    seed = (uint64_t)kfk_time_now_ns() ^ rotate_left((uint64_t)kfk_time_wall_ms(), 20);
    seed ^= rotate_left((uint64_t)(uintptr_t)&seed, 32) ^ (uint64_t)getpid();
    return splitmix(&seed);
}
