/* coordinator: which broker coordinates a group or a transactional id.
 *
 * It is asked for while somebody waits, and kept until somebody found it wrong. Several keys go into one request where
 * brokers take that (FindCoordinator v4, KIP-699). A coordinator that is being elected or loads its state is asked for
 * again, after 100 ms doubling to 1 s; a connection that cannot be made costs the same. Nothing waits without a limit
 * of its own, and whoever waits has a timer that asks again.
 *
 * Everything under the loop's baton. */
#ifndef KFK_ENGINE_COORDINATOR_H
#define KFK_ENGINE_COORDINATOR_H
#include "engine/limit.h"
#include "engine/links.h"

typedef enum kfk_coordinator_type {
    KFK_COORDINATOR_GROUP,
    KFK_COORDINATOR_TXN,
    KFK_COORDINATOR_SHARE,
    KFK_COORDINATOR_TYPES
} kfk_coordinator_type;

typedef struct kfk_coordinator_wait kfk_coordinator_wait;
struct kfk_coordinator_wait {
    /* err NULL: `id` is the coordinator, a broker that links can be opened to. Otherwise: a code of the coordinator
     * look-up that does not pass (the group is not allowed ...), KAFKA_ETIMEDOUT with what happened last,
     * KAFKA_ECANCELED, KAFKA_ECLOSED, KAFKA_ENOMEM. */
    void (*done)(kfk_coordinator_wait *, const kfk_error *err);
    int32_t id;
    /* The cluster's. */
    kfk_cluster *cluster;
    kfk_list node;
    struct kfk_coordinator *coordinator;
    kfk_limit limit;
    bool on;
};

/* Waits until the coordinator is known; `done` comes exactly once, perhaps before this returns. deadline_ms:
 * KFK_TIME_NEVER = none; token: NULL = none. */
void kfk_cluster_coordinator_loop(kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key, int64_t deadline_ms,
                                  kfk_cancel *token, kfk_coordinator_wait *w);
/* `done` is not called. One that is off is left alone. */
void kfk_cluster_coordinator_cancel_loop(kfk_coordinator_wait *w);
/* This broker is not the coordinator (any more): it said so (codes 15, 16), or cannot be reached. Harmless when what is
 * known has changed since. */
void kfk_cluster_coordinator_gone_loop(kfk_cluster *c, kfk_coordinator_type type, kafka_bytes key, int32_t id);

#endif
