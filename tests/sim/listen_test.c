/* Listeners of the simulation's loop: both ends of a connection are streams of one loop, and the network between them
 * can be held, frozen, reset, and made to vanish. */
#include "base/time.h"
#include "kafka/testing.h"
#include "sim/client.h"
#include "sim/network.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS "10.0.0.1:9092"

enum { BYTES = 30000, WINDOW = 5000 };

/* ---- an end that sends a pattern, and one that sends back what it gets ------------------------------------------- */

typedef struct end {
    sim *sim;
    kfk_stream *stream;
    size_t to_send, sent, got;
    int code; /* that ended it; KAFKA_EAGAIN while it goes on */
    bool bad_byte, connected, over, blocked;
    int64_t over_us;
    /* the echo's: what it has not sent back yet */
    bool echoes;
    uint8_t *kept;
    size_t kept_len;
} end;

typedef struct pair {
    sim *sim;
    kfk_listener *listener;
    end client, server;
    int code;
    kfk_error error;
    int accepted;
} pair;

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 13 + i / 241);
}

static void end_is_over(end *e, int code)
{
    e->code = code;
    e->over = true;
    e->over_us = sim_now_us(e->sim);
}

static void end_reads(end *e)
{
    uint8_t buf[900];
    size_t got = sizeof buf;
    kfk_error err;
    while (!e->over && got == sizeof buf) {
        int code = e->stream->ops->read(e->stream, buf, sizeof buf, &got, &err);
        if (code == KAFKA_EAGAIN) return;
        if (code != 0) {
            end_is_over(e, code);
            return;
        }
        for (size_t i = 0; i < got; i++) e->bad_byte |= buf[i] != pattern(e->got + i);
        e->got += got;
        if (!e->echoes) continue;
        memcpy(e->kept + e->kept_len, buf, got);
        e->kept_len += got;
    }
}

static void end_writes(end *e)
{
    uint8_t buf[700];
    for (size_t put = 0; !e->over; e->sent += put) {
        size_t left = (e->echoes ? e->kept_len : e->to_send) - e->sent;
        if (left == 0) return;
        struct iovec iov = {.iov_base = buf, .iov_len = left < sizeof buf ? left : sizeof buf};
        for (size_t i = 0; i < iov.iov_len; i++) buf[i] = pattern(e->sent + i);
        kfk_error err;
        int code = e->stream->ops->write(e->stream, &iov, 1, &put, &err);
        if (code == KAFKA_EAGAIN) {
            e->blocked = true;
            return;
        }
        if (code != 0) {
            end_is_over(e, code);
            return;
        }
    }
}

static void end_ready(void *owner, unsigned events)
{
    end *e = owner;
    kfk_error err;
    if (!e->connected) {
        int code = e->stream->ops->connected(e->stream, &err);
        if (code == KAFKA_EAGAIN) return;
        if (code != 0) end_is_over(e, code);
        e->connected = code == 0;
        events |= KFK_STREAM_READABLE | KFK_STREAM_WRITABLE;
    }
    if (events & KFK_STREAM_READABLE) end_reads(e);
    end_writes(e); /* an echo has something to send because it has read */
    if (!e->echoes && e->got == e->to_send && !e->over) end_is_over(e, 0);
}

static void end_close(end *e)
{
    if (e->stream) e->stream->ops->close(e->stream);
    e->stream = NULL;
}

/* ---- a pair of them ---------------------------------------------------------------------------------------------- */

static void accepted(void *owner, kfk_stream *stream)
{
    pair *p = owner;
    p->accepted++;
    if (p->server.stream) { /* one is enough */
        stream->ops->close(stream);
        return;
    }
    p->server = (end){.sim = p->sim, .stream = stream, .echoes = true, .kept = p->server.kept};
    stream->owner = &p->server;
    stream->ready = end_ready;
    kfk_error err;
    sim_check_equal(p->sim, stream->ops->connected(stream, &err), 0);
    p->server.connected = true;
}

static void listen_there(void *arg)
{
    pair *p = arg;
    kfk_address at;
    sim_check(p->sim, kfk_address_numeric("10.0.0.1", 9092, &at));
    p->code = kfk_loop_listen(sim_loop(p->sim), &at, &p->listener, &p->error);
    if (p->code != 0) return;
    p->listener->owner = p;
    p->listener->accepted = accepted;
}

static void connect_there(void *arg)
{
    pair *p = arg;
    kfk_address to;
    sim_check(p->sim, kfk_address_numeric("10.0.0.1", 9092, &to));
    p->client = (end){.sim = p->sim, .to_send = BYTES};
    if (!sim_check_equal(p->sim, kfk_loop_connect(sim_loop(p->sim), &to, NULL, &p->client.stream, &p->error), 0))
        return;
    p->client.stream->owner = &p->client;
    p->client.stream->ready = end_ready;
}

typedef struct closing {
    kfk_task task;
    pair *pair;
    bool but_the_client, done;
} closing;

static void close_run(kfk_task *t)
{
    closing *c = KFK_CONTAINER(t, closing, task);
    if (!c->but_the_client) end_close(&c->pair->client);
    end_close(&c->pair->server);
    if (c->pair->listener) c->pair->listener->ops->close(c->pair->listener);
    c->pair->listener = NULL;
    c->done = true;
}

static void close_defer(void *arg)
{
    closing *c = arg;
    kfk_loop_defer(sim_loop(c->pair->sim), &c->task);
}

/* On the thread that turns the loop, as closing must be. */
static void pair_close_but(pair *p, bool but_the_client)
{
    closing c = {.task.run = close_run, .pair = p, .but_the_client = but_the_client};
    sim_under_baton(p->sim, close_defer, &c);
    sim_wait_for(p->sim, &c.done);
}

static void pair_close(pair *p)
{
    pair_close_but(p, false);
}

static pair *pair_new(sim *s)
{
    pair *p = calloc(1, sizeof *p);
    sim_own(s, free, p);
    p->sim = s;
    p->server.kept = malloc(BYTES);
    sim_own(s, free, p->server.kept);
    sim_net_route(s, ADDRESS)->window = WINDOW;
    sim_under_baton(s, listen_there, p);
    sim_check_equal(s, p->code, 0);
    sim_under_baton(s, connect_there, p);
    return p;
}

static void check_echo(sim *s, pair *p)
{
    sim_check_equal(s, p->client.code, 0);
    sim_check_equal(s, p->client.got, BYTES);
    sim_check_equal(s, p->server.got, BYTES);
    sim_check(s, !p->client.bad_byte && !p->server.bad_byte);
}

static const char *const both_blocked[] = {"the client's window was full", "the server's window was full", NULL};

SCENARIO_WITH(what_one_end_sends_the_other_gets_through_a_small_window, .sometimes = both_blocked)
{
    pair *p = pair_new(s);
    sim_wait_for(s, &p->client.over);
    check_echo(s, p);
    sim_check_equal(s, p->accepted, 1);
    if (p->client.blocked) sim_sometimes(s, both_blocked[0]);
    if (p->server.blocked) sim_sometimes(s, both_blocked[1]);
    pair_close(p);
}

SCENARIO(what_is_sent_while_a_direction_is_cut_off_arrives_when_it_is_whole_again)
{
    pair *p = pair_new(s);
    unsigned directions = 1 + (unsigned)sim_below(s, 3);
    sim_sleep_us(s, (int64_t)sim_below(s, 3000));
    int64_t began = sim_now_us(s);
    sim_net_hold(s, ADDRESS, directions);
    sim_sleep_ms(s, 3000);
    sim_check(s, !p->client.over || p->client.over_us <= began);
    sim_net_hold(s, ADDRESS, 0);
    sim_wait_for(s, &p->client.over);
    check_echo(s, p);
    pair_close(p);
}

/* The next connection is as quick as ever. */
SCENARIO(what_is_under_way_on_an_open_connection_may_come_late)
{
    pair *p = pair_new(s);
    sim_wait_for(s, &p->client.connected);
    int64_t began = sim_now_us(s);
    sim_net_delay_open(s, ADDRESS, SIM_UP, 3000);
    size_t got = p->server.got;
    sim_sleep_ms(s, 2900);
    sim_check_equal(s, p->server.got, got);
    pair other = {.sim = s};
    sim_under_baton(s, connect_there, &other);
    sim_wait_for(s, &other.client.over);
    sim_check(s, sim_now_us(s) < began + 2950000);
    sim_wait_for(s, &p->client.over);
    sim_check(s, p->client.over_us >= began + 3000000 || got == BYTES);
    check_echo(s, p);
    pair_close(&other);
    pair_close(p);
}

SCENARIO(no_connection_is_made_through_a_partition)
{
    sim_net_hold(s, ADDRESS, sim_below(s, 2) ? SIM_UP : SIM_DOWN);
    pair *p = pair_new(s);
    sim_sleep_ms(s, 2500);
    sim_check(s, !p->client.connected && p->accepted == 0);
    sim_net_hold(s, ADDRESS, 0);
    sim_wait_for(s, &p->client.connected); /* by the packet that is sent after three seconds */
    sim_wait_for(s, &p->client.over);
    check_echo(s, p);
    pair_close(p);
}

SCENARIO(an_end_that_stands_still_fills_the_window_of_the_other)
{
    pair *p = pair_new(s);
    bool server = sim_below(s, 2);
    sim_net_freeze(s, ADDRESS, server ? SIM_UP : SIM_DOWN);
    sim_sleep_ms(s, 1000);
    const end *still = server ? &p->server : &p->client;
    sim_check_equal(s, still->got, 0);
    sim_check(s, p->client.sent <= WINDOW);
    sim_net_freeze(s, ADDRESS, 0);
    sim_wait_for(s, &p->client.over);
    check_echo(s, p);
    pair_close(p);
}

SCENARIO(a_reset_is_seen_at_both_ends)
{
    pair *p = pair_new(s);
    sim_wait_for(s, &p->client.connected);
    sim_sleep_us(s, (int64_t)sim_below(s, 1000));
    if (!p->client.over) sim_check_equal(s, sim_net_reset(s, ADDRESS), 1);
    sim_sleep_ms(s, 10);
    if (p->client.got < BYTES) sim_check_equal(s, p->client.code, KAFKA_EIO);
    if (p->server.stream) sim_check_equal(s, p->server.code, KAFKA_EIO);
    pair_close(p);
}

SCENARIO(an_end_that_closes_is_seen_by_the_other)
{
    pair *p = pair_new(s);
    sim_wait_for(s, &p->client.connected);
    sim_sleep_us(s, (int64_t)sim_below(s, 3000));
    pair_close_but(p, true);
    sim_sleep_ms(s, 10);
    if (p->client.got < BYTES) sim_check(s, p->client.code == KAFKA_EOF || p->client.code == KAFKA_EIO);
    pair_close(p);
}

SCENARIO(where_nobody_listens_any_more_connections_are_refused)
{
    pair *p = pair_new(s);
    sim_wait_for(s, &p->client.over);
    pair_close(p);
    sim_under_baton(s, connect_there, p);
    sim_wait_for(s, &p->client.over);
    sim_check_equal(s, p->client.code, KAFKA_EIO);
    pair_close(p);
}

SCENARIO(a_port_is_listened_at_once)
{
    pair *p = pair_new(s), other = {.sim = s};
    sim_under_baton(s, listen_there, &other);
    sim_check_equal(s, other.code, KAFKA_EIO);
    sim_check_text(s, other.error.text, "Address already in use");
    sim_wait_for(s, &p->client.over);
    pair_close(p);
}

/* ---- a cluster --------------------------------------------------------------------------------------------------- */

SCENARIO(a_cluster_runs_on_the_simulations_loop)
{
    kafka_cluster *cluster = NULL;
    kafka_cluster_config cfg = {.host = "10.0.0.1", .brokers = 3, .base_port = 9092, .loop = sim_loop(s)};
    if (!sim_check_equal(s, kafka_cluster_new(&cfg, &cluster), 0)) return;
    sim_check(s, strcmp(kafka_cluster_bootstrap(cluster), "10.0.0.1:9092,10.0.0.1:9093,10.0.0.1:9094") == 0);
    sim_check_equal(s, kafka_cluster_create_topic(cluster, "t", 1), 0);
    kafka_conn *c = client_dial(s, kafka_cluster_bootstrap(cluster));
    if (c) {
        char value[16] = "";
        size_t len;
        sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
        sim_check_equal(s, kafka_conn_read(c, value, sizeof value, &len), 0);
        sim_check(s, len == 5 && memcmp(value, "hello", 5) == 0);
    }
    kafka_conn_free(c);
    kafka_cluster_free(cluster);
}

SCENARIO(a_cluster_without_given_ports_has_one_for_each_broker)
{
    kafka_cluster *cluster = NULL;
    kafka_brokers *brokers = NULL;
    kafka_conn *c = NULL;
    kafka_dialer d = client_dialer(0);
    kafka_cluster_config cfg = {.host = "fd00::1", .brokers = 2, .loop = sim_loop(s)};
    if (!sim_check_equal(s, kafka_cluster_new(&cfg, &cluster), 0)) return;
    if (sim_check_equal(s, kafka_dial(&d, NULL, kafka_cluster_bootstrap(cluster), &c), 0) &&
        sim_check_equal(s, kafka_conn_brokers(c, &brokers), 0)) {
        sim_check_equal(s, brokers->count, 2);
        sim_check(s, brokers->items[0].port != brokers->items[1].port && brokers->items[0].port != 0);
    }
    kafka_brokers_free(brokers);
    kafka_conn_free(c);
    kafka_cluster_free(cluster);
}

/* What brokers say of the time of day, and whatever they do by it, comes from the run: the same in each. */
SCENARIO(a_clusters_time_of_day_is_the_simulations)
{
    enum { KEPT_MS = 60000 };
    static const kafka_config_entry entries[] = {{.name = "message.timestamp.type", .value = "LogAppendTime"},
                                                 {.name = "retention.ms", .value = "60000"}};
    const kafka_topic_config made = {
        .topic = "t", .num_partitions = 1, .replication_factor = 1, .entries = entries, .entry_count = 2};
    kafka_cluster *cluster = NULL;
    kafka_message *m = NULL;
    kafka_cluster_config cfg = {.host = "10.0.0.1", .base_port = 9092, .loop = sim_loop(s)};
    if (!sim_check_equal(s, kafka_cluster_new(&cfg, &cluster), 0)) return;
    sim_check_equal(s, kafka_cluster_create_topic(cluster, "other", 1), 0);
    kafka_conn *admin = NULL, *c = NULL;
    kafka_dialer d = client_dialer(0);
    sim_check_equal(s, kafka_dial(&d, NULL, kafka_cluster_bootstrap(cluster), &admin), 0);
    if (admin) sim_check_equal(s, kafka_conn_create_topics(admin, &made, 1, NULL), 0);
    if (admin) c = client_dial(s, kafka_cluster_bootstrap(cluster));
    if (c) {
        int64_t before = kfk_time_wall_ms(), start = -1, next = -1;
        sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
        int64_t after = kfk_time_wall_ms();
        if (sim_check_equal(s, kafka_conn_read_message(c, 0, &m), 0)) {
            sim_check(s, m->time_ms >= before && m->time_ms <= after);
            kafka_message_free(m);
        }
        sim_sleep_ms(s, KEPT_MS / 2);
        sim_check_equal(s, kafka_cluster_log_size(cluster, "t", 0, &start, &next), 0);
        sim_check(s, start == 0 && next == 1);
        sim_sleep_ms(s, KEPT_MS);
        sim_check_equal(s, kafka_cluster_log_size(cluster, "t", 0, &start, &next), 0);
        sim_check(s, start == 1 && next == 1);
    }
    kafka_conn_free(c);
    kafka_conn_free(admin);
    kafka_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_one_end_sends_the_other_gets_through_a_small_window),
        MEMCHECK_TEST(what_is_sent_while_a_direction_is_cut_off_arrives_when_it_is_whole_again),
        MEMCHECK_TEST(what_is_under_way_on_an_open_connection_may_come_late),
        MEMCHECK_TEST(no_connection_is_made_through_a_partition),
        MEMCHECK_TEST(an_end_that_stands_still_fills_the_window_of_the_other),
        MEMCHECK_TEST(a_reset_is_seen_at_both_ends),
        MEMCHECK_TEST(an_end_that_closes_is_seen_by_the_other),
        MEMCHECK_TEST(where_nobody_listens_any_more_connections_are_refused),
        MEMCHECK_TEST(a_port_is_listened_at_once),
        MEMCHECK_TEST(a_cluster_runs_on_the_simulations_loop),
        MEMCHECK_TEST(a_cluster_without_given_ports_has_one_for_each_broker),
        MEMCHECK_TEST(a_clusters_time_of_day_is_the_simulations),
    };
    return RUNNER_MAIN(tests);
}
