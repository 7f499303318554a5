/* The search for a leader: ask, look, wait, ask again.
 *
 * The pause after the n-th answer is n * n * 100 ms, ten seconds at most, as in the Go package. "Unknown topic or
 * partition" ends the search after UNKNOWN_ANSWERS of them, about a second and a half: a typing error should not cost a
 * whole timeout. A cluster that was never reached is told at once. */
#include "engine/leader.h"
#include "base/mem.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>

enum { UNKNOWN_ANSWERS = 4, LONGEST_PAUSE_MS = 10000, LONGEST_TOPIC = 249 };

static void stop(kfk_leader_wait *w)
{
    kfk_loop *l = kfk_cluster_loop(w->cluster);
    kfk_limit_stop_loop(l, &w->limit);
    kfk_loop_timer_clear(l, &w->again);
    kfk_cluster_unask_loop(w->cluster, &w->ask);
}
void kfk_leader_cancel_loop(kfk_leader_wait *w)
{
    stop(w);
}

static void finish(kfk_leader_wait *w, const kfk_error *err)
{
    stop(w);
    w->done(w, err);
}

static void limit_hit(kfk_limit *limit, int code)
{
    kfk_leader_wait *w = KFK_CONTAINER(limit, kfk_leader_wait, limit);
    kfk_error why;
    char doing[400] = "";
    if (code == KAFKA_ETIMEDOUT && w->unknown > 0 && w->error.code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        why = w->error;
        finish(w, &why); /* it was asked for again and again: that it does not exist says more than the time */
        return;
    }
    if (w->error.code == 0) kfk_cluster_describe_loop(w->cluster, doing, sizeof doing);
    kfk_error_set(&why, code, "looking up the leader of topic %s partition %d: %s; %s%s", w->topic, (int)w->partition,
                  code == KAFKA_ETIMEDOUT ? "the time is up" : "canceled", w->error.code ? "the last answer: " : doing,
                  w->error.text);
    finish(w, &why);
}

/* What the cluster knows of the partition now. */
static int look(kfk_leader_wait *w)
{
    const kfk_topic *t = w->ask.topic;
    const kfk_partition *p;
    int err = kfk_topic_error(t), n = (int)w->partition;
    if (err != 0) return kfk_error_set(&w->error, err, "topic %s: %s", w->topic, kafka_strerror(err));
    if (kfk_topic_partition(t, w->partition, &p) != 0)
        return kfk_error_set(&w->error, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "topic %s has no partition %d, it has %d",
                             w->topic, n, (int)t->count);
    if (p->leader < 0 && p->absent_leader >= 0)
        return kfk_error_set(&w->error, KAFKA_ERR_LEADER_NOT_AVAILABLE,
                             "topic %s partition %d: its leader, broker %d, is not among the brokers", w->topic, n,
                             (int)p->absent_leader);
    if (p->leader < 0)
        return kfk_error_set(&w->error, p->error, "topic %s partition %d: %s", w->topic, n, kafka_strerror(p->error));
    w->leader = p->leader;
    w->leader_epoch = p->leader_epoch;
    return 0;
}

/* Is there a point in asking again at this time? What does not exist is told within the time that there is. */
static bool worth_asking_again(kfk_leader_wait *w, int err, bool lost, int64_t at_ms)
{
    if (lost && !kfk_cluster_answered_by_loop(w->cluster)[0]) return false;
    if (err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) return ++w->unknown < UNKNOWN_ANSWERS && at_ms < w->deadline_ms;
    return kafka_err_is_temporary(err);
}

static void answered(kfk_ask *ask, const kfk_error *lost)
{
    kfk_leader_wait *w = KFK_CONTAINER(ask, kfk_leader_wait, ask);
    int err = lost ? lost->code : look(w);
    if (err == 0) {
        finish(w, NULL);
        return;
    }
    if (lost)
        w->error = *lost;
    else
        kfk_error_prefix(&w->error, "looking up a leader at %s: ", kfk_cluster_answered_by_loop(w->cluster));
    w->attempts++;
    int64_t pause = w->attempts < 10 ? (int64_t)w->attempts * w->attempts * 100 : LONGEST_PAUSE_MS;
    kfk_loop *l = kfk_cluster_loop(w->cluster);
    int64_t at_ms = kfk_time_add(kfk_loop_now_ms(l), pause);
    kfk_error why = w->error;
    if (worth_asking_again(w, err, lost != NULL, at_ms))
        kfk_loop_timer_set(l, &w->again, at_ms);
    else
        finish(w, &why);
}

static void ask(kfk_leader_wait *w)
{
    size_t len = strlen(w->topic);
    int err = kfk_cluster_ask_loop(w->cluster, kafka_str(w->topic), &w->ask);
    if (err == 0) return;
    kfk_error why;
    if (err == KAFKA_ERR_INVALID_TOPIC && len > LONGEST_TOPIC)
        kfk_error_set(&why, KAFKA_EINVAL, "the topic's name is %zu bytes long, %d are the most: %.40s...", len,
                      LONGEST_TOPIC, w->topic);
    else if (err == KAFKA_ERR_INVALID_TOPIC)
        kfk_error_set(&why, err, "topic %s: a name has letters, digits, '.', '_' and '-'", w->topic);
    else
        kfk_error_set(&why, err, "looking up a leader: %s", err == KAFKA_ENOMEM ? "no memory" : kafka_strerror(err));
    finish(w, &why);
}

static void again_due(kfk_timer *t)
{
    ask(KFK_CONTAINER(t, kfk_leader_wait, again));
}

void kfk_leader_wait_loop(kfk_cluster *c, const char *topic, int32_t partition, int64_t deadline_ms, kfk_cancel *token,
                          kfk_leader_wait *w)
{
    w->cluster = c;
    w->topic = topic;
    w->partition = partition;
    w->deadline_ms = deadline_ms;
    w->leader = w->leader_epoch = -1;
    w->attempts = w->unknown = 0;
    w->error = (kfk_error){0};
    w->ask = (kfk_ask){.done = answered};
    kfk_limit_init(&w->limit, limit_hit);
    kfk_timer_init(&w->again, again_due);
    int err = kfk_limit_start_loop(kfk_cluster_loop(c), &w->limit, deadline_ms, token);
    if (err == 0) {
        ask(w);
        return;
    }
    kfk_error why;
    kfk_error_set(&why, err, "%s", kfk_loop_watch_refused(err));
    finish(w, &why);
}

/* ---- as an operation --------------------------------------------------------------------------------------------- */

static void end(kfk_leader_search *s, const kfk_error *err)
{
    if (err) s->op.error = *err;
    if (s->cluster) {
        kfk_cluster_close_loop(s->cluster);
        kfk_cluster_drop(s->cluster);
    }
    s->cluster = NULL;
    kfk_op_finish_loop(s->loop, &s->op);
}

static void found(kfk_leader_wait *w, const kfk_error *err)
{
    kfk_leader_search *s = KFK_CONTAINER(w, kfk_leader_search, wait);
    const kfk_node *n = err ? NULL : kfk_cluster_node_loop(s->cluster, w->leader);
    kfk_error why;
    if (n) {
        s->leader_id = n->id;
        kfk_node_address(n, &s->leader_address);
        snprintf(s->answered_by, sizeof s->answered_by, "%s", kfk_cluster_answered_by_loop(s->cluster));
        if (n->rack && !(s->rack = kfk_mem_strdup(n->rack))) {
            kfk_error_set(&why, KAFKA_ENOMEM, "no memory for the leader's rack");
            err = &why;
        }
    }
    end(s, err);
}

static void start(kfk_task *t)
{
    kfk_leader_search *s = KFK_CONTAINER(t, kfk_leader_search, op.task);
    kfk_error why;
    int err = kfk_cluster_new_loop(&s->cfg, &s->cluster);
    if (err != 0) {
        s->cluster = NULL;
        kfk_error_set(&why, err, "no memory to look up a leader");
        end(s, &why);
        return;
    }
    s->wait.done = found;
    kfk_leader_wait_loop(s->cluster, s->topic, s->partition, s->deadline_ms, s->cancel, &s->wait);
}

static void destroy(kfk_op *op)
{
    kfk_leader_search *s = KFK_CONTAINER(op, kfk_leader_search, op);
    kfk_cancel_drop(s->cancel);
    kfk_loop_drop(s->loop);
    kfk_mem_free(s->topic);
    kfk_mem_free(s->rack);
    kfk_mem_free(s);
}

int kfk_leader_search_new(const kfk_cluster_config *cfg, const char *topic, int32_t partition, int64_t deadline_ms,
                          kfk_cancel *cancel, kfk_leader_search **out)
{
    kfk_leader_search *s = kfk_mem_zalloc(sizeof *s);
    if (!s || !(s->topic = kfk_mem_strdup(topic))) {
        kfk_mem_free(s);
        return KAFKA_ENOMEM;
    }
    kfk_op_init(&s->op, start, destroy);
    s->loop = kfk_loop_hold(cfg->connect.loop);
    s->cfg = *cfg;
    s->partition = partition;
    s->deadline_ms = deadline_ms;
    s->cancel = kfk_cancel_hold(cancel);
    *out = s;
    return 0;
}
