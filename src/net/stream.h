/* stream: a connected byte stream as the engine sees it, whatever carries it.
 *
 * A socket, a virtual link of the simulation, and later a TLS layer on top of either are all a `kfk_stream`. A layer
 * that transforms bytes is a stream that owns the stream below it and takes over its `ready`: layers stack, and the
 * engine talks to the top one only.
 *
 * Readiness is edge-triggered: `ready` tells that something changed. Its owner reads until KAFKA_EAGAIN or until it got
 * less than it asked for, and writes until KAFKA_EAGAIN; then the next edge comes by itself. Nothing has to be armed,
 * so that a lone request costs no system call but its own.
 *
 * All functions run under the loop's baton. `close` and `ready` only on the thread that turns the loop; `read`, `write`
 * by whoever holds the baton. */
#ifndef KFK_NET_STREAM_H
#define KFK_NET_STREAM_H
#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    KFK_STREAM_READABLE = 1, /* bytes, or the end of the stream, or an error to be had from read */
    KFK_STREAM_WRITABLE = 2  /* room again; after a connect: its outcome is to be had from connected */
};

typedef struct kfk_stream kfk_stream;

typedef struct kfk_stream_ops {
    /* The outcome of connecting: 0 = connected, KAFKA_EAGAIN = still under way, else why it failed, with its
     * sentence. */
    int (*connected)(kfk_stream *, kfk_error *);
    /* 0 with *got > 0, KAFKA_EAGAIN, KAFKA_EOF at the end of the stream, or an error with its sentence. */
    int (*read)(kfk_stream *, void *buf, size_t cap, size_t *got, kfk_error *);
    /* 0 with *put > 0 (perhaps less than offered), KAFKA_EAGAIN, or an error with its sentence. Never raises
     * SIGPIPE. */
    int (*write)(kfk_stream *, const struct iovec *iov, int count, size_t *put, kfk_error *);
    /* 0, or an error code. As getsockname and getpeername: *len is room on entry, the address's size afterwards. */
    int (*local_addr)(kfk_stream *, struct sockaddr *, socklen_t *len);
    int (*peer_addr)(kfk_stream *, struct sockaddr *, socklen_t *len);
    /* The descriptor underneath, for what a forked child has to close. May be NULL: there is none. */
    int (*descriptor)(kfk_stream *);
    /* Releases the stream and what it holds. `ready` is not called any more. */
    void (*close)(kfk_stream *);
} kfk_stream_ops;

struct kfk_stream {
    const kfk_stream_ops *ops;
    void (*ready)(void *owner, unsigned events);
    void *owner;
};

#endif
