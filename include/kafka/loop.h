/* kafka/loop.h: what does the I/O. One loop serves any number of connections; without one of your own, all share a
 * default loop whose thread starts with the first object of the process and ends with the last. The library's threads
 * block all signals but those of faults (SIGSEGV, SIGBUS ...), so that handlers of the application run in threads of
 * its own. They are called kafka-io, kafka-block (name resolution) and kafka-compute.
 *
 * A forked child has no threads of the library's until it makes an object of its own. The parent's loops can be freed
 * there, which closes their descriptors; everything else gives KAFKA_EFORKED, also to dial on one.
 *
 * An application that wants no thread of the library's drives a manual loop from its own poll, epoll, libuv or GLib
 * loop. Manual loops come in a later version: until then kafka_loop_new refuses one with KAFKA_ENOTSUP. */
#ifndef KAFKA_LOOP_H
#define KAFKA_LOOP_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_loop is a counted handle. Every object that was given a loop holds a reference; NULL is the default loop. */
typedef struct kafka_loop kafka_loop;
typedef struct kafka_loop_config {
    int32_t manual; /* 1 = no thread, the application runs it. KAFKA_ENOTSUP for now */
    int32_t reserved;
    int64_t reserved2[3];
} kafka_loop_config;

/* kafka_loop_new makes a loop with a thread of its own; `cfg` may be NULL. It does not block. KAFKA_ENOMEM, or
 * KAFKA_EIO where the system gives no more threads or descriptors. */
KAFKA_API KAFKA_NODISCARD int kafka_loop_new(const kafka_loop_config *cfg, kafka_loop **out);

/* The next three are for manual loops; for another kind they give KAFKA_ENOTSUP, -1 and KAFKA_ENOTSUP.
 *
 * kafka_loop_fd returns a descriptor that is readable (POLLIN, level-triggered) while the loop has something to do.
 * It belongs to the library: poll it, but neither read nor close it. */
KAFKA_API int kafka_loop_fd(kafka_loop *);
/* kafka_loop_timeout_ms returns after how many milliseconds the loop wants to run again even if its descriptor stays
 * quiet, -1 = it need not. Ask after each run; what changes the answer in between makes the descriptor readable. */
KAFKA_API int64_t kafka_loop_timeout_ms(kafka_loop *);
/* kafka_loop_run does what there is to do and returns without waiting; callbacks run inside. KAFKA_EAGAIN while
 * another thread is in it, or from a callback. While the thread that was in it last (before that: the one that made
 * it) waits in a blocking call, it runs the loop by itself; the calls of all other threads depend on it. */
KAFKA_API int kafka_loop_run(kafka_loop *);
/* kafka_loop_free drops the creator's reference. The loop goes on while an object uses it, and its thread ends with
 * the last of them. NULL is fine. */
KAFKA_API void kafka_loop_free(kafka_loop *);

#ifdef __cplusplus
}
#endif
#endif
