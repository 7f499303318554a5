/* sequence: the order of one partition's batches: which may be sent now, under which producer id, epoch and sequence,
 * what an answer means, which batches ended, and how.
 *
 * A pure machine: time is an argument, nothing is allocated, sent, logged or locked. Its user sends and reports back.
 * All calls are made by one thread at a time (the engine: under the baton). With idempotence no record that the
 * application wrote is lost, doubled or put out of order by anything that brokers and networks do, and a batch that
 * failed is called "not written" only when it cannot be in the log. Without, batches are written in order, one in
 * flight at a time; one whose copy was lost may be there twice. (docs/errors.md tells what no client can help.)
 *
 * How it is used, for each partition:
 *
 *     push(batch)                     a sealed batch joins the queue, in order
 *     next(connection)                may something go out on this connection to the leader? If so:
 *     sent(batch, copy, connection)   its copy was handed to the connection, header built from the batch's triple
 *     answered(copy) lost(copy) unsent(copy)     exactly one of them for each copy that was sent
 *     tick(now)                       at kfk_sequence_due_ms at the latest
 *
 * Each call may end batches, want a new producer id or metadata, or have a batch to be split. After a call or a row of
 * calls look at all of it:
 *
 *     while ((b = kfk_sequence_take_ended(s))) ...     in queue order; the machine has forgotten b
 *     while ((b = kfk_sequence_split_due(s, &how))) ...kfk_sequence_replace(s, b, parts, count)
 *     kfk_sequence_take_wants(s)                       a producer id, metadata
 *     next(connection) until NULL; then kfk_sequence_due_ms(s)
 *
 * Words. A *copy* is one sending of a batch. A *triple* is (producer id, epoch, base sequence). A batch is *open* from
 * being given a triple to its outcome, *unknown* when some copy of it may have been appended. A *bump* begins the next
 * epoch at sequence 0 for all open batches; producer id and epoch are the partition's own. A *connection* is one TCP
 * connection, not one broker: each gets a number that is not used again within the process. */
#ifndef KFK_ENGINE_SEQUENCE_H
#define KFK_ENGINE_SEQUENCE_H
#include "base/list.h"
#include "base/time.h"
#include "engine/produce_outcome.h"

/* Shared by all partitions of a writer; not changed while they live. */
typedef struct kfk_sequence_config {
    bool idempotence;     /* only with acks all */
    int16_t acks;         /* KAFKA_ACKS_...'s value on the wire: -1 all, 1, 0 */
    int32_t max_attempts; /* 1 or more: retriable refusals (and answers -1) after which a batch fails */
} kfk_sequence_config;

typedef struct kfk_sequence_batch kfk_sequence_batch;
/* Embedded in a batch. Zeroed before its first use. */
struct kfk_sequence_batch {
    /* The user's, set before push and not changed until the batch ended. */
    int32_t records;     /* 1 or more */
    int64_t newest_ms;   /* the newest record's timestamp, Unix time */
    int64_t deadline_ms; /* monotonic, KFK_TIME_NEVER = none; never earlier than that of the batch before it */
    /* For the header of the next copy, valid when kfk_sequence_next returned the batch; -1 without idempotence. */
    int64_t producer_id;
    int16_t epoch;
    int32_t base_sequence;
    /* The outcome, valid when kfk_sequence_take_ended returned it. Also set before kfk_sequence_replace for a part that
     * is not to be sent: ended = true, code. */
    bool ended;
    int32_t code; /* 0, a broker's code, or KAFKA_ETIMEDOUT, or what was given to kfk_sequence_give_up */
    kafka_written written;
    int64_t base_offset;    /* of its first record; -1 = not known */
    int64_t append_time_ms; /* the broker's; -1 = the topic keeps the producer's times, or not known */
    /* For texts; kept by kfk_sequence_replace. */
    int32_t attempts;  /* that counted, below or equal to max_attempts */
    int32_t sent;      /* copies, all of them */
    int32_t last_code; /* of the newest copy's answer, or what was given to kfk_sequence_lost; 0 = none so far */
    /* Its own. */
    kfk_list node;       /* in the partition's queue */
    int32_t in_flight;   /* copies that are neither answered nor lost */
    int32_t tried;       /* copies sent under this triple */
    bool sequenced;      /* has a triple of the present epoch */
    bool unknown;        /* some copy under this triple may have been appended */
    bool behind_cut;     /* something older cannot be in the log any more under this epoch, so neither can this */
    bool offered;        /* in the proof under way, without success */
    bool alone, expires; /* of the copy that kfk_sequence_next allowed */
    uint8_t split;       /* kfk_sequence_split */
};

/* One copy of a batch. Embedded in the user's request, for each partition in it; stays where it is from `sent` to
 * answered, lost or unsent. */
typedef struct kfk_sequence_copy {
    kfk_sequence_batch *batch; /* NULL once the batch ended: then its memory may be gone */
    uint64_t connection;
    /* Its own. */
    kfk_list node; /* in the partition's list of copies in flight */
    uint32_t term; /* kfk_sequence.term when it was sent */
    bool alone;    /* nothing may join it */
    bool expires;  /* its records are so old that the broker may forget the producer at once */
    bool oldest;   /* its batch was the oldest open one when it was sent */
} kfk_sequence_copy;

typedef struct kfk_sequence_answer {
    int16_t code;
    int64_t base_offset, append_time_ms; /* -1 = none */
    int32_t bad_records;                 /* how many records the answer names (record_errors) */
} kfk_sequence_answer;

/* One partition of one topic id. It belongs to the topic id, not to metadata: it stays when metadata says for a while
 * that the topic does not exist. Nothing to free. */
typedef struct kfk_sequence {
    const kfk_sequence_config *cfg;
    kfk_list queue;  /* kfk_sequence_batch.node: all that were pushed and not yet taken, oldest first */
    kfk_list copies; /* kfk_sequence_copy.node: what connections owe, also for ended batches */
    int64_t producer_id, new_producer_id; /* -1 = none */
    int16_t epoch, new_epoch;
    int32_t next_sequence;
    uint64_t trusted;       /* the connection on which the present leader acknowledged something; 0 = none */
    int64_t trusted_at_ms;  /* when it last did */
    uint64_t proof;         /* the connection on which a proof is under way; 0 = none */
    int64_t proof_at_ms;    /* when it began */
    uint32_t vain;          /* proofs in a row that proved nothing */
    int64_t written_end;    /* one behind the last offset of what was taken, at the most */
    int64_t pause_until_ms; /* 0 = no pause */
    uint32_t failures;      /* in a row: the length of the pause */
    uint32_t term;          /* counts leaders */
    uint32_t random;
    uint32_t splits;     /* batches in the queue that are to be split, */
    uint32_t sequenced;  /* and that have a triple and no outcome: few, however long it is */
    uint8_t wants, told; /* KFK_SEQUENCE_WANT_...; what was told and not yet given */
    bool bump_due, id_due;
} kfk_sequence;

/* `random` is a seed for the jitter of pauses. */
void kfk_sequence_init(kfk_sequence *s, const kfk_sequence_config *cfg, uint32_t random);

/* ---- what the user tells ----------------------------------------------------------------------------------------- */

/* A sealed batch joins the end of the queue. */
void kfk_sequence_push(kfk_sequence *s, kfk_sequence_batch *b);

/* A producer id. All partitions start with the writer's; one that wanted another (KFK_SEQUENCE_WANT_NEW_ID) gets a
 * fresh one from InitProducerId, which is taken into use when the rules allow. */
void kfk_sequence_id(kfk_sequence *s, int64_t producer_id, int16_t epoch);
/* It got none and will not: what is pushed from now on wants one again. What waits for it stays
 * (kfk_sequence_give_up). */
void kfk_sequence_id_refused(kfk_sequence *s);

/* The batch that may go out now on this connection, which leads to the present leader, or NULL. It keeps being returned
 * until it was sent or something changed. Gives the batch its triple. now_ms: monotonic, wall_ms: Unix time. */
kfk_sequence_batch *kfk_sequence_next(kfk_sequence *s, uint64_t connection, int64_t now_ms, int64_t wall_ms);
/* Everything that was pushed is on its way on this connection, or ended: would one more batch, of present records, be
 * sent at once? While it would not, the user does better to let it grow. */
bool kfk_sequence_takes_more(const kfk_sequence *s, uint64_t connection, int64_t now_ms);
/* A copy of what kfk_sequence_next returned was handed to the connection. Copies of one partition must go out in the
 * order of these calls. Zero the copy before. */
void kfk_sequence_sent(kfk_sequence *s, kfk_sequence_batch *b, kfk_sequence_copy *copy, uint64_t connection);
/* The copy's answer. With acks none: code 0 and offset -1 once the kernel has all of it. */
void kfk_sequence_answered(kfk_sequence *s, kfk_sequence_copy *copy, const kfk_sequence_answer *a, int64_t now_ms);
/* The copy's connection is closed, by whomever, after the first byte of the copy may have left: no answer will come. A
 * request that was not answered in time is lost when its connection was closed for it, not before. `code` says why. */
void kfk_sequence_lost(kfk_sequence *s, kfk_sequence_copy *copy, int code, int64_t now_ms);
/* No byte of the copy was sent, and none will be. Not counted as anything. */
void kfk_sequence_unsent(kfk_sequence *s, kfk_sequence_copy *copy, int64_t now_ms);

/* Another leader, or another leader epoch: the pause ends, and the new one has to prove what it knows. */
void kfk_sequence_leader_changed(kfk_sequence *s);
/* The topic was created anew under this name and Produce names topics: what is open continues in the new log, under a
 * new epoch, since late copies may reach it. (Where requests carry topic ids, a new topic is a new kfk_sequence.) */
void kfk_sequence_topic_recreated(kfk_sequence *s);
/* Time has passed: what met its deadline ends. */
void kfk_sequence_tick(kfk_sequence *s, int64_t now_ms);
/* A round of looking for the leader failed in a way that max_attempts bounds (no broker at all could be reached, or the
 * topic does not exist): an attempt of each batch that is not in flight; at its last one it ends with `code`. */
void kfk_sequence_missed(kfk_sequence *s, int code, int64_t now_ms);
/* The user cannot send this batch, ever (it could not be encoded or split): it ends with `code`, not written, or
 * perhaps when a copy was sent before. Nothing happens to one that has ended. */
void kfk_sequence_refuse(kfk_sequence *s, kfk_sequence_batch *b, int code, int64_t now_ms);
/* Everything ends now, with `code` (close, purge, InitProducerId refused): not written, or perhaps. */
void kfk_sequence_give_up(kfk_sequence *s, int code, int64_t now_ms);

/* ---- what the user asks ------------------------------------------------------------------------------------------ */

/* The oldest batch, if it has ended; it leaves the machine. In queue order, each exactly once. NULL = none. Copies of
 * it may still be in flight: their memory is read by the connection until it is done with them. */
kfk_sequence_batch *kfk_sequence_take_ended(kfk_sequence *s);

typedef enum kfk_sequence_split {
    KFK_SEQUENCE_SPLIT_NOT,
    KFK_SEQUENCE_SPLIT_SMALLER, /* too large: into two parts or more */
    KFK_SEQUENCE_SPLIT_BAD,     /* the records that its answer named fail (87), the others stay, in order: due directly
                                   after kfk_sequence_answered, so that the names can be taken from there */
} kfk_sequence_split;
/* A batch that has to be replaced by parts of it, or NULL. It is not in flight, and it is nowhere in the log. Nothing
 * from it on is sent until then. */
kfk_sequence_batch *kfk_sequence_split_due(kfk_sequence *s, kfk_sequence_split *how);
/* The parts take the batch's place, in order, and the batch leaves the machine. Set the user's fields of each as for
 * push; a part that failed has `ended`, `code`, and written = KAFKA_WRITTEN_NO (it is handed out in its turn). count 1
 * or more. Without memory for parts: kfk_sequence_refuse. */
void kfk_sequence_replace(kfk_sequence *s, kfk_sequence_batch *b, kfk_sequence_batch *const *parts, size_t count);

enum {
    KFK_SEQUENCE_WANT_ID = 1,       /* the writer's producer id; nothing can be sent without */
    KFK_SEQUENCE_WANT_NEW_ID = 2,   /* one of its own */
    KFK_SEQUENCE_WANT_METADATA = 4, /* the leader may be another one */
};
/* What it wants, each told once. Failed InitProducerIds are asked again by the user (backoff, not an attempt). */
unsigned kfk_sequence_take_wants(kfk_sequence *s);
/* Nothing can be sent before it gets a producer id: the writer's, or, when it has that, one of its own. For users who
 * push only what can be sent: without a batch it wants none. */
bool kfk_sequence_needs_id(const kfk_sequence *s);
/* When to call tick and next again, if nothing happens before; KFK_TIME_NEVER = need not be. */
int64_t kfk_sequence_due_ms(const kfk_sequence *s);

#endif
