/* conversation_client: the client's side of a conversation. */
#ifndef KAFKA_FUZZ_CONVERSATION_CLIENT_H
#define KAFKA_FUZZ_CONVERSATION_CLIENT_H
#include "sim/loop_sim.h"

#define CLIENT_BROKER "10.0.0.1:9092"

typedef struct client {
    const char *address;
    uint8_t options;   /* CONVERSATION_... */
    uint16_t left_out; /* a bit for each kind of call that is left out */
    bool honest;       /* nothing is in its way: all calls succeed but those that ask for what is not there */
} client;

/* A fiber: dials, uses the connection, frees it. Its argument is a client. */
void client_run(sim *s, void *arg);

#endif
