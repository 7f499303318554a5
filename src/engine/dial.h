/* dial: an operation that connects to the first of several addresses that answers as a Kafka broker
 * (engine/bootstrap.h). */
#ifndef KFK_ENGINE_DIAL_H
#define KFK_ENGINE_DIAL_H
#include "engine/bootstrap.h"
#include "engine/limit.h"

typedef struct kfk_dial_config {
    kfk_loop *loop;
    const kfk_hostport *addresses; /* copied */
    size_t count;
    const char *client_id; /* copied */
    int64_t deadline_ms;   /* KFK_TIME_NEVER = none */
    kfk_cancel *cancel;    /* NULL = none */
    int64_t fallback_delay_ms;
    kfk_connect_options options;
    kafka_resolver resolver; /* lookup NULL = the system's */
    bool dual_stack;
} kfk_dial_config;

/* Give `op` to kfk_loop_submit, wait for it, drop it. When it has succeeded, `broker` belongs to whoever takes it out
 * (sets it to NULL) and else goes with the operation.
 *
 * Fails with the last address's error, its text naming all; KAFKA_ETIMEDOUT, KAFKA_ECANCELED. */
typedef struct kfk_dial {
    kfk_op op;
    kfk_dial_config cfg;
    kfk_hostport *addresses;
    char *client_id;
    kfk_limit limit;
    kfk_bootstrap *race;
    kfk_broker *broker;
    int64_t started_ms;
} kfk_dial;

/* 0 or KAFKA_ENOMEM. */
int kfk_dial_new(const kfk_dial_config *cfg, kfk_dial **out);

#endif
