/* clusters: an engine's cluster (engine/cluster.h) in a scenario, with three brokers to talk to. */
#ifndef KAFKA_TESTS_SIM_CLUSTERS_H
#define KAFKA_TESTS_SIM_CLUSTERS_H
#include "engine/coordinator.h"
#include "engine/leader.h"
#include "sim/client.h"
#include "wire/gen/metadata.h"

#define BROKER3 "10.0.0.3:9092"

enum { LATENCY_US = 500, ROUND_TRIP_MS = 1, CONNECT_MS = 2 /* and to learn the versions */, CLUSTER_BROKERS = 3 };

/* Three brokers with the topic "t", whose partitions 0, 1 and 2 the brokers 1, 2 and 3 lead, and a client of them. */
typedef struct user {
    sim *sim;
    kfk_cluster *cluster;
    peer_cluster *peers;
    peer *broker[CLUSTER_BROKERS + 1]; /* by id, from 1 */
    kfk_cluster_config cfg;
    kfk_hostport bootstrap[4];
    kfk_topic_watch watch; /* of "t" */
    int told;
    unsigned changes; /* all that was told */
    int code;
    void *arg;
} user;

/* Changes of the configuration before user_start are made in u->cfg. */
void user_init(user *u, sim *s, const char *addresses);
void user_start(user *u);
/* Closes the cluster, which must leave nothing behind. */
void user_end(user *u);
/* Metadata requests that the brokers got so far; attempts to connect to them. */
int user_requests(const user *u);
int user_connects(const user *u);

/* Watches "t". */
void user_watch(user *u);
void user_unwatch(user *u);
/* "leader/epoch" of a partition of "t" as it is known, or "error n". Valid until the next call. */
const char *user_leader(user *u, int32_t partition);
/* A request to this leader met an error. */
void user_stale(user *u, int32_t partition, int32_t leader, int32_t epoch);

/* Somebody who waits for an answer. */
typedef struct asker {
    kfk_ask ask;
    user *user;
    const char *topic; /* NULL = the brokers */
    bool done;
    int times, code;
    int64_t done_ms;
    char why[KFK_ERROR_TEXT];
} asker;
void asker_start(asker *a, user *u, const char *topic);
/* Starts and waits; gives the code. */
int user_ask(user *u, const char *topic, asker *a);

#endif
