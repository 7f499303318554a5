/* A thousand forks at random moments of a busy process, RELIABILITY's S27: threads write, read, dial, and start and end
 * loops meanwhile, so that every lock of the library is held at some of them. Each child does one of five things. The
 * parent's messages all arrive, once and in order, and nothing hangs. */
#include "process/child.h"

#include <stdatomic.h>

enum { FORKS = 1000, AT_ONCE = 8, KINDS = 5 };

typedef struct busy {
    tcp_peer *peer;
    kafka_conn *conn; /* one thread writes, one reads */
    atomic_bool over, all_written;
    atomic_int written, read, dials;
    const char *_Atomic failure;
} busy;

static void failed(busy *b, const char *what)
{
    const char *none = NULL;
    fprintf(stderr, "%s: %s\n", what, kafka_last_error());
    atomic_compare_exchange_strong(&b->failure, &none, what);
}

static bool goes_on(busy *b)
{
    return atomic_load(&b->failure) == NULL && !atomic_load(&b->over);
}

/* ---- the parent's threads ---------------------------------------------------------------------------------------- */

static void *write_all(void *arg)
{
    busy *b = arg;
    while (goes_on(b)) {
        char value[16];
        int n = snprintf(value, sizeof value, "v%d", atomic_load(&b->written));
        if (kafka_conn_write(b->conn, value, (size_t)n) != 0)
            failed(b, "a write");
        else
            atomic_fetch_add(&b->written, 1);
    }
    return NULL;
}

static void *read_all(void *arg)
{
    busy *b = arg;
    while (atomic_load(&b->failure) == NULL && (!atomic_load(&b->all_written) || b->read < b->written)) {
        char expected[16];
        kafka_message *m = NULL;
        int n = snprintf(expected, sizeof expected, "v%d", b->read);
        bool last = atomic_load(&b->all_written); /* looked at once: it may change while the read waits */
        kafka_conn_set_read_deadline(b->conn, kafka_deadline_in(last ? 30000 : 50));
        int err = kafka_conn_read_message(b->conn, 0, &m);
        if (err == KAFKA_ETIMEDOUT && !last) continue;
        if (err != 0)
            failed(b, "a read");
        else if (m->offset != b->read || m->value.len != (size_t)n || memcmp(m->value.data, expected, (size_t)n) != 0)
            failed(b, "another message was read");
        else
            b->read++;
        kafka_message_free(m);
    }
    return NULL;
}

static bool dial_and_free(busy *b, kafka_loop *loop)
{
    kafka_conn *c = NULL;
    char address[32];
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(b->peer));
    if (kafka_dial(&(kafka_dialer){.loop = loop}, KAFKA_WITHIN(10000), address, &c) != 0) return false;
    kafka_conn_free(c);
    return true;
}

/* The default loop is started and ended by each of these dials, since the connection above has a loop of its own. */
static void *dial_all(void *arg)
{
    busy *b = arg;
    while (goes_on(b)) {
        if (!dial_and_free(b, NULL)) failed(b, "a dial");
        atomic_fetch_add(&b->dials, 1);
    }
    return NULL;
}

static void *start_loops(void *arg)
{
    busy *b = arg;
    while (goes_on(b)) {
        kafka_loop *l = NULL;
        if (kafka_loop_new(NULL, &l) != 0 || !dial_and_free(b, l)) failed(b, "a loop");
        kafka_loop_free(l);
    }
    return NULL;
}

/* ---- the children ------------------------------------------------------------------------------------------------ */

static void dial_anew(busy *b)
{
    kafka_conn *c = NULL;
    char address[32];
    int64_t first, last;
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(b->peer));
    CHECK(kafka_dial_leader(NULL, KAFKA_WITHIN(20000), address, "t", 1, &c) == 0);
    kafka_conn_set_deadline(c, kafka_deadline_in(20000));
    CHECK(kafka_conn_write(c, "of a child", 10) == 0);
    CHECK(kafka_conn_read_offsets(c, &first, &last) == 0 && last > 0);
    kafka_conn_free(c);
}

/* Under a sanitizer that cannot do it, an end without anything takes the place of exit and of a dial. */
static void child(busy *b, int kind)
{
    int64_t first, last;
    switch (kind) {
    case 0: execlp("true", "true", (char *)NULL); _exit(250);
    case 1: /* frees, and only then ends */ kafka_conn_free(b->conn); break;
    case 2:
        if (CHILD_MAY_ALLOCATE) exit(0);
        break;
    case 3:
        CHECK(kafka_conn_read_offsets(b->conn, &first, &last) == KAFKA_EFORKED);
        CHECK(kafka_conn_write(b->conn, "x", 1) == KAFKA_EFORKED);
        CHECK(kafka_conn_close(b->conn) == KAFKA_EFORKED);
        break;
    default:
        if (CHILD_MAY_ALLOCATE) dial_anew(b);
    }
    _exit(0);
}

/* ---- the test ---------------------------------------------------------------------------------------------------- */

static void fork_often(busy *b)
{
    pid_t children[AT_ONCE] = {0};
    for (int i = 0; i < FORKS + AT_ONCE; i++) {
        pid_t *place = &children[i % AT_ONCE];
        if (*place > 0) child_expect(*place, 0);
        *place = 0;
        if (i >= FORKS) continue;
        *place = child_fork();
        if (*place == 0) child(b, i % KINDS);
        if (*place < 0) fail_msg("fork: %s", strerror(errno));
    }
}

static void a_thousand_forks_disturb_nobody(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    void *(*const run[THREADS])(void *) = {write_all, read_all, dial_all, start_loops};
    pthread_t threads[THREADS];
    kafka_loop *loop;
    busy b = {.peer = TCP_PEER({0})};
    assert_works(kafka_loop_new(NULL, &loop));
    assert_works(kafka_dial_leader(&(kafka_dialer){.loop = loop}, KAFKA_WITHIN(10000), tcp_peer_address(b.peer), "t", 0,
                                   &b.conn));
    fflush(stdout); /* some children end by exit */
    for (int i = 0; i < THREADS; i++) threads[i] = calls_start(run[i], &b);
    fork_often(&b);
    while (b.dials == 0 && b.failure == NULL) sched_yield(); /* it is late, or gives up at its deadline */
    atomic_store(&b.over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        atomic_store(&b.all_written, true); /* the first of them is the writer */
    }
    if (b.failure) fail_msg("%s failed in the parent", b.failure);
    assert_int_equal(tcp_peer_end(b.peer, 0), b.written);
    assert_int_equal(b.read, b.written);
    /* one message of each child that dialled */
    assert_int_equal(tcp_peer_end(b.peer, 1), CHILD_MAY_ALLOCATE ? FORKS / KINDS : 0);
    assert_true(b.dials > 0);
    print_message("           %d messages, %d dials meanwhile\n", b.written, b.dials);
    kafka_conn_free(b.conn);
    kafka_loop_free(loop);
    tcp_peer_free(b.peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {API_TEST(a_thousand_forks_disturb_nobody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
