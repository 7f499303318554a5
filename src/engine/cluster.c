/* The object, and what others may ask of it. What it does stands in refresh.c, discover.c, seeds.c, links.c and
 * coordinator.c; what it knows in topics.c and brokers.c.
 *
 * It is counted: its owner and each request under way hold a reference. Closing ends all requests, so that the owner's
 * is the last, but for a callback that is in the middle of one. */
#include "engine/cluster.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/cluster_impl.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MAX_AGE_MS = 5 * 60 * 1000, REQUEST_TIMEOUT_MS = 30000, CONNECT_TIMEOUT_MS = 10000 };

/* ---- birth and death --------------------------------------------------------------------------------------------- */

static void free_cluster(kfk_cluster *c)
{
    kfk_loop *l = c->loop;
    kfk_links_sweep(c);
    kfk_topics_fini(&c->topics);
    kfk_brokers_fini(&c->brokers);
    kfk_coordinators_fini(c);
    kfk_mem_free(c->bootstrap);
    kfk_mem_free(c->client_id);
    kfk_mem_free(c->id);
    kfk_mem_free(c);
    kfk_loop_drop(l);
}

static void close_run(kfk_task *t)
{
    kfk_cluster *c = KFK_CONTAINER(t, kfk_cluster, close_task);
    kfk_cluster_close_loop(c);
    kfk_cluster_drop(c);
}

static void fill(kfk_cluster *c, const kfk_cluster_config *cfg)
{
    c->cfg = *cfg;
    if (cfg->connect.log) c->log = *cfg->connect.log;
    c->cfg.connect.log = &c->log;
    c->cfg.connect.lost_lines = &c->lost_lines;
    c->cfg.connect.client_id = c->client_id;
    c->cfg.connect.reconnect = false;
    c->cfg.connect.changed = kfk_links_changed;
    c->cfg.connect.owner = c;
    if (c->cfg.connect.connect_timeout_ms == 0) c->cfg.connect.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (c->cfg.max_age_ms == 0) c->cfg.max_age_ms = MAX_AGE_MS;
    if (c->cfg.request_timeout_ms == 0) c->cfg.request_timeout_ms = REQUEST_TIMEOUT_MS;
    memcpy(c->bootstrap, cfg->bootstrap, cfg->bootstrap_count * sizeof *c->bootstrap);
    c->cfg.bootstrap = c->bootstrap;
}

int kfk_cluster_new_loop(const kfk_cluster_config *cfg, kfk_cluster **out)
{
    kfk_cluster *c = kfk_mem_zalloc(sizeof *c);
    if (!c) return KAFKA_ENOMEM;
    c->client_id = kfk_mem_strdup(cfg->connect.client_id);
    c->bootstrap = kfk_mem_array(cfg->bootstrap_count, sizeof *c->bootstrap);
    if (!c->client_id || !c->bootstrap) {
        kfk_mem_free(c->client_id);
        kfk_mem_free(c->bootstrap);
        kfk_mem_free(c);
        return KAFKA_ENOMEM;
    }
    fill(c, cfg);
    kfk_ref_init(&c->ref);
    c->loop = kfk_loop_hold(cfg->connect.loop);
    c->controller = -1;
    c->close_task.run = close_run;
    kfk_brokers_init(&c->brokers, kfk_loop_random(c->loop));
    c->brokers.moved = kfk_links_moved;
    kfk_topics_init(&c->topics, kfk_loop_random(c->loop));
    kfk_list_init(&c->discoveries);
    kfk_list_init(&c->orphans);
    kfk_seeds_init(c);
    kfk_refresh_init(c);
    kfk_coordinators_init(c);
    *out = c;
    return 0;
}

kfk_cluster *kfk_cluster_hold(kfk_cluster *c)
{
    kfk_ref_hold(&c->ref);
    return c;
}

void kfk_cluster_drop(kfk_cluster *c)
{
    if (!kfk_ref_drop(&c->ref)) return;
    assert(c->closed);
    free_cluster(c);
}

kfk_loop *kfk_cluster_loop(const kfk_cluster *c)
{
    return c->loop;
}

void kfk_cluster_close_loop(kfk_cluster *c)
{
    assert(kfk_loop_held(c->loop));
    if (c->closed) return;
    kfk_error why;
    kfk_error_set(&why, KAFKA_ECLOSED, "the client was closed");
    kfk_cluster_hold(c);
    c->closed = c->topics.closed = true;
    kfk_coordinators_close_loop(c, &why);
    kfk_refresh_close_loop(c, &why);
    kfk_seeds_close_loop(c);
    kfk_links_close_all_loop(c);
    kfk_cluster_drop(c);
}

void kfk_cluster_free(kfk_cluster *c)
{
    kfk_loop *l = kfk_loop_hold(c->loop);
    kfk_loop_submit(l, &c->close_task);
    kfk_loop_drop(l);
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

int kfk_cluster_watch_loop(kfk_cluster *c, kafka_bytes name, kfk_topic_watch *w)
{
    kfk_topic *t = NULL;
    int err = c->closed ? KAFKA_ECLOSED : name.data ? kfk_topics_add(&c->topics, name, &t) : 0;
    if (err != 0) return err;
    kfk_topics_watch(&c->topics, t, w);
    c->refresh.watchers++;
    if (!t)
        c->refresh.need = c->refresh.number + 1;
    else if (t->answered == 0)
        kfk_refresh_need_loop(c, t);
    kfk_refresh_plan_loop(c);
    return 0;
}

void kfk_cluster_unwatch_loop(kfk_cluster *c, kfk_topic_watch *w)
{
    if (!w->on) return;
    kfk_topics_unwatch(w);
    c->refresh.watchers--;
    kfk_refresh_plan_loop(c);
}

kfk_topic *kfk_cluster_topic_loop(kfk_cluster *c, kafka_bytes name)
{
    return kfk_topics_find(&c->topics, name);
}

kfk_topic *kfk_cluster_topic_by_id_loop(kfk_cluster *c, const kfk_uuid *id)
{
    return kfk_topics_find_id(&c->topics, id);
}

int kfk_cluster_ask_loop(kfk_cluster *c, kafka_bytes name, kfk_ask *ask)
{
    kfk_refresh *r = &c->refresh;
    kfk_topic *t = NULL;
    int err = c->closed ? KAFKA_ECLOSED : name.data ? kfk_topics_add(&c->topics, name, &t) : 0;
    if (err != 0) return err;
    bool under_way = r->discovery.active && (!t || t->asked == r->number);
    ask->topic = t;
    ask->on = true;
    ask->need = under_way ? r->number : r->number + 1;
    kfk_list_push_back(&r->asks, &ask->node);
    if (t) t->uses++;
    if (!under_way && t) kfk_refresh_need_loop(c, t);
    if (!under_way && !t) r->need = r->number + 1;
    kfk_refresh_plan_loop(c);
    return 0;
}

void kfk_cluster_unask_loop(kfk_cluster *c, kfk_ask *ask)
{
    (void)c;
    if (!ask->on) return;
    ask->on = false;
    kfk_list_remove(&ask->node);
    if (ask->topic) ask->topic->uses--;
}

void kfk_cluster_refresh_loop(kfk_cluster *c)
{
    c->refresh.need = c->refresh.number + 1;
    kfk_refresh_plan_loop(c);
}

bool kfk_cluster_code_is_stale(int code)
{
    switch (code) {
    case KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_ERR_LEADER_NOT_AVAILABLE:
    case KAFKA_ERR_NOT_LEADER_FOR_PARTITION:
    case KAFKA_ERR_REPLICA_NOT_AVAILABLE:
    case KAFKA_ERR_KAFKA_STORAGE_ERROR:
    case KAFKA_ERR_LISTENER_NOT_FOUND:
    case KAFKA_ERR_FENCED_LEADER_EPOCH:
    case KAFKA_ERR_UNKNOWN_LEADER_EPOCH:
    case KAFKA_ERR_UNKNOWN_TOPIC_ID:
    case KAFKA_ERR_INCONSISTENT_TOPIC_ID: return true;
    default: return false;
    }
}

void kfk_cluster_stale_loop(kfk_cluster *c, kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch)
{
    if (c->closed || !kfk_topics_mark_stale(t, partition, leader, leader_epoch)) return;
    kfk_refresh_need_loop(c, t);
    kfk_refresh_plan_loop(c);
}

void kfk_cluster_learn_loop(kfk_cluster *c, int32_t id, kafka_bytes host, int32_t port, kafka_bytes rack)
{
    kfk_cluster_hold(c); /* a connection to an old address may end, and who is told close the cluster */
    if (kfk_brokers_learn(&c->brokers, id, host, port, rack) == KAFKA_EINVAL)
        kfk_log_write_limited(&c->log, &c->nonsense_lines, KAFKA_LOG_WARN,
                              "broker %d at \"%.*s\" port %d cannot be and is ignored", (int)id,
                              host.len > 60 ? 60 : (int)host.len, host.data ? (const char *)host.data : "", (int)port);
    kfk_cluster_drop(c);
}

bool kfk_cluster_hint_loop(kfk_cluster *c, kfk_topic *t, int32_t partition, int32_t leader, int32_t leader_epoch)
{
    return !c->closed && kfk_topics_hint(&c->topics, &c->brokers, t, partition, leader, leader_epoch);
}

void kfk_cluster_tell_hints_loop(kfk_cluster *c)
{
    if (c->closed) return;
    kfk_cluster_hold(c);
    kfk_topics_tell(&c->topics);
    kfk_cluster_drop(c);
}

/* ---- brokers ----------------------------------------------------------------------------------------------------- */

const kfk_node *kfk_cluster_node_loop(const kfk_cluster *c, int32_t id)
{
    return kfk_brokers_find(&c->brokers, id);
}

const kfk_brokers *kfk_cluster_brokers_loop(const kfk_cluster *c)
{
    return &c->brokers;
}

int32_t kfk_cluster_controller_loop(const kfk_cluster *c)
{
    return c->controller;
}

const char *kfk_cluster_id_loop(const kfk_cluster *c)
{
    return c->id;
}

const char *kfk_cluster_answered_by_loop(const kfk_cluster *c)
{
    return c->answered_by;
}

void kfk_cluster_describe_loop(const kfk_cluster *c, char *out, size_t cap)
{
    const kfk_discovery *d = &c->refresh.discovery;
    char doing[320] = "";
    if (d->active) kfk_discovery_describe(d, doing, sizeof doing);
    const char *joint = doing[0] && d->error.code ? "; before that: " : "";
    snprintf(out, cap, "%s%s%s", doing, joint, d->error.code ? d->error.text : "");
    kfk_error_clean_cut(out, cap);
}
