/* source: a file descriptor that a loop in real time watches, edge-triggered, for reading and writing at once.
 *
 * Between loop_epoll.c (later loop_poll.c) and what owns descriptors. Under the baton; remove and ready only on the
 * thread that turns the loop. */
#ifndef KFK_NET_SOURCE_H
#define KFK_NET_SOURCE_H
#include "net/loop.h"

enum {
    /* Beside the events of stream.h: the peer will send nothing more, or the connection broke. Comes with READABLE. */
    KFK_SOURCE_HANGUP = 4
};

typedef struct kfk_source kfk_source;
struct kfk_source {
    void (*ready)(kfk_source *, unsigned events); /* KFK_STREAM_READABLE, KFK_STREAM_WRITABLE, KFK_SOURCE_HANGUP */
};

/* 0 or an errno. */
int kfk_source_add(kfk_loop *l, kfk_source *s, int fd);
/* Makes the next wait report once more whatever it is ready for. */
void kfk_source_again(kfk_loop *l, kfk_source *s, int fd);
/* `ready` is not called any more, not even for what the present turn has seen already. */
void kfk_source_remove(kfk_loop *l, kfk_source *s, int fd);

#endif
