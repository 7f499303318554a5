/* Finding the coordinators of groups and transactional ids. */
#include "sim/clusters.h"
#include "wire/gen/find_coordinator.h"
#include <stdio.h>
#include <string.h>

/* Somebody who waits for a coordinator. */
typedef struct seeker {
    kfk_coordinator_wait wait;
    user *user;
    kfk_coordinator_type type;
    const char *key;
    int64_t deadline_ms;
    kfk_cancel *token;
    int32_t gone; /* who is not the coordinator any more */
    bool done;
    int times, code;
    int64_t done_ms;
    char why[KFK_ERROR_TEXT];
} seeker;

static void found(kfk_coordinator_wait *w, const kfk_error *err)
{
    seeker *x = KFK_CONTAINER(w, seeker, wait);
    x->code = err ? err->code : 0;
    if (err) snprintf(x->why, sizeof x->why, "%s", err->text);
    x->done_ms = kfk_loop_now_ms(sim_loop(x->user->sim));
    x->times++;
    x->done = true;
}

static void begin(void *arg)
{
    seeker *x = arg;
    x->wait.done = found;
    kfk_cluster_coordinator_loop(x->user->cluster, x->type, kafka_str(x->key), x->deadline_ms, x->token, &x->wait);
}

static void seek(seeker *x, user *u, const char *key, int64_t within_ms)
{
    *x = (seeker){.user = u, .key = key, .token = x->token, .type = x->type};
    x->deadline_ms = sim_now_ms(u->sim) + within_ms;
    sim_under_baton(u->sim, begin, x);
}

/* Seeks and waits; gives the broker's id, or the error negated. */
static int seek_and_wait(seeker *x, user *u, const char *key, int64_t within_ms)
{
    seek(x, u, key, within_ms);
    sim_wait_for(u->sim, &x->done);
    sim_check_equal(u->sim, x->times, 1);
    return x->code ? -x->code : x->wait.id;
}

static void tell_gone(void *arg)
{
    seeker *x = arg;
    kfk_cluster_coordinator_gone_loop(x->user->cluster, x->type, kafka_str(x->key), x->gone);
}

static void gone(seeker *x, int32_t id)
{
    x->gone = id;
    sim_under_baton(x->user->sim, tell_gone, x);
}

static void cancel(void *arg)
{
    kfk_cluster_coordinator_cancel_loop(&((seeker *)arg)->wait);
}

static int requests(const user *u)
{
    int n = 0;
    for (int id = 1; id <= CLUSTER_BROKERS; id++) n += peer_requests(u->broker[id], KFK_API_FIND_COORDINATOR);
    return n;
}

SCENARIO(a_coordinator_is_asked_for_once_and_kept)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 3);
    user_start(&u);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 3);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 3);
    sim_check_equal(s, sim_now_ms(s), before);
    sim_check_equal(s, requests(&u), 1);
    sim_check_equal(s, user_requests(&u), 0); /* no metadata is needed for it */
    x.type = KFK_COORDINATOR_TXN;
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 3);
    sim_check_equal(s, requests(&u), 2);
    user_end(&u);
}

SCENARIO(several_keys_share_a_request_where_brokers_take_that)
{
    enum { KEYS = 5 };
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e"};
    user u;
    seeker x[KEYS] = {{.user = NULL}};
    bool old = sim_below(s, 2) == 0;
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 2);
    if (old) peer_set_versions(u.broker[1], KFK_API_FIND_COORDINATOR, 0, (int16_t)sim_below(s, 4));
    peer_set_delay_us(u.broker[1], 5000);
    user_start(&u);
    for (int i = 0; i < KEYS; i++) seek(&x[i], &u, keys[i], 5000);
    for (int i = 0; i < KEYS; i++) {
        sim_wait_for(s, &x[i].done);
        sim_check_equal(s, x[i].code, 0);
        sim_check_equal(s, x[i].wait.id, 2);
    }
    sim_check_equal(s, requests(&u), old ? KEYS : 2); /* the first one, and those that came meanwhile */
    user_end(&u);
}

SCENARIO(one_that_is_being_elected_is_asked_for_again_with_growing_pauses)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    user_start(&u);
    seek(&x, &u, "g", 60000);
    sim_sleep_ms(s, 10000);
    sim_check(s, requests(&u) >= 11 && requests(&u) <= 17); /* 0, 0.1, 0.3, 0.7, 1.5, 2.5 ... +- 20 % */
    peer_cluster_set_coordinator(u.peers, 1);
    sim_wait_for(s, &x.done);
    sim_check_equal(s, x.code, 0);
    sim_check(s, x.done_ms <= sim_now_ms(s) + 1300);
    user_end(&u);
}

SCENARIO(one_that_moved_is_asked_for_by_who_needs_it)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 3);
    user_start(&u);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 3);
    peer_stop(u.broker[3]);
    peer_cluster_set_coordinator(u.peers, 2);
    gone(&x, 1); /* somebody who is late */
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 3);
    gone(&x, 3);
    sim_sleep_ms(s, 5000);
    sim_check_equal(s, requests(&u), 1); /* nobody waits */
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 2);
    sim_check(s, sim_now_ms(s) - before <= 10);
    gone(&x, 2);
    before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 2);
    sim_check(s, sim_now_ms(s) - before >= 80 && sim_now_ms(s) - before <= 130); /* no storm */
    user_end(&u);
}

SCENARIO(an_error_that_stays_is_told_at_once)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    PEER_SCRIPT(u.broker[1], PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_FIND_COORDINATOR, .action = PEER_ERROR, .code = KAFKA_ERR_GROUP_AUTHORIZATION_FAILED));
    peer_cluster_set_coordinator(u.peers, 1);
    user_start(&u);
    sim_check_equal(s, seek_and_wait(&x, &u, "secret", 5000), -KAFKA_ERR_GROUP_AUTHORIZATION_FAILED);
    sim_check_text(s, x.why, "finding the coordinator of group secret: ");
    sim_check_equal(s, seek_and_wait(&x, &u, "secret", 5000), 1); /* it is asked for anew */
    user_end(&u);
}

SCENARIO(a_broker_that_does_not_answer_costs_a_second)
{
    user u;
    seeker x = {0};
    asker a;
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 2);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, NULL, &a), 0);
    peer_freeze(u.broker[1]);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 2);
    sim_check_equal(s, sim_now_ms(s) - before, 1000 + CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

SCENARIO(when_the_time_is_up_the_sentence_says_what_happened)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    user_start(&u);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 3000), -KAFKA_ETIMEDOUT);
    sim_check_equal(s, sim_now_ms(s) - before, 3000);
    sim_check_text(s, x.why, "finding the coordinator of group g: the time is up");
    sim_check_text(s, x.why, "Coordinator Not Available");
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_stop(u.broker[id]);
    sim_check_equal(s, seek_and_wait(&x, &u, "h", 3000), -KAFKA_ETIMEDOUT);
    sim_check_text(s, x.why, "10.0.0.1:9092: connect: Connection refused");
    user_end(&u);
}

SCENARIO(brokers_that_are_dead_for_a_while_are_asked_when_they_are_back)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 2);
    peer_stop(u.broker[1]);
    user_start(&u);
    seek(&x, &u, "g", 60000);
    sim_sleep_ms(s, 20000);
    sim_check(s, peer_route(u.broker[1])->connects <= 40);
    peer_start(u.broker[1]);
    int64_t before = sim_now_ms(s);
    sim_wait_for(s, &x.done);
    sim_check_equal(s, x.code, 0);
    sim_check(s, x.done_ms - before <= 1300);
    user_end(&u);
}

static void fire_later(sim *s, void *arg)
{
    sim_sleep_ms(s, (int64_t)sim_below(s, 2000));
    kafka_cancel_fire(arg);
}

SCENARIO(a_token_or_the_owner_ends_a_wait)
{
    user u;
    seeker x = {0}, y = {0};
    kafka_cancel *token;
    sim_check_equal(s, kafka_cancel_new(&token), 0);
    x.token = token;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_spawn(s, "canceller", fire_later, token);
    seek(&y, &u, "g", 60000);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 60000), -KAFKA_ECANCELED);
    sim_under_baton(s, cancel, &y);
    sim_under_baton(s, cancel, &y);
    int n = requests(&u);
    sim_sleep_ms(s, 10000);
    sim_check(s, requests(&u) <= n + 1);
    sim_check_equal(s, y.times, 0);
    kafka_cancel_free(token);
    user_end(&u);
}

/* KIP-219: before version 2 a broker kept the throttle time before it answered. */
SCENARIO(a_throttle_that_a_broker_has_kept_itself_is_not_kept_once_more)
{
    user u;
    asker a;
    seeker x = {0};
    bool old = sim_below(s, 2) == 0;
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 2);
    if (old) peer_set_versions(u.broker[1], KFK_API_FIND_COORDINATOR, 0, 1);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, NULL, &a), 0); /* the connection is there */
    peer_set_throttle_ms(u.broker[1], 500);
    sim_check_equal(s, seek_and_wait(&x, &u, "g", 5000), 2);
    sim_sleep_ms(s, 100);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, seek_and_wait(&x, &u, "h", 5000), 2);
    sim_check_equal(s, sim_now_ms(s) - before, (old ? 0 : 400) + ROUND_TRIP_MS);
    user_end(&u);
}

/* Each kind of question has connections of its own to bootstrap addresses; together they may be more than there is room
 * for. */
SCENARIO(connections_that_hang_make_room_for_a_new_one)
{
#define HANGS PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER), PEER_ON(PEER_ANY, .action = PEER_SILENCE)
    user u;
    asker a;
    seeker group = {0}, txn = {.type = KFK_COORDINATOR_TXN};
    user_init(&u, s, BROKER);
    peer_cluster_set_coordinator(u.peers, 2);
    PEER_SCRIPT(u.broker[1], HANGS, HANGS, HANGS, HANGS, HANGS, HANGS);
#undef HANGS
    user_start(&u);
    seek(&group, &u, "g", 60000);
    sim_sleep_ms(s, 3500);
    seek(&txn, &u, "x", 60000);
    sim_sleep_ms(s, 3500);
    sim_check_equal(s, peer_steps_left(u.broker[1]), 0);
    sim_check(s, !group.done && !txn.done);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_text(s, user_leader(&u, 0), "1/0");
    sim_wait_for(s, &group.done);
    sim_wait_for(s, &txn.done);
    sim_check_equal(s, group.code, 0);
    sim_check_equal(s, txn.code, 0);
    user_end(&u);
}

/* What a hostile broker says. */
static void spoil(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    sim *s = arg;
    kfk_find_coordinator_response *a = answer;
    static const char *const hosts[] = {"", "a b", "h\nforged", "10.0.0.1"};
    static const int32_t numbers[] = {-1, 0, 70000, INT32_MIN, 9092};
    (void)memory;
    if (api->key != KFK_API_FIND_COORDINATOR) return;
    for (int32_t i = 0; i < a->coordinators.count; i++) {
        kfk_find_coordinator_response_coordinator *c = &a->coordinators.items[i];
        c->error_code = (int16_t)(sim_below(s, 2) ? 0 : 15);
        c->node_id = numbers[sim_below(s, 5)];
        c->port = numbers[sim_below(s, 3)];
        c->host = kafka_str(hosts[sim_below(s, 4)]);
        if (sim_chance(s, 3)) c->key = kafka_str("another");
    }
    if (sim_chance(s, 4)) a->coordinators.count = 0;
}

SCENARIO(answers_that_make_no_sense_are_as_good_as_none)
{
    user u;
    seeker x = {0};
    user_init(&u, s, BROKER);
    peer_set_edit(u.broker[1], spoil, s);
    user_start(&u);
    seek(&x, &u, "g", 60000);
    sim_sleep_ms(s, 5000);
    sim_check(s, !x.done);
    sim_check(s, requests(&u) <= 40);
    peer_set_edit(u.broker[1], NULL, NULL);
    peer_cluster_set_coordinator(u.peers, 3);
    sim_wait_for(s, &x.done);
    sim_check_equal(s, x.code, 0);
    sim_check_equal(s, x.wait.id, 3);
    user_end(&u);
}

static const char *const outcomes[] = {"found", "closed", NULL};

SCENARIO_WITH(closing_at_any_moment_tells_all_who_seek, .seeds = 400, .sometimes = outcomes)
{
    user u;
    seeker x[3] = {{.user = NULL}};
    user_init(&u, s, BROKER "," BROKER2);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_set_mischief(u.broker[id], 3);
    if (sim_below(s, 2)) peer_cluster_set_coordinator(u.peers, 2);
    user_start(&u);
    for (int i = 0; i < 3; i++) {
        x[i].type = (kfk_coordinator_type)(i % 2);
        seek(&x[i], &u, "g", 60000);
        sim_sleep_us(s, (int64_t)sim_below(s, 1000000));
    }
    user_end(&u);
    for (int i = 0; i < 3; i++) {
        sim_check_equal(s, x[i].times, 1);
        if (x[i].code == 0) sim_sometimes(s, "found");
        if (x[i].code == KAFKA_ECLOSED) sim_sometimes(s, "closed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_coordinator_is_asked_for_once_and_kept),
        MEMCHECK_TEST(several_keys_share_a_request_where_brokers_take_that),
        MEMCHECK_TEST(one_that_is_being_elected_is_asked_for_again_with_growing_pauses),
        MEMCHECK_TEST(one_that_moved_is_asked_for_by_who_needs_it),
        MEMCHECK_TEST(an_error_that_stays_is_told_at_once),
        MEMCHECK_TEST(a_broker_that_does_not_answer_costs_a_second),
        MEMCHECK_TEST(when_the_time_is_up_the_sentence_says_what_happened),
        MEMCHECK_TEST(brokers_that_are_dead_for_a_while_are_asked_when_they_are_back),
        MEMCHECK_TEST(a_token_or_the_owner_ends_a_wait),
        MEMCHECK_TEST(a_throttle_that_a_broker_has_kept_itself_is_not_kept_once_more),
        MEMCHECK_TEST(connections_that_hang_make_room_for_a_new_one),
        MEMCHECK_TEST(answers_that_make_no_sense_are_as_good_as_none),
        MEMCHECK_TEST(closing_at_any_moment_tells_all_who_seek),
    };
    return RUNNER_MAIN(tests);
}
