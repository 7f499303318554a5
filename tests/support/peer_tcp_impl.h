/* peer_tcp_impl: what the two files of the peer share. Not for tests. */
#ifndef KAFKA_TESTS_SUPPORT_PEER_TCP_IMPL_H
#define KAFKA_TESTS_SUPPORT_PEER_TCP_IMPL_H
#include "support/peer_tcp.h"
#include <pthread.h>

enum { TCP_TOPICS = 16, TCP_PARTITIONS = 8, TCP_API_KEYS = 128, TCP_CONNECTIONS = 512, TCP_RULES = 64 };

typedef struct tcp_log {
    batch_bytes bytes;
    int64_t end;
    int32_t leader;
} tcp_log;

typedef struct tcp_topic {
    char name[64];
    int32_t count; /* 0 = there is no such topic */
    tcp_log logs[TCP_PARTITIONS];
} tcp_topic;

typedef struct tcp_connection {
    tcp_peer *peer;
    pthread_t thread;
    int fd;     /* -1 = closed */
    bool ended; /* the thread is about to end: it can be joined, and the place used again */
} tcp_connection;

typedef struct tcp_listener {
    tcp_peer *peer; /* NULL = there is none */
    pthread_t thread;
    int fd;
} tcp_listener;

struct tcp_peer {
    pthread_mutex_t lock; /* all that follows */
    pthread_cond_t changed;
    bool stopping;
    char failure[256];
    int releases;
    int accepted, requests[TCP_API_KEYS], all_requests, sent;
    int connection_count; /* places used */
    tcp_connection connections[TCP_CONNECTIONS];
    size_t rule_count;
    tcp_rule rules[TCP_RULES]; /* times: what is left */
    struct {
        int16_t min, max;
    } versions[TCP_API_KEYS];
    char host[256];
    int32_t advertised_port, id;
    tcp_topic topics[TCP_TOPICS];
    bool has_aborted;
    int64_t aborted_producer, aborted_first;
    /* Constant: */
    tcp_listener tcp, local;
    int port;
    char address[32], path[64], unix_address[80];
};

/* Keeps the first failure. The lock is held. */
void tcp_peer_fail(tcp_peer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Waits for a change, until the time (monotonic ms); false = it has passed, or the peer is stopping. The lock is
 * held. */
bool tcp_peer_wait_change(tcp_peer *p, int64_t until_ms);
/* peer_tcp_apis.c: does what was asked and fills the answer. A Fetch waits in it. The lock is held. */
void tcp_peer_answer(tcp_call *call, void *answer);
tcp_topic *tcp_peer_topic(tcp_peer *p, kafka_bytes name);

#endif
