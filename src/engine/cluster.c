/* The search for a leader: ask, look, wait, ask again.
 *
 * The pause after the n-th answer is n * n * 100 ms, ten seconds at most, as in the Go package. "Unknown topic or
 * partition" ends the search after UNKNOWN_ANSWERS of them, about a second and a half: a typing error should not cost a
 * whole timeout. An operation that has ended may still have its request out: the search then lives until the answer
 * comes, since the request is part of it; that is what the third reference is for. */
#include "engine/cluster.h"
#include "base/mem.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>

enum { UNKNOWN_ANSWERS = 4, LONGEST_PAUSE_MS = 10000 };

static void finish(kfk_leader_search *s, const kfk_error *err)
{
    kfk_limit_stop_loop(s->loop, &s->limit);
    kfk_loop_timer_clear(s->loop, &s->again);
    if (err) s->op.error = *err;
    kfk_op_finish_loop(s->loop, &s->op);
    kfk_broker_free_loop(s->broker); /* ends a request that is still out */
    s->broker = NULL;
}

static void limit_hit(kfk_limit *limit, int code)
{
    kfk_leader_search *s = KFK_CONTAINER(limit, kfk_leader_search, limit);
    kfk_error why;
    char doing[160] = "";
    if (code == KAFKA_ETIMEDOUT && s->unknown > 0 && s->error.code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) {
        finish(s, &s->error); /* it was asked for again and again: that it does not exist says more than the time */
        return;
    }
    if (s->error.code == 0) kfk_broker_describe(s->broker, doing, sizeof doing);
    kfk_error_set(&why, code, "looking up the leader of topic %s partition %d at %s: %s; %s%s", s->topic,
                  (int)s->partition, kfk_broker_name(s->broker),
                  code == KAFKA_ETIMEDOUT ? "the time is up" : "canceled", s->error.code ? "the last answer: " : doing,
                  s->error.text);
    finish(s, &why);
}

static int take_leader(kfk_leader_search *s)
{
    const kfk_metadata_response_broker *leader = NULL;
    int err = kfk_metadata_leader(&s->answer, s->topic, s->partition, &leader, &s->error);
    if (err != 0) return err;
    s->leader_id = leader->node_id;
    snprintf(s->leader_address.host, sizeof s->leader_address.host, "%.*s", (int)leader->host.len,
             (const char *)leader->host.data);
    s->leader_address.port = (uint16_t)leader->port;
    s->leader_address.has_port = true;
    if (leader->rack.data && !(s->rack = kfk_mem_strndup(leader->rack.data, leader->rack.len)))
        return kfk_error_set(&s->error, KAFKA_ENOMEM, "no memory for the leader's rack");
    return 0;
}

/* Is there a point in asking again at this time? What does not exist is told within the time that there is. */
static bool worth_asking_again(kfk_leader_search *s, int err, int64_t at_ms)
{
    if (err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) return ++s->unknown < UNKNOWN_ANSWERS && at_ms < s->deadline_ms;
    return kafka_err_is_temporary(err);
}

static void look_at_answer(kfk_leader_search *s, const kfk_error *lost)
{
    int err = lost ? lost->code : take_leader(s);
    if (lost)
        s->error = *lost;
    else if (err != 0)
        kfk_error_prefix(&s->error, "looking up a leader at %s: ", kfk_broker_name(s->broker));
    s->attempts++;
    int64_t pause = s->attempts < 10 ? (int64_t)s->attempts * s->attempts * 100 : LONGEST_PAUSE_MS;
    int64_t at_ms = kfk_time_add(kfk_loop_now_ms(s->loop), pause);
    if (err != 0 && worth_asking_again(s, err, at_ms))
        kfk_loop_timer_set(s->loop, &s->again, at_ms);
    else
        finish(s, err != 0 ? &s->error : NULL);
}

static void answered(kfk_request *r, const kfk_error *lost)
{
    kfk_leader_search *s = KFK_CONTAINER(r, kfk_leader_search, request);
    if (!s->op.finished) look_at_answer(s, lost);
    kfk_op_drop(&s->op); /* the request's */
}

static void ask(kfk_leader_search *s)
{
    const char *const topics[] = {s->topic};
    kfk_request_fini(&s->request);
    kfk_arena_fini(&s->memory);
    kfk_request_init(&s->request, KFK_API_METADATA);
    int err = kfk_metadata_prepare(&s->request, &s->message, &s->answer, &s->memory, topics, 1, false);
    if (err != 0) {
        kfk_error_set(&s->error, err, "no memory for a metadata request");
        finish(s, &s->error);
        return;
    }
    s->request.done = answered;
    kfk_ref_hold(&s->op.ref);
    kfk_broker_send_loop(s->broker, &s->request);
}

static void again_due(kfk_timer *t)
{
    ask(KFK_CONTAINER(t, kfk_leader_search, again));
}

static void start(kfk_task *t)
{
    kfk_leader_search *s = KFK_CONTAINER(t, kfk_leader_search, op.task);
    int err = kfk_limit_start_loop(s->loop, &s->limit, s->deadline_ms, s->cancel);
    if (err != 0) {
        kfk_error_set(&s->error, err, "the cancel token cannot be watched");
        finish(s, &s->error);
        return;
    }
    ask(s);
}

static void destroy(kfk_op *op)
{
    kfk_leader_search *s = KFK_CONTAINER(op, kfk_leader_search, op);
    if (s->broker) kfk_broker_free(s->broker);
    kfk_request_fini(&s->request);
    kfk_arena_fini(&s->memory);
    kfk_cancel_drop(s->cancel);
    kfk_loop_drop(s->loop);
    kfk_mem_free(s->topic);
    kfk_mem_free(s->rack);
    kfk_mem_free(s);
}

int kfk_leader_search_new(kfk_loop *l, kfk_broker *broker_take, const char *topic, int32_t partition,
                          int64_t deadline_ms, kfk_cancel *cancel, kfk_leader_search **out)
{
    kfk_leader_search *s = kfk_mem_zalloc(sizeof *s);
    if (!s || !(s->topic = kfk_mem_strdup(topic))) {
        kfk_mem_free(s);
        kfk_broker_free(broker_take);
        return KAFKA_ENOMEM;
    }
    kfk_op_init(&s->op, start, destroy);
    kfk_limit_init(&s->limit, limit_hit);
    kfk_timer_init(&s->again, again_due);
    kfk_request_init(&s->request, KFK_API_METADATA);
    kfk_arena_init(&s->memory, SIZE_MAX);
    s->loop = kfk_loop_hold(l);
    s->broker = broker_take;
    s->partition = partition;
    s->deadline_ms = deadline_ms;
    s->cancel = kfk_cancel_hold(cancel);
    *out = s;
    return 0;
}
