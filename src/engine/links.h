/* links: the connections of a cluster to its brokers, one of a kind to each, made when they are needed.
 *
 * A broker answers one request of a connection at a time, so requests that may wait there have connections of their
 * own. A link whose connection was lost or could not be made is opened again by the next one who asks for it, after a
 * backoff of 100 ms doubling to 1 s, +- 20 %, and a broker gets ten connections in a second at most.
 *
 * Links are never closed for being idle: whoever uses a kind knows when it is not needed any more.
 *
 * Everything under the loop's baton. */
#ifndef KFK_ENGINE_LINKS_H
#define KFK_ENGINE_LINKS_H
#include "engine/broker.h"
#include "engine/brokers.h"

typedef struct kfk_cluster kfk_cluster;

typedef enum kfk_link_kind {
    KFK_LINK_CONTROL, /* metadata, coordinators, offsets, administration */
    KFK_LINK_PRODUCE,
    KFK_LINK_FETCH,
    KFK_LINK_GROUP, /* join, sync, heartbeat, leave */
    KFK_LINK_KINDS
} kfk_link_kind;

/* The connection to a broker that is known by its id. 0 with a connection that is usable or being made: send to it at
 * once, it may be gone after the next return to the loop, and requests on it end with it. KAFKA_EAGAIN: not now but at
 * *retry_at_ms, with what failed last. KAFKA_ERR_BROKER_NOT_AVAILABLE: nobody named such a broker, or not any more
 * (then connections that are there are still good). KAFKA_ENOMEM, KAFKA_ECLOSED. */
int kfk_cluster_link_loop(kfk_cluster *c, int32_t id, kfk_link_kind kind, kfk_broker **out, int64_t *retry_at_ms,
                          kfk_error *err);

/* ---- for the files of the cluster -------------------------------------------------------------------------------- */

enum { KFK_LINKS_PER_SECOND = 10 };

typedef struct kfk_link {
    kfk_node *node;     /* NULL: a connection to a bootstrap address (engine/discover.c) */
    kfk_broker *broker; /* NULL = none */
    unsigned asked;     /* hedged requests (engine/discover.h) that it owes an answer to, */
    int64_t asked_ms;   /* and since when it has given none */
    int64_t opened_ms;
    unsigned failures; /* in a row */
    int64_t retry_at_ms;
    kfk_error failure; /* the last */
} kfk_link;

typedef struct kfk_links {
    int64_t connects_ms[KFK_LINKS_PER_SECOND]; /* when the last ones were begun, a ring */
    unsigned connects;
    kfk_link of[KFK_LINK_KINDS];
} kfk_links;

/* Opens the link unless it is open. 0, KAFKA_EAGAIN, KAFKA_ENOMEM, as above. */
int kfk_link_open_loop(kfk_cluster *c, kfk_node *n, kfk_link_kind kind, kfk_link **out, int64_t *retry_at_ms,
                       kfk_error *err);
/* Is there a connection that requests can be given to? */
bool kfk_link_is_alive(const kfk_link *l);
/* Does it owe an answer, or connect, for so long that it may hang? */
bool kfk_link_is_late(const kfk_cluster *c, const kfk_link *l);
/* When kfk_link_open_loop would not say KAFKA_EAGAIN. */
int64_t kfk_link_ready_at_ms(const kfk_node *n, kfk_link_kind kind);
/* Moves a connection that works and owes nothing to a link of this kind that has none. False = it stays. */
bool kfk_link_adopt(kfk_node *n, kfk_link_kind kind, kfk_link *from);
/* Closes the connection; requests on it end. */
void kfk_link_close_loop(kfk_link *l);
/* The broker's address is another one now: what is not connected yet begins anew. */
void kfk_links_moved(kfk_node *n);
void kfk_links_close_all_loop(kfk_cluster *c);
/* Of brokers that are not named and not connected to nothing is kept. */
void kfk_links_sweep(kfk_cluster *c);
/* What kfk_broker_config.changed is for all connections of a cluster; the owner is the cluster. */
void kfk_links_changed(void *owner, kfk_broker *b, const kfk_error *err);

#endif
