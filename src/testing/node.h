/* node: one broker of the cluster: its port, and the connections to it. */
#ifndef KFT_NODE_H
#define KFT_NODE_H
#include "net/loop.h"
#include "testing/fetch_session.h"

typedef struct kafka_cluster kafka_cluster;

typedef struct kft_node {
    kafka_cluster *cluster;
    int32_t id;
    int32_t port;           /* that it listens on, and advertises; kept when it stops */
    kfk_listener *listener; /* NULL = stopped */
    kfk_list sessions;      /* kft_session.node_link */
    int64_t started_ms;     /* the loop's time */
    bool was_restarted;     /* InitProducerId says 14 for a moment after that */
    int64_t disk_delay_ms;  /* each write to its logs takes that long */
    kft_fetch_sessions fetch_sessions;
} kft_node;

void kft_node_init(kft_node *n, kafka_cluster *c, int32_t id, int32_t port);
/* On the thread that turns the loop. Listens at the cluster's host; port 0 = any, which is kept. 0 or an error. */
int kft_node_start(kft_node *n, kfk_error *err);
/* On the thread that turns the loop: closes the port and every connection. */
void kft_node_stop(kft_node *n);
static inline bool kft_node_is_up(const kft_node *n)
{
    return n->listener != NULL;
}

#endif
