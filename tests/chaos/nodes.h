/* nodes: the three brokers that tests/kafka/kafka.sh started, their topics, and what is done to them. Whatever does not
 * work here is no anomaly of the library: it is told, and the program exits with 3. */
#ifndef KAFKA_TESTS_CHAOS_NODES_H
#define KAFKA_TESTS_CHAOS_NODES_H
#include "kafka/kafka.h"
#include <stdbool.h>

enum { NODES = 3 };

/* The list of their addresses, from the environment. */
const char *nodes_brokers(void);
/* kafka.sh with a command for a node: "stop", "restart". */
void nodes_do(const char *command, int node);
/* At once, without a shell; waits until a process that is killed is gone. */
void nodes_signal(int node, int number);
/* A shell's command line, with what it needs in $1 and $2. Its exit code. */
int nodes_shell(const char *script, const char *arg1, const char *arg2);
/* What the broker logged, which the next start would overwrite, to files of the report. */
void nodes_keep_log(int node);

/* Three replicas each, of which two have to be in sync. */
void nodes_create_topic(const char *topic, int partitions);
void nodes_delete_topics(const char *const *topics, size_t count);
/* Until every node says of every partition that it has a leader, and all replicas are in sync. */
void nodes_await_sync(const char *const *topics, size_t count);
/* The epoch of a partition's leader. */
int32_t nodes_leader_epoch(const char *topic, int32_t partition);

#endif
