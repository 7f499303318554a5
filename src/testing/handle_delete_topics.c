/* DeleteTopics, versions 0 to 6, as Kafka 4.3 serves it: by name, from version 6 on by id, too. A topic is gone at
 * once. One that a request names twice is refused, and told once.
 *
 * Known gaps: none. */
#include "testing/handlers.h"
#include "wire/gen/delete_topics.h"
#include <string.h>

static const kfk_uuid no_id;

static bool has_id(const kfk_delete_topics_request_topic *t)
{
    return memcmp(&t->topic_id, &no_id, sizeof no_id) != 0;
}

static kft_topic *find(kft_ask *ask, const kfk_delete_topics_request_topic *named)
{
    return kft_topic_find_any(&ask->cluster->topics, named->name, &named->topic_id);
}

/* Topics that are there count by their name, however they are named. */
static kft_key *mark(kft_ask *ask, const kfk_delete_topics_request_topic *all, int32_t count)
{
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)count, sizeof *keys);
    for (int32_t i = 0; keys && i < count; i++) {
        const kft_topic *t = find(ask, &all[i]);
        keys[i] = t                  ? (kft_key){.name = kafka_str(t->name)}
                  : all[i].name.data ? (kft_key){.name = all[i].name}
                                     : (kft_key){.name = {all[i].topic_id.bytes, sizeof no_id.bytes}, .number = 1};
    }
    if (keys) kft_keys_mark(keys, count);
    return keys;
}

static int16_t refuse(kft_ask *ask, kfk_delete_topics_response_topic *out, int16_t code, const char *why)
{
    out->error_message = kft_ask_text(ask, why);
    return code;
}

static int16_t check(kft_ask *ask, const kfk_delete_topics_request_topic *named, bool twice,
                     kfk_delete_topics_response_topic *out)
{
    if (has_id(named) && named->name.data)
        return refuse(ask, out, KAFKA_ERR_INVALID_REQUEST, "A topic is named by its name or by its id, not by both.");
    if (!has_id(named) && !named->name.data)
        return refuse(ask, out, KAFKA_ERR_INVALID_REQUEST,
                      "A topic is named by its name or by its id, not by neither.");
    if (twice) return refuse(ask, out, KAFKA_ERR_INVALID_REQUEST, "The request names the topic twice.");
    if (find(ask, named)) return 0;
    return refuse(ask, out, has_id(named) ? KAFKA_ERR_UNKNOWN_TOPIC_ID : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                  "There is no such topic.");
}

/* The topics of the request in any version; NULL without memory. */
static const kfk_delete_topics_request_topic *all_of(kft_ask *ask, int32_t *count)
{
    const kfk_delete_topics_request *r = ask->request;
    *count = ask->version >= 6 ? r->topics.count : r->topic_names.count;
    if (ask->version >= 6 && *count > 0) return r->topics.items;
    kfk_delete_topics_request_topic *all = kfk_arena_array(&ask->asked, (size_t)*count, sizeof *all);
    for (int32_t i = 0; all && i < *count; i++)
        all[i] = (kfk_delete_topics_request_topic){.name = r->topic_names.items[i]};
    return all;
}

static kft_outcome handle(kft_ask *ask)
{
    kfk_delete_topics_response *a = ask->answer;
    int32_t count, told = 0;
    const kfk_delete_topics_request_topic *all = all_of(ask, &count);
    const kft_key *keys = all ? mark(ask, all, count) : NULL;
    if (!keys || !KFT_ARRAY(ask, &a->responses, "responses", count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < count; i++) { /* all are looked at before any is deleted */
        if (keys[i].again) continue;
        kfk_delete_topics_response_topic *out = &a->responses.items[told++];
        out->name = all[i].name;
        out->topic_id = all[i].topic_id;
        out->error_code = check(ask, &all[i], keys[i].twice, out);
        if (out->error_code != 0) continue;
        const kft_topic *t = find(ask, &all[i]);
        out->name = kft_ask_text(ask, t->name);
        out->topic_id = t->id;
    }
    a->responses.count = told;
    for (int32_t i = 0; i < told && !ask->dry; i++) {
        if (a->responses.items[i].error_code == 0)
            kft_topic_delete(ask->cluster, kft_topic_find_id(&ask->cluster->topics, &a->responses.items[i].topic_id));
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
