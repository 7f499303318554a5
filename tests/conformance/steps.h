/* steps.h: the requests that tests send most: to one partition, with everything else as usual. What they return is a
 * copy but for what points into the client's last answer. */
#ifndef KAFKA_TESTS_CONFORMANCE_STEPS_H
#define KAFKA_TESTS_CONFORMANCE_STEPS_H
#include "conformance/suite.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/produce.h"

/* Writes to a partition in version 12 with acks = all, by name; or as told. */
typedef struct produce_how {
    int16_t version; /* 0 = 12 */
    int16_t acks;    /* ACKS_... */
    int32_t timeout_ms;
    kafka_bytes transactional_id;
} produce_how;
enum { ACKS_ALL = 0, ACKS_LEADER = 1, ACKS_WRONG = 2 };

kfk_produce_response_partition produce(client *c, const topic *t, int32_t partition, kafka_bytes records);
kfk_produce_response_partition produce_how_to(client *c, const topic *t, int32_t partition, kafka_bytes records,
                                              const produce_how *how);
#define PRODUCE(c, t, partition, records, ...) \
    produce_how_to((c), (t), (partition), (records), &(produce_how){__VA_ARGS__})
/* Sends, and leaves the answer (of version 12) to be received. */
void produce_ahead(client *c, const topic *t, int32_t partition, kafka_bytes records);
/* Sends without waiting for an answer. */
void produce_unanswered(client *c, const topic *t, int32_t partition, kafka_bytes records);

/* A fetch of one partition: version 12, by name, 500 ms, at least 1 byte, at most 1 MiB. */
typedef struct fetch_want {
    int64_t offset;
    int16_t version;                     /* 0 = 12 */
    int32_t max_wait_ms, min_bytes;      /* 0 = 500, 1; -1 = 0 */
    int32_t max_bytes, partition_max;    /* 0 = 1 MiB */
    int32_t leader_epoch, fetched_epoch; /* 0 = none; n = epoch n - 1 */
    int8_t isolation;
} fetch_want;
kfk_fetch_response_partition fetch(client *c, const topic *t, int32_t partition, const fetch_want *want);
#define FETCH(c, t, partition, ...) fetch((c), (t), (partition), &(fetch_want){__VA_ARGS__})
/* The request alone, for tests that wait by themselves; `r` and `one` are filled in. */
typedef struct fetch_parts {
    kfk_fetch_request request;
    kfk_fetch_request_topic topic;
    kfk_fetch_request_partition partition;
} fetch_parts;
const kfk_fetch_request *fetch_request(fetch_parts *parts, const topic *t, int32_t partition, const fetch_want *want);
int16_t fetch_version(const fetch_want *want);

/* Whole batches in records, and what their first header says. */
int records_count(kafka_bytes records);
int64_t records_first_offset(kafka_bytes records);

/* One look-up of ListOffsets, by version (0 = 7). */
kfk_list_offsets_response_partition list_offset(client *c, const topic *t, int32_t partition, int64_t timestamp,
                                                int16_t version);

/* An idempotent producer's id and epoch. */
int64_t new_producer(client *c);

#endif
