/* A connection in use: writing, reading, offsets, topics, and what ends a call that waits, with exact times. */
#include "sim/client.h"
#include "wire/api.h"
#include "wire/compress.h"
#include <stdio.h>
#include <string.h>

/* ---- round trips ------------------------------------------------------------------------------------------------------- */

enum { MOST_MESSAGES = 40, MOST_VALUE = 300 };

typedef struct sample {
    kafka_message messages[MOST_MESSAGES];
    kafka_header headers[MOST_MESSAGES][2];
    uint8_t bytes[MOST_MESSAGES][MOST_VALUE];
    size_t count;
} sample;

/* Null, empty, or some bytes of the message's own. */
static kafka_bytes some_bytes(sim *s, uint8_t *from)
{
    uint64_t kind = sim_below(s, 4);
    if (kind == 0) return (kafka_bytes){NULL, 0};
    return (kafka_bytes){from, kind == 1 ? 0 : sim_below(s, MOST_VALUE)};
}

static void make_sample(sim *s, sample *x)
{
    x->count = 1 + sim_below(s, MOST_MESSAGES);
    for (size_t i = 0; i < x->count; i++) {
        kafka_message *m = &x->messages[i];
        for (size_t b = 0; b < MOST_VALUE; b++) x->bytes[i][b] = (uint8_t)sim_below(s, 256);
        *m = (kafka_message){.time_ms = 1700000000000 + (int64_t)sim_below(s, 1000)};
        m->key = some_bytes(s, x->bytes[i]);
        m->value = some_bytes(s, x->bytes[i]);
        m->headers = x->headers[i];
        m->header_count = sim_below(s, 3);
        for (size_t h = 0; h < m->header_count; h++)
            x->headers[i][h] = (kafka_header){h ? "b" : "a", some_bytes(s, x->bytes[i])};
    }
}

static bool same(kafka_bytes a, kafka_bytes b)
{
    return (a.data == NULL) == (b.data == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void compare(sim *s, const kafka_message *got, const kafka_message *wrote, int64_t offset)
{
    sim_check_equal(s, got->offset, offset);
    sim_check_equal(s, got->time_ms, wrote->time_ms);
    sim_check(s, same(got->key, wrote->key) && same(got->value, wrote->value));
    sim_check_equal(s, got->header_count, wrote->header_count);
    for (size_t h = 0; h < got->header_count && h < wrote->header_count; h++) {
        sim_check(s, strcmp(got->headers[h].key, wrote->headers[h].key) == 0);
        sim_check(s, same(got->headers[h].value, wrote->headers[h].value));
    }
}

static kafka_compression some_codec(sim *s)
{
    kafka_compression codec = (kafka_compression)sim_below(s, 5);
    return codec > 0 && !kfk_codec_find(codec) ? KAFKA_COMPRESSION_NONE : codec;
}

static void read_in_batches(sim *s, kafka_conn *c, const sample *x)
{
    size_t n = 0;
    for (int batches = 0; n < x->count && batches < MOST_MESSAGES + 1 && !sim_failed(s); batches++) {
        kafka_batch *b;
        kafka_message m;
        kafka_fetch fetch = {.max_bytes = 1 + (int32_t)sim_below(s, 2000)};
        if (!sim_check_equal(s, kafka_conn_read_batch(c, &fetch, &b), 0)) return;
        size_t most = 1 + sim_below(s, 60), taken = 0;
        while (taken < most && n < x->count && kafka_batch_read_message(b, &m) == 0) {
            compare(s, &m, &x->messages[n], (int64_t)n);
            taken++;
            n++;
        }
        sim_check_equal(s, kafka_batch_close(b), 0);
        sim_check_equal(s, kafka_conn_offset(c, NULL), n);
    }
    sim_check_equal(s, n, x->count);
}

static void read_one_by_one(sim *s, kafka_conn *c, const sample *x)
{
    for (size_t n = 0; n < x->count; n++) {
        kafka_message *m = NULL;
        if (!sim_check_equal(s, kafka_conn_read_message(c, 0, &m), 0)) return;
        compare(s, m, &x->messages[n], (int64_t)n);
        kafka_message_free(m);
    }
}

SCENARIO(what_is_written_is_read_back_whatever_its_shape)
{
    static sample x;
    peer *p = peer_alone(s, BROKER);
    sim_route *r = peer_route(p);
    r->jitter_us = (int64_t)sim_below(s, 3000);
    r->window = 500 + sim_below(s, 5000);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    make_sample(s, &x);
    for (size_t n = 0, some; n < x.count; n += some) {
        some = 1 + sim_below(s, x.count - n);
        sim_check_equal(s, kafka_conn_write_messages(c, x.messages + n, some, some_codec(s), NULL), 0);
    }
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), x.count);
    if (sim_below(s, 2))
        read_in_batches(s, c, &x);
    else
        read_one_by_one(s, c, &x);
    kafka_conn_free(c);
}

SCENARIO(versions_old_and_new_carry_the_same)
{
    peer *p = peer_alone(s, BROKER);
    static const int16_t lowest[][2] = {
        {KFK_API_PRODUCE, 3}, {KFK_API_FETCH, 4}, {KFK_API_METADATA, 1}, {KFK_API_LIST_OFFSETS, 1}};
    for (size_t i = 0; i < 4; i++) {
        int16_t api = lowest[i][0], low = lowest[i][1], newest = kfk_api_find(api)->max_version;
        peer_set_versions(p, api, low, (int16_t)(low + (int)sim_below(s, (uint64_t)(newest - low + 1))));
    }
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
    client_expect_message(s, c, 0, "hello");
    kafka_conn_free(c);
}

SCENARIO(without_acknowledgement_a_write_is_done_when_it_is_sent)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    int64_t before = sim_now_us(s);
    sim_check_equal(s, kafka_conn_set_required_acks(c, KAFKA_ACKS_NONE), 0);
    for (int i = 0; i < 5; i++) sim_check_equal(s, kafka_conn_write(c, "quick", 5), 0);
    sim_check_equal(s, sim_now_us(s), before);
    sim_check_equal(s, kafka_conn_set_required_acks(c, KAFKA_ACKS_ALL), 0);
    sim_check_equal(s, kafka_conn_write(c, "sure", 4), 0);
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), 6);
    kafka_conn_free(c);
}

SCENARIO(a_message_larger_than_the_limit_of_the_fetch_is_delivered_whole)
{
    static char large[20000];
    peer_alone(s, BROKER);
    kafka_conn *c = client_dial(s, BROKER);
    kafka_message *m = NULL;
    if (!c) return;
    memset(large, 'x', sizeof large);
    sim_check_equal(s, kafka_conn_write(c, large, sizeof large), 0);
    if (sim_check_equal(s, kafka_conn_read_message(c, 100, &m), 0)) sim_check_equal(s, m->value.len, sizeof large);
    kafka_message_free(m);
    kafka_conn_free(c);
}

/* ---- offsets and topics ---------------------------------------------------------------------------------------------- */

SCENARIO(offsets_and_seeking_follow_the_log)
{
    int64_t first, last, at;
    peer *p = peer_alone(s, BROKER);
    peer_cluster_fill(peer_cluster_of(p), "t", 0, "v", 10);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, kafka_conn_read_offsets(c, &first, &last), 0);
    sim_check(s, first == 0 && last == 10);
    sim_check_equal(s, kafka_conn_read_offset(c, 1004, &at), 0);
    sim_check_equal(s, at, 4);
    sim_check_equal(s, kafka_conn_read_offset(c, 5000, &at), 0);
    sim_check_equal(s, at, -1);
    sim_check_equal(s, kafka_conn_seek(c, 3, KAFKA_SEEK_END, &at), 0);
    sim_check_equal(s, at, 7);
    client_expect_message(s, c, 7, "v7");
    sim_check_equal(s, kafka_conn_seek(c, -2, KAFKA_SEEK_CURRENT, NULL), 0);
    client_expect_message(s, c, 6, "v6");
    client_failed(s, kafka_conn_seek(c, 11, KAFKA_SEEK_ABSOLUTE, NULL), KAFKA_ERR_OFFSET_OUT_OF_RANGE, "11");
    client_expect_message(s, c, 7, "v7");
    kafka_conn_free(c);
}

SCENARIO(topics_are_created_listed_and_deleted)
{
    static const char *const name = "fresh";
    kafka_topic_config topic = {.topic = name, .num_partitions = 3};
    kafka_partitions *list = NULL;
    kafka_dialer d = client_dialer(0);
    kafka_conn *c = NULL;
    peer_alone(s, BROKER);
    if (!sim_check_equal(s, kafka_dial(&d, NULL, BROKER, &c), 0)) return;
    sim_check_equal(s, kafka_conn_create_topics(c, &topic, 1, NULL), 0);
    if (sim_check_equal(s, kafka_conn_read_partitions(c, &name, 1, &list), 0)) sim_check_equal(s, list->count, 3);
    kafka_partitions_free(list);
    sim_check_equal(s, kafka_conn_delete_topics(c, &name, 1, NULL), 0);
    client_failed(s, kafka_conn_delete_topics(c, &name, 1, NULL), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, name);
    kafka_conn_free(c);
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------- */

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

/* ---- clocks ---------------------------------------------------------------------------------------------------------- */

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

/* ---- cancelling and closing ------------------------------------------------------------------------------------------ */

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
    sim_sleep_us(s, (int64_t)sim_below(s, 5000));
    kafka_conn_close(c);
    for (int i = 0; i < CALLS; i++) {
        sim_wait_for(s, &b[i].over);
        sim_check(s, b[i].code == 0 || b[i].code == KAFKA_ECLOSED);
    }
    kafka_conn_free(c);
}

/* ---- several fibers ---------------------------------------------------------------------------------------------------- */

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
        MEMCHECK_TEST(what_is_written_is_read_back_whatever_its_shape),
        MEMCHECK_TEST(versions_old_and_new_carry_the_same),
        MEMCHECK_TEST(without_acknowledgement_a_write_is_done_when_it_is_sent),
        MEMCHECK_TEST(a_message_larger_than_the_limit_of_the_fetch_is_delivered_whole),
        MEMCHECK_TEST(offsets_and_seeking_follow_the_log),
        MEMCHECK_TEST(topics_are_created_listed_and_deleted),
        MEMCHECK_TEST(a_read_ends_at_its_deadline_to_the_millisecond_and_the_connection_stays_usable),
        MEMCHECK_TEST(a_deadline_in_the_past_sends_nothing),
        MEMCHECK_TEST(a_deadline_that_is_set_later_reaches_a_call_that_waits),
        MEMCHECK_TEST(a_silent_broker_costs_exactly_the_deadline),
        MEMCHECK_TEST(a_silent_broker_is_given_up_even_without_a_deadline),
        MEMCHECK_TEST(an_empty_partition_gives_an_empty_batch_after_the_time_asked_for),
        MEMCHECK_TEST(a_clock_that_begins_near_zero_is_no_trouble),
        MEMCHECK_TEST(a_clock_that_passes_32_bits_of_milliseconds_is_no_trouble),
        MEMCHECK_TEST(a_clock_an_hour_before_its_end_is_no_trouble),
        MEMCHECK_TEST(a_token_from_another_fiber_ends_a_read_at_once_and_all_later_calls),
        MEMCHECK_TEST(close_wakes_every_call_that_waits),
        MEMCHECK_TEST(a_read_waits_for_an_open_batch_until_its_deadline_or_until_close),
        MEMCHECK_TEST(a_connection_is_freed_at_any_time_with_answers_still_under_way),
        MEMCHECK_TEST(one_fiber_reads_what_another_writes_on_the_same_connection),
        MEMCHECK_TEST(several_readers_take_turns_and_get_each_message_once),
    };
    return RUNNER_MAIN(tests);
}
