/* seeds_cluster: what the target `cluster` starts from. */
#ifndef KAFKA_FUZZ_SEEDS_CLUSTER_H
#define KAFKA_FUZZ_SEEDS_CLUSTER_H
#include "corpus.h"

/* `requests` are the seeds of the target `request`: each becomes a step. Conversations about the topic that is there
 * come in addition. */
void seeds_cluster(corpus *c, const corpus *requests);

#endif
