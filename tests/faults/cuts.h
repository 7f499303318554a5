/* cuts: a dial, a write and a read, cut at byte n in either direction, by the end of the stream and by a reset.
 *
 * For a scripted broker and a real one alike. Each function goes through all n, or every k-th, and then looks at what
 * is in the log: nothing is there twice, nothing is missing, and what the client was told is true. */
#ifndef KAFKA_TESTS_FAULTS_CUTS_H
#define KAFKA_TESTS_FAULTS_CUTS_H
#include "faults/through.h"

typedef struct cuts {
    const char *broker; /* "ip:port" */
    const char *topic;  /* nobody else writes to its partition 0 */
    int every, first;   /* n = first, first + every, ...; every 0 = all n */
} cuts;

/* The first n for one that takes every k-th: another in each run. */
int cuts_some_first(int every);

void cuts_of_a_dial(const cuts *k);
void cuts_of_a_write(const cuts *k);
/* The partition holds `count` messages "v0", "v1" ... at offsets from 0. */
void cuts_of_a_read(const cuts *k, int count);

#endif
