/* sender: collects messages per partition, sends them to the partitions' leaders, and keeps count of what became of
 * them. */
#ifndef KC_SENDER_H
#define KC_SENDER_H
#include "options.h"

typedef struct kc_sender_config {
    const kc_common *common;
    const char *topic;
    int32_t partition; /* -1: chosen per message */
    kafka_compression codec;
    bool retry_unknown; /* send again what may have been written: nothing is lost, something may be there twice */
} kc_sender_config;

typedef struct kc_sender kc_sender;
/* Looks the topic up. Returns KC_OK, or the exit code of what was said. `cfg` must live as long as the sender. */
int kc_sender_open(const kc_sender_config *cfg, kc_sender **out);
void kc_sender_free(kc_sender *s);

/* Takes one message; sends a batch when one is full. Keyed messages go where Java's producer sends them, others stay on
 * one partition per batch. userdata is the message's number, for errors. KC_OK, or the exit code of what was said; then
 * the sender is good for kc_sender_tell only. */
int kc_sender_put(kc_sender *s, const kafka_message *m);
/* Sends all that is pending. Likewise. */
int kc_sender_flush(kc_sender *s);

/* Says what was acknowledged, may be written, or was not sent: as the line behind an error, when a signal came, or as a
 * detail when all went well. `code` is the exit code so far; returned. */
int kc_sender_tell(kc_sender *s, int code);

#endif
