/* A network that stalls, trickles, delays and splits. Deadlines hold on real sockets: never early, and no call hangs.
 * How late they are at most is a matter of the machine here; to the millisecond it is told in virtual time:
 * hostile/time_test.c, sim/fault_test.c. */
#include "base/rand.h"
#include "faults/through.h"

enum { HANGS_MS = 10000 };

static const proxy_plan pass;

/* ---- deadlines --------------------------------------------------------------------------------------------------- */

static int dial(const char *address, kafka_conn *c, int64_t deadline)
{
    kafka_conn *other = NULL;
    (void)c;
    int err = kafka_dial(NULL, &(kafka_ctx){.deadline = deadline}, address, &other);
    kafka_conn_free(other);
    return err;
}

static int ask_metadata(const char *address, kafka_conn *c, int64_t deadline)
{
    kafka_partitions *list = NULL;
    (void)address;
    kafka_conn_set_read_deadline(c, deadline);
    int err = kafka_conn_read_partitions(c, NULL, 0, &list);
    kafka_partitions_free(list);
    return err;
}

static int ask_offset(const char *address, kafka_conn *c, int64_t deadline)
{
    int64_t first;
    (void)address;
    kafka_conn_set_read_deadline(c, deadline);
    return kafka_conn_read_first_offset(c, &first);
}

static int write_one(const char *address, kafka_conn *c, int64_t deadline)
{
    (void)address;
    kafka_conn_set_write_deadline(c, deadline);
    return kafka_conn_write(c, "x", 1);
}

static int read_one(const char *address, kafka_conn *c, int64_t deadline)
{
    kafka_message *m = NULL;
    (void)address;
    kafka_conn_set_read_deadline(c, deadline);
    int err = kafka_conn_read_message(c, 0, &m);
    kafka_message_free(m);
    return err;
}

static const struct {
    const char *name;
    int (*call)(const char *address, kafka_conn *, int64_t deadline);
} calls[] = {
    {"dial", dial}, {"metadata", ask_metadata}, {"offsets", ask_offset}, {"write", write_one}, {"read", read_one}};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* How late the call ended, and what took longest to free afterwards. Fails the test where it was early, or no
 * timeout. */
static int64_t lateness(proxy *x, int call, const proxy_plan *plan, int64_t ms)
{
    proxy_set(x, &pass);
    kafka_conn *c = through(proxy_address(x), "t");
    proxy_set(x, plan);
    int64_t deadline = kafka_deadline_in(ms);
    int code = calls[call].call(proxy_address(x), c, deadline);
    int64_t now = kafka_now_ms(), late = now - deadline;
    if (code != KAFKA_ETIMEDOUT) fail_msg("%s: %d: %s", calls[call].name, code, kafka_last_error());
    if (!strstr(kafka_last_error(), proxy_address(x))) fail_msg("no address: %s", kafka_last_error());
    if (late < 0) fail_msg("%s: %d ms early", calls[call].name, (int)-late);
    kafka_conn_free(c);
    int64_t freeing = kafka_now_ms() - now;
    return freeing > late ? freeing : late;
}

static void expect_deadlines(const proxy_plan *plan)
{
    static const int64_t times[] = {30, 250};
    int64_t worst = 0;
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(NULL, 0);
    BATCH(&log, .base = 0, .count = 3);
    calls_fill(p, &log, 3);
    proxy *x = proxy_new(tcp_peer_address(p));
    for (int call = 0; call < CALLS; call++) {
        for (int i = 0; i < 2; i++) {
            int64_t late = lateness(x, call, plan, times[i]);
            if (late > HANGS_MS) fail_msg("%s: %d ms late", calls[call].name, (int)late);
            if (late > worst) worst = late;
        }
    }
    print_message("%d ms late at most\n", (int)worst);
    proxy_free(x);
    tcp_peer_free(p);
}

static void a_network_that_stalls_in_front_of_the_request_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.cut = PROXY_UP, .then = PROXY_STALL});
}

static void a_network_that_stalls_within_the_request_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.cut = PROXY_UP, .bytes = 20, .then = PROXY_STALL});
}

static void a_network_that_stalls_in_front_of_the_answer_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.cut = PROXY_DOWN, .then = PROXY_STALL});
}

static void a_network_that_stalls_within_the_answer_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.cut = PROXY_DOWN, .bytes = 20, .then = PROXY_STALL});
}

static void a_network_of_one_byte_a_second_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.bytes_per_s = 1});
}

static void a_network_that_takes_a_minute_costs_the_deadline(void **state)
{
    (void)state;
    expect_deadlines(&(proxy_plan){.delay_ms = 60000});
}

/* What becomes of a large write of which an eighth passes. */
static kafka_written large_write(proxy *x, int64_t within_ms)
{
    enum { LARGE = 16 * 1024 * 1024 };
    static char large[LARGE];
    proxy_set(x, &pass);
    kafka_conn *c = through(proxy_address(x), "t");
    proxy_set(x, &(proxy_plan){.cut = PROXY_UP, .bytes = LARGE / 8, .then = PROXY_STALL});
    int64_t deadline = kafka_deadline_in(within_ms);
    kafka_conn_set_write_deadline(c, deadline);
    assert_fails(kafka_conn_write(c, large, LARGE), KAFKA_ETIMEDOUT, "deadline");
    kafka_written written = kafka_last_written();
    assert_in_range(kafka_now_ms() - deadline, 0, HANGS_MS);
    kafka_conn_free(c);
    return written;
}

/* A write is taken off the caller's hands into the socket only as long as that takes some. Encoding it takes a part of
 * the deadline: on a slow machine all of it, and then nothing was sent, which calls for a later one. */
static void a_large_write_into_a_network_that_stalls_costs_the_deadline(void **state)
{
    (void)state;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    kafka_written written = KAFKA_WRITTEN_NO;
    for (int64_t within_ms = 1500; written == KAFKA_WRITTEN_NO; within_ms *= 2) {
        assert_true(within_ms < 60000);
        written = large_write(x, within_ms);
    }
    assert_int_equal(written, KAFKA_WRITTEN_MAYBE);
    assert_int_equal(tcp_peer_end(p, 0), 0);
    proxy_free(x);
    tcp_peer_free(p);
}

/* ---- slow, and nothing else -------------------------------------------------------------------------------------- */

/* Messages of all sizes go there and come back as they were. */
static void expect_whole(const proxy_plan *plan, size_t largest)
{
    enum { MESSAGES = 8 };
    char *bytes = malloc(largest);
    kfk_rand r;
    assert_non_null(bytes);
    kfk_rand_seed(&r, 11);
    for (size_t i = 0; i < largest; i++) bytes[i] = (char)kfk_rand_next(&r);
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    proxy_set(x, plan);
    kafka_conn *c = through(proxy_address(x), "t");
    kafka_conn_set_deadline(c, kafka_deadline_in(60000));
    for (size_t i = 0; i < MESSAGES; i++) assert_works(kafka_conn_write(c, bytes, largest >> i));
    for (size_t i = 0; i < MESSAGES; i++) {
        kafka_message *m = NULL;
        assert_works(kafka_conn_read_message(c, 0, &m));
        assert_int_equal(m->offset, i);
        assert_int_equal(m->value.len, largest >> i);
        if (m->value.len > 0) assert_memory_equal(m->value.data, bytes, m->value.len);
        kafka_message_free(m);
    }
    kafka_conn_free(c);
    proxy_free(x);
    tcp_peer_free(p);
    free(bytes);
}

static void a_network_that_splits_everything_into_single_bytes_changes_nothing(void **state)
{
    (void)state;
    expect_whole(&(proxy_plan){.piece = 1}, 12000);
}

static void a_network_that_is_slow_changes_nothing(void **state)
{
    (void)state;
    expect_whole(&(proxy_plan){.bytes_per_s = 300000}, 30000);
    expect_whole(&(proxy_plan){.delay_ms = 15}, 200000);
}

/* ---- coming back ------------------------------------------------------------------------------------------------- */

/* From the second question for a leader on, no connection lives to hear an answer. */
static void break_off(tcp_call *call, void *answer, void *arg)
{
    (void)call;
    (void)answer;
    proxy_set(arg, &(proxy_plan){.cut = PROXY_DOWN, .then = PROXY_RESET});
}

/* How many connections a search makes in this time. */
static int search_in_vain(int64_t within_ms)
{
    kafka_conn *c = NULL;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    tcp_rule rules[] = {{.api = KFK_API_METADATA, .code = KAFKA_ERR_LEADER_NOT_AVAILABLE},
                        {.api = KFK_API_METADATA, .edit = break_off, .arg = x}};
    tcp_peer_add_rules(p, rules, 2);
    tcp_peer_advertise(p, "127.0.0.1", proxy_port(x), 1);
    assert_fails(kafka_dial_leader(NULL, KAFKA_WITHIN(within_ms), proxy_address(x), "t", 0, &c), KAFKA_ETIMEDOUT,
                 proxy_address(x));
    int connections = proxy_connections(x);
    print_message("%d connections in %d ms\n", connections, (int)within_ms);
    proxy_free(x);
    tcp_peer_free(p);
    return connections;
}

/* A search for a leader connects again by itself: after 100 ms, 200, 400, 800, a fifth more or less, then each second,
 * to the address it was given and to the broker that it got to know there. A machine that stands still makes fewer of
 * them: then it gets more time. */
static void a_search_whose_connections_all_break_keeps_to_the_backoff(void **state)
{
    (void)state;
    int connections = 0;
    for (int64_t within_ms = 2000; connections < 3; within_ms *= 2) {
        assert_true(within_ms < 60000);
        connections = search_in_vain(within_ms);
        assert_true(connections <= 10 + (within_ms - 2000) * 3 / 1000);
    }
}

static void a_search_goes_on_when_the_way_is_free_again(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    tcp_peer *p = tcp_peer_new(NULL, 0);
    proxy *x = proxy_new(tcp_peer_address(p));
    tcp_rule rule = {.api = KFK_API_METADATA, .then = TCP_RESET, .no_answer = true, .times = 2};
    tcp_peer_add_rules(p, &rule, 1);
    assert_works(kafka_dial_leader(NULL, KAFKA_WITHIN(60000), proxy_address(x), "t", 0, &c));
    assert_int_equal(proxy_connections(x), 3);
    kafka_conn_free(c);
    c = NULL;
    proxy_refuse(x, true);
    assert_fails(kafka_dial(NULL, NULL, proxy_address(x), &c), KAFKA_EIO, "refused");
    proxy_refuse(x, false);
    assert_works(kafka_dial(NULL, NULL, proxy_address(x), &c));
    kafka_conn_free(c);
    proxy_free(x);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_network_that_stalls_in_front_of_the_request_costs_the_deadline),
        API_TEST(a_network_that_stalls_within_the_request_costs_the_deadline),
        API_TEST(a_network_that_stalls_in_front_of_the_answer_costs_the_deadline),
        API_TEST(a_network_that_stalls_within_the_answer_costs_the_deadline),
        API_TEST(a_network_of_one_byte_a_second_costs_the_deadline),
        API_TEST(a_network_that_takes_a_minute_costs_the_deadline),
        API_TEST(a_large_write_into_a_network_that_stalls_costs_the_deadline),
        API_TEST(a_network_that_splits_everything_into_single_bytes_changes_nothing),
        API_TEST(a_network_that_is_slow_changes_nothing),
        API_TEST(a_search_whose_connections_all_break_keeps_to_the_backoff),
        API_TEST(a_search_goes_on_when_the_way_is_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
