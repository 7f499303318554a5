/* Reading a partition for a fetch: who may, from where, and how much.
 *
 * Only whole batches are sent, where Kafka cuts the last one off at the limit: readers drop such a rest, so they get
 * the same. The first batch of an answer is sent whatever its size (KIP-74). There are no transactions, so the last
 * stable offset is the high watermark. */
#include "testing/fetch_read.h"
#include "base/time.h"

enum { HINTS = 16 /* the version that tells who leads now (KIP-951) */ };

/* KIP-320: did the reader follow a log that is not this one? *unknown: an epoch that never was, or whose offset is
 * gone. */
static bool diverges(const kft_partition *p, const kfk_fetch_request_partition *asked,
                     kfk_fetch_response_partition *out, bool *unknown)
{
    int32_t epoch;
    int64_t end;
    if (asked->last_fetched_epoch < 0) return false;
    kft_log_end_of_epoch(&p->log, asked->last_fetched_epoch, &epoch, &end);
    *unknown = end < 0 || asked->fetch_offset < p->log.start;
    if (*unknown || (epoch == asked->last_fetched_epoch && end >= asked->fetch_offset)) return false;
    out->diverging_epoch = (kfk_fetch_response_epoch_end){epoch, end};
    return true;
}

/* How many batches from `from` on may be sent, and their bytes. */
static size_t batches_that_fit(const kft_log *l, size_t from, size_t most, bool first_free, size_t *bytes)
{
    size_t i = from;
    for (*bytes = 0; i < l->count; i++) {
        const kft_batch *b = kft_log_at(l, i);
        if (b->last_offset >= l->high_watermark) break;
        if (*bytes + b->len > most && !(first_free && i == from)) break;
        *bytes += b->len;
    }
    return i - from;
}

static bool fill_records(kft_ask *ask, const kft_log *l, int64_t offset, size_t most, kft_fetch_room *room,
                         kfk_records *out)
{
    size_t from = kft_log_find(l, offset), bytes;
    size_t count = batches_that_fit(l, from, most < room->bytes ? most : room->bytes, !room->has_first, &bytes);
    struct iovec *parts = kfk_arena_array(&ask->arena, count, sizeof *parts);
    out->bytes = KAFKA_LIT("");
    if (count == 0) return true;
    if (!parts) return false;
    for (size_t i = 0; i < count; i++) {
        const kft_batch *b = kft_log_at(l, from + i);
        if (!kft_ask_hold(ask, b->block)) return false;
        parts[i] = (struct iovec){.iov_base = b->data, .iov_len = b->len};
    }
    out->parts = parts;
    out->part_count = (int32_t)count;
    room->bytes -= bytes < room->bytes ? bytes : room->bytes;
    room->total += bytes;
    room->has_first = true;
    return true;
}

bool kft_fetch_read(kft_ask *ask, kft_partition *p, int16_t missing, const kfk_fetch_request_partition *asked,
                    kft_fetch_room *room, kfk_fetch_response_partition *out)
{
    out->high_watermark = -1;
    out->records.bytes = KAFKA_LIT("");
    out->aborted_transactions.count = !p ? 0 : -1;
    if (p) kft_partition_retain(p, kfk_time_wall_ms());
    if (!p) {
        out->error_code = missing;
    } else if (p->leader != ask->node->id) {
        out->error_code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
        if (ask->version >= HINTS) out->current_leader = (kfk_fetch_response_leader){p->leader, p->leader_epoch};
    } else if ((out->error_code = kft_partition_check_epoch(p, asked->current_leader_epoch)) != 0) {
        if (ask->version >= HINTS && out->error_code == KAFKA_ERR_FENCED_LEADER_EPOCH)
            out->current_leader = (kfk_fetch_response_leader){p->leader, p->leader_epoch};
    } else {
        out->high_watermark = out->last_stable_offset = p->log.high_watermark;
        out->log_start_offset = p->log.start;
        bool unknown = false;
        if (diverges(p, asked, out, &unknown)) return true;
        if (unknown || asked->fetch_offset < p->log.start || asked->fetch_offset > p->log.end) {
            out->error_code = KAFKA_ERR_OFFSET_OUT_OF_RANGE;
            out->high_watermark = out->last_stable_offset = out->log_start_offset = -1;
        } else {
            if (room->committed) out->aborted_transactions.count = 0;
            size_t most = asked->partition_max_bytes > 0 ? (size_t)asked->partition_max_bytes : 0;
            return fill_records(ask, &p->log, asked->fetch_offset, most, room, &out->records);
        }
    }
    return true;
}
