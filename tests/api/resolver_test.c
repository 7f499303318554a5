/* Resolvers of the application's own, on real threads. What their answers mean, and exact times:
 * tests/sim/resolver_test.c. */
#include "api/calls.h"

#include <netinet/in.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELPER_THREADS = 16, MORE_THAN_THAT = HELPER_THREADS + 6 };

/* A resolver that hangs until the test lets it go. Static: it outlives its dials. */
static struct {
    sem_t go;
    atomic_int begun;
    char address[32]; /* its answer */
} hanging;

static int hang(void *userdata, const char *host, kafka_addrs *out)
{
    (void)userdata;
    (void)host;
    atomic_fetch_add(&hanging.begun, 1);
    while (sem_wait(&hanging.go) != 0) {}
    return kafka_addrs_add(out, hanging.address);
}

static const kafka_resolver hanging_resolver = {.lookup = hang};

static void hanging_begin(tcp_peer *p)
{
    sem_init(&hanging.go, 0, 0);
    atomic_store(&hanging.begun, 0);
    snprintf(hanging.address, sizeof hanging.address, "%s", p ? tcp_peer_address(p) : "127.0.0.1:1");
}

static bool comes_to(const atomic_int *value, int expected)
{
    int64_t until = kafka_now_ms() + CALLS_PATIENCE_MS;
    while (atomic_load(value) != expected && kafka_now_ms() < until) sched_yield();
    return atomic_load(value) == expected;
}

/* One that nobody waits for any more may begin to hang only now: the tear-down waits for it. */
static void hanging_end(void)
{
    for (int i = 0; i < 2 * MORE_THAN_THAT; i++) sem_post(&hanging.go);
}

static int try_dial(const kafka_dialer *d, const kafka_ctx *ctx, const char *address)
{
    kafka_conn *c = NULL;
    int err = kafka_dial(d, ctx, address, &c);
    kafka_conn_free(c);
    return err;
}

/* ---- an answer --------------------------------------------------------------------------------------------------- */

typedef struct answer {
    const char *address;
    pthread_t thread;
} answer;

static int answers(void *userdata, const char *host, kafka_addrs *out)
{
    answer *a = userdata;
    a->thread = pthread_self();
    if (strcmp(host, "kafka.example") != 0) return -1;
    return kafka_addrs_add(out, a->address);
}

static void it_runs_on_a_helper_thread_and_its_answer_is_dialled(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    answer a = {.address = tcp_peer_address(p)};
    kafka_resolver r = {.lookup = answers, .userdata = &a};
    kafka_conn *c = NULL;
    assert_works(try_dial(&(kafka_dialer){.resolver = &r}, NULL, "kafka.example"));
    assert_false(pthread_equal(a.thread, pthread_self()));
    tcp_peer_advertise(p, "kafka.example", tcp_peer_port(p), 1);
    assert_works(kafka_dial_leader(&(kafka_dialer){.resolver = &r}, NULL, "kafka.example", "t", 0, &c));
    memset(&r, 0, sizeof r); /* it was copied */
    assert_works(kafka_conn_write(c, "v", 1));
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* The local end goes along into each of the dials. */
static void a_local_address_is_where_a_connection_comes_from(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    kafka_conn *c = NULL;
    kafka_dialer d = {.local_addr = "127.0.0.9", .keep_alive_ms = 60000};
    assert_works(kafka_dial_leader(&d, NULL, tcp_peer_address(p), "t", 0, &c));
    assert_works(kafka_conn_local_addr(c, (struct sockaddr *)&in, &len));
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0x7f000009);
    kafka_conn_free(c);
    char address[32];
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(p)); /* perhaps ::1 as well, which is passed over */
    assert_works(try_dial(&d, NULL, address));
    c = NULL;
    snprintf(address, sizeof address, "127.0.0.9:%d", tcp_free_port());
    d.local_addr =
        address; /* the one who is asked for the leader is the leader: from one port that would be once too often */
    assert_works(kafka_dial_leader(&d, NULL, tcp_peer_address(p), "t", 0, &c));
    len = sizeof in;
    assert_works(kafka_conn_local_addr(c, (struct sockaddr *)&in, &len));
    assert_int_equal(ntohs(in.sin_port), atoi(strchr(address, ':') + 1));
    assert_works(kafka_conn_write(c, "v", 1));
    kafka_conn_free(c);
    d.local_addr = "::1";
    assert_fails(try_dial(&d, NULL, tcp_peer_address(p)), KAFKA_EIO, tcp_peer_address(p));
    assert_non_null(strstr(kafka_last_error(), "local_addr [::1]"));
    d.local_addr = "192.0.2.77";
    assert_fails(try_dial(&d, NULL, tcp_peer_address(p)), KAFKA_EIO, "bind to local_addr 192.0.2.77: ");
    tcp_peer_free(p);
}

/* ---- hanging ----------------------------------------------------------------------------------------------------- */

/* With four times the time until that is enough to begin. */
static void dial_in_vain(kafka_loop *l)
{
    for (kafka_dialer d = {.resolver = &hanging_resolver, .loop = l, .timeout_ms = 200};; d.timeout_ms *= 4) {
        int64_t before = kafka_now_ms();
        assert_fails(try_dial(&d, NULL, "kafka"), KAFKA_ETIMEDOUT, NULL);
        assert_took(before, d.timeout_ms);
        if (strstr(kafka_last_error(), "resolving kafka")) return;
        assert_true(d.timeout_ms < CALLS_PATIENCE_MS);
    }
}

static void one_that_hangs_ends_with_its_dial_and_nobody_waits_for_it(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    hanging_begin(p);
    dial_in_vain(NULL); /* the default loop ends with it */
    kafka_loop *own;
    assert_works(kafka_loop_new(NULL, &own));
    dial_in_vain(own);
    int64_t before = kafka_now_ms();
    kafka_loop_free(own);
    assert_took(before, 0);
    assert_works(try_dial(NULL, KAFKA_WITHIN(10000), tcp_peer_address(p)));
    hanging_end(); /* what it brings now is dropped, and freed, too */
    calls_await_freed();
    assert_int_equal(memcheck_blocks(), 0);
    assert_int_equal(tcp_peer_requests(p, TCP_ACCEPT), 1);
    tcp_peer_free(p);
}

typedef struct hanging_dial {
    kafka_cancel *token; /* ends it; NULL = its timeout of a second does */
    int64_t took;
    int err;
} hanging_dial;

static void *dial_one_that_hangs(void *arg)
{
    hanging_dial *x = arg;
    int64_t before = kafka_now_ms();
    kafka_conn *c = NULL;
    kafka_dialer d = {.resolver = &hanging_resolver, .timeout_ms = x->token ? KAFKA_NEVER : 1000};
    x->err = kafka_dial(&d, &(kafka_ctx){.cancel = x->token}, "kafka", &c);
    x->took = kafka_now_ms() - before;
    return NULL;
}

/* All helper threads are taken: what finds none ends by its own deadline, and what needs none goes on. */
static void more_of_them_than_there_are_threads_end_at_their_deadlines(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    pthread_t threads[MORE_THAN_THAT];
    hanging_dial dials[MORE_THAN_THAT] = {{0}};
    kafka_cancel *token;
    kafka_conn *c = calls_dial(p, 0);
    hanging_begin(p);
    assert_works(kafka_cancel_new(&token));
    for (int i = 0; i < MORE_THAN_THAT; i++) {
        if (i < HELPER_THREADS) dials[i].token = token;
        if (i == HELPER_THREADS) assert_true(comes_to(&hanging.begun, HELPER_THREADS));
        threads[i] = calls_start(dial_one_that_hangs, &dials[i]);
    }
    assert_works(kafka_conn_write(c, "v", 1));
    assert_works(try_dial(NULL, KAFKA_WITHIN(10000), tcp_peer_address(p)));
    for (int i = MORE_THAN_THAT - 1; i >= 0; i--) {
        if (i == HELPER_THREADS - 1) kafka_cancel_fire(token);
        pthread_join(threads[i], NULL);
        assert_int_equal(dials[i].err, i < HELPER_THREADS ? KAFKA_ECANCELED : KAFKA_ETIMEDOUT);
        if (i >= HELPER_THREADS) assert_in_range(dials[i].took, 999, 1000 + CALLS_LATE_MS);
    }
    assert_int_equal(atomic_load(&hanging.begun), HELPER_THREADS); /* the rest was never begun */
    kafka_cancel_free(token);
    kafka_conn_free(c);
    hanging_end();
    answer a = {.address = tcp_peer_address(p)};
    assert_works(try_dial(&(kafka_dialer){.resolver = &(kafka_resolver){.lookup = answers, .userdata = &a}}, NULL,
                          "kafka.example"));
    tcp_peer_free(p);
}

static void *fire_when_it_hangs(void *token)
{
    if (!comes_to(&hanging.begun, 1)) return NULL;
    kafka_cancel_fire(token);
    return NULL;
}

static void a_token_ends_its_dial(void **state)
{
    (void)state;
    kafka_cancel *token;
    hanging_begin(NULL);
    assert_works(kafka_cancel_new(&token));
    pthread_t t = calls_start(fire_when_it_hangs, token);
    assert_fails(try_dial(&(kafka_dialer){.resolver = &hanging_resolver}, &(kafka_ctx){.cancel = token}, "kafka"),
                 KAFKA_ECANCELED, "resolving kafka");
    pthread_join(t, NULL);
    kafka_cancel_free(token);
    hanging_end();
}

static void without_memory_a_dial_says_so(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    answer a = {.address = tcp_peer_address(p)};
    kafka_resolver r = {.lookup = answers, .userdata = &a};
    MEMCHECK_EACH_FAILURE(n)
    {
        int err = try_dial(&(kafka_dialer){.resolver = &r, .timeout_ms = 9000}, NULL, "kafka.example");
        if (err != 0) assert_fails(err, KAFKA_ENOMEM, "memory");
    }
    tcp_peer_free(p);
}

/* ---- the end of the process -------------------------------------------------------------------------------------- */

static void *dial_without_end(void *arg)
{
    kafka_conn *c = NULL;
    (void)arg;
    if (kafka_dial(&(kafka_dialer){.resolver = &hanging_resolver, .timeout_ms = KAFKA_NEVER}, NULL, "kafka", &c) != 0)
        return NULL;
    return c;
}

/* What the test below runs as a process: it returns from main while a resolver hangs, in a dial that has ended
 * ("ended") or in one that has not ("dialling"). */
static int exit_while_one_hangs(const char *how)
{
    hanging_begin(NULL);
    if (strcmp(how, "ended") == 0) {
        kafka_conn *c = NULL;
        kafka_dialer d = {.resolver = &hanging_resolver, .timeout_ms = 50};
        return kafka_dial(&d, NULL, "kafka", &c) == KAFKA_ETIMEDOUT ? 0 : 2;
    }
    pthread_t t;
    if (pthread_create(&t, NULL, dial_without_end, NULL) != 0) return 3;
    return comes_to(&hanging.begun, 1) ? 0 : 4;
}

static void a_process_ends_at_once_while_one_hangs(void **state)
{
    (void)state;
    extern char **environ;
    for (int i = 0; i < 2; i++) {
        char how[16], program[] = "resolver_test";
        snprintf(how, sizeof how, "%s", i == 0 ? "ended" : "dialling");
        char *const argv[] = {program, how, NULL};
        pid_t child;
        int status = -1;
        int64_t before = kafka_now_ms();
        assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ), 0);
        while (waitpid(child, &status, WNOHANG) == 0 && kafka_now_ms() - before < CALLS_PATIENCE_MS) sched_yield();
        if (!WIFEXITED(status)) kill(child, SIGKILL);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        API_TEST(it_runs_on_a_helper_thread_and_its_answer_is_dialled),
        API_TEST(a_local_address_is_where_a_connection_comes_from),
        API_TEST(one_that_hangs_ends_with_its_dial_and_nobody_waits_for_it),
        API_TEST(more_of_them_than_there_are_threads_end_at_their_deadlines),
        API_TEST(a_token_ends_its_dial),
        API_TEST(without_memory_a_dial_says_so),
        API_TEST(a_process_ends_at_once_while_one_hangs),
    };
    if (argc > 1) return exit_while_one_hangs(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
