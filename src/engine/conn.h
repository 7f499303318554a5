/* conn: the engine's half of a kafka_conn: calls that wait on one connection, and what may end them.
 *
 * A call is an operation with, usually, one request. It ends by the answer, by the connection's read or write deadline,
 * by its cancel token, or by close, whichever comes first; the deadlines may be changed while calls wait. A call that
 * ended early stays alive until its request is done with, and the answer is dropped.
 *
 * Reading takes turns: whoever reads, or has a batch open, holds the read turn; others wait for it like for an
 * answer. */
#ifndef KFK_ENGINE_CONN_H
#define KFK_ENGINE_CONN_H
#include "base/arena.h"
#include "base/lock.h"
#include "engine/broker.h"

/* Which deadline ends a call. */
typedef enum kfk_call_kind { KFK_CALL_READ, KFK_CALL_WRITE, KFK_CALL_KINDS } kfk_call_kind;

typedef struct kfk_conn kfk_conn;
typedef struct kfk_call kfk_call;

/* What any thread may set; the engine takes it over under the baton. */
typedef struct kfk_conn_settings {
    kfk_lock lock;                       /* innermost: nothing else is taken while it is held */
    int64_t deadline_ms[KFK_CALL_KINDS]; /* 0 = none */
    kfk_cancel *token;                   /* a reference; NULL = none */
    bool closing;
    bool queued; /* `task` is under way */
    kfk_task task;
} kfk_conn_settings;

struct kfk_conn {
    kfk_ref ref;
    kfk_loop *loop;     /* a reference */
    kfk_broker *broker; /* owned */
    char about[288];    /* for texts: " (topic t partition 0)", or "" */
    kfk_conn_settings settings;
    /* Under the baton: */
    kfk_list calls; /* that wait, in order of arrival */
    kfk_timer timers[KFK_CALL_KINDS];
    kfk_watch watch;
    bool reading; /* somebody has the read turn */
    kfk_task turn_task;
    kfk_error ended; /* code != 0: later calls end with it */
};

/* What it waits for. */
typedef enum kfk_call_want { KFK_CALL_ANSWER, KFK_CALL_TURN, KFK_CALL_PAUSE } kfk_call_want;

struct kfk_call {
    kfk_op op;
    kfk_conn *conn; /* a reference */
    kfk_list node;
    kfk_call_kind kind;
    kfk_call_want want;
    const char *what;    /* "reading", for texts */
    bool touched;        /* when it has ended: some of the request may have reached the broker */
    kfk_request request; /* KFK_CALL_ANSWER: filled by the caller but for `done` */
    kfk_timer pause;     /* KFK_CALL_PAUSE */
    int64_t pause_ms;
    kfk_arena memory; /* for what the message refers to */
    /* Under the baton, optional: looks at the decoded answer and copies what is wanted into the call. 0 or an error.
     * KAFKA_EPROTO, an answer that cannot be, ends the connection. */
    int (*take)(kfk_call *, kfk_error *);
    void (*cleanup)(kfk_call *); /* optional: frees what the object around the call owns, not the object */
};

/* Takes over a connected broker and holds a reference to the loop. What it is for stands in the texts of its errors;
 * topic NULL = nothing particular. 0 or KAFKA_ENOMEM (the broker is freed). */
int kfk_conn_new(kfk_loop *l, kfk_broker *broker_take, const char *topic, int32_t partition, kfk_conn **out);
void kfk_conn_drop(kfk_conn *c);

/* A call in zeroed memory of `size` bytes that begins with a kfk_call, and a request of this API; NULL without memory.
 * Two references: the caller's, who drops it with kfk_op_drop, and the engine's, which is given up when it was run: a
 * call that is never run must be dropped twice (kfk_call_discard). */
void *kfk_call_new(kfk_conn *c, size_t size, kfk_call_kind kind, const char *what, int16_t api_key);
void kfk_call_discard(kfk_call *call);
/* Any thread: runs the call and waits for its outcome, which is returned; call->op.error has the sentence. */
int kfk_call_run(kfk_call *call);

/* Any thread. The read turn: taking it waits, under the read deadline; 0, or why not, with the sentence. */
int kfk_conn_take_turn(kfk_conn *c, kfk_error *err);
void kfk_conn_give_turn(kfk_conn *c);
/* Any thread: waits for so long, under the read deadline. 0, or what ended it, with the sentence. */
int kfk_conn_pause(kfk_conn *c, int64_t ms, kfk_error *err);

/* Any thread, none waits; what waits notices at once. */
void kfk_conn_set_deadline(kfk_conn *c, kfk_call_kind kind, int64_t deadline_ms);
void kfk_conn_set_token(kfk_conn *c, kfk_cancel *token);
/* Ends all calls with KAFKA_ECLOSED and the connection with them; again is harmless. */
void kfk_conn_end(kfk_conn *c);
bool kfk_conn_has_ended(kfk_conn *c);
/* Milliseconds that a broker may take for a request of this kind, so that its answer comes before the deadline: the
 * time left less a second, or less a quarter when less than a second is left; at least 0. `otherwise` is for when there
 * is no deadline. */
int32_t kfk_conn_time_for_broker(kfk_conn *c, kfk_call_kind kind, int32_t otherwise);

#endif
