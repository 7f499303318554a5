/* One partition: from what threads appended to what its machine of sequences sends, and its outcomes.
 *
 * Batches come out of the accumulator in order as they are sealed, and go to the machine at once; from then on it knows
 * their deadlines. The open batch stays open as long as nothing could be sent anyway: it is swapped out when a request
 * is being filled and the machine would take one more, so that batches grow while the broker is busy.
 *
 * `settle` is where everything that happens to a partition ends: it acts on what the machine says and finds the
 * partition's place in the lists of its broker. A partition that can do nothing until something happens to itself (an
 * answer, a pause that ends, a helper thread) is in none. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BATCH_PRODUCE = 3, SET_V1_PRODUCE = 2, ZSTD_PRODUCE = 7 };

static kfk_produce_batch *batch_of(kfk_sequence_batch *s)
{
    return s ? KFK_CONTAINER(s, kfk_produce_batch, sequence) : NULL;
}

void kfk_partition_note(kfk_producer_partition *pt, const char *fmt, ...)
{
    char text[KFK_PRODUCER_WHY];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    kfk_error_clean_cut(text, sizeof text);
    char *copy = kfk_mem_strdup(text);
    if (!copy) return;
    kfk_mem_free(pt->why);
    pt->why = copy;
}

void kfk_partition_keep_note(const kfk_producer_partition *pt, kfk_produce_batch *b)
{
    if (pt->why && !b->producer.why) b->producer.why = kfk_mem_strdup(pt->why);
}

/* ---- coming ------------------------------------------------------------------------------------------------------ */

static void push(kfk_producer_partition *pt, kfk_produce_batch *b)
{
    kfk_producer *p = kfk_partition_producer(pt);
    int64_t deadline = p->cfg.delivery_timeout_ms == KFK_TIME_NEVER
                           ? KFK_TIME_NEVER
                           : kfk_time_add(b->accepted_ms, p->cfg.delivery_timeout_ms);
    if (deadline < pt->last_deadline_ms) deadline = pt->last_deadline_ms;
    pt->last_deadline_ms = deadline;
    b->producer.partition = pt;
    if (b->producer.serial == 0) kfk_producer_adopt_loop(p, b);
    b->sequence.records = kfk_produce_batch_count(b);
    b->sequence.newest_ms = b->writer.max_timestamp;
    b->sequence.deadline_ms = deadline;
    kfk_sequence_push(&pt->sequence, &b->sequence);
    pt->pushed++;
    if (b->state != KFK_PRODUCE_FAILED) return;
    kfk_partition_note(pt, "%s", b->seal_error ? b->seal_error->text : "no memory to compress it");
    kfk_producer_refuse_loop(pt, b, b->seal_code);
}

/* The producer wants to know when the open batch has waited for batch_timeout_ms. */
static void note_age(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    if (pt->view.open_count == 0) {
        kfk_list_remove(&pt->aging);
        pt->overdue = false;
    } else if (kfk_list_empty(&pt->aging) ? !pt->overdue : pt->aging_ms != pt->view.open_since_ms) {
        kfk_list_remove(&pt->aging);
        pt->aging_ms = pt->view.open_since_ms;
        kfk_list_push_back(&p->aging, &pt->aging);
    } else if (pt->overdue && pt->aging_ms != pt->view.open_since_ms) { /* that was another one */
        pt->overdue = false;
        pt->aging_ms = pt->view.open_since_ms;
        kfk_list_push_back(&p->aging, &pt->aging);
    }
}

void kfk_partition_look_loop(kfk_producer_partition *pt, bool kicked)
{
    kfk_produce_batch *b;
    if (pt->id == KFK_PRODUCER_LOBBY) {
        kfk_producer_lobby_loop(pt->topic, kicked);
        return;
    }
    if (kicked)
        kfk_accum_look(&pt->accum, &pt->view);
    else
        kfk_accum_peek(&pt->accum, &pt->view);
    while (pt->view.queued > 0 && (b = kfk_accum_pop(&pt->accum)) != NULL) {
        pt->view.queued--;
        pt->popped++;
        push(pt, b);
    }
    if (pt->view.open_count == 0 || pt->view.queued > 0) kfk_list_remove(&pt->asked_node);
    note_age(pt);
}

bool kfk_partition_is_empty(const kfk_producer_partition *pt)
{
    return pt->pushed == 0 && pt->view.open_count == 0 && pt->view.queued == 0;
}

bool kfk_partition_waits_for_leader(const kfk_producer_partition *pt)
{
    return (!pt->broker || pt->broker->unreachable) && !kfk_partition_is_empty(pt);
}

/* The open batch, without a codec, is swapped out and pushed. By now it may be another one than was seen, with a codec:
 * that is left to a helper thread. */
static bool take_open(kfk_producer_partition *pt, bool plain)
{
    kfk_producer *p = kfk_partition_producer(pt);
    kfk_accum_call call = {.now_ms = kfk_loop_now_ms(p->loop)};
    if (!kfk_accum_swap_out(&pt->accum, &call)) return false;
    if (plain)
        kfk_producer_seal_plain(&call);
    else if (call.seals->codec == KFK_CODEC_NONE)
        kfk_accum_seal(&call);
    else
        kfk_producer_seal_list_job_loop(p, &call);
    bool kicked = call.kicks != NULL; /* by the sealing, else it is on its way already */
    call.kicks = NULL;
    kfk_producer_deliver(p, &call);
    kfk_partition_look_loop(pt, kicked);
    return true;
}

void kfk_partition_push_open_loop(kfk_producer_partition *pt)
{
    if (pt->view.open_count == 0) return;
    if (pt->view.open_codec == KFK_CODEC_NONE)
        take_open(pt, false);
    else
        kfk_producer_seal_job_loop(pt);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* What it waited for, as far as that is known; "" = nothing in particular. `room` is for the text. */
static const char *cause_of(const kfk_producer_partition *pt, char *room, size_t cap)
{
    const kfk_producer *p = kfk_partition_producer(pt);
    if (pt->why) return pt->why;
    if (!pt->broker && p->cluster) {
        kfk_cluster_describe_loop(p->cluster, room, cap);
        if (room[0]) return room;
        return pt->id == KFK_PRODUCER_LOBBY ? "its partitions are being looked up" : "nobody leads it";
    }
    if (pt->broker && pt->broker->unreachable) return pt->broker->failure.text;
    bool has_no_id = p->sequence_config.idempotence && pt->sequence.producer_id < 0;
    return has_no_id && p->ids.failure.code != 0 ? p->ids.failure.text : "";
}

static void describe(const kfk_producer_partition *pt, const kfk_produce_batch *b, kfk_error *why)
{
    const kfk_producer *p = kfk_partition_producer(pt);
    const kfk_sequence_batch *s = &b->sequence;
    char tried[64], doing[200] = "";
    if (s->sent == 0)
        snprintf(tried, sizeof tried, "it was never sent");
    else
        snprintf(tried, sizeof tried, "sent %d time%s", (int)s->sent, s->sent == 1 ? "" : "s");
    const char *cause = b->producer.why ? b->producer.why : cause_of(pt, doing, sizeof doing);
    if (s->code == KAFKA_ETIMEDOUT)
        kfk_error_set(why, s->code, "topic %s partition %d: no outcome within %lld ms, %s%s%s", pt->topic->name,
                      (int)pt->id, (long long)p->cfg.delivery_timeout_ms, tried, cause[0] ? "; the last failure: " : "",
                      cause);
    else if (p->stopped && s->code == p->stop_why.code)
        kfk_error_set(why, s->code, "topic %s partition %d: %s, %s", pt->topic->name, (int)pt->id, p->stop_why.text,
                      tried);
    else
        kfk_error_set(why, s->code, "topic %s partition %d: %s (%s)", pt->topic->name, (int)pt->id,
                      cause[0] ? cause : kafka_strerror(s->code), tried);
}

void kfk_producer_describe_loop(const kfk_producer *p, char *out, size_t cap)
{
    const kfk_list *first = kfk_list_first(&p->outstanding);
    char partition[24] = "", doing[KFK_PRODUCER_WHY] = "";
    *out = '\0';
    if (!first) return;
    const kfk_produce_batch *b = KFK_CONTAINER(first, const kfk_produce_batch, producer.outstanding);
    const kfk_producer_partition *pt = b->producer.partition;
    const char *cause = cause_of(pt, doing, sizeof doing);
    if (!cause[0]) cause = b->sequence.sent > 0 ? "it was sent and has no answer yet" : "it has not been sent yet";
    if (pt->id != KFK_PRODUCER_LOBBY) snprintf(partition, sizeof partition, " partition %d", (int)pt->id);
    snprintf(out, cap, "topic %s%s: %s", pt->topic->name, partition, cause);
    kfk_error_clean_cut(out, cap);
}

static void complete(kfk_producer_partition *pt, kfk_produce_batch *b)
{
    kfk_producer *p = kfk_partition_producer(pt);
    kfk_error why;
    const kfk_sequence_batch *s = &b->sequence;
    pt->pushed--;
    b->producer.written = s->written;
    b->producer.base_offset = s->code == 0 && s->base_offset >= 0 ? s->base_offset : -1;
    b->producer.append_time_ms = s->append_time_ms;
    b->producer.attempts = s->sent;
    if (s->code != 0) describe(pt, b, &why);
    kfk_producer_deliver_outcome_loop(p, b, s->code != 0 ? &why : NULL);
}

static void complete_ended(kfk_producer_partition *pt)
{
    kfk_sequence_batch *s;
    while ((s = kfk_sequence_take_ended(&pt->sequence)) != NULL) complete(pt, batch_of(s));
}

static void take_wants(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    unsigned wants = kfk_sequence_take_wants(&pt->sequence);
    if (pt->view.open_count > 0 && kfk_sequence_needs_id(&pt->sequence)) /* it stays open while nothing can be sent */
        wants |= pt->sequence.producer_id < 0 ? KFK_SEQUENCE_WANT_ID : KFK_SEQUENCE_WANT_NEW_ID;
    if (wants == 0 || p->stopped) return;
    if (wants & KFK_SEQUENCE_WANT_ID) kfk_producer_ids_want_loop(p);
    if (wants & KFK_SEQUENCE_WANT_ID) kfk_producer_ids_give_loop(pt);
    if (wants & KFK_SEQUENCE_WANT_NEW_ID) kfk_producer_ids_want_own_loop(pt);
    if ((wants & KFK_SEQUENCE_WANT_METADATA) && pt->topic->watch.on)
        kfk_cluster_stale_loop(p->cluster, pt->topic->watch.topic, pt->id, pt->asked_leader, pt->asked_epoch);
}

/* ---- its place --------------------------------------------------------------------------------------------------- */

static bool is_ready(const kfk_producer_partition *pt)
{
    const kfk_producer *p = kfk_partition_producer(pt);
    return pt->overdue || pt->view.open_awaited || pt->view.open_count >= p->cfg.batch_size || p->closing ||
           kfk_slots_wanted(p->slots);
}

static void place(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    kfk_producer_broker *br = pt->broker;
    uint64_t connection = br ? br->connection : 0;
    int64_t now = kfk_loop_now_ms(p->loop);
    const kfk_sequence_batch *b = br ? kfk_sequence_next(&pt->sequence, connection, now, kfk_time_wall_ms()) : NULL;
    bool more = !b && !pt->busy && kfk_sequence_takes_more(&pt->sequence, connection, now);
    atomic_store_explicit(&pt->may_send, more, memory_order_relaxed);
    if (!br) return;
    if (pt->busy || (!b && (!more || pt->view.open_count == 0)))
        kfk_broker_list_loop(br, pt, KFK_UNLISTED, 0, false);
    else if (b)
        kfk_broker_list_loop(br, pt, KFK_READY,
                             kfk_produce_batch_wire_bytes(KFK_CONTAINER(b, kfk_produce_batch, sequence)), true);
    else if (is_ready(pt))
        kfk_broker_list_loop(br, pt, KFK_READY, pt->view.open_bytes,
                             pt->overdue || pt->view.open_awaited || p->closing);
    else
        kfk_broker_list_loop(br, pt, KFK_RESTING, pt->view.open_bytes, false);
}

static int64_t first_deadline(const kfk_producer_partition *pt)
{
    KFK_LIST_EACH (n, &pt->sequence.queue) {
        const kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
        if (!b->ended) return b->deadline_ms;
    }
    return KFK_TIME_NEVER;
}

static void set_timer(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    int64_t now = kfk_loop_now_ms(p->loop), due = kfk_sequence_due_ms(&pt->sequence);
    if (due <= now) due = first_deadline(pt); /* a pause that is over: it waits for something else */
    if (pt->view.open_count > 0 && p->cfg.delivery_timeout_ms != KFK_TIME_NEVER) {
        int64_t open_due = kfk_time_add(pt->view.open_since_ms, p->cfg.delivery_timeout_ms);
        if (open_due < due) due = open_due;
    }
    if (due == KFK_TIME_NEVER || p->stopped) return;
    if (!kfk_timer_is_set(&pt->timer) || kfk_timer_at_ms(&pt->timer) > due)
        kfk_loop_timer_set(p->loop, &pt->timer, due);
}

/* What is open has waited for as long as anything may. */
static void expire_open(kfk_producer_partition *pt, int64_t now)
{
    const kfk_producer *p = kfk_partition_producer(pt);
    if (pt->view.open_count == 0 || p->cfg.delivery_timeout_ms == KFK_TIME_NEVER) return;
    if (kfk_time_add(pt->view.open_since_ms, p->cfg.delivery_timeout_ms) > now) return;
    kfk_partition_look_loop(pt, false); /* is it still the one that was seen? */
    if (pt->view.open_count > 0 && kfk_time_add(pt->view.open_since_ms, p->cfg.delivery_timeout_ms) <= now)
        take_open(pt, true);
}

void kfk_partition_settle_loop(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    int64_t now = kfk_loop_now_ms(p->loop);
    kfk_sequence_batch *s;
    kfk_sequence_split how;
    if (pt->id == KFK_PRODUCER_LOBBY) return;
    expire_open(pt, now);
    if (p->stopped)
        kfk_sequence_give_up(&pt->sequence, p->stop_why.code, now);
    else
        kfk_sequence_tick(&pt->sequence, now);
    if (!pt->busy && !p->stopped && (s = kfk_sequence_split_due(&pt->sequence, &how)) != NULL)
        kfk_producer_split_loop(pt, batch_of(s), how);
    complete_ended(pt);
    take_wants(pt);
    if (p->stopped) return;
    place(pt);
    set_timer(pt);
    if (kfk_partition_waits_for_leader(pt)) kfk_producer_search_loop(pt->topic);
}

void kfk_partition_give_up_loop(kfk_producer_partition *pt, int code)
{
    kfk_sequence_give_up(&pt->sequence, code, kfk_loop_now_ms(kfk_partition_producer(pt)->loop));
    kfk_partition_settle_loop(pt);
}

static void timer_due(kfk_timer *timer)
{
    kfk_producer_partition *pt = KFK_CONTAINER(timer, kfk_producer_partition, timer);
    kfk_producer *p = kfk_partition_producer(pt);
    kfk_producer_hold(p);
    kfk_partition_look_loop(pt, false);
    kfk_partition_settle_loop(pt);
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

void kfk_partition_lead_loop(kfk_producer_partition *pt, kfk_producer_broker *br, int32_t leader, int32_t epoch)
{
    if (pt->broker == br && pt->leader == leader && pt->leader_epoch == epoch) return;
    if (pt->broker) kfk_broker_list_loop(pt->broker, pt, KFK_UNLISTED, 0, false);
    bool another = br && (pt->leader != leader || pt->leader_epoch != epoch);
    pt->broker = br;
    if (br) {
        pt->leader = leader;
        pt->leader_epoch = epoch;
    }
    atomic_store_explicit(&pt->pipe, br, memory_order_release);
    if (another) kfk_sequence_leader_changed(&pt->sequence);
    kfk_partition_settle_loop(pt);
}

/* ---- what is sent ------------------------------------------------------------------------------------------------ */

/* Is it in a form that this version of Produce takes? Otherwise it is being made so, or fails. */
static bool is_fit(kfk_producer_partition *pt, kfk_produce_batch *b, int16_t version)
{
    int8_t magic = version >= SET_V1_PRODUCE ? 1 : 0;
    if (b->codec == KFK_CODEC_ZSTD && version < ZSTD_PRODUCE) {
        kfk_partition_note(pt, "zstd needs a broker with Produce %d (Kafka 2.1); this one has %d", ZSTD_PRODUCE,
                           (int)version);
        kfk_producer_refuse_loop(pt, b, KAFKA_EVERSION);
        return false;
    }
    if (version >= BATCH_PRODUCE) return true;
    if (kfk_partition_producer(pt)->sequence_config.idempotence) {
        kfk_partition_note(pt, "idempotence needs Produce %d (Kafka 0.11); this leader has %d, others have more",
                           BATCH_PRODUCE, (int)version);
        kfk_producer_refuse_loop(pt, b, KAFKA_EVERSION);
        return false;
    }
    if (b->set.len > 0 && b->set_magic == magic) return true;
    kfk_producer_set_job_loop(pt, b, magic);
    return false;
}

/* Somebody else compresses: the next who appends, or, when nobody does, or it is urgent, a helper thread. */
static void ask_for_seal(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    if (pt->overdue || p->closing || kfk_slots_wanted(p->slots)) {
        kfk_producer_seal_job_loop(pt);
    } else if (kfk_list_empty(&pt->asked_node)) {
        kfk_accum_ask(&pt->accum);
        pt->asked_ms = kfk_loop_now_ms(p->loop);
        kfk_list_push_back(&p->asked, &pt->asked_node);
    }
}

/* What the machine would send, in a form that fits. What cannot be had in one fails here, and the next has its turn. */
static kfk_produce_batch *next_fit(kfk_producer_partition *pt, uint64_t connection, int16_t version)
{
    int64_t now = kfk_loop_now_ms(kfk_partition_producer(pt)->loop), wall = kfk_time_wall_ms();
    kfk_produce_batch *b;
    while ((b = batch_of(kfk_sequence_next(&pt->sequence, connection, now, wall))) != NULL) {
        if (is_fit(pt, b, version)) return b;
        if (!b->sequence.ended) return NULL; /* it is being made so */
        complete_ended(pt);
    }
    return NULL;
}

kfk_produce_batch *kfk_partition_offer_loop(kfk_producer_partition *pt, uint64_t connection, int16_t version)
{
    int64_t now = kfk_loop_now_ms(kfk_partition_producer(pt)->loop);
    if (pt->busy) return NULL;
    kfk_produce_batch *b = next_fit(pt, connection, version);
    if (b || pt->busy || pt->view.open_count == 0 || !kfk_sequence_takes_more(&pt->sequence, connection, now)) return b;
    if (pt->view.open_codec != KFK_CODEC_NONE) {
        ask_for_seal(pt);
        return NULL;
    }
    take_open(pt, false);
    b = next_fit(pt, connection, version);
    complete_ended(pt);
    take_wants(pt);
    return b;
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

void kfk_partition_init(kfk_producer_partition *pt, kfk_producer_topic *t, int32_t id)
{
    kfk_producer *p = t->producer;
    bool lobby = id == KFK_PRODUCER_LOBBY;
    kfk_accum_init(&pt->accum, lobby ? &p->lobby_config : &p->accum_config,
                   lobby ? KFK_SLOTS_UNKNOWN : KFK_SLOTS_KNOWN);
    pt->topic = t;
    pt->id = id;
    pt->leader = pt->leader_epoch = -1;
    kfk_list_init(&pt->listed);
    kfk_list_init(&pt->aging);
    kfk_list_init(&pt->asked_node);
    kfk_list_init(&pt->own_id);
    kfk_timer_init(&pt->timer, timer_due);
    kfk_sequence_init(&pt->sequence, &p->sequence_config, lobby ? 0 : (uint32_t)kfk_loop_random(p->loop));
    if (!lobby && atomic_load(&p->closed)) kfk_accum_close(&pt->accum, KAFKA_ECLOSED, &(kfk_accum_call){0});
}

void kfk_partition_fini(kfk_producer_partition *pt)
{
    kfk_accum_fini(&pt->accum);
    kfk_mem_free(pt->why);
}

kfk_producer_topic *kfk_producer_partition_topic(const kfk_producer_partition *pt)
{
    return pt->topic;
}

int32_t kfk_producer_partition_id(const kfk_producer_partition *pt)
{
    return pt->id;
}
