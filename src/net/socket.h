/* socket: a TCP socket as a stream. */
#ifndef KFK_NET_SOCKET_H
#define KFK_NET_SOCKET_H
#include "net/loop.h"

/* See kfk_loop_connect: this is its implementation for loops that live in real time. */
int kfk_socket_connect(kfk_loop *l, const kfk_address *to, kfk_stream **out, kfk_error *err);

#endif
