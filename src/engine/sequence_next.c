/* What may be sent next.
 *
 * Batches go out in queue order. Several may be in flight, since a broker refuses one whose predecessor it did not
 * take. That holds only for a broker that knows the producer, so a batch goes out *alone* where the leader may have
 * forgotten it, or may never have known it: on a connection on which it has not acknowledged anything yet, after a
 * minute without acknowledgements, and always when the records are so old that brokers expire their producer at once. A
 * second batch in flight could be taken by such a broker after the first was refused, and the first would be lost or be
 * put behind.
 *
 * A batch that was sent before goes out alone, too, so that the answer speaks of this batch and not of what went wrong
 * before it. */
#include "engine/sequence_impl.h"

enum { WINDOW = 5, IDLE_MS = 60 * 1000, EXPIRES_MS = 12 * 3600 * 1000 };

static bool has_copy_on(const kfk_sequence *s, const kfk_sequence_batch *b, uint64_t connection)
{
    if (b->in_flight == 0) return false;
    for (const kfk_list *n = s->copies.next; n != &s->copies; n = n->next) {
        const kfk_sequence_copy *c = KFK_CONTAINER(n, kfk_sequence_copy, node);
        if (c->batch == b && c->connection == connection) return true;
    }
    return false;
}

/* Must nothing else be in flight with it? */
static bool goes_alone(const kfk_sequence *s, const kfk_sequence_batch *b, uint64_t connection, int64_t now_ms)
{
    return b->tried > 0 || b->expires || connection != s->trusted || now_ms - s->trusted_at_ms > IDLE_MS;
}

/* Does what is in flight on the connection let the batch join? Copies on other connections do not count: if they went
 * to a broker that leads no more, they are refused or truncated there, and whatever leads knows what was acknowledged.
 * So a leader that froze does not hold up its successor. */
static bool has_room(const kfk_sequence *s, const kfk_sequence_batch *b, uint64_t connection)
{
    for (const kfk_list *n = s->copies.next; n != &s->copies; n = n->next) {
        const kfk_sequence_copy *c = KFK_CONTAINER(n, kfk_sequence_copy, node);
        if (c->connection == connection && (c->batch == b || b->alone || c->alone)) return false;
    }
    return true;
}

/* The oldest batch that is not on its way on this connection, within the window. */
static kfk_sequence_batch *candidate(const kfk_sequence *s, uint64_t connection)
{
    int counted = 0;
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b && counted < WINDOW;
         b = kfk_sequence_after(s, b), counted++) {
        if (b->ended) continue;
        if (b->split != KFK_SEQUENCE_SPLIT_NOT) return NULL;
        if (s->bump_due && kfk_sequence_is_cut(b)) return NULL;
        if (!has_copy_on(s, b, connection)) return b;
    }
    return NULL;
}

static void give_triple(kfk_sequence *s, kfk_sequence_batch *b)
{
    if (b->sequenced) return;
    b->sequenced = true;
    s->sequenced++;
    b->producer_id = s->producer_id;
    b->epoch = s->epoch;
    b->base_sequence = s->next_sequence;
    s->next_sequence = (int32_t)(((int64_t)s->next_sequence + b->records) & INT32_MAX);
}

kfk_sequence_batch *kfk_sequence_next(kfk_sequence *s, uint64_t connection, int64_t now_ms, int64_t wall_ms)
{
    if (s->pause_until_ms > now_ms) return NULL;
    s->pause_until_ms = 0;
    if (!s->cfg->idempotence) { /* order: nothing goes out while anything is on its way */
        kfk_sequence_batch *b = kfk_list_empty(&s->copies) ? kfk_sequence_first(s) : NULL;
        return b && b->split == KFK_SEQUENCE_SPLIT_NOT ? b : NULL;
    }
    if (s->producer_id < 0) return NULL;
    /* Another connection, or so late that the broker may have forgotten the producer since: from the oldest again. */
    if (s->proof != connection || now_ms - s->proof_at_ms > IDLE_MS) s->proof = 0;
    kfk_sequence_batch *b = s->proof ? kfk_sequence_proof_next(s) : candidate(s, connection);
    if (!b) return NULL;
    b->expires = b->newest_ms < wall_ms - EXPIRES_MS;
    b->alone = goes_alone(s, b, connection, now_ms);
    if (!has_room(s, b, connection)) return NULL;
    give_triple(s, b);
    return b;
}

bool kfk_sequence_takes_more(const kfk_sequence *s, uint64_t connection, int64_t now_ms)
{
    const kfk_sequence_batch *first = kfk_sequence_first(s);
    int counted = 0;
    if (s->pause_until_ms > now_ms) return false;
    if (!s->cfg->idempotence) return !first && kfk_list_empty(&s->copies);
    if (s->producer_id < 0 || s->proof != 0 || s->bump_due) return false;
    for (const kfk_sequence_batch *b = first; b; b = kfk_sequence_after(s, b)) {
        if (++counted >= WINDOW || (!b->ended && !has_copy_on(s, b, connection))) return false;
    }
    kfk_sequence_batch fresh = {.records = 1};
    fresh.alone = goes_alone(s, &fresh, connection, now_ms);
    return has_room(s, &fresh, connection);
}
