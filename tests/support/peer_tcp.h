/* peer_tcp: a Kafka-like broker on a real loopback socket, with threads of its own, that does what a test tells it.
 *
 * Left alone it behaves: it answers ApiVersions, Metadata, Produce, Fetch, ListOffsets, CreateTopics and DeleteTopics
 * from the topics it holds in memory, one request of a connection at a time, and a Fetch waits for data as long as it
 * was told to. A table of rules changes that: a request is handled by the first rule for its API that has not been used
 * up.
 *
 *     static const tcp_rule rules[] = {
 *         {.api = KFK_API_PRODUCE, .code = KAFKA_ERR_NOT_ENOUGH_REPLICAS},
 *         {.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = count_them, .arg = &n},
 *     };
 *     tcp_peer *p = tcp_peer_new(rules, 2);
 *     ... kafka_dial(NULL, NULL, tcp_peer_address(p), &conn) ...
 *     tcp_peer_free(p);
 *
 * Its threads never assert: what went wrong there is kept and fails the test in tcp_peer_free. Functions that fail a
 * test are for its own thread: tcp_peer_new, _free, _wait, tcp_free_port. What the peer itself allocates from the
 * library it frees before the answer is out, and asks for again when it is refused, so that it may run under
 * memcheck. */
#ifndef KAFKA_TESTS_SUPPORT_PEER_TCP_H
#define KAFKA_TESTS_SUPPORT_PEER_TCP_H
#include "support/batches.h"
#include "wire/frame.h"
#include <stdbool.h>

typedef struct tcp_peer tcp_peer;

/* A request, as rules' functions see it. */
typedef struct tcp_call {
    tcp_peer *peer;
    const kfk_api *api;
    int16_t version, code; /* code: for each topic and partition of the answer */
    kafka_bytes client_id;
    const void *request;
    int64_t asked_ms;
    void *blocks; /* tcp_alloc's */
} tcp_call;
/* Zeroed memory that lives until the answer is out. */
void *tcp_alloc(tcp_call *call, size_t size);

enum {
    TCP_ANY = -1,
    TCP_ACCEPT = -2, /* a connection was made, nothing was asked yet */
    TCP_SENT = -3    /* in counts: answers that went out */
};
enum { TCP_ALWAYS = -1 };
#define TCP_BODY(text) .body = (text), .body_len = sizeof(text) - 1
#define TCP_RAW(text)  .raw = (text), .raw_len = sizeof(text) - 1
typedef enum tcp_then { TCP_GO_ON, TCP_CLOSE, TCP_RESET, TCP_SILENCE } tcp_then;

typedef struct tcp_rule {
    int16_t api;
    int times;      /* how many requests it is for, 0 = one */
    int delay_ms;   /* before anything else */
    bool hold;      /* waits for tcp_peer_release before anything else */
    bool no_answer; /* does what was asked and does not say so */
    int16_t code;   /* changes nothing and answers this everywhere */
    /* Looks at the request, and changes the answer before it is encoded. In a thread of the peer, under its lock. */
    void (*edit)(tcp_call *, void *answer, void *arg);
    void *arg;
    const void *body; /* the bytes behind the answer's header, in place of what the answer would be */
    size_t body_len;
    int32_t id_off;  /* added to the correlation id */
    int extra;       /* bytes of nonsense behind the answer, in its frame; negative: bytes that are missing there */
    size_t cut;      /* sends so many bytes only, 0 = all */
    const char *raw; /* in place of an answer */
    size_t raw_len;
    bool twice; /* sends all that twice */
    tcp_then then;
} tcp_rule;

/* Called at the beginning of each of its threads, NULL = nothing is. Set while there is no peer. */
extern void (*tcp_peer_thread_began)(void);

/* Listens on 127.0.0.1, at a port of the system's choice. The rules are copied. It has one topic "t" with 2
 * partitions. */
tcp_peer *tcp_peer_new(const tcp_rule *rules, size_t count);
#define TCP_PEER(...) \
    tcp_peer_new((const tcp_rule[]){__VA_ARGS__}, sizeof((const tcp_rule[]){__VA_ARGS__}) / sizeof(tcp_rule))
/* Hangs up, ends its threads; fails the test when the peer met something that it should not have. */
void tcp_peer_free(tcp_peer *p);
const char *tcp_peer_address(const tcp_peer *p); /* "127.0.0.1:port" */
int tcp_peer_port(const tcp_peer *p);
/* A port of 127.0.0.1 that nobody listens on. */
int tcp_free_port(void);

/* Listens on a unix socket as well, whose address, "unix:/path", it returns. */
const char *tcp_peer_listen_unix(tcp_peer *p);
/* Any thread: serves a connection that is there already, such as one end of socketpair(2), and closes it. */
void tcp_peer_serve(tcp_peer *p, int fd_take);
void tcp_peer_add_rules(tcp_peer *p, const tcp_rule *rules, size_t count);
/* What it says about an API; max < min: it lacks it. At first what the library knows, Produce from 3 on. */
void tcp_peer_set_versions(tcp_peer *p, int16_t api, int16_t min, int16_t max);
/* What it advertises as its own address, and its id, 1. */
void tcp_peer_advertise(tcp_peer *p, const char *host, int32_t port, int32_t id);
/* Topics: 16 at most, of 8 partitions. leader: an id, -1 = none. */
void tcp_peer_add_topic(tcp_peer *p, const char *topic, int32_t partitions, int32_t leader);
/* Appends batches to the log of partition 0 of "t"; offsets stay as they are in the bytes. `end`: the next offset. */
void tcp_peer_fill(tcp_peer *p, const batch_bytes *batches, int64_t end);
/* The same for another topic, which it has. */
void tcp_peer_fill_topic(tcp_peer *p, const char *topic, const batch_bytes *batches, int64_t end);
/* Fetches of committed messages name a transaction of this producer, from this offset on, as aborted. One at most. */
void tcp_peer_abort(tcp_peer *p, int64_t producer_id, int64_t first_offset);
int64_t tcp_peer_end(tcp_peer *p, int32_t partition);
/* Lets one request that is held go on, now or when it comes. */
void tcp_peer_release(tcp_peer *p);
/* Hangs up on all connections, and goes on listening. */
void tcp_peer_hang_up(tcp_peer *p);
/* Requests so far; TCP_ANY: of all APIs; TCP_ACCEPT: connections; TCP_SENT: answers. */
int tcp_peer_requests(tcp_peer *p, int16_t api);
/* Waits until there were so many; fails the test after 10 seconds. */
void tcp_peer_wait(tcp_peer *p, int16_t api, int count);
/* The same for any thread: false after 10 seconds. */
bool tcp_peer_saw(tcp_peer *p, int16_t api, int count);
/* Waits until every client has closed its connection; false after 10 seconds. One that is silent does not notice. */
bool tcp_peer_is_left_alone(tcp_peer *p);

#endif
