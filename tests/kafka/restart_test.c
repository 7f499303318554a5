/* A real broker is restarted while five batches of a partition are in flight: it has appended them all, and the writer
 * has heard of none, since a proxy holds all answers back and is then cut. What the broker remembers
 * afterwards depends on how it ended. After an orderly end it has the newest batch of each producer only, and refuses
 * the other four as out of sequence (45) although they are in its log: its own log says whether it did. After SIGKILL
 * it reads its log again. However it was: nothing is lost, doubled, out of order, or said to have failed. */
#include "faults/through.h"
#include "kafka/peers.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FLYING = 5, SIZE = 4000, LONG_MS = 60000 };

typedef struct flight {
    proxy *between;
    const char *topic;
    kafka_writer *writer;
    atomic_int told, failed, out_of_order, next;
} flight;

/* Each message is a batch, and its userdata its number. */
static void note(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    flight *f = userdata;
    for (size_t i = 0; i < count; i++) {
        if (err != 0) {
            atomic_fetch_add(&f->failed, 1);
            print_message("           %s\n", kafka_last_error());
        }
        if ((intptr_t)msgs[i].userdata != atomic_fetch_add(&f->next, 1)) atomic_fetch_add(&f->out_of_order, 1);
        atomic_fetch_add(&f->told, 1);
    }
}

static void write_one(flight *f, int number)
{
    char value[SIZE];
    memset(value, 'a' + number, sizeof value);
    const kafka_message m = {.value = {value, sizeof value}, .userdata = (void *)(intptr_t)number};
    assert_ok(kafka_writer_write_messages(f->writer, KAFKA_WITHIN(LONG_MS), &m, 1, NULL));
}

static void node(const char *command)
{
    text out = peers_run("bash", peers_env("KAFKA_TEST_SH"), command, "1");
    text_free(&out);
}

/* Past the proxy. */
static kafka_conn *directly(const flight *f)
{
    return through(peers_brokers(), f->topic);
}

static int64_t log_end(const flight *f)
{
    int64_t end = -1;
    kafka_conn *conn = directly(f);
    assert_ok(kafka_conn_read_last_offset(conn, &end));
    kafka_conn_free(conn);
    return end;
}

/* Five batches behind an acknowledged one are in the log, and nobody told the writer. */
static void take_off(flight *f, int port, const char *topic)
{
    f->topic = topic;
    f->between = proxy_new_at(peers_brokers(), port);
    const kafka_writer_config cfg = {.brokers = proxy_address(f->between),
                                     .topic = topic,
                                     .async = 1,
                                     .batch_bytes = SIZE + 200,
                                     .on_delivery = note,
                                     .on_delivery_userdata = f};
    assert_ok(kafka_writer_new(&cfg, &f->writer));
    write_one(f, 0);
    assert_ok(kafka_writer_flush(f->writer, KAFKA_WITHIN(LONG_MS)));
    assert_int_equal(f->told, 1);
    proxy_set(f->between, &(proxy_plan){.hold = PROXY_DOWN});
    for (int i = 1; i <= FLYING; i++) write_one(f, i);
    int64_t until = kafka_deadline_in(PATIENCE_MS);
    while (log_end(f) < 1 + FLYING && kafka_now_ms() < until)
        ;
    proxy_refuse(f->between, true);
    proxy_cut(f->between, PROXY_RESET);
    assert_int_equal(log_end(f), 1 + FLYING);
    assert_int_equal(f->told, 1); /* so all five were in flight */
}

static void land(flight *f)
{
    proxy_set(f->between, &(proxy_plan){0});
    proxy_refuse(f->between, false);
    assert_ok(kafka_writer_flush(f->writer, KAFKA_WITHIN(LONG_MS)));
    write_one(f, 1 + FLYING); /* it goes on */
    assert_ok(kafka_writer_close(f->writer, KAFKA_WITHIN(LONG_MS)));
    kafka_writer_free(f->writer);
    assert_int_equal(f->failed, 0);
    assert_int_equal(f->out_of_order, 0);
    assert_int_equal(f->told, 2 + FLYING);
    kafka_conn *conn = directly(f);
    messages got = peers_read_all(conn, NULL);
    assert_int_equal(got.count, 2 + FLYING);
    for (size_t i = 0; i < got.count; i++) {
        assert_int_equal(got.items[i]->value.len, SIZE);
        assert_int_equal(*(const char *)got.items[i]->value.data, 'a' + (int)i);
    }
    messages_free(&got);
    kafka_conn_free(conn);
    proxy_free(f->between);
}

/* How often the broker, since it was started, has refused the batch with this sequence. */
static int refusals(int sequence)
{
    char what[80];
    int count = 0;
    snprintf(what, sizeof what, ": %d (incoming seq. number)", sequence);
    text path = peers_run("bash", peers_env("KAFKA_TEST_SH"), "log", "1");
    path.data[strcspn(path.data, "\n")] = '\0';
    text log = peers_run("grep", "-s", "Out of order sequence number", path.data);
    for (const char *at = log.data; (at = strstr(at, what)) != NULL; at++) count++;
    text_free(&path);
    text_free(&log);
    return count;
}

static const char *proxied_topic(const char *stem, int *port)
{
    /* The broker tells everybody to come to the proxy, so topics are made through one. */
    *port = atoi(strrchr(peers_brokers(), ':') + 1) + 5;
    proxy *x = proxy_new_at(peers_brokers(), *port);
    const char *topic = peers_topic(stem, 1, NULL);
    proxy_free(x);
    return topic;
}

static void a_broker_that_forgot_all_but_the_newest_batch_costs_nothing(void **state)
{
    (void)state;
    flight f = {0};
    int port;
    const char *topic = proxied_topic("forgotten", &port);
    take_off(&f, port, topic);
    node("restart");
    land(&f);
    for (int sequence = 1; sequence < FLYING; sequence++) { /* else this would have proved nothing */
        int count = refusals(sequence);
        print_message("           sequence %d was refused with 45 %d time%s\n", sequence, count, count == 1 ? "" : "s");
        assert_true(count > 0);
    }
    assert_int_equal(refusals(FLYING), 0);
}

static void a_broker_that_was_killed_costs_nothing(void **state)
{
    (void)state;
    flight f = {0};
    int port;
    const char *topic = proxied_topic("killed", &port);
    take_off(&f, port, topic);
    node("kill");
    node("restart");
    land(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_broker_that_forgot_all_but_the_newest_batch_costs_nothing),
        MEMCHECK_TEST(a_broker_that_was_killed_costs_nothing),
    };
    return cmocka_run_group_tests(tests, peers_setup, NULL);
}
