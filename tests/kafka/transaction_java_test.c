/* transaction_java_test.c: committed, aborted and open transactions of Java's producer. What a reader of committed
 * messages may see is worked out here from the order in the log and from what became of each transaction. The markers
 * that end transactions are written by the coordinator when it likes, so a test knows how many there are, not where. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum fate { OPEN, COMMITTED, ABORTED, NO_TRANSACTION };

/* What was sent, in the order of the script. A message's value is its number here. */
typedef struct plan {
    text script;
    const char *topic;
    enum fate *fates;
    size_t count, cap;
    size_t ended; /* transactions, so markers */
} plan;

static void plan_send(plan *p, const char *producer, size_t n)
{
    for (; n > 0; n--) {
        char value[24];
        if (p->count == p->cap) {
            p->cap = p->cap == 0 ? 64 : 2 * p->cap;
            p->fates = realloc(p->fates, p->cap * sizeof *p->fates);
            assert_non_null(p->fates);
        }
        snprintf(value, sizeof value, "%zu", p->count);
        script_send(&p->script, producer, p->topic, 0, &(kafka_message){.value = kafka_str(value)});
        p->fates[p->count++] = NO_TRANSACTION;
    }
    text_addf(&p->script, "flush %s\n", producer);
}

static void plan_fate(plan *p, size_t from, enum fate fate)
{
    for (size_t i = from; i < p->count; i++)
        if (p->fates[i] == NO_TRANSACTION) p->fates[i] = fate;
}

static void plan_free(plan *p)
{
    text_free(&p->script);
    free(p->fates);
}

static void new_producer(plan *p, const char *name, const char *compression)
{
    text_addf(&p->script, "new %s transactional.id=%s compression.type=%s linger.ms=60000\n", name, peers_name(name),
              compression);
}

static size_t number_in(const kafka_message *m)
{
    char value[24] = {0};
    assert_true(m->value.len < sizeof value);
    memcpy(value, m->value.data, m->value.len);
    return strtoul(value, NULL, 10);
}

static bool is_committed(const plan *p, const kafka_message *m)
{
    enum fate fate = p->fates[number_in(m)];
    return fate == COMMITTED || fate == NO_TRANSACTION;
}

/* What kcat sees, which is librdkafka's idea of it. */
static void assert_kcat_agrees(const char *topic, const char *isolation, const messages *ours)
{
    text want = {0}, got = kcat_consume(topic, 0, "beginning", isolation, "%o %s\n");
    for (size_t i = 0; i < ours->count; i++)
        text_addf(&want, "%" PRId64 " %zu\n", ours->items[i]->offset, number_in(ours->items[i]));
    assert_same_text(&got, &want);
    text_free(&got);
    text_free(&want);
}

/* The first message that a fetch from an offset brings, -1 if none. */
static int64_t first_from(kafka_conn *conn, int64_t offset, bool read_committed, int32_t max_bytes)
{
    kafka_fetch fetch = {.read_committed = read_committed, .max_bytes = max_bytes, .max_wait_ms = 1};
    assert_ok(kafka_conn_seek(conn, offset, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    for (;;) {
        kafka_batch *batch = NULL;
        kafka_message m;
        int64_t before = kafka_conn_offset(conn, NULL);
        assert_ok(kafka_conn_read_batch(conn, &fetch, &batch));
        int err = kafka_batch_read_message(batch, &m);
        int64_t found = err == 0 ? m.offset : -1;
        if (err != 0) assert_int_equal(err, KAFKA_EOF);
        assert_ok(kafka_batch_close(batch));
        if (err == 0 || kafka_conn_offset(conn, NULL) == before) return found;
    }
}

/* Runs the plan and checks everything there is to see of it. */
static void check_plan(plan *p)
{
    script_run(&p->script);
    kafka_conn *conn = peers_dial(p->topic, 0);
    int64_t end = (int64_t)(p->count + p->ended), stable = end;
    peers_await_end(conn, end);

    messages all = peers_read_all(conn, NULL); /* everything, in the order it was sent */
    assert_int_equal(all.count, p->count);
    for (size_t i = 0; i < all.count; i++) assert_int_equal(number_in(all.items[i]), i);
    assert_int_equal(kafka_conn_offset(conn, NULL), end);
    for (size_t i = all.count; i-- > 0;)
        if (p->fates[i] == OPEN) stable = all.items[i]->offset;

    assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL)); /* the same through the call without isolation */
    for (size_t i = 0; i < all.count; i++) {
        kafka_message *m = NULL;
        assert_ok(kafka_conn_read_message(conn, 0, &m));
        assert_int_equal(m->offset, all.items[i]->offset);
        kafka_message_free(m);
    }

    static const int32_t limits[] = {0, 1, 300};
    for (size_t k = 0; k < 3; k++) { /* what was committed, up to the first open transaction */
        assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL));
        messages committed = peers_read_all(conn, &(kafka_fetch){.read_committed = 1, .max_bytes = limits[k]});
        size_t n = 0;
        for (size_t i = 0; i < all.count && all.items[i]->offset < stable; i++)
            if (is_committed(p, all.items[i])) {
                assert_true(n < committed.count);
                assert_int_equal(committed.items[n]->offset, all.items[i]->offset);
                assert_int_equal(number_in(committed.items[n]), i);
                n++;
            }
        assert_int_equal(committed.count, n);
        assert_int_equal(kafka_conn_offset(conn, NULL), stable);
        if (k == 0) assert_kcat_agrees(p->topic, "read_committed", &committed);
        messages_free(&committed);
    }
    assert_kcat_agrees(p->topic, "read_uncommitted", &all);

    for (int64_t from = 0; from < end; from++) { /* wherever a reader begins, also inside of transactions */
        int64_t any = -1, good = -1;
        for (size_t i = all.count; i-- > 0 && all.items[i]->offset >= from;) {
            any = all.items[i]->offset;
            if (any < stable && is_committed(p, all.items[i])) good = any;
        }
        assert_int_equal(first_from(conn, from, false, 1), any);
        assert_int_equal(first_from(conn, from, true, from % 2 == 0 ? 1 : 0), good);
    }
    messages_free(&all);
    kafka_conn_free(conn);
}

static void aborted_messages_are_left_out_and_open_ones_are_waited_for(void **state)
{
    (void)state;
    plan p = {.topic = peers_topic("transactions", 1, NULL)};
    new_producer(&p, "a", "none");
    new_producer(&p, "b", "zstd");
    text_addf(&p.script, "new plain linger.ms=60000\n");
    text_addf(&p.script, "begin a\n");
    plan_send(&p, "a", 3);
    plan_fate(&p, 0, ABORTED);
    plan_send(&p, "plain", 2); /* inside of a's transaction, but not of it */
    text_addf(&p.script, "begin b\n");
    size_t b = p.count;
    plan_send(&p, "b", 4); /* overlaps with the aborted one */
    plan_fate(&p, b, COMMITTED);
    size_t a = p.count;
    plan_send(&p, "a", 2);
    plan_fate(&p, a, ABORTED);
    text_addf(&p.script, "abort a\n");
    b = p.count;
    plan_send(&p, "b", 1);
    plan_fate(&p, b, COMMITTED);
    text_addf(&p.script, "commit b\nbegin a\n");
    a = p.count;
    plan_send(&p, "a", 2); /* the producer whose last one was aborted */
    plan_fate(&p, a, COMMITTED);
    text_addf(&p.script, "commit a\nbegin b\n");
    p.ended = 3;
    b = p.count;
    plan_send(&p, "b", 2);
    plan_fate(&p, b, OPEN);
    plan_send(&p, "plain", 2); /* behind the open one: not yet */
    check_plan(&p);
    plan_free(&p);
}

static void a_log_that_ends_with_an_aborted_transaction_is_read_to_its_end(void **state)
{
    (void)state;
    plan p = {.topic = peers_topic("aborted", 1, NULL)};
    new_producer(&p, "a", "lz4");
    text_addf(&p.script, "begin a\n");
    plan_send(&p, "a", 5);
    text_addf(&p.script, "abort a\nbegin a\n");
    plan_send(&p, "a", 5);
    text_addf(&p.script, "abort a\n");
    plan_fate(&p, 0, ABORTED);
    p.ended = 2;
    check_plan(&p);
    plan_free(&p);
}

static void many_transactions_overlap_at_random(void **state)
{
    (void)state;
    enum { PRODUCERS = 4, STEPS = 250 };
    static const char *const names[PRODUCERS] = {"a", "b", "c", "d"};
    plan p = {.topic = peers_topic("random", 1, NULL)};
    unsigned seed = (unsigned)kafka_now_ms();
    unsigned char *dice = peers_noise((size_t)2 * STEPS, seed);
    size_t begun[PRODUCERS][100], counts[PRODUCERS] = {0}; /* the numbers of what each has in its transaction */
    print_message("seed %u\n", seed);
    for (size_t i = 0; i < PRODUCERS; i++) new_producer(&p, names[i], codecs[i].name);
    text_addf(&p.script, "new plain linger.ms=60000 compression.type=gzip\n");
    for (size_t step = 0; step < STEPS; step++) {
        size_t who = dice[2 * step] % (PRODUCERS + 1), what = dice[2 * step + 1];
        if (who == PRODUCERS) {
            plan_send(&p, "plain", 1 + what % 3);
        } else if (counts[who] > 0 && (what % 3 == 0 || counts[who] > 90)) {
            bool commit = what % 2 == 0;
            text_addf(&p.script, "%s %s\n", commit ? "commit" : "abort", names[who]);
            for (size_t i = 0; i < counts[who]; i++) p.fates[begun[who][i]] = commit ? COMMITTED : ABORTED;
            counts[who] = 0;
            p.ended++;
        } else {
            if (counts[who] == 0) text_addf(&p.script, "begin %s\n", names[who]);
            size_t from = p.count;
            plan_send(&p, names[who], 1 + what % 4);
            plan_fate(&p, from, OPEN);
            for (size_t i = from; i < p.count; i++) begun[who][counts[who]++] = i;
        }
    }
    free(dice);
    for (size_t i = 0; i + 1 < PRODUCERS; i++) /* the last producer's stays open, if it has one */
        if (counts[i] > 0) {
            text_addf(&p.script, "commit %s\n", names[i]);
            for (size_t k = 0; k < counts[i]; k++) p.fates[begun[i][k]] = COMMITTED;
            p.ended++;
        }
    check_plan(&p);
    plan_free(&p);
}

static void what_kafkas_own_copier_aborts_at_random_is_left_out(void **state)
{
    (void)state;
    const char *from = peers_topic("original", 1, NULL), *to = peers_topic("copy", 1, NULL);
    series s = peers_series(1000);
    peers_write(from, 0, s.items, s.count, KAFKA_COMPRESSION_SNAPPY);
    text out = peers_java("org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", peers_brokers(),
                          "--input-topic", from, "--input-partition", "0", "--output-topic", to, "--consumer-group",
                          peers_name("group"), "--transactional-id", peers_name("id"), "--transaction-size", "10",
                          "--enable-random-aborts");
    text_free(&out);
    kafka_conn *conn = peers_dial(to, 0);
    messages all = peers_read_all(conn, NULL), committed = {0};
    assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL));
    int64_t deadline = kafka_deadline_in(PATIENCE_MS);
    do { /* the last marker may still be on its way */
        messages_free(&committed);
        assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, NULL));
        committed = peers_read_all(conn, &(kafka_fetch){.read_committed = 1});
    } while (committed.count < s.count && kafka_now_ms() < deadline);
    print_message("%zu messages in the log, %zu of them committed\n", all.count, committed.count);
    assert_true(all.count > s.count); /* it did abort some */
    assert_int_equal(committed.count, s.count);
    for (size_t i = 0; i < s.count; i++) {
        kafka_message want = {.key = s.items[i].key, .value = s.items[i].value};
        assert_same_message(committed.items[i], &want);
    }
    messages_free(&all);
    messages_free(&committed);
    kafka_conn_free(conn);
    series_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aborted_messages_are_left_out_and_open_ones_are_waited_for),
        cmocka_unit_test(a_log_that_ends_with_an_aborted_transaction_is_read_to_its_end),
        cmocka_unit_test(many_transactions_overlap_at_random),
        cmocka_unit_test(what_kafkas_own_copier_aborts_at_random_is_left_out),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
