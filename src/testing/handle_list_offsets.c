/* ListOffsets, versions 0 to 11, as Kafka 4.3 serves it: first (-2), last (-1), by time, and that of the largest time
 * (-3, KIP-734). The earliest local offset (-4) is the first one, the last tiered one (-5) and the earliest that waits
 * for its upload (-6) are none: nothing is tiered. A partition that is named twice is refused each time.
 *
 * Known gaps: version 0 gives one offset, whatever max_num_offsets is; without transactions both isolation levels end
 * at the high watermark; records that were deleted no longer have the largest time, where Kafka may tell one of them as
 * long as its segment is there. -1 (a batch that cannot be read again, for want of memory) is unproven. */
#include "testing/handlers.h"
#include "wire/gen/list_offsets.h"

enum {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,
    EARLIEST_LOCAL = -4,
    LATEST_TIERED = -5,
    EARLIEST_PENDING_UPLOAD = -6
};

/* May this version ask for that time? */
static bool is_known(int64_t wanted, int16_t version)
{
    switch (wanted) {
    case LATEST:
    case EARLIEST: return true;
    case MAX_TIMESTAMP: return version >= 7;
    case EARLIEST_LOCAL: return version >= 8;
    case LATEST_TIERED: return version >= 9;
    case EARLIEST_PENDING_UPLOAD: return version >= 11;
    default: return wanted >= 0;
    }
}

static int16_t look_up(const kft_partition *p, int64_t wanted, kfk_list_offsets_response_partition *out)
{
    const kft_log *l = &p->log;
    int code = 0;
    switch (wanted) {
    case LATEST:
        out->offset = l->high_watermark;
        out->leader_epoch = p->leader_epoch;
        break;
    case EARLIEST:
    case EARLIEST_LOCAL:
        out->offset = l->start;
        out->leader_epoch = l->count > 0 ? kft_log_at(l, 0)->leader_epoch : p->leader_epoch;
        break;
    case MAX_TIMESTAMP:
        code = kft_log_offset_of_max_time(l, l->high_watermark, &out->offset, &out->timestamp, &out->leader_epoch);
        break;
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD: break;
    default:
        code = kft_log_offset_for_time(l, wanted, l->high_watermark, &out->offset, &out->timestamp, &out->leader_epoch);
    }
    return code == 0 ? 0 : KAFKA_ERR_UNKNOWN;
}

static kft_key *mark_partitions(kft_ask *ask, const kfk_list_offsets_request *r)
{
    size_t count = 0, n = 0;
    for (int32_t i = 0; i < r->topics.count; i++) count += (size_t)r->topics.items[i].partitions.count;
    kft_key *keys = kfk_arena_array(&ask->asked, count, sizeof *keys);
    for (int32_t i = 0; keys && i < r->topics.count; i++) {
        const kfk_list_offsets_request_topic *t = &r->topics.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++)
            keys[n++] = (kft_key){.name = t->name, .number = t->partitions.items[k].partition_index};
    }
    if (keys) kft_keys_mark(keys, (int32_t)count);
    return keys;
}

static bool fill_partition(kft_ask *ask, kafka_bytes topic, const kfk_list_offsets_request_partition *asked, bool twice,
                           kfk_list_offsets_response_partition *out)
{
    kft_partition *p = kft_ask_led(ask, topic, asked->partition_index, asked->current_leader_epoch, &out->error_code);
    out->partition_index = asked->partition_index;
    if (twice)
        out->error_code = KAFKA_ERR_INVALID_REQUEST;
    else if (!is_known(asked->timestamp, ask->version))
        out->error_code = KAFKA_ERR_UNSUPPORTED_VERSION;
    else if (p)
        out->error_code = look_up(p, asked->timestamp, out);
    if (ask->version < 4) out->leader_epoch = -1;
    if (ask->version > 0) return true;
    int64_t *items = kfk_arena_array(&ask->arena, 1, sizeof *items);
    if (!items) return false;
    items[0] = out->offset;
    out->old_style_offsets = (kfk_int64_array){items, out->offset >= 0};
    out->offset = out->timestamp = -1;
    return true;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_list_offsets_request *r = ask->request;
    kfk_list_offsets_response *a = ask->answer;
    const kft_key *key = mark_partitions(ask, r);
    if (!key || !KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_list_offsets_request_topic *t = &r->topics.items[i];
        kfk_list_offsets_response_topic *out = &a->topics.items[i];
        out->name = t->name;
        if (!KFT_ARRAY(ask, &out->partitions, "topics.partitions", t->partitions.count)) return KFT_HANG_UP;
        for (int32_t k = 0; k < t->partitions.count; k++) {
            if (!fill_partition(ask, t->name, &t->partitions.items[k], key++->twice, &out->partitions.items[k]))
                return KFT_HANG_UP;
        }
    }
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid by_name;
    const kfk_list_offsets_request *r = ask->request;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_list_offsets_request_topic *t = &r->topics.items[i];
        if (!kft_ask_names_topic(ask, topic, t->name, &by_name)) continue;
        for (int32_t k = 0; k < t->partitions.count; k++) {
            if (partition == -1 || t->partitions.items[k].partition_index == partition) return true;
        }
    }
    return false;
}

const kft_handler kft_handle_list_offsets = {
    .api = KFK_API_LIST_OFFSETS, .min_version = 0, .max_version = 11, .handle = handle, .names = names};
