/* loop: the only way in which the engine sees the world: clock, timers, random numbers, streams, names, waiting threads
 * and helper threads.
 *
 * On Linux loop_thread.c turns it on a thread of its own, or loop_manual.c when the application says so;
 * tests/sim/loop_sim.c does in virtual time. The engine does not know which.
 *
 * Everything named `_loop` in the engine, and every function below unless it says otherwise, is called under the loop's
 * baton (net/baton.h). Callbacks come under the baton. */
#ifndef KFK_NET_LOOP_H
#define KFK_NET_LOOP_H
#include "base/cancel.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "kafka/dialer.h"
#include "net/address.h"
#include "net/baton.h"
#include "net/stream.h"

typedef struct kafka_loop kfk_loop;

/* ---- lifetime: any thread ---------------------------------------------------------------------------------------- */

/* A loop with a thread of its own (loop_thread.c), holding one reference and one use for the caller. `name` is the
 * thread's, at most 15 bytes. 0, KAFKA_ENOMEM, or KAFKA_EIO when the system has no thread or descriptor left. */
int kfk_loop_new(const char *name, kfk_loop **out, kfk_error *err);
/* A loop that the application turns (loop_manual.h), likewise. */
int kfk_loop_new_manual(kfk_loop **out, kfk_error *err);
/* A use keeps the loop turning: handles have one each. The thread ends with the last use and is joined by whoever gave
 * it up; under the baton, in a callback, or on the loop's own thread it is left to end by itself. A manual loop has no
 * thread: whoever gives up its last use does what is left. What is deferred by then still runs; no timer may be set any
 * more. */
void kfk_loop_use(kfk_loop *l);
void kfk_loop_unuse(kfk_loop *l);
/* A reference keeps the memory: jobs and operations under way have one each. */
kfk_loop *kfk_loop_hold(kfk_loop *l);
void kfk_loop_drop(kfk_loop *l);
/* Is it of the parent process? Then nothing may be done with it here but this: */
bool kfk_loop_is_parents(const kfk_loop *l);
/* In a forked child: gives up one use of it. With the last one its descriptors are closed; its memory stays. */
void kfk_loop_abandon(kfk_loop *l);
/* The same at once, whatever uses there are; again is harmless. */
void kfk_loop_abandon_now(kfk_loop *l);

/* ---- time and chance --------------------------------------------------------------------------------------------- */

/* Monotonic; read once per turn and per submission. */
int64_t kfk_loop_now_ms(const kfk_loop *l);
/* The same clock, read now, for measuring only. */
int64_t kfk_loop_now_ns(const kfk_loop *l);
uint64_t kfk_loop_random(kfk_loop *l);

/* ---- timers ------------------------------------------------------------------------------------------------------ */

typedef struct kfk_timer kfk_timer;
struct kfk_timer {
    kfk_heap_node node;
    void (*fire)(kfk_timer *);
};
void kfk_timer_init(kfk_timer *t, void (*fire)(kfk_timer *));
static inline bool kfk_timer_is_set(const kfk_timer *t)
{
    return t->node.queued;
}
static inline int64_t kfk_timer_at_ms(const kfk_timer *t)
{
    return t->node.key;
}
/* Sets or moves it. KFK_TIME_NEVER clears it. It fires once, on the thread that turns the loop, not before `at_ms`; one
 * that is set for now while timers fire does so in the next turn. */
void kfk_loop_timer_set(kfk_loop *l, kfk_timer *t, int64_t at_ms);
void kfk_loop_timer_clear(kfk_loop *l, kfk_timer *t);

/* ---- work to be done --------------------------------------------------------------------------------------------- */

/* Any thread: runs the task under the baton, here and now if that is free, else soon. Called under the baton, from
 * inside a callback, it leaves the task for when that has returned. */
void kfk_loop_submit(kfk_loop *l, kfk_task *t);
/* Under the baton: the thread that turns the loop runs the task in its next turn. For what a caller must not do while
 * it is inside: close streams, call back. A task that is waiting already must not be deferred again, and cannot be
 * taken back: the object around it lives until it has run. */
void kfk_loop_defer(kfk_loop *l, kfk_task *t);
/* For assertions. */
bool kfk_loop_held(kfk_loop *l);

/* ---- operations: what a blocking call waits for ------------------------------------------------------------------ */

/* One blocking call. Counted: the waiting thread and the engine hold a reference each, so that a call may give up and
 * the engine can still finish; the engine writes only into the operation, never into the caller's memory. */
typedef struct kfk_op kfk_op;
struct kfk_op {
    kfk_task task; /* how it comes to the engine: task.run gets it under the baton */
    kfk_ref ref;
    kfk_list waking;
    _Atomic uint32_t state;    /* the futex word; see loop.c */
    bool finished;             /* under the baton: has its outcome */
    kfk_error error;           /* the outcome; may be read once the wait ended with 0 */
    void (*destroy)(kfk_op *); /* frees the object around it; on any thread, without the baton */
};
/* Two references: the caller's and the engine's. */
void kfk_op_init(kfk_op *op, void (*run)(kfk_task *), void (*destroy)(kfk_op *));
void kfk_op_drop(kfk_op *op);
/* Under the baton: it has its outcome, which op->error holds; wakes the waiting thread once the baton is let go and
 * gives up the engine's reference. */
void kfk_op_finish_loop(kfk_loop *l, kfk_op *op);
/* Any thread that does not hold the baton: waits until the operation has finished. 0, or KAFKA_ETIMEDOUT at the
 * deadline (monotonic ms, KFK_TIME_NEVER = none), which is only a safety net: engines end operations by their own
 * timers. In a child that was forked inside, KAFKA_EFORKED, in op->error too. */
int kfk_op_wait(kfk_loop *l, kfk_op *op, int64_t deadline_ms);

/* ---- cancel tokens ----------------------------------------------------------------------------------------------- */

typedef struct kfk_watch kfk_watch;
struct kfk_watch {
    kfk_list node;
    kfk_cancel *token; /* a reference; NULL = not watching */
    void (*fired)(kfk_watch *);
};
void kfk_watch_init(kfk_watch *w, void (*fired)(kfk_watch *));
/* Calls `fired` once, on the thread that turns the loop, when the token fires or has fired; the watch is off then.
 * 0, KAFKA_ENOMEM, or KAFKA_EIO when there is no descriptor. */
int kfk_loop_watch(kfk_loop *l, kfk_watch *w, kfk_cancel *token);
/* Why it could not, for a sentence. */
const char *kfk_loop_watch_refused(int code);
/* A watch that is off is left alone. */
void kfk_loop_unwatch(kfk_loop *l, kfk_watch *w);

/* ---- streams and names ------------------------------------------------------------------------------------------- */

/* How a connection is made and kept; zeroed it is nothing particular. Neither bears on unix sockets. */
typedef struct kfk_connect_options {
    kfk_address local;     /* where to connect from; port 0 = any; len 0 = anywhere */
    int64_t keep_alive_ms; /* the silence after which the peer is probed; 0 = never */
} kfk_connect_options;

/* Starts connecting; `options` may be NULL. `*out` belongs to the caller, who sets owner and ready before it lets go of
 * the baton; the first edge is KFK_STREAM_WRITABLE with the outcome. 0, or why no attempt could be made, with its
 * sentence. */
int kfk_loop_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                     kfk_error *err);
/* Any thread: makes a stream of a socket that is connected already. It is left alone until `connected` was called,
 * once, under the baton and with owner and ready set; from then on it has edges. On success the descriptor goes with
 * the stream, on failure it is as it was: KAFKA_EINVAL when it is no connected stream socket, KAFKA_ENOMEM,
 * KAFKA_EIO. */
int kfk_loop_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err);

/* A port that accepts connections: for brokers inside of the process. `ops->close` on the thread that turns the
 * loop. */
typedef struct kfk_listener kfk_listener;
typedef struct kfk_listener_ops {
    int (*local_addr)(kfk_listener *, struct sockaddr *, socklen_t *len); /* as kfk_stream_ops.local_addr */
    void (*close)(kfk_listener *);
} kfk_listener_ops;
struct kfk_listener {
    const kfk_listener_ops *ops;
    /* A connection, which now belongs to the owner; its `connected` is to be called as that of an adopted stream. */
    void (*accepted)(void *owner, kfk_stream *);
    void *owner;
};
/* Listens; port 0 = any. `*out` belongs to the caller, who sets owner and accepted before it lets go of the baton. 0,
 * or KAFKA_EIO, KAFKA_ENOMEM with the sentence. */
int kfk_loop_listen(kfk_loop *l, const kfk_address *at, kfk_listener **out, kfk_error *err);

/* A look-up of a host name. `done` comes once, on the thread that turns the loop, unless it is abandoned. */
typedef struct kfk_lookup kfk_lookup;
struct kfk_lookup {
    char host[KFK_HOST_MAX + 1];
    uint16_t port;
    bool port_is_default;              /* a port that the application's resolver names counts instead */
    kafka_resolver resolver;           /* the application's; lookup NULL = the system's */
    kfk_address found[KFK_LOOKUP_MAX]; /* in the order of preference the resolver gives (RFC 6724) */
    size_t count;
    kfk_error error;            /* KAFKA_ERESOLVE with the resolver's words, when it failed; KAFKA_ENOMEM */
    void (*done)(kfk_lookup *); /* NULL = abandoned */
    _Atomic bool abandoned;     /* the same for the resolver, which holds no baton: it need not begin any more */
    void *owner;
    /* Whoever serves it: called when it is abandoned, under the baton, and may free it. NULL = nothing to do. */
    void (*let_go)(kfk_lookup *);
    void *server;
};
/* NULL without memory. The host name must fit KFK_HOST_MAX. */
kfk_lookup *kfk_lookup_new(const char *host, uint16_t port, void (*done)(kfk_lookup *), void *owner);
/* Starts it. Afterwards the look-up belongs to the loop, which frees it after `done` returned, or, when it was
 * abandoned, as soon as the resolver lets go of it. 0, or why it could not start (the caller still owns it then). */
int kfk_loop_lookup(kfk_loop *l, kfk_lookup *lookup);
/* Under the baton: `done` is not called any more, and the look-up may be gone. */
void kfk_lookup_abandon(kfk_lookup *lookup);
void kfk_lookup_free(kfk_lookup *lookup);

/* ---- helper threads ---------------------------------------------------------------------------------------------- */

typedef enum kfk_work_kind { KFK_WORK_BLOCKING, KFK_WORK_COMPUTING, KFK_WORK_KINDS } kfk_work_kind;
typedef struct kfk_job kfk_job;
struct kfk_job {
    kfk_task task; /* the backend's */
    kfk_loop *loop;
    kfk_work_kind kind;
    void (*run)(kfk_job *);  /* on a helper thread, without the baton; may block or compute */
    void (*done)(kfk_job *); /* under the baton, on any thread */
};
/* Any thread. Blocking and computing jobs have threads of their own kind, so that neither waits for the other. 0, or
 * KAFKA_EAGAIN when no thread can be had and none is running. The job holds a reference to the loop until `done`. */
int kfk_loop_work(kfk_loop *l, kfk_job *job);
/* Any thread: takes back a job that no thread has begun. True: it is the caller's again, neither run nor done come. */
bool kfk_loop_unwork(kfk_loop *l, kfk_job *job);
/* On a helper thread: the addresses of a name by the system's resolver, which may block. Numeric ones need it not.
 * Fills `found` from *count on, up to KFK_LOOKUP_MAX in all; what is beyond is dropped. 0, or KAFKA_ERESOLVE with its
 * words. */
int kfk_loop_resolve(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err);

#endif
