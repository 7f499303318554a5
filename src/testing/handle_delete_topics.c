/* DeleteTopics, versions 0 to 6, as Kafka 4.3 serves it: by name, from version 6 on by id, too. A topic is gone at once.
 *
 * Known gaps: none. */
#include "testing/handlers.h"
#include "wire/gen/delete_topics.h"
#include <string.h>

static void delete_one(kft_ask *ask, kafka_bytes name, const kfk_uuid *id, kfk_delete_topics_response_topic *out)
{
    static const kfk_uuid none;
    bool by_id = memcmp(id, &none, sizeof none) != 0;
    kft_topic *t = kft_topic_find_any(&ask->cluster->topics, name, id);
    out->name = name;
    out->topic_id = *id;
    if (by_id && name.data) {
        out->error_code = KAFKA_ERR_INVALID_REQUEST;
        out->error_message = kft_ask_text(ask, "A topic is named by its name or by its id, not by both.");
    } else if (!t) {
        out->error_code = by_id ? KAFKA_ERR_UNKNOWN_TOPIC_ID : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = kft_ask_text(ask, "There is no such topic.");
    } else {
        out->name = kft_ask_text(ask, t->name);
        out->topic_id = t->id;
        if (!ask->dry) kft_topic_delete(ask->cluster, t);
    }
}

static kft_outcome handle(kft_ask *ask)
{
    static const kfk_uuid none;
    const kfk_delete_topics_request *r = ask->request;
    kfk_delete_topics_response *a = ask->answer;
    int32_t count = ask->version >= 6 ? r->topics.count : r->topic_names.count;
    if (!KFT_ARRAY(ask, &a->responses, "responses", count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < count; i++) {
        if (ask->version >= 6)
            delete_one(ask, r->topics.items[i].name, &r->topics.items[i].topic_id, &a->responses.items[i]);
        else
            delete_one(ask, r->topic_names.items[i], &none, &a->responses.items[i]);
    }
    return KFT_ANSWER;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    static const kfk_uuid none;
    const kfk_delete_topics_request *r = ask->request;
    if (partition != -1) return false;
    for (int32_t i = 0; i < r->topics.count; i++) {
        if (kft_ask_names_topic(ask, topic, r->topics.items[i].name, &r->topics.items[i].topic_id)) return true;
    }
    for (int32_t i = 0; i < r->topic_names.count; i++) {
        if (kft_ask_names_topic(ask, topic, r->topic_names.items[i], &none)) return true;
    }
    return false;
}

const kft_handler kft_handle_delete_topics = {
    .api = KFK_API_DELETE_TOPICS, .min_version = 0, .max_version = 6, .handle = handle, .names = names};
