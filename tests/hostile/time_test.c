/* Hostile brokers that take time (H04, H08, H25, H27, H38 and what else waits), in virtual time: every deadline holds
 * to the millisecond, whatever is pending can be closed at once, and a second, honest broker is served all the
 * while. */
#include "hostile/limit.h"
#include "sim/client.h"
#include "support/batches.h"
#include "wire/gen/fetch.h"
#include <stdio.h>
#include <string.h>

enum { REQUEST_TIMEOUT_MS = 30000, SLICE_MS = 500, KIB = 1024, MIB = 1024 * KIB, FILLED = 9 };

/* ---- the honest broker ------------------------------------------------------------------------------------------- */

/* Writes to the second broker and reads it back, ten times a second, until it is told to stop. */
typedef struct witness {
    bool stop, stopped;
    int rounds;
} witness;

static void bear_witness(sim *s, void *arg)
{
    witness *w = arg;
    kafka_conn *c = client_dial(s, BROKER2);
    while (c && !w->stop && !sim_failed(s)) {
        char value[16];
        int64_t before = sim_now_ms(s);
        snprintf(value, sizeof value, "w%d", w->rounds);
        sim_check_equal(s, kafka_conn_write(c, value, strlen(value)), 0);
        client_expect_message(s, c, w->rounds, value);
        sim_check(s, sim_now_ms(s) - before <= 10);
        w->rounds++;
        sim_sleep_ms(s, 100);
    }
    kafka_conn_free(c);
    w->stopped = true;
}

/* A hostile broker, an honest one, and the witness. */
typedef struct scene {
    peer *hostile;
    witness witness;
    int64_t began_ms;
} scene;

static void scene_begin(scene *x, sim *s)
{
    *x = (scene){.hostile = peer_alone(s, BROKER), .began_ms = sim_now_ms(s)};
    peer_route(x->hostile)->latency_us = 500;
    peer_alone(s, BROKER2);
    memcheck_set_plain(true);
    sim_spawn(s, "witness", bear_witness, &x->witness);
}

static void scene_end(scene *x, sim *s)
{
    int64_t rounds = (sim_now_ms(s) - x->began_ms) / 120;
    sim_check(s, x->witness.rounds >= rounds);
    int before = x->witness.rounds;
    sim_sleep_ms(s, 300);
    sim_check(s, x->witness.rounds > before); /* afterwards, too */
    x->witness.stop = true;
    sim_wait_for(s, &x->witness.stopped);
}

/* Closing takes no time, whatever the connection was doing. */
static void close_at_once(sim *s, kafka_conn *c)
{
    int64_t before = sim_now_us(s);
    kafka_conn_free(c);
    sim_check(s, sim_now_us(s) - before <= 50000);
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static int ask_metadata(kafka_conn *c)
{
    kafka_partitions *list = NULL;
    int err = kafka_conn_read_partitions(c, NULL, 0, &list);
    kafka_partitions_free(list);
    return err;
}

static int ask_offset(kafka_conn *c)
{
    int64_t first;
    return kafka_conn_read_first_offset(c, &first);
}

static int write_one(kafka_conn *c)
{
    return kafka_conn_write(c, "x", 1);
}

static int read_one(kafka_conn *c)
{
    kafka_message *m = NULL;
    int err = kafka_conn_read_message(c, 0, &m);
    kafka_message_free(m);
    return err;
}

static const struct {
    int16_t api;
    const char *name;
    int (*call)(kafka_conn *);
    int64_t timeout_ms; /* without a deadline */
} calls[] = {
    {KFK_API_METADATA, "Metadata", ask_metadata, REQUEST_TIMEOUT_MS},
    {KFK_API_LIST_OFFSETS, "ListOffsets", ask_offset, REQUEST_TIMEOUT_MS},
    {KFK_API_PRODUCE, "Produce", write_one, 2 * REQUEST_TIMEOUT_MS},
    {KFK_API_FETCH, "Fetch", read_one, REQUEST_TIMEOUT_MS + SLICE_MS},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* ---- H04, H08: announced and never sent, or sent too slowly ------------------------------------------------------ */

/* The hostile broker does this with every request; each call ends at its time and says so, with the connection. */
static void expect_given_up(sim *s, const peer_step *step, size_t most_memory, const char *part)
{
    scene x;
    scene_begin(&x, s);
    for (int i = 0; i < CALLS && !sim_failed(s); i++) {
        kafka_conn *c = client_dial(s, BROKER);
        if (!c) break;
        if (calls[i].api == KFK_API_FETCH) sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE, NULL), 0);
        peer_script(x.hostile, step, 1);
        size_t before = memcheck_bytes();
        memcheck_peak_begin();
        int64_t asked = sim_now_ms(s);
        client_failed(s, calls[i].call(c), KAFKA_ETIMEDOUT, part);
        sim_check_text(s, kafka_last_error(), calls[i].name);
        sim_check_text(s, kafka_last_error(), BROKER);
        sim_check_equal(s, sim_now_ms(s) - asked, calls[i].timeout_ms);
        sim_check(s, memcheck_peak() - before <= most_memory + (calls[i].api == KFK_API_FETCH ? MIB : 0));
        sim_check_equal(s, calls[i].call(c), KAFKA_ETIMEDOUT); /* the connection has gone with it */
        sim_check_equal(s, sim_now_ms(s) - asked, calls[i].timeout_ms);
        close_at_once(s, c);
    }
    scene_end(&x, s);
}

/* Half a byte a second: at a whole one, in 60 seconds, which a Produce has, its answer would be complete. */
SCENARIO_WITH(H08_an_answer_that_trickles_is_given_up_after_the_request_timeout, .seeds = 8, .parts = 5)
{
    static const peer_step trickle = PEER_ON(PEER_ANY, .action = PEER_TRICKLE, .bytes = 2000);
    expect_given_up(s, &trickle, MIB, "no answer to");
}

SCENARIO_WITH(H08_a_hello_of_one_byte_a_second_is_given_up_after_the_timeout_of_the_dial, .seeds = 8)
{
    scene x;
    kafka_dialer d = client_dialer(0);
    kafka_conn *c = NULL;
    scene_begin(&x, s);
    PEER_SCRIPT(x.hostile, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_TRICKLE, .bytes = 1000));
    int64_t asked = sim_now_ms(s);
    client_failed(s, kafka_dial(&d, NULL, BROKER, &c), KAFKA_ETIMEDOUT, "ApiVersions");
    sim_check_equal(s, sim_now_ms(s) - asked, 10000);
    sim_check_text(s, kafka_last_error(), BROKER);
    scene_end(&x, s);
}

/* 90 MiB: less than the most that an answer may have. */
SCENARIO_WITH(H04_an_answer_that_is_only_announced_takes_no_memory, .seeds = 8, .parts = 5)
{
    static const uint8_t announced[] = {0x05, 0xa0, 0, 0};
    static const peer_step announce =
        PEER_ON(PEER_ANY, .action = PEER_RAW, .raw = announced, .bytes = sizeof announced);
    expect_given_up(s, &announce, MIB, "no answer to");
}

/* What was asked for gets its memory at once, no more; and where there is none, the deadline holds all the same. */
SCENARIO_WITH(H04_a_fetch_takes_the_memory_that_was_asked_for_and_gives_it_back, .seeds = 5)
{
    static const uint8_t announced[] = {0x35, 0xa4, 0xe9, 0x00};
    enum { ASKED = 900 * 1000 * 1000 };
    scene x;
    scene_begin(&x, s);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_message *m = NULL;
    if (!c) return;
    PEER_SCRIPT(x.hostile, PEER_ON(KFK_API_LIST_OFFSETS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_FETCH, .action = PEER_RAW, .raw = announced, .bytes = sizeof announced));
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    int64_t asked = sim_now_ms(s);
    client_failed(s, kafka_conn_read_message(c, ASKED, &m), KAFKA_ETIMEDOUT, "Fetch");
    sim_check(s, sim_now_ms(s) - asked - REQUEST_TIMEOUT_MS - SLICE_MS <= 1); /* and a ListOffsets in front */
    sim_check(s, memcheck_peak() - before <= (size_t)ASKED + 64 * KIB + MIB);
    sim_check(s, memcheck_bytes() <= before + MIB);
    close_at_once(s, c);
    scene_end(&x, s);
}

/* ---- H25, H27: answers that lead nowhere ------------------------------------------------------------------------- */

typedef enum useless { OLD_DATA, EMPTY_BATCH, EARLY_END, LEFT_OUT, NEVER_ASKED, USELESS } useless;
static const char *const said_of[USELESS] = {"lies before", "lies before", "ends before", "do not speak",
                                             "do not speak"};

static void make_useless(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    static batch_bytes old, empty;
    kfk_fetch_response *a = answer;
    useless how = *(useless *)arg;
    if (api->key != KFK_API_FETCH) return;
    if (!old.data) BATCH(&old, .base = 0, .count = 2);
    if (!empty.data) BATCH(&empty, .base = 1, .count = 0, .tail = 2);
    kfk_fetch_response_partition *p = &a->responses.items[0].partitions.items[0];
    (void)memory;
    p->error_code = 0;
    switch (how) {
    case OLD_DATA: p->records.bytes = (kafka_bytes){old.data, old.len}; break;
    case EMPTY_BATCH: p->records.bytes = (kafka_bytes){empty.data, empty.len}; break;
    case EARLY_END:
        p->records.bytes = (kafka_bytes){NULL, 0};
        p->high_watermark = 3;
        break;
    case LEFT_OUT: a->responses.count = 0; break;
    default: p->partition_index = 1; break;
    }
}

/* A connection that stands at offset 4 of a partition whose broker has become useless. */
static kafka_conn *dial_useless(sim *s, scene *x, useless *how)
{
    scene_begin(x, s);
    peer_cluster_fill(peer_cluster_of(x->hostile), "t", 0, "v", FILLED);
    peer_set_edit(x->hostile, make_useless, how);
    kafka_conn *c = client_dial(s, BROKER);
    if (c) sim_check_equal(s, kafka_conn_seek(c, 4, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL), 0);
    return c;
}

SCENARIO_WITH(H25_H27_answers_without_progress_are_asked_for_ten_times_a_second_and_for_three_seconds, .seeds = 8,
              .parts = USELESS)
{
    for (int i = 0; i < USELESS && !sim_failed(s); i++) {
        scene x;
        useless how = (useless)i;
        kafka_conn *c = dial_useless(s, &x, &how);
        if (!c) return;
        for (int again = 0; again < 2; again++) {
            int before = peer_requests(x.hostile, KFK_API_FETCH);
            int64_t began = sim_now_ms(s);
            client_failed(s, read_one(c), KAFKA_EPROTO, said_of[i]);
            sim_check_text(s, kafka_last_error(), BROKER);
            sim_check_text(s, kafka_last_error(), "Fetch asks for offset 4");
            int64_t took = sim_now_ms(s) - began;
            sim_check(s, took >= 3000 && took <= 3000 + 100 + SLICE_MS);
            sim_check(s, peer_requests(x.hostile, KFK_API_FETCH) - before <= took / 100 + 1);
            sim_check_equal(s, kafka_conn_offset(c, NULL), 4);
        }
        peer_set_edit(x.hostile, NULL, NULL);
        client_expect_message(s, c, 4, "v4"); /* the connection has not suffered, and the broker may better itself */
        close_at_once(s, c);
        scene_end(&x, s);
    }
}

SCENARIO_WITH(H25_a_deadline_comes_before_the_three_seconds_and_waits_that_follow_each_other_count_as_one, .seeds = 8,
              .parts = USELESS)
{
    for (int i = 0; i < USELESS && !sim_failed(s); i++) {
        scene x;
        useless how = (useless)i;
        kafka_conn *c = dial_useless(s, &x, &how);
        if (!c) return;
        int64_t began = sim_now_ms(s), deadline = kafka_deadline_in(1000);
        kafka_conn_set_read_deadline(c, deadline);
        sim_check_equal(s, read_one(c), KAFKA_ETIMEDOUT);
        sim_check_equal(s, sim_now_ms(s), deadline);
        kafka_conn_set_read_deadline(c, 0);
        int err, rounds = 0;
        do {
            kafka_batch *b = NULL;
            err = kafka_conn_read_batch(c, &(kafka_fetch){.max_wait_ms = 400}, &b);
            if (err == 0) sim_check_equal(s, kafka_batch_close(b), 0);
        } while (err == 0 && ++rounds < 100);
        client_failed(s, err, KAFKA_EPROTO, said_of[i]);
        int64_t took = sim_now_ms(s) - began;
        sim_check(s, took >= 3000 && took <= 3000 + 100 + SLICE_MS);
        close_at_once(s, c);
        scene_end(&x, s);
    }
}

/* ---- H38: throttled for ever ------------------------------------------------------------------------------------- */

SCENARIO_WITH(H38_a_throttle_of_24_days_is_one_minute, .seeds = 8, .parts = CALLS)
{
    for (int i = 0; i < CALLS && !sim_failed(s); i++) {
        scene x;
        scene_begin(&x, s);
        peer_cluster_fill(peer_cluster_of(x.hostile), "t", 0, "v", FILLED);
        kafka_conn *c = client_dial(s, BROKER);
        if (!c) return;
        sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL), 0);
        peer_set_throttle_ms(x.hostile, INT32_MAX);
        sim_check_equal(s, calls[i].call(c), 0);
        int64_t answered = sim_now_ms(s);
        peer_set_throttle_ms(x.hostile, 0);
        kafka_conn_set_write_deadline(c, kafka_deadline_in(7000));
        client_failed(s, write_one(c), KAFKA_ETIMEDOUT, BROKER);
        sim_check_equal(s, kafka_last_written(), KAFKA_WRITTEN_NO);
        sim_check_equal(s, sim_now_ms(s) - answered, 7000);
        kafka_conn_set_write_deadline(c, 0);
        sim_check_equal(s, ask_metadata(c), 0); /* its own 30 seconds begin when it may be sent */
        int64_t sent = (peer_last_request_us(x.hostile) - peer_route(x.hostile)->latency_us) / 1000;
        sim_check(s, sent - answered >= 60000 && sent - answered <= 60001);
        close_at_once(s, c);
        scene_end(&x, s);
    }
}

SCENARIO_WITH(H38_a_connection_that_is_throttled_is_closed_at_once, .seeds = 8)
{
    scene x;
    scene_begin(&x, s);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    peer_set_throttle_ms(x.hostile, INT32_MAX);
    sim_check_equal(s, write_one(c), 0);
    close_at_once(s, c);
    scene_end(&x, s);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

typedef struct waiting {
    kafka_conn *conn;
    int (*call)(kafka_conn *);
    int code;
    int64_t done_us;
    bool done;
} waiting;

static void call_and_wait(sim *s, void *arg)
{
    waiting *w = arg;
    w->code = w->call(w->conn);
    w->done_us = sim_now_us(s);
    w->done = true;
}

/* Whatever a hostile broker makes a call wait for, close ends it, and takes no time itself. */
SCENARIO_WITH(what_waits_for_a_hostile_broker_is_closed_at_once, .seeds = 16, .parts = CALLS)
{
    static const uint8_t announced[] = {0x05, 0xa0, 0, 0, 0, 0};
    static const peer_step ways[] = {
        PEER_ON(PEER_ANY, .action = PEER_SILENCE), PEER_ON(PEER_ANY, .action = PEER_TRICKLE, .bytes = 1000),
        PEER_ON(PEER_ANY, .action = PEER_RAW, .raw = announced, .bytes = sizeof announced)};
    for (int i = 0; i < CALLS && !sim_failed(s); i++) {
        scene x;
        scene_begin(&x, s);
        kafka_conn *c = client_dial(s, BROKER);
        if (!c) return;
        sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL), 0);
        peer_script(x.hostile, &ways[sim_below(s, 3)], 1);
        waiting w = {.conn = c, .call = calls[i].call};
        sim_spawn(s, "waiting", call_and_wait, &w);
        sim_sleep_ms(s, 1 + (int64_t)sim_below(s, 20000));
        sim_check(s, !w.done);
        int64_t before = sim_now_us(s);
        sim_check_equal(s, kafka_conn_close(c), 0);
        sim_check(s, sim_now_us(s) - before <= 50000);
        sim_wait_for(s, &w.done);
        sim_check_equal(s, w.code, KAFKA_ECLOSED);
        sim_check(s, w.done_us - before <= 50000);
        close_at_once(s, c);
        scene_end(&x, s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(H08_an_answer_that_trickles_is_given_up_after_the_request_timeout),
        MEMCHECK_TEST(H08_a_hello_of_one_byte_a_second_is_given_up_after_the_timeout_of_the_dial),
        MEMCHECK_TEST(H04_an_answer_that_is_only_announced_takes_no_memory),
        MEMCHECK_TEST(H04_a_fetch_takes_the_memory_that_was_asked_for_and_gives_it_back),
        MEMCHECK_TEST(H25_H27_answers_without_progress_are_asked_for_ten_times_a_second_and_for_three_seconds),
        MEMCHECK_TEST(H25_a_deadline_comes_before_the_three_seconds_and_waits_that_follow_each_other_count_as_one),
        MEMCHECK_TEST(H38_a_throttle_of_24_days_is_one_minute),
        MEMCHECK_TEST(H38_a_connection_that_is_throttled_is_closed_at_once),
        MEMCHECK_TEST(what_waits_for_a_hostile_broker_is_closed_at_once),
    };
    hostile_limit_memory();
    return RUNNER_MAIN(tests);
}
