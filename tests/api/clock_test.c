/* The wall clock steps, forwards and backwards, by an hour and by ten years: no wait takes note of it.
 *
 * Every call by which a program can read the wall clock is wrapped by the linker, for the library and for the test's
 * peer. The kernel's own clock stays as it is, so a wait whose end was computed from what the wrapped calls say would
 * be off by the step, whichever way it goes. What is asserted is measured by the monotonic clock. */
#include "api/calls.h"
#include <poll.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

enum { HOUR_S = 3600, TEN_YEARS_S = 315360000, STEP_MS = 20 };

/* ---- the wall clock ---------------------------------------------------------------------------------------------- */

static _Atomic int64_t offset_s;
static atomic_int wall_reads;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
time_t __wrap_time(time_t *out);
int __wrap_gettimeofday(struct timeval *restrict out, void *restrict zone);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    int err = __real_clock_gettime(clock, out);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        atomic_fetch_add(&wall_reads, 1);
        out->tv_sec += atomic_load(&offset_s);
    }
    return err;
}

time_t __wrap_time(time_t *out)
{
    struct timespec now;
    __wrap_clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

int __wrap_gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    __wrap_clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

static int64_t real_ms(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static atomic_bool steady;
static atomic_int steps;

static void *step_the_clock(void *arg)
{
    static const int64_t offsets[] = {HOUR_S, -HOUR_S, TEN_YEARS_S, 0, -TEN_YEARS_S, TEN_YEARS_S, -HOUR_S, 0};
    (void)arg;
    while (!atomic_load(&steady)) {
        atomic_store(&offset_s, offsets[atomic_fetch_add(&steps, 1) % 8]);
        poll(NULL, 0, STEP_MS);
    }
    atomic_store(&offset_s, 0);
    return NULL;
}

/* ---- the waits --------------------------------------------------------------------------------------------------- */

/* It took so long, give or take what a loaded machine does: the least step is an hour. */
static void assert_really_took(int64_t since_ms, int64_t nominal_ms)
{
    int64_t took = real_ms() - since_ms;
    if (took < nominal_ms || took > nominal_ms + CALLS_LATE_MS)
        fail_msg("%d ms and not %d, with the clock %d steps on", (int)took, (int)nominal_ms, atomic_load(&steps));
}

static void use(kafka_loop *l)
{
    tcp_peer *p = TCP_PEER({0}),
             *silent = TCP_PEER({.api = KFK_API_API_VERSIONS, .times = TCP_ALWAYS, .no_answer = true});
    kafka_dialer dialer = {.loop = l, .timeout_ms = 250};
    kafka_conn *c = NULL, *other = NULL;
    kafka_message *m = NULL;
    char name[40];
    int64_t before = real_ms();
    assert_fails(kafka_dial(&dialer, NULL, tcp_peer_address(silent), &other), KAFKA_ETIMEDOUT, NULL);
    assert_really_took(before, 250);
    before = real_ms();
    assert_fails(kafka_dial(&dialer, KAFKA_WITHIN(100), tcp_peer_address(silent), &other), KAFKA_ETIMEDOUT, NULL);
    assert_really_took(before, 100);

    dialer.timeout_ms = 20000;
    snprintf(name, sizeof name, "localhost:%d", tcp_peer_port(p)); /* on a helper thread, which waits for jobs */
    assert_works(kafka_dial_leader(&dialer, NULL, name, "t", 0, &c));
    for (int i = 0; i < 3; i++) {
        before = real_ms();
        kafka_conn_set_read_deadline(c, kafka_deadline_in(150));
        assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT, NULL);
        assert_really_took(before, 150);
    }
    before = real_ms();
    kafka_conn_set_deadline(c, kafka_deadline_in(20000));
    assert_works(kafka_conn_write(c, "v0", 2));
    calls_expect_message(c, 0, "v0");
    assert_really_took(before, 0);

    int fetches = tcp_peer_requests(p, KFK_API_FETCH); /* no burst: a fetch waits half a second at the broker */
    kafka_conn_set_read_deadline(c, kafka_deadline_in(700));
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT, NULL);
    assert_true(tcp_peer_requests(p, KFK_API_FETCH) - fetches <= 5);
    kafka_conn_free(c);
    tcp_peer_free(p);
    tcp_peer_free(silent);
}

static void no_wait_follows_the_steps_of_the_wall_clock(void **state)
{
    (void)state;
    kafka_loop *manual;
    atomic_store(&steady, false);
    pthread_t t = calls_start(step_the_clock, NULL);
    do {
        use(NULL);
    } while (atomic_load(&steps) <= 20); /* this thread may run while the other one does not */
    assert_works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &manual));
    use(manual);
    kafka_loop_free(manual);
    atomic_store(&steady, true);
    pthread_join(t, NULL);
}

/* Else the test above shows nothing. */
static void the_wall_clock_of_the_library_is_the_one_that_steps(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m = NULL;
    int reads = atomic_load(&wall_reads);
    atomic_store(&offset_s, TEN_YEARS_S);
    assert_works(kafka_conn_write(c, "v", 1)); /* a message's time is the wall clock's */
    atomic_store(&offset_s, 0);
    assert_true(atomic_load(&wall_reads) > reads);
    assert_works(kafka_conn_read_message(c, 0, &m));
    assert_true(m->time_ms > ((int64_t)time(NULL) + TEN_YEARS_S - HOUR_S) * 1000);
    kafka_message_free(m);
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(no_wait_follows_the_steps_of_the_wall_clock),
        API_TEST(the_wall_clock_of_the_library_is_the_one_that_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
