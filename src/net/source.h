/* source: a file descriptor that a loop in real time watches, edge-triggered, for reading and writing at once.
 *
 * Between loop_epoll.c (later loop_poll.c) and what owns descriptors. Under the baton; remove and ready only on the thread
 * that turns the loop. */
#ifndef KFK_NET_SOURCE_H
#define KFK_NET_SOURCE_H
#include "net/loop.h"

typedef struct kfk_source kfk_source;
struct kfk_source {
    void (*ready)(kfk_source *, unsigned events); /* KFK_STREAM_READABLE, KFK_STREAM_WRITABLE */
};

/* 0 or an errno. */
int kfk_source_add(kfk_loop *l, kfk_source *s, int fd);
/* `ready` is not called any more, not even for what the present turn has seen already. */
void kfk_source_remove(kfk_loop *l, kfk_source *s, int fd);

#endif
