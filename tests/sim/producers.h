/* producers: an engine's producer (engine/producer.h) in a scenario, on an in-memory cluster, with a book of what it
 * was given and what it said became of it.
 *
 * Each message carries a number, as its value and as what it brings along. The book knows of every accepted one how
 * often its outcome came (exactly once, or the run fails), what that was, and, within a partition and for one sender,
 * whether outcomes came in the order of acceptance. At the end the logs are read and compared: what was written is
 * there once, at its offset; what was not written is not there; what may be written is there once at most (with
 * idempotence); in order. */
#ifndef KAFKA_TESTS_SIM_PRODUCERS_H
#define KAFKA_TESTS_SIM_PRODUCERS_H
#include "engine/producer_impl.h"
#include "kafka/testing.h"
#include "sim/client.h"
#include "sim/network.h"
#include "sim/runner.h"

enum { BOOK_RECORDS = 20000, BOOK_SENDERS = 8, BOOK_PARTITIONS = 8, BOOK_BROKERS = 5 };
#define BOOK_TOPIC "orders"

typedef struct book_record {
    int times, code; /* outcomes; the (last) one */
    kafka_written written;
    int32_t partition; /* -1 = none */
    int64_t offset, told_ms, accepted_ms;
    uint32_t sender;
    int in_log;
} book_record;

typedef struct book {
    sim *sim;
    kafka_cluster *cluster; /* NULL: there are peers */
    peer_cluster *peers;
    peer *peer[BOOK_BROKERS + 1]; /* by id, from 1 */
    kfk_producer *producer;
    kfk_producer_config cfg;
    kfk_producer_topic *topic;
    kfk_hostport bootstrap[BOOK_BROKERS];
    int partitions;
    book_record *records;
    uint32_t accepted, told;
    bool all_told, refused; /* refused: the last send was */
    uint32_t last_told[BOOK_PARTITIONS + 1][BOOK_SENDERS];
    int batches, largest; /* delivered; records in the largest */
    int most_in_flight;   /* requests to a broker, as seen when something was told */
    int64_t counted[KFK_COUNT_REFUSED + 1];
    char why[KFK_ERROR_TEXT]; /* of the last failure */
    uint32_t balanced;
    const char *chosen_topic; /* of sends; default BOOK_TOPIC */
} book;

/* The same on peers (sim/peer.h), which are outside of the library: one script each, and memory that never fails. */
book *book_on_peers(sim *s, int brokers, int partitions);
/* A cluster with so many brokers and the topic with so many partitions (0 = none). Then change b->cfg, then
 * book_start. */
book *book_new(sim *s, int brokers, int partitions);
bool book_start(book *b);
/* All of this, and something was sent to each partition: topic, ids and connections are there. `tune` (NULL = none)
 * changes the configuration. NULL: it failed. */
book *book_warm(sim *s, int brokers, int partitions, void (*tune)(kfk_producer_config *));
/* Sends one message of so many bytes (8 at least) to a partition, -1 = as the map says, in turn. `waits`: as a
 * synchronous caller. The code of the refusal, or 0. */
int book_send(book *b, uint32_t sender, int32_t partition, size_t bytes, bool waits);
/* The same for `count` messages, one call each; waits for room. */
void book_send_all(book *b, uint32_t sender, int32_t partition, size_t bytes, int count);
/* With another topic; NULL = the usual one. */
void book_use_topic(book *b, const char *topic);
/* All accepted ones have had their outcome, within so many ms. */
bool book_wait(book *b, int64_t ms);
/* All were written. */
void book_expect_written(book *b);
/* Flush, and close: the code. */
int book_flush(book *b, int64_t ms);
int book_close(book *b, int64_t ms);
/* Closes unless that was done, checks the book against the logs, and ends. NULL is fine. */
void book_end(book *b);
/* "10.0.0.1:9092" ... of the broker with this id. */
const char *book_address(int broker);
int64_t book_requests(const book *b, int32_t api);
/* The next `count` requests of an API meet this; broker -1 = any. */
void book_fault(book *b, kafka_fault_kind kind, int32_t api, int32_t error, int64_t count, int64_t delay_ms,
                int broker);
kfk_producer_broker *book_broker(book *b, int id);

#endif
