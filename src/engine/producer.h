/* producer: what stands between accepted messages and the brokers: topics and leaders, draining, requests, answers,
 * retries, timers, the producer id, waiting for room, flush and close.
 *
 * Threads that write append to a partition's open batch by themselves (engine/accum.h), under that partition's lock
 * only. What they have to tell the producer they collect in a *call*, and tell it once, as they end it: one submission
 * to the loop, which runs on their own thread when the baton is free. A lone message is sent by the thread that wrote
 * it. Everything else happens under the baton:
 *
 *   topic   watched in the cluster from its first message on. While its partitions are not known its messages wait as
 *           copies, within a quarter of the budget, and are balanced later. A *map* is what writers see of a topic: a
 *           list of its partitions, replaced when something changes.
 *   ready   natural batching: with at most one request in flight to a broker what is there is sent; a third to fifth
 *           request has to be worth it, and so has one that would follow another within a millisecond, or up to 5 ms
 *           where messages come fast (64 KiB; or a batch that is full by its bytes, flushed, awaited or overdue).
 *   outcome each accepted message gets exactly one, in every ending, through `delivered` or `refused`, within
 *           delivery_timeout_ms + 500 ms. Within a partition they come in order of acceptance.
 *
 * One partition's rules about sequences and retries are engine/sequence.h's. Errors name topic, partition, broker,
 * cause, and how often it was tried.
 *
 * Lifetime: counted. Somebody who closed it (kfk_producer_close, kfk_producer_stop_loop) may drop it at any time;
 * topics, maps and partitions live as long as somebody holds them or the producer. Lock order: baton, then a topic's
 * lock or a partition's; no two of these at a time. */
#ifndef KFK_ENGINE_PRODUCER_H
#define KFK_ENGINE_PRODUCER_H
#include "engine/accum_append.h"
#include "engine/cluster.h"
#include "engine/producer_batch.h"
#include <stdatomic.h>

typedef struct kfk_producer kfk_producer;
typedef struct kfk_producer_map kfk_producer_map;
typedef struct kfk_producer_topic kfk_producer_topic;

/* ---- the producer ------------------------------------------------------------------------------------------------ */

typedef struct kfk_producer_config {
    kfk_cluster_config cluster; /* loop, bootstrap, client id, log ...; `create_topics` as the caller wants */
    /* Milliseconds. KFK_TIME_NEVER is allowed for rebalance_interval_ms (partitions are looked up on errors only). */
    int64_t batch_timeout_ms, delivery_timeout_ms, write_timeout_ms, rebalance_interval_ms;
    size_t buffer_bytes, batch_bytes;
    int32_t batch_size, max_attempts;
    int16_t acks;         /* -1, 0, 1 */
    bool idempotence;     /* counts with acks -1 only */
    int32_t codec, level; /* of compression: the writer's; level 0 = the codec's default */
    uint32_t side_size;   /* bytes beside each message, for its outcome: a multiple of 8, 0 = nothing */
    /* A batch has its outcome: err NULL = written. Under the baton, on any thread that may hold it, so it must not call
     * the application: once for each batch, in order within a partition. What is known of it stands in b->producer; its
     * sides are there (kfk_side_iter). The batch is the owner's now, who gives it back (kfk_producer_batch_free) soon:
     * its memory counts until then. Messages that never got a partition (unknown topic, time, close, a balancer that
     * named one that was not offered) come in batches of the partition -1, which are in no log. */
    void (*delivered)(void *owner, kfk_produce_batch *b, const kfk_error *err);
    /* Chooses a partition for a message that waited for its topic: one of map->ids, or a code of the library with the
     * sentence, which is the message's outcome then. `m` holds what the application gave, but time and userdata. Under
     * the baton, without a lock; must not wait. */
    int32_t (*balance)(void *owner, const kafka_message *m, const kfk_producer_map *map, kfk_error *err);
    /* It was closed or stopped, and the last outcome was told: none of these functions is called any more. Under the
     * baton, once; may be NULL. */
    void (*finished)(void *owner);
    /* Something for statistics happened; under the baton; may be NULL. */
    void (*counted)(void *owner, int what, int64_t value);
    void *owner;
} kfk_producer_config;

/* What kfk_producer_config.counted tells. */
enum {
    KFK_COUNT_DIAL_NS,    /* a connection was made; how long that took */
    KFK_COUNT_WAIT_NS,    /* a Produce was answered; how long that took */
    KFK_COUNT_SENT,       /* a batch was sent; its number of records */
    KFK_COUNT_SENT_BYTES, /* the same; its size on the wire */
    KFK_COUNT_RETRY,      /* a batch was sent once more; 1 */
    KFK_COUNT_REBALANCE,  /* a topic's partitions were learnt, whether something had changed or not; 1 */
    KFK_COUNT_REFUSED     /* a broker has refused a batch, for now or for good, or a limit has ended it; the code */
};

/* Any thread, no network. Copies what the configuration points to; holds a reference to the loop, and uses it until it
 * is closed. One reference. 0, KAFKA_ENOMEM. */
int kfk_producer_new(const kfk_producer_config *cfg, kfk_producer **out);
kfk_producer *kfk_producer_hold(kfk_producer *p);
/* Any thread. The last one must not go before it was closed or stopped. */
void kfk_producer_drop(kfk_producer *p);
kfk_loop *kfk_producer_loop(const kfk_producer *p);
/* Under the baton: see kfk_producer_config.finished. */
bool kfk_producer_is_finished_loop(const kfk_producer *p);
/* Under the baton: everything that has no outcome gets this one, now, in order; what a broker may have got is possibly
 * written. Only batches that some thread is just sealing get it when that is done: see `finished`. Connections are
 * closed, whoever waits is told `why`; later appends fail with KAFKA_ECLOSED. Again is harmless. For free, and for
 * callbacks that must not wait. */
void kfk_producer_stop_loop(kfk_producer *p, const kfk_error *why);
/* In a forked child: nothing may be done with it but this, which leaks what only a lock would make safe to walk. The
 * owner abandons the loop. */
void kfk_producer_abandon(kfk_producer *p);

enum { KFK_PRODUCER_TOPICS = 65536 };

/* ---- topics: any thread, without the baton ----------------------------------------------------------------------- */

/* The partitions of a topic at some time. Does not change while it is pinned. */
struct kfk_producer_map {
    /* Ascending: all partitions; those that somebody leads (all, when nobody leads any). Neither is empty. */
    size_t count, available_count;
    const int32_t *ids, *available;
    kfk_producer_partition *const *partitions; /* of ids[i], ids[i] == i */
    kfk_producer_partition *only;              /* when there is but one */
    _Atomic uint32_t pins;                     /* those who look at it */
    kfk_producer_map *next;                    /* of the topic's */
    size_t room;                               /* partitions that it could hold */
};

/* A topic's maps (producer_map.c): the one of now, NULL = its partitions are not known; and all there are. */
typedef struct kfk_producer_maps {
    _Atomic(kfk_producer_map *) now;
    kfk_producer_map *all; /* under the baton */
} kfk_producer_maps;

/* The topic of this name: found, or added and looked up from the next kfk_producer_call_end on. One reference.
 * 0, KAFKA_ERR_INVALID_TOPIC, KAFKA_ENOMEM, KAFKA_ECLOSED; KAFKA_EAGAIN: KFK_PRODUCER_TOPICS are known by name, and
 * none is forgotten. Takes a lock of the producer's: keep the topic. */
int kfk_producer_topic_get(kfk_producer *p, kafka_bytes name, kfk_producer_topic **out);
kfk_producer_topic *kfk_producer_topic_hold(kfk_producer_topic *t);
void kfk_producer_topic_drop(kfk_producer_topic *t);
/* NUL-terminated; as long as the topic. */
const char *kfk_producer_topic_name(const kfk_producer_topic *t);
/* As long as the topic. */
kfk_producer_maps *kfk_producer_topic_maps(kfk_producer_topic *t);
/* What is known of its partitions, pinned: kfk_producer_map_drop, before anything is waited for. NULL: nothing yet, or
 * messages that came before still wait: see kfk_producer_call_wait. */
static inline kfk_producer_map *kfk_producer_maps_pin(kfk_producer_maps *maps)
{
    kfk_producer_map *m = atomic_load(&maps->now);
    while (m) {
        atomic_fetch_add(&m->pins, 1);
        kfk_producer_map *now = atomic_load(&maps->now);
        if (__builtin_expect(now == m, 1)) break;
        atomic_fetch_sub(&m->pins, 1); /* it may have become another one's memory */
        m = now;
    }
    return m;
}
kfk_producer_map *kfk_producer_topic_map(kfk_producer_topic *t);
/* NULL is fine. */
static inline void kfk_producer_map_drop(kfk_producer_map *m)
{
    if (m) atomic_fetch_sub_explicit(&m->pins, 1, memory_order_release);
}

/* Of a batch, a partition: valid as long as the producer. */
kfk_producer_topic *kfk_producer_partition_topic(const kfk_producer_partition *pt);
int32_t kfk_producer_partition_id(const kfk_producer_partition *pt);

/* ---- writing: one call, one thread, without the baton ------------------------------------------------------------ */

/* What a writing thread has to tell. Lives on its stack, from begin to end. */
typedef struct kfk_producer_call {
    kfk_producer *producer;
    bool waits;           /* somebody is going to wait for what is appended: it is ready at once */
    bool told;            /* something was appended for a topic without a map, which may be a new one */
    kfk_accum_call accum; /* what was appended */
    kfk_accum_call lobby; /* the same for topics without a map, where `told` is set */
} kfk_producer_call;

/* now_ms: kfk_time_now_ms, read once per call: from then on delivery_timeout_ms counts. */
static inline void kfk_producer_call_begin(kfk_producer_call *c, kfk_producer *p, int64_t now_ms, bool waits)
{
    c->producer = p; /* field by field: zeroing all of it would cost more than a small call */
    c->waits = waits;
    c->told = false;
    c->accum.now_ms = now_ms;
    c->accum.waits = waits;
    c->accum.room = false;
    c->accum.kicks = NULL;
    c->accum.seals = NULL;
}
/* Batches are full. */
void kfk_producer_call_full(kfk_producer_call *c);
/* Appends a message to a partition of a map. `time_ms`: the record's timestamp; `codec`: KFK_CODEC_NONE and up. `side`
 * has side_size bytes and is copied; NULL: see kfk_produce_batch_append. When a batch is full it is sealed here, on
 * this thread, and told. 0 = accepted: there will be one outcome. Otherwise nothing was accepted, there will be none:
 *
 *   KAFKA_EAGAIN  no room in the budget: end the call, wait for room (kfk_producer_room_new), begin anew
 *   KAFKA_ETOOBIG the record does not fit into batch_bytes, or not into the budget
 *   KAFKA_EINVAL  a header without a name
 *   KAFKA_ENOMEM, KAFKA_ECLOSED */
static inline int kfk_producer_call_append(kfk_producer_call *c, kfk_producer_partition *pt, const kafka_message *m,
                                           int64_t time_ms, int32_t codec, const void *side)
{
    kfk_accum *a = (kfk_accum *)(void *)pt; /* its first member */
    int err = kfk_accum_append_inline(a, &c->accum, m, time_ms, codec, side);
    if (__builtin_expect(c->accum.seals != NULL, 0)) kfk_producer_call_full(c);
    return err;
}
/* The same for a topic without a map: the message waits, as a copy, until the partitions are known. KAFKA_EAGAIN: the
 * quarter of the budget for such messages is used up. Further: 1 = nothing was accepted, there is a map now. */
int kfk_producer_call_wait(kfk_producer_call *c, kfk_producer_topic *t, const kafka_message *m, int64_t time_ms,
                           int32_t codec, const void *side);
/* Tells the producer: seals what this thread has to seal, and submits once. Also before the thread waits for anything.
 * The call is as new afterwards. */
static inline void kfk_producer_call_end(kfk_producer_call *c);
void kfk_producer_call_tell(kfk_producer_call *c); /* there is something to be told */
/* The same for a caller who submits an operation of its own anyway: this before submitting, and
 * kfk_producer_kicked_loop first thing when it runs. One submission less. */
void kfk_producer_call_seal(kfk_producer_call *c);
void kfk_producer_kicked_loop(kfk_producer *p);

static inline void kfk_producer_call_end(kfk_producer_call *c)
{
    if (c->accum.kicks || c->told) kfk_producer_call_tell(c);
}

/* Any thread: a batch that was delivered goes. */
void kfk_producer_batch_free(kfk_produce_batch *b);

/* ---- operations --------------------------------------------------------------------------------------------------
 * Each is made, given to kfk_loop_submit, waited for, dropped. They end at their deadline (KFK_TIME_NEVER = none) with
 * KAFKA_ETIMEDOUT, with KAFKA_ECANCELED when their token (NULL = none) fires. 0 or KAFKA_ENOMEM. */

/* Room for a record of `bytes`: 0 = there is some, try again; KAFKA_ECLOSED. First come, first served. For a topic
 * without a map, which waits for its quarter, or for the map: `t`, else NULL. */
int kfk_producer_room_new(kfk_producer *p, kfk_producer_topic *t, size_t bytes, int64_t deadline_ms, kfk_cancel *token,
                          kfk_op **out);
/* 0 = all that was accepted before it was submitted has had its outcome. A deadline in the past starts sending. */
int kfk_producer_flush_new(kfk_producer *p, int64_t deadline_ms, kfk_cancel *token, kfk_op **out);
/* Refuses new messages, flushes, then stops (kfk_producer_stop_loop): with its deadline or token too, then what is left
 * has failed with KAFKA_ECANCELED. Its operation has finished after the last outcome was told. Any number of closes may
 * wait; of one that is over: 0 at once. */
int kfk_producer_close_new(kfk_producer *p, int64_t deadline_ms, kfk_cancel *token, kfk_op **out);
/* For the text of a wait that was given up: what the oldest batch without an outcome waits for. "" when there is
 * none. */
void kfk_producer_describe_loop(const kfk_producer *p, char *out, size_t cap);

#endif
