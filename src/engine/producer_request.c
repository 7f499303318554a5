/* One Produce request: what goes into it, and what its answer says.
 *
 * It is given to the connection empty and filled when it is about to be written (kfk_request.prepare): then the version
 * is known, and the batches are as large as they have become by then. Batches go by reference: the request holds a use
 * of each until the connection is done with it, whatever becomes of the batch meanwhile. Headers are its own.
 *
 * The answer is read partition by partition and told to each one's machine; where it names another leader (KIP-951) the
 * cluster is told first. What the answer leaves out has an unknown outcome. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/produce_answer.h"
#include "engine/producer_impl.h"
#include <string.h>

enum {
    LAST_PRODUCE = 13,
    BATCH_PRODUCE = 3,
    IDS_PRODUCE = 13, /* topics by id */
    MOST_ENTRIES = 1000,
    MOST_SPARES = KFK_PRODUCER_IN_FLIGHT
};

/* One partition of a request. */
typedef struct entry {
    kfk_sequence_copy copy;
    kfk_producer_partition *partition;
    kfk_produce_batch *batch; /* a use */
    int32_t leader, leader_epoch;
    uint8_t header[KFK_RECORD_HEADER];
} entry;

struct kfk_producer_request {
    kfk_request request;
    kfk_list node; /* among the broker's spare ones */
    kfk_producer_broker *broker;
    kfk_broker *link;
    uint64_t connection;
    int64_t begun_ns, sent_ns;
    bool filled;
    kfk_produce_request message;
    kfk_produce_response answer;
    entry *entries;
    size_t count, cap;
    kfk_produce_match *matches; /* of the entries, in `layout` */
    void *layout;               /* they; topics, partitions, iovecs of the message */
    size_t layout_cap;
};

/* ---- filling ----------------------------------------------------------------------------------------------------- */

static int add_entry(kfk_producer_request *q, kfk_producer_partition *pt, kfk_produce_batch *b)
{
    if (q->count == q->cap) {
        size_t cap = q->cap > 0 ? q->cap * 2 : 4;
        entry *more = kfk_mem_realloc(q->entries, cap * sizeof *more);
        if (!more) return KAFKA_ENOMEM;
        q->entries = more;
        q->cap = cap;
    }
    entry *e = &q->entries[q->count++];
    memset(e, 0, sizeof *e);
    e->partition = pt;
    e->batch = b;
    e->leader = pt->leader;
    e->leader_epoch = pt->leader_epoch;
    return 0;
}

static size_t bytes_of(const kfk_produce_batch *b, int16_t version)
{
    return version < BATCH_PRODUCE ? b->set.len : kfk_produce_batch_wire_bytes(b);
}

/* Takes what partitions of a list have. Those with nothing to give leave the list. False: the request is full. */
static bool take_from(kfk_producer_request *q, kfk_list *list, size_t *bytes)
{
    kfk_producer *p = q->broker->producer;
    size_t most = p->cfg.batch_bytes > KFK_PRODUCER_REQUEST_BYTES ? p->cfg.batch_bytes : KFK_PRODUCER_REQUEST_BYTES;
    bool full = false;
    for (kfk_list *n; !full && (n = kfk_list_first(list)) != NULL;) { /* nothing comes into the list meanwhile */
        kfk_producer_partition *pt = KFK_CONTAINER(n, kfk_producer_partition, listed);
        kfk_produce_batch *b = kfk_partition_offer_loop(pt, q->connection, q->request.version);
        size_t more = b ? bytes_of(b, q->request.version) : 0;
        full = b && q->count > 0 && (*bytes + more > most || q->count == MOST_ENTRIES);
        if (full) {
            kfk_broker_list_loop(q->broker, pt, KFK_READY, more, true); /* what rested has a batch now */
            break;
        }
        kfk_broker_list_loop(q->broker, pt, KFK_UNLISTED, 0, false);
        if (!b) continue;
        full = add_entry(q, pt, b) != 0;
        if (full) kfk_producer_retry_loop(p);
        *bytes += more;
    }
    return !full;
}

static size_t parts_of(const kfk_produce_batch *b, int16_t version)
{
    return version < BATCH_PRODUCE ? b->set.part_count : 1 + (size_t)b->body.part_count;
}

/* Numbers the topics of the request; how many there are, and whether all ids are known. */
static size_t number_topics(kfk_producer_request *q, bool *ids)
{
    size_t topics = 0;
    *ids = true;
    for (size_t i = 0; i < q->count; i++) q->entries[i].partition->topic->in_request = -1;
    for (size_t i = 0; i < q->count; i++) {
        kfk_producer_topic *t = q->entries[i].partition->topic;
        if (!t->has_id) *ids = false;
        if (t->in_request < 0) t->in_request = (int32_t)topics++;
    }
    return topics;
}

static void describe_records(entry *e, int16_t version, struct iovec *parts, kfk_records *out)
{
    const kfk_produce_batch *b = e->batch;
    *out = (kfk_records){.parts = parts, .part_count = (int)parts_of(b, version)};
    if (version < BATCH_PRODUCE) {
        kfk_produce_body_parts(&b->set, parts);
        return;
    }
    const kfk_sequence_batch *s = &b->sequence;
    kfk_produce_batch_header(b, s->producer_id, s->epoch, s->base_sequence, e->header);
    parts[0] = (struct iovec){e->header, sizeof e->header};
    kfk_produce_body_parts(&b->body, parts + 1);
}

/* The message's arrays, in one block: partitions of one topic have to stand side by side. */
static int lay_out(kfk_producer_request *q)
{
    bool ids;
    int16_t version = q->request.version;
    size_t topics = number_topics(q, &ids), parts = 0;
    for (size_t i = 0; i < q->count; i++) parts += parts_of(q->entries[i].batch, version);
    size_t need = q->count * sizeof *q->matches + topics * sizeof(kfk_produce_request_topic) +
                  q->count * sizeof(kfk_produce_request_partition) + parts * sizeof(struct iovec);
    if (need > q->layout_cap) {
        void *more = kfk_mem_realloc(q->layout, need);
        if (!more) return KAFKA_ENOMEM;
        q->layout = more;
        q->layout_cap = need;
    }
    if (version >= IDS_PRODUCE && !ids) version = q->request.version = IDS_PRODUCE - 1;
    q->matches = q->layout;
    kfk_produce_request_topic *topic = (kfk_produce_request_topic *)(void *)(q->matches + q->count);
    kfk_produce_request_partition *partition = (kfk_produce_request_partition *)(void *)(topic + topics);
    struct iovec *iov = (struct iovec *)(void *)(partition + q->count);
    memset(topic, 0, topics * sizeof *topic);
    for (size_t i = 0; i < q->count; i++) topic[q->entries[i].partition->topic->in_request].partition_data.count++;
    for (size_t i = 0; i < topics; i++) {
        topic[i].partition_data.items = partition;
        partition += topic[i].partition_data.count;
        topic[i].partition_data.count = 0;
    }
    for (size_t i = 0; i < q->count; i++) {
        entry *e = &q->entries[i];
        const kfk_producer_topic *t = e->partition->topic;
        kfk_produce_request_topic *in = &topic[t->in_request];
        q->matches[i] = (kfk_produce_match){.topic = t->in_request, .index = e->partition->id};
        kfk_produce_request_partition *at = &in->partition_data.items[in->partition_data.count++];
        in->name = kafka_str(t->name);
        in->topic_id = t->id;
        at->index = e->partition->id;
        describe_records(e, version, iov, &at->records);
        iov += at->records.part_count;
    }
    q->message.topic_data.items = topic;
    q->message.topic_data.count = (int32_t)topics;
    return 0;
}

static void mark_sent(kfk_producer_request *q)
{
    kfk_producer *p = q->broker->producer;
    size_t plain = 0;
    q->sent_ns = kfk_loop_now_ns(p->loop);
    for (size_t i = 0; i < q->count; i++) {
        entry *e = &q->entries[i];
        kfk_produce_batch *b = e->batch;
        kfk_ref_hold(&b->producer.uses);
        plain += kfk_produce_batch_plain_bytes(b);
        if (b->sequence.sent > 0) kfk_producer_count(p, KFK_COUNT_RETRY, 1);
        kfk_producer_count(p, KFK_COUNT_SENT, kfk_produce_batch_count(b));
        kfk_producer_count(p, KFK_COUNT_SENT_BYTES, (int64_t)bytes_of(b, q->request.version));
        kfk_sequence_sent(&e->partition->sequence, &b->sequence, &e->copy, q->connection);
    }
    q->filled = true;
    kfk_broker_sent_loop(q->broker, q->count, plain);
    for (size_t i = 0; i < q->count; i++) kfk_partition_settle_loop(q->entries[i].partition);
}

/* kfk_request.prepare: the connection is ready for it. */
static int fill(kfk_request *r, kfk_error *err)
{
    kfk_producer_request *q = KFK_CONTAINER(r, kfk_producer_request, request);
    kfk_producer_broker *br = q->broker;
    kfk_producer *p = br->producer;
    size_t bytes = 0;
    br->unfilled = br->unreachable = false;
    if (br->connection != q->connection)
        kfk_producer_count(p, KFK_COUNT_DIAL_NS, kfk_loop_now_ns(p->loop) - q->begun_ns);
    br->connection = q->connection;
    bool all = atomic_load_explicit(&br->in_flight, memory_order_relaxed) == 1 || kfk_slots_wanted(p->slots);
    if (take_from(q, &br->ready, &bytes) && all) take_from(q, &br->resting, &bytes);
    if (q->count == 0) return kfk_error_set(err, KAFKA_ECANCELED, "nothing is left to be sent");
    if (lay_out(q) != 0) {
        kfk_broker_pause_loop(br, KFK_PRODUCER_RETRY_MS);
        for (size_t i = 0; i < q->count; i++) kfk_partition_settle_loop(q->entries[i].partition); /* listed again */
        return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a Produce request");
    }
    mark_sent(q);
    return 0;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Which records were refused, for whoever takes them out: each batch keeps its own, since those behind it are answered,
 * too, before it is split. How many; -1 without memory for them. */
static int32_t keep_bad(entry *e, const kfk_produce_response_partition *a)
{
    int32_t count = a->record_errors.count, most = kfk_produce_batch_count(e->batch);
    if (!e->copy.batch || count <= 0) return 0;
    if (count > most) count = most; /* each is named once */
    kfk_producer_batch *b = &e->batch->producer;
    kfk_mem_free(b->bad);
    b->bad_count = 0;
    b->bad = kfk_mem_array((size_t)count, sizeof *b->bad);
    if (!b->bad) return -1;
    for (int32_t i = 0; i < count; i++) b->bad[b->bad_count++] = a->record_errors.items[i].batch_index;
    return count;
}

static void note_refusal(const kfk_producer_request *q, entry *e, const kfk_produce_response_partition *a, int16_t code)
{
    kafka_bytes said = {0}; /* best of one record: of all together brokers say only that something is wrong */
    if (a->record_errors.count > 0) said = a->record_errors.items[0].batch_index_error_message;
    if (said.len == 0) said = a->error_message;
    int len = said.data ? (said.len > 200 ? 200 : (int)said.len) : 0;
    kfk_partition_note(e->partition, "%s: %s%s%.*s", kfk_broker_name(q->link), kafka_strerror(code),
                       len > 0 ? " The broker says: " : "", len, len > 0 ? (const char *)said.data : "");
}

/* Is it a place where so many records can stand? */
static bool is_offset(int64_t offset, int32_t records)
{
    return offset >= 0 && offset <= INT64_MAX - records;
}

/* `a` NULL: the answer lacks it, or there is none. */
static void judge(kfk_producer_request *q, entry *e, const kfk_produce_response_partition *a)
{
    kfk_producer *p = q->broker->producer;
    kfk_producer_partition *pt = e->partition;
    int64_t now = kfk_loop_now_ms(p->loop);
    kfk_sequence_answer to = {.base_offset = -1, .append_time_ms = -1};
    if (!a && !q->request.no_answer) {
        to.code = KAFKA_ERR_UNKNOWN;
        kfk_partition_note(pt, "%s: the Produce answer lacks the partition", kfk_broker_name(q->link));
    } else if (a) {
        to.code = kfk_error_of_broker(a->error_code);
        if (to.code != 0 || is_offset(a->base_offset, kfk_produce_batch_count(e->batch)))
            to.base_offset = a->base_offset;
        to.append_time_ms = a->log_append_time_ms;
        if (to.code != 0) {
            to.bad_records = keep_bad(e, a);
            note_refusal(q, e, a, to.code);
        }
    }
    if (to.code != 0) kfk_producer_count(p, KFK_COUNT_REFUSED, to.code);
    if (to.code == 0 && pt->why) {
        kfk_mem_free(pt->why);
        pt->why = NULL;
    }
    if (to.bad_records < 0) to.code = KAFKA_ERR_CORRUPT_MESSAGE; /* refused as well: the broker is asked once more */
    pt->asked_leader = e->leader;
    pt->asked_epoch = e->leader_epoch;
    bool open = e->copy.batch != NULL;
    kfk_sequence_answered(&pt->sequence, &e->copy, &to, now);
    if (open && to.code != 0 && e->batch->sequence.ended) kfk_partition_keep_note(pt, e->batch);
}

/* Told after the refusals, since a new leader ends the pauses that they begin; and at once, since whoever is told looks
 * at all partitions of the topic. */
static void tell_hints(kfk_producer_request *q)
{
    kfk_cluster *c = q->broker->producer->cluster;
    bool any = false;
    for (size_t i = 0; i < q->count; i++) {
        const kfk_producer_partition *pt = q->entries[i].partition;
        const kfk_produce_response_partition *a = q->matches[i].answer;
        if (!a || a->error_code == 0 || a->current_leader.leader_id < 0 || !pt->topic->watch.on) continue;
        if (kfk_cluster_hint_loop(c, pt->topic->watch.topic, pt->id, a->current_leader.leader_id,
                                  a->current_leader.leader_epoch))
            any = true;
    }
    if (any) kfk_cluster_tell_hints_loop(c);
}

/* By what the request said: the topic may have got another id since. */
static void judge_all(kfk_producer_request *q)
{
    const kfk_produce_request_topic_array *asked = &q->message.topic_data;
    bool answered = !q->request.no_answer;
    if (answered)
        kfk_produce_answer_match(asked->items, asked->count, q->request.version >= IDS_PRODUCE, &q->answer, q->matches,
                                 (int32_t)q->count);
    for (size_t i = 0; i < q->count; i++) judge(q, &q->entries[i], answered ? q->matches[i].answer : NULL);
    if (answered) tell_hints(q);
}

static void learn(kfk_producer_request *q)
{
    for (int32_t i = 0; i < q->answer.node_endpoints.count; i++) {
        const kfk_produce_response_endpoint *n = &q->answer.node_endpoints.items[i];
        kfk_cluster_learn_loop(q->broker->producer->cluster, n->node_id, n->host, n->port, n->rack);
    }
}

static void not_answered(kfk_producer_request *q, const kfk_error *err)
{
    int64_t now = kfk_loop_now_ms(q->broker->producer->loop);
    for (size_t i = 0; i < q->count; i++) {
        entry *e = &q->entries[i];
        kfk_sequence *s = &e->partition->sequence;
        if (!q->request.touched) {
            kfk_sequence_unsent(s, &e->copy, now);
            continue;
        }
        kfk_partition_note(e->partition, "%s", err->text);
        e->partition->asked_leader = e->leader;
        e->partition->asked_epoch = e->leader_epoch;
        if (err->code == KAFKA_ENOMEM) { /* for the answer: the connection goes on */
            kfk_sequence_answer unknown = {
                .code = KAFKA_ERR_REQUEST_TIMED_OUT, .base_offset = -1, .append_time_ms = -1};
            kfk_sequence_answered(s, &e->copy, &unknown, now);
        } else {
            kfk_sequence_lost(s, &e->copy, err->code, now);
        }
    }
}

/* No byte of it was sent: there is no connection, or one that takes nothing of ours, or no memory. Where the connection
 * is there all the same, nothing else would pace the next try. */
static void could_not_be_sent(kfk_producer_request *q, const kfk_error *err)
{
    kfk_producer_broker *br = q->broker;
    if (err->code == KAFKA_ECANCELED || br->producer->stopped) return;
    if (err->code != KAFKA_ENOMEM) kfk_broker_unreachable_loop(br, err);
    if (!kfk_broker_failure(q->link)) kfk_broker_pause_loop(br, KFK_PRODUCER_RETRY_MS);
}

static void recycle(kfk_producer_request *q)
{
    kfk_producer_broker *br = q->broker;
    kfk_request_fini(&q->request);
    if (br->spares >= MOST_SPARES || br->producer->stopped) {
        kfk_producer_request_free(&q->node);
        return;
    }
    br->spares++;
    kfk_list_push_back(&br->spare, &q->node);
}

static void request_done(kfk_request *r, const kfk_error *err)
{
    kfk_producer_request *q = KFK_CONTAINER(r, kfk_producer_request, request);
    kfk_producer_broker *br = q->broker;
    kfk_producer *p = br->producer;
    atomic_fetch_sub_explicit(&br->in_flight, 1, memory_order_relaxed);
    if (!q->filled) br->unfilled = false;
    if (err && !r->touched) could_not_be_sent(q, err);
    if (!q->filled) q->count = 0; /* what was chosen before memory ran out is where it was */
    if (err) {
        not_answered(q, err);
    } else {
        kfk_broker_heard_loop(br);
        if (!r->no_answer) {
            kfk_producer_count(p, KFK_COUNT_WAIT_NS, kfk_loop_now_ns(p->loop) - q->sent_ns);
            kfk_broker_pause_loop(br, kfk_request_throttle_ms(r));
            if (!p->stopped) learn(q);
        }
        judge_all(q);
    }
    for (size_t i = 0; i < q->count; i++) {
        kfk_partition_settle_loop(q->entries[i].partition);
        kfk_producer_batch_drop(q->entries[i].batch);
    }
    recycle(q);
    kfk_broker_dirty_loop(br);
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static kfk_producer_request *request_take(kfk_producer_broker *br)
{
    kfk_list *n = kfk_list_first(&br->spare);
    kfk_producer_request *q;
    if (n) {
        q = KFK_CONTAINER(n, kfk_producer_request, node);
        kfk_list_remove(n);
        br->spares--;
    } else if ((q = kfk_mem_zalloc(sizeof *q)) != NULL) {
        kfk_list_init(&q->node);
        q->broker = br;
    }
    return q;
}

void kfk_producer_request_free(kfk_list *node)
{
    kfk_producer_request *q = KFK_CONTAINER(node, kfk_producer_request, node);
    kfk_mem_free(q->entries);
    kfk_mem_free(q->layout);
    kfk_mem_free(q);
}

/* How long the leader may wait for its followers: less than we wait for its answer. */
static int32_t time_for_broker(const kfk_producer *p)
{
    int64_t ms = p->cfg.write_timeout_ms - p->cfg.write_timeout_ms / 10;
    return ms < 1 ? 1 : ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

int kfk_producer_request_send_loop(kfk_producer_broker *br, kfk_broker *link)
{
    kfk_producer *p = br->producer;
    kfk_producer_request *q = request_take(br);
    if (!q) return KAFKA_ENOMEM;
    kfk_request *r = &q->request;
    kfk_request_init(r, KFK_API_PRODUCE);
    kfk_codec_default(r->api->request, &q->message);
    q->message.acks = p->cfg.acks;
    q->message.timeout_ms = time_for_broker(p);
    q->link = link;
    q->connection = kfk_broker_number(link);
    q->begun_ns = kfk_loop_now_ns(p->loop);
    q->filled = false;
    q->count = 0;
    r->max_version = LAST_PRODUCE;
    r->message = &q->message;
    r->response = &q->answer;
    r->no_answer = p->cfg.acks == 0;
    r->timeout_ms = p->cfg.write_timeout_ms;
    r->prepare = fill;
    r->done = request_done;
    br->unfilled = true;
    atomic_fetch_add_explicit(&br->in_flight, 1, memory_order_relaxed);
    kfk_producer_hold(p);
    kfk_broker_send_loop(link, r);
    return 0;
}
