/* arena.c: chunks in a list, objects cut from the front one.
 *
 * A new chunk is as large as all that was handed out before, so the number of chunks is logarithmic and no state for
 * their growth is kept. It is never larger than what is left of the budget: a small budget costs little memory. An
 * object that would take more than half of a chunk gets one of its own, filed behind the front chunk, whose room stays
 * in use.
 *
 * The budget counts what is handed out, rounded up to the alignment, and even an object of no bytes counts: a peer
 * cannot make us allocate without being charged. Objects are zeroed one by one rather than a chunk at once, while they
 * are about to be written anyway, and the unused rest of a chunk is not touched at all. */
#include "base/arena.h"
#include "base/mem.h"
#include "kafka/error.h"
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ALIGN = alignof(max_align_t), FIRST_CHUNK = 1024, LARGEST_CHUNK = 256 * 1024 };

struct kfk_arena_chunk {
    kfk_arena_chunk *next;
    size_t used, cap;
    alignas(max_align_t) unsigned char data[];
};

void kfk_arena_init(kfk_arena *a, size_t budget)
{
    *a = (kfk_arena){.budget = budget};
}

void kfk_arena_fini(kfk_arena *a)
{
    while (a->chunks != NULL) {
        kfk_arena_chunk *chunk = a->chunks;
        a->chunks = chunk->next;
        kfk_mem_free(chunk);
    }
    kfk_arena_init(a, a->budget);
}

/* How large the next chunk shared by several objects is. */
static size_t shared_cap(const kfk_arena *a)
{
    size_t cap = a->used, left = a->budget - a->used;
    if (cap < FIRST_CHUNK) cap = FIRST_CHUNK;
    if (cap > LARGEST_CHUNK) cap = LARGEST_CHUNK;
    return cap < left ? cap : left;
}

/* A chunk with room for `size` bytes, in the list; NULL without memory. */
static kfk_arena_chunk *add_chunk(kfk_arena *a, size_t size)
{
    size_t cap = shared_cap(a);
    bool alone = size > cap / 2;
    if (alone) cap = size;
    if (cap > SIZE_MAX - sizeof(kfk_arena_chunk)) return NULL;

    kfk_arena_chunk *chunk = kfk_mem_alloc(sizeof(kfk_arena_chunk) + cap);
    if (chunk == NULL) return NULL;
    kfk_arena_chunk **place = alone && a->chunks != NULL ? &a->chunks->next : &a->chunks;
    *chunk = (kfk_arena_chunk){.next = *place, .cap = cap};
    *place = chunk;
    return chunk;
}

static void *fail(kfk_arena *a, int err)
{
    a->err = err;
    return NULL;
}

void *kfk_arena_alloc(kfk_arena *a, size_t size)
{
    kfk_arena_chunk *chunk = a->chunks;
    size_t left = a->budget - a->used;

    if (size == 0) size = 1;
    if (size > left) return fail(a, KAFKA_ETOOBIG);
    size += (ALIGN - size % ALIGN) % ALIGN;
    if (size > left || size == 0) return fail(a, KAFKA_ETOOBIG);

    if (chunk == NULL || size > chunk->cap - chunk->used) chunk = add_chunk(a, size);
    if (chunk == NULL) return fail(a, KAFKA_ENOMEM);
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    a->used += size;
    return memset(p, 0, size);
}

void *kfk_arena_array(kfk_arena *a, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) return fail(a, KAFKA_ETOOBIG);
    return kfk_arena_alloc(a, count * size);
}
