/* thread: what the library keeps per thread: the last failure, and whether a callback of ours is running.
 *
 * A seam: in the simulation, where tasks are fibers of one thread, each fiber has a state of its own. */
#ifndef KFK_BASE_THREAD_H
#define KFK_BASE_THREAD_H
#include "base/error.h"
#include <pthread.h>

typedef struct kfk_thread {
    kfk_error last; /* kafka_last_error(), kafka_last_written() */
    int32_t last_written;
    int32_t cancel_state;   /* in what callback_begin saves */
    int32_t callback_depth; /* > 0 inside a callback of the library: what would have to wait gives KAFKA_EAGAIN */
} kfk_thread;

/* The calling thread's state; never NULL. */
kfk_thread *kfk_thread_self(void);
/* Publishes a failure to the calling thread. Returns e->code. */
int kfk_thread_fail(const kfk_error *e);
/* The same from code and format. Returns `code`. */
int kfk_thread_failf(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Around every callback of the application. In between kafka_last_error() says `e` (NULL: what it said before), and
 * what happens there to the thread's last failure is undone at the end. `saved` is the caller's, on its stack. */
void kfk_thread_callback_begin(kfk_thread *saved, const kfk_error *e);
void kfk_thread_callback_end(const kfk_thread *saved);
/* Around what pthread_cancel must not interrupt, since a thread that ended there would leave a lock taken or a
 * descriptor open: a callback, and every call of ours that is a cancellation point (sendmsg, close, getrandom ...). A
 * call of the public interface is therefore none. They nest. Also in a signal handler. */
static inline int kfk_thread_shield(void)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}
static inline void kfk_thread_unshield(int before)
{
    pthread_setcancelstate(before, NULL);
}
/* For tests, and for libkafka-testing, which shares the state of libkafka: where it comes from; NULL restores
 * thread-local storage. */
void kfk_thread_set_source(kfk_thread *(*self)(void));

#endif
