/* world: an in-memory cluster on the simulated network, and an application that writes to it and reads from it while
 * things go wrong.
 *
 *     static const char *const happens[] = {WORLD_MAYBE_WRITTEN, NULL};
 *     SCENARIO_WITH(a_leader_that_is_killed_costs_nothing, .sometimes = happens)
 *     {
 *         world *w = world_new(s, &(world_config){.brokers = 3});
 *         for (int i = 0; i < 3; i++) {
 *             world_stop_broker(w, 0, 200 + (int64_t)sim_plan_below(s, 400));
 *             world_expect_progress(w, 1000);
 *         }
 *         world_end(w);
 *     }
 *
 * Writers and readers are fibers with a connection each, made again when it fails them. What they are told is kept in a
 * journal (sim/journal.h); world_end stops them, reads the logs, and compares. Each call has a deadline, and must end
 * by it.
 *
 * Faults are announced with sim_fault and planned with sim_plan_below, so that the runner can leave them out. */
#ifndef KAFKA_TESTS_SIM_WORLD_H
#define KAFKA_TESTS_SIM_WORLD_H
#include "kafka/testing.h"
#include "sim/journal.h"
#include "sim/names.h"
#include "sim/network.h"
#include "sim/runner.h"

enum { WORLD_BROKERS = 5, WORLD_TOPICS = 3 /* more than the first */ };
#define WORLD_TOPIC "orders"

/* What happens sometimes, noted by the world itself. */
#define WORLD_WRITTEN       "a record was acknowledged"
#define WORLD_READ          "a record was read"
#define WORLD_MAYBE_WRITTEN "a write of unknown outcome is in the log"
#define WORLD_MAYBE_LOST    "a write of unknown outcome is not in the log"
#define WORLD_DUPLICATE     "a record is in the log twice, as it may be"
#define WORLD_RECONNECTED   "a connection was made again"
#define WORLD_TIMED_OUT     "a call ended at its deadline"
#define WORLD_NOT_LEADER    "a broker said that it does not lead the partition"
#define WORLD_REFUSED       "a connection was refused"
#define WORLD_RESET         "a connection was reset"
#define WORLD_EOF           "a connection was closed by the broker"
#define WORLD_OUT_OF_RANGE  "a position was out of range"
#define WORLD_CORRUPT       "a batch was found corrupt"
#define WORLD_UNRESOLVED    "a name could not be resolved"
#define WORLD_PROTOCOL      "an answer was nonsense"
#define WORLD_NO_MEMORY     "a call found no memory"
#define WORLD_SAME_BYTES    "a batch came once more, byte for byte"

/* 0 = the default. */
typedef struct world_config {
    int brokers;         /* 1 */
    int partitions;      /* 2; writer and reader i have partition i modulo this */
    int writers;         /* 2; -1 = none */
    int readers;         /* 2; -1 = none */
    int most_writes;     /* of a writer: calls; default 60 */
    int most_batch;      /* messages of a call; default 3 */
    int64_t pause_us;    /* between two calls of a task, on average; default 25 000 */
    int64_t deadline_ms; /* of a call, at most; default 1000. Half of them have less */
    int32_t acks;        /* KAFKA_ACKS_... */
    bool no_retry;       /* a write that failed is not tried again */
    bool patient;        /* every call has the whole deadline */
    bool watched;        /* the library's metadata is compared with the truth, too: world_metadata.c */
    bool by_name;        /* brokers are dialled as "kafka" through the simulation's resolver at first */
    int64_t slack_ms;    /* by how much deadlines may be missed: the machine is slow */
    int64_t slice_ms;    /* what may be asked of a fetch; default as the library does */
} world_config;

typedef struct world world;

/* In a fiber. Starts the cluster with its topic, and the tasks. The broker with id i listens at 10.0.0.1, port
 * 9091 + i. NULL: it failed. */
world *world_new(sim *s, const world_config *cfg);
/* In a fiber: the tasks end, what was left undone by faults is undone, the logs are read and compared with the journal,
 * and the cluster goes. NULL is fine. */
void world_end(world *w);

/* A topic more, with a journal of its own, for scenarios that bring their own tasks; world_end compares its logs,
 * too. */
journal *world_add_topic(world *w, const char *topic, int32_t partitions);

kafka_cluster *world_cluster(const world *w);
journal *world_journal(world *w);
/* "10.0.0.1:9093" of the broker with this id. */
const char *world_address(const world *w, int broker);
const char *world_bootstrap(const world *w);
kafka_dialer world_dialer(const world *w, int64_t timeout_ms);
/* A broker's id, 1 ..., for the plan. `partition` >= 0: that which leads it. */
int world_some_broker(world *w);
int world_leader(world *w, int32_t partition);
/* Every writer has had a record acknowledged, and every reader has read one or is at the end, within so many
 * milliseconds from now on; else the run fails. */
void world_expect_progress(world *w, int64_t ms);
/* Tasks so far: connections made, by all of them. */
int world_dials(const world *w);
/* Asks the library for a coordinator, within so many milliseconds: 0, or the code of the failure. The call must end by
 * then. Needs `watched`. */
int world_find_coordinator(world *w, const char *group, int64_t ms, int32_t *id);
/* The library asks for metadata soon, as when something was found out of date. Needs `watched`. */
void world_refresh_metadata(world *w);
/* For tasks of a scenario's own: a call failed with this code. Notes what happened; one that nothing in the world can
 * have caused (a batch that a broker finds corrupt, an answer that cannot be understood) fails the run as nonsense. */
void world_failed(world *w, int code, const char *why);
/* Tells of each request and answer of the cluster, on the loop's turn; NULL = nobody any more. */
void world_hear(world *w, void (*heard)(void *arg, const kafka_cluster_event *), void *arg);
/* What idempotent producers send is compared (world_wire.c): a sequence that belongs to two records is the anomaly
 * sequence-twice, a batch that comes again with other bytes is other-bytes, a partition that does not begin at 0 under
 * a producer id and epoch is sequence-begins. This forgets what came so far: sequences are set
 * back by hand. */
void world_forget_sequences(world *w);
/* Stops writers and readers; again is harmless. */
void world_stop_tasks(world *w);

/* ---- faults; those with a time wait until it is over, also when the fault is left out ---------------------------- */

/* A broker (0 = the leader of some partition) is killed and started again. */
void world_stop_broker(world *w, int broker, int64_t ms);
/* Leadership of a partition moves to another broker. */
void world_move_leader(world *w, int32_t partition);
/* What a broker leads, others lead from now on: as when a controller finds that it is gone. Part of another fault. */
void world_fence_broker(world *w, int broker);
/* The program of a broker stands still. */
void world_freeze_broker(world *w, int broker, int64_t ms);
/* Packets between the application and a broker (0 = all of them) are lost in these directions (SIM_UP, SIM_DOWN). */
void world_partition(world *w, int broker, unsigned directions, int64_t ms);
/* All connections to a broker (0 = all) are reset. */
void world_reset(world *w, int broker);
/* Followers of a partition copy nothing for so long; then, perhaps, the leader is lost, with what they have not got. */
void world_hold_replication(world *w, int32_t partition, int64_t ms, bool lose_leader);
/* What is under way on the connections to a broker (0 = all) that are open now comes so much later, also when they are
 * closed meanwhile; connections made from now on are as quick as ever. Does not wait. */
void world_delay_open(world *w, int broker, unsigned directions, int64_t ms);
/* Each Produce to a broker (0 = the leader of some partition) takes `delay_ms` longer, for so long. */
void world_slow_disk(world *w, int broker, int64_t delay_ms, int64_t ms);
/* A partition forgets all idempotent producers, as after transactional.id.expiration or when their records are
 * deleted. */
void world_expire_producers(world *w, int32_t partition);
/* The n-th allocation from now on is refused, whoever asks for it, the application's side or a broker. Does not wait.
 * From the first time on tasks may be told KAFKA_ENOMEM. */
void world_refuse_memory(world *w, size_t n);
/* The next requests of an API that a broker gets meet this. */
void world_fault(world *w, kafka_fault_kind kind, int32_t api, int32_t error, int64_t count, int64_t argument);

/* ---- what administrators and time do ----------------------------------------------------------------------------- */

/* The topic is deleted and made anew, with so many partitions; the journal forgets what it knew. */
void world_recreate_topic(world *w, int32_t partitions);
/* A broker answers Metadata with the leaders that there are now, until it is told to look again. */
void world_show_stale_metadata(world *w, int broker);
void world_show_true_metadata(world *w);
/* There are so many partitions from now on, with a writer and a reader more for each new one where there are any;
 * unless the fault is left out. */
bool world_grow_topic(world *w, int32_t partitions);
/* A setting of the topic has another value from now on, such as "max.message.bytes"; unless the fault is left out. */
bool world_set_topic(world *w, const char *name, const char *value);
/* What lies in front of an offset is deleted. */
void world_delete_records(world *w, int32_t partition, int64_t before);
/* A batch of which compaction has left the header, with so many offsets and no record, at the end of the log. */
void world_append_empty_batch(world *w, int32_t partition, int32_t offsets);

#endif
