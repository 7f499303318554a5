/* Connections made of sockets that the application has connected itself. */
#include "sim/client.h"
#include "wire/api.h"
#include <string.h>

/* A connection over a socket to BROKER; NULL fails the run. */
static kafka_conn *adopt(sim *s, const char *topic)
{
    int fd = sim_net_socket(s, BROKER);
    kafka_conn *c = NULL;
    kafka_conn_config cfg = {.client_id = "sim", .topic = topic, .loop = sim_below(s, 2) == 0 ? sim_loop(s) : NULL};
    if (kafka_conn_from_fd(fd, &cfg, &c) != 0) sim_fail(s, "no connection: %s", kafka_last_error());
    sim_check(s, sim_net_owns_socket(s, fd));
    return c;
}

SCENARIO(an_adopted_socket_stays_silent_until_the_broker_is_needed)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    sim_sleep_ms(s, (int64_t)sim_below(s, 3) * 60000);
    sim_check_equal(s, peer_requests(p, PEER_ANY), 0);
    sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
    sim_check_equal(s, peer_requests(p, KFK_API_API_VERSIONS), 1);
    sim_check_equal(s, kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL), 0);
    client_expect_message(s, c, 0, "hello");
    sim_check_equal(s, peer_route(p)->connects, 0); /* nothing was dialled */
    kafka_conn_free(c);
}

SCENARIO(versions_are_agreed_on_as_in_a_dial_with_brokers_of_any_age)
{
    peer *p = peer_alone(s, BROKER);
    int16_t newest = kfk_api_find(KFK_API_API_VERSIONS)->max_version, v = (int16_t)sim_below(s, (uint64_t)newest + 1);
    peer_set_versions(p, KFK_API_API_VERSIONS, 0, v);
    kafka_conn *c = adopt(s, NULL);
    kafka_brokers *brokers = NULL;
    if (!c) return;
    sim_check_equal(s, kafka_conn_brokers(c, &brokers), 0);
    kafka_brokers_free(brokers);
    kafka_conn_free(c);
}

typedef struct writer {
    kafka_conn *conn;
    bool done;
} writer;

static void write_one(sim *s, void *arg)
{
    writer *w = arg;
    sim_check_equal(s, kafka_conn_write(w->conn, "v", 1), 0);
    w->done = true;
}

SCENARIO(several_first_calls_at_once_agree_on_versions_once)
{
    peer *p = peer_alone(s, BROKER);
    writer writers[5];
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    for (int i = 0; i < 5; i++) {
        writers[i] = (writer){.conn = c};
        sim_spawn(s, "writer", write_one, &writers[i]);
    }
    for (int i = 0; i < 5; i++) sim_wait_for(s, &writers[i].done);
    sim_check_equal(s, peer_requests(p, KFK_API_API_VERSIONS), 1);
    sim_check_equal(s, peer_cluster_end(peer_cluster_of(p), "t", 0), 5);
    kafka_conn_free(c);
}

SCENARIO(a_broker_has_ten_seconds_to_say_its_versions)
{
    int64_t first, last;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    sim_sleep_ms(s, 20000); /* counted from the first call */
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_conn_read_offsets(c, &first, &last), KAFKA_ETIMEDOUT, "ApiVersions");
    sim_check_equal(s, sim_now_ms(s) - before, 10000);
    client_failed(s, kafka_conn_write(c, "v", 1), KAFKA_ETIMEDOUT, "ApiVersions"); /* it is of no more use */
    sim_check_equal(s, sim_now_ms(s) - before, 10000);
    kafka_conn_free(c);
}

SCENARIO(a_deadline_ends_the_first_call_exactly_and_leaves_the_connection_usable)
{
    int64_t first, last, limit = 1 + (int64_t)sim_below(s, 3000);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_ANSWER, .delay_ms = 3500));
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    int64_t before = sim_now_ms(s);
    kafka_conn_set_read_deadline(c, kafka_deadline_in(limit));
    client_failed(s, kafka_conn_read_offsets(c, &first, &last), KAFKA_ETIMEDOUT, "");
    sim_check_equal(s, sim_now_ms(s) - before, limit);
    kafka_conn_set_read_deadline(c, 0);
    sim_check_equal(s, kafka_conn_read_offsets(c, &first, &last), 0);
    kafka_conn_free(c);
}

static void hang_up(void *arg, sim_link *k)
{
    (void)arg;
    if (sim_below(sim_link_sim(k), 2) == 0)
        sim_link_close(k);
    else
        sim_link_reset(k);
}

SCENARIO(a_peer_that_has_hung_up_meanwhile_is_noticed_by_the_first_call)
{
    static const sim_server server = {.accepted = hang_up};
    int64_t first, last;
    sim_net_listen(s, BROKER, &server, NULL);
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    sim_sleep_ms(s, (int64_t)sim_below(s, 2) * 1000);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, kafka_conn_read_offsets(c, &first, &last), KAFKA_EUNEXPECTED_EOF);
    sim_check(s, sim_now_ms(s) - before <= 3);
    kafka_conn_free(c);
}

SCENARIO(it_never_connects_again)
{
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER), PEER_ON(PEER_ANY, .action = PEER_CLOSE));
    kafka_conn *c = adopt(s, "t");
    int64_t first, last;
    if (!c) return;
    int code = kafka_conn_read_offsets(c, &first, &last);
    sim_check(s, code == KAFKA_EUNEXPECTED_EOF || code == KAFKA_EIO);
    client_failed(s, kafka_conn_read_offsets(c, &first, &last), code, BROKER);
    sim_check_equal(s, peer_route(p)->connects, 0);
    kafka_conn_free(c);
}

SCENARIO(one_that_was_never_used_is_closed_with_its_connection)
{
    peer_alone(s, BROKER);
    kafka_conn *c = adopt(s, NULL);
    int64_t before = sim_now_ms(s);
    if (!c) return;
    if (sim_below(s, 2) == 0) sim_check_equal(s, kafka_conn_close(c), 0);
    kafka_conn_free(c);
    sim_check_equal(s, sim_now_ms(s), before);
    sim_sleep_ms(s, 50);
    sim_check_equal(s, sim_net_open_streams(s), 0);
    sim_check_equal(s, sim_link_state_of(sim_net_link(s, 0)), SIM_LINK_ENDED);
}

static void close_after_200_ms(sim *s, void *c)
{
    sim_sleep_ms(s, 200);
    sim_check_equal(s, kafka_conn_close(c), 0);
}

SCENARIO(closing_ends_a_first_call_that_waits_at_once)
{
    int64_t first, last;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    kafka_conn *c = adopt(s, "t");
    if (!c) return;
    sim_spawn(s, "closer", close_after_200_ms, c);
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_conn_read_offsets(c, &first, &last), KAFKA_ECLOSED, "closed");
    sim_check_equal(s, sim_now_ms(s) - before, 200);
    sim_sleep_ms(s, 10); /* the closer has returned */
    kafka_conn_free(c);
}

SCENARIO(what_is_no_socket_of_ours_is_refused)
{
    kafka_conn *c = NULL;
    client_failed(s, kafka_conn_from_fd(7, NULL, &c), KAFKA_EINVAL, "descriptor 7");
    sim_check(s, c == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(an_adopted_socket_stays_silent_until_the_broker_is_needed),
        MEMCHECK_TEST(versions_are_agreed_on_as_in_a_dial_with_brokers_of_any_age),
        MEMCHECK_TEST(several_first_calls_at_once_agree_on_versions_once),
        MEMCHECK_TEST(a_broker_has_ten_seconds_to_say_its_versions),
        MEMCHECK_TEST(a_deadline_ends_the_first_call_exactly_and_leaves_the_connection_usable),
        MEMCHECK_TEST(a_peer_that_has_hung_up_meanwhile_is_noticed_by_the_first_call),
        MEMCHECK_TEST(it_never_connects_again),
        MEMCHECK_TEST(one_that_was_never_used_is_closed_with_its_connection),
        MEMCHECK_TEST(closing_ends_a_first_call_that_waits_at_once),
        MEMCHECK_TEST(what_is_no_socket_of_ours_is_refused),
    };
    return RUNNER_MAIN(tests);
}
