/* Keeping topics and brokers fresh.
 *
 * Requests are numbered, and so are wishes: a topic with `need` n wants an answer to a request with a number of at
 * least n. What was found stale after a request began needs the next one; who only wants to know joins the one under
 * way. A request asks for the topics that need something, or, when everything is due, for all that is watched.
 *
 * One timer begins the next request: as soon as something is needed, but not within 100 ms of the one before it and not
 * within the backoff after a failure; when a topic that is not as it should be is due again; at the maximal age. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/cluster_impl.h"
#include <string.h>

enum { RETRY_MISSING_LAST_MS = 5000, IDLE_TOPIC_MS = 5 * 60 * 1000 };

static kfk_cluster *cluster_of(kfk_discovery *d)
{
    return d->cluster;
}

static bool is_held(const kfk_topic *t)
{
    return !kfk_list_empty(&t->watches) || t->uses > 0;
}

void kfk_refresh_need_loop(kfk_cluster *c, kfk_topic *t)
{
    t->need = c->refresh.number + 1;
    if (kfk_list_empty(&t->needing)) kfk_list_push_back(&c->refresh.needing, &t->needing);
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

void kfk_refresh_plan_loop(kfk_cluster *c)
{
    kfk_refresh *r = &c->refresh;
    int64_t at = KFK_TIME_NEVER;
    if (c->closed || r->discovery.active) return;
    if (r->need > r->full || !kfk_list_empty(&r->needing)) at = 0;
    if (r->watchers > 0) {
        int64_t old = kfk_time_add(r->full_at_ms, c->cfg.max_age_ms);
        if (r->retry_at_ms < at) at = r->retry_at_ms;
        if (old < at) at = old;
    }
    if (at < r->not_before_ms) at = r->not_before_ms;
    kfk_loop_timer_set(c->loop, &r->timer, at);
}

/* Topics that are due again need something. */
static void wake_retries(kfk_cluster *c, int64_t now)
{
    kfk_refresh *r = &c->refresh;
    if (r->retry_at_ms > now) return;
    r->retry_at_ms = KFK_TIME_NEVER;
    for (kfk_topic *t = NULL; (t = kfk_topics_next(&c->topics, t)) != NULL;) {
        if (t->retry_at_ms <= now) {
            t->retry_at_ms = KFK_TIME_NEVER;
            kfk_refresh_need_loop(c, t);
        } else if (t->retry_at_ms < r->retry_at_ms) {
            r->retry_at_ms = t->retry_at_ms;
        }
    }
}

static void timer_due(kfk_timer *timer)
{
    kfk_cluster *c = KFK_CONTAINER(timer, kfk_cluster, refresh.timer);
    kfk_refresh *r = &c->refresh;
    int64_t now = kfk_loop_now_ms(c->loop);
    wake_retries(c, now);
    bool old = r->watchers > 0 && kfk_time_add(r->full_at_ms, c->cfg.max_age_ms) <= now;
    if (old && r->need <= r->full) r->need = r->number + 1;
    if (r->need <= r->full && kfk_list_empty(&r->needing)) {
        kfk_refresh_plan_loop(c);
        return;
    }
    r->number++;
    r->asks_full = r->need > r->full;
    r->asks_all = r->asks_full && !kfk_list_empty(&c->topics.watches);
    for (kfk_topic *t = NULL; (t = kfk_topics_next(&c->topics, t)) != NULL;) {
        if (r->asks_all || (r->asks_full && is_held(t)) || !kfk_list_empty(&t->needing)) t->asked = r->number;
    }
    kfk_discovery_begin_loop(&r->discovery);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int prepare(kfk_discovery *d, kfk_request *r, kfk_arena *memory)
{
    kfk_cluster *c = cluster_of(d);
    kfk_metadata_request *m = kfk_arena_alloc(memory, sizeof *m);
    kfk_metadata_response *answer = kfk_arena_alloc(memory, sizeof *answer);
    size_t count = 0;
    if (!m || !answer) return KAFKA_ENOMEM;
    int err = kfk_metadata_prepare(r, m, answer, memory, NULL, 0, c->refresh.asks_all);
    m->allow_auto_topic_creation = c->cfg.create_topics;
    if (err != 0 || c->refresh.asks_all) return err;
    for (kfk_topic *t = NULL; (t = kfk_topics_next(&c->topics, t)) != NULL;) count += t->asked == c->refresh.number;
    if (count > 0 && !(m->topics.items = kfk_arena_array(memory, count, sizeof *m->topics.items))) return KAFKA_ENOMEM;
    for (kfk_topic *t = NULL; (t = kfk_topics_next(&c->topics, t)) != NULL;) {
        if (t->asked != c->refresh.number) continue;
        char *name = kfk_arena_alloc(memory, t->name_len + 1); /* the topic may go before it is sent */
        if (!name) return KAFKA_ENOMEM;
        memcpy(name, t->name, t->name_len + 1);
        m->topics.items[m->topics.count++].name = (kafka_bytes){name, t->name_len};
    }
    return 0;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Is this the cluster that is known? A broker that answers for another one has taken over an address. One that was
 * reached through a bootstrap address may: that is where the application points. */
static int check_cluster(kfk_cluster *c, const kfk_metadata_response *a, kfk_error *err)
{
    if (!a->cluster_id.data) return 0;
    if (c->id && strlen(c->id) == a->cluster_id.len && memcmp(c->id, a->cluster_id.data, a->cluster_id.len) == 0)
        return 0;
    char *id = kfk_mem_strndup(a->cluster_id.data, a->cluster_id.len);
    if (!id) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a cluster id");
    if (c->id && kfk_brokers_count(&c->brokers) > 0) {
        kfk_error_set(err, KAFKA_ERR_REBOOTSTRAP_REQUIRED, "it belongs to the cluster %.40s, not to %.40s", id, c->id);
        kfk_mem_free(id);
        return KAFKA_ERR_REBOOTSTRAP_REQUIRED;
    }
    if (c->id) {
        kfk_log_write_limited(&c->log, &c->identity_lines, KAFKA_LOG_WARN, "the cluster is another one: %s, it was %s",
                              id, c->id);
        kfk_topics_forget(&c->topics);
        if (!c->refresh.asks_full) c->refresh.need = c->refresh.number + 1; /* this answer speaks of a part only */
    }
    kfk_mem_free(c->id);
    c->id = id;
    return 0;
}

static void log_ignored(kfk_cluster *c, const kfk_ignored *ignored)
{
    if (ignored->count == 0) return;
    kfk_log_write_limited(&c->log, &c->nonsense_lines, KAFKA_LOG_WARN,
                          "%u entries of a metadata answer make no sense and are ignored; the first: %s",
                          ignored->count, ignored->first);
}

static int take(kfk_discovery *d, const kfk_request *request, kfk_error *err)
{
    kfk_cluster *c = cluster_of(d);
    const kfk_metadata_response *a = request->response;
    kfk_ignored ignored = {0};
    int code = kfk_error_of_broker(a->error_code);
    if (code != 0)
        kfk_error_set(err, code, "Metadata was refused: %s", kafka_strerror(code));
    else
        code = check_cluster(c, a, err);
    if (code == KAFKA_ERR_REBOOTSTRAP_REQUIRED) {
        kfk_log_write_limited(&c->log, &c->identity_lines, KAFKA_LOG_WARN,
                              "beginning again from the bootstrap addresses: %s", err->text);
        kfk_seeds_rebootstrap_loop(c);
    }
    if (code == 0) code = kfk_brokers_apply(&c->brokers, a, c->refresh.number, &ignored, err);
    if (code == 0)
        code = kfk_topics_apply(&c->topics, &c->brokers, a, c->refresh.number, c->refresh.asks_all, &ignored, err);
    log_ignored(c, &ignored);
    if (code != 0) return code;
    const kfk_node *controller = kfk_brokers_find(&c->brokers, a->controller_id);
    c->controller = controller && kfk_brokers_is_named(&c->brokers, controller) ? a->controller_id : -1;
    return 0;
}

/* When to ask again about what is not as it should be. */
static void plan_retry(kfk_cluster *c, kfk_topic *t, int64_t now)
{
    bool again = !kfk_list_empty(&t->watches) && kfk_topic_is_incomplete(t);
    int64_t most = t->missing > 0 ? RETRY_MISSING_LAST_MS : KFK_BACKOFF_LAST_MS;
    t->retries = again ? t->retries + 1 : 0;
    t->retry_at_ms = again ? kfk_time_add(now, kfk_backoff_ms(c->loop, t->retries, most)) : KFK_TIME_NEVER;
}

/* Goes through all topics once after an answer was taken over. */
static void settle_topics(kfk_cluster *c)
{
    kfk_refresh *r = &c->refresh;
    int64_t now = kfk_loop_now_ms(c->loop);
    r->retry_at_ms = KFK_TIME_NEVER;
    for (kfk_topic *t = NULL, *next = kfk_topics_next(&c->topics, NULL); (t = next) != NULL;) {
        next = kfk_topics_next(&c->topics, t);
        if (t->asked == r->number && t->answered < r->number) kfk_topics_left_out(&c->topics, t, r->number);
        if (t->answered == r->number) {
            if (t->need <= r->number || (t->need == r->number + 1 && !t->stale)) kfk_list_remove(&t->needing);
            plan_retry(c, t, now);
        }
        if (t->retry_at_ms < r->retry_at_ms) r->retry_at_ms = t->retry_at_ms;
        if (is_held(t) || !kfk_list_empty(&c->topics.watches))
            t->idle_since_ms = 0;
        else if (t->idle_since_ms == 0)
            t->idle_since_ms = now;
        else if (now - t->idle_since_ms >= IDLE_TOPIC_MS)
            kfk_topics_remove(&c->topics, t);
    }
}

/* Nobody waits any more for what could not be had. */
static void forget_needs(kfk_cluster *c)
{
    kfk_refresh *r = &c->refresh;
    KFK_LIST_EACH (n, &r->needing) {
        if (!is_held(KFK_CONTAINER(n, kfk_topic, needing))) kfk_list_remove(n);
    }
    if (r->watchers == 0 && kfk_list_empty(&r->asks)) r->need = r->full;
}

/* Tells those who waited for this request. */
static void tell_asks(kfk_cluster *c, uint64_t number, const kfk_error *err)
{
    kfk_list telling;
    kfk_list_init(&telling);
    kfk_list_splice(&telling, &c->refresh.asks);
    for (kfk_list *n; (n = kfk_list_first(&telling)) != NULL;) {
        kfk_ask *ask = KFK_CONTAINER(n, kfk_ask, node);
        kfk_list_remove(n);
        if (ask->need > number) {
            kfk_list_push_back(&c->refresh.asks, n);
            if (ask->topic) kfk_refresh_need_loop(c, ask->topic); /* an answer about all may have settled it */
            continue;
        }
        kfk_topic *t = ask->topic;
        ask->on = false;
        ask->done(ask, err);
        if (t) t->uses--;
    }
}

static void done(kfk_discovery *d, const kfk_error *err)
{
    kfk_cluster *c = cluster_of(d);
    kfk_refresh *r = &c->refresh;
    int64_t now = kfk_loop_now_ms(c->loop);
    uint64_t number = r->number;
    r->failures = err ? r->failures + 1 : 0;
    int64_t pause = err ? kfk_backoff_ms(c->loop, r->failures, KFK_BACKOFF_LAST_MS) : KFK_REFRESH_GAP_MS;
    r->not_before_ms = kfk_time_add(err ? now : d->begun_ms, pause);
    if (err) {
        d->error = *err;
        kfk_log_write_limited(&c->log, &c->unreachable_lines, KAFKA_LOG_WARN, "no metadata could be had: %s",
                              err->text);
    } else {
        if (r->asks_full) {
            r->full = number;
            r->full_at_ms = now;
        }
        settle_topics(c);
        d->unsatisfied = !kfk_list_empty(&r->needing) || r->retry_at_ms != KFK_TIME_NEVER; /* it may be behind */
        kfk_links_sweep(c);
        kfk_topics_tell(&c->topics);
    }
    tell_asks(c, number, err);
    if (err) forget_needs(c);
    kfk_refresh_plan_loop(c);
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

void kfk_refresh_init(kfk_cluster *c)
{
    static const kfk_discovery_ops ops = {.api_key = KFK_API_METADATA, .prepare = prepare, .take = take, .done = done};
    kfk_refresh *r = &c->refresh;
    kfk_discovery_init(&r->discovery, c, &ops);
    kfk_timer_init(&r->timer, timer_due);
    kfk_list_init(&r->needing);
    kfk_list_init(&r->asks);
    r->number = r->full = 1; /* the tables count from 2 */
    r->retry_at_ms = KFK_TIME_NEVER;
}

void kfk_refresh_close_loop(kfk_cluster *c, const kfk_error *why)
{
    kfk_loop_timer_clear(c->loop, &c->refresh.timer);
    kfk_discovery_abandon_loop(&c->refresh.discovery);
    tell_asks(c, UINT64_MAX, why);
}
