/* produce_answer.c: one pass over the request, which makes the tables, and one over the answer.
 *
 * The topics' hash is not keyed, so a broker could choose ids that collide. That is why no more topics of an answer are
 * looked at than an honest one can have. Partitions are looked up by numbers of our own request, which nobody else
 * chooses. */
#include "engine/produce_answer.h"
#include "base/fnv1a.h"
#include <string.h>

/* Each topic stands in an answer once; so many more are looked at as if it were otherwise. */
enum { TOPICS_TIMES = 2, TOPICS_BESIDE = 16 };

/* One of `count` places. */
static int32_t place(uint32_t hash, int32_t count)
{
    return (int32_t)(((uint64_t)(hash * 0x9E3779B1u) * (uint64_t)count) >> 32);
}

static int32_t place_of_topic(kafka_bytes name, const kfk_uuid *id, bool by_id, int32_t count)
{
    return place(by_id ? kfk_fnv1a(id, sizeof *id) : kfk_fnv1a(name.data, name.len), count);
}

static int32_t place_of_partition(int32_t topic, int32_t index, int32_t count)
{
    return place((uint32_t)topic * 0x85EBCA6Bu + (uint32_t)index, count);
}

static bool same_topic(const kfk_produce_request_topic *asked, const kfk_produce_response_topic *said, bool by_id)
{
    if (by_id) return memcmp(&asked->topic_id, &said->topic_id, sizeof asked->topic_id) == 0;
    return asked->name.len == said->name.len && memcmp(asked->name.data, said->name.data, said->name.len) == 0;
}

static void make_tables(const kfk_produce_request_topic *topics, int32_t topic_count, bool by_id, kfk_produce_match *m,
                        int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        m[i].answer = NULL;
        m[i].head = m[i].topic_head = -1;
    }
    for (int32_t i = 0; i < topic_count; i++) {
        int32_t *head = &m[place_of_topic(topics[i].name, &topics[i].topic_id, by_id, count)].topic_head;
        m[i].topic_next = *head;
        *head = i;
    }
    for (int32_t i = 0; i < count; i++) {
        int32_t *head = &m[place_of_partition(m[i].topic, m[i].index, count)].head;
        m[i].next = *head;
        *head = i;
    }
}

/* -1: nobody asked for it. */
static int32_t find_topic(const kfk_produce_request_topic *topics, bool by_id, const kfk_produce_response_topic *said,
                          const kfk_produce_match *m, int32_t count)
{
    if (!by_id && said->name.len == 0) return -1;
    int32_t at = m[place_of_topic(said->name, &said->topic_id, by_id, count)].topic_head;
    while (at >= 0 && !same_topic(&topics[at], said, by_id)) at = m[at].topic_next;
    return at;
}

static void take(const kfk_produce_response_partition *said, int32_t topic, kfk_produce_match *m, int32_t count)
{
    int32_t at = m[place_of_partition(topic, said->index, count)].head;
    while (at >= 0 && (m[at].topic != topic || m[at].index != said->index)) at = m[at].next;
    if (at >= 0 && !m[at].answer) m[at].answer = said;
}

void kfk_produce_answer_match(const kfk_produce_request_topic *topics, int32_t topic_count, bool by_id,
                              const kfk_produce_response *answer, kfk_produce_match *matches, int32_t count)
{
    if (count == 0) return;
    make_tables(topics, topic_count, by_id, matches, count);
    int32_t most = topic_count * TOPICS_TIMES + TOPICS_BESIDE;
    for (int32_t i = 0; i < answer->responses.count && i < most; i++) {
        const kfk_produce_response_topic *said = &answer->responses.items[i];
        int32_t topic = find_topic(topics, by_id, said, matches, count);
        if (topic < 0) continue;
        for (int32_t j = 0; j < said->partition_responses.count; j++)
            take(&said->partition_responses.items[j], topic, matches, count);
    }
}
