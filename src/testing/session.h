/* session: one connection of a client to a broker of the cluster.
 *
 * A session takes one request at a time, as brokers do: while it is busy nothing is read, so what a client sends ahead
 * stays in the sockets, and an answer that the client does not read holds up its next request. An idle session holds no
 * buffer. A client that goes while its request waits is noticed, so that it does not wait for nobody; what had begun
 * before, a delayed write, is done all the same. A frame's memory grows behind the bytes that have arrived; one that
 * does not arrive whole within a minute ends the connection. One that is idle stays, whatever connections.max.idle.ms
 * of Kafka would say. All of them together may take twice as many bytes for requests and answers as the logs for
 * messages, or KFT_LEAST_BUSY if that is more: then whoever takes most is hung up on. */
#ifndef KFT_SESSION_H
#define KFT_SESSION_H
#include "testing/handler.h"

/* Takes over an accepted stream; without memory, or with too many connections, it is closed. */
void kft_session_new(kft_node *n, kfk_stream *stream);
/* On the thread that turns the loop: closes the connection, whatever it was doing. */
void kft_session_free(kft_session *s);
/* The parked request of that ask has news; its session runs it again in a later task. */
void kft_session_wake(kft_ask *ask);
/* The connection's number, from 1, for texts and listeners. */
int kft_session_number(const kft_session *s);
/* Of a node of kft_node.sessions. */
kft_session *kft_session_of(kfk_list *node_link);
/* When answers that are not read on keep too much alive that has left the logs: hangs up on who has not read for
 * longest, until that is enough. Never on the session whose handler runs: its last answer was read. */
void kft_session_relieve(kafka_cluster *c);
/* Runs again what was woken. */
void kft_session_run_woken(kafka_cluster *c);

/* One place where a parked request waits: in a partition's list of waiters and in its ask's. */
typedef struct kft_wait {
    kfk_list node, mine;
    kft_ask *ask;
} kft_wait;

#endif
