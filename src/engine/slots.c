/* slots.c: chunks, cut into slots of one size each, and the budget.
 *
 * A chunk is idle, or cut: then it hands out slots of one size, those that were given back first, since they are in the
 * cache, then from where it was never cut, so that pages nobody needed are not touched. With its last slot back it is
 * idle again and may be cut for another size. Taking prefers chunks that are cut already.
 *
 * So a chunk stays as long as a single slot of it is held. What is allocated can exceed what is held; how far, the
 * sizes bound: each of them holds on to no more chunks than it once needed within the budget.
 *
 * Idle chunks are counted, and `least_idle` remembers how few there were since the last trim: so many were needed by
 * nobody all that time. The same goes for objects. */
#include "engine/slots.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/mem.h"
#include <stdatomic.h>

enum { UNKNOWN_PART = 4, KEEP_PART = 4, SPARE_OBJECTS = 1024, SPARE_SCRATCHES = 2, OWN_SIZE = KFK_SLOT_SIZES };

typedef struct chunk {
    kfk_list node; /* in `idle`, or in `cut` of its size while it has slots to give; else in none */
    kfk_slot *free;
    uint32_t held;   /* slots that are held */
    uint32_t cut_to; /* bytes from the front that were ever cut */
    uint8_t size;
    _Alignas(16) uint8_t memory[];
} chunk;

enum { ROOM = KFK_SLOT_CHUNK - KFK_SLOT_BESIDE, CHUNK_BYTES = sizeof(chunk) + ROOM, MALLOC_BESIDE = 32 };
_Static_assert(sizeof(chunk) + MALLOC_BESIDE <= KFK_SLOT_BESIDE, "a chunk takes a page more than it needs");

typedef struct spare {
    struct spare *next;
} spare;

struct kfk_slots {
    kfk_ref ref;
    kfk_lock lock;
    size_t limit, used, used_unknown;
    kfk_list idle, cut[KFK_SLOT_SIZES];
    size_t chunk_count, idle_count, least_idle;
    size_t own_bytes; /* of slots of their own size */
    _Atomic int32_t waiting;
    size_t object_size;
    spare *objects;
    size_t object_count, least_objects;
    kfk_buf scratches[SPARE_SCRATCHES];
    bool scratch_taken; /* since the last trim */
};

static inline size_t cap_of(unsigned size)
{
    return kfk_slot_bytes(size) - sizeof(kfk_slot);
}

/* What a slot of its own size takes for `len` bytes. */
static inline size_t own_bytes(size_t len)
{
    return (sizeof(kfk_slot) + len + 15) & ~(size_t)15;
}

static inline size_t slot_bytes(const kfk_slot *slot)
{
    return sizeof(kfk_slot) + slot->cap;
}

/* ---- lifetime ---------------------------------------------------------------------------------------------------- */

int kfk_slots_new(size_t limit, size_t object_size, kfk_slots **out)
{
    kfk_slots *s = *out = kfk_mem_zalloc(sizeof *s);
    if (s == NULL) return KAFKA_ENOMEM;
    kfk_ref_init(&s->ref);
    kfk_lock_init(&s->lock);
    s->limit = limit;
    s->object_size = object_size > sizeof(spare) ? object_size : sizeof(spare);
    kfk_list_init(&s->idle);
    for (unsigned i = 0; i < KFK_SLOT_SIZES; i++) kfk_list_init(&s->cut[i]);
    for (unsigned i = 0; i < SPARE_SCRATCHES; i++) kfk_buf_init(&s->scratches[i], SIZE_MAX);
    return 0;
}

kfk_slots *kfk_slots_hold(kfk_slots *s)
{
    kfk_ref_hold(&s->ref);
    return s;
}

void kfk_slots_drop(kfk_slots *s)
{
    if (s == NULL || !kfk_ref_drop(&s->ref)) return;
    kfk_slots_trim_all(s);
    kfk_mem_free(s);
}

/* ---- the budget: under the lock ---------------------------------------------------------------------------------- */

static size_t limit_of(const kfk_slots *s, kfk_slots_share share)
{
    return share == KFK_SLOTS_FORCED ? SIZE_MAX : s->limit;
}

static size_t minus(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* What may be charged now. */
static size_t room_of(const kfk_slots *s, kfk_slots_share share)
{
    if (share == KFK_SLOTS_FORCED) return SIZE_MAX;
    size_t room = minus(s->limit, s->used);
    if (share == KFK_SLOTS_KNOWN || s->used_unknown == 0) return room;
    size_t part = minus(s->limit / UNKNOWN_PART, s->used_unknown);
    return part < room ? part : room;
}

static int refusal(const kfk_slots *s, kfk_slots_share share, size_t bytes)
{
    return bytes > limit_of(s, share) ? KAFKA_ETOOBIG : KAFKA_EAGAIN;
}

static void charge(kfk_slots *s, kfk_slots_share share, size_t bytes)
{
    s->used += bytes;
    if (share == KFK_SLOTS_UNKNOWN) s->used_unknown += bytes;
}

static void credit(kfk_slots *s, kfk_slots_share share, size_t bytes)
{
    s->used -= bytes;
    if (share == KFK_SLOTS_UNKNOWN) s->used_unknown -= bytes;
}

/* ---- chunks: under the lock -------------------------------------------------------------------------------------- */

static void cut_chunk(kfk_slots *s, chunk *c, unsigned size)
{
    c->size = (uint8_t)size;
    c->free = NULL;
    c->held = c->cut_to = 0;
    kfk_list_push_back(&s->cut[size], &c->node);
}

static bool is_used_up(const chunk *c)
{
    return c->free == NULL && c->cut_to + kfk_slot_bytes(c->size) > ROOM;
}

/* A slot of the size, or NULL: a chunk has to be allocated. */
static kfk_slot *pop(kfk_slots *s, unsigned size)
{
    kfk_list *first = kfk_list_first(&s->cut[size]);
    if (first == NULL) {
        if ((first = kfk_list_first(&s->idle)) == NULL) return NULL;
        kfk_list_remove(first);
        if (--s->idle_count < s->least_idle) s->least_idle = s->idle_count;
        cut_chunk(s, KFK_CONTAINER(first, chunk, node), size);
    }
    chunk *c = KFK_CONTAINER(first, chunk, node);
    kfk_slot *slot = c->free;
    if (slot != NULL) {
        c->free = slot->next;
    } else {
        slot = (kfk_slot *)(void *)(c->memory + c->cut_to);
        c->cut_to += (uint32_t)kfk_slot_bytes(size);
    }
    c->held++;
    if (is_used_up(c)) kfk_list_remove(&c->node);
    *slot = (kfk_slot){.chunk = c, .cap = (uint32_t)cap_of(size), .size = (uint8_t)size};
    return slot;
}

static void push(kfk_slots *s, kfk_slot *slot)
{
    chunk *c = slot->chunk;
    bool was_used_up = is_used_up(c);
    slot->next = c->free;
    c->free = slot;
    if (--c->held == 0) {
        kfk_list_remove(&c->node);
        kfk_list_push_front(&s->idle, &c->node);
        s->idle_count++;
    } else if (was_used_up) {
        kfk_list_push_front(&s->cut[c->size], &c->node);
    }
}

/* ---- taking: under the lock, which is let go to allocate --------------------------------------------------------- */

/* A slot of this size, or of its own size for `len` bytes, that was charged already. */
static kfk_slot *take_charged(kfk_slots *s, unsigned size, size_t len)
{
    kfk_slot *slot = NULL;
    if (size != OWN_SIZE) {
        if ((slot = pop(s, size)) != NULL) return slot;
        kfk_lock_give(&s->lock);
        chunk *c = kfk_mem_alloc(CHUNK_BYTES);
        kfk_lock_take(&s->lock);
        if (c == NULL) return NULL;
        s->chunk_count++;
        s->idle_count++; /* another thread may have brought one meanwhile: then this is not needed now */
        kfk_list_init(&c->node);
        kfk_list_push_front(&s->idle, &c->node);
        return pop(s, size);
    }
    kfk_lock_give(&s->lock);
    size_t bytes = own_bytes(len);
    slot = kfk_mem_alloc(bytes);
    kfk_lock_take(&s->lock);
    if (slot == NULL) return NULL;
    *slot = (kfk_slot){.cap = (uint32_t)(bytes - sizeof *slot), .size = OWN_SIZE};
    s->own_bytes += bytes;
    return slot;
}

static size_t charge_of(unsigned size, size_t len)
{
    return size == OWN_SIZE ? own_bytes(len) : kfk_slot_bytes(size);
}

/* The smallest size that holds so many bytes. */
static unsigned size_for(size_t len)
{
    unsigned size = 0;
    while (size < KFK_SLOT_SIZES && cap_of(size) < len) size++;
    return size; /* OWN_SIZE behind the last */
}

/* The size that follows a slot of `before` bytes. */
static unsigned size_after(size_t before, size_t least, size_t most)
{
    unsigned next = before == 0 ? 0 : size_for(before) + 1;
    if (next >= KFK_SLOT_SIZES) next = KFK_SLOT_SIZES - 1;
    while (next > 0 && cap_of(next - 1) >= most) next--;
    unsigned needed = size_for(least);
    return next > needed ? next : needed;
}

static int take_size(kfk_slots *s, kfk_slots_share share, unsigned size, size_t least, kfk_slot **out)
{
    size_t bytes = charge_of(size, least);
    charge(s, share, bytes);
    *out = take_charged(s, size, least);
    if (*out == NULL) {
        credit(s, share, bytes);
        return KAFKA_ENOMEM;
    }
    (*out)->share = (uint8_t)share;
    return 0;
}

int kfk_slots_take(kfk_slots *s, kfk_slots_share share, size_t before, size_t least, size_t most, kfk_slot **out)
{
    unsigned needed = size_for(least), size = size_after(before, least, most);
    int rc;
    *out = NULL;
    if (least > INT32_MAX) return KAFKA_ETOOBIG;
    kfk_lock_take(&s->lock);
    size_t room = room_of(s, share);
    while (size > needed && charge_of(size, least) > room) size--;
    if (charge_of(size, least) > room)
        rc = refusal(s, share, charge_of(needed, least));
    else
        rc = take_size(s, share, size, least, out);
    kfk_lock_give(&s->lock);
    return rc;
}

/* The size of the next piece of content of which `len` bytes are left: what holds all of it and wastes a quarter at
 * most, else the largest that will be full. */
static unsigned size_for_piece(size_t len)
{
    unsigned size = size_for(len);
    if (size == OWN_SIZE) return KFK_SLOT_SIZES - 1;
    return size > 0 && cap_of(size) - len > cap_of(size) / 4 ? size - 1 : size;
}

int kfk_slots_take_chain(kfk_slots *s, kfk_slots_share share, size_t len, kfk_slot **out)
{
    kfk_slot **end = out;
    size_t bytes = 0;
    int rc = 0;
    *out = NULL;
    for (size_t left = len; left > 0; left = minus(left, cap_of(size_for_piece(left))))
        bytes += kfk_slot_bytes(size_for_piece(left));

    kfk_lock_take(&s->lock);
    if (bytes > room_of(s, share)) rc = refusal(s, share, bytes);
    for (size_t left = len; rc == 0 && left > 0; left = minus(left, (*end)->cap), end = &(*end)->next) {
        rc = take_size(s, share, size_for_piece(left), 0, end);
        if (rc != 0) break;
    }
    kfk_lock_give(&s->lock);
    if (rc != 0) {
        kfk_slots_give(s, *out);
        *out = NULL;
    }
    return rc;
}

bool kfk_slots_give(kfk_slots *s, kfk_slot *chain)
{
    kfk_slot *own = NULL, *next;
    if (chain == NULL) return false;
    kfk_lock_take(&s->lock);
    for (kfk_slot *slot = chain; slot != NULL; slot = next) {
        next = slot->next;
        credit(s, slot->share, slot_bytes(slot));
        if (slot->chunk != NULL) {
            push(s, slot);
        } else {
            s->own_bytes -= slot_bytes(slot);
            slot->next = own;
            own = slot;
        }
    }
    kfk_lock_give(&s->lock);
    for (; own != NULL; own = next) {
        next = own->next;
        kfk_mem_free(own);
    }
    return kfk_slots_wanted(s);
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

size_t kfk_slots_used(kfk_slots *s)
{
    kfk_lock_take(&s->lock);
    size_t used = s->used;
    kfk_lock_give(&s->lock);
    return used;
}

size_t kfk_slots_used_unknown(kfk_slots *s)
{
    kfk_lock_take(&s->lock);
    size_t used = s->used_unknown;
    kfk_lock_give(&s->lock);
    return used;
}

size_t kfk_slots_limit(const kfk_slots *s)
{
    return s->limit;
}

/* Under the lock. */
static size_t footprint(const kfk_slots *s)
{
    size_t bytes = s->chunk_count * CHUNK_BYTES + s->own_bytes + s->object_count * s->object_size;
    for (unsigned i = 0; i < SPARE_SCRATCHES; i++) bytes += s->scratches[i].cap;
    return bytes;
}

size_t kfk_slots_footprint(kfk_slots *s)
{
    kfk_lock_take(&s->lock);
    size_t bytes = footprint(s);
    kfk_lock_give(&s->lock);
    return bytes;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Neither can miss the other: a waiter counts itself, then takes under the lock; who gives does so under the lock, then
 * looks at the count. */

void kfk_slots_wait_begin(kfk_slots *s)
{
    atomic_fetch_add(&s->waiting, 1);
}

void kfk_slots_wait_end(kfk_slots *s)
{
    atomic_fetch_sub(&s->waiting, 1);
}

bool kfk_slots_wanted(const kfk_slots *s)
{
    return atomic_load(&s->waiting) > 0;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

void *kfk_slots_object_take(kfk_slots *s)
{
    kfk_lock_take(&s->lock);
    spare *o = s->objects;
    if (o != NULL) {
        s->objects = o->next;
        if (--s->object_count < s->least_objects) s->least_objects = s->object_count;
    }
    kfk_lock_give(&s->lock);
    return o != NULL ? o : kfk_mem_alloc(s->object_size);
}

void kfk_slots_object_give(kfk_slots *s, void *object)
{
    spare *o = object;
    kfk_lock_take(&s->lock);
    if (s->object_count < SPARE_OBJECTS) {
        o->next = s->objects;
        s->objects = o;
        s->object_count++;
        o = NULL;
    }
    kfk_lock_give(&s->lock);
    kfk_mem_free(o);
}

void kfk_slots_scratch_take(kfk_slots *s, size_t limit, kfk_buf *out)
{
    unsigned best = 0;
    kfk_lock_take(&s->lock);
    for (unsigned i = 1; i < SPARE_SCRATCHES; i++)
        if (s->scratches[i].cap > s->scratches[best].cap) best = i;
    *out = s->scratches[best];
    kfk_buf_init(&s->scratches[best], SIZE_MAX);
    s->scratch_taken = true;
    kfk_lock_give(&s->lock);
    kfk_buf_clear(out);
    out->limit = limit > out->cap ? limit : out->cap;
}

void kfk_slots_scratch_give(kfk_slots *s, kfk_buf *b)
{
    unsigned worst = 0;
    kfk_lock_take(&s->lock);
    for (unsigned i = 1; i < SPARE_SCRATCHES; i++)
        if (s->scratches[i].cap < s->scratches[worst].cap) worst = i;
    if (s->scratches[worst].cap < b->cap) {
        kfk_buf smaller = s->scratches[worst];
        s->scratches[worst] = *b;
        *b = smaller;
    }
    kfk_lock_give(&s->lock);
    kfk_buf_fini(b);
}

/* What a trim takes out under the lock and frees outside of it. */
typedef struct rest {
    kfk_list chunks;
    spare *objects;
    kfk_buf scratches[SPARE_SCRATCHES];
} rest;

static void take_rest(kfk_slots *s, size_t chunks, size_t objects, bool scratches, rest *r)
{
    kfk_list_init(&r->chunks);
    r->objects = NULL;
    for (; chunks > 0; chunks--) {
        kfk_list *last = s->idle.prev; /* idle for longest */
        kfk_list_remove(last);
        kfk_list_push_back(&r->chunks, last);
        s->idle_count--;
        s->chunk_count--;
    }
    for (; objects > 0; objects--) {
        spare *o = s->objects;
        s->objects = o->next;
        s->object_count--;
        o->next = r->objects;
        r->objects = o;
    }
    for (unsigned i = 0; i < SPARE_SCRATCHES; i++) {
        kfk_buf_init(&r->scratches[i], SIZE_MAX);
        if (!scratches) continue;
        r->scratches[i] = s->scratches[i];
        kfk_buf_init(&s->scratches[i], SIZE_MAX);
    }
    s->least_idle = s->idle_count;
    s->least_objects = s->object_count;
    s->scratch_taken = false;
}

static void free_rest(rest *r)
{
    spare *next;
    KFK_LIST_EACH (node, &r->chunks) kfk_mem_free(KFK_CONTAINER(node, chunk, node));
    for (spare *o = r->objects; o != NULL; o = next) {
        next = o->next;
        kfk_mem_free(o);
    }
    for (unsigned i = 0; i < SPARE_SCRATCHES; i++) kfk_buf_fini(&r->scratches[i]);
}

bool kfk_slots_trim(kfk_slots *s)
{
    rest r;
    kfk_lock_take(&s->lock);
    size_t chunks = s->least_idle * KEEP_PART >= s->chunk_count ? s->least_idle : 0;
    size_t objects = s->least_objects;
    take_rest(s, chunks, objects, !s->scratch_taken, &r);
    bool some = footprint(s) > 0;
    kfk_lock_give(&s->lock);
    free_rest(&r);
    return some;
}

void kfk_slots_trim_all(kfk_slots *s)
{
    rest r;
    kfk_lock_take(&s->lock);
    take_rest(s, s->idle_count, s->object_count, true, &r);
    kfk_lock_give(&s->lock);
    free_rest(&r);
}
