/* socket: a connected socket as a stream: TCP, or a unix one, or whatever the application has connected itself. */
#ifndef KFK_NET_SOCKET_H
#define KFK_NET_SOCKET_H
#include "net/loop.h"

/* See kfk_loop_connect and kfk_loop_adopt: these are their implementations for loops that live in real time. */
int kfk_socket_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                       kfk_error *err);
int kfk_socket_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err);

#endif
