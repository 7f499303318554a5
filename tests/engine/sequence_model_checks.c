/* What must hold in the end, and how a state of the world is named. */
#include "sequence_model_impl.h"
#include <stdarg.h>
#include <stdio.h>

void kfk_model_failed(kfk_model *m, const char *fmt, ...)
{
    va_list ap;
    if (m->failure[0]) return;
    va_start(ap, fmt);
    vsnprintf(m->failure, sizeof m->failure, fmt, ap);
    va_end(ap);
}

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
        return (m->too_large & kfk_model_bits(record, 1)) || (maybe && (m->limited || m->too_large));
    case KAFKA_ERR_INVALID_RECORD:
        return maybe ? m->cfg.poisoned != 0 : (m->cfg.poisoned & kfk_model_bits(record, 1)) != 0;
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
        kfk_model_failed(m, "record %d never ends", record);
    else if (r->code == 0 && times == 0)
        kfk_model_failed(m, "record %d is lost", record);
    else if (!once)
        kfk_model_failed(m, "record %d is there %d times", record, times);
    else if (r->code == 0 && r->written != KAFKA_WRITTEN_YES)
        kfk_model_failed(m, "record %d succeeded, written %d", record, r->written);
    else if (r->code == 0 && !at_offset)
        kfk_model_failed(m, "record %d is not at offset %lld", record, (long long)r->offset);
    else if (r->code != 0 && r->written == KAFKA_WRITTEN_NO && times > 0)
        kfk_model_failed(m, "record %d is in the log, called not written, code %d", record, r->code);
    else if (r->code != 0 && !is_fair(m, record, r))
        kfk_model_failed(m, "record %d failed with code %d, written %d, without a reason", record, r->code, r->written);
}

static void check_order(kfk_model *m)
{
    const kfk_model_broker *k = &m->brokers[m->leader];
    int next = 0;
    for (int i = 0; i < k->end; i++) {
        const kfk_model_entry *e = &k->log[i];
        if (e->first < 0 || (m->cfg.no_idempotence && e->first < next)) continue;
        if (e->first < next) kfk_model_failed(m, "record %d stands behind record %d", e->first, next - 1);
        for (int r = next; m->cfg.no_idempotence && r < e->first; r++) {
            if (m->results[r].code == 0) kfk_model_failed(m, "record %d is missing before record %d", r, e->first);
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
