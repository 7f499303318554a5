/* The log of a partition; see the header for what is kept and what it counts for.
 *
 * Batches lie in a ring of descriptors, so that old ones leave in front while new ones come behind. They are found by
 * bisection: offsets ascend. Which log has the oldest batch of the cluster is known from a heap, whose keys only
 * grow. */
#include "testing/log.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/prim.h"
#include <string.h>

enum {
    FIRST_RING = 16,
    COPY_BELOW = 4,            /* a batch smaller than a quarter of its frame is copied */
    MOST_EPOCHS = 8192,        /* of a partition; of more the oldest are not remembered */
    INFLATE_LIMIT = 256 << 20, /* of a batch that is searched for a time */
    LEADER_EPOCH_AT = 12,
    CRC_AT = 17
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void kft_memory_init(kft_memory *m, size_t limit)
{
    *m = (kft_memory){.limit = limit};
    kfk_heap_init(&m->oldest);
}

void kft_memory_fini(kft_memory *m)
{
    for (size_t i = 0; i < m->leaving_count; i++) kfk_block_drop(m->leaving[i]);
    kfk_mem_free(m->leaving);
    m->leaving = NULL;
    m->leaving_count = m->leaving_cap = m->leaving_bytes = 0;
}

static bool is_shared(const kfk_block *b)
{
    return atomic_load_explicit(&b->ref.count, memory_order_acquire) > 1;
}

/* Takes over the log's reference. */
static void leave(kft_memory *m, kfk_block *b)
{
    if (is_shared(b) && m->leaving_count == m->leaving_cap) {
        size_t cap = m->leaving_cap ? m->leaving_cap * 2 : 64;
        kfk_block **grown = kfk_mem_realloc(m->leaving, cap * sizeof(kfk_block *));
        if (grown) m->leaving_cap = cap;
        if (grown) m->leaving = grown;
    }
    if (!is_shared(b) || m->leaving_count == m->leaving_cap) {
        kfk_block_drop(b);
        return;
    }
    m->leaving[m->leaving_count++] = b;
    m->leaving_bytes += b->cap;
}

bool kft_memory_is_strained(kft_memory *m)
{
    size_t kept = 0;
    if (m->leaving_bytes <= m->limit / 4) return false;
    for (size_t i = 0; i < m->leaving_count; i++) {
        kfk_block *b = m->leaving[i];
        if (is_shared(b)) {
            m->leaving[kept++] = b;
            continue;
        }
        m->leaving_bytes -= b->cap;
        kfk_block_drop(b);
    }
    m->leaving_count = kept;
    return m->leaving_bytes > m->limit / 4;
}

/* Puts the log where the age of its first batch belongs. */
static void requeue(kft_log *l)
{
    kfk_heap_remove(&l->memory->oldest, &l->node);
    if (l->count > 0) kfk_heap_add(&l->memory->oldest, &l->node, kft_log_at(l, 0)->age);
}

void kft_log_init(kft_log *l, kft_memory *m)
{
    *l = (kft_log){.memory = m};
}

static void release(kft_log *l, kft_batch *b)
{
    l->memory->bytes -= b->charge;
    l->bytes -= b->len;
    leave(l->memory, b->block);
}

void kft_log_fini(kft_log *l)
{
    kfk_heap_remove(&l->memory->oldest, &l->node);
    for (size_t i = 0; i < l->count; i++) release(l, &l->batches[(l->first + i) % l->cap]);
    kfk_mem_free(l->batches);
    kfk_mem_free(l->epochs);
    *l = (kft_log){.memory = l->memory};
}

const kft_batch *kft_log_at(const kft_log *l, size_t i)
{
    return &l->batches[(l->first + i) % l->cap];
}

/* Room for one more descriptor. */
static bool grow(kft_log *l)
{
    if (l->count < l->cap) return true;
    size_t cap = l->cap ? l->cap * 2 : FIRST_RING;
    kft_batch *ring = kfk_mem_array(cap, sizeof *ring);
    if (!ring) return false;
    for (size_t i = 0; l->cap > 0 && i < l->count; i++) ring[i] = *kft_log_at(l, i);
    kfk_mem_free(l->batches);
    l->batches = ring;
    l->first = 0;
    l->cap = cap;
    return true;
}

/* Of epochs that are deleted as a whole nothing is remembered; that of the first offset begins there. */
static void forget_epochs(kft_log *l)
{
    size_t gone = 0;
    while (gone + 1 < l->epoch_count && l->epochs[gone + 1].start_offset <= l->start) gone++;
    if (gone > 0) {
        l->epoch_count -= gone;
        memmove(l->epochs, l->epochs + gone, l->epoch_count * sizeof l->epochs[0]);
    }
    if (l->epoch_count > 0 && l->epochs[0].start_offset < l->start) l->epochs[0].start_offset = l->start;
}

static void drop_first(kft_log *l)
{
    kft_batch *b = &l->batches[l->first];
    l->start = b->last_offset + 1;
    release(l, b);
    l->first = (l->first + 1) % l->cap;
    l->count--;
    if (l->high_watermark < l->start) l->high_watermark = l->start;
    forget_epochs(l);
}

/* The oldest batches of the cluster go until the limit is met. */
static void evict(kft_memory *m)
{
    while (m->bytes > m->limit && kfk_heap_min(&m->oldest)) {
        kft_log *oldest = KFK_CONTAINER(kfk_heap_min(&m->oldest), kft_log, node);
        drop_first(oldest);
        requeue(oldest);
    }
}

void kft_memory_set_limit(kft_memory *m, size_t limit)
{
    m->limit = limit;
    evict(m);
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

/* The CRC is combined from those of the old header, the new header and the whole: the body is not read again. */
void kft_log_stamp(uint8_t *data, const kfk_batch_header *h, bool append_time, int64_t time_ms)
{
    enum { COVERED = KFK_RECORD_HEADER - KFK_RECORD_CRC_FROM };
    uint64_t body_len = kfk_batch_body_size(h);
    uint8_t *covered = data + KFK_RECORD_CRC_FROM;
    uint32_t old_header = kfk_crc32c(0, covered, COVERED);
    uint32_t body = kfk_crc32c_combine(old_header, 0, body_len) ^ h->crc;
    uint16_t others = (uint16_t)(h->attributes & ~KFK_BATCH_LOG_APPEND_TIME);
    kfk_prim_put_be16(covered, append_time ? (uint16_t)(others | KFK_BATCH_LOG_APPEND_TIME) : others);
    kfk_prim_put_be64(covered + 14, (uint64_t)time_ms);
    uint32_t crc = kfk_crc32c_combine(kfk_crc32c(0, covered, COVERED), body, body_len);
    kfk_prim_put_be32(data + CRC_AT, crc);
}

int kft_log_append(kft_log *l, kfk_block *frame, uint8_t *data, const kfk_batch_header *header, int32_t leader_epoch,
                   int64_t append_time_ms, int64_t now_wall_ms, int64_t *base)
{
    size_t len = kfk_batch_size(header);
    kfk_block *block;
    if (!grow(l)) return KAFKA_ENOMEM;
    if (len + KFT_BATCH_OVERHEAD > l->memory->limit) return KAFKA_ETOOBIG;
    if (len * COPY_BELOW < frame->cap || frame->cap + KFT_BATCH_OVERHEAD > l->memory->limit) {
        if (!(block = kfk_block_new(len))) return KAFKA_ENOMEM;
        memcpy(block->data, data, len);
        data = block->data;
    } else {
        block = kfk_block_hold(frame);
    }
    kfk_prim_put_be64(data, (uint64_t)l->end);
    kfk_prim_put_be32(data + LEADER_EPOCH_AT, (uint32_t)leader_epoch);
    if (append_time_ms >= 0) kft_log_stamp(data, header, true, append_time_ms);
    kft_batch *b = &l->batches[(l->first + l->count) % l->cap];
    *b = (kft_batch){.block = block,
                     .data = data,
                     .len = (uint32_t)len,
                     .charge = (uint32_t)(block->cap + KFT_BATCH_OVERHEAD),
                     .base_offset = l->end,
                     .last_offset = l->end + header->last_offset_delta,
                     .max_time = append_time_ms >= 0 ? append_time_ms : header->max_timestamp,
                     .appended_wall_ms = now_wall_ms,
                     .age = l->memory->next_age++,
                     .leader_epoch = leader_epoch};
    *base = l->end;
    l->end = b->last_offset + 1;
    l->bytes += len;
    l->memory->bytes += b->charge;
    if (l->count++ == 0) requeue(l);
    evict(l->memory);
    return 0;
}

/* ---- finding and dropping ---------------------------------------------------------------------------------------- */

size_t kft_log_find(const kft_log *l, int64_t offset)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kft_log_at(l, middle)->last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void kft_log_advance_start(kft_log *l, int64_t offset)
{
    while (l->count > 0 && kft_log_at(l, 0)->last_offset < offset) drop_first(l);
    if (offset > l->start) l->start = offset;
    forget_epochs(l);
    if (l->high_watermark < l->start) l->high_watermark = l->start;
    requeue(l);
}

void kft_log_truncate(kft_log *l, int64_t offset)
{
    while (l->count > 0) {
        kft_batch *last = &l->batches[(l->first + l->count - 1) % l->cap];
        if (last->base_offset < offset) break;
        release(l, last);
        l->count--;
    }
    l->end = offset;
    if (l->high_watermark > offset) l->high_watermark = offset;
    while (l->epoch_count > 0 && l->epochs[l->epoch_count - 1].start_offset > offset) l->epoch_count--;
    requeue(l);
}

void kft_log_retain(kft_log *l, int64_t retention_ms, int64_t retention_bytes, int64_t now_wall_ms)
{
    bool dropped = false;
    while (l->count > 0) {
        const kft_batch *b = kft_log_at(l, 0);
        if (b->last_offset >= l->high_watermark) break;
        int64_t time = b->max_time >= 0 ? b->max_time : b->appended_wall_ms;
        bool old = retention_ms >= 0 && now_wall_ms - time > retention_ms;
        bool beyond = retention_bytes >= 0 && l->bytes - b->len >= (uint64_t)retention_bytes;
        if (!old && !beyond) break;
        drop_first(l);
        dropped = true;
    }
    if (dropped) requeue(l);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

/* Calls `look` with each record of a batch until that returns false. */
static int walk(const kft_batch *b, bool (*look)(void *, const kfk_record *, int64_t offset), void *arg)
{
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    kfk_buf scratch;
    kfk_buf_init(&scratch, INFLATE_LIMIT);
    int code = kfk_record_header_parse(b->data, b->len, &h, NULL);
    if (code == 0) code = kfk_record_open(&h, b->data, &scratch, &it, NULL);
    while (code == 0 && kfk_record_iter_next(&it, &r)) {
        if (!look(arg, &r, r.offset)) break;
    }
    kfk_buf_fini(&scratch);
    return code;
}

typedef struct time_search {
    int64_t wanted, limit, start, offset, time;
    bool largest; /* of all, instead of the first that is not before `wanted` */
} time_search;

static bool look_at(void *arg, const kfk_record *r, int64_t offset)
{
    time_search *s = arg;
    if (offset < s->start) return true;
    if (offset >= s->limit) return false;
    if (s->largest ? r->timestamp > s->time : r->timestamp >= s->wanted) {
        s->offset = offset;
        s->time = r->timestamp;
        return s->largest;
    }
    return true;
}

static int search(const kft_log *l, const kft_batch *b, time_search *s)
{
    s->start = l->start;
    return walk(b, look_at, s);
}

int kft_log_offset_for_time(const kft_log *l, int64_t time_ms, int64_t limit, int64_t *offset, int64_t *found_time,
                            int32_t *epoch)
{
    time_search s = {.wanted = time_ms, .limit = limit, .offset = -1, .time = -1};
    *epoch = -1;
    for (size_t i = 0; i < l->count && s.offset == -1; i++) {
        const kft_batch *b = kft_log_at(l, i);
        if (b->base_offset >= limit) break;
        if (b->max_time < time_ms) continue;
        int code = search(l, b, &s);
        if (code != 0) return code;
        if (s.offset != -1) *epoch = b->leader_epoch;
    }
    *offset = s.offset;
    *found_time = s.time;
    return 0;
}

int kft_log_offset_of_max_time(const kft_log *l, int64_t limit, int64_t *offset, int64_t *found_time, int32_t *epoch)
{
    time_search s = {.largest = true, .limit = limit, .offset = -1, .time = -1};
    const kft_batch *best = NULL;
    for (size_t i = 0; i < l->count; i++) {
        const kft_batch *b = kft_log_at(l, i);
        if (b->base_offset >= limit) break;
        if (!best || b->max_time > best->max_time) best = b;
    }
    *epoch = -1;
    if (best) {
        int code = search(l, best, &s);
        if (code != 0) return code;
        if (s.offset != -1) *epoch = best->leader_epoch;
    }
    *offset = s.offset;
    *found_time = s.time;
    return 0;
}

/* ---- leader epochs ----------------------------------------------------------------------------------------------- */

int kft_log_begin_epoch(kft_log *l, int32_t epoch)
{
    /* one in which nothing was written tells nothing: the new one takes its place */
    if (l->epoch_count > 0 && l->epochs[l->epoch_count - 1].start_offset == l->end) l->epoch_count--;
    if (l->epoch_count == MOST_EPOCHS) {
        memmove(l->epochs, l->epochs + 1, --l->epoch_count * sizeof l->epochs[0]);
    } else if (l->epoch_count == l->epoch_cap) {
        size_t cap = l->epoch_cap ? l->epoch_cap * 2 : 4;
        kft_epoch *grown = kfk_mem_realloc(l->epochs, cap * sizeof *grown);
        if (!grown) return KAFKA_ENOMEM;
        l->epochs = grown;
        l->epoch_cap = cap;
    }
    l->epochs[l->epoch_count++] = (kft_epoch){.start_offset = l->end, .epoch = epoch};
    return 0;
}

void kft_log_end_of_epoch(const kft_log *l, int32_t epoch, int32_t *found, int64_t *end)
{
    size_t i = l->epoch_count;
    while (i > 0 && l->epochs[i - 1].epoch > epoch) i--;
    bool is_last = i == l->epoch_count;
    *found = -1;
    *end = -1;
    if (is_last && (i == 0 || l->epochs[i - 1].epoch != epoch)) return; /* never heard of it */
    *found = i > 0 ? l->epochs[i - 1].epoch : epoch;
    *end = is_last ? l->end : l->epochs[i].start_offset;
}
