/* discover: a request that any broker can answer, hedged.
 *
 * One broker is asked; each further second without a good answer another one, and at once when one failed: first those
 * that are connected, then others that are known, then the bootstrap addresses, resolved again (engine/bootstrap.h).
 * The first good answer wins. A broker that owes an answer for longer is not asked first again, so that a connection
 * that hangs costs one second and not a request's whole time. It fails when nobody is left to be asked, and tells what
 * happened with each.
 *
 * Everything under the loop's baton. */
#ifndef KFK_ENGINE_DISCOVER_H
#define KFK_ENGINE_DISCOVER_H
#include "engine/links.h"

enum {
    KFK_DISCOVER_HEDGE_MS = 1000,
    KFK_DISCOVER_LEARNED = 5, /* so many known brokers are asked, then the bootstrap addresses */
    KFK_DISCOVER_BOOTS = 3,   /* so many connections to those */
    KFK_DISCOVER_GAP_MS = 100 /* between two requests that follow each other at once (and all refreshes) */
};

typedef struct kfk_discovery kfk_discovery;
typedef struct kfk_discovery_ops {
    int16_t api_key;
    /* Fills a request that was initialised: versions, message, response, with memory from the arena. 0,
     * KAFKA_ENOMEM. */
    int (*prepare)(kfk_discovery *, kfk_request *, kfk_arena *memory);
    /* Takes the answer over. 0; or why it is no good: another broker is asked then, but for KAFKA_ENOMEM. */
    int (*take)(kfk_discovery *, const kfk_request *, kfk_error *);
    /* Once: err NULL when an answer was taken. May begin the next one. */
    void (*done)(kfk_discovery *, const kfk_error *err);
} kfk_discovery_ops;

struct kfk_discovery {
    const kfk_discovery_ops *ops;
    kfk_cluster *cluster;
    kfk_list node;  /* while it is active, in the cluster's list */
    kfk_list tries; /* requests under way */
    kfk_timer timer;
    bool active, waits_for_seed;
    bool failed;      /* somebody that was asked has */
    bool taking;      /* an answer is being taken over: it is about to end */
    bool unsatisfied; /* the user's: somebody else should be asked next, if there is anybody */
    int32_t answered; /* the id of the broker whose answer was taken last, -1 = a bootstrap address */
    unsigned boots, most_boots, learned;
    unsigned seeds;                      /* bits: those connections to bootstrap addresses that were asked */
    int32_t asked[KFK_DISCOVER_LEARNED]; /* ids of those brokers that were asked */
    int64_t begun_ms, sent_ms;           /* sent: the last request; outlives it */
    kfk_error error; /* what failed so far, or, until something did, in the round before; none after a success */
};

void kfk_discovery_init(kfk_discovery *d, kfk_cluster *c, const kfk_discovery_ops *ops);
/* Begins; `done` may come before this returns. Not while it is active. */
void kfk_discovery_begin_loop(kfk_discovery *d);
/* Ends without calling `done`. */
void kfk_discovery_abandon_loop(kfk_discovery *d);
/* Whom it waits for: "10.0.0.1:9092: waiting for the answer to Metadata, h:9092: resolving h". Always terminated. */
void kfk_discovery_describe(const kfk_discovery *d, char *out, size_t cap);

#endif
