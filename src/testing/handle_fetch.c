/* Fetch, versions 4 to 18, as Kafka 4.3 serves it: long polls, sessions (KIP-227), topic ids, leader epochs and
 * diverging logs (KIP-320), hints to the leader (KIP-951).
 *
 * Known gaps: versions below 4; fetching from followers (KIP-392): only leaders answer; requests of other brokers
 * (replica ids) are served like those of clients; cluster_id is not compared; of too many sessions the oldest goes at
 * once, where Kafka refuses new ones for two minutes. */
#include "base/time.h"
#include "testing/fetch_read.h"
#include "testing/handlers.h"
#include <string.h>

enum { MOST_BYTES = 55 * 1024 * 1024 }; /* fetch.max.bytes of a broker */

/* What is fetched, made once per request: of the request, or of its session. */
typedef struct wanted {
    kafka_bytes topic;
    kfk_uuid topic_id;
    kfk_fetch_request_partition asked;
} wanted;
typedef struct plan {
    int16_t code;
    int32_t session_id; /* 0 = none */
    bool incremental;   /* leave out what has no news */
    int32_t count;
    wanted *items;
} plan;

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

/* Each partition is told once, in its first place, as it was named last. */
static bool leave_out_repetitions(kft_ask *ask, plan *p)
{
    int32_t count = p->count;
    kft_key *keys = kfk_arena_array(&ask->asked, (size_t)count, sizeof *keys);
    if (!keys) return false;
    for (int32_t i = 0; i < count; i++)
        keys[i] = kft_key_of(p->items[i].topic, &p->items[i].topic_id, p->items[i].asked.partition);
    kft_keys_mark(keys, count);
    for (int32_t i = 0; i < count; i++) p->items[keys[i].first].asked = p->items[i].asked;
    p->count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (!keys[i].again) p->items[p->count++] = p->items[i];
    }
    return true;
}

static bool plan_request(kft_ask *ask, plan *p)
{
    const kfk_fetch_request *r = ask->request;
    size_t count = 0;
    for (int32_t i = 0; i < r->topics.count; i++) count += (size_t)r->topics.items[i].partitions.count;
    if (!(p->items = kfk_arena_array(&ask->asked, count, sizeof *p->items))) return false;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_fetch_request_topic *t = &r->topics.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++)
            p->items[p->count++] = (wanted){t->topic, t->topic_id, t->partitions.items[k]};
    }
    return leave_out_repetitions(ask, p);
}

static bool plan_session(kft_ask *ask, plan *p, kft_fetch_session *x)
{
    if (!(p->items = kfk_arena_array(&ask->asked, x->partitions.count, sizeof *p->items))) return false;
    KFK_LIST_EACH (n, &x->partitions.order) {
        const kft_fetch_partition *fp = KFK_CONTAINER(n, kft_fetch_partition, node.order);
        kafka_bytes name = {NULL, 0};
        if (fp->topic) { /* a copy: the session may end while this waits */
            size_t len = strlen(fp->topic);
            char *copy = kfk_arena_alloc(&ask->asked, len + 1);
            if (!copy) return false;
            memcpy(copy, fp->topic, len + 1);
            name = (kafka_bytes){copy, len};
        }
        p->items[p->count++] = (wanted){name, fp->topic_id, fp->asked};
    }
    return true;
}

static bool begin_session(kft_ask *ask, plan *p)
{
    kft_fetch_sessions *s = &ask->node->fetch_sessions;
    kft_fetch_session *x = kft_fetch_session_new(s, ask->version >= 13);
    if (x && !kft_fetch_session_update(x, ask->request)) {
        kft_fetch_session_free(s, x);
        x = NULL;
    }
    p->session_id = x ? x->id : 0;
    return plan_request(ask, p);
}

static bool go_on_with_session(kft_ask *ask, plan *p)
{
    const kfk_fetch_request *r = ask->request;
    kft_fetch_sessions *s = &ask->node->fetch_sessions;
    kft_fetch_session *x = kft_fetch_session_find(s, r->session_id);
    if (!x)
        p->code = KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND;
    else if (x->epoch != r->session_epoch)
        p->code = KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH;
    else if (x->by_id != (ask->version >= 13))
        p->code = KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (p->code != 0) return true;
    p->session_id = x->id;
    p->incremental = true;
    kft_fetch_session_used(s, x); /* first, so that it is not the one to go */
    if (!kft_fetch_session_update(x, r)) return false;
    if (x->partitions.count > 0) return plan_session(ask, p, x);
    kft_fetch_session_free(s, x); /* about nothing any more */
    p->session_id = 0;
    p->incremental = false;
    return plan_request(ask, p);
}

static plan *make_plan(kft_ask *ask)
{
    const kfk_fetch_request *r = ask->request;
    kft_fetch_sessions *s = &ask->node->fetch_sessions;
    plan *p = kfk_arena_alloc(&ask->asked, sizeof *p);
    if (!p) return NULL;
    *p = (plan){0};
    if (ask->dry) return plan_request(ask, p) ? p : NULL;
    if (ask->version >= 7 && r->session_epoch > 0) return go_on_with_session(ask, p) ? p : NULL;
    kft_fetch_session *old = r->session_id != 0 ? kft_fetch_session_find(s, r->session_id) : NULL;
    if (old) kft_fetch_session_free(s, old); /* -1 ends it, 0 begins a new one */
    bool begins = ask->version >= 7 && r->session_epoch == 0;
    return (begins ? begin_session(ask, p) : plan_request(ask, p)) ? p : NULL;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static kft_partition *find(kft_ask *ask, const wanted *w, int16_t *missing)
{
    const kft_topic *t = kft_topic_find_any(&ask->cluster->topics, w->topic, &w->topic_id);
    *missing = !t && ask->version >= 13 ? KAFKA_ERR_UNKNOWN_TOPIC_ID : KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    return kft_topic_partition(t, w->asked.partition);
}

static bool same_topic(const wanted *a, const wanted *b)
{
    return memcmp(&a->topic_id, &b->topic_id, sizeof a->topic_id) == 0 && a->topic.len == b->topic.len &&
           (a->topic.len == 0 || memcmp(a->topic.data, b->topic.data, a->topic.len) == 0);
}

/* Has a session's partition something to tell? */
static bool has_news(kft_ask *ask, const plan *p, const wanted *w, const kfk_fetch_response_partition *out)
{
    kft_fetch_session *x = kft_fetch_session_find(&ask->node->fetch_sessions, p->session_id);
    kft_fetch_partition *fp = x ? kft_fetch_session_partition(x, w->topic, &w->topic_id, w->asked.partition) : NULL;
    if (!fp) return true;
    return out->error_code != 0 || fp->told_error || out->records.part_count > 0 ||
           out->diverging_epoch.end_offset >= 0 || out->high_watermark != fp->told_high_watermark ||
           out->log_start_offset != fp->told_log_start;
}

static void remember(kft_ask *ask, const plan *p, const wanted *w, const kfk_fetch_response_partition *out)
{
    kft_fetch_session *x = kft_fetch_session_find(&ask->node->fetch_sessions, p->session_id);
    kft_fetch_partition *fp = x ? kft_fetch_session_partition(x, w->topic, &w->topic_id, w->asked.partition) : NULL;
    if (!fp) return;
    fp->told_high_watermark = out->high_watermark;
    fp->told_log_start = out->log_start_offset;
    fp->told_error = out->error_code != 0;
    if (p->incremental && out->records.part_count > 0) kft_fetch_session_had_turn(x, fp);
}

/* What a pass over the plan found. */
typedef struct found {
    kft_fetch_room room;
    bool errors, hints;
} found;

/* Bytes that the answer may carry. 0 = the first batch, whatever its size. */
static size_t most_bytes(const kfk_fetch_request *r)
{
    if (r->max_bytes <= 0) return 0;
    return r->max_bytes < MOST_BYTES ? (size_t)r->max_bytes : MOST_BYTES;
}

/* Bytes that are waited for: no more than it may carry. */
static size_t least_bytes(const kfk_fetch_request *r)
{
    size_t most = most_bytes(r);
    if (r->min_bytes <= 0) return 0;
    return (size_t)r->min_bytes < most ? (size_t)r->min_bytes : most;
}

/* Reads the plan into the answer, topic by topic. False without memory. */
static bool read_all(kft_ask *ask, const plan *p, found *f)
{
    const kfk_fetch_request *r = ask->request;
    kfk_fetch_response *a = ask->answer;
    f->room = (kft_fetch_room){.bytes = most_bytes(r), .committed = r->isolation_level == 1};
    if (!KFT_ARRAY(ask, &a->responses, "responses", p->count)) return false;
    a->responses.count = 0;
    for (int32_t i = 0, end; i < p->count; i = end) {
        for (end = i + 1; end < p->count && same_topic(&p->items[i], &p->items[end]);) end++;
        kfk_fetch_response_topic *t = &a->responses.items[a->responses.count];
        if (!KFT_ARRAY(ask, &t->partitions, "responses.partitions", end - i)) return false;
        t->topic = p->items[i].topic;
        t->topic_id = p->items[i].topic_id;
        t->partitions.count = 0;
        for (int32_t k = i; k < end; k++) {
            const wanted *w = &p->items[k];
            kfk_fetch_response_partition *out = &t->partitions.items[t->partitions.count];
            int16_t missing;
            kft_partition *partition = find(ask, w, &missing);
            out->partition_index = w->asked.partition;
            if (!kft_fetch_read(ask, partition, missing, &w->asked, &f->room, out)) return false;
            f->errors |= out->error_code != 0 || out->diverging_epoch.end_offset >= 0;
            f->hints |= out->current_leader.leader_id != -1;
            if (!p->incremental || has_news(ask, p, w, out)) t->partitions.count++;
        }
        if (t->partitions.count > 0) a->responses.count++;
    }
    return true;
}

/* The answer is sent: what it tells is known from now on. */
static void remember_all(kft_ask *ask, const plan *p)
{
    const kfk_fetch_response *a = ask->answer;
    if (p->session_id == 0) return;
    for (int32_t i = 0; i < a->responses.count; i++) {
        const kfk_fetch_response_topic *t = &a->responses.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++) {
            wanted w = {t->topic, t->topic_id, {.partition = t->partitions.items[k].partition_index}};
            remember(ask, p, &w, &t->partitions.items[k]);
        }
    }
}

static bool wait_on_all(kft_ask *ask, const plan *p)
{
    const kfk_fetch_request *r = ask->request;
    int16_t missing;
    kft_ask_wait(ask, kfk_time_add(ask->arrived_ms, r->max_wait_ms));
    for (int32_t i = 0; i < p->count; i++) {
        kft_partition *partition = find(ask, &p->items[i], &missing);
        if (partition && !kft_ask_wait_on(ask, partition)) return false;
    }
    return true;
}

/* Which brokers are named as leaders. */
static void find_named(const kfk_fetch_response *a, bool named[KFT_MOST_BROKERS + 1])
{
    for (int32_t i = 0; i < a->responses.count; i++) {
        const kfk_fetch_response_topic *t = &a->responses.items[i];
        for (int32_t k = 0; k < t->partitions.count; k++) {
            int32_t leader = t->partitions.items[k].current_leader.leader_id;
            if (leader > 0) named[leader] = true;
        }
    }
}

static bool fill_endpoints(kft_ask *ask, kfk_fetch_response *a)
{
    kafka_cluster *c = ask->cluster;
    int32_t up = 0;
    bool named[KFT_MOST_BROKERS + 1] = {false};
    find_named(a, named);
    if (!KFT_ARRAY(ask, &a->node_endpoints, "node_endpoints", c->node_count)) return false;
    for (int32_t i = 0; i < c->node_count; i++) {
        if (!named[i + 1] || !kft_node_is_up(&c->nodes[i])) continue;
        kfk_fetch_response_endpoint *e = &a->node_endpoints.items[up++];
        e->node_id = c->nodes[i].id;
        e->host = kafka_str(c->host);
        e->port = c->nodes[i].port;
    }
    a->node_endpoints.count = up;
    return true;
}

static kft_outcome handle(kft_ask *ask)
{
    const kfk_fetch_request *r = ask->request;
    kfk_fetch_response *a = ask->answer;
    found f = {0};
    if (!ask->done && !(ask->done = make_plan(ask))) return KFT_HANG_UP;
    const plan *p = ask->done;
    a->error_code = p->code;
    a->session_id = p->session_id;
    if (p->code != 0) return KFT_ANSWER;
    if (!read_all(ask, p, &f)) return KFT_HANG_UP;
    bool waits =
        !ask->dry && !ask->late && !f.errors && p->count > 0 && f.room.total < least_bytes(r) && r->max_wait_ms > 0;
    if (waits) return wait_on_all(ask, p) ? KFT_WAIT : KFT_HANG_UP;
    remember_all(ask, p);
    if (f.hints && ask->version >= 16 && !fill_endpoints(ask, a)) return KFT_HANG_UP;
    return KFT_ANSWER;
}

static bool session_names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    const kfk_fetch_request *r = ask->request;
    kft_fetch_session *x = kft_fetch_session_find(&ask->node->fetch_sessions, r->session_id);
    if (!x) return false;
    KFK_LIST_EACH (n, &x->partitions.order) {
        const kft_fetch_partition *p = KFK_CONTAINER(n, kft_fetch_partition, node.order);
        if (partition != -1 && partition != p->asked.partition) continue;
        if (kft_ask_names_topic(ask, topic, kafka_str(p->topic), &p->topic_id)) return true;
    }
    return false;
}

static bool names(const kft_ask *ask, kafka_bytes topic, int32_t partition)
{
    const kfk_fetch_request *r = ask->request;
    if (r->session_epoch > 0 && session_names(ask, topic, partition)) return true;
    for (int32_t i = 0; i < r->topics.count; i++) {
        const kfk_fetch_request_topic *t = &r->topics.items[i];
        if (!kft_ask_names_topic(ask, topic, t->topic, &t->topic_id)) continue;
        if (partition == -1) return true;
        for (int32_t k = 0; k < t->partitions.count; k++) {
            if (t->partitions.items[k].partition == partition) return true;
        }
    }
    return false;
}

const kft_handler kft_handle_fetch = {
    .api = KFK_API_FETCH, .min_version = 4, .max_version = 18, .handle = handle, .names = names};
