/* flows: what an application does with the library, from a dial to a free, as functions that may fail at any point and
 * leave nothing behind. */
#ifndef KAFKA_TESTS_OOM_FLOWS_H
#define KAFKA_TESTS_OOM_FLOWS_H
#include "api/calls.h"

enum { FLOW_CODECS = 5 }; /* 0 = none */

/* What flows use. */
typedef struct flow_world {
    tcp_peer *peer;
    char address[32], named[32];
    kafka_compression codec;
} flow_world;
extern flow_world world;

/* A peer with the topics that flows read and write; its threads are exempt from libc_alloc. */
void flow_setup(void);
void flow_teardown(void);
bool flow_has_codec(int codec);

typedef struct flow {
    const char *name;
    int (*run)(void); /* 0, or the first code that was not */
    bool resolves;    /* names come in, and with them what libc keeps for itself */
    bool codecs;      /* differs by world.codec */
} flow;
extern const flow flows[];
extern const int flow_count;

#endif
