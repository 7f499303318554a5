/* resolve: host names through the system's resolver, on a helper thread. */
#ifndef KFK_NET_RESOLVE_H
#define KFK_NET_RESOLVE_H
#include "net/loop.h"

/* See kfk_loop_lookup: this is its implementation for loops that live in real time. */
int kfk_resolve_start(kfk_loop *l, kfk_lookup *lookup);

#endif
