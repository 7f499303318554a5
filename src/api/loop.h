/* loop: which loop serves an object. */
#ifndef KFK_API_LOOP_H
#define KFK_API_LOOP_H
#include "kafka/loop.h"
#include "net/loop.h"

/* Publishes KAFKA_EFORKED when the loop, which may be NULL, is the parent process's. */
int kfk_loop_check(const kafka_loop *l, const char *call);
/* The loop an object is to live on: `wanted`, or the process's default one, which is started for its first user. Holds
 * a use and a reference. 0, KAFKA_ENOMEM, KAFKA_EIO; KAFKA_EFORKED: `wanted` is the
 * parent process's. */
int kfk_loop_acquire(kafka_loop *wanted, kfk_loop **out, kfk_error *err);
/* Gives both up. The last user of the default loop ends it and waits for its thread. */
void kfk_loop_release(kfk_loop *l);
/* Tests only: what serves as the default loop; NULL = one of its own. Holds nothing. */
void kfk_api_set_default_loop(kfk_loop *l);

#endif
