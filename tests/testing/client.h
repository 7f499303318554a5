/* client: what the tests of the in-memory cluster share: clusters and connections that have to work, a client that
 * speaks frames, for what kafka_conn would never do, and a way to look inside.
 *
 * All of it is for the test's own thread and fails the test when something does not work. The client's sockets block,
 * with patience. */
#ifndef KAFKA_TESTS_TESTING_CLIENT_H
#define KAFKA_TESTS_TESTING_CLIENT_H
#include "support/memcheck.h"

#include "kafka/testing.h"
#include "support/batches.h"
#include "testing/cluster.h"
#include "wire/frame.h"
#include "wire/gen/fetch.h"
#include "wire/gen/produce.h"

enum { PATIENCE_MS = 20000 };

void works_at(int code, const char *what, const char *file, int line);
#define works(call) works_at((call), #call, __FILE__, __LINE__)
/* The call gives this code, and the sentence has this part. */
void fails_at(int got, int code, const char *part, const char *what, const char *file, int line);
#define fails(call, code, part) fails_at((call), (code), (part), #call, __FILE__, __LINE__)

/* A cluster of so many brokers with topic "t". */
kafka_cluster *cluster_with(int32_t brokers, int32_t partitions);
/* To any of its brokers; to the leader of a partition. Calls end after PATIENCE_MS. */
kafka_conn *dial(kafka_cluster *c);
kafka_conn *dial_leader(kafka_cluster *c, const char *topic, int32_t partition);
int write_value(kafka_conn *conn, const char *value);
int64_t end_of(kafka_cluster *c, const char *topic, int32_t partition);
/* Connections that are open, as the cluster sees it; waits until there are so many. */
void expect_sessions(kafka_cluster *c, int count);
/* Waits until so many requests of an API have come. */
void expect_requests(kafka_cluster *c, int32_t api, int64_t count);
/* Runs `look` on the thread that turns the cluster's loop: no assertions there. */
void inside(kafka_cluster *c, void (*look)(kafka_cluster *, void *), void *arg);

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* A socket that is connected to a broker. */
int wire_dial(kafka_cluster *c, int32_t broker);
void wire_send_bytes(int fd, const void *data, size_t len);
void wire_send(int fd, int16_t api, int16_t version, int32_t correlation_id, const void *request);
/* As wire_send would send it; memory of malloc's. */
uint8_t *wire_encode(int16_t api, int16_t version, int32_t correlation_id, const void *request, size_t *len);

typedef struct wire_answer {
    kfk_arena arena;
    uint8_t *frame;
    int32_t correlation_id;
    void *msg;
} wire_answer;
/* The next answer, to a request of that API and version. False: the broker closed the connection, in between or
 * before. */
bool wire_take(int fd, int16_t api, int16_t version, wire_answer *out);
void wire_answer_free(wire_answer *a);
/* wire_take, of the answer with that correlation id. */
#define wire_expect(fd, api, version, id, out)                 \
    do {                                                       \
        assert_true(wire_take((fd), (api), (version), (out))); \
        assert_int_equal((out)->correlation_id, (id));         \
    } while (0)
/* The broker closes the connection without another byte; closes it here. */
void wire_expect_end(int fd);
/* Nothing has come so far. */
bool wire_is_quiet(int fd);

/* Requests for partition 0 of "t", by name, in versions that do so. */
enum { PRODUCE_VERSION = 9, FETCH_VERSION = 12 };
typedef struct produce_one {
    kfk_produce_request request;
    kfk_produce_request_topic topic;
    kfk_produce_request_partition partition;
} produce_one;
kfk_produce_request *produce_of(produce_one *p, int16_t acks, int32_t timeout_ms, const batch_bytes *batch);
typedef struct fetch_one {
    kfk_fetch_request request;
    kfk_fetch_request_topic topic;
    kfk_fetch_request_partition partition;
} fetch_one;
kfk_fetch_request *fetch_of(fetch_one *f, int64_t offset, int32_t max_wait_ms);
const kfk_produce_response_partition *produced(const wire_answer *a);
const kfk_fetch_response_partition *fetched(const wire_answer *a);

#endif
