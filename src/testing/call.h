/* call: something that another thread wants done on the thread that turns the cluster's loop. */
#ifndef KFT_CALL_H
#define KFT_CALL_H
#include "testing/cluster.h"

/* What `run` may return in place of an outcome: it is called again, behind what waits to be run now. */
enum { KFT_CALL_AGAIN = INT32_MIN };

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

/* The memory that a call takes. NULL without. */
typedef struct kft_call_memory kft_call_memory;
kft_call_memory *kft_call_reserve(void);
/* What was reserved and not used. */
void kft_call_release(kft_call_memory *m);

/* May the calling thread wait for the loop of a cluster? 0 or KAFKA_EAGAIN: it is inside a callback. */
int kft_call_check(kfk_error *err);
/* Any thread but one that holds the loop's baton or runs a callback (KAFKA_EAGAIN then). What `run` returned, or
 * KAFKA_ENOMEM, or KAFKA_EFORKED when the cluster is the parent process's. */
int kft_call_run(kft_call *x, kfk_error *err);
/* The same without needing memory; takes over what was reserved, whatever happens. */
int kft_call_run_with(kft_call *x, kft_call_memory *m, kfk_error *err);

#endif
