/* A world from its beginning to its end; see the header. */
#include "sim/world_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_PORT = 9092, DRAIN_MS = 60000, TICK_MS = 10 };
#define HOST "10.0.0.1"

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static world_config with_defaults(const world_config *cfg)
{
    world_config c = *cfg;
    if (c.brokers == 0) c.brokers = 1;
    if (c.partitions == 0) c.partitions = 2;
    if (c.writers == 0) c.writers = 2;
    if (c.readers == 0) c.readers = 2;
    if (c.most_writes == 0) c.most_writes = 60;
    if (c.most_batch == 0) c.most_batch = 3;
    if (c.pause_us == 0) c.pause_us = 25000;
    if (c.deadline_ms == 0) c.deadline_ms = 1000;
    if (c.writers < 0) c.writers = 0;
    if (c.readers < 0) c.readers = 0;
    return c;
}

static bool start_cluster(world *w)
{
    sim *s = w->sim;
    kafka_cluster_config cfg = {
        .host = HOST, .brokers = w->cfg.brokers, .base_port = HOST_PORT, .loop = sim_loop(s), .no_auto_create = 1};
    if (kafka_cluster_new(&cfg, &w->cluster) != 0 ||
        kafka_cluster_create_topic(w->cluster, WORLD_TOPIC, w->cfg.partitions) != 0) {
        sim_fail(s, "no cluster: %s", kafka_last_error());
        return false;
    }
    world_wire_begin(w);
    if (sim_is_verbose(s)) world_listen(w);
    return true;
}

static void name_everything(world *w)
{
    for (int i = 1; i <= w->cfg.brokers; i++)
        snprintf(w->addresses[i], sizeof w->addresses[i], HOST ":%d", HOST_PORT + i - 1);
    snprintf(w->bootstrap, sizeof w->bootstrap, "%s", w->cfg.by_name ? "kafka" : kafka_cluster_bootstrap(w->cluster));
    if (w->cfg.by_name) sim_name_add(w->sim, "kafka", HOST);
}

static world_task *new_task(world *w, world_task *all, int number)
{
    all[number] = (world_task){.world = w, .number = number, .partition = number % w->cfg.partitions};
    w->tasks_left++;
    w->stopped = false;
    return &all[number];
}

void world_spawn_writer(world *w)
{
    char name[16];
    snprintf(name, sizeof name, "writer %d", w->cfg.writers);
    sim_spawn(w->sim, name, world_task_write, new_task(w, w->writers, w->cfg.writers));
    w->cfg.writers++;
}

void world_spawn_reader(world *w)
{
    char name[16];
    snprintf(name, sizeof name, "reader %d", w->cfg.readers);
    sim_spawn(w->sim, name, world_task_read, new_task(w, w->readers, w->cfg.readers));
    w->cfg.readers++;
}

static void start_tasks(world *w)
{
    int writers = w->cfg.writers, readers = w->cfg.readers;
    w->cfg.writers = w->cfg.readers = 0;
    w->stopped = true;
    for (int i = 0; i < writers; i++) world_spawn_writer(w);
    for (int i = 0; i < readers; i++) world_spawn_reader(w);
}

world *world_new(sim *s, const world_config *cfg)
{
    world *w = calloc(1, sizeof *w);
    if (!w) abort();
    sim_own(s, free, w);
    w->sim = s;
    w->cfg = with_defaults(cfg);
    sim_journal_init(&w->journal, s, (uint32_t)sim_below(s, UINT32_MAX), WORLD_TOPIC);
    if (!start_cluster(w)) return NULL;
    name_everything(w);
    start_tasks(w);
    if (w->cfg.watched) world_watch_begin(w);
    return w;
}

journal *world_add_topic(world *w, const char *topic, int32_t partitions)
{
    journal *j = calloc(1, sizeof *j);
    if (!j || w->other_count == WORLD_TOPICS) abort();
    sim_own(w->sim, free, j);
    sim_journal_init(j, w->sim, w->journal.run, topic);
    sim_check_equal(w->sim, kafka_cluster_create_topic(w->cluster, topic, partitions), 0);
    w->others[w->other_count] = j;
    w->other_partitions[w->other_count++] = partitions;
    return j;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

kafka_cluster *world_cluster(const world *w)
{
    return w->cluster;
}

journal *world_journal(world *w)
{
    return &w->journal;
}

const char *world_address(const world *w, int broker)
{
    return w->addresses[broker];
}

const char *world_bootstrap(const world *w)
{
    return w->bootstrap;
}

kafka_dialer world_dialer(const world *w, int64_t timeout_ms)
{
    (void)w;
    return (kafka_dialer){.client_id = "sim", .timeout_ms = timeout_ms};
}

int world_some_broker(world *w)
{
    return 1 + (int)sim_plan_below(w->sim, (uint64_t)w->cfg.brokers);
}

int world_leader(world *w, int32_t partition)
{
    int32_t leader = -1;
    sim_check_equal(w->sim, kafka_cluster_leader(w->cluster, WORLD_TOPIC, partition, &leader), 0);
    return leader;
}

int world_dials(const world *w)
{
    int dials = 0;
    for (int i = 0; i < JOURNAL_WRITERS; i++) dials += w->writers[i].dials + w->readers[i].dials;
    return dials;
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static bool has_moved(const world_task *t, int before)
{
    return t->ended || t->progress > before;
}

void world_expect_progress(world *w, int64_t ms)
{
    int before[2][JOURNAL_WRITERS];
    int64_t until = sim_now_ms(w->sim) + ms;
    for (int i = 0; i < JOURNAL_WRITERS; i++) {
        before[0][i] = w->writers[i].progress;
        before[1][i] = w->readers[i].progress;
    }
    for (bool all = false; !all && !sim_failed(w->sim);) {
        all = true;
        for (int i = 0; i < w->cfg.writers; i++) all &= has_moved(&w->writers[i], before[0][i]);
        for (int i = 0; i < w->cfg.readers; i++) all &= has_moved(&w->readers[i], before[1][i]);
        if (all) return;
        if (sim_now_ms(w->sim) >= until) {
            for (int i = 0; i < w->cfg.writers; i++) {
                if (!has_moved(&w->writers[i], before[0][i]))
                    sim_fail(w->sim, "writer %d gets nothing done within %lld ms", i, (long long)ms);
            }
            sim_fail(w->sim, "a reader gets nothing done within %lld ms", (long long)ms);
        }
        sim_sleep_ms(w->sim, TICK_MS);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void world_stop_tasks(world *w)
{
    w->stopping = true;
    sim_wait_for(w->sim, &w->stopped);
}

/* Everything works again, for good. */
static void heal(world *w)
{
    if (w->short_of_memory) memcheck_fail_at(0);
    kafka_cluster_clear_faults(w->cluster);
    for (int i = 1; i <= w->cfg.brokers; i++) {
        sim_route *r = sim_net_route(w->sim, w->addresses[i]);
        sim_net_hold(w->sim, w->addresses[i], 0);
        sim_net_freeze(w->sim, w->addresses[i], 0);
        r->reach = SIM_ANSWERS;
        r->cut_up = r->cut_down = -1;
        r->flip_up = r->flip_down = r->jitter_us = r->bytes_per_s = 0;
        sim_check_equal(w->sim, kafka_cluster_start_broker(w->cluster, i), 0);
        sim_check_equal(w->sim, kafka_cluster_set_disk_delay(w->cluster, i, 0), 0);
    }
    for (int32_t p = 0; p < w->cfg.partitions; p++)
        sim_check_equal(w->sim, kafka_cluster_hold_replication(w->cluster, WORLD_TOPIC, p, 0), 0);
}

/* Reads a log as any application would. */
static void drain(world *w, journal *j, int32_t partition)
{
    sim *s = w->sim;
    int64_t start = 0, end = 0;
    kafka_conn *c = NULL;
    kafka_dialer d = world_dialer(w, DRAIN_MS);
    if (!sim_check_equal(s, kafka_cluster_log_size(w->cluster, j->topic, partition, &start, &end), 0)) return;
    journal_log_bounds(j, partition, start, end);
    while (end > start && end <= JOURNAL_OFFSETS && j->holes[partition][end - 1]) end--; /* nothing comes there */
    if (kafka_dial_leader(&d, NULL, kafka_cluster_bootstrap(w->cluster), j->topic, partition, &c) != 0) {
        sim_fail(s, "unseen-after-drain: %s partition %d: %s", j->topic, (int)partition, kafka_last_error());
        return;
    }
    kafka_conn_set_deadline(c, kafka_deadline_in(DRAIN_MS));
    for (int64_t at = start; at < end && !sim_failed(s);) {
        kafka_batch *batch = NULL;
        kafka_message m;
        int code = kafka_conn_read_batch(c, NULL, &batch);
        while (code == 0 && (code = kafka_batch_read_message(batch, &m)) == 0) {
            if (m.offset >= at) journal_log(j, partition, m.offset, m.value);
            at = m.offset + 1;
        }
        if (batch) kafka_batch_close(batch);
        if (code != 0 && code != KAFKA_EOF)
            sim_fail(s, "unseen-after-drain: partition %d offset %lld: %s", (int)partition, (long long)at,
                     kafka_last_error());
    }
    kafka_conn_free(c);
}

static void note_unknown_outcomes(world *w, const journal *j)
{
    for (int i = 0; i < JOURNAL_WRITERS; i++) {
        for (uint32_t k = 0; k < j->counts[i]; k++) {
            const journal_entry *e = &j->records[i][k];
            if (e->copies > 1) sim_sometimes(w->sim, WORLD_DUPLICATE);
            if (e->maybe > 0 && e->copies > e->yes) sim_sometimes(w->sim, WORLD_MAYBE_WRITTEN);
            if (e->maybe > 0 && e->copies < e->yes + e->maybe) sim_sometimes(w->sim, WORLD_MAYBE_LOST);
        }
    }
}

static void compare(world *w, journal *j, int32_t partitions)
{
    for (int32_t p = 0; p < partitions && !sim_failed(w->sim); p++) drain(w, j, p);
    if (!sim_failed(w->sim)) journal_check(j, partitions);
    note_unknown_outcomes(w, j);
}

void world_end(world *w)
{
    if (!w) return;
    heal(w);
    world_stop_tasks(w);
    sim_sleep_ms(w->sim, 1000); /* what is under way arrives */
    if (w->watch) world_watch_end(w);
    compare(w, &w->journal, w->cfg.partitions);
    for (int i = 0; i < w->other_count; i++) compare(w, w->others[i], w->other_partitions[i]);
    kafka_cluster_free(w->cluster);
}
