/* accum.c: appending where accum_append.h leaves off, swapping out, sealing, and what the producer sees of it.
 *
 * An open batch is opened with its first record and never without: one that cannot be opened, or does not take the
 * record, leaves everything as it was.
 *
 * A batch that is being sealed is in the queue and in the sealer's hands at once. The sealer touches everything but
 * `node` and `state`, the producer only those two and only under the lock. */
#include "engine/accum.h"
#include "base/mem.h"
#include "engine/accum_append.h"
#include "engine/seal.h"
#include "wire/compress.h"

void kfk_accum_init(kfk_accum *a, const kfk_accum_config *config, kfk_slots_share share)
{
    *a = (kfk_accum){.config = config, .share = (uint8_t)share};
    kfk_lock_init(&a->lock);
    kfk_list_init(&a->queue);
}

void kfk_accum_fini(kfk_accum *a)
{
    kfk_produce_batch_free(a->open);
    KFK_LIST_EACH (node, &a->queue) kfk_produce_batch_free(KFK_CONTAINER(node, kfk_produce_batch, node));
}

/* ---- what a call has to do: under the lock ----------------------------------------------------------------------- */

static void kick(kfk_accum *a, kfk_accum_call *call)
{
    if (a->kicked) return;
    a->kicked = true;
    a->next_kick = call->kicks;
    call->kicks = a;
}

static void to_be_sealed(kfk_accum_call *call, kfk_produce_batch *b)
{
    if (call->seals == NULL) call->seals_end = &call->seals;
    b->seal_next = NULL;
    *call->seals_end = b;
    call->seals_end = &b->seal_next;
}

static void swap_out(kfk_accum *a, kfk_accum_call *call)
{
    kfk_produce_batch *b = a->open;
    a->open = NULL;
    a->asked = a->awaited = false;
    kfk_produce_batch_close(b);
    kfk_list_push_back(&a->queue, &b->node);
    a->queued++;
    a->queued_bytes += kfk_produce_batch_plain_bytes(b);
    to_be_sealed(call, b);
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

static int append_to(kfk_accum *a, kfk_produce_batch *b, const kafka_message *m, int64_t timestamp, const void *side)
{
    return kfk_produce_batch_append(b, a->config->batch_bytes - KFK_RECORD_HEADER, timestamp, m, side);
}

/* The record is the first of a new batch: there is none, or the open one cannot take it. */
static int append_to_new(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp, int32_t codec,
                         const void *side)
{
    const kfk_accum_config *c = a->config;
    if (a->closed != 0) return a->closed;
    kfk_produce_batch *b =
        kfk_produce_batch_new(c->slots, a, a->share, codec, codec == c->codec ? c->level : 0, c->side_size);
    if (b == NULL) return KAFKA_ENOMEM;
    int rc = append_to(a, b, m, timestamp, side);
    if (rc != 0) {
        kfk_produce_batch_free(b);
        return rc;
    }
    if (a->open != NULL) swap_out(a, call);
    b->accepted_ms = call->now_ms;
    a->open = b;
    return 0;
}

void kfk_accum_attend(kfk_accum *a, kfk_accum_call *call)
{
    int32_t count = a->open->writer.count;
    if (call->waits && !a->awaited) {
        a->awaited = true;
        kick(a, call);
    }
    if (count == 1 || count == a->config->batch_size) kick(a, call);
    if (!a->asked) return;
    a->asked = false;
    if (a->open->codec != KFK_CODEC_NONE) swap_out(a, call);
}

int kfk_accum_append_slowly(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp,
                            int32_t codec, const void *side)
{
    int rc = KAFKA_EOF;
    if (a->open != NULL && a->open->codec == codec) rc = append_to(a, a->open, m, timestamp, side);
    if (rc == KAFKA_EOF) rc = append_to_new(a, call, m, timestamp, codec, side);
    if (rc == 0) kfk_accum_attend(a, call);
    return rc;
}

int kfk_accum_append_heard(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp, int32_t codec,
                           const void *side)
{
    kfk_lock_take_heard(&a->lock);
    int rc = kfk_accum_append_locked(a, call, m, timestamp, codec, side);
    kfk_lock_give_heard(&a->lock);
    return rc;
}

int kfk_accum_append(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp, int32_t codec,
                     const void *side)
{
    return kfk_accum_append_inline(a, call, m, timestamp, codec, side);
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

static int seal(kfk_produce_batch *b, bool *wanted, kfk_error *err)
{
    int rc = kfk_seal(b, wanted, err);
    if (rc != KAFKA_ENOMEM) return rc;
    kfk_slots_trim_all(b->slots);
    kfk_compress_trim();
    return kfk_seal(b, wanted, err);
}

static void fail(kfk_produce_batch *b, int code, const kfk_error *err)
{
    b->seal_code = code;
    b->seal_error = kfk_mem_alloc(sizeof *b->seal_error);
    if (b->seal_error != NULL) *b->seal_error = *err;
}

void kfk_accum_seal(kfk_accum_call *call)
{
    kfk_produce_batch *next;
    for (kfk_produce_batch *b = call->seals; b != NULL; b = next) {
        kfk_error err;
        kfk_accum *a = b->accum;
        next = b->seal_next;
        int rc = seal(b, &call->room, &err);
        if (rc != 0) fail(b, rc, &err);
        kfk_lock_take(&a->lock);
        b->state = rc == 0 ? KFK_PRODUCE_SEALED : KFK_PRODUCE_FAILED; /* from here on it may be gone */
        kick(a, call);
        kfk_lock_give(&a->lock);
    }
    call->seals = NULL;
}

bool kfk_accum_swap_out(kfk_accum *a, kfk_accum_call *call)
{
    kfk_lock_take(&a->lock);
    bool there = a->open != NULL;
    if (there) swap_out(a, call);
    kfk_lock_give(&a->lock);
    return there;
}

void kfk_accum_close(kfk_accum *a, int code, kfk_accum_call *call)
{
    kfk_lock_take(&a->lock);
    a->closed = code;
    if (a->open != NULL) swap_out(a, call);
    kfk_lock_give(&a->lock);
}

void kfk_accum_seal_later(kfk_accum_call *call, kfk_produce_batch *b)
{
    to_be_sealed(call, b);
}

/* ---- the producer ------------------------------------------------------------------------------------------------ */

static void view(const kfk_accum *a, kfk_accum_view *out)
{
    *out = (kfk_accum_view){.queued = a->queued, .queued_bytes = a->queued_bytes};
    if (a->open != NULL) {
        out->open_count = a->open->writer.count;
        out->open_bytes = kfk_produce_batch_plain_bytes(a->open);
        out->open_since_ms = a->open->accepted_ms;
        out->open_codec = a->open->codec;
        out->open_awaited = a->awaited;
    }
    if (!kfk_list_empty(&a->queue)) {
        out->head = KFK_CONTAINER(a->queue.next, kfk_produce_batch, node);
        out->head_state = out->head->state;
    }
}

void kfk_accum_look(kfk_accum *a, kfk_accum_view *out)
{
    kfk_lock_take(&a->lock);
    a->kicked = false;
    view(a, out);
    kfk_lock_give(&a->lock);
}

void kfk_accum_peek(kfk_accum *a, kfk_accum_view *out)
{
    kfk_lock_take(&a->lock);
    view(a, out);
    kfk_lock_give(&a->lock);
}

kfk_produce_batch *kfk_accum_pop(kfk_accum *a)
{
    kfk_produce_batch *b = NULL;
    kfk_lock_take(&a->lock);
    kfk_list *first = kfk_list_first(&a->queue);
    if (first != NULL) b = KFK_CONTAINER(first, kfk_produce_batch, node);
    if (b != NULL && b->state == KFK_PRODUCE_SEALING) b = NULL;
    if (b != NULL) {
        kfk_list_remove(&b->node);
        a->queued--;
        a->queued_bytes -= kfk_produce_batch_plain_bytes(b);
    }
    kfk_lock_give(&a->lock);
    return b;
}

void kfk_accum_push_back(kfk_accum *a, kfk_list *batches)
{
    kfk_lock_take(&a->lock);
    for (kfk_list *n = batches->next; n != batches; n = n->next) {
        a->queued++;
        a->queued_bytes += kfk_produce_batch_plain_bytes(KFK_CONTAINER(n, kfk_produce_batch, node));
    }
    kfk_list_splice(&a->queue, batches);
    kfk_lock_give(&a->lock);
}

void kfk_accum_ask(kfk_accum *a)
{
    kfk_lock_take(&a->lock);
    a->asked = true;
    kfk_lock_give(&a->lock);
}
