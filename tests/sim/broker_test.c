/* The engine's connection to one broker: reconnecting, pipelining, deadlines of requests; below the public
 * interface. */
#include "base/time.h"
#include "engine/broker.h"
#include "sim/client.h"
#include "wire/gen/metadata.h"
#include <stdio.h>
#include <string.h>

enum { REQUESTS = 6, LOSSES = 64, LATENCY_US = 500, ROUND_TRIP_MS = 1 };

typedef struct user user;

typedef struct call {
    kfk_request request;
    kfk_metadata_request message;
    kfk_metadata_response answer;
    user *user;
    int64_t timeout_ms, done_ms;
    int code, times_done, order;
    bool touched, done;
    char why[KFK_ERROR_TEXT];
} call;

struct user {
    sim *sim;
    kfk_broker *broker;
    kfk_broker_config cfg;
    call calls[REQUESTS];
    int next_order;
    int ready, losses;
    int64_t lost_ms[LOSSES];
    kfk_error last;
    bool freed;
};

static void changed(void *owner, kfk_broker *b, const kfk_error *err)
{
    user *u = owner;
    (void)b;
    if (!err) {
        u->ready++;
        return;
    }
    u->last = *err;
    if (u->losses < LOSSES) u->lost_ms[u->losses++] = kfk_loop_now_ms(sim_loop(u->sim));
}

static void user_init(user *u, sim *s, bool reconnect)
{
    *u = (user){.sim = s};
    u->cfg = (kfk_broker_config){
        .loop = sim_loop(s),
        .client_id = "sim",
        .connect_timeout_ms = 5000,
        .fallback_delay_ms = 300,
        .dual_stack = true,
        .reconnect = reconnect,
        .changed = changed,
        .owner = u,
    };
    kfk_hostport_parse(BROKER, strlen(BROKER), &u->cfg.address, NULL);
    sim_net_route(s, BROKER)->latency_us = LATENCY_US;
}

static void user_start(user *u)
{
    sim_check_equal(u->sim, kfk_broker_new(&u->cfg, &u->broker), 0);
}

static void free_broker(void *arg)
{
    user *u = arg;
    kfk_broker_free_loop(u->broker);
}

static void user_end(user *u)
{
    sim_under_baton(u->sim, free_broker, u);
    for (int i = 0; i < REQUESTS; i++) {
        if (u->calls[i].user) sim_check_equal(u->sim, u->calls[i].times_done, 1);
    }
}

static void call_done(kfk_request *r, const kfk_error *err)
{
    call *c = KFK_CONTAINER(r, call, request);
    c->code = err ? err->code : 0;
    if (err) snprintf(c->why, sizeof c->why, "%s", err->text);
    c->touched = r->touched;
    c->done_ms = kfk_loop_now_ms(sim_loop(c->user->sim));
    c->order = c->user->next_order++;
    c->times_done++;
    c->done = true;
    kfk_request_fini(r);
}

static void send_call(void *arg)
{
    call *c = arg;
    kfk_request_init(&c->request, KFK_API_METADATA);
    kfk_codec_default(c->request.api->request, &c->message);
    c->message.topics.count = -1;
    c->request.min_version = 1;
    c->request.message = &c->message;
    c->request.response = &c->answer;
    c->request.timeout_ms = c->timeout_ms;
    c->request.done = call_done;
    kfk_broker_send_loop(c->user->broker, &c->request);
}

static call *ask(user *u, int index, int64_t timeout_ms)
{
    call *c = &u->calls[index];
    c->user = u;
    c->timeout_ms = timeout_ms;
    sim_under_baton(u->sim, send_call, c);
    return c;
}

/* ---- reconnecting ------------------------------------------------------------------------------------------------ */

static const char *const both_sides[] = {"a pause was shorter than nominal", "a pause was longer than nominal", NULL};

SCENARIO_WITH(the_pauses_between_attempts_grow_to_a_second_with_a_fifth_of_jitter, .sometimes = both_sides)
{
    static user u;
    user_init(&u, s, true);
    user_start(&u);
    call *c = ask(&u, 0, 8000);
    int64_t asked = sim_now_ms(s), pause = 100;
    sim_wait_for(s, &c->done);
    sim_check_equal(s, c->code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, c->done_ms - asked, 8000);
    sim_check(s, !c->touched);
    sim_check_text(s, c->why, "Connection refused");
    sim_check(s, u.losses >= 8 && u.ready == 0);
    for (int i = 1; i < u.losses; i++) {
        int64_t took = u.lost_ms[i] - u.lost_ms[i - 1] - ROUND_TRIP_MS;
        sim_check(s, took >= pause - pause / 5 && took <= pause + pause / 5);
        if (took < pause) sim_sometimes(s, both_sides[0]);
        if (took > pause) sim_sometimes(s, both_sides[1]);
        pause = pause * 2 > 1000 ? 1000 : pause * 2;
    }
    user_end(&u);
}

SCENARIO(without_something_to_send_it_does_not_connect_again)
{
    static user u;
    user_init(&u, s, true);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_CLOSE));
    user_start(&u);
    call *c = ask(&u, 0, 1000);
    sim_wait_for(s, &c->done);
    sim_check_equal(s, c->code, KAFKA_EUNEXPECTED_EOF);
    sim_sleep_ms(s, 60000);
    sim_check_equal(s, peer_route(p)->connects, 1);
    user_end(&u);
}

SCENARIO(a_request_waits_for_a_broker_that_is_away_and_is_sent_when_it_is_back)
{
    static user u;
    user_init(&u, s, true);
    peer *p = peer_alone(s, BROKER);
    peer_route(p)->reach = SIM_REFUSES;
    user_start(&u);
    call *c = ask(&u, 0, 30000);
    int64_t away = (int64_t)sim_below(s, 5000);
    sim_sleep_ms(s, away);
    peer_route(p)->reach = SIM_ANSWERS;
    int64_t back = sim_now_ms(s);
    sim_wait_for(s, &c->done);
    sim_check_equal(s, c->code, 0);
    sim_check(s, c->done_ms - back <= 1200 + 3 * ROUND_TRIP_MS);
    sim_check_equal(s, u.ready, 1);
    user_end(&u);
}

/* Requests 1 and 2 are sent and lost with the connection; 3 comes afterwards and waits for the next one. */
SCENARIO(what_was_sent_fails_with_the_connection_and_what_comes_later_waits_for_the_next)
{
    static user u;
    user_init(&u, s, true);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_RESET, .delay_ms = 50));
    user_start(&u);
    call *first = ask(&u, 0, 30000);
    sim_wait_for(s, &first->done);
    call *one = ask(&u, 1, 30000), *two = ask(&u, 2, 30000);
    sim_wait_for(s, &one->done);
    sim_wait_for(s, &two->done);
    sim_check_equal(s, one->code, KAFKA_EIO);
    sim_check_equal(s, two->code, KAFKA_EIO);
    sim_check(s, one->touched && two->touched);
    sim_check_equal(s, u.losses, 1);
    call *three = ask(&u, 3, 30000);
    sim_wait_for(s, &three->done);
    sim_check_equal(s, three->code, 0);
    int64_t took = three->done_ms - u.lost_ms[0] - 3 * ROUND_TRIP_MS;
    sim_check(s, took >= 80 && took <= 120);
    user_end(&u);
}

SCENARIO(an_attempt_that_gets_no_answer_ends_at_the_connect_timeout)
{
    static user u;
    user_init(&u, s, false);
    sim_net_route(s, BROKER)->reach = SIM_BLACKHOLE;
    u.cfg.connect_timeout_ms = 1 + (int64_t)sim_below(s, 9000);
    user_start(&u);
    int64_t before = sim_now_ms(s);
    call *c = ask(&u, 0, 60000);
    sim_wait_for(s, &c->done);
    sim_check_equal(s, c->code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, c->done_ms - before, u.cfg.connect_timeout_ms);
    sim_check_text(s, u.last.text, "connecting to 10.0.0.1:9092");
    call *later = ask(&u, 1, 60000);
    sim_check(s, later->done && later->code == KAFKA_ETIMEDOUT);
    user_end(&u);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

SCENARIO(requests_are_pipelined_and_answered_in_order)
{
    static user u;
    user_init(&u, s, false);
    peer *p = peer_alone(s, BROKER);
    peer_set_delay_us(p, (int64_t)sim_below(s, 3000));
    user_start(&u);
    for (int i = 0; i < REQUESTS; i++) {
        ask(&u, i, 30000);
        sim_sleep_us(s, (int64_t)sim_below(s, 1000));
    }
    for (int i = 0; i < REQUESTS; i++) {
        sim_wait_for(s, &u.calls[i].done);
        sim_check_equal(s, u.calls[i].code, 0);
        sim_check_equal(s, u.calls[i].order, i);
        sim_check_equal(s, u.calls[i].touched, true);
    }
    sim_check_equal(s, peer_route(p)->connects, 1);
    user_end(&u);
}

SCENARIO(a_request_that_is_not_answered_in_its_time_ends_the_connection)
{
    static user u;
    user_init(&u, s, true);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_SILENCE));
    user_start(&u);
    int64_t before = sim_now_ms(s), timeout = 100 + (int64_t)sim_below(s, 2000);
    call *one = ask(&u, 0, timeout), *two = ask(&u, 1, 60000);
    sim_wait_for(s, &one->done);
    sim_wait_for(s, &two->done);
    sim_check_equal(s, one->done_ms - before, timeout);
    sim_check_equal(s, two->done_ms, one->done_ms);
    sim_check_equal(s, one->code, KAFKA_ETIMEDOUT);
    sim_check_text(s, one->why, "no answer to Metadata");
    call *three = ask(&u, 2, 60000);
    sim_wait_for(s, &three->done);
    sim_check_equal(s, three->code, 0);
    user_end(&u);
}

/* The broker is busy with the first for 300 ms, and never answers the third. */
SCENARIO(the_time_of_a_request_counts_from_when_the_broker_can_turn_to_it)
{
    static user u;
    user_init(&u, s, false);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_ANSWER, .delay_ms = 300),
                PEER_ON(KFK_API_METADATA, .action = PEER_ANSWER), PEER_ON(KFK_API_METADATA, .action = PEER_SILENCE));
    user_start(&u);
    call *one = ask(&u, 0, 1000), *two = ask(&u, 1, 200), *three = ask(&u, 2, 150);
    sim_wait_for(s, &one->done);
    sim_wait_for(s, &two->done);
    sim_check(s, one->code == 0 && two->code == 0);
    sim_wait_for(s, &three->done);
    sim_check_equal(s, three->code, KAFKA_ETIMEDOUT);
    sim_check_equal(s, three->done_ms - two->done_ms, 150);
    user_end(&u);
}

/* The first fills the window, so that the second is encoded and has to wait; the next connection knows other
 * versions. */
static const char *const sent_again[] = {"the second was sent over the next connection", NULL};

SCENARIO_WITH(what_was_encoded_but_not_sent_is_encoded_anew_for_the_next_connection, .sometimes = sent_again)
{
    static user u;
    user_init(&u, s, true);
    peer *p = peer_alone(s, BROKER);
    user_start(&u);
    call *first = ask(&u, 0, 30000);
    sim_wait_for(s, &first->done);
    int64_t before = sim_link_delivered_up(sim_net_last_link(s));
    call *second = ask(&u, 1, 30000);
    sim_wait_for(s, &second->done);
    int64_t one = sim_link_delivered_up(sim_net_last_link(s)) - before;
    peer_route(p)->window = (size_t)one;
    sim_link_reset(sim_net_last_link(s));
    sim_sleep_ms(s, 500);
    call *again = ask(&u, 2, 30000);
    sim_wait_for(s, &again->done);
    sim_check_equal(s, again->code, 0);
    sim_sleep_ms(s, 10);
    ask(&u, 3, 30000);
    call *waits = ask(&u, 4, 30000);
    sim_link_reset(sim_net_last_link(s));
    peer_set_versions(p, KFK_API_METADATA, 0, 5);
    peer_route(p)->window = 64 * 1024;
    sim_wait_for(s, &waits->done);
    if (waits->code == 0) sim_sometimes(s, sent_again[0]);
    user_end(&u);
}

static void withdraw_call(void *arg)
{
    call *c = arg;
    kfk_broker_withdraw_loop(c->user->broker, &c->request);
}

SCENARIO(a_request_is_taken_back_as_long_as_nothing_was_sent)
{
    static user u;
    user_init(&u, s, false);
    peer *p = peer_alone(s, BROKER);
    user_start(&u);
    call *c = ask(&u, 0, 30000);
    sim_sleep_us(s, (int64_t)sim_below(s, 13) * LATENCY_US);
    if (!c->done) sim_under_baton(s, withdraw_call, c);
    sim_wait_for(s, &c->done);
    sim_check_equal(s, c->code, c->touched ? 0 : KAFKA_ECANCELED);
    sim_sleep_ms(s, 100);
    sim_check_equal(s, peer_requests(p, KFK_API_METADATA), c->touched);
    user_end(&u);
}

SCENARIO(freeing_it_ends_every_request_at_once)
{
    static user u;
    user_init(&u, s, sim_below(s, 2) == 0);
    peer *p = peer_alone(s, BROKER);
    PEER_SCRIPT(p, PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_SILENCE));
    user_start(&u);
    for (int i = 0; i < REQUESTS; i++) ask(&u, i, 30000);
    sim_sleep_us(s, (int64_t)sim_below(s, 17) * LATENCY_US); /* at moments when other things happen, too */
    int64_t before = sim_now_ms(s);
    int losses = u.losses;
    user_end(&u);
    for (int i = 0; i < REQUESTS; i++) {
        sim_check_equal(s, u.calls[i].code, KAFKA_ECLOSED);
        sim_check_equal(s, u.calls[i].done_ms, before);
    }
    sim_check_equal(s, u.losses, losses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_pauses_between_attempts_grow_to_a_second_with_a_fifth_of_jitter),
        MEMCHECK_TEST(without_something_to_send_it_does_not_connect_again),
        MEMCHECK_TEST(a_request_waits_for_a_broker_that_is_away_and_is_sent_when_it_is_back),
        MEMCHECK_TEST(what_was_sent_fails_with_the_connection_and_what_comes_later_waits_for_the_next),
        MEMCHECK_TEST(an_attempt_that_gets_no_answer_ends_at_the_connect_timeout),
        MEMCHECK_TEST(requests_are_pipelined_and_answered_in_order),
        MEMCHECK_TEST(a_request_that_is_not_answered_in_its_time_ends_the_connection),
        MEMCHECK_TEST(the_time_of_a_request_counts_from_when_the_broker_can_turn_to_it),
        MEMCHECK_TEST(what_was_encoded_but_not_sent_is_encoded_anew_for_the_next_connection),
        MEMCHECK_TEST(a_request_is_taken_back_as_long_as_nothing_was_sent),
        MEMCHECK_TEST(freeing_it_ends_every_request_at_once),
    };
    return RUNNER_MAIN(tests);
}
