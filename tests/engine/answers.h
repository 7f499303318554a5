/* answers: Metadata answers for tests of the tables, written down as they are meant. */
#ifndef KAFKA_TESTS_ENGINE_ANSWERS_H
#define KAFKA_TESTS_ENGINE_ANSWERS_H
#include "engine/topics.h"
#include <string.h>

enum { ANSWER_TOPICS = 8, ANSWER_PARTITIONS = 16, ANSWER_BROKERS = 16 };

typedef struct answer {
    kfk_metadata_response message;
    kfk_metadata_response_broker brokers[ANSWER_BROKERS];
    kfk_metadata_response_topic topics[ANSWER_TOPICS];
    kfk_metadata_response_partition partitions[ANSWER_TOPICS][ANSWER_PARTITIONS];
} answer;

static inline kfk_uuid answer_id(uint8_t id)
{
    return (kfk_uuid){.bytes = {[15] = id}};
}

static inline void answer_broker(answer *a, int32_t id, const char *host, int32_t port)
{
    kfk_metadata_response *m = &a->message;
    m->brokers.items = a->brokers;
    a->brokers[m->brokers.count++] =
        (kfk_metadata_response_broker){.node_id = id, .host = kafka_str(host), .port = port};
}

/* Brokers 1, 2 and 3 at h1:1, h2:1, h3:1. */
static inline void answer_init(answer *a)
{
    memset(a, 0, sizeof *a);
    answer_broker(a, 1, "h1", 1);
    answer_broker(a, 2, "h2", 1);
    answer_broker(a, 3, "h3", 1);
}

/* A topic with this id (0 = none) without partitions so far. */
static inline kfk_metadata_response_topic *answer_topic(answer *a, const char *name, uint8_t id)
{
    kfk_metadata_response *m = &a->message;
    m->topics.items = a->topics;
    kfk_metadata_response_topic *t = &a->topics[m->topics.count];
    *t = (kfk_metadata_response_topic){.name = kafka_str(name), .topic_id = answer_id(id)};
    t->partitions.items = a->partitions[m->topics.count++];
    return t;
}

static inline kfk_metadata_response_partition *answer_partition(kfk_metadata_response_topic *t, int32_t index,
                                                                int32_t leader, int32_t epoch)
{
    static int32_t replicas[] = {1, 2, 3};
    kfk_metadata_response_partition *p = &t->partitions.items[t->partitions.count++];
    *p = (kfk_metadata_response_partition){.partition_index = index,
                                           .leader_id = leader,
                                           .leader_epoch = epoch,
                                           .replica_nodes = {replicas, 3},
                                           .error_code = leader < 0 ? KAFKA_ERR_LEADER_NOT_AVAILABLE : 0};
    return p;
}

#endif
