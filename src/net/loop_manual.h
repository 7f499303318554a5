/* loop_manual: a loop without a thread, which the application turns from its own poll or epoll loop.
 *
 * See kafka/loop.h for the contract; it is the same here. Made by kfk_loop_new_manual (net/loop.h). Any thread. */
#ifndef KFK_NET_LOOP_MANUAL_H
#define KFK_NET_LOOP_MANUAL_H
#include "net/loop.h"

bool kfk_loop_is_manual(const kfk_loop *l);
/* The descriptor to poll. The next three are for manual loops only. */
int kfk_loop_manual_fd(kfk_loop *l);
/* Milliseconds, rounded up; KFK_TIME_NEVER = it need not turn. */
int64_t kfk_loop_manual_timeout_ms(kfk_loop *l);
/* One turn that does not wait. 0, or KAFKA_EAGAIN while a thread is in it: another one, or this one further out; in a
 * child that was forked inside KAFKA_EFORKED. */
int kfk_loop_manual_run(kfk_loop *l);

#endif
