/* delivery: what became of the messages that were handed to the writer: counts, the first failure, and the report.
 *
 * Outcomes come on the library's thread, refusals and questions from kc's own: all functions may be called from
 * both. */
#ifndef KC_DELIVERY_H
#define KC_DELIVERY_H
#include "kc.h"
#include <kafka/writer.h>

/* A message that was not written. */
typedef struct kc_failed {
    int err;
    kafka_written written;
    int32_t partition; /* -1: it failed before it had one */
    uint64_t number;   /* of the message, from 1 */
    char why[1024];
} kc_failed;

typedef struct kc_counts {
    uint64_t acknowledged;
    uint64_t unknown; /* failed, and perhaps in the log */
    uint64_t failed;  /* and certainly not there */
} kc_counts;

typedef struct kc_delivery kc_delivery;
/* `report`: keep a line about each message for kc_delivery_report. */
kc_delivery *kc_delivery_new(bool report);
void kc_delivery_free(kc_delivery *d);

/* For kafka_writer_config.on_delivery, with the delivery as userdata. The messages' own userdata are their numbers. */
void kc_delivery_told(void *delivery, const kafka_message *msgs, size_t count, int err);
/* The writer did not accept a message: kafka_last_error() says why. */
void kc_delivery_refused(kc_delivery *d, uint64_t number, int err);

kc_counts kc_delivery_counts(kc_delivery *d);
/* A failure that was not asked for yet: the first of all, then the first that is no matter of one message alone. False:
 * there is none. */
bool kc_delivery_next_failure(kc_delivery *d, kc_failed *out);
/* True when something failed that bodes ill for all that follows, so that reading on is no use. */
bool kc_delivery_is_hopeless(kc_delivery *d);
/* Prints the lines that have gathered on standard output: number, partition, offset, whether it is in the log ("yes",
 * "no", "maybe"), and "OK" or the name of the error; "-" for what is not known. Called from one thread. */
void kc_delivery_report(kc_delivery *d);

#endif
