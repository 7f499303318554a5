/* kafka/testing.h: a Kafka cluster inside of the process, for tests. Link with libkafka-testing as well.
 *
 *     kafka_cluster *cluster;
 *     kafka_cluster_new(&(kafka_cluster_config){.brokers = 3}, &cluster);
 *     ... connect to kafka_cluster_bootstrap(cluster) with any client ...
 *     kafka_cluster_free(cluster);
 *
 * Its brokers listen on real ports, speak the protocol as Apache Kafka 4.3 does, and keep everything in memory. One can
 * make them fail in the ways that matter: see the faults below. It is not for production: nothing is stored, nothing is
 * encrypted, anybody may do anything.
 *
 * Functions may be called from any thread and return when what they do is done; they wait for the cluster's loop alone,
 * never for a client. In a callback of the library they return KAFKA_EAGAIN, in a forked child KAFKA_EFORKED. A broker
 * or partition that does not exist is KAFKA_EINVAL, an unknown topic KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION. On a manual
 * loop (loop.h) they are blocking calls like others: the thread that turned it last turns it.
 *
 * Memory is bounded: the messages by a limit (kafka_cluster_set_memory_limit), topics, connections, idempotent
 * producers and faults by numbers far beyond what tests need. What has no room is an error to the client. */
#ifndef KAFKA_TESTING_H
#define KAFKA_TESTING_H
#include <kafka/kafka.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

typedef struct kafka_cluster kafka_cluster;
typedef struct kafka_cluster_config {
    const char *host;              /* numeric address to listen at and to advertise, NULL = 127.0.0.1 */
    const kafka_logger *logger;    /* at KAFKA_LOG_DEBUG every request and answer as text; NULL = none */
    kafka_loop *loop;              /* that runs it, NULL = a thread of its own */
    int32_t brokers;               /* 0 = 1; their ids count from 1 */
    int32_t base_port;             /* broker i listens at base_port + i - 1; 0 = any free ports */
    int32_t partitions;            /* of topics made without a count, 0 = 1 */
    int32_t no_auto_create;        /* 1 = a topic does not come into being by being asked for */
} kafka_cluster_config;

/* kafka_cluster_new starts the brokers; they accept connections when it returns. `cfg` may be NULL. KAFKA_EINVAL,
 * KAFKA_ENOMEM, KAFKA_EIO when a port is taken, KAFKA_EVERSION when libkafka is of another version. */
KAFKA_API KAFKA_NODISCARD int kafka_cluster_new_sized(const kafka_cluster_config *, size_t size, kafka_cluster **out);
KAFKA_NODISCARD static inline int kafka_cluster_new(const kafka_cluster_config *cfg, kafka_cluster **out)
{
    return kafka_cluster_new_sized(cfg, sizeof *cfg, out);
}
/* kafka_cluster_bootstrap returns "host:port,host:port ..." of all brokers; it lives as long as the cluster. */
KAFKA_API const char *kafka_cluster_bootstrap(const kafka_cluster *);
/* kafka_cluster_free ends the cluster and every connection to it. NULL is fine. Not in a callback of the library, where
 * it cannot wait: it does nothing there. */
KAFKA_API void kafka_cluster_free(kafka_cluster *);

/* kafka_cluster_create_topic makes a topic that is replicated to all brokers, up to three; `partitions` 0 = the
 * default. KAFKA_ERR_TOPIC_ALREADY_EXISTS, KAFKA_ERR_INVALID_TOPIC. */
KAFKA_API int kafka_cluster_create_topic(kafka_cluster *, const char *topic, int32_t partitions);
/* kafka_cluster_delete_topic deletes it with its messages. One that is made again under its name has another id. */
KAFKA_API int kafka_cluster_delete_topic(kafka_cluster *, const char *topic);
/* kafka_cluster_leader tells which broker leads a partition, -1 = none. */
KAFKA_API int kafka_cluster_leader(kafka_cluster *, const char *topic, int32_t partition, int32_t *broker);
/* kafka_cluster_move_leader makes a broker the leader, with a new leader epoch; it becomes a replica if it is none. */
KAFKA_API int kafka_cluster_move_leader(kafka_cluster *, const char *topic, int32_t partition, int32_t broker);
/* kafka_cluster_stop_broker closes its port and all its connections; partitions it led go to other replicas, or are
 * without a leader. kafka_cluster_start_broker starts it again at its port; of each idempotent producer it remembers
 * the newest batch only. Stopping a stopped one, or starting one that runs, is fine. */
KAFKA_API int kafka_cluster_stop_broker(kafka_cluster *, int32_t broker);
KAFKA_API int kafka_cluster_start_broker(kafka_cluster *, int32_t broker);
/* kafka_cluster_log_size tells the first offset of a partition's log and that of the next message. */
KAFKA_API int kafka_cluster_log_size(kafka_cluster *, const char *topic, int32_t partition, int64_t *start,
                                     int64_t *end);
/* kafka_cluster_expire_producers has a partition forget an idempotent producer, -1 = all. */
KAFKA_API int kafka_cluster_expire_producers(kafka_cluster *, const char *topic, int32_t partition, int64_t producer_id);
/* kafka_cluster_hold_replication (hold 1) keeps followers from copying: the high watermark stands still, writes with
 * acks = all wait, and if leadership moves to another broker meanwhile, what was not copied is cut off. 0 lets go. */
KAFKA_API int kafka_cluster_hold_replication(kafka_cluster *, const char *topic, int32_t partition, int32_t hold);
/* kafka_cluster_set_disk_delay makes each write to a broker's logs take that long; 0 = none. */
KAFKA_API int kafka_cluster_set_disk_delay(kafka_cluster *, int32_t broker, int64_t delay_ms);

/* kafka_cluster_set_memory_limit bounds what all partitions together hold in memory, in bytes; 256 MiB at first. Over
 * it the oldest messages of the cluster go, whichever partition they are in and whatever its retention, and its log
 * start moves on. A batch that is larger by itself is refused with KAFKA_ERR_KAFKA_STORAGE_ERROR. KAFKA_EINVAL: below
 * 1. */
KAFKA_API int kafka_cluster_set_memory_limit(kafka_cluster *, int64_t bytes);

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* What happens to a request that meets a fault. */
typedef int32_t kafka_fault_kind;
enum {
    KAFKA_FAULT_ERROR = 1,         /* answer with `error`, change nothing */
    KAFKA_FAULT_APPLY_THEN_ERROR,  /* do it, then answer with `error`: an old leader that appended and says 6 */
    KAFKA_FAULT_DROP,              /* do nothing, close the connection */
    KAFKA_FAULT_APPLY_THEN_DROP,   /* do it, close without an answer */
    KAFKA_FAULT_DELAY,             /* answer after `delay_ms` */
    KAFKA_FAULT_SILENCE,           /* do nothing, never answer, keep the connection */
    KAFKA_FAULT_TRUNCATE           /* send `bytes` bytes of the answer, then close */
};
/* The protocol's API keys, as Kafka 4.4 has them. A fault can be set for any; requests of those that the cluster does
 * not serve never come as far as that. */
enum {
    KAFKA_REQUEST_PRODUCE = 0,
    KAFKA_REQUEST_FETCH = 1,
    KAFKA_REQUEST_LIST_OFFSETS = 2,
    KAFKA_REQUEST_METADATA = 3,
    KAFKA_REQUEST_LEADER_AND_ISR = 4,
    KAFKA_REQUEST_STOP_REPLICA = 5,
    KAFKA_REQUEST_UPDATE_METADATA = 6,
    KAFKA_REQUEST_CONTROLLED_SHUTDOWN = 7,
    KAFKA_REQUEST_OFFSET_COMMIT = 8,
    KAFKA_REQUEST_OFFSET_FETCH = 9,
    KAFKA_REQUEST_FIND_COORDINATOR = 10,
    KAFKA_REQUEST_JOIN_GROUP = 11,
    KAFKA_REQUEST_HEARTBEAT = 12,
    KAFKA_REQUEST_LEAVE_GROUP = 13,
    KAFKA_REQUEST_SYNC_GROUP = 14,
    KAFKA_REQUEST_DESCRIBE_GROUPS = 15,
    KAFKA_REQUEST_LIST_GROUPS = 16,
    KAFKA_REQUEST_SASL_HANDSHAKE = 17,
    KAFKA_REQUEST_API_VERSIONS = 18,
    KAFKA_REQUEST_CREATE_TOPICS = 19,
    KAFKA_REQUEST_DELETE_TOPICS = 20,
    KAFKA_REQUEST_DELETE_RECORDS = 21,
    KAFKA_REQUEST_INIT_PRODUCER_ID = 22,
    KAFKA_REQUEST_OFFSET_FOR_LEADER_EPOCH = 23,
    KAFKA_REQUEST_ADD_PARTITIONS_TO_TXN = 24,
    KAFKA_REQUEST_ADD_OFFSETS_TO_TXN = 25,
    KAFKA_REQUEST_END_TXN = 26,
    KAFKA_REQUEST_WRITE_TXN_MARKERS = 27,
    KAFKA_REQUEST_TXN_OFFSET_COMMIT = 28,
    KAFKA_REQUEST_DESCRIBE_ACLS = 29,
    KAFKA_REQUEST_CREATE_ACLS = 30,
    KAFKA_REQUEST_DELETE_ACLS = 31,
    KAFKA_REQUEST_DESCRIBE_CONFIGS = 32,
    KAFKA_REQUEST_ALTER_CONFIGS = 33,
    KAFKA_REQUEST_ALTER_REPLICA_LOG_DIRS = 34,
    KAFKA_REQUEST_DESCRIBE_LOG_DIRS = 35,
    KAFKA_REQUEST_SASL_AUTHENTICATE = 36,
    KAFKA_REQUEST_CREATE_PARTITIONS = 37,
    KAFKA_REQUEST_CREATE_DELEGATION_TOKEN = 38,
    KAFKA_REQUEST_RENEW_DELEGATION_TOKEN = 39,
    KAFKA_REQUEST_EXPIRE_DELEGATION_TOKEN = 40,
    KAFKA_REQUEST_DESCRIBE_DELEGATION_TOKEN = 41,
    KAFKA_REQUEST_DELETE_GROUPS = 42,
    KAFKA_REQUEST_ELECT_LEADERS = 43,
    KAFKA_REQUEST_INCREMENTAL_ALTER_CONFIGS = 44,
    KAFKA_REQUEST_ALTER_PARTITION_REASSIGNMENTS = 45,
    KAFKA_REQUEST_LIST_PARTITION_REASSIGNMENTS = 46,
    KAFKA_REQUEST_OFFSET_DELETE = 47,
    KAFKA_REQUEST_DESCRIBE_CLIENT_QUOTAS = 48,
    KAFKA_REQUEST_ALTER_CLIENT_QUOTAS = 49,
    KAFKA_REQUEST_DESCRIBE_USER_SCRAM_CREDENTIALS = 50,
    KAFKA_REQUEST_ALTER_USER_SCRAM_CREDENTIALS = 51,
    KAFKA_REQUEST_VOTE = 52,
    KAFKA_REQUEST_BEGIN_QUORUM_EPOCH = 53,
    KAFKA_REQUEST_END_QUORUM_EPOCH = 54,
    KAFKA_REQUEST_DESCRIBE_QUORUM = 55,
    KAFKA_REQUEST_ALTER_PARTITION = 56,
    KAFKA_REQUEST_UPDATE_FEATURES = 57,
    KAFKA_REQUEST_ENVELOPE = 58,
    KAFKA_REQUEST_FETCH_SNAPSHOT = 59,
    KAFKA_REQUEST_DESCRIBE_CLUSTER = 60,
    KAFKA_REQUEST_DESCRIBE_PRODUCERS = 61,
    KAFKA_REQUEST_BROKER_REGISTRATION = 62,
    KAFKA_REQUEST_BROKER_HEARTBEAT = 63,
    KAFKA_REQUEST_UNREGISTER_BROKER = 64,
    KAFKA_REQUEST_DESCRIBE_TRANSACTIONS = 65,
    KAFKA_REQUEST_LIST_TRANSACTIONS = 66,
    KAFKA_REQUEST_ALLOCATE_PRODUCER_IDS = 67,
    KAFKA_REQUEST_CONSUMER_GROUP_HEARTBEAT = 68,
    KAFKA_REQUEST_CONSUMER_GROUP_DESCRIBE = 69,
    KAFKA_REQUEST_CONTROLLER_REGISTRATION = 70,
    KAFKA_REQUEST_GET_TELEMETRY_SUBSCRIPTIONS = 71,
    KAFKA_REQUEST_PUSH_TELEMETRY = 72,
    KAFKA_REQUEST_ASSIGN_REPLICAS_TO_DIRS = 73,
    KAFKA_REQUEST_LIST_CONFIG_RESOURCES = 74,
    KAFKA_REQUEST_DESCRIBE_TOPIC_PARTITIONS = 75,
    KAFKA_REQUEST_SHARE_GROUP_HEARTBEAT = 76,
    KAFKA_REQUEST_SHARE_GROUP_DESCRIBE = 77,
    KAFKA_REQUEST_SHARE_FETCH = 78,
    KAFKA_REQUEST_SHARE_ACKNOWLEDGE = 79,
    KAFKA_REQUEST_ADD_RAFT_VOTER = 80,
    KAFKA_REQUEST_REMOVE_RAFT_VOTER = 81,
    KAFKA_REQUEST_UPDATE_RAFT_VOTER = 82,
    KAFKA_REQUEST_INITIALIZE_SHARE_GROUP_STATE = 83,
    KAFKA_REQUEST_READ_SHARE_GROUP_STATE = 84,
    KAFKA_REQUEST_WRITE_SHARE_GROUP_STATE = 85,
    KAFKA_REQUEST_DELETE_SHARE_GROUP_STATE = 86,
    KAFKA_REQUEST_READ_SHARE_GROUP_STATE_SUMMARY = 87,
    KAFKA_REQUEST_STREAMS_GROUP_HEARTBEAT = 88,
    KAFKA_REQUEST_STREAMS_GROUP_DESCRIBE = 89,
    KAFKA_REQUEST_DESCRIBE_SHARE_GROUP_OFFSETS = 90,
    KAFKA_REQUEST_ALTER_SHARE_GROUP_OFFSETS = 91,
    KAFKA_REQUEST_DELETE_SHARE_GROUP_OFFSETS = 92,
    KAFKA_REQUEST_STREAMS_GROUP_TOPOLOGY_DESCRIPTION_UPDATE = 93,
    KAFKA_REQUEST_UNREGISTER_CONTROLLER = 94
};
/* A fault: the next `count` requests that match it meet it, in the order in which faults were added; KAFKA_NEVER =
 * until they are cleared. With `topic` or `partition` given, a request matches that names it. */
typedef struct kafka_fault {
    int64_t count, delay_ms, bytes;
    const char *topic; /* NULL = any */
    kafka_fault_kind kind;
    int32_t api, broker, error, partition; /* -1 = any, but for error */
    int32_t reserved;
} kafka_fault;

/* kafka_fault_on returns a fault of that kind for the next request of that API at any broker, topic and partition: a
 * start to change fields of. */
KAFKA_API kafka_fault kafka_fault_on(kafka_fault_kind, int32_t api);
/* kafka_cluster_add_fault adds a copy of it. KAFKA_EINVAL: a kind that is unknown, a negative time. */
KAFKA_API int kafka_cluster_add_fault(kafka_cluster *, const kafka_fault *);
/* kafka_cluster_clear_faults takes all of them away. What a request has met already goes on. */
KAFKA_API void kafka_cluster_clear_faults(kafka_cluster *);
/* kafka_cluster_faults_met returns how many requests have met a fault so far. */
KAFKA_API int64_t kafka_cluster_faults_met(kafka_cluster *);

/* ---- watching it ------------------------------------------------------------------------------------------------- */

/* kafka_cluster_requests returns how many requests of an API have come so far, -1 = of any. */
KAFKA_API int64_t kafka_cluster_requests(kafka_cluster *, int32_t api);

/* One request or answer; valid during the call. */
typedef struct kafka_cluster_event {
    const char *text;      /* the message as one line; one beyond 64 KiB is cut off and ends in "..." */
    kafka_bytes client_id; /* what the client calls itself; may be null */
    int32_t broker, connection;
    int32_t api, version;
    int32_t correlation_id, is_answer;
} kafka_cluster_event;
/* kafka_cluster_listener hears of each request when it comes and of each answer when it is sent, on the cluster's loop;
 * it should be quick. */
typedef struct kafka_cluster_listener {
    void (*heard)(void *userdata, const kafka_cluster_event *);
    void *userdata;
} kafka_cluster_listener;
/* kafka_cluster_set_listener: NULL = nobody. When it has returned the old one is not called any more. */
KAFKA_API int kafka_cluster_set_listener(kafka_cluster *, const kafka_cluster_listener *);

#ifdef __cplusplus
}
#endif
#endif
