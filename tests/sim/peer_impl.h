/* peer_impl: what the files of the peer share. Not for tests. */
#ifndef KAFKA_TESTS_SIM_PEER_IMPL_H
#define KAFKA_TESTS_SIM_PEER_IMPL_H
#include "base/arena.h"
#include "sim/peer.h"
#include "wire/frame.h"

enum { PEER_BROKERS = 8, PEER_TOPICS = 16, PEER_PARTITIONS = 16, PEER_API_KEYS = 128 };

typedef struct peer_batch {
    int64_t base, last, max_timestamp; /* offsets, and the newest record's time */
    size_t at, size;
} peer_batch;

typedef struct peer_log {
    int32_t leader, epoch;
    int64_t end;
    uint8_t *bytes;
    size_t len, cap;
    peer_batch *batches;
    size_t batch_count, batch_cap;
} peer_log;

typedef struct peer_topic {
    bool exists;
    char name[250];
    kfk_uuid id;
    int32_t count;
    peer_log logs[PEER_PARTITIONS];
} peer_topic;

struct peer_cluster {
    sim *sim;
    peer *brokers[PEER_BROKERS];
    size_t broker_count;
    peer_topic topics[PEER_TOPICS];
    int32_t coordinator;
    int64_t next_producer_id;
    kfk_list waiting; /* Fetch requests that wait for data: peer_session.waiting */
};

typedef struct peer_versions {
    int16_t min, max;
} peer_versions;

struct peer {
    peer_cluster *cluster;
    int32_t id, port;
    char host[KFK_HOST_MAX + 1];
    sim_route *route;
    const peer_step *steps;
    size_t step_count, next_step;
    peer_versions versions[PEER_API_KEYS];
    int64_t delay_us, last_request_us;
    int32_t throttle_ms;
    bool frozen;
    unsigned mischief;
    peer_edit *edit;
    void *edit_arg;
    int requests[PEER_API_KEYS], all_requests;
    int16_t last_version[PEER_API_KEYS];
};

/* log.c */
peer_log *peer_log_of(peer_cluster *c, const peer_topic *t, int32_t partition);
peer_topic *peer_topic_by_name(const peer_cluster *c, kafka_bytes name);
peer_topic *peer_topic_by_id(const peer_cluster *c, const kfk_uuid *id);
peer_topic *peer_topic_create(peer_cluster *c, kafka_bytes name, int32_t partitions, int32_t leader);
void peer_topic_delete(peer_topic *t);
/* Appends a batch; its base offset is set. 0 with *base, or a Kafka error code. */
int16_t peer_log_append(peer_cluster *c, peer_log *log, const void *batch, size_t len, int64_t *base);
/* The bytes from the batch that holds the offset on. */
const uint8_t *peer_log_from(const peer_log *log, int64_t offset, size_t *len, size_t *first_batch);

/* peer_apis.c: fills the answer. `code` != 0: says that everywhere, and changes nothing. False: it is to be asked again
 * at *until_us, or when the cluster got data. */
bool peer_answer(peer *p, const kfk_api *api, int16_t version, const void *request, int16_t code, int64_t asked_us,
                 kfk_arena *a, void *answer, int64_t *until_us);
/* Data came: who waits is asked again. (peer.c) */
void peer_wake_waiting(peer_cluster *c);

#endif
