/* peer: Kafka brokers on the simulated network, small and scriptable.
 *
 * A `peer` listens at an address and answers ApiVersions, Metadata, FindCoordinator, Produce, Fetch, ListOffsets,
 * CreateTopics, DeleteTopics and InitProducerId from what its `peer_cluster` holds: topics and partitions with logs of
 * record batches (producers' sequences are nothing to it). As a real broker it takes one request of a connection at a
 * time, and a Fetch waits for data as long as it was told to.
 *
 * A script changes that: a table of steps, one for each request in the order in which they come in, whatever the
 * connection. Behind the last step, and without a script, it behaves. Requests that cannot be decoded, and ones that
 * are not what a step expects, fail the run.
 *
 * Everything is freed with the sim. */
#ifndef KAFKA_TESTS_SIM_PEER_H
#define KAFKA_TESTS_SIM_PEER_H
#include "base/arena.h"
#include "sim/network.h"
#include "wire/api.h"

enum { PEER_ANY = -1 };

typedef enum peer_action {
    PEER_ANSWER,      /* as it does by itself */
    PEER_ERROR,       /* answers with `code` for each topic or partition, and does nothing else */
    PEER_SILENCE,     /* never answers, nor anything behind it on this connection */
    PEER_SKIP,        /* does what was asked and leaves out the answer */
    PEER_CLOSE,       /* closes the connection in place of doing anything */
    PEER_APPLY_CLOSE, /* does what was asked, then closes in place of answering */
    PEER_RESET,       /* as PEER_CLOSE, with a reset */
    PEER_CUT,         /* does what was asked, sends the first `bytes` bytes of the answer, then closes */
    PEER_TRICKLE,     /* answers with one byte each `bytes` milliseconds */
    PEER_WRONG_ID,    /* answers with the correlation id of a request that never was */
    PEER_RAW          /* sends `bytes` bytes at `raw` in place of an answer */
} peer_action;

typedef struct peer_step {
    int16_t api, version; /* what must come now; PEER_ANY */
    peer_action action;
    int64_t delay_ms; /* before doing anything */
    int16_t code;
    size_t bytes;
    const void *raw;
} peer_step;

typedef struct peer peer;
typedef struct peer_cluster peer_cluster;

peer_cluster *peer_cluster_new(sim *s);
/* A topic all of whose partitions are led by the broker `leader`, -1 = by none. */
void peer_cluster_add_topic(peer_cluster *c, const char *topic, int32_t partitions, int32_t leader);
/* Appends a batch of `count` records with the values "prefix0", "prefix1" ..., null keys and timestamps from 1000
 * on. */
void peer_cluster_fill(peer_cluster *c, const char *topic, int32_t partition, const char *prefix, int count);
/* The offset behind the last record, -1 when there is no such partition. */
int64_t peer_cluster_end(const peer_cluster *c, const char *topic, int32_t partition);
/* The bytes of a partition's log. */
const uint8_t *peer_cluster_log(const peer_cluster *c, const char *topic, int32_t partition, size_t *len);

/* Another leader, in a new epoch. */
void peer_cluster_move(peer_cluster *c, const char *topic, int32_t partition, int32_t leader);
/* The topic is deleted, and created again with another id, if `partitions` is not 0. */
void peer_cluster_recreate(peer_cluster *c, const char *topic, int32_t partitions, int32_t leader);
/* Who coordinates every group and transactional id; default none. */
void peer_cluster_set_coordinator(peer_cluster *c, int32_t id);

/* Broker `id` of the cluster, at a numeric address and port. That is also what it advertises in metadata. */
peer *peer_new(peer_cluster *c, int32_t id, const char *address);
/* One cluster with one broker, id 1, and one topic "t" with two partitions, which it leads. */
peer *peer_alone(sim *s, const char *address);
peer_cluster *peer_cluster_of(peer *p);
void peer_advertise(peer *p, const char *host, int32_t port);
/* The steps must outlive the sim. */
void peer_script(peer *p, const peer_step *steps, size_t count);
/* PEER_SCRIPT(p, PEER_ON(KFK_API_METADATA, .action = PEER_CLOSE),
 *                PEER_ON(PEER_ANY, .action = PEER_ANSWER, .delay_ms = 5)) */
#define PEER_ON(api_key, ...)                              \
    {                                                      \
        .api = (api_key), .version = PEER_ANY, __VA_ARGS__ \
    }
#define PEER_SCRIPT(p, ...)                                                        \
    do {                                                                           \
        static const peer_step peer_steps_[] = {__VA_ARGS__};                      \
        peer_script((p), peer_steps_, sizeof peer_steps_ / sizeof peer_steps_[0]); \
    } while (0)
/* What it says and does about an API; max < min: it lacks it. By default, of the APIs above, what the library knows,
 * and Produce from 3 on. */
void peer_set_versions(peer *p, int16_t api, int16_t min, int16_t max);
/* One request in n, behind the script, is treated badly: any action above but PEER_SKIP, PEER_WRONG_ID and PEER_RAW, or
 * a delay of up to two seconds. 0 = none. */
void peer_set_mischief(peer *p, unsigned n);
/* The throttle time in its answers. Default none. */
void peer_set_throttle_ms(peer *p, int32_t ms);
/* Changes every answer before it is encoded; memory that lives until then comes from the arena. NULL: no longer. */
typedef void peer_edit(void *arg, const kfk_api *api, void *answer, kfk_arena *memory);
void peer_set_edit(peer *p, peer_edit *edit, void *arg);
/* Time it takes for each request. Default none. */
void peer_set_delay_us(peer *p, int64_t us);

/* Its connections are reset and new ones refused, until it starts again. */
void peer_stop(peer *p);
void peer_start(peer *p);
/* It accepts connections and requests and answers nothing, until it goes on with them. */
void peer_freeze(peer *p);
void peer_thaw(peer *p);

int32_t peer_id(const peer *p);
int peer_steps_left(const peer *p);
int peer_requests(const peer *p, int16_t api);         /* so far; PEER_ANY: all */
int16_t peer_last_version(const peer *p, int16_t api); /* of the last such request, -1 = none */
int64_t peer_last_request_us(const peer *p);           /* when it came */
sim_route *peer_route(peer *p);

#endif
