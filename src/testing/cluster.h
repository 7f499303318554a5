/* cluster: what the brokers of an in-memory cluster share: topics, logs, ids, faults, and who waits for what.
 *
 * A cluster lives on one loop, under its baton. Its brokers (node.h) listen on it, their connections (session.h) read
 * one request after the other, and a handler (handler.h) answers each from what stands here. In place of a controller
 * and replication between brokers there is one truth: a partition's log exists once, whoever leads the partition serves
 * it. What a user can see of replication (high watermarks that lag, logs that are truncated, in-sync sets that shrink)
 * is modelled in topic.h.
 *
 * Everything but the functions of kafka/testing.h runs on the thread that turns the loop. Symbols of this folder begin
 * with kft_. */
#ifndef KFT_CLUSTER_H
#define KFT_CLUSTER_H
#include "base/log.h"
#include "kafka/testing.h"
#include "net/loop.h"
#include "testing/fault.h"
#include "testing/topic.h"

enum {
    KFT_MOST_BROKERS = 100,
    KFT_MOST_SESSIONS = 20000,          /* connections to all brokers together; what comes beyond is closed */
    KFT_MOST_PARTITIONS = 100000,       /* of all topics together */
    KFT_LEAST_BUSY = 128 * 1024 * 1024, /* see session.h */
    KFT_MOST_FRAME = 100 * 1024 * 1024  /* socket.request.max.bytes */
};

typedef struct kft_node kft_node;

struct kafka_cluster {
    kfk_loop *loop;
    kfk_log log;
    char *host;
    char *bootstrap; /* "host:port,host:port" */
    char id[23];     /* base64 of 16 random bytes, as Kafka's are */
    kft_node *nodes; /* node_count of them; ids count from 1 */
    int32_t node_count, default_partitions;
    bool auto_create;
    kft_topics topics;
    kft_faults faults;
    int64_t next_producer_id;
    int session_count;  /* open connections */
    int connections;    /* so far: each has its number */
    kfk_list woken;     /* sessions whose parked request has news */
    kfk_task wake_task; /* runs them */
    bool wake_queued;
    kft_memory memory;                 /* what the logs hold */
    kft_producer_pool producers;       /* what they know of who wrote */
    struct kft_call_memory *last_call; /* so that kft_cluster_free needs no memory */
    size_t busy;                       /* bytes that requests and answers take just now */
    kafka_cluster_listener listener;
    void (*sees)(void *arg, const struct kft_ask *); /* each request as it came, before anything becomes of it; NULL */
    void *sees_arg;
    int64_t requests[KFT_API_KEYS]; /* so far, by API key */
};

/* Starts the brokers; 0 or an error with its sentence. */
int kft_cluster_new(const kafka_cluster_config *cfg, kafka_cluster **out, kfk_error *err);
/* 0, or KAFKA_EAGAIN inside a callback: it is as it was. In a forked child, of the parent's: what can be given up
 * there. */
int kft_cluster_free(kafka_cluster *c, kfk_error *err);

/* The broker that listens, or NULL: no such id, or stopped. */
kft_node *kft_cluster_node(kafka_cluster *c, int32_t id);
/* The broker that acts as controller: the one with the lowest id that is up; -1 = none is. */
int32_t kft_cluster_controller(const kafka_cluster *c);
/* A line for the cluster's logger. */
#define kft_log(c, level, ...) kfk_log_write(&(c)->log, (level), __VA_ARGS__)

#endif
