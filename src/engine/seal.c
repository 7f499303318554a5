/* seal.c: checksums, compression, message sets.
 *
 * Compressed bytes are made in a scratch buffer and then copied into slots: only then their size is known, and a buffer
 * that was sized for the worst case would either keep what it does not need or be handed back to the allocator for each
 * batch. Slots for the result are taken before the old ones are given back, so that a failure costs nothing but
 * time. */
#include "engine/seal.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/compress.h"
#include "wire/record_v1.h"
#include <inttypes.h>
#include <limits.h>
#include <string.h>

enum { FEW_PARTS = 16, GROWTH_PART = 256, GROWTH = 1024 };

/* Bytes that `len` bytes may take when compressed. */
static size_t compressed_limit(size_t len)
{
    return len + len / GROWTH_PART + GROWTH;
}

static int no_memory(const kfk_produce_batch *b, const char *what, kfk_error *err)
{
    return kfk_error_set(err, KAFKA_ENOMEM, "no memory to %s a batch of %" PRId32 " messages", what, b->writer.count);
}

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* Size, parts and CRC of what is in the body's chain. */
static void measure(kfk_produce_body *body, bool with_crc)
{
    body->len = 0;
    body->part_count = 0;
    body->crc = 0;
    for (const kfk_slot *slot = body->chain; slot != NULL; slot = slot->next) {
        if (with_crc) body->crc = kfk_crc32c(body->crc, slot->data, slot->used);
        body->len += slot->used;
        body->part_count++;
    }
}

/* A chain that holds a copy of the bytes. */
static int copy_to_chain(kfk_slots *s, const kfk_buf *from, kfk_slot **out)
{
    const uint8_t *p = from->data;
    size_t left = from->len;
    int rc = kfk_slots_take_chain(s, KFK_SLOTS_FORCED, left, out);
    for (kfk_slot *slot = *out; slot != NULL; slot = slot->next) {
        slot->used = (uint32_t)(left < slot->cap ? left : slot->cap);
        memcpy(slot->data, p, slot->used);
        p += slot->used;
        left -= slot->used;
    }
    return rc;
}

/* Fills a slot with as many sides as it holds, from its back, as beside records. How many are left. */
static size_t fill_with_sides(kfk_slot *slot, kfk_side_iter *sides, size_t left)
{
    size_t count = slot->cap / sides->size;
    if (count > left) count = left;
    uint8_t *at = slot->data + slot->cap;
    for (size_t i = 0; i < count; i++) memcpy(at -= sides->size, kfk_side_iter_next(sides), sides->size);
    slot->count = (uint32_t)count;
    return left - count;
}

/* The sides in a chain of their own. What does not divide evenly leaves a rest, which gets another slot. */
static int copy_sides(const kfk_produce_batch *b, kfk_slot **out)
{
    size_t left = (size_t)b->writer.count;
    kfk_slot **end = out;
    kfk_side_iter sides;
    *out = NULL;
    kfk_side_iter_init(&sides, b);
    while (left > 0 && b->side_size > 0) {
        int rc = kfk_slots_take_chain(b->slots, KFK_SLOTS_FORCED, left * b->side_size, end);
        if (rc != 0) {
            kfk_slots_give(b->slots, *out);
            *out = NULL;
            return rc;
        }
        for (; *end != NULL; end = &(*end)->next) left = fill_with_sides(*end, &sides, left);
    }
    return 0;
}

/* ---- compressing ------------------------------------------------------------------------------------------------- */

/* The records, compressed, appended to `out`. */
static int compress_body(const kfk_produce_batch *b, kfk_buf *out, kfk_error *err)
{
    struct iovec few[FEW_PARTS], *parts = few;
    uint32_t count = b->body.part_count;
    if (count > FEW_PARTS && (parts = kfk_mem_array(count, sizeof *parts)) == NULL)
        return no_memory(b, "compress", err);
    kfk_produce_body_parts(&b->body, parts);
    int rc = kfk_compress(b->codec, b->level, parts, (int)count, out, err);
    if (parts != few) kfk_mem_free(parts);
    if (rc == 0 && out->len > compressed_limit(b->writer.bytes))
        rc = kfk_error_set(err, KAFKA_ETOOBIG, "%s made %zu bytes of %zu", kfk_compress_name(b->codec), out->len,
                           b->writer.bytes);
    return rc;
}

/* Replaces the chain of records by what they were compressed to, and by one of sides. */
static int pack(kfk_produce_batch *b, const kfk_buf *packed, bool *wanted, kfk_error *err)
{
    kfk_slot *sides, *chain, *old = b->body.chain;
    if (copy_sides(b, &sides) != 0) return no_memory(b, "compress", err);
    if (copy_to_chain(b->slots, packed, &chain) != 0) {
        kfk_slots_give(b->slots, sides);
        return no_memory(b, "compress", err);
    }
    b->body.chain = chain;
    b->sides = sides;
    b->packed = true;
    if (kfk_slots_give(b->slots, old)) *wanted = true;
    return 0;
}

int kfk_seal(kfk_produce_batch *b, bool *wanted, kfk_error *err)
{
    kfk_buf packed;
    measure(&b->body, b->codec == KFK_CODEC_NONE);
    if (b->codec == KFK_CODEC_NONE) return 0;
    kfk_slots_scratch_take(b->slots, compressed_limit(b->writer.bytes), &packed);
    int rc = compress_body(b, &packed, err);
    if (rc == 0) rc = pack(b, &packed, wanted, err);
    kfk_slots_scratch_give(b->slots, &packed);
    if (rc == 0) measure(&b->body, true);
    return rc;
}

/* ---- message sets ------------------------------------------------------------------------------------------------ */

/* Appends the records as a message set to `out`, which has room for them. */
static int write_set(const kfk_produce_batch *b, int8_t magic, kfk_record_v1_writer *w, kfk_buf *out, kfk_error *err)
{
    kfk_produce_walk walk;
    kfk_record r;
    void *side;
    size_t most = b->payload + (size_t)b->writer.count * KFK_RECORD_V1_MOST;
    void *room = kfk_buf_reserve(out, most);
    if (room == NULL) return no_memory(b, "convert", err);
    kfk_record_v1_writer_init(w, magic, room, most);
    int rc = kfk_produce_walk_init(&walk, b, err);
    while (rc == 0 && kfk_produce_walk_next(&walk, &r, &side)) {
        if (r.header_count > 0)
            rc = kfk_error_set(err, KAFKA_EVERSION, "headers need Kafka 0.11, the broker is older");
        else if (kfk_record_v1_append(w, r.timestamp, r.key, r.value) != 0)
            rc = kfk_error_set(err, KAFKA_ETOOBIG, "the messages do not fit into a message set");
    }
    kfk_produce_walk_fini(&walk);
    if (rc == 0) kfk_buf_commit(out, kfk_record_v1_writer_size(w));
    return rc;
}

/* The set as it goes out, in `out`; `plain` is used on the way. */
static int make_set(const kfk_produce_batch *b, int8_t magic, kfk_buf *plain, kfk_buf *out, kfk_error *err)
{
    kfk_record_v1_writer w;
    if (b->codec == KFK_CODEC_NONE) return write_set(b, magic, &w, out, err);
    int rc = write_set(b, magic, &w, plain, err);
    return rc != 0 ? rc : kfk_record_v1_wrap(&w, b->codec, b->level, out, err);
}

int kfk_seal_set(kfk_produce_batch *b, int8_t magic, kfk_error *err)
{
    kfk_buf plain, out;
    kfk_produce_body set = {0};
    if (b->set.chain != NULL && b->set_magic == magic) return 0;
    if (b->codec == KFK_CODEC_ZSTD)
        return kfk_error_set(err, KAFKA_EVERSION, "zstd needs Kafka 2.1, the broker is older");
    size_t most = b->payload + ((size_t)b->writer.count + 1) * KFK_RECORD_V1_MOST;
    kfk_slots_scratch_take(b->slots, most, &plain);
    kfk_slots_scratch_take(b->slots, compressed_limit(most), &out);
    int rc = make_set(b, magic, &plain, &out, err);
    if (rc == 0 && copy_to_chain(b->slots, &out, &set.chain) != 0) rc = no_memory(b, "convert", err);
    kfk_slots_scratch_give(b->slots, &out);
    kfk_slots_scratch_give(b->slots, &plain);
    if (rc != 0) return rc;
    kfk_slots_give(b->slots, b->set.chain);
    measure(&set, false);
    b->set = set;
    b->set_magic = magic;
    return 0;
}
