/* fetch_read: one partition of a Fetch answer. */
#ifndef KFT_FETCH_READ_H
#define KFT_FETCH_READ_H
#include "testing/handler.h"
#include "wire/gen/fetch.h"

/* How much a Fetch may still carry. */
typedef struct kft_fetch_room {
    size_t bytes;   /* left of the answer's maximum */
    bool has_first; /* some partition has records: from now on nothing may exceed `bytes` (KIP-74) */
    bool committed; /* isolation_level 1 */
    size_t total;   /* bytes of records so far */
} kft_fetch_room;

/* Fills `out` (at its defaults but for the index) for partition `p`, which may be NULL (unknown: `missing` is its
 * code). Records are referred to, and their blocks held. False without memory. */
bool kft_fetch_read(kft_ask *ask, kft_partition *p, int16_t missing, const kfk_fetch_request_partition *asked,
                    kft_fetch_room *room, kfk_fetch_response_partition *out);

#endif
