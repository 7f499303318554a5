/* kafka/writer.h: writing messages to topics: batched, compressed, to all brokers at once, in order, again when it
 * fails.
 *
 *     kafka_writer *w;
 *     kafka_writer_new(&(kafka_writer_config){.brokers = "localhost:9092", .topic = "events"}, &w);
 *     kafka_message m = {.key = kafka_str("user-7"), .value = kafka_str("signed in")};
 *     err = kafka_writer_write_messages(w, KAFKA_WITHIN(10000), &m, 1, NULL);   // 0: all replicas in sync have it
 *     kafka_writer_free(w);
 *
 * One writer serves any number of threads, topics and partitions, and is meant to live long.
 *
 * What is promised. A message whose outcome is 0 is in the log, once (with idempotence, which is on unless it is
 * switched off, acks are other than all, or the brokers are older than 0.11), behind those of its partition that were
 * accepted before it. An outcome other than 0 says with `written` whether the message may be in the log all the same.
 * Every accepted message gets exactly one outcome, at the latest when delivery_timeout_ms has passed: in a synchronous
 * call's results, and by on_delivery where there is one. docs/producing.md has the whole story.
 *
 * When a batch leaves. Nothing waits for company in vain: what is written while its broker has nothing under way goes
 * out at once, and so does everything of a synchronous call. While requests are under way batches grow, so a busy
 * writer has large ones. What is left, smaller than batch_size, leaves after batch_timeout_ms. */
#ifndef KAFKA_WRITER_H
#define KAFKA_WRITER_H
#include <kafka/balancer.h>
#include <kafka/ctx.h>
#include <kafka/dialer.h>
#include <kafka/log.h>
#include <kafka/stats.h>
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_writer is a handle. It may be used from several threads. */
typedef struct kafka_writer kafka_writer;

/* kafka_delivery_fn gets the outcomes: a run of messages of one partition that ended alike. Each accepted message comes
 * once, in synchronous mode too, also when the writer is closed; within a partition they come in the order in which
 * they were accepted. `err` is 0 or the code; kafka_last_error() then says why.
 *
 * `msgs` has topic, partition (-1: it failed before one was chosen), offset (-1 with acks none, and where it is not
 * known), time_ms as it is stored, `written` and userdata; key, value and headers are null. It is valid during the
 * call.
 *
 * It runs on the thread that turns the writer's loop, holds everything on that loop up, and should be quick. In it,
 * calls that would have to wait return KAFKA_EAGAIN: writing is possible in async mode, with KAFKA_WITHIN(0).
 * A synchronous call returns after the callbacks of the messages that it has outcomes for. */
typedef void (*kafka_delivery_fn)(void *userdata, const kafka_message *msgs, size_t count, int err);

/* kafka_writer_config says what a writer is like. Zero it, name `brokers`, and set what is to be different. Everything
 * is copied. KAFKA_NEVER (-1) as a number is no limit; what is below has no meaning and is KAFKA_EINVAL. */
typedef struct kafka_writer_config {
    const char *brokers; /* where to begin: a list of addresses as in dialer.h; the others are learned from these */
    const char *topic;   /* NULL: each message names its own */
    const kafka_dialer *dialer; /* how to connect; NULL = default. `deadline` must be 0: a writer has no end */
    const kafka_logger *logger; /* NULL = silent */
    /* Which partition a message goes to: balancer.h. The writer holds a reference of its own. NULL = round robin, for
     * keyed messages too: where messages of one key must stay in order, take hash or murmur2. */
    kafka_balancer *balancer;
    kafka_delivery_fn on_delivery; /* NULL = none */
    void *on_delivery_userdata;
    int64_t batch_timeout_ms; /* a batch leaves at the latest after that long; 0 = 1 000 */
    int64_t read_timeout_ms;  /* for a broker's answer to a question about the cluster; 0 = 10 000 */
    int64_t write_timeout_ms; /* for a broker's answer to a batch; 0 = 10 000 */
    int64_t
        rebalance_interval_ms; /* how often the partitions are looked up; 0 = 15 000, KAFKA_NEVER = on errors only */
    int64_t buffer_bytes;      /* of memory for messages without outcome; 0 = 32 MiB. Full: a write waits */
    /* How often a batch is tried when brokers refuse it for now, and how many rounds of asking for a topic or for any
     * broker at all may fail; 0 = 10. Waiting for a leader or for an answer is bounded by delivery_timeout_ms alone. */
    int32_t max_attempts;
    int32_t queue_capacity;   /* a hint that is told by the stats, and bounds nothing: buffer_bytes does; 0 = 100 */
    int32_t batch_size;       /* with that many messages a batch need not wait any more; it may grow on. 0 = 100 */
    int32_t batch_bytes;      /* the most one batch holds before compression, 61 bytes for its header; 0 = 1 048 576 */
    kafka_acks required_acks; /* DEFAULT = all */
    kafka_compression compression; /* for messages that do not say; DEFAULT = none */
    int32_t compression_level;     /* as the codec counts them; 0 = its default */
    int32_t async;                 /* 1 = a write returns when its messages are accepted */
    int32_t no_idempotence;        /* 1 = a message that was sent again may be in the log twice */
    int32_t reserved;
    int64_t delivery_timeout_ms; /* from acceptance to outcome, all tries included; 0 = 120 000 */
} kafka_writer_config;

/* kafka_writer_new makes a writer. It neither blocks nor connects: unreachable brokers are told by the first write.
 * KAFKA_EINVAL names the field or quotes the address; KAFKA_ECODEC for a codec that is not built in, KAFKA_ENOTSUP,
 * KAFKA_ENOMEM, KAFKA_EIO where the system gives no thread for the loop, KAFKA_EFORKED for a loop of the parent's.
 * Free it with kafka_writer_free. `_sized` is what bindings call: `size` may be that of a shorter struct, whose missing
 * fields have their defaults, or of a longer one, whose further bytes must be 0. */
KAFKA_API KAFKA_NODISCARD int kafka_writer_new_sized(const kafka_writer_config *, size_t size, kafka_writer **out);
KAFKA_NODISCARD static inline int kafka_writer_new(const kafka_writer_config *cfg, kafka_writer **out)
{
    return kafka_writer_new_sized(cfg, sizeof *cfg, out);
}

/* kafka_writer_write_messages writes messages, each to a partition of its topic. They are copied: nothing of the
 * caller's is looked at after it returned. `results` gets a code for each message; it may be NULL. No messages are 0.
 *
 * Acceptance. Each message is accepted or refused. Refused, with no callback to come: KAFKA_EINVAL (malformed, no
 * topic, or one that is not the writer's), KAFKA_ETOOBIG (above batch_bytes), KAFKA_ECODEC, KAFKA_EAGAIN (no room, when
 * the wait for it ended by deadline or token; or in a callback), KAFKA_ECLOSED, KAFKA_ENOMEM. A message that is
 * accepted before the partitions of its topic are known may turn out to be wrong afterwards: that is its outcome.
 *
 * Synchronous (async 0): it returns with the outcomes, all messages on their way at once. When the deadline passes or
 * the token fires first, it returns KAFKA_ETIMEDOUT or KAFKA_ECANCELED, `results` has KAFKA_EPENDING for messages
 * without outcome, and they are still delivered, and called back about. The same two codes inside `results` are
 * outcomes: delivery_timeout_ms passed, or close gave the message up. A token that had fired before the call is
 * KAFKA_ECANCELED with nothing accepted; a deadline that had passed before accepts what finds room at once.
 *
 * Asynchronous: 0 means accepted, and a result other than 0 refused.
 *
 * Returns 0, the code that all messages failed with, or KAFKA_EPARTIAL when only some failed or their codes differ.
 * kafka_last_error() speaks of the first that failed, kafka_last_written() says whether any that failed may be in the
 * log. In a callback: KAFKA_EAGAIN, but for async writes with a deadline that has passed. KAFKA_EFORKED. */
KAFKA_API KAFKA_NODISCARD int kafka_writer_write_messages(kafka_writer *, const kafka_ctx *, const kafka_message *,
                                                          size_t count, int *results);
/* kafka_writer_flush sends everything that was accepted before, and waits until all of it has its outcome and its
 * callbacks have run: 0, whatever the outcomes are. A deadline that has passed starts sending and returns
 * KAFKA_ETIMEDOUT while something is left. KAFKA_ETIMEDOUT, KAFKA_ECANCELED, KAFKA_ECLOSED, KAFKA_EAGAIN in a
 * callback. */
KAFKA_API KAFKA_NODISCARD int kafka_writer_flush(kafka_writer *, const kafka_ctx *);
/* kafka_writer_stats_snapshot fills in what happened since the last snapshot, and the state now. Any thread, also in a
 * callback; it does not block. Without a writer, and for the parent's in a forked child, it leaves everything as it
 * is. */
KAFKA_API void kafka_writer_stats_snapshot_sized(kafka_writer *, kafka_writer_stats *, size_t size);
static inline void kafka_writer_stats_snapshot(kafka_writer *w, kafka_writer_stats *out)
{
    kafka_writer_stats_snapshot_sized(w, out, sizeof *out);
}
/* kafka_writer_get_config returns the configuration as it is in force: copies of what was given, with all defaults
 * filled in. It is as long as what kafka_writer_new was given, or longer, and lives as long as the writer, closed or
 * not. NULL for NULL. */
KAFKA_API const kafka_writer_config *kafka_writer_get_config(const kafka_writer *);
/* kafka_writer_close refuses further writes, wakes those that wait for room (KAFKA_ECLOSED), and flushes. When the
 * context ends first, what is left fails with KAFKA_ECANCELED, callbacks run, and it returns KAFKA_ETIMEDOUT or
 * KAFKA_ECANCELED; the writer is closed all the same. Without a context it takes at most delivery_timeout_ms. A second
 * close returns 0. In a callback: KAFKA_EAGAIN, and nothing has changed. */
KAFKA_API int kafka_writer_close(kafka_writer *, const kafka_ctx *);
/* kafka_writer_free closes, without a limit but delivery_timeout_ms, and releases; after a close it does not wait. When
 * it has returned no callback runs any more. In a callback it does not wait: what is left ends with KAFKA_ECANCELED,
 * which is told after the callback has returned. NULL is fine. */
KAFKA_API void kafka_writer_free(kafka_writer *);

#ifdef __cplusplus
}
#endif
#endif
