/* helpers: what the tests of record data share: a seed that can be replayed, and memory whose end cannot be
 * overread. */
#ifndef KAFKA_TESTS_WIRE_HELPERS_H
#define KAFKA_TESTS_WIRE_HELPERS_H
#include "base/rand.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A generator with a fresh seed, or with KFK_SEED; prints what replays it. */
static inline kfk_rand seeded(void)
{
    kfk_rand r;
    const char *given = getenv("KFK_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : kfk_rand_system_seed();
    fprintf(stderr, "KFK_SEED=%" PRIu64 "\n", seed);
    kfk_rand_seed(&r, seed);
    return r;
}

static inline void random_bytes(kfk_rand *r, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++) ((uint8_t *)out)[i] = (uint8_t)kfk_rand_next(r);
}

/* Bytes that end where a page begins that cannot be touched: reading a byte too far is a crash in every build. */
typedef struct guarded {
    uint8_t *map;
    size_t map_size, room;
} guarded;

static inline guarded guarded_new(size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.room = (room + page - 1) / page * page};
    g.map_size = g.room + page;
    g.map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map + g.room, page, PROT_NONE) != 0) abort();
    return g;
}

/* `len` bytes right in front of the guard, copied from `bytes` unless that is NULL. */
static inline uint8_t *guarded_put(guarded *g, const void *bytes, size_t len)
{
    if (len > g->room) abort();
    uint8_t *at = g->map + g->room - len;
    if (bytes != NULL && len > 0) memcpy(at, bytes, len);
    return at;
}

static inline void guarded_free(guarded *g)
{
    munmap(g->map, g->map_size);
}

#endif
