/* The monotonic clock where numbers end: 2^31 and 2^32 milliseconds (49.7 days), an hour before 2^63 nanoseconds; and a
 * process that was suspended for an hour. All waits end to the millisecond, and nothing comes in bursts. */
#include "sim/client.h"
#include "wire/api.h"

static int dial(sim *s, const char *address, int64_t timeout_ms, int64_t *took_ms)
{
    kafka_conn *c = NULL;
    kafka_dialer d = client_dialer(timeout_ms);
    int64_t before = sim_now_ms(s);
    int err = kafka_dial(&d, NULL, address, &c);
    *took_ms = sim_now_ms(s) - before;
    kafka_conn_free(c);
    return err;
}

/* Each kind of wait there is, over a moment that lies about a second behind the start of the run. */
static void wait_in_every_way(sim *s)
{
    int64_t took, start_ms = sim_now_ms(s);
    peer *p = peer_alone(s, BROKER);
    kafka_message *m = NULL;
    sim_net_route(s, BROKER2)->reach = SIM_BLACKHOLE;
    sim_name_of(s, "silent")->silent = true;
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, dial(s, BROKER2, 400, &took), KAFKA_ETIMEDOUT); /* a handshake */
    sim_check_equal(s, took, 400);
    sim_check_equal(s, dial(s, "silent", 300, &took), KAFKA_ETIMEDOUT); /* a look-up */
    sim_check_equal(s, took, 300);
    int64_t deadline = kafka_deadline_in(1500); /* a read, by its deadline */
    kafka_conn_set_read_deadline(c, deadline);
    sim_check_equal(s, kafka_conn_read_message(c, 0, &m), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), deadline);
    int fetches = peer_requests(p, KFK_API_FETCH);
    sim_check(s, fetches >= 1 && fetches <= 6);
    sim_check_equal(s, dial(s, BROKER2, 400, &took), KAFKA_ETIMEDOUT); /* and on the other side */
    sim_check_equal(s, took, 400);
    peer_set_throttle_ms(p, 200); /* a pause that the broker asks for */
    kafka_conn_set_deadline(c, kafka_deadline_in(INT64_MAX));
    sim_check_equal(s, kafka_conn_write(c, "v0", 2), 0);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, kafka_conn_write(c, "v1", 2), 0);
    sim_check(s, sim_now_ms(s) - before >= 199 && sim_now_ms(s) - before <= 205);
    peer_set_throttle_ms(p, 0);
    client_expect_message(s, c, 0, "v0");
    sim_check(s, sim_now_ms(s) - start_ms < 4000);
    kafka_conn_free(c);
}

SCENARIO_WITH(waits_are_right_over_31_bits_of_milliseconds, .config.start_ms = INT64_C(2147483647) - 1000)
{
    wait_in_every_way(s);
}

SCENARIO_WITH(waits_are_right_over_32_bits_of_milliseconds, .config.start_ms = INT64_C(4294967295) - 1000)
{
    wait_in_every_way(s);
}

SCENARIO_WITH(waits_are_right_over_31_bits_of_seconds, .config.start_ms = INT64_C(2147483647000) - 1000)
{
    wait_in_every_way(s);
}

SCENARIO_WITH(waits_are_right_in_the_last_hour_of_63_bits_of_nanoseconds,
              .config.start_ms = INT64_MAX / 1000000 - 3600000)
{
    wait_in_every_way(s);
}

/* ---- suspended --------------------------------------------------------------------------------------------------- */

/* Calm: what has arrived in the sleep is looked at in one turn, before the timers that are due, as it is by a real
 * loop. */
#define SUSPENDED .config.calm = true, .config.budget_ms = 3 * HOUR_MS

typedef struct sleeper {
    kafka_conn *conn;
    int code;
    int64_t deadline, ended_ms;
    bool over;
} sleeper;

static void read_until_its_end(sim *s, void *arg)
{
    sleeper *r = arg;
    kafka_message *m = NULL;
    r->code = kafka_conn_read_message(r->conn, 0, &m);
    r->ended_ms = sim_now_ms(s);
    kafka_message_free(m);
    r->over = true;
}

enum { HOUR_MS = 3600000 };

SCENARIO_WITH(a_read_goes_on_after_an_hour_of_sleep_and_its_deadline_stands, SUSPENDED)
{
    peer *p = peer_alone(s, BROKER);
    sleeper r = {.conn = client_dial(s, BROKER)};
    if (!r.conn) return;
    r.deadline = kafka_deadline_in(HOUR_MS + 5000);
    kafka_conn_set_read_deadline(r.conn, r.deadline);
    sim_spawn(s, "reader", read_until_its_end, &r);
    sim_sleep_ms(s, 100 + (int64_t)sim_below(s, 1000));
    int fetches = peer_requests(p, KFK_API_FETCH);
    uint64_t turns = sim_turns(s);
    sim_suspend_ms(s, HOUR_MS);
    sim_sleep_ms(s, 1000);
    sim_check(s, !r.over);
    sim_check(s, peer_requests(p, KFK_API_FETCH) - fetches <= 4); /* no burst to make up for the hour */
    sim_check(s, sim_turns(s) - turns < 60);
    sim_wait_for(s, &r.over);
    sim_check_equal(s, r.code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, r.ended_ms, r.deadline);
    kafka_conn_free(r.conn);
}

SCENARIO_WITH(a_deadline_that_passed_in_the_sleep_ends_its_call_at_once, SUSPENDED)
{
    peer_alone(s, BROKER);
    sleeper r = {.conn = client_dial(s, BROKER)};
    if (!r.conn) return;
    kafka_conn_set_read_deadline(r.conn, kafka_deadline_in(20000));
    sim_spawn(s, "reader", read_until_its_end, &r);
    sim_sleep_ms(s, 100);
    sim_suspend_ms(s, HOUR_MS);
    int64_t awake_ms = sim_now_ms(s);
    sim_wait_for(s, &r.over);
    sim_check_equal(s, r.code, KAFKA_ETIMEDOUT);
    sim_check(s, r.ended_ms - awake_ms <= 1);
    kafka_conn_set_deadline(r.conn, 0);
    sim_check_equal(s, kafka_conn_write(r.conn, "v0", 2), 0); /* the connection has outlived it */
    client_expect_message(s, r.conn, 0, "v0");
    kafka_conn_free(r.conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(waits_are_right_over_31_bits_of_milliseconds),
        MEMCHECK_TEST(waits_are_right_over_32_bits_of_milliseconds),
        MEMCHECK_TEST(waits_are_right_over_31_bits_of_seconds),
        MEMCHECK_TEST(waits_are_right_in_the_last_hour_of_63_bits_of_nanoseconds),
        MEMCHECK_TEST(a_read_goes_on_after_an_hour_of_sleep_and_its_deadline_stands),
        MEMCHECK_TEST(a_deadline_that_passed_in_the_sleep_ends_its_call_at_once),
    };
    return RUNNER_MAIN(tests);
}
