/* The proof that batches are in the log although their broker does not say so.
 *
 * A broker that was restarted remembers only the newest batch of a producer, and one before 1.1 always. What is older
 * is refused as out of line (45, or 46 before 1.1), whether it is in the log or not. But a log holds the batches of an
 * epoch without gaps, so one younger batch that is acknowledged shows that all before it are there. So the younger
 * batches whose outcome is unknown are offered, oldest first and one at a time, on the connection that refused the
 * oldest.
 *
 * The acknowledgement must not come from a broker that forgot the producer and took the younger batch as its first:
 * then there is no room for the older ones between it and what was written before them, which the offsets tell.
 * (Records of other producers may make it look as if there were: so a proof must not last, either.)
 *
 * What cannot be proved is tried again a few times, with pauses and fresh metadata, since a former leader that does not
 * know that it leads no more says 45, too. */
#include "engine/sequence_impl.h"

enum { VAIN_PROOFS = 5 };

void kfk_sequence_proof_begin(kfk_sequence *s, uint64_t connection, int64_t now_ms)
{
    s->proof = connection;
    s->proof_at_ms = now_ms;
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b && (b->ended || b->sequenced); b = kfk_sequence_after(s, b))
        b->offered = false;
    kfk_sequence_proof_acknowledged(s); /* perhaps by one that was acknowledged before */
}

kfk_sequence_batch *kfk_sequence_proof_next(const kfk_sequence *s)
{
    kfk_sequence_batch *b = kfk_sequence_first(s);
    if (b) b = kfk_sequence_after(s, b);
    for (; b; b = kfk_sequence_after(s, b)) {
        if (b->ended) continue;
        if (!b->unknown || b->behind_cut) return NULL; /* it is not in the log, nor is anything behind it */
        if (!b->offered) return b;
    }
    return NULL;
}

/* A broker may name any offset. */
static int64_t offset_behind(int64_t offset, int32_t records)
{
    return offset > INT64_MAX - records ? INT64_MAX : offset + records;
}

int64_t kfk_sequence_end_behind(int64_t end, const kfk_sequence_batch *b)
{
    if (b->ended && b->written == KAFKA_WRITTEN_NO) return end;
    if (b->ended && b->base_offset >= 0) return offset_behind(b->base_offset, b->records);
    return offset_behind(end, b->records);
}

/* The first acknowledged batch behind the oldest open one that leaves room for all before it. */
static const kfk_sequence_batch *witness(const kfk_sequence *s)
{
    int64_t least = s->written_end;
    bool behind = false; /* the oldest open one */
    for (kfk_list *n = s->queue.next; n != &s->queue; n = n->next) {
        const kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
        if (!b->ended && !b->unknown) return NULL;
        if (behind && b->ended && b->code == 0 && b->base_offset >= least) return b;
        behind = behind || !b->ended;
        if (!behind)
            least = kfk_sequence_end_behind(least, b);
        else if (!b->ended || b->written != KAFKA_WRITTEN_NO)
            least = offset_behind(least, b->records);
    }
    return NULL;
}

void kfk_sequence_proof_acknowledged(kfk_sequence *s)
{
    const kfk_sequence_batch *w = witness(s);
    if (!w) return;
    for (kfk_sequence_batch *b = kfk_sequence_first(s); b != w; b = kfk_sequence_after(s, b)) {
        if (!b->ended) kfk_sequence_end(s, b, 0, KAFKA_WRITTEN_YES, -1);
    }
    s->proof = 0;
}

void kfk_sequence_proof_failed(kfk_sequence *s, int64_t now_ms)
{
    kfk_sequence_batch *b = kfk_sequence_first(s);
    s->proof = 0;
    kfk_sequence_want(s, KFK_SEQUENCE_WANT_METADATA);
    kfk_sequence_pause(s, now_ms);
    if (b && ++s->vain == VAIN_PROOFS) {
        s->vain = 0;
        kfk_sequence_fail(s, b, b->last_code);
    }
}

void kfk_sequence_proof_check(kfk_sequence *s, int64_t now_ms)
{
    if (s->proof != 0 && kfk_list_empty(&s->copies) && !kfk_sequence_proof_next(s))
        kfk_sequence_proof_failed(s, now_ms);
}
