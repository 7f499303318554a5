/* What a client knows of a cluster, and how it finds out: sharing, hedging, limits of rates, leaders that move. */
#include "sim/clusters.h"
#include <stdio.h>
#include <string.h>

/* ---- asking ------------------------------------------------------------------------------------------------------ */

SCENARIO(to_know_a_cluster_takes_one_connection_and_one_request)
{
    user u;
    asker a;
    user_init(&u, s, BROKER "," BROKER2);
    user_start(&u);
    sim_check_equal(s, user_connects(&u), 0);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, a.done_ms - before, CONNECT_MS + ROUND_TRIP_MS);
    sim_check_text(s, user_leader(&u, 0), "1/0");
    sim_check_text(s, user_leader(&u, 1), "2/1");
    sim_check_text(s, user_leader(&u, 2), "3/1");
    sim_check_text(s, user_leader(&u, 3), "error 3");
    sim_sleep_ms(s, 60000); /* nobody watches anything */
    sim_check_equal(s, user_connects(&u), 1);
    sim_check_equal(s, user_requests(&u), 1);
    user_end(&u);
}

SCENARIO(all_who_wait_share_one_request)
{
    enum { WAITING = 10 };
    user u;
    asker a[WAITING], other, brokers;
    user_init(&u, s, BROKER);
    peer_cluster_add_topic(u.peers, "other", 1, 2);
    peer_set_delay_us(u.broker[1], 20000);
    user_start(&u);
    for (int i = 0; i < WAITING; i++) {
        asker_start(&a[i], &u, "t");
        if (i % 3 == 0) sim_sleep_ms(s, 1);
    }
    asker_start(&brokers, &u, NULL);
    asker_start(&other, &u, "other"); /* the request under way does not ask for it */
    sim_wait_for(s, &other.done);
    for (int i = 0; i < WAITING; i++) {
        sim_check_equal(s, a[i].code, 0);
        sim_check_equal(s, a[i].times, 1);
        sim_check(s, a[i].done_ms < other.done_ms);
    }
    sim_check_equal(s, brokers.times, 1);
    sim_check_equal(s, other.code, 0);
    sim_check_equal(s, user_requests(&u), 2);
    user_end(&u);
}

SCENARIO(requests_begin_at_least_100_ms_apart_whoever_asks)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    for (int i = 1; i <= 20; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "t%d", i);
        sim_check_equal(s, user_ask(&u, topic, &a), 0);
        sim_check_equal(s, a.done_ms - before, CONNECT_MS + i * 100 + ROUND_TRIP_MS);
    }
    sim_check_equal(s, user_requests(&u), 21);
    user_end(&u);
}

static void stop_asking(void *arg)
{
    asker *a = arg;
    kfk_cluster_unask_loop(a->user->cluster, &a->ask);
    kfk_cluster_unask_loop(a->user->cluster, &a->ask);
}

SCENARIO(one_who_does_not_wait_any_more_is_not_told)
{
    user u;
    asker a, b;
    user_init(&u, s, BROKER);
    user_start(&u);
    asker_start(&a, &u, "t");
    asker_start(&b, &u, "t");
    sim_under_baton(s, stop_asking, &a);
    sim_wait_for(s, &b.done);
    sim_check_equal(s, a.times, 0);
    user_end(&u);
}

SCENARIO(a_name_that_cannot_be_is_not_asked_for)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "no way", &a), KAFKA_ERR_INVALID_TOPIC);
    sim_check_equal(s, user_ask(&u, "..", &a), KAFKA_ERR_INVALID_TOPIC);
    sim_check_equal(s, user_connects(&u), 0);
    user_end(&u);
}

/* ---- hedging ----------------------------------------------------------------------------------------------------- */

/* Frozen in one of the ways in which a peer may be. */
static void freeze(user *u, int id)
{
    peer_freeze(u->broker[id]);
    if (sim_below(u->sim, 2) == 0) peer_route(u->broker[id])->reach = SIM_BLACKHOLE;
}

SCENARIO(after_a_second_without_an_answer_a_second_broker_is_asked)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    freeze(&u, 1);
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, a.done_ms - before, 1000 + CONNECT_MS + ROUND_TRIP_MS);
    sim_check_equal(s, user_requests(&u), 3);
    before = sim_now_ms(s); /* who answered is asked first from now on */
    sim_sleep_ms(s, 200);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, a.done_ms - before, 200 + ROUND_TRIP_MS);
    sim_check_equal(s, user_requests(&u), 4);
    peer_thaw(u.broker[1]);
    sim_sleep_ms(s, 5);
    user_end(&u);
}

SCENARIO(every_further_second_another_one_is_asked)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    freeze(&u, 1);
    freeze(&u, 2);
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s), took;
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    took = a.done_ms - before;
    sim_check(s, took == 1000 + CONNECT_MS + ROUND_TRIP_MS || took == 2000 + CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

/* A middlebox has forgotten the connection; the broker is well. */
SCENARIO(a_connection_that_hangs_costs_a_second_even_where_there_is_one_broker)
{
    sim_link *link;
    user u;
    asker a;
    user_init(&u, s, BROKER);
    for (int id = 2; id <= CLUSTER_BROKERS; id++) peer_stop(u.broker[id]);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    for (size_t i = 0; (link = sim_net_link(s, i)) != NULL; i++) sim_link_silence(link);
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, a.done_ms - before >= 1000 && a.done_ms - before <= 1200);
    user_end(&u);
}

SCENARIO(an_answer_that_trickles_is_not_waited_for)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    peer_stop(u.broker[1]);
    peer_start(u.broker[1]);
    peer_route(u.broker[2])->bytes_per_s = 100; /* its ApiVersions alone takes many seconds */
    peer_route(u.broker[1])->bytes_per_s = 100;
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, a.done_ms - before <= 2000 + CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

SCENARIO(a_broker_that_fails_costs_no_time)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    peer_stop(u.broker[1]);
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, a.done_ms - before <= 2 * CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

SCENARIO(bootstrap_goes_over_all_addresses_a_second_apart)
{
    user u;
    asker a;
    user_init(&u, s, BROKER "," BROKER2 "," BROKER3);
    freeze(&u, 1);
    freeze(&u, 2);
    user_start(&u);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, a.done_ms - before, 2000 + CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

/* It accepts, says hello, and answers nothing else. */
SCENARIO(a_bootstrap_broker_that_only_says_hello_costs_a_second)
{
    user u;
    asker a;
    user_init(&u, s, BROKER "," BROKER2);
    PEER_SCRIPT(u.broker[1], PEER_ON(KFK_API_API_VERSIONS, .action = PEER_ANSWER),
                PEER_ON(KFK_API_METADATA, .action = PEER_SILENCE));
    user_start(&u);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, a.done_ms - before, CONNECT_MS + 1000 + CONNECT_MS + ROUND_TRIP_MS);
    user_end(&u);
}

/* ---- everything is dead ------------------------------------------------------------------------------------------ */

SCENARIO(when_nobody_can_be_reached_all_are_named_with_why)
{
    user u;
    asker a;
    user_init(&u, s, BROKER ",kafka:1");
    peer_stop(u.broker[1]);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), KAFKA_ERESOLVE);
    sim_check_text(s, a.why, "10.0.0.1:9092: connect: Connection refused");
    sim_check_text(s, a.why, "resolving kafka");
    sim_check_equal(s, user_requests(&u), 0);
    user_end(&u);
}

SCENARIO(a_cluster_that_was_dead_is_found_again_within_about_a_second)
{
    user u;
    asker a;
    bool reset = sim_below(s, 2) == 0;
    user_init(&u, s, BROKER "," BROKER2);
    u.cfg.max_age_ms = 5000;
    user_start(&u);
    user_watch(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) {
        if (reset) peer_stop(u.broker[id]);
        if (!reset) peer_freeze(u.broker[id]);
        if (!reset) peer_route(u.broker[id])->reach = SIM_BLACKHOLE;
    }
    int64_t before = sim_now_ms(s);
    int connects = user_connects(&u);
    sim_sleep_ms(s, 60000);
    /* a few in each second, not a storm */
    sim_check(s, user_connects(&u) - connects <= 60 * 6);
    sim_check(s, user_connects(&u) - connects >= 20);
    peer_cluster_move(u.peers, "t", 0, 3);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) {
        peer_start(u.broker[id]);
        peer_thaw(u.broker[id]);
    }
    while (strcmp(user_leader(&u, 0), "3/1") != 0 && sim_now_ms(s) - before < 70000) sim_sleep_ms(s, 10);
    sim_check(s, sim_now_ms(s) - before <= 60000 + 1400);
    user_end(&u);
}

static void count_line(void *userdata, kafka_log_level level, const char *line)
{
    (void)level;
    (void)line;
    ++*(int *)userdata;
}

/* However many connections are tried: each kind of line comes once a second, after ten at once. */
SCENARIO(a_cluster_that_is_dead_for_long_does_not_fill_the_log)
{
    enum { SECONDS = 120, KINDS = 2 /* a connection failed, there is no metadata */ };
    int lines = 0;
    kfk_log log;
    user u;
    kfk_log_init(&log, &(kafka_logger){.log = count_line, .userdata = &lines, .max_level = KAFKA_LOG_INFO});
    user_init(&u, s, BROKER "," BROKER2 "," BROKER3);
    u.cfg.connect.log = &log;
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 200);
    sim_check_equal(s, lines, 0);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_stop(u.broker[id]);
    user_stale(&u, 0, 1, 0);
    sim_sleep_ms(s, SECONDS * 1000);
    sim_check(s, lines > SECONDS && lines <= KINDS * (SECONDS + 10 + 1));
    user_end(&u);
}

SCENARIO(when_all_known_brokers_are_gone_the_bootstrap_names_are_resolved_again)
{
    user u;
    asker a;
    user_init(&u, s, "kafka");
    sim_name_add(s, "kafka", "10.0.0.1");
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_stop(u.broker[id]);
    peer *moved = peer_new(u.peers, 4, "10.0.0.9:9092");
    snprintf(sim_name_of(s, "kafka")->addresses[0], KFK_ADDRESS_TEXT, "10.0.0.9");
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, a.done_ms - before < 1000);
    sim_check_equal(s, peer_requests(moved, KFK_API_METADATA), 1);
    user_end(&u);
}

SCENARIO(known_brokers_are_preferred_to_bootstrap_addresses)
{
    user u;
    asker a;
    user_init(&u, s, "kafka");
    sim_name_add(s, "kafka", "10.0.0.1");
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_name_of(s, "kafka")->silent = true;
    peer_stop(u.broker[1]);
    sim_sleep_ms(s, 200);
    int64_t before = sim_now_ms(s);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, a.done_ms - before < 20);
    user_end(&u);
}

typedef struct lie {
    peer *peer;
    int16_t code;
    const char *cluster;
    int left;
} lie;

static void tell_lie(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    lie *l = arg;
    kfk_metadata_response *a = answer;
    (void)memory;
    if (api->key != KFK_API_METADATA || l->left == 0) return;
    l->left--;
    a->error_code = l->code;
    if (l->cluster) a->cluster_id = kafka_str(l->cluster);
}

SCENARIO(a_broker_that_says_so_makes_the_client_begin_again)
{
    user u;
    asker a;
    lie l = {.code = KAFKA_ERR_REBOOTSTRAP_REQUIRED, .left = 1};
    user_init(&u, s, BROKER2);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    peer_set_edit(u.broker[2], tell_lie, &l);
    sim_sleep_ms(s, 2000);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, user_connects(&u), 2);
    sim_check_equal(s, user_requests(&u), 3);
    user_end(&u);
}

SCENARIO(one_that_says_so_for_ever_is_not_asked_in_a_loop)
{
    user u;
    asker a;
    lie l = {.code = KAFKA_ERR_REBOOTSTRAP_REQUIRED, .left = 1000000};
    user_init(&u, s, BROKER);
    peer_set_edit(u.broker[1], tell_lie, &l);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 20000);
    sim_check(s, user_requests(&u) > 10 && user_requests(&u) <= 40);
    sim_check(s, user_connects(&u) <= 40);
    l.left = 0;
    sim_check_equal(s, user_ask(&u, "t", &a) == 0 || user_ask(&u, "t", &a) == 0, true);
    user_end(&u);
}

SCENARIO(a_broker_of_another_cluster_is_not_believed_until_the_bootstrap_says_the_same)
{
    user u;
    asker a;
    lie l = {.cluster = "another", .left = 1};
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    peer_set_edit(u.broker[1], tell_lie, &l);
    sim_sleep_ms(s, 2000);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_equal(s, user_requests(&u), 3);
    l.left = 2; /* now it is true */
    sim_sleep_ms(s, 2000);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_text(s, user_leader(&u, 0), "1/0");
    user_end(&u);
}

SCENARIO(in_another_cluster_all_that_is_watched_is_asked_for_anew)
{
    user u;
    asker a;
    lie l = {.cluster = "another", .left = 2}; /* the second time the bootstrap address says so */
    user_init(&u, s, BROKER);
    peer_cluster_add_topic(u.peers, "other", 1, 2);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 2000);
    sim_check_text(s, user_leader(&u, 0), "1/0");
    peer_set_edit(u.broker[1], tell_lie, &l);
    peer_cluster_move(u.peers, "t", 0, 2);
    sim_check_equal(s, user_ask(&u, "other", &a), 0);
    sim_check_equal(s, l.left, 0);
    l.left = 1000000;
    sim_sleep_ms(s, 500);
    sim_check_text(s, user_leader(&u, 0), "2/1");
    user_end(&u);
}

/* ---- leaders ----------------------------------------------------------------------------------------------------- */

SCENARIO(a_leader_that_moved_is_found_by_one_request_for_all_who_noticed)
{
    user u;
    user_init(&u, s, BROKER);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 200);
    sim_check_equal(s, u.told, 1);
    int requests = user_requests(&u);
    peer_cluster_move(u.peers, "t", 0, 2);
    for (int i = 0; i < 5; i++) user_stale(&u, 0, 1, 0);
    sim_sleep_ms(s, 300);
    sim_check_text(s, user_leader(&u, 0), "2/1");
    sim_check_equal(s, u.told, 2);
    sim_check_equal(s, user_requests(&u), requests + 1);
    user_stale(&u, 0, 1, 0); /* one who comes late: it is known already */
    sim_sleep_ms(s, 300);
    sim_check_equal(s, user_requests(&u), requests + 1);
    user_end(&u);
}

typedef struct hint {
    user *user;
    int32_t leader, epoch;
    bool believed;
} hint;

static void give_hint(void *arg)
{
    hint *h = arg;
    kfk_cluster *c = h->user->cluster;
    kfk_topic *t = kfk_cluster_topic_loop(c, kafka_str("t"));
    kafka_bytes no_rack = {0};
    sim_check(h->user->sim, kfk_cluster_topic_by_id_loop(c, &t->id) == t);
    kfk_cluster_learn_loop(c, 9, kafka_str("10.0.0.9"), 9092, no_rack);
    kfk_cluster_learn_loop(c, 10, kafka_str("no host"), 9092, no_rack);
    h->believed = kfk_cluster_hint_loop(c, t, 0, h->leader, h->epoch);
    kfk_cluster_tell_hints_loop(c);
}

/* KIP-951: an answer to Produce or Fetch names the new leader. */
SCENARIO(a_hint_saves_the_request)
{
    user u;
    user_init(&u, s, BROKER);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 200);
    int requests = user_requests(&u);
    hint h = {.user = &u, .leader = 9, .epoch = 1};
    sim_under_baton(s, give_hint, &h);
    sim_check(s, h.believed);
    sim_check_text(s, user_leader(&u, 0), "9/1");
    sim_check_equal(s, u.told, 2);
    user_stale(&u, 0, 1, 0); /* what the answer's code says is known by now */
    sim_sleep_ms(s, 500);
    sim_check_equal(s, user_requests(&u), requests);
    h = (hint){.user = &u, .leader = 2, .epoch = 1};
    sim_under_baton(s, give_hint, &h);
    sim_check(s, !h.believed);
    h = (hint){.user = &u, .leader = 10, .epoch = 7};
    sim_under_baton(s, give_hint, &h);
    sim_check(s, !h.believed);
    sim_check_text(s, user_leader(&u, 0), "9/1");
    user_end(&u);
}

typedef struct everything {
    kfk_topic_watch watch;
    user *user;
    int came, went;
} everything;

static void note_any(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    everything *e = KFK_CONTAINER(w, everything, watch);
    (void)t;
    if (changes & KFK_TOPIC_COUNT) e->came++;
    if (changes & KFK_TOPIC_GONE) e->went++;
}

static void watch_all(void *arg)
{
    everything *e = arg;
    e->watch.changed = note_any;
    sim_check_equal(e->user->sim, kfk_cluster_watch_loop(e->user->cluster, (kafka_bytes){0}, &e->watch), 0);
}

static void unwatch_all(void *arg)
{
    everything *e = arg;
    kfk_cluster_unwatch_loop(e->user->cluster, &e->watch);
}

SCENARIO(who_watches_all_topics_learns_of_new_and_deleted_ones_in_time)
{
    user u;
    everything e = {.user = &u};
    user_init(&u, s, BROKER);
    u.cfg.max_age_ms = 5000;
    u.cfg.shuffle = true;
    user_start(&u);
    sim_under_baton(s, watch_all, &e);
    sim_sleep_ms(s, 200);
    sim_check_equal(s, e.came, 1);
    peer_cluster_add_topic(u.peers, "later", 2, 2);
    sim_sleep_ms(s, 5100);
    sim_check_equal(s, e.came, 2);
    peer_cluster_recreate(u.peers, "t", 0, 0);
    sim_sleep_ms(s, 5100);
    sim_check_equal(s, e.went, 1);
    sim_check_equal(s, user_requests(&u), 3);
    sim_under_baton(s, unwatch_all, &e);
    user_end(&u);
}

/* The answer speaks of the topic, or leaves it out; either way it is what they wait for. */
SCENARIO(who_asks_for_a_topic_while_all_are_asked_for_is_told)
{
    user u;
    asker there, nowhere;
    everything e = {.user = &u};
    user_init(&u, s, BROKER);
    peer_cluster_add_topic(u.peers, "other", 1, 2);
    peer_set_delay_us(u.broker[1], 100000);
    user_start(&u);
    sim_under_baton(s, watch_all, &e);
    sim_sleep_ms(s, 150); /* the request is under way */
    asker_start(&there, &u, "other");
    asker_start(&nowhere, &u, "nowhere");
    sim_sleep_ms(s, 300);
    sim_check_equal(s, there.times, 1);
    sim_check_equal(s, there.code, 0);
    sim_check_equal(s, nowhere.times, 1);
    sim_check_equal(s, nowhere.code, 0);
    sim_under_baton(s, unwatch_all, &e);
    user_end(&u);
}

/* What a broker that is behind says about partition 0. */
static void is_behind(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    kfk_metadata_response *a = answer;
    (void)arg;
    (void)memory;
    if (api->key != KFK_API_METADATA || a->topics.count == 0 || a->topics.items[0].partitions.count == 0) return;
    a->topics.items[0].partitions.items[0].leader_id = 1;
    a->topics.items[0].partitions.items[0].leader_epoch = 0;
    a->topics.items[0].partitions.count = 1;
}

SCENARIO(a_broker_that_is_behind_moves_nothing_back)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    peer_cluster_move(u.peers, "t", 0, 2);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 200);
    sim_check_text(s, user_leader(&u, 0), "2/1");
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_set_edit(u.broker[id], is_behind, NULL);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_text(s, user_leader(&u, 0), "2/1");
    sim_check_text(s, user_leader(&u, 2), "3/1");
    sim_check_equal(s, u.told, 1);
    user_end(&u);
}

SCENARIO(a_topic_that_was_created_anew_is_told)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    for (int i = 0; i < 5; i++) peer_cluster_move(u.peers, "t", 0, 2);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 200);
    sim_check_text(s, user_leader(&u, 0), "2/5");
    peer_cluster_recreate(u.peers, "t", 2, 3);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check(s, u.changes & KFK_TOPIC_NEW_ID);
    sim_check_text(s, user_leader(&u, 0), "3/0");
    sim_check_text(s, user_leader(&u, 2), "error 3");
    user_end(&u);
}

SCENARIO(a_watched_topic_that_is_missing_is_asked_for_until_it_is_there)
{
    user u;
    user_init(&u, s, BROKER);
    peer_cluster_recreate(u.peers, "t", 0, 0);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 20000);
    sim_check(s, user_requests(&u) >= 7 && user_requests(&u) <= 12);
    sim_check_text(s, user_leader(&u, 0), "error 3");
    peer_cluster_recreate(u.peers, "t", 1, 2);
    sim_sleep_ms(s, 6000);
    sim_check_text(s, user_leader(&u, 0), "2/0");
    int requests = user_requests(&u);
    sim_sleep_ms(s, 30000);
    sim_check_equal(s, user_requests(&u), requests);
    user_end(&u);
}

SCENARIO(a_partition_without_leader_is_asked_for_every_second)
{
    user u;
    user_init(&u, s, BROKER);
    peer_cluster_move(u.peers, "t", 1, -1);
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 30000);
    sim_check(s, user_requests(&u) >= 25 && user_requests(&u) <= 40);
    peer_cluster_move(u.peers, "t", 1, 3);
    sim_sleep_ms(s, 1300);
    sim_check_text(s, user_leader(&u, 1), "3/3");
    user_end(&u);
}

SCENARIO(what_is_watched_is_refreshed_at_its_maximal_age)
{
    user u;
    user_init(&u, s, BROKER);
    u.cfg.max_age_ms = 5000;
    user_start(&u);
    user_watch(&u);
    sim_sleep_ms(s, 4990);
    sim_check_equal(s, user_requests(&u), 1);
    sim_sleep_ms(s, 20);
    sim_check_equal(s, user_requests(&u), 2);
    sim_sleep_ms(s, 50000); /* the age counts from the answer */
    sim_check_equal(s, user_requests(&u), 11);
    user_unwatch(&u);
    sim_sleep_ms(s, 50000);
    sim_check_equal(s, user_requests(&u), 11);
    user_end(&u);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

typedef struct opening {
    user *user;
    int32_t id;
    kfk_link_kind kind;
    kfk_broker *broker;
    int64_t retry_at_ms;
    int code;
    kfk_error error;
} opening;

static void open_link(void *arg)
{
    opening *o = arg;
    o->code = kfk_cluster_link_loop(o->user->cluster, o->id, o->kind, &o->broker, &o->retry_at_ms, &o->error);
}

static int try_open(opening *o)
{
    sim_under_baton(o->user->sim, open_link, o);
    return o->code;
}

SCENARIO(a_broker_is_connected_to_when_it_is_needed_once_for_each_kind)
{
    user u;
    asker a;
    user_init(&u, s, BROKER);
    user_start(&u);
    opening o = {.user = &u, .id = 2, .kind = KFK_LINK_PRODUCE};
    sim_check_equal(s, try_open(&o), KAFKA_ERR_BROKER_NOT_AVAILABLE);
    sim_check_equal(s, user_ask(&u, NULL, &a), 0);
    for (int i = 0; i < 3; i++) {
        sim_check_equal(s, try_open(&o), 0);
        sim_sleep_ms(s, 5);
    }
    sim_check_equal(s, peer_route(u.broker[2])->connects, 1);
    o.kind = KFK_LINK_FETCH;
    sim_check_equal(s, try_open(&o), 0);
    sim_check_equal(s, peer_route(u.broker[2])->connects, 2);
    o.id = 1; /* the connection to the bootstrap address is the one to broker 1 */
    o.kind = KFK_LINK_CONTROL;
    sim_check_equal(s, try_open(&o), 0);
    sim_check_equal(s, peer_route(u.broker[1])->connects, 1);
    o.id = 77;
    sim_check_equal(s, try_open(&o), KAFKA_ERR_BROKER_NOT_AVAILABLE);
    user_end(&u);
}

SCENARIO_WITH(a_broker_is_not_connected_to_more_than_ten_times_in_a_second, .parts = 10)
{
    user u;
    asker a;
    int64_t connected[256];
    int count = 0;
    bool refuses = sim_below(s, 2) == 0; /* or hangs up as soon as it is connected to */
    user_init(&u, s, BROKER);
    user_start(&u);
    sim_check_equal(s, user_ask(&u, NULL, &a), 0);
    if (refuses) peer_stop(u.broker[2]);
    int64_t before = sim_now_ms(s);
    while (sim_now_ms(s) - before < 10000 && count < 256) { /* ten parts, a second each */
        for (int kind = KFK_LINK_PRODUCE; kind < KFK_LINK_KINDS && count < 256; kind++) {
            opening o = {.user = &u, .id = 2, .kind = (kfk_link_kind)kind};
            int connects = peer_route(u.broker[2])->connects;
            try_open(&o);
            if (peer_route(u.broker[2])->connects > connects) connected[count++] = sim_now_ms(s);
            if (o.code == KAFKA_EAGAIN) sim_check(s, o.retry_at_ms > sim_now_ms(s));
        }
        sim_sleep_ms(s, 5);
        if (!refuses) peer_stop(u.broker[2]);
        if (!refuses) peer_start(u.broker[2]);
    }
    sim_check(s, count > 20);
    for (int i = 10; i < count; i++) sim_check(s, connected[i] - connected[i - 10] >= 1000);
    user_end(&u);
}

/* Another cluster may have its address by now: what is meant for the one must not reach the other. */
SCENARIO(a_broker_that_was_forgotten_is_not_connected_to)
{
    user u;
    asker a;
    lie l = {.code = KAFKA_ERR_REBOOTSTRAP_REQUIRED, .left = 1};
    user_init(&u, s, "kafka");
    sim_name_add(s, "kafka", "10.0.0.1");
    user_start(&u);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    opening o = {.user = &u, .id = 2, .kind = KFK_LINK_PRODUCE};
    sim_check_equal(s, try_open(&o), 0);
    sim_sleep_ms(s, 200);
    peer_set_edit(u.broker[1], tell_lie, &l);
    sim_name_of(s, "kafka")->silent = true;
    asker_start(&a, &u, "t");
    sim_sleep_ms(s, 500);
    sim_check_equal(s, l.left, 0);
    sim_check_equal(s, try_open(&o), KAFKA_ERR_BROKER_NOT_AVAILABLE);
    sim_check_equal(s, peer_route(u.broker[2])->connects, 1);
    user_end(&u);
}

/* ---- hostile answers --------------------------------------------------------------------------------------------- */

static int32_t any_int(sim *s)
{
    static const int32_t some[] = {-1, -7, 0, 1, 2, 3, 70000, INT32_MAX, INT32_MIN, 65536};
    return some[sim_below(s, sizeof some / sizeof some[0])];
}

static void spoil_topic(sim *s, kfk_metadata_response_topic *t, kfk_arena *memory)
{
    static const char *const names[] = {"", "..", "t", "u", "bad name", "x\ny"};
    if (sim_chance(s, 3)) t->name = kafka_str(names[sim_below(s, 6)]);
    if (sim_chance(s, 3)) t->error_code = (int16_t)any_int(s);
    if (sim_chance(s, 3)) t->topic_id.bytes[sim_below(s, 16)] ^= 1;
    int32_t count = (int32_t)sim_below(s, 6);
    t->partitions.items = kfk_arena_array(memory, (size_t)count + 1, sizeof *t->partitions.items);
    t->partitions.count = count;
    for (int32_t i = 0; i < count; i++) {
        t->partitions.items[i] = (kfk_metadata_response_partition){.error_code = (int16_t)any_int(s),
                                                                   .partition_index = any_int(s),
                                                                   .leader_id = any_int(s),
                                                                   .leader_epoch = any_int(s)};
    }
}

static void spoil(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    sim *s = arg;
    kfk_metadata_response *a = answer;
    static const char *const hosts[] = {"", "h", "a b", "h\nforged", "127.0.0.1", "10.0.0.1"};
    if (api->key != KFK_API_METADATA) return;
    for (int32_t i = 0; i < a->brokers.count; i++) {
        if (sim_chance(s, 2)) a->brokers.items[i].node_id = any_int(s);
        if (sim_chance(s, 2)) a->brokers.items[i].port = any_int(s);
        if (sim_chance(s, 2)) a->brokers.items[i].host = kafka_str(hosts[sim_below(s, 6)]);
    }
    if (sim_chance(s, 8)) a->brokers.count = 0;
    if (sim_chance(s, 8)) a->topics.count = 0;
    for (int32_t i = 0; i < a->topics.count; i++) spoil_topic(s, &a->topics.items[i], memory);
    a->controller_id = any_int(s);
}

SCENARIO_WITH(answers_that_make_no_sense_do_no_harm, .seeds = 400)
{
    user u;
    asker a;
    user_init(&u, s, BROKER "," BROKER2);
    user_start(&u);
    user_watch(&u);
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_set_edit(u.broker[id], spoil, s);
    for (int i = 0; i < 5; i++) {
        asker_start(&a, &u, "t");
        while (!a.done) sim_sleep_ms(s, 50);
        sim_sleep_ms(s, (int64_t)sim_below(s, 2000));
    }
    for (int id = 1; id <= CLUSTER_BROKERS; id++) peer_set_edit(u.broker[id], NULL, NULL);
    peer_cluster_recreate(u.peers, "t", 1, 2); /* ids and epochs that were made up are void */
    int code = -1;
    for (int i = 0; i < 20 && code != 0; i++) {
        sim_sleep_ms(s, 1000);
        code = user_ask(&u, "t", &a);
    }
    sim_check_equal(s, code, 0);
    sim_check_text(s, user_leader(&u, 0), "2/0");
    user_end(&u);
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static const char *const outcomes[] = {"answered", "closed", NULL};

SCENARIO_WITH(closing_at_any_moment_tells_all_who_wait_and_leaves_nothing, .seeds = 400, .sometimes = outcomes)
{
    user u;
    asker a[4];
    user_init(&u, s, BROKER "," BROKER2 ",kafka");
    for (int id = 1; id <= CLUSTER_BROKERS; id++) {
        peer_set_mischief(u.broker[id], 3);
        if (sim_chance(s, 4)) freeze(&u, id);
    }
    user_start(&u);
    user_watch(&u);
    for (int i = 0; i < 4; i++) {
        asker_start(&a[i], &u, i % 2 ? "t" : "u");
        sim_sleep_us(s, (int64_t)sim_below(s, 500000));
    }
    user_end(&u);
    for (int i = 0; i < 4; i++) {
        sim_check(s, a[i].done);
        sim_check_equal(s, a[i].times, 1);
        if (a[i].code == KAFKA_ECLOSED) sim_sometimes(s, "closed");
        if (a[i].code == 0) sim_sometimes(s, "answered");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(to_know_a_cluster_takes_one_connection_and_one_request),
        MEMCHECK_TEST(all_who_wait_share_one_request),
        MEMCHECK_TEST(requests_begin_at_least_100_ms_apart_whoever_asks),
        MEMCHECK_TEST(one_who_does_not_wait_any_more_is_not_told),
        MEMCHECK_TEST(a_name_that_cannot_be_is_not_asked_for),
        MEMCHECK_TEST(after_a_second_without_an_answer_a_second_broker_is_asked),
        MEMCHECK_TEST(every_further_second_another_one_is_asked),
        MEMCHECK_TEST(a_connection_that_hangs_costs_a_second_even_where_there_is_one_broker),
        MEMCHECK_TEST(an_answer_that_trickles_is_not_waited_for),
        MEMCHECK_TEST(a_broker_that_fails_costs_no_time),
        MEMCHECK_TEST(bootstrap_goes_over_all_addresses_a_second_apart),
        MEMCHECK_TEST(a_bootstrap_broker_that_only_says_hello_costs_a_second),
        MEMCHECK_TEST(when_nobody_can_be_reached_all_are_named_with_why),
        MEMCHECK_TEST(a_cluster_that_was_dead_is_found_again_within_about_a_second),
        MEMCHECK_TEST(a_cluster_that_is_dead_for_long_does_not_fill_the_log),
        MEMCHECK_TEST(when_all_known_brokers_are_gone_the_bootstrap_names_are_resolved_again),
        MEMCHECK_TEST(known_brokers_are_preferred_to_bootstrap_addresses),
        MEMCHECK_TEST(a_broker_that_says_so_makes_the_client_begin_again),
        MEMCHECK_TEST(one_that_says_so_for_ever_is_not_asked_in_a_loop),
        MEMCHECK_TEST(a_broker_of_another_cluster_is_not_believed_until_the_bootstrap_says_the_same),
        MEMCHECK_TEST(in_another_cluster_all_that_is_watched_is_asked_for_anew),
        MEMCHECK_TEST(a_leader_that_moved_is_found_by_one_request_for_all_who_noticed),
        MEMCHECK_TEST(a_hint_saves_the_request),
        MEMCHECK_TEST(who_watches_all_topics_learns_of_new_and_deleted_ones_in_time),
        MEMCHECK_TEST(who_asks_for_a_topic_while_all_are_asked_for_is_told),
        MEMCHECK_TEST(a_broker_that_is_behind_moves_nothing_back),
        MEMCHECK_TEST(a_topic_that_was_created_anew_is_told),
        MEMCHECK_TEST(a_watched_topic_that_is_missing_is_asked_for_until_it_is_there),
        MEMCHECK_TEST(a_partition_without_leader_is_asked_for_every_second),
        MEMCHECK_TEST(what_is_watched_is_refreshed_at_its_maximal_age),
        MEMCHECK_TEST(a_broker_is_connected_to_when_it_is_needed_once_for_each_kind),
        MEMCHECK_TEST(a_broker_that_was_forgotten_is_not_connected_to),
        MEMCHECK_TEST(a_broker_is_not_connected_to_more_than_ten_times_in_a_second),
        MEMCHECK_TEST(answers_that_make_no_sense_do_no_harm),
        MEMCHECK_TEST(closing_at_any_moment_tells_all_who_wait_and_leaves_nothing),
    };
    return RUNNER_MAIN(tests);
}
