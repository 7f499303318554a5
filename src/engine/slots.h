/* slots: the memory of a writer: pieces of a few sizes, and one budget for all of them.
 *
 * A batch starts in a small slot and chains larger ones while it grows, so that ten thousand partitions with a message
 * each cost little, and a full batch few pieces. Slots come in five sizes, from 1 to 256 KiB or a little less, each
 * four times the one before, and are carved from chunks of 256 KiB that all partitions share and that go back and forth
 * between the sizes; a record that is larger still gets a slot of its own size. Memory that was given back is kept for
 * the next who takes, pages and all, until kfk_slots_trim finds it idle.
 *
 * The budget counts the capacity of every slot that is held, whatever of it is in use. It is a promise to the
 * application, so taking beyond it is refused; only what is needed to bring memory back (sealing, splitting) may exceed
 * it, by KFK_SLOTS_FORCED. A quarter of it is all that topics may hold whose partitions are not known yet: one misspelt
 * name must not stop the others. (What is larger than a quarter finds room while they hold nothing.)
 *
 * One per writer, counted. Threads: all functions from any thread. One lock, innermost: it is held for a few pointers,
 * and while a chunk is allocated never. Nothing blocks, nobody waits in here: who finds no room says so with
 * kfk_slots_wait_begin and is woken by whoever learns from kfk_slots_give that somebody waits. */
#ifndef KFK_ENGINE_SLOTS_H
#define KFK_ENGINE_SLOTS_H
#include "base/buf.h"
#include "kafka/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kfk_slots kfk_slots;

/* Whose part of the budget. */
typedef enum kfk_slots_share {
    KFK_SLOTS_KNOWN,
    KFK_SLOTS_UNKNOWN, /* topics that are not known yet: a quarter of it, or one piece that is larger */
    KFK_SLOTS_FORCED   /* counted like the first, never refused: for what leads to memory being given back */
} kfk_slots_share;

/* A piece of memory. Slots of a batch form a chain, in the order in which they were filled. */
typedef struct kfk_slot kfk_slot;
struct kfk_slot {
    kfk_slot *next; /* the taker's, NULL when taken */
    void *chunk;    /* of kfk_slots: what it is carved from, NULL = it is one by itself */
    uint32_t cap;   /* bytes of `data`, whose end is aligned to 8 as its beginning is */
    uint32_t used;  /* the taker's: bytes from the front, 0 when taken */
    uint32_t count; /* the taker's: records in it, 0 when taken */
    uint8_t size;   /* of kfk_slots: its class */
    uint8_t share;  /* of kfk_slots: what it is charged to */
    _Alignas(8) uint8_t data[];
};

/* What slots of the sizes take, with the slot's own header: 0 is the smallest. Four fit into one of the next size, and
 * one of the largest into a chunk, which with all that stands beside it takes 64 pages: a byte more, and it were 65. */
enum { KFK_SLOT_SIZES = 5, KFK_SLOT_CHUNK = 256 * 1024, KFK_SLOT_BESIDE = 80 };
static inline size_t kfk_slot_bytes(unsigned size)
{
    return (KFK_SLOT_CHUNK - KFK_SLOT_BESIDE) >> 2 * (KFK_SLOT_SIZES - 1 - size) & ~(size_t)15;
}

/* limit: the budget in bytes. object_size: see kfk_slots_object_take. 0 or KAFKA_ENOMEM. */
int kfk_slots_new(size_t limit, size_t object_size, kfk_slots **out);
kfk_slots *kfk_slots_hold(kfk_slots *s);
/* With the last reference all memory goes back; nothing may be held by then. NULL is fine. */
void kfk_slots_drop(kfk_slots *s);

/* The slot behind one of `before` bytes of capacity (0 = the first of a batch): the next larger size, or less where
 * that is all it takes to hold `most` bytes, or all that the budget has left; `least` bytes it holds in any case.
 *
 *  KAFKA_EAGAIN  the budget has no room for `least` bytes now.
 *  KAFKA_ETOOBIG nor will it ever have: `least` is more than the whole budget.
 *  KAFKA_ENOMEM */
int kfk_slots_take(kfk_slots *s, kfk_slots_share share, size_t before, size_t least, size_t most, kfk_slot **out);
/* A chain that holds `len` bytes in few pieces, and not much more: for content that is there already. KAFKA_EAGAIN,
 * KAFKA_ETOOBIG, KAFKA_ENOMEM as above; all or nothing. */
int kfk_slots_take_chain(kfk_slots *s, kfk_slots_share share, size_t len, kfk_slot **out);
/* Gives back a chain; NULL is fine. True: somebody waits for room. Who holds the baton serves them, who does not must
 * submit a kick to the producer. */
bool kfk_slots_give(kfk_slots *s, kfk_slot *chain);

/* Bytes in use by the budget's count; by topics that are not known; the budget. The first may exceed the last. */
size_t kfk_slots_used(kfk_slots *s);
size_t kfk_slots_used_unknown(kfk_slots *s);
size_t kfk_slots_limit(const kfk_slots *s);
/* Bytes of memory that are allocated, in use or kept. */
size_t kfk_slots_footprint(kfk_slots *s);

/* ---- waiting for room -------------------------------------------------------------------------------------------- */

/* Somebody waits from now on, and no longer. The order is: begin, try to take once more, wait. While the count is not
 * zero every batch that is not empty counts as ready. */
void kfk_slots_wait_begin(kfk_slots *s);
void kfk_slots_wait_end(kfk_slots *s);
/* Does anybody? Cheap. */
bool kfk_slots_wanted(const kfk_slots *s);

/* ---- what is kept for reuse -------------------------------------------------------------------------------------- */

/* An object of object_size bytes, uninitialised: a recycled one, or NULL without memory. For what accompanies a batch;
 * not charged. */
void *kfk_slots_object_take(kfk_slots *s);
void kfk_slots_object_give(kfk_slots *s, void *object);

/* An output buffer: empty, perhaps with memory from its last use. It holds `limit` bytes, and no more than that or than
 * such memory has room for, whichever is more. Giving it back takes its memory; of a few the memory is kept. Both
 * cannot fail. */
void kfk_slots_scratch_take(kfk_slots *s, size_t limit, kfk_buf *out);
void kfk_slots_scratch_give(kfk_slots *s, kfk_buf *b);

/* Gives memory back to the system: what was never needed since the last trim, if that is a quarter of all or more.
 * To be called now and then, say every ten seconds, until it says false: then there is none. */
bool kfk_slots_trim(kfk_slots *s);
/* All that is idle, now: memory is short elsewhere. */
void kfk_slots_trim_all(kfk_slots *s);

#endif
