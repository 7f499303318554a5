/* names: the resolver of the simulation. */
#ifndef KAFKA_TESTS_SIM_NAMES_H
#define KAFKA_TESTS_SIM_NAMES_H
#include "sim/loop_sim.h"

/* What a look-up of a host name gives; may be changed at any time. */
typedef struct sim_name {
    char host[KFK_HOST_MAX + 1];
    char addresses[KFK_LOOKUP_MAX][KFK_ADDRESS_TEXT]; /* numeric, in this order */
    size_t count;
    int64_t delay_us;    /* default 300; jitter of half of it, unless the run is calm */
    const char *failure; /* the resolver's words; NULL = it succeeds */
    bool silent;         /* it never answers */
} sim_name;

/* The entry of a host, made on first use. A host without entry does not exist. */
sim_name *sim_name_of(sim *s, const char *host);
/* Adds an address to a host. */
void sim_name_add(sim *s, const char *host, const char *address);

#endif
