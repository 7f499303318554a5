/* reader: one thread that reads one partition and prints what it reads. */
#ifndef KC_READER_H
#define KC_READER_H
#include "format.h"
#include "position.h"
#include <pthread.h>
#include <stdatomic.h>

/* What the readers of a run have in common. */
typedef struct kc_reading {
    const kc_common *common;
    const char *topic;
    kc_position from;
    kc_format format;
    bool stop_at_end, limited;
    int32_t fetch_bytes;
    atomic_llong left;             /* messages that may still be printed, if limited */
    atomic_ullong messages, bytes; /* printed: messages, their keys and values */
    atomic_int code;               /* exit code of the first failure */
    atomic_int running;
    int done_fd; /* an eventfd, written when a reader ends */
} kc_reading;

typedef struct kc_reader kc_reader;
/* Starts a thread. NULL: said. */
kc_reader *kc_reader_start(kc_reading *shared, int32_t partition);
/* Joins the thread and frees the reader. */
void kc_reader_join(kc_reader *r);

#endif
