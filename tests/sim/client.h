/* client: what scenarios that use the public interface have in common. */
#ifndef KAFKA_TESTS_SIM_CLIENT_H
#define KAFKA_TESTS_SIM_CLIENT_H
#include "kafka/kafka.h"
#include "sim/names.h"
#include "sim/peer.h"
#include "sim/runner.h"

#define BROKER  "10.0.0.1:9092"
#define BROKER2 "10.0.0.2:9092"

/* A dialer with a client id that is the same on every machine, and this timeout (0 = the default). */
kafka_dialer client_dialer(int64_t timeout_ms);
/* Dials the leader of partition 0 of "t". A failure fails the run, and gives NULL. */
kafka_conn *client_dial(sim *s, const char *address);
/* Reads the message behind the last one read and compares its value. */
bool client_expect_message(sim *s, kafka_conn *c, int64_t offset, const char *value);
/* The result of a call is this code, and the sentence of the last failure says that. */
#define client_failed(s, actual, expected, part) \
    client_check_failed((s), (actual), (expected), (part), #actual, __FILE__, __LINE__)
void client_check_failed(sim *s, int actual, int expected, const char *part, const char *what, const char *file,
                         int line);

#endif
