/* kafka/stats.h: what readers and writers count.
 *
 * A snapshot is two things: counters and summaries of what happened since the snapshot before it (or since the object
 * was made), which begin again with it, and the state of this moment. So one thread should take them, at an interval;
 * of two that do, each sees a part, and nothing is counted twice or lost.
 *
 * The structs grow at their ends: the functions fill as much as the caller's version of the struct has, and set what
 * they do not know to 0. Strings live as long as the object. */
#ifndef KAFKA_STATS_H
#define KAFKA_STATS_H
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_summary describes a set of observations: durations in ns, or sizes in what the field says. All is 0 when there
 * were none. avg is sum / count, cut to a whole number; min, max, count and sum are exact, the percentiles within 4 %
 * of an observation of that rank. */
typedef struct kafka_summary {
    int64_t avg, min, max, count, sum, p50, p99;
    int64_t reserved;
} kafka_summary;

/* kafka_writer_stats: see kafka_writer_stats_snapshot. Sizes in messages and bytes are of keys and values unless it
 * says otherwise. */
typedef struct kafka_writer_stats {
    /* Since the last snapshot. */
    int64_t dials;           /* connections made to brokers for writing */
    int64_t writes;          /* batches that were sent, each time */
    int64_t messages;        /* delivered: acknowledged, or sent with acks none */
    int64_t bytes;           /* of their keys and values */
    int64_t rebalances;      /* times that the partitions of a topic were looked up */
    int64_t errors;          /* messages that a limit refused, and batches that a broker refused */
    int64_t retries;         /* batches that were sent again, each time: they are in `writes`, too */
    kafka_summary dial_time; /* ns: from a name to a usable connection */
    /* ns: calls of kafka_writer_write_messages that accepted something, but for those whose context ended before all
     * outcomes were there */
    kafka_summary write_time;
    kafka_summary wait_time;   /* ns: from a Produce request to its answer */
    kafka_summary batch_size;  /* messages of a batch that was sent */
    kafka_summary batch_bytes; /* bytes of the same batch as it went over the wire, compressed */
    /* The configuration, with its defaults filled in. */
    int64_t max_attempts, max_batch_size, batch_timeout_ms, read_timeout_ms, write_timeout_ms, rebalance_interval_ms;
    int64_t queue_length;   /* now: messages that were accepted and have no outcome yet */
    int64_t queue_capacity; /* configuration */
    int64_t required_acks;  /* configuration: KAFKA_ACKS_ALL, _ONE or _NONE */
    int64_t async;          /* configuration: 0 or 1 */
    const char *client_id;  /* as brokers see it */
    const char *topic;      /* NULL when each message names its own */
} kafka_writer_stats;

#ifdef __cplusplus
}
#endif
#endif
