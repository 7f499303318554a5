/* cluster: what is known of a cluster. So far just enough to find the leader of a partition.
 *
 * The search asks one broker until the answer is good: errors that pass (a leader being elected, a topic being created)
 * are asked again with growing pauses, a connection that breaks in between comes back. A topic or partition that does
 * not exist is asked for a few times only, since metadata spreads with a delay. */
#ifndef KFK_ENGINE_CLUSTER_H
#define KFK_ENGINE_CLUSTER_H
#include "engine/broker.h"
#include "engine/limit.h"
#include "engine/metadata.h"

/* Give `op` to kfk_loop_submit, wait for it, drop it. Success: leader_id, leader_address (its host is valid), rack. */
typedef struct kfk_leader_search {
    kfk_op op;
    kfk_loop *loop;
    kfk_broker *broker; /* asks this one; owned, with `reconnect` */
    char *topic;
    int32_t partition;
    int64_t deadline_ms;
    kfk_cancel *cancel;
    kfk_limit limit;
    kfk_timer again;
    kfk_request request;
    kfk_metadata_request message;
    kfk_metadata_response answer;
    kfk_arena memory;
    unsigned attempts, unknown; /* answers so far; of these, such that say there is no such topic or partition */
    kfk_error error;            /* the last answer's */
    int32_t leader_id;
    kfk_hostport leader_address;
    char *rack; /* NULL = none */
} kfk_leader_search;

/* Takes the broker over, also on failure. 0 or KAFKA_ENOMEM. */
int kfk_leader_search_new(kfk_loop *l, kfk_broker *broker_take, const char *topic, int32_t partition,
                          int64_t deadline_ms, kfk_cancel *cancel, kfk_leader_search **out);

#endif
