/* What ends a call that waits on a connection: deadlines, tokens, close, to the millisecond; and connections that
 * several fibers use. */
#include "sim/client.h"
#include "wire/api.h"
#include <stdio.h>

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

SCENARIO(a_read_ends_at_its_deadline_to_the_millisecond_and_the_connection_stays_usable)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    char buf[16];
    size_t len;
    if (!c) return;
    for (int i = 0; i < 3; i++) {
        int64_t deadline = kafka_deadline_in(1 + (int64_t)sim_below(s, 2500));
        kafka_conn_set_read_deadline(c, deadline);
        client_failed(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ETIMEDOUT, "the deadline has passed");
        sim_check_equal(s, sim_now_ms(s), deadline);
    }
    kafka_conn_set_read_deadline(c, 0);
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 2);
    client_expect_message(s, c, 0, "v0");
    client_expect_message(s, c, 1, "v1");
    kafka_conn_free(c);
}

SCENARIO(a_batch_that_is_read_slowly_ends_like_any_other)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_batch *b = NULL;
    kafka_message m;
    if (!c) return;
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 3);
    for (int unread = 0; unread < 2; unread++) {
        kafka_conn_set_read_deadline(c, kafka_deadline_in(100));
        sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL), 0);
        sim_check_equal(s, kafka_conn_read_batch(c, NULL, &b), 0);
        if (!b) break;
        for (int i = 0; i < 3 - unread; i++) {
            sim_sleep_ms(s, 100 + (int64_t)sim_below(s, 1000)); /* past the deadline */
            sim_check_equal(s, kafka_batch_read_message(b, &m), 0);
            sim_check_equal(s, m.offset, i);
        }
        if (unread == 0) sim_check_equal(s, kafka_batch_read_message(b, &m), KAFKA_EOF);
        sim_check_equal(s, kafka_batch_close(b), 0);
        b = NULL;
        sim_check_equal(s, kafka_conn_offset(c, NULL), 3 - unread);
        sim_check_equal(s, kafka_conn_read_batch(c, NULL, &b), KAFKA_ETIMEDOUT); /* the deadline is the connection's */
    }
    kafka_conn_free(c);
}

SCENARIO(a_deadline_in_the_past_sends_nothing)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    char buf[16];
    size_t len;
    int64_t first, before = sim_now_us(s);
    if (!c) return;
    int requests = peer_requests(p, PEER_ANY);
    kafka_conn_set_deadline(c, kafka_deadline_in(-2 * (int64_t)sim_below(s, 2)));
    sim_check_equal(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ETIMEDOUT);
    sim_check_equal(s, kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT);
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    sim_check_equal(s, kafka_conn_read_first_offset(c, &first), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_us(s), before);
    sim_sleep_ms(s, 100);
    sim_check_equal(s, peer_requests(p, PEER_ANY), requests);
    kafka_conn_free(c);
}

/* Something that another fiber does to a connection after a while. */
typedef struct later {
    kafka_conn *conn;
    kafka_cancel *token;
    int64_t after_ms, deadline;
} later;

static void set_deadline_later(sim *s, void *arg)
{
    later *l = arg;
    sim_sleep_ms(s, l->after_ms);
    kafka_conn_set_read_deadline(l->conn, l->deadline);
}

SCENARIO(a_deadline_that_is_set_later_reaches_a_call_that_waits)
{
    peer_alone(s, BROKER);
    later l = {.conn = client_dial(s, BROKER), .after_ms = (int64_t)sim_below(s, 1000)};
    char buf[16];
    size_t len;
    if (!l.conn) return;
    if (sim_below(s, 2)) kafka_conn_set_read_deadline(l.conn, kafka_deadline_in(5000));
    l.deadline = kafka_deadline_in((int64_t)sim_below(s, 2000));
    int64_t expected = l.deadline > sim_now_ms(s) + l.after_ms ? l.deadline : sim_now_ms(s) + l.after_ms;
    sim_spawn(s, "setter", set_deadline_later, &l);
    sim_check_equal(s, kafka_conn_read(l.conn, buf, sizeof buf, &len), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), expected);
    kafka_conn_free(l.conn);
}

SCENARIO(a_silent_broker_costs_exactly_the_deadline)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int64_t first, timeout = 1 + (int64_t)sim_below(s, 5000);
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    int64_t deadline = kafka_deadline_in(timeout);
    kafka_conn_set_deadline(c, deadline);
    if (sim_below(s, 2)) {
        client_failed(s, kafka_conn_write(c, "x", 1), KAFKA_ETIMEDOUT, "writing");
        sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    } else {
        client_failed(s, kafka_conn_read_first_offset(c, &first), KAFKA_ETIMEDOUT, "asking for offsets");
    }
    sim_check_equal(s, sim_now_ms(s), deadline);
    kafka_conn_free(c);
}

SCENARIO(a_silent_broker_is_given_up_even_without_a_deadline)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    int64_t first, before = sim_now_ms(s);
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    sim_check_equal(s, kafka_conn_read_first_offset(c, &first), KAFKA_ETIMEDOUT);
    sim_check(s, sim_now_ms(s) - before <= 60000);
    before = sim_now_us(s);
    sim_check(s, kafka_conn_read_first_offset(c, &first) != 0);
    sim_check_equal(s, sim_now_us(s), before);
    kafka_conn_free(c);
}

SCENARIO(an_empty_partition_gives_an_empty_batch_after_the_time_asked_for)
{
    peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_fetch fetch = {.max_wait_ms = 1 + (int64_t)sim_below(s, 3000)};
    kafka_batch *b;
    kafka_message m;
    if (!c) return;
    int64_t before = sim_now_ms(s);
    if (sim_check_equal(s, kafka_conn_read_batch(c, &fetch, &b), 0)) {
        int64_t took = sim_now_ms(s) - before;
        sim_check(s, took >= fetch.max_wait_ms && took <= fetch.max_wait_ms + 5);
        sim_check_equal(s, kafka_batch_read_message(b, &m), KAFKA_EOF);
        sim_check_equal(s, kafka_batch_close(b), 0);
    }
    kafka_conn_free(c);
}

/* ---- clocks ------------------------------------------------------------------------------------------------------ */

/* A read that times out, one that waits over the moment, and a write, on a clock that stands anywhere. */
static void use_the_clock(sim *s)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    char buf[16];
    size_t len;
    if (!c) return;
    int64_t deadline = kafka_deadline_in(1500);
    kafka_conn_set_read_deadline(c, deadline);
    sim_check_equal(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), deadline);
    kafka_conn_set_deadline(c, kafka_deadline_in(INT64_MAX));
    sim_check_equal(s, kafka_conn_write(c, "x", 1), 0);
    client_expect_message(s, c, 0, "x");
    sim_check_equal(s, peer_requests(p, KFK_API_PRODUCE), 1);
    kafka_conn_free(c);
}

SCENARIO_WITH(a_clock_that_begins_near_zero_is_no_trouble, .config.start_ms = 1)
{
    use_the_clock(s);
}

SCENARIO_WITH(a_clock_that_passes_32_bits_of_milliseconds_is_no_trouble, .config.start_ms = INT64_C(4294966296))
{
    use_the_clock(s);
}

SCENARIO_WITH(a_clock_an_hour_before_its_end_is_no_trouble, .config.start_ms = INT64_MAX / 1000000 - 3600000)
{
    use_the_clock(s);
}

/* ---- cancelling and closing -------------------------------------------------------------------------------------- */

static void fire_later(sim *s, void *arg)
{
    later *l = arg;
    sim_sleep_ms(s, l->after_ms);
    kafka_cancel_fire(l->token);
}

SCENARIO(a_token_from_another_fiber_ends_a_read_at_once_and_all_later_calls)
{
    peer_alone(s, BROKER);
    later l = {.conn = client_dial(s, BROKER), .after_ms = (int64_t)sim_below(s, 2000)};
    char buf[16];
    size_t len;
    if (!l.conn) return;
    sim_check_equal(s, kafka_cancel_new(&l.token), 0);
    kafka_conn_set_cancel(l.conn, l.token);
    sim_spawn(s, "canceller", fire_later, &l);
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_conn_read(l.conn, buf, sizeof buf, &len), KAFKA_ECANCELED, "canceled");
    sim_check_equal(s, sim_now_ms(s) - before, l.after_ms);
    sim_check_equal(s, kafka_conn_write(l.conn, "x", 1), KAFKA_ECANCELED);
    sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
    kafka_conn_set_cancel(l.conn, NULL);
    kafka_conn_set_deadline(l.conn, kafka_deadline_in(1000));
    sim_check_equal(s, kafka_conn_write(l.conn, "x", 1), 0);
    kafka_cancel_free(l.token);
    kafka_conn_free(l.conn);
}

typedef struct blocked {
    kafka_conn *conn;
    bool writes, over;
    int code;
    int64_t over_us;
} blocked;

static void call_and_wait(sim *s, void *arg)
{
    blocked *b = arg;
    char buf[16];
    size_t len;
    b->code = b->writes ? kafka_conn_write(b->conn, "x", 1) : kafka_conn_read(b->conn, buf, sizeof buf, &len);
    b->over_us = sim_now_us(s);
    b->over = true;
}

SCENARIO(a_token_ends_reads_and_writes_that_wait)
{
    peer *p = peer_alone(s, BROKER);
    later l = {.conn = client_dial(s, BROKER), .after_ms = (int64_t)sim_below(s, 100)};
    blocked b[4];
    if (!l.conn || !sim_check_equal(s, kafka_cancel_new(&l.token), 0)) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    kafka_conn_set_cancel(l.conn, l.token);
    for (int i = 0; i < 4; i++) {
        b[i] = (blocked){.conn = l.conn, .writes = i % 2 == 0};
        sim_spawn(s, "blocked", call_and_wait, &b[i]);
    }
    int64_t before = sim_now_us(s);
    sim_spawn(s, "canceller", fire_later, &l);
    for (int i = 0; i < 4; i++) {
        sim_wait_for(s, &b[i].over);
        sim_check_equal(s, b[i].code, KAFKA_ECANCELED);
        sim_check_equal(s, b[i].over_us - before, l.after_ms * 1000);
    }
    kafka_cancel_free(l.token);
    kafka_conn_free(l.conn);
}

SCENARIO(close_wakes_every_call_that_waits)
{
    enum { CALLS = 6 };
    blocked b[CALLS];
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    char buf[16];
    size_t len;
    if (!c) return;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    for (int i = 0; i < CALLS; i++) {
        b[i] = (blocked){.conn = c, .writes = sim_below(s, 2) == 0};
        sim_spawn(s, "blocked", call_and_wait, &b[i]);
    }
    sim_sleep_ms(s, 1 + (int64_t)sim_below(s, 50));
    int64_t before = sim_now_us(s);
    sim_check_equal(s, kafka_conn_close(c), 0);
    for (int i = 0; i < CALLS; i++) {
        sim_wait_for(s, &b[i].over);
        sim_check_equal(s, b[i].code, KAFKA_ECLOSED);
        sim_check_equal(s, b[i].over_us, before);
    }
    client_failed(s, kafka_conn_read(c, buf, sizeof buf, &len), KAFKA_ECLOSED, "closed");
    sim_check_equal(s, kafka_conn_close(c), 0);
    kafka_conn_free(c);
}

SCENARIO(a_read_waits_for_an_open_batch_until_its_deadline_or_until_close)
{
    peer *p = peer_alone(s, BROKER);
    kafka_batch *batch = NULL;
    kafka_message m;
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 3);
    blocked b = {.conn = client_dial(s, BROKER)};
    if (!b.conn || !sim_check_equal(s, kafka_conn_read_batch(b.conn, NULL, &batch), 0)) return;
    int64_t deadline = kafka_deadline_in(1 + (int64_t)sim_below(s, 300));
    kafka_conn_set_read_deadline(b.conn, deadline);
    call_and_wait(s, &b);
    sim_check_equal(s, b.code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), deadline);
    kafka_conn_set_read_deadline(b.conn, 0);
    b.over = false;
    sim_spawn(s, "blocked", call_and_wait, &b);
    sim_sleep_ms(s, 50);
    int64_t before = sim_now_us(s);
    kafka_conn_close(b.conn);
    sim_wait_for(s, &b.over);
    sim_check_equal(s, b.code, KAFKA_ECLOSED);
    sim_check_equal(s, b.over_us, before);
    sim_check_equal(s, kafka_batch_read_message(batch, &m), 0); /* what was fetched is there all the same */
    kafka_conn_free(b.conn);
    sim_check_equal(s, kafka_batch_read_message(batch, &m), 0);
    sim_check_equal(s, kafka_batch_close(batch), 0);
}

SCENARIO(a_connection_is_freed_at_any_time_with_answers_still_under_way)
{
    enum { CALLS = 3 };
    blocked b[CALLS];
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    peer_set_delay_us(p, (int64_t)sim_below(s, 3000));
    for (int i = 0; i < CALLS; i++) {
        b[i] = (blocked){.conn = c, .writes = i > 0};
        sim_spawn(s, "caller", call_and_wait, &b[i]);
    }
    sim_sleep_us(s, (int64_t)sim_below(s, 50) * 100); /* at moments when other things happen, too */
    kafka_conn_close(c);
    for (int i = 0; i < CALLS; i++) {
        sim_wait_for(s, &b[i].over);
        sim_check(s, b[i].code == 0 || b[i].code == KAFKA_ECLOSED);
    }
    kafka_conn_free(c);
}

/* ---- several fibers ---------------------------------------------------------------------------------------------- */

enum { PASSED_ON = 30 };

typedef struct exchange {
    kafka_conn *conn;
    int64_t slowest_ms;
    bool read_all, written_all;
} exchange;

static void read_all(sim *s, void *arg)
{
    exchange *x = arg;
    for (int i = 0; i < PASSED_ON; i++) {
        char value[16];
        snprintf(value, sizeof value, "m%d", i);
        if (!client_expect_message(s, x->conn, i, value)) break;
    }
    x->read_all = true;
}

static void write_all(sim *s, void *arg)
{
    exchange *x = arg;
    for (int i = 0; i < PASSED_ON; i++) {
        char value[16];
        int n = snprintf(value, sizeof value, "m%d", i);
        int64_t before = sim_now_ms(s);
        sim_check_equal(s, kafka_conn_write(x->conn, value, (size_t)n), 0);
        if (sim_now_ms(s) - before > x->slowest_ms) x->slowest_ms = sim_now_ms(s) - before;
        sim_sleep_us(s, (int64_t)sim_below(s, 200000));
    }
    x->written_all = true;
}

static const char *const a_wait[] = {"a write had to wait for a read", NULL};

SCENARIO_WITH(one_fiber_reads_what_another_writes_on_the_same_connection, .sometimes = a_wait)
{
    peer_alone(s, BROKER);
    exchange x = {.conn = client_dial(s, BROKER)};
    int64_t last = 0, before;
    if (!x.conn) return;
    sim_spawn(s, "reader", read_all, &x);
    sim_spawn(s, "writer", write_all, &x);
    while (last < PASSED_ON && !sim_failed(s)) {
        before = last;
        sim_check_equal(s, kafka_conn_read_last_offset(x.conn, &last), 0);
        sim_check(s, last >= before);
        sim_sleep_ms(s, 50);
    }
    sim_wait_for(s, &x.written_all);
    sim_wait_for(s, &x.read_all);
    sim_check(s, x.slowest_ms <= 1100); /* behind a slice of a read, and of a question for offsets at most */
    if (x.slowest_ms > 100) sim_sometimes(s, a_wait[0]);
    kafka_conn_free(x.conn);
}

static void read_one(sim *s, void *arg)
{
    blocked *b = arg;
    kafka_message *m = NULL;
    b->code = kafka_conn_read_message(b->conn, 0, &m);
    b->over_us = m ? m->offset : -1; /* which one */
    kafka_message_free(m);
    b->over = true;
    (void)s;
}

SCENARIO(several_readers_take_turns_and_get_each_message_once)
{
    enum { READERS = 8 };
    blocked b[READERS];
    bool seen[READERS] = {false};
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    for (int i = 0; i < READERS; i++) {
        b[i] = (blocked){.conn = c};
        sim_spawn(s, "reader", read_one, &b[i]);
    }
    for (int i = 0; i < READERS; i++) {
        peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 1);
        sim_sleep_us(s, (int64_t)sim_below(s, 2000));
    }
    for (int i = 0; i < READERS; i++) {
        sim_wait_for(s, &b[i].over);
        if (!sim_check(s, b[i].code == 0 && b[i].over_us >= 0 && b[i].over_us < READERS && !seen[b[i].over_us])) return;
        seen[b[i].over_us] = true;
    }
    kafka_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_read_ends_at_its_deadline_to_the_millisecond_and_the_connection_stays_usable),
        MEMCHECK_TEST(a_batch_that_is_read_slowly_ends_like_any_other),
        MEMCHECK_TEST(a_deadline_in_the_past_sends_nothing),
        MEMCHECK_TEST(a_deadline_that_is_set_later_reaches_a_call_that_waits),
        MEMCHECK_TEST(a_silent_broker_costs_exactly_the_deadline),
        MEMCHECK_TEST(a_silent_broker_is_given_up_even_without_a_deadline),
        MEMCHECK_TEST(an_empty_partition_gives_an_empty_batch_after_the_time_asked_for),
        MEMCHECK_TEST(a_clock_that_begins_near_zero_is_no_trouble),
        MEMCHECK_TEST(a_clock_that_passes_32_bits_of_milliseconds_is_no_trouble),
        MEMCHECK_TEST(a_clock_an_hour_before_its_end_is_no_trouble),
        MEMCHECK_TEST(a_token_from_another_fiber_ends_a_read_at_once_and_all_later_calls),
        MEMCHECK_TEST(a_token_ends_reads_and_writes_that_wait),
        MEMCHECK_TEST(close_wakes_every_call_that_waits),
        MEMCHECK_TEST(a_read_waits_for_an_open_batch_until_its_deadline_or_until_close),
        MEMCHECK_TEST(a_connection_is_freed_at_any_time_with_answers_still_under_way),
        MEMCHECK_TEST(one_fiber_reads_what_another_writes_on_the_same_connection),
        MEMCHECK_TEST(several_readers_take_turns_and_get_each_message_once),
    };
    return RUNNER_MAIN(tests);
}
