/* Dialling through the public interface: every way in which it can fail, with exact times. */
#include "sim/client.h"
#include "wire/api.h"
#include <stdio.h>
#include <string.h>

static int dial(sim *s, const char *address, int64_t timeout_ms, kafka_conn **out)
{
    kafka_dialer d = client_dialer(timeout_ms);
    d.loop = sim_below(s, 2) == 0 ? sim_loop(s) : NULL;
    *out = NULL;
    return kafka_dial(&d, NULL, address, out);
}

/* Dials, expects failure, and tells how long it took. */
static int dial_in_vain(sim *s, const char *address, int64_t timeout_ms, int64_t *took_ms)
{
    kafka_conn *c;
    int64_t before = sim_now_ms(s);
    int code = dial(s, address, timeout_ms, &c);
    *took_ms = sim_now_ms(s) - before;
    sim_check(s, code != 0 && c == NULL);
    kafka_conn_free(c);
    return code;
}

/* ---- success ----------------------------------------------------------------------------------------------------- */

SCENARIO_WITH(dialling_takes_a_round_trip_to_connect_and_one_to_learn_the_versions, .config.calm = true, .seeds = 1)
{
    peer *p = peer_alone(s, BROKER);
    kafka_conn *c;
    peer_route(p)->latency_us = 5000;
    int64_t before = sim_now_us(s);
    sim_check_equal(s, dial(s, BROKER, 0, &c), 0);
    sim_check_equal(s, sim_now_us(s) - before, 20000);
    sim_check_equal(s, peer_requests(p, PEER_ANY), 1);
    kafka_conn_free(c);
}

SCENARIO(a_broker_of_any_age_is_asked_again_in_the_version_it_knows)
{
    peer *p = peer_alone(s, BROKER);
    int16_t newest = kfk_api_find(KFK_API_API_VERSIONS)->max_version, v = (int16_t)sim_below(s, (uint64_t)newest + 1);
    kafka_conn *c;
    peer_set_versions(p, KFK_API_API_VERSIONS, 0, v);
    sim_check_equal(s, dial(s, BROKER, 0, &c), 0);
    sim_check_equal(s, peer_last_version(p, KFK_API_API_VERSIONS),
                    v < 3 ? 0 : v); /* before 2.4 it does not say which */
    sim_check_equal(s, peer_requests(p, PEER_ANY), v == newest ? 1 : 2);
    kafka_conn_free(c);
}

SCENARIO(any_of_several_addresses_will_do)
{
    peer_alone(s, BROKER2);
    sim_name_add(s, "kafka", "10.0.0.9");
    sim_name_add(s, "kafka", "10.0.0.2");
    kafka_conn *c;
    sim_check_equal(s, dial(s, BROKER ", nowhere:9092," BROKER2, 0, &c), 0);
    kafka_conn_free(c);
    sim_check_equal(s, dial(s, "kafka", 0, &c), 0);
    kafka_conn_free(c);
}

static void dial_and_close(sim *s, void *arg)
{
    kafka_conn *c;
    sim_check_equal(s, dial(s, BROKER, 0, &c), 0);
    sim_yield(s);
    kafka_conn_free(c);
    ++*(int *)arg;
}

SCENARIO(many_may_dial_at_once)
{
    int done = 0;
    peer *p = peer_alone(s, BROKER);
    for (int i = 0; i < 10; i++) sim_spawn(s, "dialler", dial_and_close, &done);
    while (done < 10) sim_sleep_ms(s, 1);
    sim_check_equal(s, peer_route(p)->connects, 10);
}

/* ---- failures to connect ----------------------------------------------------------------------------------------- */

SCENARIO(a_refused_port_is_named_after_one_round_trip)
{
    int64_t took;
    sim_net_route(s, BROKER)->latency_us = 3000;
    client_failed(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_EIO, "10.0.0.1:9092: connect: Connection refused");
    sim_check_equal(s, took, 6);
}

SCENARIO(an_unknown_host_is_named)
{
    int64_t took;
    client_failed(s, dial_in_vain(s, "kafka.example:9092", 0, &took), KAFKA_ERESOLVE, "kafka.example");
}

SCENARIO(a_peer_that_swallows_packets_costs_exactly_the_timeout)
{
    int64_t took, timeout = 1 + (int64_t)sim_below(s, 20000);
    sim_net_route(s, BROKER)->reach = SIM_BLACKHOLE;
    client_failed(s, dial_in_vain(s, BROKER, timeout, &took), KAFKA_ETIMEDOUT, "connecting to 10.0.0.1:9092");
    sim_check_equal(s, took, timeout);
}

SCENARIO(without_a_timeout_of_the_callers_a_dial_takes_ten_seconds)
{
    int64_t took;
    sim_net_route(s, BROKER)->reach = SIM_BLACKHOLE;
    client_failed(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_ETIMEDOUT, "timed out after 10000 ms");
    sim_check_equal(s, took, 10000);
}

SCENARIO(a_resolver_that_hangs_costs_exactly_the_timeout)
{
    int64_t took;
    sim_name_of(s, "kafka")->silent = true;
    client_failed(s, dial_in_vain(s, "kafka", 700, &took), KAFKA_ETIMEDOUT, "resolving kafka");
    sim_check_equal(s, took, 700);
}

SCENARIO(the_earliest_of_timeout_and_deadlines_ends_a_dial)
{
    int64_t timeout = 100 + (int64_t)sim_below(s, 300), mine = 100 + (int64_t)sim_below(s, 300),
            its = 100 + (int64_t)sim_below(s, 300);
    int64_t before = sim_now_ms(s), least = timeout < mine ? timeout : mine;
    kafka_dialer d = client_dialer(timeout);
    kafka_conn *c = NULL;
    sim_net_route(s, BROKER)->reach = SIM_BLACKHOLE;
    d.deadline = kafka_deadline_in(its);
    least = its < least ? its : least;
    sim_check_equal(s, kafka_dial(&d, KAFKA_WITHIN(mine), BROKER, &c), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s) - before, least);
    sim_check(s, c == NULL);
}

SCENARIO(the_limits_of_a_dial_do_not_bear_on_the_connection)
{
    kafka_dialer d = client_dialer(1000);
    kafka_cancel *token = NULL;
    kafka_conn *c = NULL;
    peer_alone(s, BROKER);
    d.deadline = kafka_deadline_in(1000);
    sim_check_equal(s, kafka_cancel_new(&token), 0);
    if (!token) return;
    kafka_ctx ctx = {.deadline = d.deadline, .cancel = token};
    sim_check_equal(s, kafka_dial_leader(&d, &ctx, BROKER, "t", 0, &c), 0);
    if (c) {
        sim_sleep_ms(s, 5000);
        kafka_cancel_fire(token);
        sim_check_equal(s, kafka_conn_write(c, "x", 1), 0);
    }
    kafka_conn_free(c);
    kafka_cancel_free(token);
}

SCENARIO(a_deadline_that_has_passed_ends_a_dial_at_once)
{
    kafka_dialer d = client_dialer(0);
    kafka_conn *c = NULL;
    int64_t before = sim_now_ms(s);
    peer_alone(s, BROKER);
    sim_check_equal(s, kafka_dial(&d, KAFKA_WITHIN(0), BROKER, &c), KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s), before);
}

/* ---- failures of what should be a broker ------------------------------------------------------------------------- */

SCENARIO(a_peer_that_accepts_and_says_nothing_costs_exactly_the_timeout)
{
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    client_failed(s, dial_in_vain(s, BROKER, 1234, &took), KAFKA_ETIMEDOUT, "ApiVersions");
    sim_check_equal(s, took, 1234);
}

SCENARIO(a_peer_that_hangs_up_on_the_first_request_might_be_a_tls_port)
{
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_CLOSE));
    client_failed(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_EUNEXPECTED_EOF, "is this a TLS port");
}

static void hang_up(void *arg, sim_link *k)
{
    uint64_t how = sim_below(sim_link_sim(k), 3);
    (void)arg;
    if (how == 0) sim_link_close(k);
    if (how == 1) sim_link_reset(k);
    if (how == 2) sim_link_finish(k);
}

SCENARIO(a_peer_that_hangs_up_as_soon_as_it_has_accepted_is_noticed_at_once)
{
    static const sim_server server = {.accepted = hang_up};
    int64_t took;
    sim_net_listen(s, BROKER, &server, NULL)->latency_us = (int64_t)sim_below(s, 2) * 500;
    sim_check_equal(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_EUNEXPECTED_EOF);
    sim_check(s, took <= 3);
}

SCENARIO(an_answer_to_another_request_is_a_protocol_error)
{
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_WRONG_ID));
    client_failed(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_EPROTO, "correlation id");
}

SCENARIO(a_web_server_is_not_taken_for_a_broker)
{
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER), PEER_ON(PEER_ANY, .action = PEER_RAW, .raw = page, .bytes = sizeof page - 1));
    sim_check_equal(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_EPROTO);
    sim_check(s, took < 1000);
}

SCENARIO(an_answer_with_an_error_code_fails_with_that_code)
{
    int64_t took;
    PEER_SCRIPT(peer_alone(s, BROKER),
                PEER_ON(PEER_ANY, .action = PEER_ERROR, .code = KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED));
    sim_check_equal(s, dial_in_vain(s, BROKER, 0, &took), KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED);
}

/* Dials over a link that is cut behind the n-th byte, for each n of what one dial takes in that direction. */
static void dial_with_every_cut(sim *s, bool down, sim_cut how, int code)
{
    peer *p = peer_alone(s, BROKER);
    sim_route *r = peer_route(p);
    kafka_conn *c;
    int64_t took;
    sim_check_equal(s, dial(s, BROKER, 0, &c), 0);
    kafka_conn_free(c);
    int64_t bytes = down ? sim_link_delivered_down(sim_net_link(s, 0)) : sim_link_delivered_up(sim_net_link(s, 0));
    sim_check(s, bytes > 20);
    r->cut = how;
    for (int64_t n = 0; n < bytes; n++) {
        r->cut_up = down ? -1 : n;
        r->cut_down = down ? n : -1;
        sim_check_equal(s, dial_in_vain(s, BROKER, 500, &took), code);
        sim_check(s, code == KAFKA_ETIMEDOUT ? took == 500 : took < 500);
    }
}

SCENARIO_WITH(an_answer_that_ends_at_any_byte_is_an_unexpected_end, .seeds = 20, .parts = 20)
{
    dial_with_every_cut(s, true, SIM_CUT_CLOSE, KAFKA_EUNEXPECTED_EOF);
}

SCENARIO_WITH(an_answer_that_is_reset_at_any_byte_is_an_unexpected_end, .seeds = 20, .parts = 20)
{
    dial_with_every_cut(s, true, SIM_CUT_RESET, KAFKA_EUNEXPECTED_EOF);
}

SCENARIO_WITH(an_answer_that_stops_at_any_byte_is_a_timeout, .seeds = 20, .parts = 20)
{
    dial_with_every_cut(s, true, SIM_CUT_SILENCE, KAFKA_ETIMEDOUT);
}

SCENARIO_WITH(a_request_that_is_reset_at_any_byte_is_an_unexpected_end, .seeds = 20, .parts = 20)
{
    dial_with_every_cut(s, false, SIM_CUT_RESET, KAFKA_EUNEXPECTED_EOF);
}

SCENARIO_WITH(a_request_that_is_lost_from_any_byte_on_is_a_timeout, .seeds = 20, .parts = 20)
{
    dial_with_every_cut(s, false, SIM_CUT_SILENCE, KAFKA_ETIMEDOUT);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

typedef struct later {
    kafka_cancel *token;
    int64_t ms;
} later;

static void fire_later(sim *s, void *arg)
{
    later *l = arg;
    sim_sleep_ms(s, l->ms);
    kafka_cancel_fire(l->token);
}

SCENARIO(a_token_ends_a_dial_wherever_it_stands)
{
    peer *p = peer_alone(s, BROKER);
    later l = {.ms = (int64_t)sim_below(s, 1000)};
    kafka_conn *c = NULL;
    sim_name_add(s, "kafka", "10.0.0.1");
    sim_name_of(s, "kafka")->delay_us = 200000;
    peer_route(p)->latency_us = 150000;
    PEER_SCRIPT(p, PEER_ON(PEER_ANY, .action = PEER_SILENCE));
    sim_check_equal(s, kafka_cancel_new(&l.token), 0);
    sim_spawn(s, "canceller", fire_later, &l);
    kafka_dialer d = client_dialer(0);
    kafka_ctx ctx = {.cancel = l.token};
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_dial(&d, &ctx, "kafka", &c), KAFKA_ECANCELED, "canceled");
    sim_check_equal(s, sim_now_ms(s) - before, l.ms);
    kafka_cancel_free(l.token);
}

SCENARIO(a_token_that_has_fired_before_sends_nothing)
{
    peer *p = peer_alone(s, BROKER);
    kafka_cancel *token;
    kafka_conn *c = NULL;
    sim_check_equal(s, kafka_cancel_new(&token), 0);
    kafka_cancel_fire(token);
    kafka_dialer d = client_dialer(0);
    kafka_ctx ctx = {.cancel = token};
    sim_check_equal(s, kafka_dial(&d, &ctx, BROKER, &c), KAFKA_ECANCELED);
    sim_check_equal(s, peer_requests(p, PEER_ANY), 0);
    kafka_cancel_free(token);
}

/* ---- leaders ----------------------------------------------------------------------------------------------------- */

/* Brokers 1 and 2, at BROKER and BROKER2; the topic "t" is led by `leader`. */
static peer_cluster *two_brokers(sim *s, int32_t leader, peer **second)
{
    peer_cluster *c = peer_cluster_new(s);
    peer_cluster_add_topic(c, "t", 2, leader);
    peer_new(c, 1, BROKER);
    *second = peer_new(c, 2, BROKER2);
    return c;
}

SCENARIO(the_leader_is_found_through_any_broker)
{
    peer *second;
    peer_cluster *cluster = two_brokers(s, 2, &second);
    kafka_conn *c = client_dial(s, BROKER);
    if (!c) return;
    sim_check_equal(s, kafka_conn_write(c, "hello", 5), 0);
    sim_check_equal(s, peer_cluster_end(cluster, "t", 0), 1);
    sim_check_equal(s, peer_requests(second, KFK_API_PRODUCE), 1);
    kafka_conn_free(c);
}

SCENARIO(a_broker_that_answers_no_metadata_costs_the_look_up_a_second)
{
    peer *second;
    two_brokers(s, 2, &second);
    kafka_broker *leader = NULL;
    kafka_dialer d = client_dialer(0);
    PEER_SCRIPT(second, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_SILENCE));
    peer_route(second)->latency_us = sim_net_route(s, BROKER)->latency_us = 500;
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, kafka_lookup_leader(&d, NULL, BROKER2 "," BROKER, "t", 0, &leader), 0);
    sim_check_equal(s, sim_now_ms(s) - before, 2 + 1000 + 3);
    if (leader) sim_check_equal(s, leader->id, 2);
    kafka_broker_free(leader);
}

SCENARIO(a_leader_that_cannot_be_reached_explains_advertised_listeners)
{
    peer *second;
    kafka_conn *c = NULL;
    two_brokers(s, 2, &second);
    peer_advertise(second, "kafka.internal", 9092);
    kafka_dialer d = client_dialer(0);
    client_failed(s, kafka_dial_leader(&d, NULL, BROKER, "t", 0, &c), KAFKA_ERESOLVE, "advertised.listeners");
    sim_check_text(s, kafka_last_error(), BROKER);
    sim_check_text(s, kafka_last_error(), "kafka.internal:9092");
}

SCENARIO(a_topic_that_does_not_exist_is_code_3_within_the_timeout)
{
    kafka_conn *c = NULL;
    peer_alone(s, BROKER);
    kafka_dialer d = client_dialer(5000);
    int64_t before = sim_now_ms(s);
    client_failed(s, kafka_dial_leader(&d, NULL, BROKER, "other", 0, &c), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                  "other");
    sim_check(s, sim_now_ms(s) - before < 5000);
    client_failed(s, kafka_dial_leader(&d, NULL, BROKER, "t", 2, &c), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION,
                  "partition 2");
}

SCENARIO(a_partition_without_a_leader_is_asked_for_until_it_has_one)
{
    peer_cluster *cluster = peer_cluster_new(s);
    peer_cluster_add_topic(cluster, "t", 1, 1);
    peer *p = peer_new(cluster, 1, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_ERROR, .code = KAFKA_ERR_LEADER_NOT_AVAILABLE),
                PEER_ON(KFK_API_METADATA, .action = PEER_ERROR, .code = KAFKA_ERR_LEADER_NOT_AVAILABLE));
    kafka_conn *c = client_dial(s, BROKER);
    sim_check_equal(s, peer_requests(p, KFK_API_METADATA), 3);
    kafka_conn_free(c);
}

SCENARIO(a_partition_that_never_gets_a_leader_costs_exactly_the_timeout)
{
    kafka_conn *c = NULL;
    peer_cluster *cluster = peer_cluster_new(s);
    peer_cluster_add_topic(cluster, "t", 1, -1);
    peer_new(cluster, 1, BROKER);
    kafka_dialer d = client_dialer(3000);
    int64_t before = sim_now_ms(s);
    int code = kafka_dial_leader(&d, NULL, BROKER, "t", 0, &c);
    sim_check(s, code == KAFKA_ETIMEDOUT || code == KAFKA_ERR_LEADER_NOT_AVAILABLE);
    sim_check(s, sim_now_ms(s) - before <= 3000);
}

SCENARIO(a_connection_that_breaks_during_the_search_comes_back)
{
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_CLOSE));
    kafka_conn *c = client_dial(s, BROKER);
    sim_check_equal(s, peer_requests(p, KFK_API_METADATA), 2);
    sim_check_equal(s, peer_route(p)->connects, 3);
    kafka_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(dialling_takes_a_round_trip_to_connect_and_one_to_learn_the_versions),
        MEMCHECK_TEST(a_broker_of_any_age_is_asked_again_in_the_version_it_knows),
        MEMCHECK_TEST(any_of_several_addresses_will_do),
        MEMCHECK_TEST(many_may_dial_at_once),
        MEMCHECK_TEST(a_refused_port_is_named_after_one_round_trip),
        MEMCHECK_TEST(an_unknown_host_is_named),
        MEMCHECK_TEST(a_peer_that_swallows_packets_costs_exactly_the_timeout),
        MEMCHECK_TEST(without_a_timeout_of_the_callers_a_dial_takes_ten_seconds),
        MEMCHECK_TEST(a_resolver_that_hangs_costs_exactly_the_timeout),
        MEMCHECK_TEST(the_earliest_of_timeout_and_deadlines_ends_a_dial),
        MEMCHECK_TEST(the_limits_of_a_dial_do_not_bear_on_the_connection),
        MEMCHECK_TEST(a_deadline_that_has_passed_ends_a_dial_at_once),
        MEMCHECK_TEST(a_peer_that_accepts_and_says_nothing_costs_exactly_the_timeout),
        MEMCHECK_TEST(a_peer_that_hangs_up_on_the_first_request_might_be_a_tls_port),
        MEMCHECK_TEST(a_peer_that_hangs_up_as_soon_as_it_has_accepted_is_noticed_at_once),
        MEMCHECK_TEST(an_answer_to_another_request_is_a_protocol_error),
        MEMCHECK_TEST(a_web_server_is_not_taken_for_a_broker),
        MEMCHECK_TEST(an_answer_with_an_error_code_fails_with_that_code),
        MEMCHECK_TEST(an_answer_that_ends_at_any_byte_is_an_unexpected_end),
        MEMCHECK_TEST(an_answer_that_is_reset_at_any_byte_is_an_unexpected_end),
        MEMCHECK_TEST(an_answer_that_stops_at_any_byte_is_a_timeout),
        MEMCHECK_TEST(a_request_that_is_reset_at_any_byte_is_an_unexpected_end),
        MEMCHECK_TEST(a_request_that_is_lost_from_any_byte_on_is_a_timeout),
        MEMCHECK_TEST(a_token_ends_a_dial_wherever_it_stands),
        MEMCHECK_TEST(a_token_that_has_fired_before_sends_nothing),
        MEMCHECK_TEST(the_leader_is_found_through_any_broker),
        MEMCHECK_TEST(a_broker_that_answers_no_metadata_costs_the_look_up_a_second),
        MEMCHECK_TEST(a_leader_that_cannot_be_reached_explains_advertised_listeners),
        MEMCHECK_TEST(a_topic_that_does_not_exist_is_code_3_within_the_timeout),
        MEMCHECK_TEST(a_partition_without_a_leader_is_asked_for_until_it_has_one),
        MEMCHECK_TEST(a_partition_that_never_gets_a_leader_costs_exactly_the_timeout),
        MEMCHECK_TEST(a_connection_that_breaks_during_the_search_comes_back),
    };
    return RUNNER_MAIN(tests);
}
