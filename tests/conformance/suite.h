/* suite.h: one world for all tests of this folder: a Kafka cluster, whoever made it.
 *
 * With KAFKA_TEST_BOOTSTRAP set (tests/kafka/kafka.sh with) it is that one. Otherwise each test has an in-memory
 * cluster of its own, and is checked for leaks. The tests do not know which; what they say is true of both, or false.
 *
 * EXPECT does not end a test: it notes the difference, so that a run tells all of them. The test fails at its end. */
#ifndef KAFKA_TESTS_CONFORMANCE_SUITE_H
#define KAFKA_TESTS_CONFORMANCE_SUITE_H
#include "conformance/client.h"

/* Each program says what its tests need; in a world of a real Kafka whoever started that has to have provided it. */
typedef struct suite_needs {
    int32_t brokers;
    bool auto_create; /* topics come into being by being asked for */
} suite_needs;
extern const suite_needs needs;

int suite_setup(void **state);
int suite_teardown(void **state);
#define SUITE_TEST(function) cmocka_unit_test_setup_teardown(function, suite_setup, suite_teardown)

#define EXPECT(got, want)      suite_expect((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define EXPECT_TRUE(condition) suite_expect((condition) ? 1 : 0, 1, #condition, __FILE__, __LINE__)
void suite_expect(int64_t got, int64_t want, const char *what, const char *file, int line);

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

/* Stays open until the test ends. Brokers count from 1, as their ids do. */
client *suite_client(int32_t broker);
/* Stops a broker, and starts it again: leadership has moved, or the broker leads again, when it is back. Connections to
 * it are gone. */
void suite_stop(int32_t broker);
void suite_start(int32_t broker);

/* Keeps the followers of partition 0 from copying, of which `follower` is the only one; and lets go. */
void suite_hold(const char *name, int32_t follower, bool hold);

/* Has partition 0 led by `broker`, which is the first of its replicas, in sync, and does not lead it. Does not wait. */
void suite_prefer(const char *name, int32_t broker);

/* Calls `is_so` until it is, 30 s long. */
void suite_wait(bool (*is_so)(void *arg), void *arg, const char *what);

/* ---- topics ------------------------------------------------------------------------------------------------------ */

typedef struct topic {
    char name[80];
    kfk_uuid id;
} topic;
/* A name that no topic has had. */
void topic_name(topic *t, const char *stem);
/* Makes a topic, waits until every broker knows its leaders, and deletes it when the test ends. Settings are pairs of
 * name and value with a NULL behind them; replication 0 = 1. */
typedef struct topic_spec {
    int32_t partitions, replication; /* 0 = 1 */
    const char *settings[9];
} topic_spec;
void topic_make(topic *t, const topic_spec *spec);
#define TOPIC(t, ...) topic_make((t), &(topic_spec){__VA_ARGS__})
/* Has the end of the test delete what it made itself. */
void topic_delete_later(const topic *t);
/* Waits until every broker knows the topic; fills in its id. */
void topic_await(topic *t);
/* Who leads a partition, and in which epoch, as a broker sees it. */
int32_t topic_leader(const topic *t, int32_t partition, int32_t asked, int32_t *epoch);

/* ---- batches ----------------------------------------------------------------------------------------------------- */

typedef struct batch_want {
    int count;           /* of records, 0 = 1 */
    int64_t producer_id; /* 0 = none */
    int16_t epoch;
    int32_t sequence;
    int64_t time_ms; /* of the first record, 0 = now; -1 = none */
    int64_t step_ms; /* from a record to the next */
    int codec;
    size_t value_size; /* 0 = a few bytes */
    bool keys;         /* each record has one, but */
    int without_key;   /* the first such ones */
    uint16_t attributes;
} batch_want;
/* The bytes of a batch; they live until the test ends and may be changed, then sealed: its checksum is made right. */
kafka_bytes batch_make(const batch_want *want);
#define BATCH_OF(...) batch_make(&(batch_want){__VA_ARGS__})
uint8_t *batch_bytes_of(kafka_bytes b);
void batch_reseal(kafka_bytes b);
int64_t suite_now_ms(void);

#endif
