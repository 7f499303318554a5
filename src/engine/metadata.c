/* See the header. The answer stays the request's own; what is wanted of it is copied by the callers. */
#include "engine/metadata.h"
#include "net/address.h"
#include <string.h>

enum { LONGEST_TOPIC = 249 };

int kfk_metadata_prepare(kfk_request *r, kfk_metadata_request *message, kfk_metadata_response *answer,
                         kfk_arena *memory, const char *const *topics, size_t count, bool all)
{
    r->min_version = 1; /* the first that tells "all topics" from "none" */
    r->message = message;
    r->response = answer;
    kfk_codec_default(r->api->request, message);
    message->topics.count = all ? -1 : (int32_t)count;
    if (count == 0) return 0;
    if (!(message->topics.items = kfk_arena_array(memory, count, sizeof *message->topics.items))) return KAFKA_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(topics[i]);
        char *name = kfk_arena_alloc(memory, len + 1);
        if (!name) return KAFKA_ENOMEM;
        memcpy(name, topics[i], len + 1);
        message->topics.items[i].name = (kafka_bytes){name, len};
    }
    return 0;
}

bool kfk_metadata_topic_is_sane(kafka_bytes name)
{
    const char *p = name.data;
    if (!p || name.len == 0 || name.len > LONGEST_TOPIC || (name.len <= 2 && memcmp(p, "..", name.len) == 0))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        bool letter = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') || (p[i] >= '0' && p[i] <= '9');
        if (!letter && p[i] != '.' && p[i] != '_' && p[i] != '-') return false;
    }
    return true;
}

bool kfk_metadata_partition_is_sane(int32_t index)
{
    return index >= 0 && index <= KFK_METADATA_LAST_PARTITION;
}

bool kfk_metadata_broker_is_sane(const kfk_metadata_response_broker *b)
{
    char host[KFK_HOST_MAX + 1];
    if (b->node_id < 0 || b->port < 1 || b->port > 65535 || b->host.len == 0 || b->host.len > KFK_HOST_MAX)
        return false;
    memcpy(host, b->host.data, b->host.len);
    host[b->host.len] = '\0';
    return strlen(host) == b->host.len && kfk_host_is_valid(host);
}

int32_t kfk_metadata_broker_count(const kfk_metadata_response *r)
{
    int32_t count = r->brokers.count < KFK_METADATA_MOST_BROKERS ? r->brokers.count : KFK_METADATA_MOST_BROKERS;
    return count > 0 ? count : 0;
}

const kfk_metadata_response_topic *kfk_metadata_topic(const kfk_metadata_response *r, kafka_bytes name)
{
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_metadata_response_topic *t = &r->topics.items[i];
        if (t->name.data && t->name.len == name.len && memcmp(t->name.data, name.data, name.len) == 0) return t;
    }
    return NULL;
}
