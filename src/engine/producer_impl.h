/* producer_impl: what the files of the producer share.
 *
 *   producer.c            birth and end, calls of writing threads, kicks
 *   producer_topics.c     topics: found, watched, searched
 *   producer_lobby.c      messages that wait for their topic
 *   producer_map.c        what writing threads see of a topic
 *   producer_partition.c  one partition: what there is, what its machine says, outcomes, timers
 *   producer_drain.c      one broker: which partitions go next, when a request is worth it
 *   producer_request.c    one Produce request: filling it, reading its answer
 *   producer_seal.c       sealing by helper threads, splitting, message sets for old brokers
 *   producer_id.c         InitProducerId
 *   producer_ops.c        waiting for room, flush, close
 *
 * How they call each other: everything that happens (a kick, an answer, a timer, a leader) ends in
 * kfk_partition_settle_loop for the partitions that it concerns, which puts them into their broker's lists, and in one
 * kfk_producer_pump_loop, which sends what can be sent. Nothing is sent anywhere else. */
#ifndef KFK_ENGINE_PRODUCER_IMPL_H
#define KFK_ENGINE_PRODUCER_IMPL_H
#include "base/lock.h"
#include "engine/backoff.h"
#include "engine/discover.h"
#include "engine/producer.h"
#include "engine/seal.h"
#include "wire/compress.h"
#include "wire/gen/init_producer_id.h"
#include "wire/gen/produce.h"

enum {
    KFK_PRODUCER_IN_FLIGHT = 5,           /* requests to one broker */
    KFK_PRODUCER_REQUEST_BYTES = 1 << 20, /* a request may hold so much, or one batch */
    KFK_PRODUCER_WORTH_BYTES = 64 * 1024, /* for which one is sent behind others, or a batch soon after the last */
    KFK_PRODUCER_PACE_MS = 1,             /* later than that any one is, */
    KFK_PRODUCER_PACE_MOST_MS = 5,        /* or so much later, where batches come thick and small */
    KFK_PRODUCER_SUSPECT_MS = 3000,       /* without an answer: perhaps others lead what it led */
    KFK_PRODUCER_SUSPECT_AGAIN_MS = 1000, /* and so often from then on */
    KFK_PRODUCER_RETRY_MS = 100,          /* after memory was short */
    KFK_PRODUCER_LOBBY = -1,              /* the partition of messages that wait for their topic */
    KFK_PRODUCER_SIDE_MOST = 64,          /* bytes beside each message, at most */
    KFK_PRODUCER_WHY = 400                /* longest text of a failure that is kept */
};

typedef struct kfk_producer_broker kfk_producer_broker;

/* ---- one partition ----------------------------------------------------------------------------------------------- */

typedef enum kfk_listing {
    KFK_UNLISTED, /* nothing can be sent, whatever its broker does */
    KFK_RESTING,  /* only an open batch that is not ready: sent when nothing is in flight to the broker */
    KFK_READY
} kfk_listing;

struct kfk_producer_partition {
    kfk_accum accum; /* any thread. Stays the first: kfk_producer_call_append */
    /* For threads that seal: could the next batch go out at once? Written under the baton. */
    _Atomic(kfk_producer_broker *) pipe; /* to where; NULL = nowhere */
    _Atomic bool may_send;               /* its own order allows it */
    /* Under the baton from here on. */
    kfk_producer_topic *topic;
    int32_t id;
    kfk_sequence sequence;
    uint64_t popped;             /* batches that came out of `accum` so far */
    int32_t pushed;              /* that the machine has now */
    int64_t last_deadline_ms;    /* of the last one that was pushed */
    kfk_producer_broker *broker; /* of the leader, NULL = nobody leads it */
    int32_t leader, leader_epoch;
    int32_t asked_leader, asked_epoch; /* of the request whose end was last told to the machine */
    kfk_listing listing;
    kfk_list listed;     /* in the broker's list */
    size_t worth;        /* bytes that it brings, as counted in the broker's list; */
    bool urgent;         /* or worth a request whatever they are */
    kfk_accum_view view; /* as last seen */
    kfk_list aging;      /* while it has an open batch: by age */
    int64_t aging_ms;    /* since when */
    bool overdue;        /* batch_timeout_ms has passed */
    bool busy;           /* a helper thread works on a batch of its machine: nothing is sent */
    bool sealing;        /* a helper thread seals its open batch */
    kfk_list asked_node; /* in the producer's list, while the next who appends is asked to seal */
    int64_t asked_ms;
    kfk_timer timer;
    char *why;       /* of its last failure; NULL = none */
    kfk_list own_id; /* in the list of those who wait for a producer id of their own */
};

/* ---- one topic --------------------------------------------------------------------------------------------------- */

struct kfk_producer_topic {
    kfk_map_node by_name; /* under the producer's lock */
    kfk_producer *producer;
    kfk_lock lock; /* around the first map's coming, and appends to the lobby; then an accumulator's, the slots' */
    kfk_producer_maps maps; /* none of now = messages go to the lobby */
    kfk_list fresh;         /* in the producer's list, under its lock, until it is watched */
    /* Under the baton. */
    kfk_topic_watch watch;
    bool has_id;
    kfk_uuid id; /* of the topic that partitions stand for */
    kfk_producer_partition lobby;
    kfk_list waiting; /* kfk_produce_batch.node: of the lobby, as they came */
    kfk_producer_partition **partitions;
    int32_t count;
    kfk_ask ask; /* looking for it */
    kfk_timer again;
    bool searching;
    unsigned rounds;    /* of looking that failed in a way that max_attempts counts */
    unsigned failures;  /* in a row, for the pause */
    int32_t in_request; /* producer_request.c: its place in the request that is being filled */
    char name[];
};

/* ---- one broker -------------------------------------------------------------------------------------------------- */

struct kfk_producer_broker {
    kfk_list node; /* in the producer's list: never freed before the producer */
    kfk_producer *producer;
    int32_t id;
    _Atomic int in_flight;   /* requests; written under the baton, as is: */
    _Atomic int64_t sent_ms; /* when the last one was sent, */
    _Atomic int32_t pace_ms; /* and how long the next one waits for more than little */
    int64_t filled_ms;       /* when the last one was filled */
    bool unfilled;           /* one of them waits until it can be written: it takes what is there then */
    bool dirty;              /* something may be sent */
    kfk_list dirty_node;
    kfk_list ready, resting; /* kfk_producer_partition.listed */
    size_t ready_count;      /* of the ready ones: how many, */
    size_t worth;            /* what they bring, */
    unsigned urgent;         /* and how many of them are */
    uint64_t connection;     /* the number of the newest one to it, 0 = none so far */
    int64_t not_before_ms;   /* it asked for a pause, or could not be connected to */
    kfk_timer timer;
    int64_t heard_ms; /* its last answer, or when it began to owe one */
    kfk_timer suspicion;
    bool unreachable; /* the last attempt to connect failed */
    kfk_error failure;
    kfk_list spare; /* kfk_producer_request.node */
    unsigned spares;
};

/* When it will have rested. */
static inline int64_t kfk_broker_rested_ms(const kfk_producer_broker *br)
{
    return atomic_load_explicit(&br->sent_ms, memory_order_relaxed) +
           atomic_load_explicit(&br->pace_ms, memory_order_relaxed);
}

/* Nothing was sent to it just now: what is there goes without waiting for more. Any thread. */
static inline bool kfk_broker_rested(const kfk_producer_broker *br, int64_t now_ms)
{
    return now_ms >= kfk_broker_rested_ms(br);
}

/* ---- the producer ------------------------------------------------------------------------------------------------ */

typedef enum kfk_id_state { KFK_ID_NONE, KFK_ID_ASKING, KFK_ID_PAUSING, KFK_ID_HAVE } kfk_id_state;

/* producer_id.c */
typedef struct kfk_producer_ids {
    kfk_discovery discovery;
    kfk_id_state state;
    int64_t id; /* the writer's */
    int16_t epoch;
    bool first;     /* it is asked for; else for one of a partition's own */
    kfk_list own;   /* kfk_producer_partition.own_id */
    int64_t got_id; /* the last answer */
    int16_t got_epoch;
    unsigned failures;
    kfk_timer again;
    kfk_error refused; /* code != 0: for good */
    kfk_error failure; /* code != 0: why there was none the last time that it was asked for */
} kfk_producer_ids;

struct kfk_producer {
    kfk_ref ref;
    kfk_producer_config cfg; /* with copies of what it points to */
    kfk_log log;
    kfk_loop *loop;
    char *client_id;
    kfk_hostport *bootstrap;
    kfk_slots *slots;
    kfk_accum_config accum_config, lobby_config;
    kfk_sequence_config sequence_config;
    /* Any thread. */
    _Atomic(kfk_accum *) kicked; /* a stack, by next_kick */
    _Atomic bool told;           /* the task below is on its way */
    kfk_task kick;
    _Atomic bool closed; /* nothing is accepted any more */
    kfk_lock lock;       /* of topics and fresh; nothing else is taken but memory */
    kfk_map topics;
    kfk_list fresh;
    /* Under the baton. */
    kfk_cluster *cluster; /* from the first kick on */
    kfk_list brokers;     /* kfk_producer_broker.node */
    kfk_list dirty;
    kfk_list outstanding; /* batches without an outcome, by serial */
    uint64_t serial;
    kfk_list aging;  /* partitions with an open batch, by its age */
    kfk_list asked;  /* partitions whose next batch somebody should seal, by time */
    kfk_timer timer; /* for these two, and to begin anew without memory */
    kfk_timer trim;
    int64_t retry_at_ms; /* memory was short: everything is looked at again */
    kfk_producer_ids ids;
    kfk_list rooms, flushes; /* producer_ops.c's */
    size_t closes;           /* closes that wait */
    bool closing;            /* a close has begun: everything is ready */
    bool stopped, finished;  /* everything has failed; and the last outcome was told */
    kfk_error stop_why;
    bool pumping, pump_again;
};

/* producer.c */
void kfk_producer_pump_loop(kfk_producer *p);
/* Looks at everything again in a moment: memory was short. */
void kfk_producer_retry_loop(kfk_producer *p);
/* Sets the producer's timer. */
void kfk_producer_plan_loop(kfk_producer *p);
/* Delivers what a call collected. Any thread. */
void kfk_producer_deliver(kfk_producer *p, kfk_accum_call *call);
void kfk_producer_count(kfk_producer *p, int what, int64_t value);
/* From now on nothing is accepted; what is open is swapped out. `plain`: nobody is going to see it. */
void kfk_producer_refuse_appends_loop(kfk_producer *p, bool plain);
/* Has everything had its outcome? */
bool kfk_producer_is_empty_loop(kfk_producer *p);
/* After a stop, when that is so: the end. */
void kfk_producer_finish_loop(kfk_producer *p);

/* producer_topics.c */
/* Each partition, the lobbies too. */
void kfk_producer_each_loop(kfk_producer *p, void (*fn)(kfk_producer_partition *, void *), void *arg);
kfk_producer_topic *kfk_producer_topic_next(kfk_producer *p, kfk_producer_topic *after);
void kfk_producer_topics_watch_loop(kfk_producer *p);
void kfk_producer_topics_close_loop(kfk_producer *p);
void kfk_producer_topic_free(kfk_producer_topic *t);
/* Swaps out and seals its lobby's open batch. */
void kfk_producer_lobby_swap_out(kfk_producer_topic *t, kfk_accum_call *call);
/* The lobby has news. */
void kfk_producer_lobby_loop(kfk_producer_topic *t, bool kicked);
/* Gives this outcome to what has waited for so many rounds, and was accepted by then. */
void kfk_producer_lobby_fail_loop(kfk_producer_topic *t, const kfk_error *why, unsigned rounds,
                                  int64_t accepted_before_ms);
/* The topic's map is as what is known, and the lobby empty. */
void kfk_producer_map_update_loop(kfk_producer_topic *t);
/* producer_map.c: a map of so many partitions as they are now, pinned, which nobody sees yet. NULL without memory. */
kfk_producer_map *kfk_producer_map_new_loop(kfk_producer_topic *t, size_t count);
bool kfk_producer_map_is_as(const kfk_producer_map *a, const kfk_producer_map *b);
/* When the topic goes. */
void kfk_producer_maps_fini(kfk_producer_maps *maps);
/* Somebody has something for a partition that nobody leads. */
void kfk_producer_search_loop(kfk_producer_topic *t);

/* producer_partition.c */
void kfk_partition_init(kfk_producer_partition *pt, kfk_producer_topic *t, int32_t id);
void kfk_partition_fini(kfk_producer_partition *pt);
static inline kfk_producer_partition *kfk_partition_of(kfk_accum *a)
{
    return KFK_CONTAINER(a, kfk_producer_partition, accum);
}
static inline kfk_producer *kfk_partition_producer(const kfk_producer_partition *pt)
{
    return pt->topic->producer;
}
/* Looks at what threads have appended and sealed. */
/* `kicked`: its kick was taken from the stack, so that it may be kicked again. */
void kfk_partition_look_loop(kfk_producer_partition *pt, bool kicked);
/* Acts on what the machine says; puts it into its broker's list; sets its timer. */
void kfk_partition_settle_loop(kfk_producer_partition *pt);
/* Another leader, or none; in which epoch. */
void kfk_partition_lead_loop(kfk_producer_partition *pt, kfk_producer_broker *br, int32_t leader, int32_t epoch);
/* Swaps out and pushes what is ready: the batch that may go out now on this connection, or NULL. */
kfk_produce_batch *kfk_partition_offer_loop(kfk_producer_partition *pt, uint64_t connection, int16_t version);
/* Swaps out what is open and pushes it, whatever it takes: it is not going to be sent soon. */
void kfk_partition_push_open_loop(kfk_producer_partition *pt);
/* Everything that it has fails. */
void kfk_partition_give_up_loop(kfk_producer_partition *pt, int code);
/* Does it have anything without an outcome? As last seen. */
bool kfk_partition_is_empty(const kfk_producer_partition *pt);
/* Is there anything that nobody leads it for? */
bool kfk_partition_waits_for_leader(const kfk_producer_partition *pt);
/* Why something failed, for the text of later outcomes. */
void kfk_partition_note(kfk_producer_partition *pt, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The batch has failed for what was noted last. It is told behind older ones, and their success takes the note away. */
void kfk_partition_keep_note(const kfk_producer_partition *pt, kfk_produce_batch *b);
/* A batch is seen for the first time: it counts as outstanding. */
void kfk_producer_adopt_loop(kfk_producer *p, kfk_produce_batch *b);
/* Its outcome, told. `why` NULL: written. */
void kfk_producer_deliver_outcome_loop(kfk_producer *p, kfk_produce_batch *b, const kfk_error *why);
/* Requests and the owner hold one each. */
void kfk_producer_batch_drop(kfk_produce_batch *b);

/* producer_drain.c */
kfk_producer_broker *kfk_producer_broker_get_loop(kfk_producer *p, int32_t id); /* NULL without memory */
void kfk_producer_broker_free(kfk_producer_broker *br);
void kfk_broker_list_loop(kfk_producer_broker *br, kfk_producer_partition *pt, kfk_listing listing, size_t worth,
                          bool urgent);
void kfk_broker_dirty_loop(kfk_producer_broker *br);
/* Nothing is sent to it for so long. */
void kfk_broker_pause_loop(kfk_producer_broker *br, int64_t ms);
/* A request was filled for it, with so many batches of so many bytes (uncompressed); it has answered one. */
void kfk_broker_sent_loop(kfk_producer_broker *br, size_t batches, size_t bytes);
void kfk_broker_heard_loop(kfk_producer_broker *br);
/* It could not be connected to: its topics are searched. */
void kfk_broker_unreachable_loop(kfk_producer_broker *br, const kfk_error *why);
void kfk_broker_drain_loop(kfk_producer_broker *br);

/* producer_request.c */
typedef struct kfk_producer_request kfk_producer_request;
/* Gives a request to the connection; it is filled when it can be written. 0 or KAFKA_ENOMEM. */
int kfk_producer_request_send_loop(kfk_producer_broker *br, kfk_broker *link);
void kfk_producer_request_free(kfk_list *node);

/* producer_seal.c */
/* A helper thread swaps out and seals. Inline where there is none. */
void kfk_producer_seal_job_loop(kfk_producer_partition *pt);
/* Helper threads seal these, in their order; what has no codec is sealed here and now. */
void kfk_producer_seal_list_job_loop(kfk_producer *p, kfk_accum_call *call);
/* Any thread: seals without compressing, batches that are opened again or that nobody is going to see. */
void kfk_producer_seal_plain(kfk_accum_call *call);
/* A helper thread makes a message set of a batch. */
void kfk_producer_set_job_loop(kfk_producer_partition *pt, kfk_produce_batch *b, int8_t magic);
void kfk_producer_split_loop(kfk_producer_partition *pt, kfk_produce_batch *b, kfk_sequence_split how);
/* Fails a batch that was never sent, in its turn. */
void kfk_producer_refuse_loop(kfk_producer_partition *pt, kfk_produce_batch *b, int code);

/* producer_id.c */
void kfk_producer_ids_init(kfk_producer *p);
void kfk_producer_ids_want_loop(kfk_producer *p);
void kfk_producer_ids_give_loop(kfk_producer_partition *pt);
void kfk_producer_ids_want_own_loop(kfk_producer_partition *pt);
void kfk_producer_ids_close_loop(kfk_producer *p);

/* producer_ops.c */
void kfk_producer_ops_serve_loop(kfk_producer *p);

#endif
