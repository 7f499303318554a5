/* Memory in slots, and the budget. */
#include "support/memcheck.h"

#include "base/mem.h"
#include "engine/slots.h"
#include "kafka/error.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * KIB, HEAD = sizeof(kfk_slot), OBJECT = 100 };

static kfk_slots *slots_of(size_t limit)
{
    kfk_slots *s;
    assert_int_equal(kfk_slots_new(limit, OBJECT, &s), 0);
    return s;
}

static kfk_slot *take(kfk_slots *s, size_t before, size_t least, size_t most)
{
    kfk_slot *slot;
    assert_int_equal(kfk_slots_take(s, KFK_SLOTS_KNOWN, before, least, most, &slot), 0);
    assert_null(slot->next);
    assert_int_equal(slot->used, 0);
    assert_int_equal(slot->count, 0);
    assert_in_range(slot->cap, least, SIZE_MAX);
    return slot;
}

static int refused(kfk_slots *s, kfk_slots_share share, size_t least)
{
    kfk_slot *slot;
    int rc = kfk_slots_take(s, share, 0, least, least, &slot);
    assert_null(slot);
    return rc;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static void a_batch_starts_small_and_its_slots_grow_fourfold(void **state)
{
    (void)state;
    static const size_t sizes[] = {1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 256 * KIB};
    kfk_slots *s = slots_of(MIB);
    size_t before = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        kfk_slot *slot = take(s, before, 100, MIB);
        assert_int_equal(slot->cap, kfk_slot_bytes(i < KFK_SLOT_SIZES ? (unsigned)i : KFK_SLOT_SIZES - 1) - HEAD);
        assert_in_range(slot->cap + HEAD, sizes[i] - sizes[i] / 50, sizes[i]); /* or a little less */
        before = slot->cap;
        assert_int_equal(kfk_slots_used(s), slot->cap + HEAD);
        kfk_slots_give(s, slot);
    }
    kfk_slots_drop(s);
}

static void a_slot_is_no_larger_than_what_may_still_come(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_slot *a = take(s, kfk_slot_bytes(3) - HEAD, 100, 10 * KIB), *b = take(s, kfk_slot_bytes(3) - HEAD, 100, 500);
    assert_int_equal(a->cap, kfk_slot_bytes(2) - HEAD);
    assert_int_equal(b->cap, kfk_slot_bytes(0) - HEAD);
    kfk_slots_give(s, a);
    kfk_slots_give(s, b);
    kfk_slots_drop(s);
}

static void a_slot_holds_at_least_one_record_whatever_would_be_its_turn(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_slot *a = take(s, 0, 5000, MIB), *b = take(s, 0, kfk_slot_bytes(4) - HEAD, MIB);
    assert_int_equal(a->cap, kfk_slot_bytes(2) - HEAD);
    assert_int_equal(b->cap, kfk_slot_bytes(4) - HEAD);
    kfk_slots_give(s, a);
    kfk_slots_give(s, b);
    kfk_slots_drop(s);
}

static void a_record_larger_than_every_size_gets_a_slot_of_its_own_size(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    size_t empty = memcheck_bytes();
    kfk_slot *slot = take(s, 0, 300 * KIB, MIB);
    assert_in_range(slot->cap, 300 * KIB, 300 * KIB + 16);
    assert_int_equal(((uintptr_t)slot->data + slot->cap) % 8, 0);
    assert_in_range(kfk_slots_used(s), 300 * KIB, 300 * KIB + 100);
    memset(slot->data, 1, slot->cap);
    kfk_slots_give(s, slot);
    assert_int_equal(kfk_slots_used(s), 0);
    assert_int_equal(memcheck_bytes(), empty);
    kfk_slots_drop(s);
}

static size_t chain_cap(const kfk_slot *slot, size_t *pieces)
{
    size_t cap = 0;
    for (*pieces = 0; slot != NULL; slot = slot->next, ++*pieces) cap += slot->cap;
    return cap;
}

static void a_chain_holds_what_was_asked_for_in_few_pieces_and_not_much_more(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(64 * MIB);
    for (size_t len = 1; len < 5 * MIB; len += len / 7 + 1) {
        kfk_slot *chain;
        size_t pieces;
        assert_int_equal(kfk_slots_take_chain(s, KFK_SLOTS_KNOWN, len, &chain), 0);
        size_t cap = chain_cap(chain, &pieces);
        assert_in_range(cap, len, len + len / 3 + KIB);
        assert_in_range(pieces, 1, len / (kfk_slot_bytes(4) - HEAD) + 14);
        assert_int_equal(kfk_slots_used(s), cap + pieces * HEAD);
        kfk_slots_give(s, chain);
    }
    assert_int_equal(kfk_slots_used(s), 0);
    kfk_slots_drop(s);
}

static void a_chain_of_nothing_is_none(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_slot *chain;
    assert_int_equal(kfk_slots_take_chain(s, KFK_SLOTS_KNOWN, 0, &chain), 0);
    assert_null(chain);
    assert_false(kfk_slots_give(s, chain));
    kfk_slots_drop(s);
}

/* ---- the budget -------------------------------------------------------------------------------------------------- */

static void what_is_held_counts_and_beyond_the_budget_nothing_is_taken(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(6 * KIB);
    kfk_slot *a = take(s, 0, 100, MIB), *b = take(s, a->cap, 100, MIB);
    assert_int_equal(kfk_slots_used(s), kfk_slot_bytes(0) + kfk_slot_bytes(1));
    assert_int_equal(refused(s, KFK_SLOTS_KNOWN, 2000), KAFKA_EAGAIN);
    assert_int_equal(kfk_slots_used(s), kfk_slot_bytes(0) + kfk_slot_bytes(1));
    kfk_slots_give(s, b);
    b = take(s, 0, 2000, MIB);
    kfk_slots_give(s, a);
    kfk_slots_give(s, b);
    assert_int_equal(kfk_slots_used(s), 0);
    kfk_slots_drop(s);
}

static void the_rest_of_the_budget_is_used_for_a_smaller_slot(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(8 * KIB);
    kfk_slot *slot = take(s, kfk_slot_bytes(1) - HEAD, 100, MIB);
    assert_int_equal(slot->cap, kfk_slot_bytes(1) - HEAD);
    kfk_slots_give(s, slot);
    kfk_slots_drop(s);
}

static void what_can_never_fit_is_told_from_what_does_not_fit_now(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(16 * KIB);
    kfk_slot *slot = take(s, 0, 4000, 4000), *chain;
    assert_int_equal(refused(s, KFK_SLOTS_KNOWN, 16000), KAFKA_EAGAIN);
    assert_int_equal(refused(s, KFK_SLOTS_KNOWN, 17000), KAFKA_ETOOBIG);
    assert_int_equal(refused(s, KFK_SLOTS_UNKNOWN, 16000), KAFKA_EAGAIN);
    assert_int_equal(refused(s, KFK_SLOTS_UNKNOWN, 17000), KAFKA_ETOOBIG);
    assert_int_equal(refused(s, KFK_SLOTS_KNOWN, SIZE_MAX / 2), KAFKA_ETOOBIG);
    assert_int_equal(kfk_slots_take_chain(s, KFK_SLOTS_KNOWN, 15000, &chain), KAFKA_EAGAIN);
    assert_int_equal(kfk_slots_take_chain(s, KFK_SLOTS_KNOWN, 20000, &chain), KAFKA_ETOOBIG);
    kfk_slots_give(s, slot);
    kfk_slots_drop(s);
}

static void topics_that_are_not_known_share_a_quarter(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(64 * KIB);
    kfk_slot *slots[16];
    for (int i = 0; i < 16; i++) assert_int_equal(kfk_slots_take(s, KFK_SLOTS_UNKNOWN, 0, 100, 100, &slots[i]), 0);
    assert_int_equal(kfk_slots_used_unknown(s), 16 * kfk_slot_bytes(0));
    assert_int_equal(kfk_slots_used(s), 16 * kfk_slot_bytes(0));
    assert_int_equal(refused(s, KFK_SLOTS_UNKNOWN, 100), KAFKA_EAGAIN);
    assert_int_equal(refused(s, KFK_SLOTS_UNKNOWN, 17 * KIB), KAFKA_EAGAIN);
    kfk_slot *known = take(s, 0, 100, 100);
    for (int i = 0; i < 16; i++) kfk_slots_give(s, slots[i]);
    assert_int_equal(kfk_slots_used_unknown(s), 0);
    assert_int_equal(kfk_slots_used(s), kfk_slot_bytes(0));
    /* but for one that is larger than a quarter, and alone */
    assert_int_equal(kfk_slots_take(s, KFK_SLOTS_UNKNOWN, 0, 17 * KIB, 17 * KIB, &slots[0]), KAFKA_EAGAIN);
    kfk_slots_give(s, known);
    assert_int_equal(kfk_slots_take(s, KFK_SLOTS_UNKNOWN, 0, 17 * KIB, 17 * KIB, &slots[0]), 0);
    assert_int_equal(refused(s, KFK_SLOTS_UNKNOWN, 100), KAFKA_EAGAIN);
    kfk_slots_give(s, slots[0]);
    kfk_slots_drop(s);
}

static void what_leads_to_room_is_never_refused_and_counts(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(1 * KIB);
    kfk_slot *slot, *chain;
    assert_int_equal(kfk_slots_take(s, KFK_SLOTS_FORCED, 0, 3000, 3000, &slot), 0);
    assert_int_equal(kfk_slots_take_chain(s, KFK_SLOTS_FORCED, 100000, &chain), 0);
    assert_in_range(kfk_slots_used(s), 100000, 200000);
    assert_int_equal(refused(s, KFK_SLOTS_KNOWN, 10), KAFKA_EAGAIN);
    kfk_slots_give(s, chain);
    kfk_slots_give(s, slot);
    assert_int_equal(kfk_slots_used(s), 0);
    kfk_slots_drop(s);
}

static void whoever_gives_memory_back_learns_that_somebody_waits(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(4 * KIB);
    kfk_slot *a = take(s, 0, 10, 10), *b = take(s, 0, 10, 10);
    assert_false(kfk_slots_wanted(s));
    kfk_slots_wait_begin(s);
    kfk_slots_wait_begin(s);
    assert_true(kfk_slots_give(s, a));
    kfk_slots_wait_end(s);
    assert_true(kfk_slots_wanted(s));
    kfk_slots_wait_end(s);
    assert_false(kfk_slots_give(s, b));
    kfk_slots_drop(s);
}

/* ---- reuse ------------------------------------------------------------------------------------------------------- */

static void memory_that_came_back_is_used_again_also_for_another_size(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_slots_give(s, take(s, 0, 10, 10));
    size_t calls = memcheck_calls(), footprint = kfk_slots_footprint(s);
    for (size_t least = 10; least < kfk_slot_bytes(4) - HEAD; least *= 2) kfk_slots_give(s, take(s, 0, least, least));
    assert_int_equal(memcheck_calls(), calls);
    assert_int_equal(kfk_slots_footprint(s), footprint);
    kfk_slots_drop(s);
}

static void the_slot_that_came_back_last_is_taken_first(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_slot *a = take(s, 0, 10, 10), *b = take(s, 0, 10, 10), *c = take(s, 0, 10, 10);
    kfk_slots_give(s, a);
    kfk_slots_give(s, b);
    assert_ptr_equal(take(s, 0, 10, 10), b);
    assert_ptr_equal(take(s, 0, 10, 10), a);
    kfk_slots_give(s, a);
    kfk_slots_give(s, b);
    kfk_slots_give(s, c);
    kfk_slots_drop(s);
}

static kfk_slot *take_many(kfk_slots *s, int count)
{
    kfk_slot *chain = NULL;
    for (int i = 0; i < count; i++) {
        kfk_slot *slot = take(s, 0, 200 * KIB, 200 * KIB);
        slot->next = chain;
        chain = slot;
    }
    return chain;
}

static void memory_that_is_idle_for_long_goes_back_to_the_system(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(8 * MIB);
    size_t empty = memcheck_bytes();
    assert_false(kfk_slots_trim(s));
    kfk_slots_give(s, take_many(s, 10));
    size_t all = kfk_slots_footprint(s);
    assert_true(kfk_slots_trim(s)); /* it was needed a moment ago */
    assert_int_equal(kfk_slots_footprint(s), all);
    kfk_slot *held = take_many(s, 2);
    kfk_slots_give(s, take_many(s, 3));
    assert_true(kfk_slots_trim(s)); /* five were needed since, five were not */
    assert_in_range(kfk_slots_footprint(s), all / 2 - KIB, all / 2 + KIB);
    kfk_slots_give(s, held);
    assert_true(kfk_slots_trim(s));
    assert_false(kfk_slots_trim(s)); /* nobody has taken anything since the last time */
    assert_int_equal(kfk_slots_footprint(s), 0);
    assert_int_equal(memcheck_bytes(), empty);
    kfk_slots_drop(s);
}

static void a_few_idle_ones_among_many_are_kept(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(8 * MIB);
    kfk_slot *held = take_many(s, 8);
    kfk_slots_give(s, take_many(s, 2));
    for (int i = 0; i < 3; i++) assert_true(kfk_slots_trim(s));
    assert_int_equal(kfk_slots_footprint(s) / kfk_slot_bytes(4), 10);
    kfk_slots_give(s, held);
    kfk_slots_drop(s);
}

static void when_memory_is_short_all_that_is_idle_goes_at_once(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(8 * MIB);
    kfk_slot *held = take_many(s, 1);
    kfk_buf scratch;
    kfk_slots_give(s, take_many(s, 5));
    kfk_slots_scratch_take(s, MIB, &scratch);
    assert_non_null(kfk_buf_reserve(&scratch, 100 * KIB));
    kfk_slots_scratch_give(s, &scratch);
    kfk_slots_trim_all(s);
    assert_int_equal(kfk_slots_footprint(s) / kfk_slot_bytes(4), 1);
    kfk_slots_give(s, held);
    kfk_slots_drop(s);
}

static void objects_are_recycled_and_idle_ones_trimmed(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    void *objects[8];
    for (int i = 0; i < 8; i++) {
        assert_non_null(objects[i] = kfk_slots_object_take(s));
        memset(objects[i], 7, OBJECT);
    }
    for (int i = 0; i < 8; i++) kfk_slots_object_give(s, objects[i]);
    size_t calls = memcheck_calls();
    void *again = kfk_slots_object_take(s);
    assert_ptr_equal(again, objects[7]);
    assert_int_equal(memcheck_calls(), calls);
    kfk_slots_object_give(s, again);
    while (kfk_slots_trim(s)) continue;
    assert_int_equal(kfk_slots_footprint(s), 0);
    kfk_slots_drop(s);
}

static void an_output_buffer_comes_back_with_its_memory_and_keeps_its_limit(void **state)
{
    (void)state;
    kfk_slots *s = slots_of(MIB);
    kfk_buf a, b;
    kfk_slots_scratch_take(s, 1000, &a);
    assert_non_null(kfk_buf_reserve(&a, 1000));
    assert_null(kfk_buf_reserve(&a, 1001));
    assert_int_equal(a.err, KAFKA_ETOOBIG);
    kfk_slots_scratch_give(s, &a);
    size_t calls = memcheck_calls();
    kfk_slots_scratch_take(s, 900, &a);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.len, 0);
    assert_non_null(kfk_buf_reserve(&a, 900));
    assert_int_equal(memcheck_calls(), calls);
    kfk_slots_scratch_take(s, 900, &b);
    assert_null(b.data);
    kfk_slots_scratch_give(s, &b);
    kfk_slots_scratch_give(s, &a);
    kfk_slots_drop(s);
}

/* ---- two who bring a chunk --------------------------------------------------------------------------------------- */

static struct {
    kfk_slots *slots;
    kfk_slot *taken;
} meanwhile;

/* While memory is allocated for one thread, another one takes a slot of the same size. */
static void *alloc_late(size_t size)
{
    kfk_slots *s = meanwhile.slots;
    meanwhile.slots = NULL;
    if (s) assert_int_equal(kfk_slots_take(s, KFK_SLOTS_KNOWN, 0, 1, 1, &meanwhile.taken), 0);
    return malloc(size);
}

static void a_chunk_that_two_needed_at_once_and_one_brought_in_vain_goes_back(void **state)
{
    static const kfk_mem_ops late = {.alloc = alloc_late, .realloc = realloc, .free = free};
    kfk_slots *s;
    kfk_slot *slot;
    (void)state;
    kfk_mem_set_ops(&late);
    assert_int_equal(kfk_slots_new(1024 * 1024, 64, &s), 0);
    meanwhile.slots = s;
    assert_int_equal(kfk_slots_take(s, KFK_SLOTS_KNOWN, 0, 1, 1, &slot), 0);
    kfk_slots_give(s, slot);
    kfk_slots_give(s, meanwhile.taken);
    kfk_slots_trim_all(s);
    assert_int_equal(kfk_slots_footprint(s), 0);
    kfk_slots_drop(s);
    kfk_mem_set_ops(NULL);
}

/* ---- failures, chance, threads ----------------------------------------------------------------------------------- */

static void without_memory_the_budget_stays_as_it_was(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_slots *s;
        kfk_slot *slot, *own, *chain;
        if (kfk_slots_new(8 * MIB, OBJECT, &s) != 0) {
            assert_true(memcheck_failed());
            assert_null(s);
            continue;
        }
        int first = kfk_slots_take(s, KFK_SLOTS_KNOWN, 0, 10, 10, &slot);
        int second = kfk_slots_take(s, KFK_SLOTS_UNKNOWN, 0, 500 * KIB, 500 * KIB, &own);
        int third = kfk_slots_take_chain(s, KFK_SLOTS_KNOWN, MIB, &chain);
        void *object = kfk_slots_object_take(s);
        assert_int_equal(first == KAFKA_ENOMEM || second == KAFKA_ENOMEM || third == KAFKA_ENOMEM || object == NULL,
                         memcheck_failed());
        kfk_slots_give(s, slot);
        kfk_slots_give(s, own);
        kfk_slots_give(s, chain);
        if (object != NULL) kfk_slots_object_give(s, object);
        assert_int_equal(kfk_slots_used(s), 0);
        assert_int_equal(kfk_slots_used_unknown(s), 0);
        kfk_slots_drop(s);
    }
}

/* Slots that are held, each filled with a byte of its own. */
typedef struct holder {
    kfk_slots *slots;
    uint64_t seed;
    kfk_slot *held[40];
    size_t bad;
} holder;

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void check_and_give(holder *h, size_t i)
{
    kfk_slot *slot = h->held[i];
    for (uint32_t j = 0; j < slot->cap; j++) h->bad += slot->data[j] != (uint8_t)slot->used;
    kfk_slots_give(h->slots, slot);
    h->held[i] = NULL;
}

static void *take_and_give_at_random(void *arg)
{
    static const size_t leasts[] = {10, 1000, 5000, 20000, 100000, 300000};
    holder *h = arg;
    for (int round = 0; round < 1500; round++) {
        size_t i = next(&h->seed) % 40;
        kfk_slot *slot;
        if (h->held[i] != NULL) {
            check_and_give(h, i);
            continue;
        }
        kfk_slots_share share = next(&h->seed) % 4 == 0 ? KFK_SLOTS_UNKNOWN : KFK_SLOTS_KNOWN;
        size_t least = leasts[next(&h->seed) % 6 * (next(&h->seed) % 8 == 0)];
        int rc = kfk_slots_take(h->slots, share, 0, least, least, &slot);
        if (rc == KAFKA_EAGAIN) continue;
        h->bad += rc != 0;
        if (rc != 0) continue;
        slot->used = (uint32_t)next(&h->seed) & 0xff;
        memset(slot->data, (int)slot->used, slot->cap);
        h->held[i] = slot;
        if (round % 100 == 0) kfk_slots_trim(h->slots);
    }
    for (size_t i = 0; i < 40; i++)
        if (h->held[i] != NULL) check_and_give(h, i);
    return NULL;
}

static void slots_that_are_held_never_overlap(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        holder h = {.slots = slots_of(4 * MIB), .seed = seed};
        take_and_give_at_random(&h);
        assert_int_equal(h.bad, 0);
        assert_int_equal(kfk_slots_used(h.slots), 0);
        assert_int_equal(kfk_slots_used_unknown(h.slots), 0);
        kfk_slots_drop(h.slots);
    }
}

static void not_among_threads_either(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    holder holders[THREADS];
    kfk_slots *s = slots_of(4 * MIB);
    for (int i = 0; i < THREADS; i++) {
        holders[i] = (holder){.slots = kfk_slots_hold(s), .seed = (uint64_t)i + 77};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give_at_random, &holders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(holders[i].bad, 0);
        kfk_slots_drop(s);
    }
    assert_int_equal(kfk_slots_used(s), 0);
    kfk_slots_drop(s);
}

/* Room for one slot, and two who want it in turn: whoever is refused counts itself and tries again, and who gives it
 * back must then learn of it. */
typedef struct turns {
    kfk_slots *slots;
    _Atomic int woken; /* who gave back has seen that somebody waits */
    int rounds;
} turns;

static void *take_turns(void *arg)
{
    turns *t = arg;
    kfk_slot *slot;
    for (int i = 0; i < t->rounds; i++) {
        if (kfk_slots_take(t->slots, KFK_SLOTS_KNOWN, 0, 10, 10, &slot) != 0) {
            kfk_slots_wait_begin(t->slots);
            while (kfk_slots_take(t->slots, KFK_SLOTS_KNOWN, 0, 10, 10, &slot) != 0) {
                while (atomic_load(&t->woken) == 0) sched_yield(); /* nobody else would wake it */
                atomic_store(&t->woken, 0);
            }
            kfk_slots_wait_end(t->slots);
        }
        if (kfk_slots_give(t->slots, slot)) atomic_store(&t->woken, 1);
    }
    return NULL;
}

static void nobody_who_waits_is_missed_by_who_gives(void **state)
{
    (void)state;
    turns t = {.slots = slots_of(1 * KIB), .rounds = 20000};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, take_turns, &t), 0);
    take_turns(&t);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(kfk_slots_used(t.slots), 0);
    kfk_slots_drop(t.slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_batch_starts_small_and_its_slots_grow_fourfold),
        MEMCHECK_TEST(a_slot_is_no_larger_than_what_may_still_come),
        MEMCHECK_TEST(a_slot_holds_at_least_one_record_whatever_would_be_its_turn),
        MEMCHECK_TEST(a_record_larger_than_every_size_gets_a_slot_of_its_own_size),
        MEMCHECK_TEST(a_chain_holds_what_was_asked_for_in_few_pieces_and_not_much_more),
        MEMCHECK_TEST(a_chain_of_nothing_is_none),
        MEMCHECK_TEST(what_is_held_counts_and_beyond_the_budget_nothing_is_taken),
        MEMCHECK_TEST(the_rest_of_the_budget_is_used_for_a_smaller_slot),
        MEMCHECK_TEST(what_can_never_fit_is_told_from_what_does_not_fit_now),
        MEMCHECK_TEST(topics_that_are_not_known_share_a_quarter),
        MEMCHECK_TEST(what_leads_to_room_is_never_refused_and_counts),
        MEMCHECK_TEST(whoever_gives_memory_back_learns_that_somebody_waits),
        MEMCHECK_TEST(memory_that_came_back_is_used_again_also_for_another_size),
        MEMCHECK_TEST(the_slot_that_came_back_last_is_taken_first),
        MEMCHECK_TEST(memory_that_is_idle_for_long_goes_back_to_the_system),
        MEMCHECK_TEST(a_few_idle_ones_among_many_are_kept),
        MEMCHECK_TEST(when_memory_is_short_all_that_is_idle_goes_at_once),
        MEMCHECK_TEST(objects_are_recycled_and_idle_ones_trimmed),
        MEMCHECK_TEST(an_output_buffer_comes_back_with_its_memory_and_keeps_its_limit),
        MEMCHECK_TEST(without_memory_the_budget_stays_as_it_was),
        MEMCHECK_TEST(slots_that_are_held_never_overlap),
        cmocka_unit_test(a_chunk_that_two_needed_at_once_and_one_brought_in_vain_goes_back),
        MEMCHECK_TEST(not_among_threads_either),
        MEMCHECK_TEST(nobody_who_waits_is_missed_by_who_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
