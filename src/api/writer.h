/* writer: the public writer, and what the files that implement its calls share.
 *
 *   writer.c          birth, flush, close, free
 *   writer_write.c    a call of kafka_writer_write_messages: checks, balances, appends, waits for room
 *   writer_quick.c    the same for the call that nothing is special about
 *   writer_call.c     what a synchronous call waits for, and what many results say together
 *   writer_outcome.c  from a batch's outcome to callbacks and waiting calls
 *   writer_stats.c    counting
 *   writer_config.c   the configuration
 *
 * Between acceptance and outcome a message belongs to the producer (engine/producer.h). */
#ifndef KFK_API_WRITER_H
#define KFK_API_WRITER_H
#include "api/balancer.h"
#include "api/fail.h"
#include "api/writer_config.h"
#include "base/fork.h"
#include "base/histogram.h"
#include "base/lock.h"
#include "engine/limit.h"
#include "engine/producer.h"
#include <stdatomic.h>

/* ---- what many results say together ------------------------------------------------------------------------------ */

/* Of some messages of one call. Zeroed = of none. */
typedef struct kfk_write_sum {
    size_t fine, failed;
    size_t first;          /* the lowest index that failed */
    int code;              /* its code */
    bool mixed;            /* others failed with another one */
    kafka_written written; /* the most that is to be said of any that failed */
    kfk_error *why;        /* about the first; NULL without memory for it. Freed by kfk_write_sum_fini */
} kfk_write_sum;

/* A message failed; `err` is about it. */
void kfk_write_sum_fail(kfk_write_sum *s, size_t index, kafka_written written, const kfk_error *err);
/* Adds another one, which is empty afterwards. */
void kfk_write_sum_take(kfk_write_sum *s, kfk_write_sum *more);
void kfk_write_sum_fini(kfk_write_sum *s);
/* 0; or the code that the call returns, published with its sentence and what kafka_last_written says. */
int kfk_write_sum_publish(kfk_write_sum *s, const kafka_ctx *ctx);

/* ---- a synchronous call that waits ------------------------------------------------------------------------------- */

/* Counted: the thread that waits, the loop until it has finished, and its messages together as long as one of them has
 * no outcome. So a call that gives up leaves nothing behind that could be written to. */
typedef struct kfk_write_call {
    kfk_op op;
    kafka_writer *writer; /* this and the next three only until it has finished */
    kfk_limit limit;
    int64_t deadline_ms;
    kfk_cancel *token;    /* the caller's */
    _Atomic int64_t open; /* messages without outcome, and one for the caller until all are appended */
    kfk_write_sum sum;    /* of outcomes; under the baton until it has finished */
    char *waited_for;     /* once the wait was given up: what the oldest message waits for; NULL = nothing is known */
    bool wants_codes;
    int codes[]; /* KAFKA_EPENDING where there is no outcome yet; those of refused messages are the caller's to set */
} kfk_write_call;

/* NULL without memory. */
kfk_write_call *kfk_write_call_new(kafka_writer *w, const kafka_ctx *ctx, size_t count, bool wants_codes);
/* All that is going to be appended has been, `refused` of its messages were not: waits for the outcomes of the others.
 * 0 when all are there; KAFKA_ETIMEDOUT, KAFKA_ECANCELED, or why the token cannot be watched, with op.error. */
int kfk_write_call_wait(kfk_write_call *call, size_t refused);
/* The same for one of which nothing was accepted. It is gone afterwards. */
void kfk_write_call_discard(kfk_write_call *call);
/* Under the baton: a message has its outcome, err NULL = written. */
void kfk_write_call_outcome_loop(kfk_write_call *call, size_t index, kafka_written written, const kfk_error *err);
/* Under the baton: so many of its messages have had theirs. The call may be gone afterwards. */
void kfk_write_call_ended_loop(kfk_write_call *call, int64_t messages);

/* ---- beside each message, until its outcome ---------------------------------------------------------------------- */

/* With a delivery callback: what it is to be told. What kfk_producer_call_append stores without being told. */
typedef struct kfk_told_side {
    void *userdata;
    int64_t time_ms;
} kfk_told_side;

/* In synchronous mode: who waits. Behind the above, where there is one. */
typedef struct kfk_waiting_side {
    kfk_write_call *call;
    int64_t index;
} kfk_waiting_side;

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Everything under the lock, which is innermost, but for what is atomic. */
typedef struct kfk_writer_counts {
    kfk_lock lock;
    int64_t dials, writes, messages, bytes, rebalances, errors, retries;
    kfk_histogram dial_time, write_time, wait_time, batch_size, batch_bytes;
    int64_t write_ns;      /* how long the last short call took that was timed, -1 = none was yet */
    int64_t short_counted; /* of short_calls, in write_time */
    _Atomic int64_t short_calls, accepted, ended;
} kfk_writer_counts;

void kfk_writer_counts_init(kfk_writer_counts *c);
void kfk_writer_counts_fini(kfk_writer_counts *c);
/* The producer's: kfk_producer_config.counted. Under the baton. */
void kfk_writer_counts_event(void *writer, int what, int64_t value);
/* A batch has its outcome. */
void kfk_writer_counts_outcome(kafka_writer *w, const kfk_produce_batch *b, bool fine);
/* A limit has refused messages. */
void kfk_writer_counts_refused(kafka_writer *w, int64_t messages);
/* A call that did not wait has ended. Tells whether its time is wanted, for the next function. */
static inline bool kfk_writer_counts_short_call(kafka_writer *w);
void kfk_writer_counts_short_time(kafka_writer *w, int64_t ns);
/* A call that waited has ended. */
void kfk_writer_counts_long_call(kafka_writer *w, int64_t ns);

/* ---- waiting for callbacks --------------------------------------------------------------------------------------- */

/* Until the callbacks that are due have run. An operation as those of the producer. */
typedef struct kfk_writer_drain {
    kfk_op op;
    kfk_list node; /* in the writer's list */
    kafka_writer *writer;
    kfk_limit limit;
    int64_t deadline_ms;
    kfk_cancel *token; /* the caller's, until it has finished */
    bool stop;         /* first everything without outcome gets one: KAFKA_ECANCELED; all of it is waited for */
} kfk_writer_drain;

void kfk_writer_drain_init(kfk_writer_drain *d, kafka_writer *w, int64_t deadline_ms, kfk_cancel *token,
                           void (*destroy)(kfk_op *));

/* ---- the writer -------------------------------------------------------------------------------------------------- */

/* Counted: the handle; callbacks that are due; `last`. */
struct kafka_writer {
    kfk_ref ref;
    uint32_t born;  /* base/fork.h */
    kfk_loop *loop; /* a use: the handle's alone */
    kfk_producer *producer;
    kfk_writer_settings *settings;
    const kafka_writer_config *config; /* in settings */
    kafka_balancer *balancer;          /* a reference */
    kfk_producer_topic *topic;         /* the writer's own; NULL without, and for a name that cannot be one */
    kfk_producer_maps *maps;           /* its; see engine/producer_map.c */
    kfk_balancer_topic *balance;       /* the balancer's state for it */
    uint32_t side_size;
    int32_t codec;      /* of messages that name none */
    _Atomic bool quick; /* kfk_writer_can_be_quick, and it is not closed */
    bool sure_of_one;   /* kfk_balancer_is_sure_of_one */
    bool java;          /* kfk_balancer_hashes_as_java */
    _Atomic bool closed;
    _Atomic int64_t wall_offset_ms, wall_read_ms; /* wall clock - monotonic clock, and when it was looked at */
    kfk_writer_counts counts;
    /* Under the baton: */
    kfk_task tell; /* calls back */
    bool tell_queued;
    kfk_list untold;         /* batches with an outcome, kfk_produce_batch.node */
    kfk_list waiting;        /* kfk_writer_drain */
    kafka_message *messages; /* memory for what a callback is given */
    size_t message_cap;
    kfk_writer_drain last; /* that of kafka_writer_free, which must not fail */
};

/* Checks what every call does: KAFKA_EINVAL without a writer, KAFKA_EFORKED for the parent's; published. */
int kfk_writer_check(const kafka_writer *w, const kafka_ctx *ctx, const char *call);
void kfk_writer_drop(kafka_writer *w);
static inline int64_t kfk_writer_deadline(const kafka_ctx *ctx)
{
    return ctx && ctx->deadline != 0 ? ctx->deadline : KFK_TIME_NEVER;
}

/* Tells whether calls may be quick. */
bool kfk_writer_can_be_quick(const kafka_writer *w);
/* What the quick way has done of a call, whose rest is for the common one. */
typedef struct kfk_writer_begun {
    int64_t at_ns;              /* when the call began, 0 = nobody has looked */
    size_t done;                /* messages that were accepted, the first ones; the call as a whole is in order then */
    kfk_producer_partition *at; /* the partition of the next one, NULL = not chosen yet */
} kfk_writer_begun;

int kfk_writer_write_rest(kafka_writer *w, const kafka_ctx *ctx, const kafka_message *msgs, size_t count, int *results,
                          const kfk_writer_begun *begun);
/* The clocks' difference is old: wall_ms reads it anew. */
int64_t kfk_writer_read_wall_ms(kafka_writer *w, int64_t now_ms);

/* The producer's: kfk_producer_config.delivered. Under the baton. */
void kfk_writer_delivered(void *writer, kfk_produce_batch *b, const kfk_error *err);
/* The same: kfk_producer_config.balance. */
int32_t kfk_writer_balance(void *writer, const kafka_message *m, const kfk_producer_map *map, kfk_error *err);
/* The same: kfk_producer_config.finished. */
void kfk_writer_finished(void *writer);
/* A writer's `tell`. */
void kfk_writer_tell(kfk_task *t);

/* ---- once per call ----------------------------------------------------------------------------------------------- */

/* Wall clock at that time of the monotonic one. */
static inline int64_t kfk_writer_wall_ms(kafka_writer *w, int64_t now_ms)
{
    enum { CLOCK_MS = 10 };
    int64_t read = atomic_load_explicit(&w->wall_read_ms, memory_order_acquire);
    if (__builtin_expect(now_ms < read || now_ms - CLOCK_MS >= read, 0)) return kfk_writer_read_wall_ms(w, now_ms);
    return now_ms + atomic_load_explicit(&w->wall_offset_ms, memory_order_relaxed);
}

static inline kfk_balancer_offer kfk_writer_offer(const kfk_producer_map *map)
{
    return (kfk_balancer_offer){
        .all = map->ids, .led = map->available, .all_count = map->count, .led_count = map->available_count};
}

static inline bool kfk_writer_counts_short_call(kafka_writer *w)
{
    enum { TIMED = 64 };
    return atomic_fetch_add_explicit(&w->counts.short_calls, 1, memory_order_relaxed) % TIMED == 0;
}

#endif
