/* trouble: all kinds of it, for scenarios in which it is not the point. */
#ifndef KAFKA_TESTS_SIM_TROUBLE_H
#define KAFKA_TESTS_SIM_TROUBLE_H
#include "writers.h"

enum {
    TROUBLE_LOSES = 1,   /* leaders with what was not copied */
    TROUBLE_REFUSES = 2, /* answers that may fail a message although there is time */
};

/* One of them, by the plan, and what time it takes: about 100 ms. */
void trouble(world *w, unsigned kinds);

#endif
