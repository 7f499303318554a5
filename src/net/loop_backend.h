/* loop_backend: what an implementation of the loop provides, and the machinery it shares with the others.
 *
 * For loop_*.c only. A backend embeds `kfk_loop` and fills `ops`; loop.c does timers, baton, operations and lifetime.
 * One turn of a backend:
 *
 *     wait for events (without the baton), until the time that the last leave returned
 *     kfk_loop_enter(l)
 *     report what happened: streams' ready(), kfk_loop_token_fired()
 *     at = kfk_loop_leave(l)      runs due timers and deferred tasks, publishes when it wants to run again
 */
#ifndef KFK_NET_LOOP_BACKEND_H
#define KFK_NET_LOOP_BACKEND_H
#include "base/rand.h"
#include "net/loop.h"

typedef struct kfk_loop_ops {
    /* Under the baton, the loop is asleep: make it turn now. */
    void (*wake)(kfk_loop *);
    int (*connect)(kfk_loop *, const kfk_address *, const kfk_connect_options *, kfk_stream **out, kfk_error *err);
    int (*adopt)(kfk_loop *, int fd, kfk_stream **out, kfk_error *err);
    int (*listen)(kfk_loop *, const kfk_address *, kfk_listener **out, kfk_error *err);
    int (*lookup)(kfk_loop *, kfk_lookup *);
    int (*resolve)(kfk_loop *, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err);
    int (*work)(kfk_loop *, kfk_job *);
    bool (*unwork)(kfk_loop *, kfk_job *);
    /* A token gets its first watcher, has lost its last. One that has fired already must be reported as well. */
    int (*watch)(kfk_loop *, kfk_cancel *);
    void (*unwatch)(kfk_loop *, kfk_cancel *);
    /* Any thread: waits until *word is no longer `value`, is woken, or the deadline passed. May return early. */
    void (*park)(kfk_loop *, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms);
    void (*unpark)(kfk_loop *, _Atomic uint32_t *word);
    /* In a forked child, no thread and no lock: closes what is inherited of descriptors. NULL = there are none. */
    void (*abandon)(kfk_loop *);
    /* The last use is gone: stop turning, and wait for the end unless called on the loop's own thread. */
    void (*stop)(kfk_loop *);
    void (*destroy)(kfk_loop *); /* frees the object around it; nothing refers to it any more */
} kfk_loop_ops;

struct kafka_loop {
    const kfk_loop_ops *ops;
    kfk_baton baton;
    kfk_ref refs, uses;
    uint32_t born; /* base/fork.h; and the count to compare it with: libkafka-testing has another one */
    const _Atomic uint32_t *forks;
    kfk_rand rand;
    int64_t now_ms;
    kfk_heap timers;
    kfk_list watches;
    kfk_list finished; /* operations to wake when the baton is let go */
    kfk_task *deferred, **deferred_end;
    /* While asleep: when it will turn by itself. Changed under the baton; a manual loop looks at it without. */
    _Atomic int64_t wake_at_ms;
    bool asleep, poke; /* poke: a caller left something that cannot wait until then */
};

/* 0 or KAFKA_ENOMEM. `seed` of its random numbers. */
int kfk_loop_init(kfk_loop *l, const kfk_loop_ops *ops, uint64_t seed);
void kfk_loop_fini(kfk_loop *l);
void kfk_loop_enter(kfk_loop *l);
/* When to turn next at the latest, monotonic ms: KFK_TIME_NEVER = only on events; a time that has passed = at once. */
int64_t kfk_loop_leave(kfk_loop *l);
/* Runs what is deferred, and what that defers: for a loop that nobody will turn any more. Nobody is turning it now. */
void kfk_loop_run_deferred_loop(kfk_loop *l);
/* A watched token fired: calls its watchers, after which it has none. */
void kfk_loop_token_fired(kfk_loop *l, kfk_cancel *token);

#endif
