/* See the header. All that touches the engine runs under the baton, by submission, as application threads do it. */
#include "sim/clusters.h"
#include <stdio.h>
#include <string.h>

static void parse(user *u, const char *addresses)
{
    for (const char *p = addresses;; p++) {
        size_t len = strcspn(p, ",");
        kfk_hostport_parse(p, len, &u->bootstrap[u->cfg.bootstrap_count++], NULL);
        p += len;
        if (*p == '\0') return;
    }
}

void user_init(user *u, sim *s, const char *addresses)
{
    static const char *const at[] = {NULL, BROKER, BROKER2, BROKER3};
    *u = (user){.sim = s, .peers = peer_cluster_new(s)};
    peer_cluster_add_topic(u->peers, "t", CLUSTER_BROKERS, 1);
    for (int32_t id = 1; id <= CLUSTER_BROKERS; id++) {
        u->broker[id] = peer_new(u->peers, id, at[id]);
        peer_route(u->broker[id])->latency_us = LATENCY_US;
        if (id > 1) peer_cluster_move(u->peers, "t", id - 1, id);
    }
    u->cfg = (kfk_cluster_config){
        .connect = {.loop = sim_loop(s), .client_id = "sim", .fallback_delay_ms = 300, .dual_stack = true}};
    parse(u, addresses);
    u->cfg.bootstrap = u->bootstrap;
}

static void start(void *arg)
{
    user *u = arg;
    u->code = kfk_cluster_new_loop(&u->cfg, &u->cluster);
}

void user_start(user *u)
{
    sim_under_baton(u->sim, start, u);
    sim_check_equal(u->sim, u->code, 0);
}

void user_end(user *u)
{
    kfk_cluster_free(u->cluster);
    u->cluster = NULL;
    sim_sleep_ms(u->sim, 1); /* closing is the loop's */
    sim_check_equal(u->sim, sim_net_open_streams(u->sim), 0);
}

int user_requests(const user *u)
{
    int n = 0;
    for (int id = 1; id <= CLUSTER_BROKERS; id++) n += peer_requests(u->broker[id], KFK_API_METADATA);
    return n;
}

int user_connects(const user *u)
{
    int n = 0;
    for (int id = 1; id <= CLUSTER_BROKERS; id++) n += peer_route(u->broker[id])->connects;
    return n;
}

static void changed(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    user *u = KFK_CONTAINER(w, user, watch);
    (void)t;
    u->told++;
    u->changes |= changes;
}

static void watch(void *arg)
{
    user *u = arg;
    u->watch.changed = changed;
    u->code = kfk_cluster_watch_loop(u->cluster, kafka_str("t"), &u->watch);
}

void user_watch(user *u)
{
    sim_under_baton(u->sim, watch, u);
    sim_check_equal(u->sim, u->code, 0);
}

static void unwatch(void *arg)
{
    user *u = arg;
    kfk_cluster_unwatch_loop(u->cluster, &u->watch);
}

void user_unwatch(user *u)
{
    sim_under_baton(u->sim, unwatch, u);
}

typedef struct question {
    user *user;
    int32_t partition, leader, epoch;
    char text[32];
} question;

static void look(void *arg)
{
    question *q = arg;
    kfk_topic *t = kfk_cluster_topic_loop(q->user->cluster, kafka_str("t"));
    const kfk_partition *p;
    int err = t ? kfk_topic_partition(t, q->partition, &p) : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (err == 0 && p->leader < 0) err = p->error;
    if (err != 0)
        snprintf(q->text, sizeof q->text, "error %d", err);
    else
        snprintf(q->text, sizeof q->text, "%d/%d", (int)p->leader, (int)p->leader_epoch);
}

const char *user_leader(user *u, int32_t partition)
{
    static question q;
    q = (question){.user = u, .partition = partition};
    sim_under_baton(u->sim, look, &q);
    return q.text;
}

static void mark_stale(void *arg)
{
    question *q = arg;
    kfk_topic *t = kfk_cluster_topic_loop(q->user->cluster, kafka_str("t"));
    kfk_cluster_stale_loop(q->user->cluster, t, q->partition, q->leader, q->epoch);
}

void user_stale(user *u, int32_t partition, int32_t leader, int32_t epoch)
{
    question q = {.user = u, .partition = partition, .leader = leader, .epoch = epoch};
    sim_under_baton(u->sim, mark_stale, &q);
}

/* ---- askers ------------------------------------------------------------------------------------------------------ */

static void asker_done(kfk_ask *ask, const kfk_error *err)
{
    asker *a = KFK_CONTAINER(ask, asker, ask);
    a->code = err ? err->code : 0;
    if (err) snprintf(a->why, sizeof a->why, "%s", err->text);
    a->done_ms = kfk_loop_now_ms(sim_loop(a->user->sim));
    a->times++;
    a->done = true;
}

static void begin(void *arg)
{
    asker *a = arg;
    kafka_bytes name = a->topic ? kafka_str(a->topic) : (kafka_bytes){0};
    a->ask.done = asker_done;
    int err = kfk_cluster_ask_loop(a->user->cluster, name, &a->ask);
    if (err == 0) return;
    a->code = err;
    a->done = true;
}

void asker_start(asker *a, user *u, const char *topic)
{
    *a = (asker){.user = u, .topic = topic};
    sim_under_baton(u->sim, begin, a);
}

int user_ask(user *u, const char *topic, asker *a)
{
    asker_start(a, u, topic);
    sim_wait_for(u->sim, &a->done);
    return a->code;
}
