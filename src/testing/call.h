/* call: something that another thread wants done on the thread that turns the cluster's loop. */
#ifndef KFT_CALL_H
#define KFT_CALL_H
#include "testing/cluster.h"

/* Lies on the caller's stack: it waits until `run` has run. What `run` may need: */
typedef struct kft_call kft_call;
struct kft_call {
    kafka_cluster *cluster;
    int (*run)(kft_call *, kfk_error *); /* on the loop; 0 or a code, with its sentence */
    const char *topic;
    int32_t partition, broker;
    int64_t number;
    const void *in;
    int64_t out[2];
};

/* Any thread but one that holds the loop's baton (KAFKA_EAGAIN then). What `run` returned, or KAFKA_ENOMEM. */
int kft_call_run(kft_call *x, kfk_error *err);

#endif
