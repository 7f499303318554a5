/* topic: topics, their settings, their partitions, and who leads these.
 *
 * Replication is modelled, not done: a partition's log exists once. `replicas` and `isr` say which brokers are said to
 * hold it. A leader that stops gives way to the next in-sync replica that is up, with the next leader epoch; without
 * one the partition has no leader until one of them is back. The high watermark follows the end of the log at once,
 * unless replication is held (kafka_cluster_hold_replication): then acks = all waits, and when leadership moves to
 * another broker meanwhile, the log is cut back to the high watermark, as if the new leader had never seen the rest. */
#ifndef KFT_TOPIC_H
#define KFT_TOPIC_H
#include "base/map.h"
#include "testing/log.h"
#include "testing/producer.h"
#include "testing/settings.h"
#include "wire/schema.h"

typedef struct kafka_cluster kafka_cluster;
typedef struct kft_topic kft_topic;

enum { KFT_MOST_REPLICAS = 16, KFT_TOPIC_NAME_MAX = 249 };

/* How a replica came up last: what its memory of producers goes back to (kft_producers_restart). */
typedef struct kft_restart {
    int64_t end; /* of the log when it went down; 0 = it never did */
    bool empty;  /* nothing was in the log when it came up */
} kft_restart;

typedef struct kft_partition {
    kft_topic *topic;
    int32_t index;
    int32_t leader;      /* -1 = none */
    int32_t last_leader; /* the one before while there is none; it has all of the log */
    int32_t leader_epoch;
    int32_t replicas[KFT_MOST_REPLICAS], isr[KFT_MOST_REPLICAS]; /* ids of brokers, preferred leader first */
    kft_restart restarts[KFT_MOST_REPLICAS];                     /* of each of `replicas` */
    int replica_count, isr_count;
    int32_t cut_epoch; /* the epoch that began with a log that was cut back; 0 = none has */
    bool replication_held;
    int64_t retained_wall_ms; /* when it was last looked for old messages, 0 = never */
    kft_log log;
    kft_producers producers;
    kfk_list waiters; /* kft_wait.node: parked requests that news of this partition may end */
} kft_partition;

struct kft_topic {
    kfk_map_node by_name, by_id, by_folded;
    char name[KFT_TOPIC_NAME_MAX + 1];
    kfk_uuid id;
    kft_settings settings;
    kft_partition **partitions; /* each allocated by itself: their addresses last */
    int32_t partition_count;
};

typedef struct kft_topics {
    kfk_map by_name, by_id;  /* in the order of creation */
    kfk_map by_folded;       /* by the name with '_' for '.': no two topics may have the same */
    int32_t partition_count; /* of all topics */
} kft_topics;

void kft_topics_init(kft_topics *t, uint64_t seed);
void kft_topics_fini(kft_topics *t);

kft_topic *kft_topic_find(const kft_topics *t, kafka_bytes name);
kft_topic *kft_topic_find_id(const kft_topics *t, const kfk_uuid *id);
/* Of a request that names topics by name below version 13 or so and by id from there on: whichever is set. */
kft_topic *kft_topic_find_any(const kft_topics *t, kafka_bytes name, const kfk_uuid *id);
/* NULL when the index is out of range. `t` may be NULL. */
kft_partition *kft_topic_partition(const kft_topic *t, int32_t index);
/* May a topic be called that? [a-zA-Z0-9._-]{1,249}, not "." or "..". Says why not. */
bool kft_topic_name_is_valid(kafka_bytes name, const char **why);

/* Makes a topic with a new id. `assignment`, which may be NULL, gives the replicas of each partition; otherwise they
 * are spread over all brokers, of which those that are up lead. 0 or a broker's error code (36 37 38 39 ..., -1 without
 * memory) with *why. */
typedef struct kft_assignment {
    const int32_t *replicas;
    int count;
} kft_assignment;
int16_t kft_topic_create(kafka_cluster *c, kafka_bytes name, int32_t partitions, int replication,
                         const kft_assignment *assignment, kft_topic **out, const char **why);
/* What kft_topic_create and kft_topic_grow would say, but for want of memory. */
int16_t kft_topic_check(const kafka_cluster *c, kafka_bytes name, int32_t partitions, int replication,
                        const kft_assignment *assignment, const char **why);
int16_t kft_topic_check_growth(const kafka_cluster *c, const kft_topic *t, int32_t partitions,
                               const kft_assignment *assignment, const char **why);
/* A version 4 UUID. */
kfk_uuid kft_topic_new_id(kafka_cluster *c);
/* More partitions. 0 or a broker's code. */
int16_t kft_topic_grow(kafka_cluster *c, kft_topic *t, int32_t partitions, const kft_assignment *assignment,
                       const char **why);
/* Wakes who waits on its partitions, then frees it. */
void kft_topic_delete(kafka_cluster *c, kft_topic *t);

/* Who waits on it looks again: data came, leadership moved, it is about to go. */
void kft_partition_changed(kafka_cluster *c, kft_partition *p);
/* Leadership moves (leader -1 = nobody's) and a new epoch begins; see above for what becomes of the log. */
void kft_partition_set_leader(kafka_cluster *c, kft_partition *p, int32_t leader);
/* A broker that is up becomes the leader, and a replica if it is none. 0, or KAFKA_EINVAL: too many replicas. */
int kft_partition_move(kafka_cluster *c, kft_partition *p, int32_t leader, kfk_error *err);
/* The high watermark follows the end, unless replication is held. */
void kft_partition_replicate(kafka_cluster *c, kft_partition *p);
/* Old messages go, as the topic's settings say. Whoever looks at the log calls it first, so no timer is needed. Like a
 * broker's log cleaner it looks for messages that are too old every five minutes only, or as often as retention.ms says
 * if that is less. */
void kft_partition_retain(kft_partition *p, int64_t now_wall_ms);
/* Broker `id` went down, came up: leaders and in-sync sets of all partitions follow. */
void kft_topics_broker_down(kafka_cluster *c, int32_t id);
void kft_topics_broker_up(kafka_cluster *c, int32_t id);
/* 0 when a client that knows this leader epoch (-1 = none) is up to date; else FENCED or UNKNOWN_LEADER_EPOCH. */
int16_t kft_partition_check_epoch(const kft_partition *p, int32_t epoch);
bool kft_partition_has_replica(const kft_partition *p, int32_t broker);
/* How many replicas acks = all needs in sync: min.insync.replicas, but not more than there are. */
int kft_partition_min_in_sync(const kft_partition *p);

#endif
