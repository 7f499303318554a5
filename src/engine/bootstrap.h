/* bootstrap: a race for one usable connection among several addresses.
 *
 * The first address is tried at once, another one each further second in which there is no usable connection, and at
 * once when one failed. The first that answers as a Kafka broker wins, the others are closed. Where there is less time
 * than a second for each address, the pause is as long as lets all of them have a turn.
 *
 * Everything under the loop's baton. */
#ifndef KFK_ENGINE_BOOTSTRAP_H
#define KFK_ENGINE_BOOTSTRAP_H
#include "engine/broker.h"

enum { KFK_BOOTSTRAP_PACE_MS = 1000 };

typedef struct kfk_bootstrap kfk_bootstrap;
typedef struct kfk_bootstrap_config {
    /* How to connect. The race sets address, `changed` and owner, and without a connect timeout gives each attempt the
     * time that is left. What it points to must outlive the race. */
    kfk_broker_config connect;
    const kfk_hostport *addresses; /* at least one; must outlive the race */
    size_t count;
    size_t first;        /* the one to begin with; the others follow in their order */
    int64_t deadline_ms; /* the owner's, who enforces it; for sharing out the time. KFK_TIME_NEVER = none */
    /* After the last address begin again beside what is under way: a connection made now may get through when one of
     * seconds ago still waits. Then it goes on until an attempt for each address has failed and none is under way. */
    bool again;
    /* Once, unless abandoned: the winner, which now belongs to the owner, or NULL and what happened at each address.
     * The race is gone after it. */
    void (*done)(void *owner, kfk_broker *winner_take, const kfk_error *why);
    void *owner;
} kfk_bootstrap_config;

/* 0, or KAFKA_ENOMEM (done is not called then). `done` never comes before this returns. */
int kfk_bootstrap_start_loop(const kfk_bootstrap_config *cfg, kfk_bootstrap **out);
/* Closes what is under way; done is not called. */
void kfk_bootstrap_abandon_loop(kfk_bootstrap *r);
/* What it waits for: "10.0.0.1:9092: connecting to 10.0.0.1:9092, h:9092: resolving h". Always terminated. */
void kfk_bootstrap_describe(const kfk_bootstrap *r, char *out, size_t cap);
/* The attempt under way when there is exactly one, else NULL. */
kfk_broker *kfk_bootstrap_only(const kfk_bootstrap *r);
/* What failed so far; code 0 = nothing. */
const kfk_error *kfk_bootstrap_error(const kfk_bootstrap *r);

#endif
