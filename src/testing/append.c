/* Checks in the order of Kafka's UnifiedLog and LogValidator, so that the same bytes get the same code.
 *
 * Known gaps: a batch may inflate to 64 MiB; null in place of records, which a real broker never answers, is refused
 * like no records; codes that follow from a want of memory (-1, 56) cannot be provoked on a real one. */
#include "testing/append.h"
#include "base/crc32c.h"
#include "base/time.h"
#include "testing/session.h"
#include "wire/compress.h"
#include "wire/prim.h"
#include <string.h>

enum { LENGTH_AT = 8, MAGIC_AT = 16, CRC_AT = 17, MAX_TIME_AT = 35 };
enum { ZSTD_PRODUCE = 7, INFLATE_LIMIT = 64 << 20 /* what clients read by default, too */ };

static void refuse(kft_append *out, int16_t code, const char *why)
{
    *out = (kft_append){.code = code, .why = why, .base_offset = -1, .append_time_ms = -1, .log_start = -1};
}

/* Of a header that was refused: is it for its counts, which whoever took the checksum meant? */
static bool is_sealed(kafka_bytes data)
{
    const uint8_t *p = data.data;
    return data.len >= KFK_RECORD_HEADER && p[MAGIC_AT] == 2 &&
           kfk_prim_get_be32(p + LENGTH_AT) == data.len - KFK_RECORD_LENGTH_FROM &&
           kfk_prim_get_be32(p + CRC_AT) == kfk_crc32c(0, p + KFK_RECORD_CRC_FROM, data.len - KFK_RECORD_CRC_FROM);
}

/* The one batch of the data. False: refused. */
static bool take_batch(int16_t version, kafka_bytes data, kfk_batch_header *h, kft_append *out)
{
    int code = data.data ? kfk_record_header_parse(data.data, data.len, h, NULL) : KAFKA_EUNEXPECTED_EOF;
    if (code == KAFKA_EVERSION)
        refuse(out, KAFKA_ERR_INVALID_RECORD, "Produce requests since version 3 hold batches with magic 2.");
    else if (code == KAFKA_ECORRUPT && is_sealed(data))
        refuse(out, KAFKA_ERR_INVALID_RECORD, "The counts in the header of the batch cannot be.");
    else if (code == KAFKA_EUNEXPECTED_EOF || (code == 0 && kfk_batch_size(h) != data.len))
        refuse(out, KAFKA_ERR_INVALID_RECORD, "Produce requests since version 3 hold exactly one batch.");
    else if (code != 0)
        refuse(out, KAFKA_ERR_CORRUPT_MESSAGE, "The header of the batch is damaged.");
    else if (kfk_batch_codec(h) == KFK_CODEC_ZSTD && version < ZSTD_PRODUCE)
        refuse(out, KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE, "zstd needs version 7 of Produce.");
    else
        return true;
    return false;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void record_error(kft_append *out, int32_t index, int16_t code, const char *why)
{
    out->code = code;
    out->why = why;
    if (out->record_error_count < KFT_MOST_RECORD_ERRORS) out->record_errors[out->record_error_count++] = index;
}

static void check_record(const kft_settings *s, const kfk_record *r, int32_t index, int64_t now, kft_append *out)
{
    if (s->compact && !r->key.data)
        record_error(out, index, KAFKA_ERR_INVALID_RECORD, "A compacted topic takes no message without a key.");
    else if (!s->append_time && r->timestamp >= 0 &&
             (r->timestamp - now > s->after_max_ms || now - r->timestamp > s->before_max_ms))
        record_error(out, index, KAFKA_ERR_INVALID_TIMESTAMP,
                     "The time of a message is out of the range that the topic allows.");
}

/* Records that cannot be read are the client's fault, a stream that cannot be inflated is an internal error to
 * Kafka. */
static void refuse_unreadable(const kfk_batch_header *h, kafka_bytes data, int code, kft_append *out)
{
    kfk_buf inflated;
    int stream = 0;
    kfk_buf_init(&inflated, INFLATE_LIMIT);
    if (kfk_batch_codec(h) != KFK_CODEC_NONE && code == KAFKA_ECORRUPT)
        stream = kfk_decompress(kfk_batch_codec(h), (const uint8_t *)data.data + KFK_RECORD_HEADER,
                                kfk_batch_body_size(h), &inflated, NULL);
    kfk_buf_fini(&inflated);
    if (code == KAFKA_ENOMEM)
        refuse(out, KAFKA_ERR_UNKNOWN, "There is no memory for the batch.");
    else if (code == KAFKA_ETOOBIG)
        refuse(out, KAFKA_ERR_UNKNOWN, "The batch inflates to more than 64 MiB.");
    else if (stream != 0 || code == KAFKA_ECODEC)
        refuse(out, KAFKA_ERR_UNKNOWN, "The records of the batch cannot be inflated.");
    else
        refuse(out, KAFKA_ERR_INVALID_RECORD, "The records of the batch cannot be read.");
}

/* Reads every record, as a broker does before it appends. The largest time is that of the records, whatever the header
 * says. */
static bool check_records(const kft_settings *s, kfk_batch_header *h, kafka_bytes data, kft_append *out)
{
    kfk_buf scratch;
    kfk_record_iter it;
    kfk_record r;
    int32_t index = 0;
    int64_t now = kfk_time_wall_ms(), newest = -1;
    kfk_buf_init(&scratch, INFLATE_LIMIT);
    int code = kfk_record_open(h, data.data, &scratch, &it, NULL);
    while (code == 0 && kfk_record_iter_next(&it, &r)) {
        check_record(s, &r, index++, now, out);
        if (r.timestamp > newest) newest = r.timestamp;
    }
    kfk_buf_fini(&scratch);
    h->max_timestamp = newest;
    if (code != 0) refuse_unreadable(h, data, code, out);
    return out->code == 0;
}

static bool check_batch(const kft_partition *p, kfk_batch_header *h, kafka_bytes data, kft_append *out)
{
    const kft_settings *s = &p->topic->settings;
    if (h->base_offset != 0)
        refuse(out, KAFKA_ERR_INVALID_RECORD, "The base offset of a batch that is written is 0.");
    else if (kfk_batch_size(h) > (size_t)s->max_message_bytes)
        refuse(out, KAFKA_ERR_MESSAGE_TOO_LARGE, "The batch is larger than max.message.bytes of the topic.");
    else if (kfk_record_crc_check(h, data.data, NULL) != 0)
        refuse(out, KAFKA_ERR_CORRUPT_MESSAGE, "The checksum of the batch is wrong.");
    else if (kfk_batch_is_control(h))
        refuse(out, KAFKA_ERR_INVALID_RECORD, "Clients do not write control batches.");
    else if (h->record_count < 1 || h->last_offset_delta != h->record_count - 1)
        refuse(out, KAFKA_ERR_INVALID_RECORD, "The offsets of the batch do not fit the number of its records.");
    else if (h->producer_id >= 0 && (h->base_sequence < 0 || h->producer_epoch < 0))
        refuse(out, KAFKA_ERR_INVALID_RECORD, "A batch with a producer id has an epoch and a sequence.");
    else if (kfk_batch_is_transactional(h))
        refuse(out, KAFKA_ERR_INVALID_TXN_STATE, "This cluster has no transactions.");
    else
        return check_records(s, h, data, out);
    return false;
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

/* Idempotent producers: a duplicate is acknowledged, a gap refused. True: append it. */
static bool check_producer(kft_partition *p, const kfk_batch_header *h, kft_append *out)
{
    const kft_producer_batch *duplicate;
    const char *why;
    int16_t code;
    if (h->producer_id < 0) return true;
    switch (kft_producers_check(&p->producers, h, kfk_time_wall_ms(), &duplicate, &code, &why)) {
    case KFT_PRODUCER_APPEND: return true;
    case KFT_PRODUCER_REFUSE: refuse(out, code, why); return false;
    case KFT_PRODUCER_DUPLICATE:
        *out = (kft_append){.base_offset = duplicate->base_offset,
                            .end_offset = duplicate->last_offset + 1,
                            .append_time_ms = duplicate->time_ms, /* with CreateTime, too */
                            .duplicate = true};
        return false;
    }
    return false;
}

/* What the header says of times is made true. */
static void correct_times(const kft_settings *s, kfk_batch_header *h, uint8_t *data)
{
    bool is_true = kfk_prim_get_be64(data + MAX_TIME_AT) == (uint64_t)h->max_timestamp && !kfk_batch_is_append_time(h);
    if (is_true || s->append_time) return; /* the log will stamp it */
    kft_log_stamp(data, h, false, h->max_timestamp);
    h->attributes &= (uint16_t)~KFK_BATCH_LOG_APPEND_TIME;
    h->crc = kfk_prim_get_be32(data + CRC_AT);
}

static void append(kft_ask *ask, kft_partition *p, kfk_batch_header *h, kafka_bytes data, kft_append *out)
{
    int64_t now = kfk_time_wall_ms();
    const kft_settings *s = &p->topic->settings;
    uint8_t *bytes = (uint8_t *)(uintptr_t)data.data;
    correct_times(s, h, bytes);
    int64_t append_time_ms = s->append_time ? now : -1;
    int code = h->producer_id >= 0 ? kft_producers_reserve(&p->producers, h->producer_id) : 0;
    if (code == 0)
        code = kft_log_append(&p->log, ask->frame, bytes, h, p->leader_epoch, append_time_ms, now, &out->base_offset);
    if (code != 0) {
        refuse(out, KAFKA_ERR_KAFKA_STORAGE_ERROR,
               code == KAFKA_ETOOBIG ? "The batch is larger than the memory of the cluster."
                                     : "There is no memory for the batch.");
        return;
    }
    if (h->producer_id >= 0)
        kft_producers_appended(&p->producers, h, out->base_offset, s->append_time ? now : h->max_timestamp);
    out->append_time_ms = append_time_ms;
    out->end_offset = p->log.end;
    kft_partition_retain(p, now);
    kft_partition_replicate(ask->cluster, p);
    kft_session_relieve(ask->cluster);
}

bool kft_append_check(int16_t version, kafka_bytes data, kft_append *out)
{
    kfk_batch_header h;
    *out = (kft_append){.base_offset = -1, .append_time_ms = -1, .log_start = -1};
    return take_batch(version, data, &h, out);
}

void kft_append_records(kft_ask *ask, kft_partition *p, kafka_bytes data, int16_t acks, kft_append *out)
{
    kfk_batch_header h;
    *out = (kft_append){.base_offset = -1, .append_time_ms = -1, .log_start = -1};
    if (acks == -1 && p->isr_count < kft_partition_min_in_sync(p))
        refuse(out, KAFKA_ERR_NOT_ENOUGH_REPLICAS, "Fewer replicas are in sync than min.insync.replicas.");
    else if (take_batch(ask->version, data, &h, out) && check_batch(p, &h, data, out) && check_producer(p, &h, out) &&
             !ask->dry)
        append(ask, p, &h, data, out);
    if (out->code != KAFKA_ERR_MESSAGE_TOO_LARGE && out->code != KAFKA_ERR_CORRUPT_MESSAGE &&
        out->code != KAFKA_ERR_KAFKA_STORAGE_ERROR)
        out->log_start = p->log.start;
    out->leader_epoch = p->leader_epoch;
}
