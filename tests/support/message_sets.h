/* message_sets: messages of formats 0 and 1 as an old log may hold them, made by hand: both conventions of offsets,
 * wrappers in wrappers, damage.
 *
 * Encoded from the protocol's description and not by the library's writer, as support/batches.h. Memory is malloc's and
 * not counted by memcheck. */
#ifndef KAFKA_TESTS_SUPPORT_MESSAGE_SETS_H
#define KAFKA_TESTS_SUPPORT_MESSAGE_SETS_H
#include "support/batches.h"

typedef struct message_spec {
    int magic;
    uint8_t attributes;
    int64_t offset, time_ms; /* the time is of format 1 alone */
    kafka_bytes key, value;
} message_spec;

/* Appends a message; returns where it begins. */
size_t message_append(batch_bytes *to, const message_spec *spec);
#define MESSAGE(to, ...) message_append((to), &(message_spec){__VA_ARGS__})
/* Computes the CRC of the message at `at` anew. */
void message_seal(batch_bytes *of, size_t at);

/* Message i has offset first + i * step, the value "v<offset>", a null key, and the time 1000 + i. */
typedef struct set_spec {
    int magic;
    int64_t first;
    int count, step;  /* step 0 = 1 */
    int codec;        /* 0 = no wrapper */
    bool absolute;    /* the wrapper is of format 1 and has absolute offsets inside all the same */
    bool append_time; /* the wrapper, or each message, has the broker's time: 5000 */
    int value_size;   /* bytes, all 'x'; 0 = as above */
} set_spec;

/* Appends a set; returns where it begins. */
size_t set_append(batch_bytes *to, const set_spec *spec);
#define SET(to, ...) set_append((to), &(set_spec){__VA_ARGS__})
/* Appends a wrapper of format `magic` at this offset around the bytes of a set. */
size_t set_wrap(batch_bytes *to, int magic, int codec, int64_t offset, const batch_bytes *set);

/* A codec that is built in and that sets may have, 0 = none is. */
int set_some_codec(void);

#endif
