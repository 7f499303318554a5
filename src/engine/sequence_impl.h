/* sequence_impl: what the files of the sequence machine share. */
#ifndef KFK_ENGINE_SEQUENCE_IMPL_H
#define KFK_ENGINE_SEQUENCE_IMPL_H
#include "engine/sequence.h"

/* NULL when there is none. */
static inline kfk_sequence_batch *kfk_sequence_batch_at(const kfk_sequence *s, kfk_list *n)
{
    return n == &s->queue ? NULL : KFK_CONTAINER(n, kfk_sequence_batch, node);
}
static inline kfk_sequence_batch *kfk_sequence_after(const kfk_sequence *s, const kfk_sequence_batch *b)
{
    return kfk_sequence_batch_at(s, b->node.next);
}
/* The oldest batch without an outcome. */
kfk_sequence_batch *kfk_sequence_first(const kfk_sequence *s);
/* While a bump is due: a batch that cannot be in the log under this epoch and is not sent again under it, so that
 * nothing behind it can be there either. */
bool kfk_sequence_is_cut(const kfk_sequence_batch *b);
void kfk_sequence_pause(kfk_sequence *s, int64_t now_ms);
void kfk_sequence_want(kfk_sequence *s, unsigned what);
/* Ends a batch that has to fail. It is called possibly written unless that cannot be. */
void kfk_sequence_fail(kfk_sequence *s, kfk_sequence_batch *b, int code);
void kfk_sequence_end(kfk_sequence *s, kfk_sequence_batch *b, int code, kafka_written written, int64_t base_offset);

/* ---- sequence_proof.c -------------------------------------------------------------------------------------------- */

/* The oldest batch may have been appended, and the broker at the end of this connection refuses it for its sequence. */
void kfk_sequence_proof_begin(kfk_sequence *s, uint64_t connection, int64_t now_ms);
/* One behind the last offset of a batch whose predecessors end at `end`, as far as it is known: what may be there
 * counts. */
int64_t kfk_sequence_end_behind(int64_t end, const kfk_sequence_batch *b);
/* What to offer next; NULL when all were. */
kfk_sequence_batch *kfk_sequence_proof_next(const kfk_sequence *s);
/* A younger batch was acknowledged while the proof is under way. */
void kfk_sequence_proof_acknowledged(kfk_sequence *s);
/* Ends it when everything was offered in vain. */
void kfk_sequence_proof_check(kfk_sequence *s, int64_t now_ms);
/* It proved nothing: after a while again, from the beginning, at the end the oldest batch fails. */
void kfk_sequence_proof_failed(kfk_sequence *s, int64_t now_ms);

#endif
