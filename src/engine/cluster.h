/* cluster: what is known of a Kafka cluster, and the connections to its brokers.
 *
 * It holds brokers, the topics somebody is interested in, the controller and coordinators, and keeps them fresh: when
 * somebody asks, when somebody found something stale, after a maximal age, and, while a watched topic lacks a leader or
 * is missing, again and again. Readers, writers and administrators have one each.
 *
 *   - One Metadata request is under way at a time, shared by all who wait for what it asks for; who needs more gets the
 *     next one. Refreshes begin at least 100 ms apart; after failures with a backoff of 100 ms doubling to 1 s.
 *   - Requests that find out about the cluster are hedged (engine/discover.h).
 *   - Connections are made when they are needed (engine/links.h). When no known broker can be reached, or a broker says
 *     so (code 129, KIP-1102) or answers for another cluster, it begins again from its bootstrap addresses, which are
 *     resolved anew, with the same backoff.
 *   - What answers say is not believed blindly (engine/topics.h, brokers.h). What was ignored is logged, one line for
 *     each answer.
 *
 * All callbacks come under the baton, and may come before the function that asked returns. Everything `_loop` under the
 * loop's baton. */
#ifndef KFK_ENGINE_CLUSTER_H
#define KFK_ENGINE_CLUSTER_H
#include "engine/links.h"
#include "engine/topics.h"

enum { KFK_REFRESH_GAP_MS = 100 };

typedef struct kfk_cluster_config {
    /* How to connect: loop, client id, log and so on. Address, `changed`, owner, `reconnect` and `lost_lines` are the
     * cluster's; a connect timeout of 0 is ten seconds. What it points to is copied or, like in kfk_broker_config,
     * taken along. */
    kfk_broker_config connect;
    const kfk_hostport *bootstrap; /* at least one; copied */
    size_t bootstrap_count;
    bool shuffle;               /* begin with a random one, so that not all clients ask the same broker */
    bool create_topics;         /* topics that are asked for are created by brokers configured to do so */
    int64_t max_age_ms;         /* of what is watched; 0 = five minutes, KFK_TIME_NEVER = as old as it likes */
    int64_t request_timeout_ms; /* of a Metadata or FindCoordinator request; 0 = 30 s */
} kfk_cluster_config;

/* Nothing is connected yet. One reference. Holds a reference to the loop. 0 or KAFKA_ENOMEM. */
int kfk_cluster_new_loop(const kfk_cluster_config *cfg, kfk_cluster **out);
kfk_cluster *kfk_cluster_hold(kfk_cluster *c);
/* Any thread. The last one must not go before it was closed. */
void kfk_cluster_drop(kfk_cluster *c);
kfk_loop *kfk_cluster_loop(const kfk_cluster *c);
/* Closes all connections; whoever waits is told KAFKA_ECLOSED, watchers are not told any more. Again is harmless. */
void kfk_cluster_close_loop(kfk_cluster *c);
/* Closes and drops. Any thread that may submit to the loop, also under the baton. */
void kfk_cluster_free(kfk_cluster *c);

/* ---- topics ------------------------------------------------------------------------------------------------------ */

/* Interest in a topic, or in all of them (name with data NULL): it is kept and kept fresh until unwatched. `w` is the
 * caller's memory, its `changed` is set. What is known already is not told. 0, KAFKA_ERR_INVALID_TOPIC, KAFKA_ENOMEM,
 * KAFKA_ECLOSED. */
int kfk_cluster_watch_loop(kfk_cluster *c, kafka_bytes name, kfk_topic_watch *w);
void kfk_cluster_unwatch_loop(kfk_cluster *c, kfk_topic_watch *w);
/* NULL = nobody is interested in it. Valid while somebody is. */
kfk_topic *kfk_cluster_topic_loop(kfk_cluster *c, kafka_bytes name);
kfk_topic *kfk_cluster_topic_by_id_loop(kfk_cluster *c, const kfk_uuid *id);

/* Waiting for one answer that speaks of a topic, or of the cluster's brokers. */
typedef struct kfk_ask kfk_ask;
struct kfk_ask {
    /* err NULL: an answer was taken over. Else: it could not be had, who was tried and why each failed; asking again
     * is up to the owner, and is paced. */
    void (*done)(kfk_ask *, const kfk_error *err);
    /* The cluster's. */
    kfk_list node;
    kfk_topic *topic;
    uint64_t need;
    bool on;
};
/* `name` with data NULL: the brokers. A request under way that asks for the topic will do. 0, KAFKA_ERR_INVALID_TOPIC,
 * KAFKA_ENOMEM, KAFKA_ECLOSED: `done` is not called then. While it waits ask->topic stays valid. */
int kfk_cluster_ask_loop(kfk_cluster *c, kafka_bytes name, kfk_ask *ask);
/* `done` is not called any more. One that is off is left alone. */
void kfk_cluster_unask_loop(kfk_cluster *c, kfk_ask *ask);
/* Something may have changed: refreshes all that is watched. */
void kfk_cluster_refresh_loop(kfk_cluster *c);

/* Does a broker's code for a partition mean that what is known of its leader is out of date? */
bool kfk_cluster_code_is_stale(int code);
/* A request for the partition, sent to this leader in this epoch, met such a code, or its connection was lost: asks
 * again, unless what is known has moved on since. */
void kfk_cluster_stale_loop(kfk_cluster *c, kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch);
/* What an answer said by the way (KIP-951): a broker's address, and who leads. Believed when newer than what is known
 * and possible; tells whether the leader was. Watchers hear of all hints together, by the last function. */
void kfk_cluster_learn_loop(kfk_cluster *c, int32_t id, kafka_bytes host, int32_t port, kafka_bytes rack);
bool kfk_cluster_hint_loop(kfk_cluster *c, kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch);
void kfk_cluster_tell_hints_loop(kfk_cluster *c);

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

/* NULL = not known. Valid until the next return to the loop. */
const kfk_node *kfk_cluster_node_loop(const kfk_cluster *c, int32_t id);
const kfk_brokers *kfk_cluster_brokers_loop(const kfk_cluster *c);
/* -1 = not known. */
int32_t kfk_cluster_controller_loop(const kfk_cluster *c);
/* NULL = not known. */
const char *kfk_cluster_id_loop(const kfk_cluster *c);
/* "host:port" of who gave the last answer, "" before the first. */
const char *kfk_cluster_answered_by_loop(const kfk_cluster *c);
/* For the text of a timeout: whom the refresh waits for, or what failed last. Always terminated. */
void kfk_cluster_describe_loop(const kfk_cluster *c, char *out, size_t cap);

#endif
