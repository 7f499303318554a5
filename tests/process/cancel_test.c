/* pthread_cancel: no call of the library is a cancellation point, so a thread that is cancelled in one ends behind it,
 * with no lock taken and nothing lost. */
#include "process/child.h"

#include "base/rand.h"
#include <stdatomic.h>

#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#endif

/* The address sanitizer has to be told that the frames of this thread may be left without a return. */
static void end_if_cancelled(void)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_handle_no_return();
#endif
    pthread_testcancel();
}

typedef struct victim {
    kafka_conn *conn;
    atomic_bool began;
    int err; /* of the call it was cancelled in; 1 = the call did not return */
} victim;

static void *read_then_end(void *arg)
{
    victim *v = arg;
    kafka_message *m = NULL;
    v->err = 1;
    atomic_store(&v->began, true);
    v->err = kafka_conn_read_message(v->conn, 0, &m);
    kafka_message_free(m);
    end_if_cancelled();
    return NULL;
}

/* Starts a read that waits at the broker, and cancels its thread. */
static pthread_t start_and_cancel(tcp_peer *p, victim *v)
{
    int fetches = tcp_peer_requests(p, KFK_API_FETCH);
    pthread_t t = calls_start(read_then_end, v);
    tcp_peer_wait(p, KFK_API_FETCH, fetches + 1);
    assert_int_equal(pthread_cancel(t), 0);
    return t;
}

static void a_call_ends_first_and_the_thread_behind_it(void **state)
{
    (void)state;
    void *result;
    tcp_peer *p = TCP_PEER({0});
    victim v = {.conn = calls_dial(p, 0)};
    kafka_conn_set_deadline(v.conn, kafka_deadline_in(20000));
    pthread_t t = start_and_cancel(p, &v);
    assert_works(kafka_conn_write(v.conn, "v0", 2)); /* others go on; it is what the read waits for */
    pthread_join(t, &result);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(v.err, 0);
    assert_works(kafka_conn_write(v.conn, "v1", 2));
    calls_expect_message(v.conn, 1, "v1");
    kafka_conn_free(v.conn);
    tcp_peer_free(p);
}

static void a_token_or_close_ends_the_call_of_a_cancelled_thread(void **state)
{
    (void)state;
    for (int by_close = 0; by_close < 2; by_close++) {
        void *result;
        kafka_cancel *token;
        tcp_peer *p = TCP_PEER({0});
        victim v = {.conn = calls_dial(p, 0)};
        assert_works(kafka_cancel_new(&token));
        kafka_conn_set_cancel(v.conn, token);
        pthread_t t = start_and_cancel(p, &v);
        if (by_close)
            assert_works(kafka_conn_close(v.conn));
        else
            kafka_cancel_fire(token);
        pthread_join(t, &result);
        assert_ptr_equal(result, PTHREAD_CANCELED);
        assert_int_equal(v.err, by_close ? KAFKA_ECLOSED : KAFKA_ECANCELED);
        kafka_conn_free(v.conn);
        kafka_cancel_free(token);
        tcp_peer_free(p);
    }
}

/* Being cancelled in one would end the child with 0. */
static void free_in_child(kafka_conn *c, kafka_loop *l, kafka_cancel *token)
{
    CHECK(pthread_cancel(pthread_self()) == 0);
    kafka_conn_free(c);
    kafka_loop_free(l);
    kafka_cancel_free(token);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    _exit(7);
}

static void freeing_what_is_the_parents_is_no_cancellation_point_either(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        kafka_conn *c = NULL;
        kafka_loop *l = NULL;
        kafka_cancel *token = NULL;
        tcp_peer *p = TCP_PEER({0});
        assert_works(kafka_loop_new(&(kafka_loop_config){.manual = manual}, &l));
        assert_works(kafka_cancel_new(&token));
        assert_works(kafka_dial(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), tcp_peer_address(p), &c));
        kafka_conn_set_cancel(c, token);
        pid_t pid = child_fork();
        if (pid == 0) free_in_child(c, l, token);
        child_expect(pid, 7);
        kafka_conn_free(c);
        kafka_loop_free(l);
        kafka_cancel_free(token);
        tcp_peer_free(p);
    }
}

/* ---- at any moment ----------------------------------------------------------------------------------------------- */

enum { ROUNDS = 150 };

typedef struct actor {
    tcp_peer *peer;
    kafka_conn *conn;
    kfk_rand rand;
    atomic_int calls, strange;
} actor;

/* The read deadline is short, for reads of nothing. */
static int unless_timeout(int err)
{
    return err == KAFKA_ETIMEDOUT ? 0 : err;
}

/* Everything that has a system call in it which is a cancellation point. What a call gives is freed at once, so a
 * thread that ends between two of them leaves nothing behind. */
static int do_something(actor *a)
{
    int64_t first, last;
    kafka_message *m = NULL;
    kafka_conn *c = NULL;
    kafka_loop *l = NULL;
    kafka_cancel *token = NULL;
    int err = 0;
    switch (kfk_rand_below(&a->rand, 5)) {
    case 0: return kafka_conn_write(a->conn, "value", 5);
    case 1: return unless_timeout(kafka_conn_read_offsets(a->conn, &first, &last));
    case 2:
        err = kafka_conn_read_message(a->conn, 0, &m);
        kafka_message_free(m);
        return unless_timeout(err);
    case 3:
        err = kafka_loop_new(NULL, &l);
        if (err == 0) err = kafka_dial(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), tcp_peer_address(a->peer), &c);
        break;
    default:
        err = kafka_cancel_new(&token);
        const kafka_ctx ctx = {.deadline = kafka_deadline_in(10000), .cancel = token};
        if (err == 0) err = kafka_dial(NULL, &ctx, tcp_peer_address(a->peer), &c);
        kafka_cancel_fire(token);
    }
    kafka_conn_free(c);
    kafka_loop_free(l);
    kafka_cancel_free(token);
    return err;
}

static void *act(void *arg)
{
    actor *a = arg;
    while (a->strange == 0) {
        a->strange = do_something(a);
        atomic_fetch_add(&a->calls, 1);
        end_if_cancelled();
    }
    return NULL;
}

static void a_thread_may_be_cancelled_at_any_moment(void **state)
{
    (void)state;
    kfk_rand rand;
    kfk_rand_seed(&rand, kfk_rand_system_seed());
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    for (int i = 0; i < ROUNDS; i++) {
        void *result;
        actor a = {.peer = p, .conn = c};
        kfk_rand_seed(&a.rand, kfk_rand_next(&rand));
        kafka_conn_set_write_deadline(c, kafka_deadline_in(60000));
        kafka_conn_set_read_deadline(c, kafka_deadline_in(10));
        pthread_t t = calls_start(act, &a);
        int calls = (int)kfk_rand_below(&rand, 4);
        while (atomic_load(&a.calls) < calls && atomic_load(&a.strange) == 0) sched_yield();
        for (uint64_t spins = kfk_rand_below(&rand, 2000); spins > 0; spins--) atomic_load(&a.calls);
        assert_int_equal(pthread_cancel(t), 0);
        pthread_join(t, &result);
        if (result != PTHREAD_CANCELED) fail_msg("a call gave %d", a.strange);
    }
    kafka_conn_set_deadline(c, kafka_deadline_in(20000));
    assert_works(kafka_conn_write(c, "after", 5));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_call_ends_first_and_the_thread_behind_it),
        API_TEST(a_token_or_close_ends_the_call_of_a_cancelled_thread),
        API_TEST(freeing_what_is_the_parents_is_no_cancellation_point_either),
        API_TEST(a_thread_may_be_cancelled_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
