/* Loops: one of the application's own, and the default one, which comes and goes with its users. */
#include "api/calls.h"
#include <dirent.h>

/* Threads of this process that are called so. */
static int threads_called(const char *name)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *d; (d = readdir(tasks)) != NULL;) {
        char path[300], line[64] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", d->d_name);
        FILE *f = fopen(path, "r");
        if (f == NULL) continue;
        if (fgets(line, sizeof line, f) != NULL) n += strncmp(line, name, strlen(name)) == 0;
        fclose(f);
    }
    closedir(tasks);
    return n;
}

/* One that was joined is listed until the kernel has done with it. */
static bool no_thread_is_called(const char *name)
{
    int64_t until = kafka_now_ms() + CALLS_PATIENCE_MS;
    while (threads_called(name) > 0 && kafka_now_ms() < until) sched_yield();
    return threads_called(name) == 0;
}

static kafka_conn *dial_on(tcp_peer *p, kafka_loop *l)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial_leader(&(kafka_dialer){.loop = l}, NULL, tcp_peer_address(p), "t", 0, &c));
    return c;
}

static void the_default_loop_lives_from_its_first_user_to_its_last(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    for (int i = 0; i < 3; i++) {
        assert_true(no_thread_is_called("kafka-io"));
        kafka_conn *a = dial_on(p, NULL), *b = dial_on(p, NULL);
        assert_int_equal(threads_called("kafka-io"), 1);
        kafka_conn_free(a);
        assert_int_equal(threads_called("kafka-io"), 1);
        assert_works(kafka_conn_write(b, "x", 1));
        kafka_conn_free(b);
    }
    kafka_conn *c = NULL; /* a dial that fails leaves none */
    assert_fails(kafka_dial(NULL, NULL, "bad host", &c), KAFKA_EINVAL, NULL);
    assert_true(no_thread_is_called("kafka-io"));
    tcp_peer_free(p);
}

static void a_loop_of_ones_own_lives_as_long_as_anybody_uses_it(void **state)
{
    (void)state;
    kafka_loop *l;
    tcp_peer *p = TCP_PEER({0});
    assert_works(kafka_loop_new(NULL, &l));
    assert_int_equal(threads_called("kafka-io"), 1);
    kafka_conn *c = dial_on(p, l);
    kafka_loop_free(l);
    assert_int_equal(threads_called("kafka-io"), 1);
    assert_works(kafka_conn_write(c, "x", 1));
    kafka_conn_free(c);
    assert_true(no_thread_is_called("kafka-io"));
    assert_works(kafka_loop_new(&(kafka_loop_config){0}, &l));
    kafka_loop_free(l);
    kafka_loop_free(NULL);
    assert_true(no_thread_is_called("kafka-io"));
    tcp_peer_free(p);
}

static void what_is_wrong_with_the_configuration_is_told(void **state)
{
    (void)state;
    kafka_loop *l = NULL;
    assert_fails(kafka_loop_new(&(kafka_loop_config){.reserved = 1}, &l), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_loop_new(&(kafka_loop_config){.reserved2[2] = 1}, &l), KAFKA_EINVAL, "reserved");
    assert_fails(kafka_loop_new(NULL, NULL), KAFKA_EINVAL, "NULL");
    assert_null(l);
}

static void a_loop_that_finds_no_memory_is_told(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_loop *l = NULL;
        int err = kafka_loop_new(NULL, &l);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
        kafka_loop_free(l);
    }
}

static void *come_and_go(void *arg)
{
    tcp_peer *p = arg;
    for (int i = 0; i < 10; i++) {
        kafka_conn *c = NULL;
        if (kafka_dial_leader(NULL, NULL, tcp_peer_address(p), "t", 0, &c) != 0) return "a dial failed";
        if (kafka_conn_write(c, "x", 1) != 0) return "a write failed";
        kafka_conn_free(c);
    }
    return NULL;
}

/* The last user of one default loop and the first of the next one may meet. */
static void the_default_loop_may_end_and_begin_at_any_moment(void **state)
{
    (void)state;
    pthread_t threads[4];
    tcp_peer *p = TCP_PEER({0});
    for (int i = 0; i < 4; i++) threads[i] = calls_start(come_and_go, p);
    for (int i = 0; i < 4; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure != NULL) fail_msg("%s", (const char *)failure);
    }
    assert_true(no_thread_is_called("kafka-io"));
    assert_int_equal(tcp_peer_end(p, 0), 40);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(the_default_loop_lives_from_its_first_user_to_its_last),
        API_TEST(a_loop_of_ones_own_lives_as_long_as_anybody_uses_it),
        API_TEST(what_is_wrong_with_the_configuration_is_told),
        API_TEST(a_loop_that_finds_no_memory_is_told),
        API_TEST(the_default_loop_may_end_and_begin_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
