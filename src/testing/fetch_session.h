/* fetch_session: incremental fetches (KIP-227): a broker remembers which partitions a client fetches and what it has
 * told about them, so that requests and answers carry only what has changed.
 *
 * A session belongs to a broker, not to a connection, and is found by its id. Its requests count: each has to bear the
 * next epoch. When there are too many, the one that was used least recently goes; its client is told 70 and begins
 * anew. */
#ifndef KFT_FETCH_SESSION_H
#define KFT_FETCH_SESSION_H
#include "base/map.h"
#include "wire/gen/fetch.h"

enum { KFT_MOST_FETCH_SESSIONS = 1000, KFT_MOST_SESSION_PARTITIONS = 100000 /* of all sessions of a broker */ };

/* A partition that a fetch is about: as it was asked for, and what was told last. */
typedef struct kft_fetch_partition {
    kfk_map_node node;
    char *topic; /* owned; NULL where the session names topics by id */
    kfk_uuid topic_id;
    kfk_fetch_request_partition asked;
    int64_t told_high_watermark, told_log_start; /* -1 = nothing yet */
    bool told_error;
} kft_fetch_partition;

typedef struct kft_fetch_session {
    kfk_map_node node;
    struct kft_fetch_sessions *all; /* that it is one of */
    int32_t id, epoch;              /* epoch: of the next request */
    bool by_id;                     /* topics are named by id: version 13 and up */
    kfk_map partitions;             /* in the order in which they are read */
} kft_fetch_session;

typedef struct kft_fetch_sessions {
    kfk_map by_id; /* least recently used first */
    int32_t next_id;
    size_t partition_count; /* of all of them */
    uint64_t seed;
} kft_fetch_sessions;

void kft_fetch_sessions_init(kft_fetch_sessions *s, uint64_t seed);
/* Forgets all: what a restarted broker does. */
void kft_fetch_sessions_clear(kft_fetch_sessions *s);

/* The session of that id, NULL = none. */
kft_fetch_session *kft_fetch_session_find(kft_fetch_sessions *s, int32_t id);
/* A new one; NULL without memory: then the fetch goes on without. */
kft_fetch_session *kft_fetch_session_new(kft_fetch_sessions *s, bool by_id);
void kft_fetch_session_free(kft_fetch_sessions *s, kft_fetch_session *x);
/* It was used: it is the last to go, and its epoch moves on (from 2^31 - 1 to 1). */
void kft_fetch_session_used(kft_fetch_sessions *s, kft_fetch_session *x);
/* Adds or changes the partitions of a request and takes away the forgotten ones. For those that are new sessions that
 * were not used for longer may have to go. False: no memory, too many, or a name that no topic can have. */
bool kft_fetch_session_update(kft_fetch_session *x, const kfk_fetch_request *r);
/* The partition of the session, NULL = not part of it any more. */
kft_fetch_partition *kft_fetch_session_partition(kft_fetch_session *x, kafka_bytes topic, const kfk_uuid *id,
                                                 int32_t index);

/* Its records were sent: the others come first in the next answer, which may be too small for all. */
void kft_fetch_session_had_turn(kft_fetch_session *x, kft_fetch_partition *p);

#endif
