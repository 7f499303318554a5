/* OffsetForLeaderEpoch, versions 0 to 4, as Kafka 4.3 serves versions 2 to 4 (KIP-320).
 *
 * Known gaps: none. The end of the newest epoch is that of the log, not the high watermark. */
#include "testing/handlers.h"
#include "wire/gen/offset_for_leader_epoch.h"

static void fill_partition(kft_ask *ask, kafka_bytes topic, const kfk_offset_for_leader_epoch_request_partition *asked,
                           kfk_offset_for_leader_epoch_response_partition *out)
{
    kft_partition *p = kft_ask_led(ask, topic, asked->partition, asked->current_leader_epoch, &out->error_code);
    out->partition = asked->partition;
    if (p && asked->leader_epoch >= 0)
        kft_log_end_of_epoch(&p->log, asked->leader_epoch, &out->leader_epoch, &out->end_offset);
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_offset_for_leader_epoch_request *r = ask->request;
    kfk_offset_for_leader_epoch_response *a = ask->answer;
    if (!KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_offset_for_leader_epoch_request_topic *t = &r->topics.items[i];
        kfk_offset_for_leader_epoch_response_topic *out = &a->topics.items[i];
        out->topic = t->topic;
        if (!KFT_ARRAY(ask, &out->partitions, "topics.partitions", t->partitions.count)) return KFT_HANG_UP;
        for (int32_t k = 0; k < t->partitions.count; k++)
            fill_partition(ask, t->topic, &t->partitions.items[k], &out->partitions.items[k]);
    }
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid by_name;
    const kfk_offset_for_leader_epoch_request *r = ask->request;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_offset_for_leader_epoch_request_topic *t = &r->topics.items[i];
        if (!kft_ask_names_topic(ask, topic, t->topic, &by_name)) continue;
        for (int32_t k = 0; k < t->partitions.count; k++) {
            if (partition == -1 || t->partitions.items[k].partition == partition) return true;
        }
    }
    return false;
}

const kft_handler kft_handle_offset_for_leader_epoch = {
    .api = KFK_API_OFFSET_FOR_LEADER_EPOCH, .min_version = 0, .max_version = 4, .handle = handle, .names = names};
