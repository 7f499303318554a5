/* sequence_model: a small world around one sequence machine: application, client, network, two brokers with their logs.
 *
 * The world does one step at a time, out of those that are possible now. Some steps are *faults*: they happen as often
 * as a schedule allows. When nothing is possible any more and no fault is wanted, everything must have ended well,
 * which kfk_model_finish checks: no record lost, doubled, out of order, or called something that it is not. The world
 * is plain memory that stays where it is, so that a search may copy it away and back.
 *
 * What is modelled, of Kafka: the checks of epoch and sequence with the last five batches of a producer, or one before
 * 1.1; what they say of a producer they do not know; replication and elections in which a leader's last records are
 * truncated; restarts that remember only the newest batch; producers that are forgotten, since records were deleted or
 * are old; requests that reach a broker after their connection was closed; answers that do not tell whether the batch
 * was appended; a broker serves one request of a connection at a time. */
#ifndef KFK_TESTS_SEQUENCE_MODEL_H
#define KFK_TESTS_SEQUENCE_MODEL_H
#include "engine/sequence.h"

typedef enum kfk_model_kind {
    KFK_MODEL_BEFORE_1_1, /* knows one batch of a producer, answers 46 for older ones, 59 for who it does not know */
    KFK_MODEL_BEFORE_4_5, /* takes any sequence of a producer that it does not know */
    KFK_MODEL_4_5,        /* takes only sequence 0 of such a producer */
    KFK_MODEL_RESTARTS,   /* before 4.5, and knows only the newest batch after a restart */
    KFK_MODEL_KINDS
} kfk_model_kind;

enum {
    KFK_MODEL_RECORDS = 16,
    KFK_MODEL_BATCHES = 24,
    KFK_MODEL_COPIES = 24,
    KFK_MODEL_CONNECTIONS = 6,
    KFK_MODEL_REQUESTS = 8,
    KFK_MODEL_LOG = 64,
    KFK_MODEL_KNOWN = 12,
    KFK_MODEL_STEPS = 160 /* that may be possible at once */
};

typedef enum kfk_model_step_kind {
    /* always possible when there is something to do */
    STEP_PUSH,      /* the application: another batch */
    STEP_ID,        /* InitProducerId answers */
    STEP_SEND,      /* the client sends what the machine allows */
    STEP_DELIVER,   /* a broker reads the next request of connection `a` */
    STEP_DROP_LATE, /* what a closed connection still carries is dropped */
    STEP_REPLICATE, /* the follower copies the leader's log, so that all of it is committed */
    STEP_ANSWER,    /* an answer reaches the client */
    STEP_DETECT,    /* the client sees that the broker is gone */
    STEP_METADATA,  /* the client learns who leads */
    STEP_NOTICE,    /* a broker that leads no more learns it, and throws away what nobody replicated */
    /* faults */
    STEP_REFUSE,    /* the broker refuses the next request of `a` with code `b`, without appending */
    STEP_UNKNOWN,   /* the broker takes the next request of `a` as it should, but answers `b` */
    STEP_BREAK,     /* connection `a` is closed; b = 1: what it carries may still arrive */
    STEP_ELECT,     /* the other broker leads; b = 1: and the former leader does not know it */
    STEP_RESTART,   /* of broker `a` */
    STEP_FORGET,    /* broker `a` forgets the producer: records were deleted and it was restarted */
    STEP_EXPIRE,    /* the producer has written old records last: forgotten without a restart */
    STEP_TIMEOUT,   /* the oldest batch meets its deadline */
    STEP_LIMIT,     /* max.message.bytes is lowered: batches of more than one record are refused from now on */
    STEP_TOO_LARGE, /* the batch with record `a` is too large for good */
    STEP_IDLE,      /* a minute passes; b = 1: so long that brokers forget the producer */
    STEP_UNSENT,    /* like STEP_SEND, and taken back at once */
    STEP_FOREIGN,   /* another producer's record is appended */
    STEP_STEPS
} kfk_model_step_kind;

typedef struct kfk_model_step {
    kfk_model_step_kind kind;
    int a, b;
} kfk_model_step;

typedef struct kfk_model_config {
    kfk_model_kind kind;
    bool no_idempotence;
    int batches;            /* that the application writes, at most KFK_MODEL_RECORDS records in all */
    int records[8];         /* of the n-th batch */
    uint32_t poisoned;      /* bit n: record n is refused with 87 */
    uint32_t old;           /* bit n: the n-th batch holds old records */
    uint32_t faults;        /* bit n: STEP n may happen */
    int32_t first_sequence; /* what the first epoch begins with, 0 as in reality, or shortly before it wraps */
    int16_t first_epoch;
} kfk_model_config;

typedef struct kfk_model_batch {
    kfk_sequence_batch b;
    bool used;
    int first, count; /* its records */
} kfk_model_batch;

typedef struct kfk_model_copy {
    kfk_sequence_copy c;
    bool used;
    int first, count;
} kfk_model_copy;

typedef struct kfk_model_request {
    int copy; /* -1: nobody waits for its answer */
    int first, count;
    int64_t pid;
    int epoch, sequence;
    bool old;
} kfk_model_request;

typedef struct kfk_model_answer {
    int copy, code;
    int64_t base;
    int bad;
} kfk_model_answer;

typedef struct kfk_model_connection {
    uint64_t id; /* 0 = this place is free */
    int broker;
    bool open, served; /* the client's end, the broker's end */
    bool waiting;      /* for replication, with the first request */
    int64_t base, end;
    kfk_model_request in[KFK_MODEL_REQUESTS];
    kfk_model_answer out[KFK_MODEL_REQUESTS];
    int in_count, out_count;
} kfk_model_connection;

typedef struct kfk_model_entry {
    int first, count; /* records; first = -1: another producer's */
    int64_t pid;
    int epoch, sequence;
    int64_t base;
    bool old;
} kfk_model_entry;

typedef struct kfk_model_broker {
    kfk_model_entry log[KFK_MODEL_LOG];
    int end;                           /* entries */
    int known_from;                    /* entries before it are forgotten */
    int known[KFK_MODEL_KNOWN], count; /* what it remembers of the producer, oldest first: places in the log */
} kfk_model_broker;

typedef struct kfk_model_result {
    bool ended;
    int code;
    kafka_written written;
    int64_t offset;
} kfk_model_result;

typedef struct kfk_model {
    kfk_model_config cfg;
    kfk_sequence_config sequence_cfg;
    kfk_sequence s;
    kfk_model_batch batches[KFK_MODEL_BATCHES];
    kfk_model_copy copies[KFK_MODEL_COPIES];
    kfk_model_connection connections[KFK_MODEL_CONNECTIONS];
    kfk_model_broker brokers[2];
    kfk_model_result results[KFK_MODEL_RECORDS];
    struct {
        int64_t pid;
        int epoch, sequence, first, count;
    } triples[KFK_MODEL_LOG];
    int triple_count;
    int leader, term, committed;      /* committed: entries of the leader's log */
    int ghost, ghost_committed, fork; /* 1 + a broker that does not know that it leads no more; where the logs part */
    int believed, believed_term;
    int pushed, ended; /* batches; records that have ended */
    unsigned wants;
    uint64_t connection_ids;
    int64_t now_ms, pids;
    uint32_t too_large; /* bit n: a batch that begins with record n is refused */
    bool limited, forgot, timed_out, refused_for_good, untold;
    char failure[200], note[80]; /* the first thing that went wrong; what the last step did */
} kfk_model;

void kfk_model_init(kfk_model *m, const kfk_model_config *cfg);
/* What may happen now. The first *normal steps are no faults. */
int kfk_model_possible(const kfk_model *m, kfk_model_step *steps, int *normal);
void kfk_model_do(kfk_model *m, kfk_model_step step);
/* Nothing is possible any more: is all well? Otherwise `failure` says what is not. */
bool kfk_model_finish(kfk_model *m);
/* The step that was done last, with what it did. */
void kfk_model_describe(const kfk_model *m, kfk_model_step step, char *out, size_t room);
/* Two worlds with the same hash behave alike, whatever the time and the numbers of connections. */
uint64_t kfk_model_hash(const kfk_model *m);

#endif
