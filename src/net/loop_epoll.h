/* loop_epoll: what the two loops that live on epoll have in common: descriptors, tokens, waiting, one turn.
 *
 * loop_thread.c turns it on a thread of its own, loop_manual.c lets the application do that. A driver embeds
 * `kfk_loop_epoll`, and its operations are KFK_LOOP_EPOLL_OPS beside its own park, unpark, stop and destroy. */
#ifndef KFK_NET_LOOP_EPOLL_H
#define KFK_NET_LOOP_EPOLL_H
#include "net/loop_backend.h"
#include "net/source.h"

struct epoll_event;

typedef struct kfk_loop_epoll {
    kfk_loop base;
    int epoll_fd, wake_fd; /* -1 in a forked child that has closed them */
    kfk_source wake;
    kfk_list tokens, spare_tokens; /* loop_epoll.c, token_source */
    /* of the last wait, not reported yet: only the thread that turns the loop looks at it, with or without the baton */
    struct epoll_event *events;
    int event_count, event_index;
} kfk_loop_epoll;

static inline kfk_loop_epoll *kfk_loop_epoll_of(kfk_loop *l)
{
    return KFK_CONTAINER(l, kfk_loop_epoll, base);
}

/* 0, KAFKA_ENOMEM, or KAFKA_EIO with the sentence, which begins with `doing`. */
int kfk_loop_epoll_init(kfk_loop_epoll *e, const kfk_loop_ops *ops, const char *doing, kfk_error *err);
/* KAFKA_EIO with the sentence: the system has none of something. */
int kfk_loop_epoll_refused(kfk_error *err, const char *doing, const char *what, int number);
/* Closes everything; nobody turns it any more. The object itself is the driver's. */
void kfk_loop_epoll_fini(kfk_loop_epoll *e);

/* One turn: waits for events, `until_ms` at the latest (monotonic; a time that has passed = does not wait), and takes
 * care of them. Returns when to turn next, as kfk_loop_leave does. `last_look`, if there is one, is called under the
 * baton at the end of the turn. One thread at a time. In a child that was forked inside it returns at once,
 * KFK_TIME_NEVER. */
int64_t kfk_loop_epoll_turn(kfk_loop_epoll *e, int64_t until_ms, void (*last_look)(kfk_loop_epoll *));
/* Makes the present or the next wait end. Any thread. */
void kfk_loop_epoll_wake(kfk_loop *l);
/* For threads that wait without turning the loop: the futex. */
void kfk_loop_epoll_park(kfk_loop *l, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms);
void kfk_loop_epoll_unpark(kfk_loop *l, _Atomic uint32_t *word);

int kfk_loop_epoll_watch(kfk_loop *l, kfk_cancel *token);
void kfk_loop_epoll_unwatch(kfk_loop *l, kfk_cancel *token);
/* In a forked child. */
void kfk_loop_epoll_abandon(kfk_loop *l);
#define KFK_LOOP_EPOLL_OPS                                                                                             \
    .wake = kfk_loop_epoll_wake, .connect = kfk_socket_connect, .adopt = kfk_socket_adopt, .listen = kfk_listen_start, \
    .lookup = kfk_resolve_start, .resolve = kfk_resolve_now, .work = kfk_work_start, .unwork = kfk_work_take_back,     \
    .watch = kfk_loop_epoll_watch, .unwatch = kfk_loop_epoll_unwatch, .abandon = kfk_loop_epoll_abandon

#endif
