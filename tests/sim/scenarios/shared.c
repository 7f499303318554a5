/* Tasks share connections, so that many batches are under way on each, while the leader is killed, restarted and slow.
 *
 * There are two topics, and each task writes to both partitions of one of them, and so is two writers of the journal,
 * since order holds within a partition. What they hand over is owed exactly one outcome for each attempt.
 *
 * Property: as for killed leaders.
 * Sometimes: several writes are under way on one connection when it breaks. */
#include "scenarios.h"

enum { TASKS = 2, TOPICS = 2, PARTITIONS = 2, CALLS = 30, MOST_BATCH = 4, MOST_CONNECTIONS = 64, DEADLINE_MS = 300 };

static const char *const happens[] = {"a connection broke under several writes", WORLD_MAYBE_WRITTEN, WORLD_MAYBE_LOST,
                                      NULL};

typedef struct line {
    kafka_conn *conn;
    int32_t partition;
    int under_way;
} line;

typedef struct office {
    world *world;
    const char *topic;
    journal *journal;
    line *lines[PARTITIONS]; /* in use */
    line all[MOST_CONNECTIONS];
    int count, left;
    bool over;
} office;

typedef struct clerk {
    office *office;
    uint16_t number;
    uint32_t next[PARTITIONS];
} clerk;

/* NULL: not now. Old ones stay open until the end: others may be in them. */
static line *line_to(office *o, int32_t partition)
{
    if (o->lines[partition]) return o->lines[partition];
    kafka_dialer d = world_dialer(o->world, DEADLINE_MS);
    kafka_conn *c = NULL;
    if (o->count == MOST_CONNECTIONS) return NULL;
    if (kafka_dial_leader(&d, NULL, world_bootstrap(o->world), o->topic, partition, &c) != 0) return NULL;
    if (o->lines[partition] || o->count == MOST_CONNECTIONS) { /* somebody else was quicker */
        kafka_conn_free(c);
        return o->lines[partition];
    }
    o->all[o->count] = (line){.conn = c, .partition = partition};
    return o->lines[partition] = &o->all[o->count++];
}

static void write_some(sim *s, clerk *c, int32_t partition)
{
    journal *j = c->office->journal;
    uint16_t writer = (uint16_t)(c->number * PARTITIONS + partition);
    uint8_t values[MOST_BATCH][JOURNAL_VALUE_MOST];
    kafka_message messages[MOST_BATCH] = {{0}};
    uint32_t count = 1 + (uint32_t)sim_below(s, MOST_BATCH), first = c->next[partition];
    line *l = line_to(c->office, partition);
    if (!l) {
        sim_sleep_ms(s, 20);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t len = JOURNAL_VALUE + sim_below(s, JOURNAL_VALUE_MOST - JOURNAL_VALUE);
        journal_fill(j, writer, partition, first + i, values[i], len);
        messages[i].value = KAFKA_BYTES(values[i], len);
    }
    int64_t begun_us = sim_now_us(s);
    journal_owed(j, writer, first, count);
    l->under_way++;
    kafka_conn_set_deadline(l->conn, kafka_deadline_in(DEADLINE_MS));
    int code = kafka_conn_write_messages(l->conn, messages, count, KAFKA_COMPRESSION_DEFAULT, NULL);
    kafka_written written = code == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
    journal_written(j, writer, first, count, written, begun_us);
    if (code != 0) world_failed(c->office->world, code, kafka_last_error());
    if (code != 0 && l->under_way > 1) sim_sometimes(s, happens[0]);
    l->under_way--;
    if (code != 0 && c->office->lines[partition] == l) c->office->lines[partition] = NULL;
    c->next[partition] += count; /* what failed is not tried again */
}

static void work(sim *s, void *arg)
{
    clerk *c = arg;
    for (int i = 0; i < CALLS && !sim_failed(s); i++) {
        write_some(s, c, (int32_t)sim_below(s, PARTITIONS));
        sim_meet_us(s, 5000 + 5000 * (int64_t)sim_below(s, 3));
    }
    c->office->over = --c->office->left == 0;
}

static void office_opens(sim *s, office *o, clerk *clerks)
{
    o->left = TASKS;
    for (int i = 0; i < TASKS; i++) {
        clerks[i] = (clerk){.office = o, .number = (uint16_t)i};
        sim_spawn(s, o->topic, work, &clerks[i]);
    }
}

static void office_closes(sim *s, office *o)
{
    sim_wait_for(s, &o->over);
    while (o->count > 0) kafka_conn_free(o->all[--o->count].conn);
}

WORLD_SCENARIO(tasks_share_connections_that_break, .sometimes = happens, .seeds = 80)
{
    clerk clerks[TOPICS][TASKS];
    world *w = world_new(s, &(world_config){.brokers = 2, .partitions = PARTITIONS, .writers = -1, .readers = 2});
    if (!w) return;
    office offices[TOPICS] = {
        {.world = w, .topic = WORLD_TOPIC, .journal = world_journal(w)},
        {.world = w, .topic = "payments", .journal = world_add_topic(w, "payments", PARTITIONS)},
    };
    for (int i = 0; i < TOPICS; i++) office_opens(s, &offices[i], clerks[i]);
    for (int i = 0; i < 3; i++) {
        sim_sleep_ms(s, (int64_t)sim_plan_below(s, 60));
        world_fault(w, sim_plan_below(s, 2) ? KAFKA_FAULT_DELAY : KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_REQUEST_PRODUCE, 0,
                    2, 20);
        sim_sleep_ms(s, 10);
        world_stop_broker(w, 0, (int64_t)sim_plan_below(s, 60));
    }
    for (int i = 0; i < TOPICS; i++) office_closes(s, &offices[i]);
    world_end(w);
}
