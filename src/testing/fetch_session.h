/* fetch_session: incremental fetches (KIP-227): a broker remembers which partitions a client fetches and what it has told
 * about them, so that requests and answers carry only changes. */
#ifndef KFT_FETCH_SESSION_H
#define KFT_FETCH_SESSION_H
#include "base/map.h"
#include "wire/schema.h"

enum { KFT_MOST_FETCH_SESSIONS = 1000, KFT_MOST_SESSION_PARTITIONS = 100000 };

typedef struct kft_fetch_sessions {
    kfk_map by_id; /* kft_fetch_session, least recently used first */
    int32_t next_id;
} kft_fetch_sessions;

void kft_fetch_sessions_init(kft_fetch_sessions *s, uint64_t seed);
/* Forgets all: what a restarted broker does. */
void kft_fetch_sessions_clear(kft_fetch_sessions *s);

#endif
