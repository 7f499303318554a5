/* accum: the open batch of one partition, and those behind it that wait to be sent: where the threads of the
 * application and the producer meet.
 *
 * Any thread appends: one short lock, the record is encoded straight into the open batch, and nothing is allocated,
 * timed or woken per message. What there is to do besides is collected in the call: partitions that the producer has to
 * be told of, and batches that were swapped out and have to be sealed.
 *
 * A batch is swapped out, and so queued, under the lock; it is sealed outside of it. The queue is the order of the
 * partition: whoever seals, and however long it takes, nothing overtakes; a head that is still SEALING holds up what is
 * behind it.
 *
 * Kicks. `kicked` says that the partition is in the list of some call, which will tell the producer of it. It is set by
 * whoever finds a reason (the first record, the batch_size-th, a batch that was sealed) and cleared when the producer
 * has taken it from such a list and looks (kfk_accum_look); while it is set no other call has to. So a call must
 * deliver what it collected, always, also when it fails, and before it waits for anything.
 *
 * Threads: as the functions say. Lock order: the baton, then an accumulator, then the slots; never two accumulators,
 * never the baton while holding one. */
#ifndef KFK_ENGINE_ACCUM_H
#define KFK_ENGINE_ACCUM_H
#include "base/lock.h"
#include "engine/produce_batch.h"
#include "kafka/types.h"

/* What all partitions of a writer have in common; outlives them and does not change. */
typedef struct kfk_accum_config {
    kfk_slots *slots;
    size_t batch_bytes;   /* of an uncompressed batch, header included */
    int32_t batch_size;   /* a batch with so many records is ready, 1 at least */
    int32_t codec, level; /* the writer's: `level` counts for this codec alone, others use their default */
    uint32_t side_size;   /* see kfk_produce_batch */
} kfk_accum_config;

struct kfk_accum {
    /* What an append looks at. */
    kfk_lock lock;
    bool kicked, asked;
    bool awaited;            /* somebody waits for what the open batch holds */
    uint8_t share;           /* kfk_slots_share */
    kfk_produce_batch *open; /* or NULL; has a record at least */
    const kfk_accum_config *config;

    kfk_list queue;       /* SEALING, SEALED and FAILED ones, oldest first */
    size_t queued_bytes;  /* theirs, uncompressed */
    int32_t queued;       /* how many */
    int closed;           /* what appending returns, 0 = it is open */
    kfk_accum *next_kick; /* of the call that found it not kicked */
};

/* One call of the application, or whatever appends. Zero it and set now_ms. */
typedef struct kfk_accum_call {
    int64_t now_ms;           /* monotonic: when its messages count as accepted */
    bool waits;               /* the caller is going to wait for them: the open batch is awaited, which is a kick */
    bool room;                /* kfk_accum_seal gave memory back that somebody waits for: that is to be told, too */
    kfk_accum *kicks;         /* to tell the producer, by next_kick; each is marked as kicked */
    kfk_produce_batch *seals; /* to seal, by seal_next, oldest first: kfk_accum_seal */
    kfk_produce_batch **seals_end;
} kfk_accum_call;

/* share: KFK_SLOTS_KNOWN, or KFK_SLOTS_UNKNOWN where the topic's partitions are not known yet and this is what waits
 * for them. */
void kfk_accum_init(kfk_accum *a, const kfk_accum_config *config, kfk_slots_share share);
/* Frees what is still open or queued, without an outcome; nobody may be sealing one of them. */
void kfk_accum_fini(kfk_accum *a);

/* ---- any thread, without the baton or with it -------------------------------------------------------------------- */

/* Appends a copy of the message: key, value, headers; with this timestamp, this codec (KFK_CODEC_NONE ...) and its side
 * (config->side_size bytes, copied). What to do next is added to the call, also on failure. Batches in call->seals are
 * best sealed at once, while they are in the cache, and then kicked.
 *
 *  KAFKA_EAGAIN  no room in the budget: deliver the call's kicks, then wait for room.
 *  KAFKA_ETOOBIG the record does not fit into batch_bytes, or not into the budget.
 *  KAFKA_EINVAL  a header without a name.
 *  KAFKA_ENOMEM
 *  and what kfk_accum_close said. The message was not accepted then. */
int kfk_accum_append(kfk_accum *a, kfk_accum_call *call, const kafka_message *m, int64_t timestamp, int32_t codec,
                     const void *side);

/* Seals the call's batches, outside of any lock (this compresses), and adds their partitions to its kicks. A batch for
 * which there is no memory is tried twice, then it is FAILED. */
void kfk_accum_seal(kfk_accum_call *call);

/* Swaps out the open batch, whatever it holds, and adds it to the call's batches to be sealed. False: there is none.
 * For a synchronous caller, flush, close; and, under the baton, for the producer. */
bool kfk_accum_swap_out(kfk_accum *a, kfk_accum_call *call);

/* From now on appending fails with `code`, which is not 0 (KAFKA_ECLOSED: the writer closes; others: the partition has
 * gone). The open batch is swapped out, as above. Whatever was accepted is in the queue when this returns, or comes
 * there with its seal. */
void kfk_accum_close(kfk_accum *a, int code, kfk_accum_call *call);

/* ---- the producer, under the baton ------------------------------------------------------------------------------- */

/* What is there. */
typedef struct kfk_accum_view {
    int32_t open_count;    /* records of the open batch, 0 = there is none */
    size_t open_bytes;     /* uncompressed, with the header */
    int64_t open_since_ms; /* monotonic; when its first record was accepted */
    int32_t open_codec;
    bool open_awaited;
    int32_t queued;          /* batches behind it (in front of it, in order) */
    size_t queued_bytes;     /* uncompressed, with headers */
    kfk_produce_batch *head; /* the oldest of them, NULL = none; not to be touched while it is SEALING */
    kfk_produce_state head_state;
} kfk_accum_view;

/* Looks, and clears the kick: whatever comes after what was seen kicks again. Only for one that was taken from where
 * calls deliver their kicks, since the next call may link it into its own. */
void kfk_accum_look(kfk_accum *a, kfk_accum_view *out);
/* Looks, and leaves the kick alone. */
void kfk_accum_peek(kfk_accum *a, kfk_accum_view *out);
/* Takes the head of the queue if it is SEALED or FAILED, else NULL. */
kfk_produce_batch *kfk_accum_pop(kfk_accum *a);
/* Puts batches that come from somewhere else to the end of the queue, in their order; those that are SEALING must be in
 * some call's `seals`, see kfk_accum_seal_later. Moves them out of the list. */
void kfk_accum_push_back(kfk_accum *a, kfk_list *batches);
/* A batch that is SEALING goes to the call's batches to be sealed: a part of one that was split, say, which need not be
 * in the queue; then who has it looks at its state after the kick that tells of it. */
void kfk_accum_seal_later(kfk_accum_call *call, kfk_produce_batch *b);
/* Room was found for a batch that a codec compresses: the next who appends seals it. Again is harmless. Whether that
 * happened shows when looked at: the open batch of then has gone. */
void kfk_accum_ask(kfk_accum *a);

#endif
