/* connect: finding brokers and leaders, and telling the person who runs kc why it failed. */
#ifndef KC_CONNECT_H
#define KC_CONNECT_H
#include "options.h"
#include <kafka/kafka.h>

/* Dials a broker of the list. The library's code; nothing is said. */
int kc_connect_any(const kc_common *c, kafka_conn **out);
/* Dials the broker that has to do what concerns the cluster as a whole, such as creating topics. Likewise. */
int kc_connect_controller(const kc_common *c, kafka_conn **out);
/* Dials the leader of a partition. Likewise. */
int kc_connect_leader(const kc_common *c, const char *topic, int32_t partition, kafka_conn **out);

/* The partitions of a topic, asked over a connection that is there. A topic that is missing stays missing: brokers may
 * create what a request names (auto.create.topics.enable), so this asks first whether there is one. */
int kc_connect_look_up(const kc_common *c, kafka_conn *conn, const char *topic, kafka_partitions **out);
/* The same over a connection of its own. A topic that was created a moment ago may not be known to every broker: asks
 * again for a short while before it believes that there is none. There is at least one partition when it returns 0.
 * `create`: brokers that do so may create it. */
int kc_connect_partitions(const kc_common *c, const char *topic, bool create, kafka_partitions **out);
/* The words for what the two return without `create`, for kc_failure.why. */
const char *kc_connect_why(int err);

/* True when one of the partitions has that number. */
bool kc_connect_has_partition(const kafka_partitions *found, int32_t id);
/* True when the cluster named a leader of the partition and its address. */
bool kc_connect_has_leader(const kafka_partition *p);

/* Sets the deadline of the next calls: the timeout of the command line and extra_ms, from now. */
void kc_connect_rearm(const kc_common *c, kafka_conn *conn, int64_t extra_ms);

/* True for an error that may be gone in a moment. Errors of connecting count only when the cluster had been reached
 * before (`reached`): at the beginning they rather mean a mistyped address, and nobody wants to wait for that. */
bool kc_connect_may_retry(int err, bool reached);
/* How long to wait before the n-th retry (from 0): 100 ms, doubling, at most 2 s. */
int64_t kc_connect_backoff_ms(int retry);

/* A failed call of the library. */
typedef struct kc_failure {
    int err;
    const char *why;   /* NULL: kafka_last_error() */
    const char *topic; /* that it was about, NULL = none */
    bool reached;      /* the cluster had answered before, so the addresses given are right */
    int tries;         /* how often it was tried; 0 is as 1 */
} kc_failure;
/* Says "cannot ...: why", and what to try next. Says nothing when a signal stopped kc. Returns the exit code: KC_USAGE
 * when the library found an argument wrong, such as an address. */
int kc_connect_explain(const kc_common *c, kc_failure failure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
