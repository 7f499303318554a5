/* kafka/loop.h: what does the I/O. One loop serves any number of connections; without one of your own, all share a
 * default loop whose thread starts with the first object of the process and ends with the last. The library's threads
 * block all signals but those of faults (SIGSEGV, SIGBUS ...), so that handlers of the application run in threads of
 * its own. They are called kafka-io, kafka-block (name resolution) and kafka-compute.
 *
 * A forked child has no threads of the library's until it makes an object of its own. The parent's loops can be freed
 * there, which closes their descriptors; everything else gives KAFKA_EFORKED, also to dial on one.
 *
 * An application that wants no thread of the library's drives a manual loop from its own poll, epoll, libuv or GLib
 * loop (examples/event_loop.c):
 *
 *     poll `kafka_loop_fd` for POLLIN, at most `kafka_loop_timeout_ms` long; then `kafka_loop_run`, whichever it was
 *
 * Who turns a manual loop. One thread at a time does: inside kafka_loop_run, or while it waits in a blocking call. A
 * blocking call of the thread that turned the loop last (before the first turn: of the thread that made it) turns the
 * loop by itself until the call ends; callbacks may run inside, and kafka_loop_run gives KAFKA_EAGAIN to other threads
 * for so long. The calls of all other threads end by that thread's turns alone, by deadline and token too: they wait as
 * long as nobody turns the loop. A thread that gets into kafka_loop_run is the one that turned it last from then on,
 * so another one may take over at any time, also from one that has ended, and between the steps of a call (a read asks
 * the broker again and again), which then ends by the turns of the new one. So who runs a loop goes on running it, and
 * where several threads poll one loop, each of them runs it.
 *
 * Names are still resolved on helper threads, which end after some seconds without work. */
#ifndef KAFKA_LOOP_H
#define KAFKA_LOOP_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_loop is a counted handle. Every object that was given a loop holds a reference; NULL is the default loop. */
typedef struct kafka_loop kafka_loop;
typedef struct kafka_loop_config {
    int32_t manual; /* 1 = no thread, the application runs it */
    int32_t reserved;
    int64_t reserved2[3];
} kafka_loop_config;

/* kafka_loop_new makes a loop with a thread of its own, or a manual one; `cfg` may be NULL. It does not block.
 * KAFKA_ENOMEM, or KAFKA_EIO where the system gives no more threads or descriptors. */
KAFKA_API KAFKA_NODISCARD int kafka_loop_new(const kafka_loop_config *cfg, kafka_loop **out);

/* The next three are for manual loops; for another kind they give KAFKA_ENOTSUP, -1 and KAFKA_ENOTSUP.
 *
 * kafka_loop_fd returns a descriptor that is readable (POLLIN, level-triggered) while the loop has something to do.
 * It belongs to the library: poll it, but neither read nor close it. */
KAFKA_API int kafka_loop_fd(kafka_loop *);
/* kafka_loop_timeout_ms returns after how many milliseconds the loop wants to run again even if its descriptor stays
 * quiet, rounded up, -1 = it need not. Ask before each wait; what changes the answer afterwards makes the descriptor
 * readable: an earlier deadline of another thread's call, say. Any thread. */
KAFKA_API int64_t kafka_loop_timeout_ms(kafka_loop *);
/* kafka_loop_run does what there is to do and returns without waiting; callbacks run inside. Where there is more than a
 * turn's worth, the descriptor stays readable. Any thread; KAFKA_EAGAIN while another one is in it or waits in a
 * blocking call that turns the loop, and in a callback: it has done nothing then. */
KAFKA_API int kafka_loop_run(kafka_loop *);
/* kafka_loop_free drops the creator's reference. The loop goes on while an object uses it, and its thread ends with
 * the last of them. A manual loop must not be run or polled any more, though blocking calls on what still uses it go
 * on turning it; freeing its last object, or the loop when there is none, closes what the loop's turns had left to
 * close, and so leaves neither memory nor descriptors. NULL is fine. */
KAFKA_API void kafka_loop_free(kafka_loop *);

#ifdef __cplusplus
}
#endif
#endif
