/* desk: clerks that write through one kafka_writer in a world, and what is to be seen of its producer meanwhile.
 *
 *     world *w = world_new(s, &(world_config){.brokers = 3, .writers = -1});
 *     desk *d = desk_open(w, &(desk_config){.writer = {.async = 1}});
 *     ... the plan: what goes wrong ...
 *     desk_close(d);
 *     desk_expect_no_failure(d);
 *     world_end(w);
 *
 * Each clerk is a fiber that writes messages of many kinds to all partitions of a topic, or of two. All of it is in the
 * journals of the world: each accepted message is owed one outcome, in time, and the logs are compared in the end. A
 * batch that a broker finds damaged is an anomaly, too, whatever becomes of it. Without
 * idempotence records may be doubled, with acks none nothing is promised.
 *
 * A desk notes what happens inside of the producer (DESK_...), as often as a broker is asked something or answers. */
#ifndef KAFKA_TESTS_SIM_DESK_H
#define KAFKA_TESTS_SIM_DESK_H
#include "kafka/writer.h"
#include "sim/world.h"

enum { DESK_CLERKS = 8, DESK_MOST_BATCH = 10 };

/* What happens sometimes, noted by desks. */
#define DESK_RETRIED     "a batch of unknown outcome was sent again"
#define DESK_BUMPED      "a partition went on in another epoch"
#define DESK_DUPLICATE   "a broker acknowledged a batch once more"
#define DESK_OUT_OF_LINE "a batch was refused for its sequence behind an open one"
#define DESK_PROOF       "younger batches were offered as a proof"
#define DESK_PROVED      "a batch was written according to a younger one"
#define DESK_SPLIT       "a batch was too large and was split"
#define DESK_NO_ID       "a producer id was refused for now"
#define DESK_NEW_ID      "a partition got a producer id of its own"
#define DESK_HINT        "a leader was named by a refusal"
#define DESK_PIPELINED   "several batches of a partition were in flight"
#define DESK_TWO_COPIES  "two copies of a batch were in flight"
#define DESK_FAILED      "a message failed"
#define DESK_EXPIRED     "a message met its delivery timeout"
#define DESK_CANCELED    "a message was given up by a close"
#define DESK_NO_ROOM     "a message was refused for want of room"
#define DESK_PENDING     "a call ended before its outcomes"
#define DESK_REFUSED     "a message was refused for good"
#define DESK_WRAPPED     "sequences began at 0 again"
#define DESK_GREW        "a message was written to a partition that was added"

/* 0 = the default. */
typedef struct desk_config {
    kafka_writer_config writer; /* brokers, balancer and callback are the desk's; its topic too */
    int clerks;                 /* 3 */
    int calls;                  /* of a clerk: 30 */
    int most_batch;             /* messages of a call: 4 */
    int64_t pause_us;           /* between two calls, now and then twice that; they meet there. Default 4000 */
    int64_t call_ms;            /* deadline of a call at most: 1000; half of them have less */
    int first_clerk;            /* of a second desk in one world: behind the clerks of the first */
    int32_t partitions;         /* that clerks write to: 2; */
    int32_t stride;             /* and will, at most: the same */
    journal *other;             /* of a second topic: then each message names its topic */
    bool patient;               /* every call has the whole deadline */
    bool mixed;                 /* each message may name a codec */
    bool mute;                  /* no delivery callback: synchronous calls tell by their results alone */
    bool resends;               /* what failed is written again */
    bool late;                  /* outcomes need not come in time: the machine is slow, or lacks memory */
    bool may_close;             /* calls may find the writer closed */
} desk_config;

typedef struct desk desk;

/* In a fiber. NULL: it failed. */
desk *desk_open(world *w, const desk_config *cfg);
/* Waits until the clerks have written all they will. */
void desk_wait(desk *d);
/* The same, then closes the writer, which must flush all, and frees it. NULL is fine. */
void desk_close(desk *d);
/* Closes within so many ms (below 0: frees without a close), whatever clerks do at that moment; then as desk_close. */
void desk_close_early(desk *d, int64_t ms);
/* No accepted message failed: there was time enough. */
void desk_expect_no_failure(const desk *d);
/* Each clerk has a message acknowledged in each partition within so many ms from now on, or has none left to write. */
void desk_expect_progress(desk *d, int64_t ms);

/* Clerks write to so many partitions from now on, desk_config.stride at most. */
void desk_use_partitions(desk *d, int32_t partitions);
kafka_writer *desk_writer(const desk *d);
struct kfk_producer *desk_producer(const desk *d);
/* Messages without outcome, of those that a callback tells of. */
int desk_under_way(const desk *d);
int desk_failures(const desk *d);
/* Messages that were accepted without a key. */
int desk_without_key(const desk *d);
/* All that was accepted so far has its outcome, within a minute. */
void desk_wait_for_outcomes(desk *d);
/* Partitions go on with this sequence and epoch, as after very many messages. After desk_warm_up, before clerks
 * begin. */
void desk_set_sequences(desk *d, int32_t sequence, int16_t epoch);
/* Writes one message to each partition and waits for it, before clerks begin. */
void desk_warm_up(desk *d);
/* Clerks begin: by desk_open, unless it was told to wait with this as `calls`. */
enum { DESK_LATER = -1 };
void desk_begin(desk *d, int calls);

#endif
