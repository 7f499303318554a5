/* Storms: several tasks use connections to one partition while broker and network misbehave at random; afterwards the
 * log is compared with what the tasks were told.
 *
 *     a write that returned 0                        its message is in the log once
 *     a write that failed with KAFKA_WRITTEN_NO      its message is not in the log
 *     a write that failed with KAFKA_WRITTEN_MAYBE   its message is in the log once at most
 *     messages of one task that were acknowledged    lie in the order of the calls
 *     what was read at an offset                     is what lies there
 *     a call with a deadline                         ends by it, to the millisecond */
#include "sim/client.h"
#include "wire/record.h"
#include <stdio.h>
#include <string.h>

enum { WRITERS = 3, WRITES = 12, READERS = 2, READS = 15, MOST_LOG = 256, VALUE = 16, MOST_CONNS = 256 };

typedef struct written {
    kafka_written outcome;
    int64_t found_at; /* -1 = not in the log */
} written;

typedef struct storm {
    peer *peer;
    int left; /* tasks */
    bool over;
    bool shared; /* all tasks use the newest of these, and close it when it fails them */
    kafka_conn *conns[MOST_CONNS];
    int conn_count;
    int64_t slack_ms; /* by how much a deadline may be missed: the machine is slow */
    written writes[WRITERS][WRITES];
    char read[MOST_LOG][VALUE]; /* by offset: what a reader saw there */
} storm;

typedef struct task {
    storm *storm;
    int number;
} task;

static const char *const happens[] = {"a write of unknown outcome is in the log",
                                      "a write of unknown outcome is not in the log",
                                      "a call ended at its deadline",
                                      "a connection broke",
                                      "a read returned data",
                                      NULL};

static kafka_conn *dial_again(sim *s)
{
    kafka_dialer d = client_dialer(500);
    kafka_conn *c = NULL;
    for (int i = 0; i < 100; i++) {
        if (kafka_dial_leader(&d, NULL, BROKER, "t", 0, &c) == 0) return c;
        sim_sleep_ms(s, 20);
    }
    sim_fail(s, "no connection in a hundred attempts: %s", kafka_last_error());
    return NULL;
}

/* After a failed call: a new connection when the old one is of no use any more. */
static kafka_conn *go_on_with(sim *s, storm *x, kafka_conn *c, int code)
{
    bool usable = code == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER || (code == KAFKA_ETIMEDOUT && sim_below(s, 2));
    if (usable) return c;
    sim_sometimes(s, happens[3]);
    if (!x->shared) {
        kafka_conn_free(c);
        return dial_again(s);
    }
    sim_check_equal(s, kafka_conn_close(c), 0); /* others may be in the middle of it */
    if (x->conns[x->conn_count - 1] != c) return x->conns[x->conn_count - 1];
    kafka_conn *fresh = dial_again(s);
    if (fresh && x->conn_count == MOST_CONNS)
        sim_fail(s, "too many connections");
    else if (fresh)
        x->conns[x->conn_count++] = fresh;
    return fresh;
}

static kafka_conn *begin_with(sim *s, storm *x)
{
    return x->shared ? x->conns[x->conn_count - 1] : dial_again(s);
}

static void task_ends(storm *x, kafka_conn *c)
{
    if (!x->shared) kafka_conn_free(c);
    x->over = --x->left == 0;
}

/* A deadline soon, or none. */
static int64_t some_deadline(sim *s)
{
    return sim_below(s, 3) ? kafka_deadline_in(1 + (int64_t)sim_below(s, 800)) : kafka_deadline_in(40000);
}

static void check_end(sim *s, const storm *x, int code, int64_t deadline)
{
    if (!x->shared) sim_check(s, sim_now_ms(s) <= deadline + x->slack_ms); /* else it is anybody's deadline */
    if (code == KAFKA_ETIMEDOUT && sim_now_ms(s) == deadline) sim_sometimes(s, happens[2]);
}

static void write_in_the_storm(sim *s, void *arg)
{
    task *t = arg;
    kafka_conn *c = begin_with(s, t->storm);
    for (int i = 0; c && i < WRITES; i++) {
        char value[VALUE];
        int n = snprintf(value, sizeof value, "w%d-%d", t->number, i);
        int64_t deadline = some_deadline(s);
        kafka_conn_set_write_deadline(c, deadline);
        int code = kafka_conn_write(c, value, (size_t)n);
        t->storm->writes[t->number][i].outcome = code == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
        check_end(s, t->storm, code, deadline);
        if (code != 0) c = go_on_with(s, t->storm, c, code);
        sim_sleep_us(s, (int64_t)sim_below(s, 20000));
    }
    task_ends(t->storm, c);
}

static void note_read(sim *s, storm *x, const kafka_message *m)
{
    char value[VALUE];
    snprintf(value, sizeof value, "%.*s", (int)m->value.len, (const char *)m->value.data);
    if (!sim_check(s, m->offset >= 0 && m->offset < MOST_LOG)) return;
    char *before = x->read[m->offset];
    sim_check(s, before[0] == '\0' || strcmp(before, value) == 0);
    memcpy(before, value, sizeof value);
    sim_sometimes(s, happens[4]);
}

static void read_in_the_storm(sim *s, void *arg)
{
    task *t = arg;
    kafka_conn *c = begin_with(s, t->storm);
    int64_t next = 0;
    for (int i = 0; c && i < READS; i++) {
        kafka_message *m = NULL;
        int64_t deadline = some_deadline(s);
        kafka_conn_set_read_deadline(c, deadline);
        int code = kafka_conn_read_message(c, 0, &m);
        check_end(s, t->storm, code, deadline);
        if (code == 0) {
            if (!t->storm->shared) sim_check_equal(s, m->offset, next); /* else others have moved the position */
            next = m->offset + 1;
            note_read(s, t->storm, m);
            kafka_message_free(m);
            continue;
        }
        c = go_on_with(s, t->storm, c, code);
        if (!c) break;
        code = kafka_conn_seek(c, next, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL);
        sim_check(s, code == 0 || (t->storm->shared && code == KAFKA_ECLOSED));
    }
    task_ends(t->storm, c);
}

/* ---- afterwards -------------------------------------------------------------------------------------------------- */

static void check_record(sim *s, storm *x, const kfk_record *r)
{
    char value[VALUE];
    int writer, number;
    snprintf(value, sizeof value, "%.*s", (int)r->value.len, (const char *)r->value.data);
    if (!sim_check(s, sscanf(value, "w%d-%d", &writer, &number) == 2 && writer < WRITERS && number < WRITES)) return;
    written *w = &x->writes[writer][number];
    sim_check_equal(s, w->found_at, -1); /* once */
    w->found_at = r->offset;
    if (r->offset < MOST_LOG && x->read[r->offset][0]) sim_check_text(s, x->read[r->offset], value);
}

static void walk_log(sim *s, storm *x)
{
    size_t len;
    const uint8_t *p = peer_cluster_log(peer_cluster_of(x->peer), "t", 0, &len);
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    for (size_t at = 0; at < len; at += kfk_batch_size(&h)) {
        if (!sim_check_equal(s, kfk_record_header_parse(p + at, len - at, &h, NULL), 0)) return;
        sim_check_equal(s, kfk_record_validate(&h, p + at + KFK_RECORD_HEADER, kfk_batch_body_size(&h), NULL), 0);
        kfk_record_iter_init(&it, &h, p + at + KFK_RECORD_HEADER, kfk_batch_body_size(&h));
        while (kfk_record_iter_next(&it, &r)) check_record(s, x, &r);
    }
}

static void check_writer(sim *s, const written *w)
{
    int64_t last = -1;
    for (int i = 0; i < WRITES; i++) {
        bool found = w[i].found_at >= 0;
        if (w[i].outcome == KAFKA_WRITTEN_YES) sim_check(s, found && w[i].found_at > last);
        if (w[i].outcome == KAFKA_WRITTEN_YES) last = w[i].found_at;
        if (w[i].outcome == KAFKA_WRITTEN_NO) sim_check(s, !found);
        if (w[i].outcome == KAFKA_WRITTEN_MAYBE) sim_sometimes(s, happens[found ? 0 : 1]);
    }
}

static void storm_runs(sim *s, peer *p, bool shared, int64_t slack_ms)
{
    static storm x;
    static task tasks[WRITERS + READERS];
    x = (storm){.peer = p, .left = WRITERS + READERS, .shared = shared, .slack_ms = slack_ms};
    if (shared && !(x.conns[x.conn_count++] = dial_again(s))) return;
    for (int w = 0; w < WRITERS; w++) {
        for (int i = 0; i < WRITES; i++) x.writes[w][i].found_at = -1;
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        tasks[i] = (task){.storm = &x, .number = i};
        if (i < WRITERS)
            sim_spawn(s, "writer", write_in_the_storm, &tasks[i]);
        else
            sim_spawn(s, "reader", read_in_the_storm, &tasks[i]);
    }
    sim_wait_for(s, &x.over);
    while (x.conn_count > 0) kafka_conn_free(x.conns[--x.conn_count]);
    sim_sleep_ms(s, 5000); /* what is under way arrives */
    walk_log(s, &x);
    for (int w = 0; w < WRITERS; w++) check_writer(s, x.writes[w]);
}

static peer *mischievous_broker(sim *s)
{
    peer *p = peer_alone(s, BROKER);
    peer_set_mischief(p, 5);
    return p;
}

static peer *broker_behind_a_bad_network(sim *s)
{
    peer *p = peer_alone(s, BROKER);
    sim_route *r = peer_route(p);
    r->jitter_us = 20000;
    r->window = 100 + sim_below(s, 3000);
    r->cut = (sim_cut)sim_below(s, 3);
    r->cut_up = 400 + (int64_t)sim_below(s, 1500);
    r->cut_down = 600 + (int64_t)sim_below(s, 1500);
    return p;
}

SCENARIO_WITH(a_broker_that_misbehaves_costs_no_acknowledged_message, .sometimes = happens)
{
    storm_runs(s, mischievous_broker(s), false, 0);
}

SCENARIO_WITH(a_network_that_misbehaves_costs_no_acknowledged_message, .sometimes = happens)
{
    storm_runs(s, broker_behind_a_bad_network(s), false, 0);
}

SCENARIO_WITH(tasks_that_share_a_connection_lose_no_acknowledged_message, .sometimes = happens)
{
    storm_runs(s, sim_below(s, 2) ? mischievous_broker(s) : broker_behind_a_bad_network(s), true, 0);
}

/* Each step may take two milliseconds, and time passes between any two of them. */
SCENARIO_WITH(a_slow_machine_loses_no_acknowledged_message, .config.slow_us = 2000)
{
    storm_runs(s, sim_below(s, 2) ? mischievous_broker(s) : broker_behind_a_bad_network(s), false, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_broker_that_misbehaves_costs_no_acknowledged_message),
        MEMCHECK_TEST(a_network_that_misbehaves_costs_no_acknowledged_message),
        MEMCHECK_TEST(tasks_that_share_a_connection_lose_no_acknowledged_message),
        MEMCHECK_TEST(a_slow_machine_loses_no_acknowledged_message),
    };
    return RUNNER_MAIN(tests);
}
