/* See the header. Steps are enumerated in a fixed order, so a schedule is a list of numbers and can be had again. */
#include "sequence_model.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE, WALL = 20000 };

static void failed(kfk_model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void failed(kfk_model *m, const char *fmt, ...)
{
    va_list ap;
    if (m->failure[0]) return;
    va_start(ap, fmt);
    vsnprintf(m->failure, sizeof m->failure, fmt, ap);
    va_end(ap);
}

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

/* ---- the broker -------------------------------------------------------------------------------------------------- */

static int32_t wrapped(int64_t sequence)
{
    return (int32_t)(sequence & INT32_MAX);
}

static int window(const kfk_model *m)
{
    return m->cfg.kind == KFK_MODEL_BEFORE_1_1 ? 1 : 5;
}

/* The entry becomes the newest that is known of its producer. */
static void remember(const kfk_model *m, kfk_model_broker *k, int at)
{
    const kfk_model_entry *e = &k->log[at];
    int kept = 0, same = 0;
    if (e->first < 0) return;
    for (int i = 0; i < k->count; i++) {
        const kfk_model_entry *x = &k->log[k->known[i]];
        if (x->pid == e->pid && x->epoch == e->epoch) same++;
    }
    for (int i = 0; i < k->count; i++) {
        const kfk_model_entry *x = &k->log[k->known[i]];
        if (x->pid == e->pid && x->epoch != e->epoch) continue;
        if (x->pid == e->pid && same >= window(m)) {
            same--;
            continue;
        }
        k->known[kept++] = k->known[i];
    }
    if (kept == KFK_MODEL_KNOWN) memmove(k->known, k->known + 1, (size_t)--kept * sizeof *k->known);
    k->known[kept++] = at;
    k->count = kept;
}

/* What is known begins anew, with the newest entry of each producer, as after a restart or a truncation. */
static void remember_newest(const kfk_model *m, kfk_model_broker *k)
{
    int64_t seen[4];
    int pids = 0, at[4];
    for (int i = k->end; i-- > k->known_from && pids < 4;) {
        bool had = k->log[i].first < 0;
        for (int j = 0; j < pids; j++) had = had || seen[j] == k->log[i].pid;
        if (had) continue;
        seen[pids] = k->log[i].pid;
        at[pids++] = i;
    }
    k->count = 0;
    while (pids-- > 0) remember(m, k, at[pids]);
}

static void truncate_to(const kfk_model *m, kfk_model_broker *k, int end)
{
    bool all = true;
    if (k->end <= end) return;
    k->end = end;
    if (k->known_from > end) k->known_from = end;
    for (int i = 0; i < k->count; i++) all = all && k->known[i] < end;
    if (all) return;
    remember_newest(m, k);
}

static int64_t next_offset(const kfk_model_broker *k)
{
    const kfk_model_entry *e = k->end ? &k->log[k->end - 1] : NULL;
    return e ? e->base + e->count : 0;
}

static int append(kfk_model *m, kfk_model_broker *k, const kfk_model_entry *e)
{
    if (k->end == KFK_MODEL_LOG) {
        failed(m, "the model's log is full");
        return k->end - 1;
    }
    k->log[k->end] = *e;
    remember(m, k, k->end);
    return k->end++;
}

/* 0 = append it, a code, or -2 = it is there, at *place. */
static int check(const kfk_model *m, const kfk_model_broker *k, const kfk_model_request *q, int *place)
{
    const kfk_model_entry *last = NULL;
    if (q->pid < 0) return 0;
    for (int i = 0; i < k->count; i++) {
        const kfk_model_entry *e = &k->log[k->known[i]];
        if (e->pid != q->pid) continue;
        last = e;
        if (e->epoch == q->epoch && e->sequence == q->sequence && e->count == q->count) {
            *place = k->known[i];
            return -2;
        }
    }
    if (!last && q->sequence != 0 && m->cfg.first_sequence == 0) {
        if (m->cfg.kind == KFK_MODEL_4_5) return KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        if (m->cfg.kind == KFK_MODEL_BEFORE_1_1) return KAFKA_ERR_UNKNOWN_PRODUCER_ID;
    }
    if (!last) return 0;
    if (q->epoch < last->epoch) return KAFKA_ERR_INVALID_PRODUCER_EPOCH;
    if (q->epoch > last->epoch) return q->sequence == 0 ? 0 : KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    int32_t next = wrapped((int64_t)last->sequence + last->count);
    if (q->sequence == next) return 0;
    bool older = wrapped((int64_t)next - q->sequence) < INT32_MAX / 2;
    return older && m->cfg.kind == KFK_MODEL_BEFORE_1_1 ? KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER
                                                        : KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static void answer(kfk_model *m, kfk_model_connection *c, int code, int64_t base, int bad)
{
    int copy = c->in[0].copy;
    snprintf(m->note, sizeof m->note, " record %d: %d at %lld", c->in[0].first, code, (long long)base);
    memmove(c->in, c->in + 1, (size_t)--c->in_count * sizeof *c->in);
    memset(&c->in[c->in_count], 0, sizeof *c->in);
    c->waiting = false;
    if (copy >= 0 && c->open) c->out[c->out_count++] = (kfk_model_answer){copy, code, base, bad};
}

static uint32_t bits(int first, int count)
{
    return ((1u << count) - 1) << first;
}

/* What the broker says before it looks at sequences; 0 = nothing. */
static int refused_as_such(const kfk_model *m, const kfk_model_connection *c, const kfk_model_request *q)
{
    if (c->broker != m->leader && c->broker + 1 != m->ghost) return KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    if (m->cfg.poisoned & bits(q->first, q->count)) return KAFKA_ERR_INVALID_RECORD;
    if ((m->too_large & bits(q->first, q->count)) || (m->limited && q->count > 1)) return KAFKA_ERR_MESSAGE_TOO_LARGE;
    return 0;
}

/* The broker handles the first request of the connection. instead: what it answers in place of waiting, 0 = it waits. */
static void handle(kfk_model *m, kfk_model_connection *c, int instead)
{
    kfk_model_broker *k = &m->brokers[c->broker];
    const kfk_model_request *q = &c->in[0];
    int place = 0, code = refused_as_such(m, c, q);
    if (code == 0) code = check(m, k, q, &place);
    if (code == 0) {
        place =
            append(m, k, &(kfk_model_entry){q->first, q->count, q->pid, q->epoch, q->sequence, next_offset(k), q->old});
    } else if (code != -2) {
        answer(m, c, code, -1, code == KAFKA_ERR_INVALID_RECORD);
        return;
    }
    if (instead != 0) {
        answer(m, c, instead, instead == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER ? k->log[place].base : -1, 0);
        return;
    }
    c->waiting = true;
    c->base = k->log[place].base;
    c->end = place + 1;
    if (c->end <= (c->broker == m->leader ? m->committed : m->ghost_committed)) answer(m, c, 0, c->base, 0);
}

static void replicate(kfk_model *m)
{
    kfk_model_broker *k = &m->brokers[m->leader], *f = &m->brokers[!m->leader];
    while (m->ghost == 0 && f->end < k->end) { /* a ghost is not waited for */
        f->log[f->end] = k->log[f->end];
        remember(m, f, f->end++);
    }
    m->committed = k->end;
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->waiting && c->broker == m->leader && c->end <= m->committed) answer(m, c, 0, c->base, 0);
    }
}

/* The broker knows that it does not lead. */
static void step_down(kfk_model *m, int broker)
{
    truncate_to(m, &m->brokers[broker], m->fork);
    m->ghost = 0;
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->waiting && c->broker == broker) answer(m, c, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, c->base, 0);
    }
}

static void elect(kfk_model *m, bool unnoticed)
{
    int old = m->leader;
    m->leader = !old;
    m->term++;
    m->fork = m->brokers[m->leader].end;
    m->ghost_committed = m->committed;
    m->committed = m->fork;
    m->ghost = old + 1;
    if (!unnoticed) step_down(m, old);
}

static void restart(kfk_model *m, int broker, bool forgets)
{
    kfk_model_broker *k = &m->brokers[broker];
    if (m->ghost == broker + 1) step_down(m, broker);
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->id == 0 || c->broker != broker) continue;
        c->served = c->waiting = false;
        memset(c->in, 0, sizeof c->in);
        c->in_count = 0;
        if (!c->open) memset(c, 0, sizeof *c);
    }
    if (forgets) {
        k->known_from = k->end;
        k->count = 0;
        m->forgot = true;
    } else if (m->cfg.kind == KFK_MODEL_RESTARTS) {
        remember_newest(m, k);
    }
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
    failed(m, "the model has no batches left");
    return &m->batches[0];
}

static void take_ended(kfk_model *m)
{
    kfk_sequence_batch *b;
    while ((b = kfk_sequence_take_ended(&m->s)) != NULL) {
        kfk_model_batch *x = KFK_CONTAINER(b, kfk_model_batch, b);
        if (x->first != m->ended) failed(m, "record %d ended when %d was next", x->first, m->ended);
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
            bool bad = how == KFK_SEQUENCE_SPLIT_BAD && (m->cfg.poisoned & bits(x->first + at, 1));
            run = how == KFK_SEQUENCE_SPLIT_SMALLER ? (at == 0 ? x->count / 2 : x->count - at) : 1;
            while (how == KFK_SEQUENCE_SPLIT_BAD && !bad && at + run < x->count &&
                   !(m->cfg.poisoned & bits(x->first + at + run, 1)))
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
            failed(m, "a triple names records %d and %d", m->triples[i].first, q->first);
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
        failed(m, "what was to be sent is not");
        return;
    }
    kfk_model_batch *x = KFK_CONTAINER(b, kfk_model_batch, b);
    int slot = 0;
    while (slot < KFK_MODEL_COPIES && m->copies[slot].used) slot++;
    if (slot == KFK_MODEL_COPIES || c->in_count + c->out_count >= KFK_MODEL_REQUESTS) {
        failed(m, "more is in flight than the model has room for");
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
        if (x->used && !(m->too_large & bits(x->first, x->count))) add(l, STEP_TOO_LARGE, x->first, 0);
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
    append(m, k, &(kfk_model_entry){.first = -1, .count = 1, .pid = -1, .base = next_offset(k)});
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
    case STEP_DELIVER: handle(m, c, 0); break;
    case STEP_UNKNOWN: handle(m, c, step.b); break;
    case STEP_REFUSE:
        m->refused_for_good = m->refused_for_good || step.b == KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED;
        answer(m, c, step.b, -1, 0);
        break;
    case STEP_DROP_LATE: drop_late(c); break;
    case STEP_REPLICATE: replicate(m); break;
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
    case STEP_NOTICE: step_down(m, m->ghost - 1); break;
    case STEP_ELECT: elect(m, step.b); break;
    case STEP_RESTART: restart(m, step.a, false); break;
    case STEP_FORGET: restart(m, step.a, true); break;
    case STEP_EXPIRE: forget_everywhere(m); break;
    case STEP_TIMEOUT: time_out(m); break;
    case STEP_LIMIT: m->limited = true; break;
    case STEP_TOO_LARGE: m->too_large |= bits(step.a, 1); break;
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

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Something older failed, perhaps written: then nobody can tell whether what follows may be there. */
static bool maybe_before(const kfk_model *m, int record)
{
    for (int r = 0; r < record; r++) {
        if (m->results[r].code != 0 && m->results[r].written == KAFKA_WRITTEN_MAYBE) return true;
    }
    return false;
}

/* May a record have failed so? */
static bool is_fair(const kfk_model *m, int record, const kfk_model_result *r)
{
    bool maybe = r->written == KAFKA_WRITTEN_MAYBE;
    switch (r->code) {
    case KAFKA_ERR_MESSAGE_TOO_LARGE:
        return (m->too_large & bits(record, 1)) || (maybe && (m->limited || m->too_large));
    case KAFKA_ERR_INVALID_RECORD: return maybe ? m->cfg.poisoned != 0 : (m->cfg.poisoned & bits(record, 1)) != 0;
    case KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED: return m->refused_for_good;
    case KAFKA_ETIMEDOUT: return m->timed_out;
    case KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER:
    case KAFKA_ERR_UNKNOWN_PRODUCER_ID: /* nobody is left who could prove that it is there */
        return maybe && (m->forgot || maybe_before(m, record) || m->limited || m->too_large || m->refused_for_good);
    default: return false;
    }
}

static void check_record(kfk_model *m, int record)
{
    const kfk_model_broker *k = &m->brokers[m->leader];
    const kfk_model_result *r = &m->results[record];
    int times = 0;
    bool at_offset = r->offset < 0;
    for (int i = 0; i < k->end; i++) {
        const kfk_model_entry *e = &k->log[i];
        if (record < e->first || record >= e->first + e->count || e->first < 0) continue;
        times++;
        at_offset = at_offset || e->base + (record - e->first) == r->offset;
    }
    bool once = times <= 1 || m->cfg.no_idempotence;
    if (!r->ended)
        failed(m, "record %d never ends", record);
    else if (r->code == 0 && times == 0)
        failed(m, "record %d is lost", record);
    else if (!once)
        failed(m, "record %d is there %d times", record, times);
    else if (r->code == 0 && r->written != KAFKA_WRITTEN_YES)
        failed(m, "record %d succeeded, written %d", record, r->written);
    else if (r->code == 0 && !at_offset)
        failed(m, "record %d is not at offset %lld", record, (long long)r->offset);
    else if (r->code != 0 && r->written == KAFKA_WRITTEN_NO && times > 0)
        failed(m, "record %d is in the log, called not written, code %d", record, r->code);
    else if (r->code != 0 && !is_fair(m, record, r))
        failed(m, "record %d failed with code %d, written %d, without a reason", record, r->code, r->written);
}

static void check_order(kfk_model *m)
{
    const kfk_model_broker *k = &m->brokers[m->leader];
    int next = 0;
    for (int i = 0; i < k->end; i++) {
        const kfk_model_entry *e = &k->log[i];
        if (e->first < 0 || (m->cfg.no_idempotence && e->first < next)) continue;
        if (e->first < next) failed(m, "record %d stands behind record %d", e->first, next - 1);
        for (int r = next; m->cfg.no_idempotence && r < e->first; r++) {
            if (m->results[r].code == 0) failed(m, "record %d is missing before record %d", r, e->first);
        }
        next = e->first + e->count;
    }
}

bool kfk_model_finish(kfk_model *m)
{
    int records = 0;
    for (int i = 0; i < m->cfg.batches; i++) records += m->cfg.records[i];
    for (int r = 0; r < records; r++) check_record(m, r);
    check_order(m);
    return m->failure[0] == 0;
}

void kfk_model_describe(const kfk_model *m, kfk_model_step step, char *out, size_t room)
{
    static const char *const names[] = {"push",   "id",        "send",     "deliver", "drop-late", "replicate",
                                        "answer", "detect",    "metadata", "notice",  "REFUSE",    "UNKNOWN",
                                        "BREAK",  "ELECT",     "RESTART",  "FORGET",  "EXPIRE",    "TIMEOUT",
                                        "LIMIT",  "TOO-LARGE", "IDLE",     "UNSENT",  "FOREIGN"};
    snprintf(out, room, "%s(%d, %d)%s", names[step.kind], step.a, step.b, m->note);
}

/* ---- hash -------------------------------------------------------------------------------------------------------- */

static void mix(uint64_t *h, int64_t x)
{
    *h = (*h ^ (uint64_t)x) * 0x9e3779b97f4a7c15u;
    *h ^= *h >> 29;
}

/* A connection by its place, since numbers only ever grow. */
static int64_t place_of(const kfk_model *m, uint64_t id)
{
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        if (id != 0 && m->connections[i].id == id && m->connections[i].open) return i;
    }
    return -1;
}

static void hash_request(uint64_t *h, const kfk_model_request *q)
{
    mix(h, q->first * 64 + q->count);
    mix(h, q->pid * 65536 + q->epoch);
    mix(h, q->sequence * 2 + q->old);
}

static void hash_machine(const kfk_model *m, uint64_t *h)
{
    const kfk_sequence *s = &m->s;
    mix(h, s->producer_id * 65536 + s->epoch);
    mix(h, s->new_producer_id);
    mix(h, s->next_sequence);
    mix(h, place_of(m, s->trusted) * 2 + (m->now_ms - s->trusted_at_ms > MINUTE));
    mix(h, place_of(m, s->proof) * 2 + (m->now_ms - s->proof_at_ms > MINUTE));
    mix(h, s->written_end);
    mix(h, s->bump_due * 2 + s->id_due + (int64_t)s->vain * 4 + (s->pause_until_ms > m->now_ms) * 64);
    for (const kfk_list *n = s->queue.next; n != &s->queue; n = n->next) {
        const kfk_model_batch *x = KFK_CONTAINER(n, kfk_model_batch, b.node);
        mix(h, x->first * 64 + x->count);
        mix(h, x->b.ended * 1 + x->b.sequenced * 2 + x->b.unknown * 4 + x->b.behind_cut * 8 + x->b.offered * 16 +
                   (x->b.tried > 0) * 32);
        mix(h, x->b.ended ? x->b.code * 4 + x->b.written : x->b.last_code);
        mix(h, x->b.ended ? x->b.base_offset : -1);
        mix(h, x->b.sequenced ? x->b.base_sequence : -1);
    }
    for (const kfk_list *n = s->copies.next; n != &s->copies; n = n->next) {
        const kfk_model_copy *x = KFK_CONTAINER(n, kfk_model_copy, c.node);
        mix(h, x->first * 64 + place_of(m, x->c.connection));
        mix(h,
            (x->c.batch != NULL) * 16 + (x->c.term == s->term) * 8 + x->c.alone * 4 + x->c.oldest * 2 + x->c.expires);
    }
}

uint64_t kfk_model_hash(const kfk_model *m)
{
    uint64_t h = 88172645463325252u;
    hash_machine(m, &h);
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        const kfk_model_connection *c = &m->connections[i];
        mix(&h, c->id == 0 ? -1 : c->broker * 8 + c->open * 4 + c->served * 2 + c->waiting);
        mix(&h, c->waiting ? c->end : 0);
        for (int j = 0; j < c->in_count; j++) hash_request(&h, &c->in[j]);
        mix(&h, 77);
        for (int j = 0; j < c->out_count; j++) {
            mix(&h, m->copies[c->out[j].copy].first * 4096 + c->out[j].code);
            mix(&h, c->out[j].base);
        }
    }
    for (int k = 0; k < 2; k++) {
        const kfk_model_broker *b = &m->brokers[k];
        mix(&h, b->end * 65536 + b->count * 256 + b->known_from);
        for (int i = 0; i < b->end; i++) {
            mix(&h, b->log[i].first * 64 + b->log[i].count);
            mix(&h, b->log[i].pid * 65536 + b->log[i].epoch);
        }
        for (int i = 0; i < b->count; i++) mix(&h, b->known[i]);
    }
    for (int r = 0; r < KFK_MODEL_RECORDS; r++)
        mix(&h, m->results[r].ended * 8 + m->results[r].code * 16 + m->results[r].written);
    mix(&h, m->leader * 4 + (m->believed_term != m->term) * 2 + m->believed);
    mix(&h, m->committed * 64 + m->pushed);
    mix(&h, m->ghost ? m->ghost * 65536 + m->ghost_committed * 256 + m->fork : 0);
    mix(&h, (int64_t)m->wants * 64 + m->too_large);
    mix(&h, m->limited + m->forgot * 2 + m->timed_out * 4 + m->refused_for_good * 8);
    return h;
}
