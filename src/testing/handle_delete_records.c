/* DeleteRecords, versions 0 to 2, as Kafka 4.3 serves it: the log begins at that offset from now on; -1 is the high
 * watermark.
 *
 * Known gaps: none. */
#include "testing/handlers.h"
#include "wire/gen/delete_records.h"

static void delete_to(kft_ask *ask, kafka_bytes topic, const kfk_delete_records_request_partition *asked,
                      kfk_delete_records_response_partition *out)
{
    kft_partition *p = kft_ask_led(ask, topic, asked->partition_index, -1, &out->error_code);
    out->partition_index = asked->partition_index;
    out->low_watermark = -1;
    if (!p) return;
    int64_t to = asked->offset == -1 ? p->log.high_watermark : asked->offset;
    if (p->topic->settings.compact && !p->topic->settings.deletes)
        out->error_code = KAFKA_ERR_POLICY_VIOLATION;
    else if (to < 0 || to > p->log.high_watermark)
        out->error_code = KAFKA_ERR_OFFSET_OUT_OF_RANGE;
    else if (!ask->dry)
        kft_log_advance_start(&p->log, to);
    if (out->error_code == 0) out->low_watermark = p->log.start;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_delete_records_request *r = ask->request;
    kfk_delete_records_response *a = ask->answer;
    if (!KFT_ARRAY(ask, &a->topics, "topics", r->topics.count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_delete_records_request_topic *t = &r->topics.items[i];
        kfk_delete_records_response_topic *out = &a->topics.items[i];
        out->name = t->name;
        if (!KFT_ARRAY(ask, &out->partitions, "topics.partitions", t->partitions.count)) return KFT_HANG_UP;
        for (int32_t k = 0; k < t->partitions.count; k++)
            delete_to(ask, t->name, &t->partitions.items[k], &out->partitions.items[k]);
    }
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid by_name;
    const kfk_delete_records_request *r = ask->request;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_delete_records_request_topic *t = &r->topics.items[i];
        if (!kft_ask_names_topic(ask, topic, t->name, &by_name)) continue;
        for (int32_t k = 0; k < t->partitions.count; k++) {
            if (partition == -1 || t->partitions.items[k].partition_index == partition) return true;
        }
    }
    return false;
}

const kft_handler kft_handle_delete_records = {
    .api = KFK_API_DELETE_RECORDS, .min_version = 0, .max_version = 2, .handle = handle, .names = names};
