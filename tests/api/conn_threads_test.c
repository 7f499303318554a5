/* Many threads and one connection: each with a purpose, and then all with none, until another one closes it. For the
 * sanitizers, most of all. KFK_SEED replays the choices, though not the schedule. */
#include "api/calls.h"
#include "base/rand.h"
#include <stdatomic.h>

/* ---- with a purpose ---------------------------------------------------------------------------------------------- */

enum { MESSAGES = 100, OFFSET_THREADS = 5 };

typedef struct user {
    kafka_conn *conn;
    const char *failure;
    int64_t read;
    atomic_int *left; /* messages that nobody has read */
} user;

static void *write_all(void *arg)
{
    user *u = arg;
    for (int i = 0; i < MESSAGES && !u->failure; i++) {
        char value[16];
        int n = snprintf(value, sizeof value, "v%d", i);
        if (kafka_conn_write(u->conn, value, (size_t)n) != 0) u->failure = "a write failed";
    }
    return NULL;
}

static void *read_all(void *arg)
{
    user *u = arg;
    for (int i = 0; i < MESSAGES && !u->failure; i++) {
        char expected[16];
        kafka_message *m = NULL;
        int n = snprintf(expected, sizeof expected, "v%d", i);
        if (kafka_conn_read_message(u->conn, 0, &m) != 0)
            u->failure = "a read failed";
        else if (m->offset != i || m->value.len != (size_t)n || memcmp(m->value.data, expected, (size_t)n) != 0)
            u->failure = "another message was read";
        kafka_message_free(m);
    }
    return NULL;
}

static void *ask_for_offsets(void *arg)
{
    user *u = arg;
    int64_t first, last, before = 0;
    while (!u->failure && before < MESSAGES) {
        if (kafka_conn_read_offsets(u->conn, &first, &last) != 0)
            u->failure = "offsets failed";
        else if (first != 0 || last < before || last > MESSAGES)
            u->failure = "offsets are wrong";
        before = last;
    }
    return NULL;
}

/* One thread reads, one writes, others ask for offsets. */
static void a_connection_serves_many_threads_at_once(void **state)
{
    (void)state;
    user users[2 + OFFSET_THREADS];
    pthread_t threads[2 + OFFSET_THREADS];
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_set_deadline(c, kafka_deadline_in(60000));
    for (int i = 0; i < 2 + OFFSET_THREADS; i++) {
        users[i] = (user){.conn = c};
        threads[i] = calls_start(i == 0 ? read_all : i == 1 ? write_all : ask_for_offsets, &users[i]);
    }
    for (int i = 0; i < 2 + OFFSET_THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (users[i].failure) fail_msg("thread %d: %s", i, users[i].failure);
    }
    assert_int_equal(kafka_conn_offset(c, NULL), MESSAGES);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void *read_some(void *arg)
{
    user *u = arg;
    kafka_message *m;
    while (kafka_conn_read_message(u->conn, 0, &m) == 0) {
        u->read += 1 + m->offset * 1000;
        kafka_message_free(m);
        if (atomic_fetch_sub(u->left, 1) == 1) kafka_conn_set_read_deadline(u->conn, kafka_deadline_in(100));
    }
    return NULL;
}

/* Each message comes to one of them, whatever the others do meanwhile. */
static void eight_readers_share_the_messages(void **state)
{
    (void)state;
    user users[8];
    pthread_t threads[8];
    atomic_int left = 200;
    int64_t sum = 0;
    batch_bytes log = {0};
    tcp_peer *p = TCP_PEER({0});
    for (int i = 0; i < 50; i++) BATCH(&log, .base = 4 * i, .count = 4);
    tcp_peer_fill(p, &log, 200);
    batch_free(&log);
    kafka_conn *c = calls_dial(p, 0);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(2 * CALLS_PATIENCE_MS));
    for (int i = 0; i < 8; i++) {
        users[i] = (user){.conn = c, .left = &left};
        threads[i] = calls_start(read_some, &users[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        sum += users[i].read;
    }
    assert_int_equal(sum, 200 + 1000 * (199 * 200 / 2));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- with none --------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 12, ROUND_MS = 120 };

typedef struct shared {
    kafka_conn *conn;
    kafka_cancel *tokens[2]; /* the second one fires now and then */
    atomic_bool over;
} shared;

typedef struct actor {
    shared *shared;
    kfk_rand rand;
    atomic_int calls;
    int strange, strange_code;
} actor;

static uint64_t below(actor *a, uint64_t n)
{
    return kfk_rand_next(&a->rand) % n;
}

static int read_a_batch(actor *a)
{
    kafka_batch *b;
    kafka_message m;
    int err = kafka_conn_read_batch(a->shared->conn, &(kafka_fetch){.max_wait_ms = 1 + (int64_t)below(a, 20)}, &b);
    if (err != 0) return err;
    for (uint64_t n = below(a, 5); n > 0 && (err = kafka_batch_read_message(b, &m)) == 0; n--) {}
    int closed = kafka_batch_close(b);
    return err == KAFKA_EOF ? closed : err;
}

static int read_a_message(actor *a)
{
    kafka_message *m = NULL;
    int err = kafka_conn_read_message(a->shared->conn, 0, &m);
    kafka_message_free(m);
    return err;
}

static int ask_the_cluster(actor *a)
{
    kafka_partitions *list = NULL;
    int err = kafka_conn_read_partitions(a->shared->conn, NULL, 0, &list);
    kafka_partitions_free(list);
    return err;
}

static int change_a_setting(actor *a)
{
    kafka_conn *c = a->shared->conn;
    switch (below(a, 5)) {
    case 0: kafka_conn_set_read_deadline(c, kafka_deadline_in((int64_t)below(a, 30))); break;
    case 1: kafka_conn_set_write_deadline(c, kafka_deadline_in((int64_t)below(a, 30))); break;
    case 2: kafka_conn_set_deadline(c, kafka_deadline_in(1000)); break;
    case 3: kafka_conn_set_cancel(c, below(a, 2) ? a->shared->tokens[0] : NULL); break;
    default: return kafka_conn_set_required_acks(c, below(a, 2) ? KAFKA_ACKS_NONE : KAFKA_ACKS_ALL);
    }
    return 0;
}

static int do_something(actor *a)
{
    int64_t x, y;
    kafka_conn *c = a->shared->conn;
    switch (below(a, 8)) {
    case 0: return kafka_conn_write(c, "some value", 1 + below(a, 10));
    case 1: return read_a_message(a);
    case 2: return read_a_batch(a);
    case 3: return kafka_conn_read_offsets(c, &x, &y);
    case 4: return kafka_conn_seek(c, (int64_t)below(a, 3), (int)below(a, 4), &x);
    case 5: return ask_the_cluster(a);
    case 6: return kafka_conn_offset(c, NULL) < 0;
    default: return change_a_setting(a);
    }
}

static bool is_expected(int code)
{
    return code == 0 || code == KAFKA_ETIMEDOUT || code == KAFKA_ECANCELED || code == KAFKA_ECLOSED ||
           code == KAFKA_ERR_OFFSET_OUT_OF_RANGE;
}

static void *act(void *arg)
{
    actor *a = arg;
    while (!atomic_load(&a->shared->over)) {
        int code = do_something(a);
        atomic_fetch_add(&a->calls, 1);
        if (is_expected(code)) continue;
        a->strange++;
        a->strange_code = code;
    }
    return NULL;
}

/* A call of each has returned. */
static bool all_have_begun(actor *actors)
{
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&actors[i].calls) == 0) return false;
    }
    return true;
}

static void one_round(tcp_peer *p, kfk_rand *rand, int number)
{
    shared s = {.conn = calls_dial(p, 0)};
    actor actors[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < 2; i++) assert_works(kafka_cancel_new(&s.tokens[i]));
    for (int i = 0; i < THREADS; i++) {
        actors[i] = (actor){.shared = &s};
        kfk_rand_seed(&actors[i].rand, kfk_rand_next(rand));
        threads[i] = calls_start(act, &actors[i]);
    }
    int64_t until = kafka_now_ms() + ROUND_MS, patience = until + CALLS_PATIENCE_MS;
    while (kafka_now_ms() < until || (!all_have_begun(actors) && kafka_now_ms() < patience)) sched_yield();
    if (number % 3 == 0) kafka_conn_set_cancel(s.conn, s.tokens[1]);
    if (number % 3 == 0) kafka_cancel_fire(s.tokens[1]);
    if (number % 3 == 1) assert_works(kafka_conn_close(s.conn));
    until = kafka_now_ms() + ROUND_MS / 4;
    while (kafka_now_ms() < until) sched_yield();
    atomic_store(&s.over, true);
    kafka_conn_close(s.conn); /* wakes who waits */
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        if (actors[i].strange)
            fail_msg("%d calls of thread %d gave codes such as %d", actors[i].strange, i, actors[i].strange_code);
        assert_true(actors[i].calls > 0);
    }
    kafka_conn_free(s.conn);
    for (int i = 0; i < 2; i++) kafka_cancel_free(s.tokens[i]);
}

static void a_connection_bears_whatever_many_threads_do_to_it(void **state)
{
    (void)state;
    kfk_rand rand;
    const char *given = getenv("KFK_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : kfk_rand_system_seed();
    printf("KFK_SEED=%llu\n", (unsigned long long)seed);
    kfk_rand_seed(&rand, seed);
    tcp_peer *p = TCP_PEER({0});
    for (int i = 0; i < ROUNDS; i++) one_round(p, &rand, i);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_connection_serves_many_threads_at_once),
        API_TEST(eight_readers_share_the_messages),
        API_TEST(a_connection_bears_whatever_many_threads_do_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
