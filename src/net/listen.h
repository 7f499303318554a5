/* listen: a listening TCP socket. */
#ifndef KFK_NET_LISTEN_H
#define KFK_NET_LISTEN_H
#include "net/loop.h"

/* See kfk_loop_listen: this is its implementation for loops that live in real time. */
int kfk_listen_start(kfk_loop *l, const kfk_address *at, kfk_listener **out, kfk_error *err);

#endif
