/* produce_batch.c: filling a batch, and walking what is in it.
 *
 * The window of the record writer is the one place that knows what still fits: it ends where the slot ends, where the
 * next side would begin, or where the batch is full, whichever comes first. So the common append makes no comparison of
 * its own; only a record that does not fit into the window asks why.
 *
 * What is known only when a slot is left, how much of it was used and for how many records, is written then. */
#include "engine/produce_batch.h"
#include "base/mem.h"
#include "wire/compress.h"
#include <string.h>

/* What a record batch can hold at most. */
static const size_t largest_body = INT32_MAX - KFK_RECORD_HEADER;

kfk_produce_batch *kfk_produce_batch_new(kfk_slots *s, kfk_accum *a, kfk_slots_share share, int32_t codec,
                                         int32_t level, uint32_t side_size)
{
    kfk_produce_batch *b = kfk_slots_object_take(s);
    if (b == NULL) return NULL;
    memset(b, 0, sizeof *b);
    kfk_list_init(&b->node);
    b->accum = a;
    b->slots = kfk_slots_hold(s);
    b->codec = codec;
    b->level = level;
    b->side_size = side_size;
    b->share = (uint8_t)share;
    kfk_record_writer_init(&b->writer, NULL, 0);
    return b;
}

bool kfk_produce_batch_free(kfk_produce_batch *b)
{
    if (b == NULL) return false;
    kfk_slots *s = b->slots;
    kfk_mem_free(b->seal_error);
    kfk_slots_give(s, b->sides);
    kfk_slots_give(s, b->set.chain);
    kfk_slots_give(s, b->body.chain);
    kfk_slots_object_give(s, b);
    bool wanted = kfk_slots_wanted(s);
    kfk_slots_drop(s);
    return wanted;
}

static size_t chain_bytes(const kfk_slot *slot)
{
    size_t bytes = 0;
    for (; slot != NULL; slot = slot->next) bytes += sizeof *slot + slot->cap;
    return bytes;
}

size_t kfk_produce_batch_charged(const kfk_produce_batch *b)
{
    return chain_bytes(b->body.chain) + chain_bytes(b->sides) + chain_bytes(b->set.chain);
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

/* The last slot gets no more records. */
static void leave_slot(kfk_produce_batch *b)
{
    if (b->last == NULL) return;
    b->last->used = (uint32_t)(b->writer.at - b->last->data);
    b->last->count = (uint32_t)(b->writer.count - b->earlier);
    b->earlier = b->writer.count;
}

/* The window ends where the slot does, less the sides, or where the batch is full. */
static void open_window(kfk_produce_batch *b, size_t body_left)
{
    uint8_t *at = b->writer.at;
    size_t room = (size_t)(b->sides_at - at);
    room = room > b->side_size ? room - b->side_size : 0;
    kfk_record_writer_window(&b->writer, at, room < body_left ? room : body_left);
}

static void enter_slot(kfk_produce_batch *b, kfk_slot *slot, size_t body_left)
{
    leave_slot(b);
    if (b->last != NULL)
        b->last->next = slot;
    else
        b->body.chain = slot;
    b->last = slot;
    b->sides_at = slot->data + slot->cap;
    kfk_record_writer_window(&b->writer, slot->data, 0);
    open_window(b, body_left);
}

/* Memory that is worth taking for a batch whose records may still fill `left` bytes: their sides come on top. */
static size_t worth_taking(const kfk_produce_batch *b, size_t left, size_t record)
{
    if (b->side_size == 0) return left;
    size_t mean = b->writer.count > 0 ? b->writer.bytes / (size_t)b->writer.count : record;
    return left + (left / mean + 1) * b->side_size;
}

/* The record that comes next did not fit into the window. */
static int make_room(kfk_produce_batch *b, size_t most, int64_t timestamp, const kafka_message *m)
{
    kfk_slot *slot;
    if (most > largest_body) most = largest_body;
    size_t size = kfk_record_size(&b->writer, timestamp, m->key, m->value, m->headers, m->header_count);
    size_t left = most - b->writer.bytes;
    if (size > left || b->writer.count == INT32_MAX) {
        if (b->writer.count > 0) size = kfk_record_size(NULL, timestamp, m->key, m->value, m->headers, m->header_count);
        return size > most ? KAFKA_ETOOBIG : KAFKA_EOF;
    }
    if (b->last != NULL) open_window(b, left); /* it may have ended too early, see kfk_produce_batch_add_side */
    if ((ptrdiff_t)size <= b->writer.end - b->writer.at) return 0;
    int rc = kfk_slots_take(b->slots, b->share, b->last != NULL ? b->last->cap : 0, size + b->side_size,
                            worth_taking(b, left, size), &slot);
    if (rc == 0) enter_slot(b, slot, left);
    return rc;
}

int kfk_produce_batch_append(kfk_produce_batch *b, size_t most, int64_t timestamp, const kafka_message *m,
                             const void *side)
{
    int rc = kfk_record_append(&b->writer, timestamp, m->key, m->value, m->headers, m->header_count);
    if (rc == KAFKA_EAGAIN && (rc = make_room(b, most, timestamp, m)) == 0)
        rc = kfk_record_append(&b->writer, timestamp, m->key, m->value, m->headers, m->header_count);
    if (rc != 0) return rc;
    b->payload += m->key.len + m->value.len;
    if (b->side_size > 0) kfk_produce_batch_add_side(b, side, m, timestamp);
    return 0;
}

void kfk_produce_batch_close(kfk_produce_batch *b)
{
    leave_slot(b);
    b->last = NULL;
    kfk_record_writer_window(&b->writer, NULL, 0);
    b->state = KFK_PRODUCE_SEALING;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

void kfk_produce_batch_header(const kfk_produce_batch *b, int64_t producer_id, int16_t producer_epoch,
                              int32_t base_sequence, uint8_t out[KFK_RECORD_HEADER])
{
    kfk_batch_header h;
    kfk_record_writer_header(&b->writer, &h);
    h.attributes = (uint16_t)b->codec;
    h.producer_id = producer_id;
    h.producer_epoch = producer_epoch;
    h.base_sequence = base_sequence;
    kfk_record_header_build(out, &h, b->body.len, b->body.crc);
}

void kfk_produce_body_parts(const kfk_produce_body *body, struct iovec *out)
{
    for (kfk_slot *slot = body->chain; slot != NULL; slot = slot->next)
        *out++ = (struct iovec){.iov_base = slot->data, .iov_len = slot->used};
}

/* ---- sides ------------------------------------------------------------------------------------------------------- */

void kfk_side_iter_init(kfk_side_iter *it, const kfk_produce_batch *b)
{
    *it = (kfk_side_iter){.slot = b->packed ? b->sides : b->body.chain, .size = b->side_size};
    if (it->size == 0) it->slot = NULL;
}

void *kfk_side_iter_run(kfk_side_iter *it, size_t most, size_t *count)
{
    while (it->left == 0) {
        if (it->slot == NULL) return NULL;
        it->at = it->slot->data + it->slot->cap;
        it->left = it->slot->count;
        it->slot = it->slot->next;
    }
    uint32_t run = most < it->left ? (uint32_t)most : it->left;
    const uint8_t *first = it->at - it->size;
    it->left -= run;
    it->at -= (size_t)it->size * run;
    *count = run;
    return (void *)(uintptr_t)first;
}

void *kfk_side_iter_next(kfk_side_iter *it)
{
    size_t count;
    return kfk_side_iter_run(it, 1, &count);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

/* The compressed body in one piece: codecs read no chains. NULL without memory. `*copy` is to be freed. */
static const uint8_t *in_one_piece(const kfk_produce_body *body, uint8_t **copy)
{
    *copy = NULL;
    if (body->part_count == 1) return body->chain->data;
    uint8_t *p = *copy = kfk_mem_alloc(body->len);
    if (p == NULL) return NULL;
    for (const kfk_slot *slot = body->chain; slot != NULL; p += slot->used, slot = slot->next)
        memcpy(p, slot->data, slot->used);
    return *copy;
}

static int inflate(kfk_produce_walk *w, const kfk_produce_batch *b, kfk_error *err)
{
    kfk_batch_header h;
    uint8_t *copy;
    const uint8_t *packed = in_one_piece(&b->body, &copy);
    if (packed == NULL) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to read a batch again");
    int rc = kfk_decompress(b->codec, packed, b->body.len, &w->inflated, err);
    kfk_mem_free(copy);
    kfk_record_writer_header(&b->writer, &h);
    if (rc == 0) rc = kfk_record_validate(&h, w->inflated.data, w->inflated.len, err);
    if (rc == 0) kfk_record_iter_init(&w->records, &h, w->inflated.data, w->inflated.len);
    return rc;
}

int kfk_produce_walk_init(kfk_produce_walk *w, const kfk_produce_batch *b, kfk_error *err)
{
    *w = (kfk_produce_walk){.batch = b};
    kfk_buf_init(&w->inflated, b->writer.bytes);
    kfk_side_iter_init(&w->sides, b);
    if (b->packed) return inflate(w, b, err);
    w->slot = b->body.chain;
    return 0;
}

bool kfk_produce_walk_next(kfk_produce_walk *w, kfk_record *record, void **side)
{
    while (!kfk_record_iter_next(&w->records, record)) {
        kfk_batch_header h;
        if (w->slot == NULL) return false;
        kfk_record_writer_header(&w->batch->writer, &h);
        h.record_count = (int32_t)w->slot->count;
        kfk_record_iter_init(&w->records, &h, w->slot->data, w->slot->used);
        w->slot = w->slot->next;
    }
    *side = kfk_side_iter_next(&w->sides);
    return true;
}

void kfk_produce_walk_fini(kfk_produce_walk *w)
{
    kfk_buf_fini(&w->inflated);
}
