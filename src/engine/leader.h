/* leader: waiting until it is known who leads a partition.
 *
 * An answer that tells of an error that passes (an election, a topic being created) is asked for again with growing
 * pauses, and so is one that could not be had, once the cluster has been reached. A topic or partition that does not
 * exist is asked for a few times only, since metadata spreads with a delay. Who produces or consumes for long watches
 * the topic instead (engine/cluster.h). */
#ifndef KFK_ENGINE_LEADER_H
#define KFK_ENGINE_LEADER_H
#include "engine/cluster.h"
#include "engine/limit.h"

typedef struct kfk_leader_wait kfk_leader_wait;
struct kfk_leader_wait {
    /* Once, unless canceled: err NULL when `leader` is a broker of the cluster. */
    void (*done)(kfk_leader_wait *, const kfk_error *err);
    int32_t leader, leader_epoch;
    /* Its own. */
    kfk_cluster *cluster;
    const char *topic;
    int32_t partition;
    int64_t deadline_ms;
    kfk_limit limit;
    kfk_timer again;
    kfk_ask ask;
    unsigned attempts, unknown; /* answers so far; of these, such that say there is no such topic or partition */
    kfk_error error;            /* the last answer's */
};
/* The topic's name must live as long. deadline_ms: KFK_TIME_NEVER = none; token: NULL = none. `done` may come before
 * this returns. */
void kfk_leader_wait_loop(kfk_cluster *c, const char *topic, int32_t partition, int64_t deadline_ms, kfk_cancel *token,
                          kfk_leader_wait *w);
/* `done` is not called. Not after it was. */
void kfk_leader_cancel_loop(kfk_leader_wait *w);

/* The same as an operation with a cluster of its own. Give `op` to kfk_loop_submit, wait for it, drop it. Success:
 * leader_id, leader_address (its host is valid), rack, and who told. */
typedef struct kfk_leader_search {
    kfk_op op;
    kfk_loop *loop;
    kfk_cluster_config cfg; /* what it points to must live until the operation has finished */
    kfk_cluster *cluster;
    char *topic;
    int32_t partition;
    int64_t deadline_ms;
    kfk_cancel *cancel;
    kfk_leader_wait wait;
    int32_t leader_id;
    kfk_hostport leader_address;
    char *rack; /* NULL = none */
    char answered_by[KFK_HOST_MAX + 16];
} kfk_leader_search;

/* 0 or KAFKA_ENOMEM. */
int kfk_leader_search_new(const kfk_cluster_config *cfg, const char *topic, int32_t partition, int64_t deadline_ms,
                          kfk_cancel *cancel, kfk_leader_search **out);

#endif
