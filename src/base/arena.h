/* arena: memory for one decoded message, freed at once.
 *
 * A byte budget bounds what a peer can make us allocate. Memory is zeroed and aligned for any type. */
#ifndef KFK_BASE_ARENA_H
#define KFK_BASE_ARENA_H
#include <stddef.h>

typedef struct kfk_arena_chunk kfk_arena_chunk;
typedef struct kfk_arena {
    kfk_arena_chunk *chunks;
    size_t used, budget; /* bytes handed out, most that may be */
    int err;             /* why the last allocation failed: KAFKA_ENOMEM or KAFKA_ETOOBIG */
} kfk_arena;

/* budget: most bytes it hands out. Nothing is allocated yet. */
void kfk_arena_init(kfk_arena *a, size_t budget);
/* Frees all that was handed out; the arena is usable again. */
void kfk_arena_fini(kfk_arena *a);
/* NULL without memory or beyond the budget, which is charged with the size rounded up to the alignment (an object of no
 * bytes costs something too). */
void *kfk_arena_alloc(kfk_arena *a, size_t size);
/* `count` elements of `size` bytes; NULL also when the product overflows. */
void *kfk_arena_array(kfk_arena *a, size_t count, size_t size);

#endif
