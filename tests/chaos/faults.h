/* faults: what happens to the nodes, one at a time, by a plan that follows from the seed. */
#ifndef KAFKA_TESTS_CHAOS_FAULTS_H
#define KAFKA_TESTS_CHAOS_FAULTS_H
#include "base/rand.h"
#include <stddef.h>

typedef enum fault_kind {
    FAULT_KILL,        /* kill -9; back after a while */
    FAULT_FREEZE,      /* SIGSTOP, SIGCONT: shorter or longer than the controller waits for a heartbeat */
    FAULT_RESTART,     /* a controlled shutdown; back after a while */
    FAULT_ROLL,        /* that of all nodes in turn */
    FAULT_FREEZE_KILL, /* stopped, and then killed: nothing that was sent to it arrives */
    FAULT_KINDS
} fault_kind;

typedef struct fault {
    fault_kind kind;
    int node;     /* of a roll: the first */
    int still_ms; /* frozen */
    int down_ms;  /* before it is started again */
    int pause_ms; /* all is well before it */
} fault;

/* The first FAULT_KINDS of a plan are of each kind. */
void faults_plan(kfk_rand *r, fault *out, size_t count);
/* "kill node 2, down for 1.2 s" */
void faults_name(const fault *f, char *out, size_t cap);
const char *faults_kind_name(fault_kind kind);
/* Returns when all is well again: all nodes answer, all replicas of these topics are in sync. */
void faults_do(const fault *f, const char *const *topics, size_t count);

#endif
