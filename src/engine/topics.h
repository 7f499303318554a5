/* topics: the table of topics by name and by id, with who leads their partitions.
 *
 * It holds the topics that somebody watches or asks for, or all. What the rules are about:
 *
 *   - A topic is its id. Another id under the same name is another topic, created anew: partitions and epochs begin
 *     again, and the watchers are told. An id that was replaced does not come back: who still names it is behind.
 *   - One answer is one broker's view. Leader epochs tell which of two views is newer (KIP-320): an older one does not
 *     move a partition back. Epoch -1 is "unknown", which is neither older nor newer, and is believed.
 *   - The number of partitions never becomes smaller under the same id, and a partition whose leader is not among the
 *     brokers has none, error 5.
 *   - That a topic does not exist is believed when several answers in a row say so.
 *   - What cannot be (names, indexes, duplicates) is ignored entry by entry.
 *
 * Without ids (brokers before 2.8) a topic that was missing may be another one when it comes back: its epochs begin
 * again. Pure: no network, no clock. */
#ifndef KFK_ENGINE_TOPICS_H
#define KFK_ENGINE_TOPICS_H
#include "engine/brokers.h"

enum { KFK_TOPIC_MISSING = 3 /* so many answers in a row say that there is no such topic: then it is so */ };

typedef struct kfk_partition {
    int32_t leader;       /* -1 = nobody leads it, as far as is known */
    int32_t leader_epoch; /* the leader's, -1 = unknown */
    int32_t newest_epoch; /* the highest that was ever known: an older one is not believed */
    uint32_t replicas_at; /* in the topic's list of replicas */
    uint16_t replica_count;
    int32_t absent_leader; /* named as the leader, but not among the brokers; -1 = none */
    int16_t error;         /* without a leader: why, else 0 */
    bool stale;            /* somebody found it out of date, and nothing newer has come since */
    bool taken;            /* by the answer that is being taken over */
} kfk_partition;

/* What happened to a topic. */
enum {
    KFK_TOPIC_LEADERS = 1, /* of some partitions the leader, its epoch, or the error */
    KFK_TOPIC_COUNT = 2,   /* there are more partitions */
    KFK_TOPIC_NEW_ID = 4,  /* it was created anew: all that was known of its partitions is void */
    KFK_TOPIC_ERROR = 8,   /* it exists now, or not any more, or may not be seen */
    KFK_TOPIC_GONE = 16    /* it leaves the table; told to those who watch all topics */
};

typedef struct kfk_topic {
    kfk_map_node by_name, by_id;
    kfk_uuid id, previous_id;
    bool has_id, is_internal;
    bool stale;       /* some partition is */
    int16_t error;    /* what kfk_topic_error tells, but for a missing one */
    unsigned missing; /* answers in a row that say there is no such topic */
    int32_t count;    /* of partitions */
    kfk_partition *partitions;
    int32_t *replicas; /* broker ids, of all partitions; in the same block */
    uint64_t answered; /* the number of the last answer that spoke of it; 0 = none */
    kfk_list watches;  /* kfk_topic_watch */
    unsigned uses;     /* by others: it stays */
    unsigned changes;  /* not told yet */
    kfk_list changed;  /* in the table's list */
    /* The refresh's (engine/refresh.c): numbers of answers. */
    kfk_list needing;      /* in the list of those that have to be asked for */
    uint64_t need, asked;  /* one with at least this number is wanted; the last one it was asked for in */
    int64_t idle_since_ms; /* nobody wants it since then; 0 = somebody does */
    int64_t retry_at_ms;   /* when to ask again about what is not as it should be */
    unsigned retries;
    size_t name_len;
    char name[];
} kfk_topic;

/* Somebody's interest in a topic, or in all of them. */
typedef struct kfk_topic_watch kfk_topic_watch;
struct kfk_topic_watch {
    kfk_list node;
    kfk_topic *topic; /* NULL = all */
    /* May be NULL. `changes` of enum above. May watch, unwatch, ask for more, and give hints. */
    void (*changed)(kfk_topic_watch *, kfk_topic *topic, unsigned changes);
    /* May be NULL. An answer has said which partitions the topic has, new or not; not told to those who watch all
     * topics. It comes while that answer is being taken over: it may count, and nothing else. */
    void (*looked_up)(kfk_topic_watch *);
    bool on;
};

typedef struct kfk_topics {
    kfk_map by_name, by_id;
    kfk_list watches; /* of all topics */
    kfk_list changed; /* topics with changes that were not told yet */
    bool closed;      /* nobody is told any more */
    bool telling;
} kfk_topics;

void kfk_topics_init(kfk_topics *ts, uint64_t seed);
void kfk_topics_fini(kfk_topics *ts);

/* NULL = not in the table. */
kfk_topic *kfk_topics_find(const kfk_topics *ts, kafka_bytes name);
kfk_topic *kfk_topics_find_id(const kfk_topics *ts, const kfk_uuid *id);
/* Finds or adds. 0; KAFKA_ERR_INVALID_TOPIC for what cannot be a name; KAFKA_ENOMEM. */
int kfk_topics_add(kfk_topics *ts, kafka_bytes name, kfk_topic **out);
/* The next in the order of their coming; NULL begins, and ends. The present one may be removed before asking. */
kfk_topic *kfk_topics_next(const kfk_topics *ts, const kfk_topic *after);
void kfk_topics_remove(kfk_topics *ts, kfk_topic *t);
/* Forgets ids and epochs: what is told from now on may be of another cluster. */
void kfk_topics_forget(kfk_topics *ts);

/* Interest. The watch is its owner's memory. */
void kfk_topics_watch(kfk_topics *ts, kfk_topic *t, kfk_topic_watch *w);
/* One that is off is left alone. */
void kfk_topics_unwatch(kfk_topic_watch *w);

/* 0; or why nothing can be said of its partitions: code 3 once that is certain or nothing else is known, code 5 when no
 * answer has spoken of it, or the error of the last answer. */
int kfk_topic_error(const kfk_topic *t);
/* 0 with the partition; kfk_topic_error's; code 3 when there is no such partition. Its leader may be -1. */
int kfk_topic_partition(const kfk_topic *t, int32_t partition, const kfk_partition **out);
/* Some partition has no leader, or the topic is not there or not known: worth asking again. */
bool kfk_topic_is_incomplete(const kfk_topic *t);

/* Takes over the topics of the answer with this number, after its brokers were taken over. Of topics that are not in
 * the table only those are taken that somebody wants: with `all` (everything was asked for) and a watch of all topics.
 * Then also those that the answer leaves out are missing, or leave the table when only the watch of all held them.
 * 0, or KAFKA_ENOMEM: topics are taken over whole or stay as they were; one that was created anew may have no
 * partitions then, which is incomplete. */
int kfk_topics_apply(kfk_topics *ts, const kfk_brokers *brokers, const kfk_metadata_response *answer, uint64_t number,
                     bool all, kfk_ignored *ignored, kfk_error *err);
/* The topic was asked for in the answer with this number, which leaves it out: as if it said that there is none. */
void kfk_topics_left_out(kfk_topics *ts, kfk_topic *t, uint64_t number);
/* A broker's word by the way about who leads (KIP-951): believed when its epoch is newer than what is known, and the
 * leader is named. Tells whether it was. */
bool kfk_topics_hint(kfk_topics *ts, const kfk_brokers *brokers, kfk_topic *t, int32_t partition, int32_t leader,
                     int32_t epoch);
/* Somebody who relied on this leader epoch found it out of date. Tells whether anything has to be asked: not when what
 * is known has moved on since. */
bool kfk_topics_mark_stale(kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch);
/* Calls the watchers of what has changed since the last time. What they change is told by the same call: from inside
 * one this does nothing. */
void kfk_topics_tell(kfk_topics *ts);

#endif
