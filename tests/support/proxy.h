/* proxy: a TCP proxy on loopback, between a client and whatever broker, that treats what passes as a test says.
 *
 *     proxy *x = proxy_new("127.0.0.1:9092");
 *     ... dial proxy_address(x) ...
 *     proxy_set(x, &(proxy_plan){.cut = PROXY_DOWN, .bytes = 17, .then = PROXY_RESET});
 *     ... the client sees 17 more bytes of the broker's, then a reset ...
 *     proxy_free(x);
 *
 *     up: from the client to the broker        down: from the broker to the client
 *
 * One thread moves everything. Any thread may call; nothing asserts but proxy_new. */
#ifndef KAFKA_TESTS_SUPPORT_PROXY_H
#define KAFKA_TESTS_SUPPORT_PROXY_H
#include <stdbool.h>
#include <stdint.h>

typedef struct proxy proxy;

typedef enum proxy_way { PROXY_NEITHER, PROXY_UP, PROXY_DOWN } proxy_way;
typedef enum proxy_then {
    PROXY_CLOSE, /* both sides read the end of the stream */
    PROXY_RESET, /* both sides see a reset */
    PROXY_STALL  /* nothing passes any more, either way, and nobody is told */
} proxy_then;

/* All zero: everything passes as it comes. */
typedef struct proxy_plan {
    proxy_way cut; /* of a connection: when the byte behind `bytes` bytes arrives in this direction, `then` */
    proxy_then then;
    int64_t bytes;       /* counted from when the plan was set */
    int64_t bytes_per_s; /* in each direction, 0 = no limit */
    int64_t delay_ms;    /* everything arrives so much later */
    int piece;           /* the most bytes that one write passes on, 0 = no limit */
    proxy_way hold;      /* nothing passes in this direction while the plan is in force */
} proxy_plan;

/* `to`: "ip:port", IPv4. Everything passes at first. */
proxy *proxy_new(const char *to);
/* The same at a port that was chosen before, by whoever tells others the address. */
proxy *proxy_new_at(const char *to, int port);
/* Closes all connections. */
void proxy_free(proxy *x);
const char *proxy_address(const proxy *x); /* "127.0.0.1:port" */
int proxy_port(const proxy *x);

/* For all connections from now on, those that are open too; the counts of bytes begin again. In force on return. */
void proxy_set(proxy *x, const proxy_plan *plan);
/* Whether nobody listens at its address. Connections that are open stay. */
void proxy_refuse(proxy *x, bool refuse);
/* Ends all connections now, as a cut would. */
void proxy_cut(proxy *x, proxy_then then);

/* Connections so far. */
int proxy_connections(proxy *x);
/* Bytes that passed in a direction since the plan was set, over all connections. */
int64_t proxy_passed(proxy *x, proxy_way way);

#endif
