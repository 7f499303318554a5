/* tcp: connecting to a host by name, over every address it has (RFC 8305), or to a unix socket.
 *
 * Addresses are tried in the resolver's order with the two families taking turns. With `dual_stack` the next one starts
 * when the one before it failed or has not answered for `fallback_delay_ms`, and the first to connect wins. Without,
 * one is tried at a time, and each gets its share of the time that is left, two seconds at least. */
#ifndef KFK_NET_TCP_H
#define KFK_NET_TCP_H
#include "net/loop.h"

typedef struct kfk_tcp kfk_tcp;
typedef struct kfk_tcp_config {
    kfk_hostport to;
    kfk_connect_options options;
    kafka_resolver resolver; /* the application's, asked for numeric hosts too; lookup NULL = the system's */
    int64_t fallback_delay_ms;
    int64_t deadline_ms; /* the caller's, who enforces it; for sharing out the time. KFK_TIME_NEVER = none */
    bool dual_stack;
    /* Once, on the thread that turns the loop, unless abandoned: a connected stream that now belongs to the owner, or
     * NULL and why: KAFKA_ERESOLVE, KAFKA_EIO, KAFKA_ENOMEM, with what happened at each address. The kfk_tcp is gone
     * after it. */
    void (*done)(void *owner, kfk_stream *stream, const kfk_error *err);
    void *owner;
} kfk_tcp_config;

/* Starts; 0, or an error when nothing could be started (done is not called then). */
int kfk_tcp_start(kfk_loop *l, const kfk_tcp_config *cfg, kfk_tcp **out, kfk_error *err);
/* On the thread that turns the loop: gives up, done is not called. */
void kfk_tcp_abandon(kfk_tcp *t);
/* Where it stands, for the text of a timeout: "resolving", "connecting to 127.0.0.1:9092". Always terminated. */
void kfk_tcp_describe(const kfk_tcp *t, char *out, size_t cap);

#endif
