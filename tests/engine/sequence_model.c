/* See the header. Steps are enumerated in a fixed order, so a schedule is a list of numbers and can be had again. */
#include "sequence_model_impl.h"
#include <stdio.h>
#include <string.h>

enum { WALL = 20000 /* days since 1970 */ };

static int64_t wall_ms(const kfk_model *m)
{
    return m->now_ms + (int64_t)WALL * DAY;
}

void kfk_model_init(kfk_model *m, const kfk_model_config *cfg)
{
    memset(m, 0, sizeof *m);
    m->cfg = *cfg;
    m->sequence_cfg = (kfk_sequence_config){.idempotence = !cfg->no_idempotence, .acks = -1, .max_attempts = 1000000};
    m->now_ms = 1000;
    m->pids = 100;
    kfk_sequence_init(&m->s, &m->sequence_cfg, 1);
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static kfk_model_batch *new_batch(kfk_model *m, int first, int count, bool old)
{
    for (int i = 0; i < KFK_MODEL_BATCHES; i++) {
        kfk_model_batch *x = &m->batches[i];
        if (x->used) continue;
        memset(x, 0, sizeof *x);
        x->used = true;
        x->first = first;
        x->count = count;
        x->b.records = count;
        x->b.newest_ms = old ? wall_ms(m) - 2 * (int64_t)DAY : wall_ms(m);
        x->b.deadline_ms = KFK_TIME_NEVER;
        return x;
    }
    kfk_model_failed(m, "the model has no batches left");
    return &m->batches[0];
}

static void take_ended(kfk_model *m)
{
    kfk_sequence_batch *b;
    while ((b = kfk_sequence_take_ended(&m->s)) != NULL) {
        kfk_model_batch *x = KFK_CONTAINER(b, kfk_model_batch, b);
        if (x->first != m->ended) kfk_model_failed(m, "record %d ended when %d was next", x->first, m->ended);
        for (int i = 0; i < x->count; i++) {
            int64_t offset = b->base_offset < 0 ? -1 : b->base_offset + i;
            m->results[x->first + i] = (kfk_model_result){true, b->code, b->written, offset};
        }
        m->ended = x->first + x->count;
        memset(x, 0, sizeof *x);
    }
}

static void split(kfk_model *m)
{
    kfk_sequence_split how;
    kfk_sequence_batch *b, *parts[KFK_MODEL_RECORDS];
    while ((b = kfk_sequence_split_due(&m->s, &how)) != NULL) {
        kfk_model_batch *x = KFK_CONTAINER(b, kfk_model_batch, b);
        bool old = b->newest_ms < wall_ms(m) - DAY;
        size_t count = 0;
        for (int at = 0, run; at < x->count; at += run) {
            bool bad = how == KFK_SEQUENCE_SPLIT_BAD && (m->cfg.poisoned & kfk_model_bits(x->first + at, 1));
            run = how == KFK_SEQUENCE_SPLIT_SMALLER ? (at == 0 ? x->count / 2 : x->count - at) : 1;
            while (how == KFK_SEQUENCE_SPLIT_BAD && !bad && at + run < x->count &&
                   !(m->cfg.poisoned & kfk_model_bits(x->first + at + run, 1)))
                run++;
            kfk_model_batch *part = new_batch(m, x->first + at, run, old);
            part->b.ended = bad;
            part->b.code = bad ? KAFKA_ERR_INVALID_RECORD : 0;
            parts[count++] = &part->b;
        }
        kfk_sequence_replace(&m->s, b, parts, count);
        memset(x, 0, sizeof *x);
    }
}

/* After each call of the machine. */
static void look(kfk_model *m)
{
    split(m);
    take_ended(m);
    m->wants |= kfk_sequence_take_wants(&m->s);
}

static void lost(kfk_model *m, kfk_model_connection *c)
{
    for (int i = 0; i < KFK_MODEL_COPIES; i++) {
        kfk_model_copy *x = &m->copies[i];
        if (!x->used || x->c.connection != c->id) continue;
        kfk_sequence_lost(&m->s, &x->c, KAFKA_ERR_NETWORK_EXCEPTION, m->now_ms);
        look(m);
        memset(x, 0, sizeof *x);
    }
    for (int i = 0; i < c->in_count; i++) c->in[i].copy = -1;
    memset(c->out, 0, sizeof c->out);
    c->out_count = 0;
    c->open = false;
    if (!c->served || c->in_count == 0) memset(c, 0, sizeof *c);
}

/* The client's connection to the leader it believes in; makes one when `make`. NULL = none. */
static kfk_model_connection *connection(kfk_model *m, bool make)
{
    kfk_model_connection *place = NULL;
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->open && c->broker == m->believed) return c;
        if (c->id == 0 && !place) place = c;
    }
    if (!place || !make) return place;
    *place = (kfk_model_connection){.id = ++m->connection_ids, .broker = m->believed, .open = true, .served = true};
    return place;
}

/* The same triple means the same records, always. */
static void note_triple(kfk_model *m, const kfk_model_request *q)
{
    if (q->pid < 0) return;
    for (int i = 0; i < m->triple_count; i++) {
        if (m->triples[i].pid != q->pid || m->triples[i].epoch != q->epoch || m->triples[i].sequence != q->sequence)
            continue;
        if (m->triples[i].first != q->first || m->triples[i].count != q->count)
            kfk_model_failed(m, "a triple names records %d and %d", m->triples[i].first, q->first);
        return;
    }
    if (m->triple_count == KFK_MODEL_LOG) return;
    m->triples[m->triple_count].pid = q->pid;
    m->triples[m->triple_count].epoch = q->epoch;
    m->triples[m->triple_count].sequence = q->sequence;
    m->triples[m->triple_count].first = q->first;
    m->triples[m->triple_count++].count = q->count;
}

static void send_next(kfk_model *m, bool unsent)
{
    kfk_model_connection *c = connection(m, true);
    if (m->s.pause_until_ms > m->now_ms) m->now_ms = m->s.pause_until_ms;
    kfk_sequence_batch *b = kfk_sequence_next(&m->s, c->id, m->now_ms, wall_ms(m));
    if (!b) {
        kfk_model_failed(m, "what was to be sent is not");
        return;
    }
    kfk_model_batch *x = KFK_CONTAINER(b, kfk_model_batch, b);
    int slot = 0;
    while (slot < KFK_MODEL_COPIES && m->copies[slot].used) slot++;
    if (slot == KFK_MODEL_COPIES || c->in_count + c->out_count >= KFK_MODEL_REQUESTS) {
        kfk_model_failed(m, "more is in flight than the model has room for");
        return;
    }
    kfk_model_copy *copy = &m->copies[slot];
    *copy = (kfk_model_copy){.used = true, .first = x->first, .count = x->count};
    kfk_sequence_sent(&m->s, b, &copy->c, c->id);
    if (unsent) {
        kfk_sequence_unsent(&m->s, &copy->c, m->now_ms);
        memset(copy, 0, sizeof *copy);
        look(m);
        return;
    }
    kfk_model_request q = {slot, x->first, x->count, b->producer_id, b->epoch, b->base_sequence, b->expires};
    note_triple(m, &q);
    snprintf(m->note, sizeof m->note, " record %d+%d to %d as %lld/%d/%d%s", q.first, q.count, c->broker,
             (long long)q.pid, q.epoch, q.sequence, b->alone ? " alone" : "");
    if (c->served) c->in[c->in_count++] = q;
}

/* Would the machine send? What asking changed is put back. */
static bool may_send(const kfk_model *m)
{
    kfk_model *mm = (kfk_model *)(uintptr_t)m;
    const kfk_model_connection *c = connection(mm, false);
    if (!c || (c->open && c->in_count + c->out_count >= KFK_MODEL_REQUESTS)) return false;
    bool pause = m->s.pause_until_ms > m->now_ms; /* long enough for the metadata that it asked for */
    if (pause && m->believed_term != m->term && (m->wants & KFK_SEQUENCE_WANT_METADATA)) return false;
    kfk_sequence before = m->s;
    int64_t now = m->s.pause_until_ms > m->now_ms ? m->s.pause_until_ms : m->now_ms;
    kfk_sequence_batch *b = kfk_sequence_next(&mm->s, c->open ? c->id : m->connection_ids + 1, now, wall_ms(m));
    if (b && m->s.next_sequence != before.next_sequence) b->sequenced = false;
    mm->s = before;
    return b != NULL;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Everything of ours in the broker's log was acknowledged, and nothing more of it can arrive: then it may be forgotten.
 * (A batch whose fate is not known to the client, and which is forgotten by the broker, is appended again by brokers
 * before 4.5, and no client can help it.) */
static bool may_forget(const kfk_model *m, const kfk_model_broker *k)
{
    for (int i = 0; i < k->end; i++) {
        const kfk_model_entry *e = &k->log[i];
        for (int r = 0; e->first >= 0 && r < e->count; r++) {
            if (!m->results[e->first + r].ended) return false;
        }
    }
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        const kfk_model_connection *c = &m->connections[i];
        for (int j = 0; j < c->in_count; j++) {
            if (m->results[c->in[j].first].ended) return false;
        }
    }
    return k->count > 0;
}

static bool may_expire(const kfk_model *m)
{
    const kfk_model_broker *k = &m->brokers[m->leader];
    if (k->count == 0 || !may_forget(m, k)) return false;
    return k->log[k->known[k->count - 1]].old;
}

static bool quiet(const kfk_model *m)
{
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        if (m->connections[i].in_count || m->connections[i].out_count) return false;
    }
    return true;
}

typedef struct list {
    kfk_model_step *steps;
    int count;
    uint32_t allowed;
} list;

static void add(list *l, kfk_model_step_kind kind, int a, int b)
{
    if (kind >= STEP_REFUSE && !(l->allowed & (1u << kind))) return;
    if (l->count < KFK_MODEL_STEPS) l->steps[l->count++] = (kfk_model_step){kind, a, b};
}

static void add_normal(const kfk_model *m, list *l, bool sends)
{
    if (m->pushed < m->cfg.batches) add(l, STEP_PUSH, 0, 0);
    if (m->wants & (KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID)) add(l, STEP_ID, 0, 0);
    if (sends) add(l, STEP_SEND, 0, 0);
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        const kfk_model_connection *c = &m->connections[i];
        if (c->id == 0) continue;
        if (c->served && c->in_count && !c->waiting) add(l, STEP_DELIVER, i, 0);
        if (!c->open && c->in_count && !c->waiting) add(l, STEP_DROP_LATE, i, 0);
        if (c->open && c->out_count) add(l, STEP_ANSWER, i, 0);
        if (c->open && !c->served) add(l, STEP_DETECT, i, 0);
    }
    if (m->committed < m->brokers[m->leader].end || (!m->ghost && m->brokers[!m->leader].end < m->committed))
        add(l, STEP_REPLICATE, 0, 0);
    if (m->ghost) add(l, STEP_NOTICE, 0, 0);
    if (m->believed_term != m->term) add(l, STEP_METADATA, 0, 0);
}

static void add_faults(const kfk_model *m, list *l, bool sends)
{
    static const int unknown[] = {KAFKA_ERR_REQUEST_TIMED_OUT, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, KAFKA_ERR_UNKNOWN};
    static const int refusals[] = {KAFKA_ERR_NOT_ENOUGH_REPLICAS, KAFKA_ERR_UNKNOWN,
                                   KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED};
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        const kfk_model_connection *c = &m->connections[i];
        if (c->id == 0) continue;
        for (int j = 0; j < 3 && c->open && c->served && c->in_count && !c->waiting; j++) {
            add(l, STEP_REFUSE, i, refusals[j]);
            if (c->broker == m->leader) add(l, STEP_UNKNOWN, i, unknown[j]);
        }
        if (c->open) add(l, STEP_BREAK, i, 0);
        if (c->open && c->served && c->in_count) add(l, STEP_BREAK, i, 1);
    }
    for (int i = 0; i < 2 && !m->ghost && m->brokers[!m->leader].end >= m->committed; i++) add(l, STEP_ELECT, 0, i);
    for (int k = 0; k < 2; k++) {
        add(l, STEP_RESTART, k, 0);
        if (may_forget(m, &m->brokers[k])) add(l, STEP_FORGET, k, 0);
    }
    if (may_expire(m)) add(l, STEP_EXPIRE, 0, 0);
    if (m->s.queue.next != &m->s.queue) add(l, STEP_TIMEOUT, 0, 0);
    if (!m->limited) add(l, STEP_LIMIT, 0, 0);
    for (int i = 0; i < KFK_MODEL_BATCHES; i++) {
        const kfk_model_batch *x = &m->batches[i];
        if (x->used && !(m->too_large & kfk_model_bits(x->first, x->count))) add(l, STEP_TOO_LARGE, x->first, 0);
    }
    if (quiet(m)) add(l, STEP_IDLE, 0, 0);
    if (quiet(m) && !m->ghost && may_forget(m, &m->brokers[m->leader])) add(l, STEP_IDLE, 0, 1);
    if (sends) add(l, STEP_UNSENT, 0, 0);
    if (m->brokers[m->leader].end < KFK_MODEL_LOG / 2) add(l, STEP_FOREIGN, 0, 0);
}

int kfk_model_possible(const kfk_model *m, kfk_model_step *steps, int *normal)
{
    list l = {steps, 0, m->cfg.faults};
    bool sends = may_send(m);
    add_normal(m, &l, sends);
    *normal = l.count;
    if (m->ended < KFK_MODEL_RECORDS && m->cfg.faults) add_faults(m, &l, sends);
    return l.count;
}

static void push(kfk_model *m)
{
    int first = 0;
    for (int i = 0; i < m->pushed; i++) first += m->cfg.records[i];
    bool old = m->cfg.old & (1u << m->pushed);
    kfk_model_batch *x = new_batch(m, first, m->cfg.records[m->pushed], old);
    m->pushed++;
    kfk_sequence_push(&m->s, &x->b);
}

static void give_id(kfk_model *m)
{
    bool first = m->s.producer_id < 0;
    m->wants &= ~(unsigned)(KFK_SEQUENCE_WANT_ID | KFK_SEQUENCE_WANT_NEW_ID);
    kfk_sequence_id(&m->s, m->pids++, first ? m->cfg.first_epoch : 0);
    if (first) m->s.next_sequence = m->cfg.first_sequence;
}

static void deliver_answer(kfk_model *m, kfk_model_connection *c)
{
    kfk_model_answer a = c->out[0];
    memmove(c->out, c->out + 1, (size_t)--c->out_count * sizeof *c->out);
    memset(&c->out[c->out_count], 0, sizeof *c->out);
    kfk_model_copy *x = &m->copies[a.copy];
    snprintf(m->note, sizeof m->note, " record %d: %d", x->first, a.code);
    kfk_sequence_answered(&m->s, &x->c, &(kfk_sequence_answer){(int16_t)a.code, a.base, -1, a.bad}, m->now_ms);
    memset(x, 0, sizeof *x);
}

static void time_out(kfk_model *m)
{
    for (const kfk_list *n = m->s.queue.next; n != &m->s.queue; n = n->next) {
        kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
        if (b->ended) continue;
        b->deadline_ms = m->now_ms;
        m->timed_out = true;
        break;
    }
    kfk_sequence_tick(&m->s, m->now_ms);
}

static void drop_late(kfk_model_connection *c)
{
    memmove(c->in, c->in + 1, (size_t)--c->in_count * sizeof *c->in);
    memset(&c->in[c->in_count], 0, sizeof *c->in);
}

static void forget_everywhere(kfk_model *m)
{
    for (int k = 0; k < 2; k++) {
        m->brokers[k].known_from = m->brokers[k].end;
        m->brokers[k].count = 0;
    }
    m->forgot = true;
}

static void foreign(kfk_model *m)
{
    kfk_model_broker *k = &m->brokers[m->leader];
    kfk_model_append(m, k, &(kfk_model_entry){.first = -1, .count = 1, .pid = -1, .base = kfk_model_next_offset(k)});
}

void kfk_model_do(kfk_model *m, kfk_model_step step)
{
    kfk_model_connection *c = &m->connections[step.a < KFK_MODEL_CONNECTIONS ? step.a : 0];
    m->now_ms++;
    m->note[0] = 0;
    switch (step.kind) {
    case STEP_PUSH: push(m); break;
    case STEP_ID: give_id(m); break;
    case STEP_SEND: send_next(m, false); break;
    case STEP_UNSENT: send_next(m, true); break;
    case STEP_DELIVER: kfk_model_handle(m, c, 0); break;
    case STEP_UNKNOWN: kfk_model_handle(m, c, step.b); break;
    case STEP_REFUSE:
        m->refused_for_good = m->refused_for_good || step.b == KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED;
        kfk_model_answer_first(m, c, step.b, -1, 0);
        break;
    case STEP_DROP_LATE: drop_late(c); break;
    case STEP_REPLICATE: kfk_model_replicate(m); break;
    case STEP_ANSWER: deliver_answer(m, c); break;
    case STEP_DETECT: lost(m, c); break;
    case STEP_BREAK:
        if (step.b == 0) c->served = c->waiting = false;
        lost(m, c);
        break;
    case STEP_METADATA:
        m->wants &= ~(unsigned)KFK_SEQUENCE_WANT_METADATA;
        m->believed = m->leader;
        m->believed_term = m->term;
        kfk_sequence_leader_changed(&m->s);
        break;
    case STEP_NOTICE: kfk_model_step_down(m, m->ghost - 1); break;
    case STEP_ELECT: kfk_model_elect(m, step.b); break;
    case STEP_RESTART: kfk_model_restart(m, step.a, false); break;
    case STEP_FORGET: kfk_model_restart(m, step.a, true); break;
    case STEP_EXPIRE: forget_everywhere(m); break;
    case STEP_TIMEOUT: time_out(m); break;
    case STEP_LIMIT: m->limited = true; break;
    case STEP_TOO_LARGE: m->too_large |= kfk_model_bits(step.a, 1); break;
    case STEP_IDLE:
        m->now_ms += MINUTE + 1;
        if (step.b) forget_everywhere(m);
        break;
    case STEP_FOREIGN: foreign(m); break;
    case STEP_STEPS: break;
    }
    look(m);
    /* a place whose both ends are gone, or which carries nothing any more */
    if (c->id != 0 && !c->open && (!c->served || c->in_count == 0)) memset(c, 0, sizeof *c);
}
