/* resolve: host names through the application's resolver, or the system's, on a helper thread. */
#ifndef KFK_NET_RESOLVE_H
#define KFK_NET_RESOLVE_H
#include "net/loop.h"

/* What the application's resolver finds, while it runs. The first KFK_LOOKUP_MAX count, what is added behind them is
 * dropped. */
struct kafka_addrs {
    kfk_hostport entries[KFK_LOOKUP_MAX];
    size_t count;
};
/* 0, or KAFKA_EINVAL quoting the text. On the thread that runs the resolver. */
int kfk_addrs_add(kafka_addrs *a, const char *host_or_host_port, kfk_error *err);

/* See kfk_loop_lookup. It uses the loop's own helper threads and kfk_loop_resolve, so it serves any loop. */
int kfk_resolve_start(kfk_loop *l, kfk_lookup *lookup);
/* See kfk_loop_resolve: this is its implementation for loops that live in real time, by getaddrinfo. */
int kfk_resolve_now(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err);

#endif
