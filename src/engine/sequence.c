/* The sequence machine: answers, endings, bumps.
 *
 * What makes it sound, in the order in which it is needed:
 *
 *   1. A triple never names other records. So a copy too many is recognized by the broker, and a batch whose copy may
 *      have been appended is sent again as it is, until an answer says that it is there.
 *   2. Within an epoch a broker that knows the producer appends a batch only behind its predecessor. So a batch that
 *      was refused for good is a *cut*: nothing behind it can be there, and all of it may be sent again under a new
 *      epoch.
 *   3. A broker may have forgotten the producer; then, before Kafka 4.5, it takes any sequence first. So a batch is
 *      alone in flight where the leader may be such a broker (sequence_next.c).
 *   4. A new epoch fences copies of the old one only when something of it was written. So there is no bump while a
 *      connection owes an answer, nor while it is not known whether something before the cut is there.
 *
 * After each input `settle` brings the partition to rest: it ends a proof that is over and bumps when it may. The bump
 * is decided in one place, so every rule about it can be read there. */
#include "engine/sequence_impl.h"
#include <assert.h>

enum { FIRST_PAUSE_MS = 100, LONGEST_PAUSE_MS = 1000, LAST_EPOCH = 32767 };

void kfk_sequence_init(kfk_sequence *s, const kfk_sequence_config *cfg, uint32_t random)
{
    *s = (kfk_sequence){.cfg = cfg, .producer_id = -1, .new_producer_id = -1, .epoch = -1, .random = random | 1};
    kfk_list_init(&s->queue);
    kfk_list_init(&s->copies);
}

kfk_sequence_batch *kfk_sequence_first(const kfk_sequence *s)
{
    for (kfk_list *n = s->queue.next; n != &s->queue; n = n->next) {
        kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
        if (!b->ended) return b;
    }
    return NULL;
}

bool kfk_sequence_is_cut(const kfk_sequence_batch *b)
{
    return !b->sequenced || b->behind_cut || (!b->unknown && b->in_flight == 0);
}

void kfk_sequence_want(kfk_sequence *s, unsigned what)
{
    s->wants |= (uint8_t)(what & ~s->told);
}

/* Longer after each failure in a row. */
void kfk_sequence_pause(kfk_sequence *s, int64_t now_ms)
{
    int64_t ms = FIRST_PAUSE_MS;
    for (unsigned i = 0; i < s->failures && ms < LONGEST_PAUSE_MS; i++) ms *= 2;
    if (ms > LONGEST_PAUSE_MS) ms = LONGEST_PAUSE_MS;
    if (s->failures < 16) s->failures++;
    s->random = s->random * 1664525 + 1013904223;
    ms = ms - ms / 5 + (int64_t)((s->random >> 8) % (uint32_t)(ms / 5 * 2 + 1));
    s->pause_until_ms = kfk_time_add(now_ms, ms);
}

/* ---- endings ----------------------------------------------------------------------------------------------------- */

static void set_split(kfk_sequence *s, kfk_sequence_batch *b, kfk_sequence_split how)
{
    s->splits -= b->split != KFK_SEQUENCE_SPLIT_NOT;
    s->splits += how != KFK_SEQUENCE_SPLIT_NOT;
    b->split = (uint8_t)how;
}

void kfk_sequence_end(kfk_sequence *s, kfk_sequence_batch *b, int code, kafka_written written, int64_t base_offset)
{
    assert(!b->ended);
    b->ended = true;
    s->sequenced -= b->sequenced;
    b->code = code;
    b->written = written;
    b->base_offset = base_offset;
    set_split(s, b, KFK_SEQUENCE_SPLIT_NOT);
    b->in_flight = 0;
    KFK_LIST_EACH (n, &s->copies) {
        kfk_sequence_copy *c = KFK_CONTAINER(n, kfk_sequence_copy, node);
        if (c->batch == b) c->batch = NULL;
    }
}

/* Something of this epoch will not be sent again, from `b` on nothing can be in the log. The queue may be long, so this
 * ends where nothing has a sequence: what has one behind that, behind parts of a batch, is behind the cut that these
 * made. */
static void cut(kfk_sequence *s, kfk_sequence_batch *b)
{
    s->bump_due = true;
    while ((b = kfk_sequence_after(s, b)) != NULL && (b->ended || b->sequenced)) b->behind_cut = b->sequenced;
}

static bool is_behind_cut(const kfk_sequence *s, const kfk_sequence_batch *b)
{
    if (b->behind_cut) return true;
    if (!s->bump_due) return false;
    for (const kfk_sequence_batch *x = kfk_sequence_first(s); x != b; x = kfk_sequence_after(s, x)) {
        if (!x->ended && kfk_sequence_is_cut(x)) return true;
    }
    return false;
}

void kfk_sequence_fail(kfk_sequence *s, kfk_sequence_batch *b, int code)
{
    bool never = (!b->unknown && b->in_flight == 0) || (s->cfg->idempotence && is_behind_cut(s, b));
    if (b->sequenced) {
        if (never) cut(s, b);
        s->bump_due = true;
        s->proof = 0;
    }
    kfk_sequence_end(s, b, code, never ? KAFKA_WRITTEN_NO : KAFKA_WRITTEN_MAYBE, -1);
}

/* ---- bumps ------------------------------------------------------------------------------------------------------- */

/* Everything open begins again, with the first sequence of an epoch in which nothing was sent yet. */
static void begin_epoch(kfk_sequence *s)
{
    s->next_sequence = 0;
    s->trusted = 0;
    s->proof = 0;
    s->vain = 0;
    s->bump_due = s->id_due = false;
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b && s->sequenced > 0; b = kfk_sequence_after(s, b)) {
        if (b->ended || !b->sequenced) continue;
        b->sequenced = b->unknown = b->behind_cut = b->offered = false;
        b->tried = 0;
        s->sequenced--;
    }
}

/* Nothing that was sent may still be there, or be coming: another epoch can begin. */
static bool may_bump(const kfk_sequence *s)
{
    const kfk_sequence_batch *b = kfk_sequence_first(s);
    return s->bump_due && kfk_list_empty(&s->copies) && (!b || kfk_sequence_is_cut(b));
}

static void bump_if_it_may(kfk_sequence *s)
{
    if (!may_bump(s)) return;
    if (!s->id_due && s->epoch < LAST_EPOCH) {
        s->epoch++;
        begin_epoch(s);
    } else if (s->new_producer_id >= 0) {
        s->producer_id = s->new_producer_id;
        s->epoch = s->new_epoch;
        s->new_producer_id = -1;
        begin_epoch(s);
    } else if (kfk_sequence_first(s)) { /* without anything to send it can wait */
        kfk_sequence_want(s, KFK_SEQUENCE_WANT_NEW_ID);
    }
}

static void settle(kfk_sequence *s, int64_t now_ms)
{
    if (!s->cfg->idempotence) return;
    kfk_sequence_proof_check(s, now_ms);
    bump_if_it_may(s);
}

void kfk_sequence_id(kfk_sequence *s, int64_t producer_id, int16_t epoch)
{
    s->told &= (uint8_t) ~(KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID);
    if (s->producer_id < 0) {
        s->producer_id = producer_id;
        s->epoch = epoch;
        begin_epoch(s);
    } else if (s->id_due || s->epoch == LAST_EPOCH) {
        s->new_producer_id = producer_id;
        s->new_epoch = epoch;
    }
    bump_if_it_may(s);
}

void kfk_sequence_id_refused(kfk_sequence *s)
{
    s->told &= (uint8_t) ~(KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID);
}

/* ---- what was sent, and what came of it -------------------------------------------------------------------------- */

static void reset(kfk_sequence_batch *b)
{
    assert(b->records > 0);
    b->producer_id = b->base_offset = b->append_time_ms = -1;
    b->epoch = -1;
    b->base_sequence = -1;
    b->in_flight = b->tried = 0;
    b->sequenced = b->unknown = b->behind_cut = b->offered = false;
    b->split = KFK_SEQUENCE_SPLIT_NOT;
}

void kfk_sequence_push(kfk_sequence *s, kfk_sequence_batch *b)
{
    reset(b);
    kfk_list_push_back(&s->queue, &b->node);
    if (s->cfg->idempotence && s->producer_id < 0) kfk_sequence_want(s, KFK_SEQUENCE_WANT_ID);
    bump_if_it_may(s);
}

void kfk_sequence_sent(kfk_sequence *s, kfk_sequence_batch *b, kfk_sequence_copy *copy, uint64_t connection)
{
    copy->batch = b;
    copy->connection = connection;
    copy->term = s->term;
    copy->alone = b->alone;
    copy->expires = b->expires;
    copy->oldest = kfk_sequence_first(s) == b;
    kfk_list_push_back(&s->copies, &copy->node);
    b->in_flight++;
    b->tried++;
    b->sent++;
}

/* The copy is over. Its batch, unless that has ended. */
static kfk_sequence_batch *take_copy(kfk_sequence_copy *copy)
{
    kfk_sequence_batch *b = copy->batch;
    kfk_list_remove(&copy->node);
    copy->batch = NULL;
    if (b) b->in_flight--;
    return b;
}

static void acknowledged(kfk_sequence *s, const kfk_sequence_copy *copy, kfk_sequence_batch *b,
                         const kfk_sequence_answer *a, int64_t now_ms)
{
    bool older = kfk_sequence_first(s) != b;
    s->failures = s->vain = 0;
    if (copy->term == s->term) {
        s->trusted = copy->expires ? 0 : copy->connection;
        s->trusted_at_ms = now_ms;
    }
    b->append_time_ms = a->append_time_ms;
    kfk_sequence_end(s, b, 0, s->cfg->acks == 0 ? KAFKA_WRITTEN_MAYBE : KAFKA_WRITTEN_YES, a->base_offset);
    if (s->proof == 0 || !older) return;
    kfk_sequence_proof_acknowledged(s);
    if (s->proof != 0) kfk_sequence_proof_failed(s, now_ms);
}

/* Another try after a refusal or an unknown outcome; `counts`: it was an attempt. What an earlier leader says late, of
 * several copies that it was sent, does not hold up its successor. */
static void again(kfk_sequence *s, const kfk_sequence_copy *copy, kfk_sequence_batch *b, bool counts, int64_t now_ms)
{
    s->proof = 0;
    if (copy->term == s->term) kfk_sequence_pause(s, now_ms);
    if (counts && ++b->attempts >= s->cfg->max_attempts && b->in_flight == 0) kfk_sequence_fail(s, b, b->last_code);
}

/* Refused for its sequence. Only what the present leader says of the oldest batch means something: all before it is
 * settled. */
static void out_of_line(kfk_sequence *s, const kfk_sequence_copy *copy, kfk_sequence_batch *b, int64_t now_ms)
{
    b->offered = true;
    if (!copy->oldest || copy->term != s->term || b->in_flight > 0 || b->behind_cut) return;
    if (b->unknown) {
        kfk_sequence_proof_begin(s, copy->connection, now_ms);
        return;
    }
    cut(s, b);
    kfk_sequence_pause(s, now_ms);
}

/* Refused for good. While another copy is in flight it is a refusal like any other. */
static void refused(kfk_sequence *s, kfk_sequence_batch *b, kfk_produce_class kind, const kfk_sequence_answer *a,
                    int64_t now_ms)
{
    bool absent = !b->unknown || b->behind_cut;
    kfk_sequence_split how = KFK_SEQUENCE_SPLIT_NOT;
    s->proof = 0;
    if (b->in_flight > 0) return;
    if (kind == KFK_PRODUCE_TOO_LARGE) how = KFK_SEQUENCE_SPLIT_SMALLER;
    if (kind == KFK_PRODUCE_BAD_RECORDS && a->bad_records > 0) how = KFK_SEQUENCE_SPLIT_BAD;
    if (kind == KFK_PRODUCE_FENCED) {
        s->id_due = true;
        kfk_sequence_pause(s, now_ms);
    }
    if (!absent || (kind != KFK_PRODUCE_FENCED && (how == KFK_SEQUENCE_SPLIT_NOT || b->records == 1))) {
        kfk_sequence_fail(s, b, a->code);
        return;
    }
    set_split(s, b, how);
    if (b->sequenced) cut(s, b);
}

static void judge(kfk_sequence *s, const kfk_sequence_copy *copy, kfk_sequence_batch *b, const kfk_sequence_answer *a,
                  int64_t now_ms)
{
    kfk_produce_outcome o = kfk_produce_outcome_read(a->code, a->base_offset, s->cfg->acks, s->cfg->idempotence);
    b->last_code = a->code;
    if (o.refresh) kfk_sequence_want(s, KFK_SEQUENCE_WANT_METADATA);
    if (kfk_produce_outcome_written(o.kind) == KAFKA_WRITTEN_MAYBE) b->unknown = true;
    switch (o.kind) {
    case KFK_PRODUCE_DONE: acknowledged(s, copy, b, a, now_ms); break;
    case KFK_PRODUCE_RETRY:
    case KFK_PRODUCE_UNTOLD: again(s, copy, b, true, now_ms); break;
    case KFK_PRODUCE_UNKNOWN: again(s, copy, b, false, now_ms); break;
    case KFK_PRODUCE_OUT_OF_LINE:
    case KFK_PRODUCE_DUPLICATE: out_of_line(s, copy, b, now_ms); break;
    case KFK_PRODUCE_TOO_LARGE:
    case KFK_PRODUCE_BAD_RECORDS:
    case KFK_PRODUCE_FENCED:
    case KFK_PRODUCE_FATAL: refused(s, b, o.kind, a, now_ms); break;
    }
}

void kfk_sequence_answered(kfk_sequence *s, kfk_sequence_copy *copy, const kfk_sequence_answer *a, int64_t now_ms)
{
    kfk_sequence_batch *b = take_copy(copy);
    if (b) judge(s, copy, b, a, now_ms);
    settle(s, now_ms);
}

void kfk_sequence_lost(kfk_sequence *s, kfk_sequence_copy *copy, int code, int64_t now_ms)
{
    kfk_sequence_batch *b = take_copy(copy);
    if (s->proof == copy->connection) s->proof = 0;
    kfk_sequence_want(s, KFK_SEQUENCE_WANT_METADATA);
    if (b) {
        b->last_code = code;
        b->unknown = true;
        if (s->cfg->acks == 0) kfk_sequence_fail(s, b, code);
    }
    settle(s, now_ms);
    kfk_sequence_tick(s, now_ms);
}

void kfk_sequence_unsent(kfk_sequence *s, kfk_sequence_copy *copy, int64_t now_ms)
{
    kfk_sequence_batch *b = take_copy(copy);
    if (b) {
        b->tried--;
        b->sent--;
    }
    settle(s, now_ms);
    kfk_sequence_tick(s, now_ms);
}

/* ---- what else happens ------------------------------------------------------------------------------------------- */

void kfk_sequence_leader_changed(kfk_sequence *s)
{
    s->term++;
    s->trusted = 0;
    s->proof = 0;
    s->vain = 0;
    s->pause_until_ms = 0;
}

void kfk_sequence_topic_recreated(kfk_sequence *s)
{
    kfk_sequence_leader_changed(s);
    s->written_end = 0;
    if (s->producer_id >= 0) s->bump_due = true;
    bump_if_it_may(s);
}

void kfk_sequence_tick(kfk_sequence *s, int64_t now_ms)
{
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b; b = kfk_sequence_after(s, b)) {
        if (!b->ended && b->deadline_ms > now_ms) break;
        if (!b->ended) kfk_sequence_fail(s, b, KAFKA_ETIMEDOUT);
    }
    settle(s, now_ms);
}

void kfk_sequence_missed(kfk_sequence *s, int code, int64_t now_ms)
{
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b; b = kfk_sequence_after(s, b)) {
        if (b->ended || b->in_flight > 0) continue;
        b->last_code = code;
        if (++b->attempts >= s->cfg->max_attempts) kfk_sequence_fail(s, b, code);
    }
    kfk_sequence_tick(s, now_ms);
}

void kfk_sequence_refuse(kfk_sequence *s, kfk_sequence_batch *b, int code, int64_t now_ms)
{
    if (b->ended) return;
    kfk_sequence_fail(s, b, code);
    kfk_sequence_tick(s, now_ms);
}

void kfk_sequence_give_up(kfk_sequence *s, int code, int64_t now_ms)
{
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b; b = kfk_sequence_after(s, b)) {
        if (!b->ended) kfk_sequence_fail(s, b, code);
    }
    s->told = 0;
    kfk_sequence_tick(s, now_ms);
}

/* ---- what the user asks ------------------------------------------------------------------------------------------ */

kfk_sequence_batch *kfk_sequence_take_ended(kfk_sequence *s)
{
    kfk_sequence_batch *b = kfk_sequence_batch_at(s, s->queue.next);
    if (!b || !b->ended) return NULL;
    s->written_end = kfk_sequence_end_behind(s->written_end, b);
    kfk_list_remove(&b->node);
    return b;
}

kfk_sequence_batch *kfk_sequence_split_due(kfk_sequence *s, kfk_sequence_split *how)
{
    if (s->splits == 0) return NULL; /* asked after every step, however long the queue is */
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b; b = kfk_sequence_after(s, b)) {
        if (b->split == KFK_SEQUENCE_SPLIT_NOT) continue;
        *how = (kfk_sequence_split)b->split;
        return b;
    }
    return NULL;
}

void kfk_sequence_replace(kfk_sequence *s, kfk_sequence_batch *b, kfk_sequence_batch *const *parts, size_t count)
{
    kfk_list *after = b->node.next;
    int32_t attempts = b->attempts, sent = b->sent, last_code = b->last_code;
    set_split(s, b, KFK_SEQUENCE_SPLIT_NOT);
    kfk_list_remove(&b->node);
    s->sequenced -= b->sequenced;
    for (size_t i = 0; i < count; i++) {
        kfk_sequence_batch *p = parts[i];
        reset(p);
        p->attempts = attempts;
        p->sent = sent;
        p->last_code = last_code;
        kfk_list_insert_between(&p->node, after->prev, after);
    }
    bump_if_it_may(s);
}

unsigned kfk_sequence_take_wants(kfk_sequence *s)
{
    unsigned wants = s->wants;
    s->wants = 0;
    s->told |= (uint8_t)(wants & (KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID));
    return wants;
}

bool kfk_sequence_needs_id(const kfk_sequence *s)
{
    return s->cfg->idempotence && (s->producer_id < 0 || may_bump(s));
}

int64_t kfk_sequence_due_ms(const kfk_sequence *s)
{
    const kfk_sequence_batch *b = kfk_sequence_first(s);
    if (!b) return KFK_TIME_NEVER;
    return s->pause_until_ms != 0 && s->pause_until_ms < b->deadline_ms ? s->pause_until_ms : b->deadline_ms;
}
