/* No descriptor is left: calls say so and what to do, nothing spins meanwhile, what is connected goes on, and
 * everything works again as soon as there are some.
 *
 * The peer is a process of its own, forked before there is a thread: it keeps its descriptors. */
#include "api/calls.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECOVERS_WITHIN_MS = 1000, PATIENCE_MS = 60000 };

static const char cause[] = "Too many open files", way_out[] = "raise the limit on open files (ulimit -n)";

/* ---- the peer ---------------------------------------------------------------------------------------------------- */

static char address[32];
static pid_t peer_pid;
static int peer_life; /* the peer ends when this is closed */

static void peer_main(int port_fd, int life_fd)
{
    char nothing;
    tcp_peer *p = TCP_PEER({0});
    int port = tcp_peer_port(p);
    if (write(port_fd, &port, sizeof port) != sizeof port) _exit(1);
    while (read(life_fd, &nothing, 1) > 0) continue;
    tcp_peer_free(p);
    _exit(0);
}

static int start_peer(void **state)
{
    int port_pipe[2], life_pipe[2], port = 0;
    (void)state;
    if (pipe2(port_pipe, O_CLOEXEC) != 0 || pipe2(life_pipe, O_CLOEXEC) != 0) return -1;
    peer_pid = fork();
    if (peer_pid == 0) {
        close(life_pipe[1]);
        peer_main(port_pipe[1], life_pipe[0]);
    }
    close(port_pipe[1]);
    close(life_pipe[0]);
    peer_life = life_pipe[1];
    bool came = read(port_pipe[0], &port, sizeof port) == sizeof port;
    close(port_pipe[0]);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    return came ? 0 : -1;
}

static int stop_peer(void **state)
{
    int status = -1;
    (void)state;
    close(peer_life);
    while (waitpid(peer_pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

enum { LIMIT = 64 };

static struct rlimit limit_before;
static int fill[LIMIT], filled;

static void exhaust(void)
{
    getrlimit(RLIMIT_NOFILE, &limit_before);
    struct rlimit low = limit_before;
    low.rlim_cur = LIMIT;
    setrlimit(RLIMIT_NOFILE, &low);
    for (int fd; (fd = dup(0)) >= 0;) fill[filled++] = fd;
}

static void spare(int count)
{
    while (count-- > 0 && filled > 0) close(fill[--filled]);
}

static void give_back(void)
{
    spare(LIMIT);
    setrlimit(RLIMIT_NOFILE, &limit_before);
}

static int give_back_after(void **state)
{
    if (filled > 0) give_back(); /* when an assertion failed in between */
    return calls_teardown(state);
}
#define FD_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, give_back_after)

static int64_t cpu_ms(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static kafka_conn *dial_on(kafka_loop *l)
{
    kafka_conn *c = NULL;
    assert_works(kafka_dial_leader(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), address, "t", 0, &c));
    return c;
}

static void assert_told(int code)
{
    assert_int_equal(code, KAFKA_EIO);
    if (strstr(kafka_last_error(), way_out) == NULL) fail_msg("no way out in: %s", kafka_last_error());
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static void the_first_dial_of_a_process_names_the_cause_and_the_way_out(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    kafka_loop *l = NULL;
    for (int free_ones = 0; free_ones < 3; free_ones++) { /* none for epoll, for the eventfd, for the socket */
        exhaust();
        spare(free_ones);
        int code = kafka_dial(NULL, NULL, address, &c);
        give_back();
        assert_told(code);
        assert_non_null(strstr(kafka_last_error(), cause));
    }
    for (int manual = 0; manual < 2; manual++) {
        exhaust();
        int code = kafka_loop_new(&(kafka_loop_config){.manual = manual}, &l);
        give_back();
        assert_told(code);
        assert_non_null(strstr(kafka_last_error(), cause));
    }
    assert_null(c);
    assert_null(l);
}

static void a_dial_on_a_running_loop_fails_at_once_and_what_is_connected_goes_on(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        kafka_loop *l;
        kafka_conn *other = NULL;
        assert_works(kafka_loop_new(&(kafka_loop_config){.manual = manual}, &l));
        kafka_conn *c = dial_on(l);
        kafka_dialer dialer = {.loop = l, .timeout_ms = PATIENCE_MS};
        exhaust();
        int64_t before = kafka_now_ms();
        int code = kafka_dial(&dialer, NULL, address, &other);
        assert_told(code);
        assert_non_null(strstr(kafka_last_error(), cause));
        assert_non_null(strstr(kafka_last_error(), address));
        assert_told(kafka_dial_leader(&dialer, NULL, address, "t", 0, &other));
        assert_took(before, 0); /* neither waits for its timeout */
        assert_works(kafka_conn_write(c, "x", 1));
        give_back();
        assert_null(other);
        kafka_conn_free(c);
        kafka_loop_free(l);
    }
}

static void a_token_for_which_there_is_none_ends_the_call(void **state)
{
    (void)state;
    kafka_cancel *token;
    kafka_conn *c = dial_on(NULL), *other = NULL;
    kafka_message *m = NULL;
    assert_works(kafka_cancel_new(&token));
    exhaust();
    kafka_conn_set_cancel(c, token);
    assert_told(kafka_conn_read_message(c, 0, &m));
    assert_told(kafka_dial(NULL, &(kafka_ctx){.cancel = token}, address, &other));
    give_back();
    kafka_conn_set_read_deadline(c, kafka_deadline_in(1));
    int code = kafka_conn_read_message(c, 0, &m);
    assert_true(code == 0 || code == KAFKA_ETIMEDOUT);
    kafka_message_free(m);
    kafka_conn_free(c);
    kafka_cancel_free(token);
}

/* ---- what it costs, and how it ends ------------------------------------------------------------------------------ */

/* A read that waits, and an application that tries again and again: the first costs next to nothing, the second what
 * its attempts do. */
static void nothing_spins_while_there_are_none(void **state)
{
    (void)state;
    enum { WAIT_MS = 1000, MOST_CPU_MS = WAIT_MS / 10, TRIES = 20 };
    kafka_conn *c = dial_on(NULL), *other = NULL;
    kafka_message *m = NULL;
    kafka_conn_set_read_deadline(c, kafka_deadline_in(60000));
    int64_t first, last;
    assert_works(kafka_conn_read_offsets(c, &first, &last));
    assert_works(kafka_conn_seek(c, last, KAFKA_SEEK_ABSOLUTE, NULL));
    exhaust();
    for (int i = 0; i < TRIES; i++) assert_told(kafka_dial(NULL, NULL, address, &other));
    int64_t cpu = cpu_ms();
    kafka_conn_set_read_deadline(c, kafka_deadline_in(WAIT_MS));
    int code = kafka_conn_read_message(c, 0, &m);
    cpu = cpu_ms() - cpu;
    give_back();
    assert_int_equal(code, KAFKA_ETIMEDOUT);
    print_message("%d ms of processor time in %d ms without descriptors\n", (int)cpu, WAIT_MS);
    assert_true(cpu <= MOST_CPU_MS);
    kafka_conn_free(c);
}

typedef struct trying {
    atomic_int tries, told;
    int64_t works_ms;
    int code;
} trying;

/* As an application does that tries again. */
static void *try_until_it_works(void *arg)
{
    trying *t = arg;
    kafka_conn *c = NULL;
    for (;;) {
        t->code = kafka_dial_leader(NULL, KAFKA_WITHIN(10000), address, "t", 0, &c);
        t->works_ms = kafka_now_ms();
        if (t->code != KAFKA_EIO) break;
        if (strstr(kafka_last_error(), way_out) != NULL) atomic_fetch_add(&t->told, 1);
        atomic_fetch_add(&t->tries, 1);
        poll(NULL, 0, 10);
    }
    kafka_conn_free(c);
    return NULL;
}

/* After how many ms. */
static int64_t recover(void)
{
    trying t = {.code = 1};
    exhaust();
    pthread_t thread = calls_start(try_until_it_works, &t);
    int64_t until = kafka_now_ms() + PATIENCE_MS;
    while (atomic_load(&t.tries) < 3 && kafka_now_ms() < until) poll(NULL, 0, 1);
    int told = atomic_load(&t.told);
    int64_t free_ms = kafka_now_ms();
    give_back();
    pthread_join(thread, NULL);
    assert_true(told >= 3);
    assert_int_equal(t.code, 0);
    return t.works_ms - free_ms;
}

static void a_dial_works_again_as_soon_as_there_are_some(void **state)
{
    (void)state;
    int64_t took, patience = kafka_deadline_in(PATIENCE_MS);
    do { /* until the machine lets it */
        took = recover();
    } while (took >= RECOVERS_WITHIN_MS && kafka_now_ms() < patience);
    print_message("works %d ms after there were descriptors\n", (int)took);
    assert_true(took < RECOVERS_WITHIN_MS);
}

/* The resolver needs descriptors of its own, and says what it likes. */
static void a_name_that_cannot_be_resolved_without_them_can_be_afterwards(void **state)
{
    (void)state;
    char name[40];
    kafka_conn *c = NULL;
    kafka_conn *keep = dial_on(NULL); /* the default loop runs */
    snprintf(name, sizeof name, "localhost%s", strchr(address, ':'));
    exhaust();
    int code = kafka_dial(NULL, KAFKA_WITHIN(10000), name, &c);
    give_back();
    assert_true(code == KAFKA_ERESOLVE || code == KAFKA_EIO);
    assert_works(kafka_dial(NULL, KAFKA_WITHIN(10000), name, &c));
    kafka_conn_free(c);
    kafka_conn_free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FD_TEST(the_first_dial_of_a_process_names_the_cause_and_the_way_out),
        FD_TEST(a_dial_on_a_running_loop_fails_at_once_and_what_is_connected_goes_on),
        FD_TEST(a_token_for_which_there_is_none_ends_the_call),
        FD_TEST(nothing_spins_while_there_are_none),
        FD_TEST(a_dial_works_again_as_soon_as_there_are_some),
        FD_TEST(a_name_that_cannot_be_resolved_without_them_can_be_afterwards),
    };
    return cmocka_run_group_tests(tests, start_peer, stop_peer);
}
