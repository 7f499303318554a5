/* partitioner: the balancers of the library by the names that people know them by. */
#ifndef KC_PARTITIONER_H
#define KC_PARTITIONER_H
#include "options.h"
#include <kafka/balancer.h>

typedef struct kc_partitioner {
    const char *name;
    kafka_balancer *(*make)(void); /* NULL without memory */
} kc_partitioner;

/* What is used unless something else is asked for: what Java's producer does. */
extern const kc_partitioner kc_partitioner_default;

kc_take kc_take_partitioner; /* const kc_partitioner * */

#endif
