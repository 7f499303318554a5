/* crew: threads that write through one kafka_writer to a topic of their own, and keep a journal of it.
 *
 * Each thread writes to all partitions, in calls of one message or many, and each of its records per partition is a
 * "writer" of the journal. What is said of a message is compared with the journal at once where that is possible: one
 * outcome, in time, in its partition, and results of a synchronous call that say what the callback said. */
#ifndef KAFKA_TESTS_CHAOS_CREW_H
#define KAFKA_TESTS_CHAOS_CREW_H
#include "kafka/writer.h"
#include "support/journal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { CREW_PARTITIONS = 6, CREW_THREADS = 3, CREW_RECORDS = 100000, CREW_OFFSETS = 400000 };

typedef struct crew_config {
    const char *name;           /* and that of its topic begins so */
    const char *what;           /* in words */
    kafka_writer_config writer; /* brokers, topic, balancer, callback and logger are the crew's */
    int threads;
    int most;      /* messages in a call, now and then; else up to 8 */
    int pause_ms;  /* between calls, on average half of it; now and then none */
    int call_ms;   /* the deadline of a call at most */
    bool keyed;    /* the key chooses the partition, as Java does it */
    bool mixed;    /* each message has some codec */
    bool may_fail; /* there is not time enough */
} crew_config;

/* What is counted, under the lock. */
typedef struct crew_counts {
    int64_t accepted, refused, acked, maybe, no, pending_results;
    int64_t latest_us;                       /* when the newest of the acknowledged records was handed over */
    int64_t latest_in_us[CREW_PARTITIONS];   /* in each partition */
    int64_t last_ack_us, longest_silence_us; /* since crew_silence */
    int64_t latest_outcome_us;               /* the longest that a message took */
    int64_t pending_bytes, most_pending_bytes;
} crew_counts;

typedef struct crew {
    const crew_config *cfg;
    char topic[32];
    uint64_t seed;
    kafka_writer *writer;
    kafka_balancer *balancer;
    pthread_t threads[CREW_THREADS];
    struct crew_thread {
        struct crew *crew;
        int number;
    } args[CREW_THREADS];
    char keys[CREW_PARTITIONS][16];
    atomic_bool stop;
    pthread_mutex_t lock; /* of the journal and the counts */
    journal journal;
    crew_counts counts;
    int64_t retries; /* batches that were sent again; after crew_stop */
    bool closed;     /* no callback may come any more */
} crew;

/* The topic is there. Exits when there is no memory. */
void crew_start(crew *c, const crew_config *cfg, uint32_t run, const char *topic, uint64_t seed, kafka_logger logger);
/* Threads end, all has its outcome, the writer is closed and freed. */
void crew_stop(crew *c);
void crew_free(crew *c);

crew_counts crew_look(crew *c);
/* A record of each partition that was handed over later than that is acknowledged. */
bool crew_has_gone_on(crew *c, int64_t since_us);
/* The longest time without an acknowledgement since the last call. */
int64_t crew_silence_us(crew *c);

#endif
