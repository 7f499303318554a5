/* work: helper threads for what may block (name resolution) and for what computes (later: key derivation, compression).
 *
 * Two pools of detached threads, shared by all loops of the process: at most 16 for blocking and 2 for computing jobs,
 * started on demand, named, with small stacks and signals blocked, ending after some seconds without work. */
#ifndef KFK_NET_WORK_H
#define KFK_NET_WORK_H
#include "net/loop.h"

/* Any thread. See kfk_loop_work: this is its implementation for loops that live in real time. */
int kfk_work_start(kfk_loop *l, kfk_job *job);
/* Any thread. See kfk_loop_unwork. */
bool kfk_work_take_back(kfk_loop *l, kfk_job *job);

/* Starts a thread as all of the library's are: signals blocked (but for faults), named (at most 15 bytes), small stack.
 * A detached one must not end before this returns. 0 or an errno. */
int kfk_work_thread(pthread_t *out, bool detached, const char *name, void *(*run)(void *), void *arg);

#endif
