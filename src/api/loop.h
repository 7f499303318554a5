/* loop: which loop serves an object. */
#ifndef KFK_API_LOOP_H
#define KFK_API_LOOP_H
#include "kafka/loop.h"
#include "net/loop.h"

/* The loop an object is to live on: `wanted`, or the process's default one, which is started for its first user. Holds
 * a use and a reference. 0, KAFKA_ENOMEM, KAFKA_EIO. */
int kfk_loop_acquire(kafka_loop *wanted, kfk_loop **out, kfk_error *err);
/* Gives both up. The last user of the default loop ends it and waits for its thread. */
void kfk_loop_release(kfk_loop *l);
/* Tests only: what serves as the default loop; NULL = one of its own. Holds nothing. */
void kfk_api_set_default_loop(kfk_loop *l);

#endif
