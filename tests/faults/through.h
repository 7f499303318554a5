/* through: connections through a proxy to one partition of a broker.
 *
 * kafka_dial_leader would connect to the address that the broker advertises, past the proxy. So these are connections
 * of kafka_dial that are told their partition afterwards, by force. */
#ifndef KAFKA_TESTS_FAULTS_THROUGH_H
#define KAFKA_TESTS_FAULTS_THROUGH_H
#include "api/calls.h"
#include "support/proxy.h"

/* As kafka_dial; the connection reads and writes partition 0 of the topic, from offset 0 on. */
int through_try(const char *address, const kafka_ctx *ctx, const char *topic, kafka_conn **out);
/* The same, for connections that must come about. */
kafka_conn *through(const char *address, const char *topic);

#endif
