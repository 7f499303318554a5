/* What producers send, as brokers get it, copy by copy (B01, B04). Under one producer id and epoch, in one partition, a
 * sequence belongs to one record for ever, the first is 0, and a batch that comes again has the bytes that it had
 * before: then a broker that took the first copy may say that it has the second. Looked at is every Produce that can be
 * read and is whole, whatever becomes of it. */
#include "sim/world_impl.h"
#include "testing/cluster.h"
#include "testing/handler.h"
#include "wire/api.h"
#include "wire/gen/produce.h"
#include "wire/record.h"
#include <string.h>

static uint64_t hash_of(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *at = data;
    for (uint64_t word; len >= sizeof word; len -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    while (len-- > 0) hash = (hash ^ *at++) * UINT64_C(1099511628211);
    return hash;
}

static bool is_same_row(const world_sent *a, const world_sent *b)
{
    return a->producer_id == b->producer_id && a->epoch == b->epoch && a->topic == b->topic &&
           a->partition == b->partition;
}

/* Sequences begin at 0 again behind the largest one. */
static bool overlap(const world_sent *a, const world_sent *b)
{
    return ((b->base - a->base) & INT32_MAX) < a->records || ((a->base - b->base) & INT32_MAX) < b->records;
}

/* A batch that was on its way when its topic was made anew goes on in the new one, as it was. */
static bool comes_from_another_topic(const world *w, const world_sent *now)
{
    for (size_t i = 0; i < w->sent_count; i++) {
        const world_sent *old = &w->sent[i];
        if (old->hash == now->hash && old->partition == now->partition && old->base == now->base) return true;
    }
    return false;
}

static void compare(const world *w, const world_sent *old, const world_sent *now)
{
    if (old->base != now->base || old->records != now->records)
        sim_fail(w->sim, "sequence-twice: partition %d, epoch %d: %d records from %d on, and before %d from %d on",
                 (int)now->partition, (int)now->epoch, (int)now->records, (int)now->base, (int)old->records,
                 (int)old->base);
    else if (old->hash != now->hash)
        sim_fail(w->sim, "other-bytes: partition %d, epoch %d, sequence %d: a batch comes again and is another one",
                 (int)now->partition, (int)now->epoch, (int)now->base);
    else
        sim_sometimes(w->sim, WORLD_SAME_BYTES);
}

static void saw_batch(world *w, const world_sent *now)
{
    bool is_new = true;
    for (size_t i = w->sent_count; i-- > 0;) {
        const world_sent *old = &w->sent[i];
        if (!is_same_row(old, now)) continue;
        is_new = false;
        if (!overlap(old, now)) continue;
        compare(w, old, now);
        return;
    }
    if (is_new && now->base != 0 && !w->sequences_set && !comes_from_another_topic(w, now))
        sim_fail(w->sim, "sequence-begins: partition %d, epoch %d: at %d in place of 0", (int)now->partition,
                 (int)now->epoch, (int)now->base);
    if (w->sent_count == WORLD_SENT) {
        sim_fail(w->sim, "more than %d batches", WORLD_SENT);
        return;
    }
    w->sent[w->sent_count++] = *now;
}

/* Requests of the simulation are decoded where they lie: the records are one piece. */
static void saw(void *arg, const struct kft_ask *ask)
{
    world *w = arg;
    if (ask->api->key != KFK_API_PRODUCE || ask->version < 3) return;
    const kfk_produce_request *r = ask->request;
    for (int32_t i = 0; i < r->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &r->topic_data.items[i];
        uint64_t topic = hash_of(hash_of(1, t->name.data, t->name.len), &t->topic_id, sizeof t->topic_id);
        for (int32_t k = 0; k < t->partition_data.count; k++) {
            kafka_bytes batch = t->partition_data.items[k].records.bytes;
            kfk_batch_header h;
            if (kfk_record_header_parse(batch.data, batch.len, &h, NULL) != 0 || h.producer_id < 0) continue;
            if (kfk_record_crc_check(&h, batch.data, NULL) != 0) continue; /* the network garbles */
            saw_batch(w, &(world_sent){.producer_id = h.producer_id,
                                       .epoch = h.producer_epoch,
                                       .topic = topic,
                                       .partition = t->partition_data.items[k].index,
                                       .base = h.base_sequence,
                                       .records = h.record_count,
                                       .hash = hash_of(1, batch.data, batch.len)});
        }
    }
}

void world_wire_begin(world *w)
{
    w->cluster->sees = saw;
    w->cluster->sees_arg = w;
}

void world_forget_sequences(world *w)
{
    w->sent_count = 0;
    w->sequences_set = true;
}
