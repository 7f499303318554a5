/* Producer ids: the writer's one, with which all partitions start, and others for partitions that need one of their
 * own.
 *
 * One InitProducerId is under way at a time. What passes (a coordinator that loads, which every freshly started broker
 * says first) is asked again, with a backoff, and counts as nobody's attempt: batches are bounded by their delivery
 * timeout. What is refused (31 on old clusters with ACLs) fails what waits for it, and the next write asks anew. A
 * cluster that does not have the API is written to without idempotence. */
#include "base/time.h"
#include "engine/producer_impl.h"

static void begin(kfk_producer *p);

static bool passes(int code)
{
    switch (code) {
    case KAFKA_ERR_REQUEST_TIMED_OUT:
    case KAFKA_ERR_NETWORK_EXCEPTION:
    case KAFKA_ERR_GROUP_LOAD_IN_PROGRESS:
    case KAFKA_ERR_GROUP_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_ERR_NOT_COORDINATOR_FOR_GROUP:
    case KAFKA_ERR_UNKNOWN: return true;
    default: return false;
    }
}

/* ---- giving ------------------------------------------------------------------------------------------------------ */

void kfk_producer_ids_give_loop(kfk_producer_partition *pt)
{
    const kfk_producer_ids *ids = &kfk_partition_producer(pt)->ids;
    if (ids->state == KFK_ID_HAVE && pt->sequence.producer_id < 0) kfk_sequence_id(&pt->sequence, ids->id, ids->epoch);
}

static void give_first(kfk_producer_partition *pt, void *arg)
{
    (void)arg;
    if (pt->id == KFK_PRODUCER_LOBBY) return;
    kfk_producer_ids_give_loop(pt);
    kfk_partition_settle_loop(pt);
}

static void refuse_one(kfk_producer_partition *pt, void *arg)
{
    const kfk_error *why = arg;
    bool waits = pt->sequence.producer_id < 0 || !kfk_list_empty(&pt->own_id);
    if (pt->id == KFK_PRODUCER_LOBBY || !waits) return;
    kfk_list_remove(&pt->own_id);
    kfk_sequence_id_refused(&pt->sequence);
    kfk_partition_push_open_loop(pt);
    if (pt->pushed == 0) return;
    kfk_partition_note(pt, "%s", why->text);
    kfk_partition_give_up_loop(pt, why->code);
}

static void do_without(kfk_producer *p, const kfk_error *why)
{
    kfk_log_write(&p->log, KAFKA_LOG_WARN, "writing without idempotence, the cluster does not have it: %s", why->text);
    p->sequence_config.idempotence = false; /* nothing was sent with it so far */
    kfk_producer_each_loop(p, give_first, NULL);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int prepare(kfk_discovery *d, kfk_request *r, kfk_arena *memory)
{
    kfk_init_producer_id_request *m = kfk_arena_alloc(memory, sizeof *m);
    void *answer = kfk_arena_alloc(memory, r->api->response->size);
    (void)d;
    if (!m || !answer) return KAFKA_ENOMEM;
    kfk_codec_default(r->api->request, m);
    m->transactional_id = (kafka_bytes){0};
    m->transaction_timeout_ms = INT32_MAX;
    r->message = m;
    r->response = answer;
    return 0;
}

static int take(kfk_discovery *d, const kfk_request *r, kfk_error *err)
{
    kfk_producer_ids *ids = KFK_CONTAINER(d, kfk_producer_ids, discovery);
    const kfk_init_producer_id_response *a = r->response;
    int code = kfk_error_of_broker(a->error_code);
    ids->refused.code = 0;
    if (code == 0 && (a->producer_id < 0 || a->producer_epoch < 0))
        return kfk_error_set(err, KAFKA_EPROTO, "the answer to InitProducerId has the id %lld, epoch %d",
                             (long long)a->producer_id, (int)a->producer_epoch);
    if (code != 0 && passes(code))
        return kfk_error_set(err, code, "InitProducerId was refused: %s", kafka_strerror(code));
    if (code != 0) { /* another broker would say the same */
        kfk_error_set(
            &ids->refused, code,
            "InitProducerId was refused: %s; idempotent writing needs the right IDEMPOTENT_WRITE on the cluster, "
            "or set no_idempotence",
            kafka_strerror(code));
        return 0;
    }
    ids->got_id = a->producer_id;
    ids->got_epoch = a->producer_epoch;
    return 0;
}

static void take_over(kfk_producer *p)
{
    kfk_producer_ids *ids = &p->ids;
    kfk_list *n = kfk_list_first(&ids->own);
    if (ids->first) {
        ids->id = ids->got_id;
        ids->epoch = ids->got_epoch;
        ids->state = KFK_ID_HAVE;
        kfk_producer_each_loop(p, give_first, NULL);
        return;
    }
    ids->state = KFK_ID_HAVE;
    if (!n) return;
    kfk_producer_partition *pt = KFK_CONTAINER(n, kfk_producer_partition, own_id);
    kfk_list_remove(n);
    kfk_sequence_id(&pt->sequence, ids->got_id, ids->got_epoch);
    kfk_partition_settle_loop(pt);
}

static void done(kfk_discovery *d, const kfk_error *err)
{
    kfk_producer_ids *ids = KFK_CONTAINER(d, kfk_producer_ids, discovery);
    kfk_producer *p = KFK_CONTAINER(ids, kfk_producer, ids);
    if (p->stopped) return;
    kfk_producer_hold(p);
    if (err && err->code == KAFKA_EVERSION && ids->first) {
        ids->state = KFK_ID_NONE;
        do_without(p, err);
    } else if (err) {
        ids->state = KFK_ID_PAUSING;
        ids->failure = *err;
        ids->failures++;
        int64_t pause = kfk_backoff_ms(p->loop, ids->failures, KFK_BACKOFF_LAST_MS);
        kfk_loop_timer_set(p->loop, &ids->again, kfk_time_add(kfk_loop_now_ms(p->loop), pause));
    } else if (ids->refused.code != 0) {
        kfk_error why = ids->refused;
        ids->state = ids->first ? KFK_ID_NONE : KFK_ID_HAVE;
        ids->refused.code = 0;
        kfk_producer_each_loop(p, refuse_one, &why);
    } else {
        ids->failures = 0;
        ids->failure.code = 0;
        take_over(p);
        if (!kfk_list_empty(&ids->own)) begin(p);
    }
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

static void begin(kfk_producer *p)
{
    kfk_producer_ids *ids = &p->ids;
    ids->first = ids->id < 0;
    ids->state = KFK_ID_ASKING;
    kfk_discovery_begin_loop(&ids->discovery);
}

static void again_due(kfk_timer *t)
{
    kfk_producer_ids *ids = KFK_CONTAINER(t, kfk_producer_ids, again);
    begin(KFK_CONTAINER(ids, kfk_producer, ids));
}

void kfk_producer_ids_want_loop(kfk_producer *p)
{
    if (p->ids.state == KFK_ID_NONE && p->sequence_config.idempotence && !p->stopped) begin(p);
}

void kfk_producer_ids_want_own_loop(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    if (kfk_list_empty(&pt->own_id)) kfk_list_push_back(&p->ids.own, &pt->own_id);
    if (p->ids.state == KFK_ID_NONE || p->ids.state == KFK_ID_HAVE) begin(p);
}

void kfk_producer_ids_init(kfk_producer *p)
{
    static const kfk_discovery_ops ops = {
        .api_key = KFK_API_INIT_PRODUCER_ID, .prepare = prepare, .take = take, .done = done};
    kfk_discovery_init(&p->ids.discovery, p->cluster, &ops);
    kfk_list_init(&p->ids.own);
    kfk_timer_init(&p->ids.again, again_due);
    p->ids.id = -1;
}

void kfk_producer_ids_close_loop(kfk_producer *p)
{
    if (!p->cluster) return;
    kfk_discovery_abandon_loop(&p->ids.discovery);
    kfk_loop_timer_clear(p->loop, &p->ids.again);
}
