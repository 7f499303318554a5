/* Positions of a connection that two tasks share: one reads, the other seeks.
 *
 * Property: a seek always wins over a read that comes back late. When both calls have returned, the position is where
 * the seek went, or one further if the read has got the record that lies there.
 * Sometimes: the seek came while the read was under way. */
#include "scenarios.h"

enum { RECORDS = 40, ROUNDS = 30 };

static const char *const happens[] = {"a seek came during a read", "a read took what the seek went to", NULL};

typedef struct sharing {
    kafka_conn *conn;
    bool reads, done; /* a read is wanted, has returned */
    bool over, ended;
    int64_t got; /* the offset that it returned, -1 = it failed */
} sharing;

static void reader(sim *s, void *arg)
{
    sharing *x = arg;
    for (;;) {
        kafka_message *m = NULL;
        sim_wait_for(s, &x->reads);
        if (x->over) break;
        int code = kafka_conn_read_message(x->conn, 0, &m);
        x->got = code == 0 ? m->offset : -1;
        kafka_message_free(m);
        x->reads = false;
        x->done = true;
    }
    x->ended = true;
}

static void seek_beside_a_read(sim *s, sharing *x)
{
    int64_t to = (int64_t)sim_below(s, RECORDS);
    x->done = false;
    x->reads = true;
    kafka_conn_set_deadline(x->conn, kafka_deadline_in(1000));
    sim_sleep_us(s, (int64_t)sim_below(s, 1500));
    bool during = !x->done;
    int flags = KAFKA_SEEK_ABSOLUTE | (sim_below(s, 2) ? KAFKA_SEEK_DONT_CHECK : 0);
    sim_check_equal(s, kafka_conn_seek(x->conn, to, flags, NULL), 0);
    sim_wait_for(s, &x->done);
    int64_t at = kafka_conn_offset(x->conn, NULL);
    bool took_it = x->got == to && at == to + 1;
    if (at != to && !took_it)
        sim_fail(s, "poll-skip: a seek went to %lld, a read beside it returned %lld, the position is %lld",
                 (long long)to, (long long)x->got, (long long)at);
    if (during) sim_sometimes(s, happens[0]);
    if (took_it) sim_sometimes(s, happens[1]);
}

static void fill(sim *s, world *w, sharing *x)
{
    uint8_t value[JOURNAL_VALUE];
    for (uint32_t i = 0; i < RECORDS; i++) {
        journal_fill(world_journal(w), 0, 0, i, value, sizeof value);
        sim_check_equal(s, kafka_conn_write(x->conn, value, sizeof value), 0);
        journal_written(world_journal(w), 0, i, 1, KAFKA_WRITTEN_YES, sim_now_us(s));
    }
}

WORLD_SCENARIO(a_seek_wins_over_a_read_that_comes_back_late, .sometimes = happens, .seeds = 80)
{
    sharing x = {0};
    world *w = world_new(s, &(world_config){.brokers = 1, .partitions = 1, .writers = -1, .readers = -1});
    if (!w) return;
    kafka_dialer d = world_dialer(w, 0);
    if (!sim_check_equal(s, kafka_dial_leader(&d, NULL, world_bootstrap(w), WORLD_TOPIC, 0, &x.conn), 0)) return;
    fill(s, w, &x);
    sim_spawn(s, "reader", reader, &x);
    for (int i = 0; i < ROUNDS && !sim_failed(s); i++) seek_beside_a_read(s, &x);
    x.over = x.reads = true;
    sim_wait_for(s, &x.ended);
    kafka_conn_free(x.conn);
    world_end(w);
}
