/* writer: kc produce's way to the cluster: a kafka_writer, and what is said about what it does. */
#ifndef KC_WRITER_H
#define KC_WRITER_H
#include "options.h"
#include "partitioner.h"

typedef struct kc_writer_config {
    const kc_common *common;
    const char *topic;
    int32_t partition;                 /* -1: chosen per message */
    const kc_partitioner *partitioner; /* NULL = kc_partitioner_default */
    kafka_compression codec;
    kafka_acks acks;
    bool no_idempotence;
    bool report; /* a line about each message on standard output */
} kc_writer_config;

typedef struct kc_writer kc_writer;
/* Looks the topic up. Returns KC_OK, or the exit code of what was said. `cfg` must live as long as the writer. */
int kc_writer_open(const kc_writer_config *cfg, kc_writer **out);
void kc_writer_free(kc_writer *w);

/* Hands one message over, copied, and waits while there is no room. False: reading on is no use, because a signal came
 * or because messages fail for a reason that will meet the next one as well. */
bool kc_writer_put(kc_writer *w, kafka_message *m);
/* Waits until everything has its outcome. Likewise. */
bool kc_writer_flush(kc_writer *w);

/* The end: waits for what is outstanding, two seconds at most when a signal came, and says what was acknowledged,
 * failed, may be written, or was not sent: as the line behind an error, when a signal came, or as a detail when all
 * went well. `code` is the exit code so far; returns what it is now. */
int kc_writer_finish(kc_writer *w, int code);

#endif
