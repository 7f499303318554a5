/* world_impl: what the files of the world share. Not for scenarios. */
#ifndef KAFKA_TESTS_SIM_WORLD_IMPL_H
#define KAFKA_TESTS_SIM_WORLD_IMPL_H
#include "sim/world.h"

enum { WORLD_TASKS = JOURNAL_WRITERS * 2, WORLD_SENT = 1024 };

typedef struct world_task {
    world *world;
    int number; /* of the writer, or of the reader */
    int32_t partition;
    kafka_conn *conn;
    int dials;
    int patience; /* how many calls may still miss their deadline on this connection */
    int progress; /* records acknowledged, or read, or ends of the log seen */
    bool ended;
    /* a writer's */
    uint32_t next;
    /* a reader's */
    bool placed; /* the connection has been sent to where the next record is due */
    int64_t at;  /* the offset that is due; -1 = whatever is first */
} world_task;

/* A batch of an idempotent producer as it came first. */
typedef struct world_sent {
    int64_t producer_id;
    uint64_t topic, hash; /* of the name and id; of all bytes */
    int32_t partition, base, records;
    int16_t epoch;
} world_sent;

struct world {
    sim *sim;
    world_config cfg;
    kafka_cluster *cluster;
    char addresses[WORLD_BROKERS + 1][KFK_ADDRESS_TEXT];
    char bootstrap[256];
    world_task writers[JOURNAL_WRITERS], readers[JOURNAL_WRITERS];
    bool stopping, stopped; /* tasks are to end; all have ended */
    int tasks_left;
    struct world_watch *watch; /* NULL = none */
    struct {
        int broker; /* that is behind, 0 = none */
        bool shown; /* the cluster's tables hold what it knows, for the time of one answer */
        int32_t leaders[JOURNAL_PARTITIONS], epochs[JOURNAL_PARTITIONS];
    } stale;
    void (*hears)(void *arg, const kafka_cluster_event *); /* world_hear */
    void *hears_arg;
    bool short_of_memory;
    journal journal;
    journal *others[WORLD_TOPICS]; /* of the topics that were added */
    int32_t other_partitions[WORLD_TOPICS];
    int other_count;
    bool sequences_set; /* world_forget_sequences */
    size_t sent_count;
    world_sent sent[WORLD_SENT];
};

/* world.c */
void world_spawn_writer(world *w);
void world_spawn_reader(world *w);
/* world_admin.c: requests and answers come into the trace; without a call, so that a run is the same with it. */
void world_listen(world *w);
/* Where the log of a partition begins now, without a call; 0 while there is none. */
int64_t world_log_start(const world *w, int32_t partition);
/* world_wire.c: looks at what producers send. */
void world_wire_begin(world *w);
/* world_metadata.c */
void world_watch_begin(world *w);
/* The library knows who leads, within some seconds; then it stops watching. */
void world_watch_end(world *w);

/* world_tasks.c */
void world_task_write(sim *s, void *task);
void world_task_read(sim *s, void *task);
/* Notes what kind of failure a call had; tells whether the connection can be used on. */
bool world_task_failed(world_task *t, int code);

#endif
