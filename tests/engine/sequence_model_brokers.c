/* The brokers of the model: what they check, append, remember, replicate and forget. */
#include "sequence_model_impl.h"
#include <stdio.h>
#include <string.h>

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

int64_t kfk_model_next_offset(const kfk_model_broker *k)
{
    const kfk_model_entry *e = k->end ? &k->log[k->end - 1] : NULL;
    return e ? e->base + e->count : 0;
}

int kfk_model_append(kfk_model *m, kfk_model_broker *k, const kfk_model_entry *e)
{
    if (k->end == KFK_MODEL_LOG) {
        kfk_model_failed(m, "the model's log is full");
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

void kfk_model_answer_first(kfk_model *m, kfk_model_connection *c, int code, int64_t base, int bad)
{
    int copy = c->in[0].copy;
    snprintf(m->note, sizeof m->note, " record %d: %d at %lld", c->in[0].first, code, (long long)base);
    memmove(c->in, c->in + 1, (size_t)--c->in_count * sizeof *c->in);
    memset(&c->in[c->in_count], 0, sizeof *c->in);
    c->waiting = false;
    if (copy >= 0 && c->open) c->out[c->out_count++] = (kfk_model_answer){copy, code, base, bad};
}

/* What the broker says before it looks at sequences; 0 = nothing. */
static int refused_as_such(const kfk_model *m, const kfk_model_connection *c, const kfk_model_request *q)
{
    if (c->broker != m->leader && c->broker + 1 != m->ghost) return KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    if (m->cfg.poisoned & kfk_model_bits(q->first, q->count)) return KAFKA_ERR_INVALID_RECORD;
    if ((m->too_large & kfk_model_bits(q->first, q->count)) || (m->limited && q->count > 1))
        return KAFKA_ERR_MESSAGE_TOO_LARGE;
    return 0;
}

/* The broker handles the first request of the connection. instead: what it answers in place of waiting, 0 = it waits.
 * */
void kfk_model_handle(kfk_model *m, kfk_model_connection *c, int instead)
{
    kfk_model_broker *k = &m->brokers[c->broker];
    const kfk_model_request *q = &c->in[0];
    int place = 0, code = refused_as_such(m, c, q);
    if (code == 0) code = check(m, k, q, &place);
    if (code == 0) {
        place = kfk_model_append(
            m, k,
            &(kfk_model_entry){q->first, q->count, q->pid, q->epoch, q->sequence, kfk_model_next_offset(k), q->old});
    } else if (code != -2) {
        kfk_model_answer_first(m, c, code, -1, code == KAFKA_ERR_INVALID_RECORD);
        return;
    }
    if (instead != 0) {
        kfk_model_answer_first(m, c, instead, instead == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER ? k->log[place].base : -1, 0);
        return;
    }
    c->waiting = true;
    c->base = k->log[place].base;
    c->end = place + 1;
    if (c->end <= (c->broker == m->leader ? m->committed : m->ghost_committed))
        kfk_model_answer_first(m, c, 0, c->base, 0);
}

void kfk_model_replicate(kfk_model *m)
{
    kfk_model_broker *k = &m->brokers[m->leader], *f = &m->brokers[!m->leader];
    while (m->ghost == 0 && f->end < k->end) { /* a ghost is not waited for */
        f->log[f->end] = k->log[f->end];
        remember(m, f, f->end++);
    }
    m->committed = k->end;
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->waiting && c->broker == m->leader && c->end <= m->committed) kfk_model_answer_first(m, c, 0, c->base, 0);
    }
}

/* The broker knows that it does not lead. */
void kfk_model_step_down(kfk_model *m, int broker)
{
    truncate_to(m, &m->brokers[broker], m->fork);
    m->ghost = 0;
    for (int i = 0; i < KFK_MODEL_CONNECTIONS; i++) {
        kfk_model_connection *c = &m->connections[i];
        if (c->waiting && c->broker == broker)
            kfk_model_answer_first(m, c, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, c->base, 0);
    }
}

void kfk_model_elect(kfk_model *m, bool unnoticed)
{
    int old = m->leader;
    m->leader = !old;
    m->term++;
    m->fork = m->brokers[m->leader].end;
    m->ghost_committed = m->committed;
    m->committed = m->fork;
    m->ghost = old + 1;
    if (!unnoticed) kfk_model_step_down(m, old);
}

void kfk_model_restart(kfk_model *m, int broker, bool forgets)
{
    kfk_model_broker *k = &m->brokers[broker];
    if (m->ghost == broker + 1) kfk_model_step_down(m, broker);
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
