/* cluster_impl: what the files of the cluster share: cluster.c, refresh.c, discover.c, seeds.c,
 * links.c, coordinator.c. */
#ifndef KFK_ENGINE_CLUSTER_IMPL_H
#define KFK_ENGINE_CLUSTER_IMPL_H
#include "engine/backoff.h"
#include "engine/bootstrap.h"
#include "engine/cluster.h"
#include "engine/coordinator.h"
#include "engine/discover.h"

enum { KFK_SEEDS = KFK_DISCOVER_BOOTS + 1 };

/* The connections to bootstrap addresses, and the race for the next one: seeds.c. */
typedef struct kfk_seeds {
    kfk_link of[KFK_SEEDS];
    kfk_bootstrap *race;
    kfk_timer timer; /* the end of a race, or the beginning of the next */
    int64_t not_before_ms;
    unsigned failures; /* races in a row that led to nothing */
    size_t first;      /* the address that the next race begins with */
    int32_t favourite; /* the broker that answered last, -1 = none */
} kfk_seeds;

/* Keeping topics and brokers fresh: refresh.c. */
typedef struct kfk_refresh {
    kfk_discovery discovery;
    uint64_t number;          /* of the last request */
    uint64_t need, full;      /* everything watched is wanted with at least this number; was had with this one */
    bool asks_full, asks_all; /* the one under way: for everything watched, for all topics */
    kfk_list needing;         /* topics that have to be asked for */
    kfk_list asks;            /* kfk_ask */
    kfk_timer timer;
    int64_t full_at_ms, not_before_ms, retry_at_ms;
    unsigned failures;
    size_t watchers; /* watches of topics, and of all */
} kfk_refresh;

/* Coordinators: coordinator.c. */
typedef struct kfk_coordinators {
    kfk_map by_key;
    kfk_discovery discoveries[KFK_COORDINATOR_TYPES];
    kfk_timer timer;
} kfk_coordinators;

struct kfk_cluster {
    kfk_ref ref;
    kfk_loop *loop;
    kfk_cluster_config cfg; /* with copies of what it points to */
    kfk_log log;
    kfk_log_limit lost_lines, unreachable_lines, nonsense_lines, identity_lines; /* of its kinds of lines */
    char *client_id, *id;
    kfk_hostport *bootstrap;
    int32_t controller;
    char answered_by[KFK_HOST_MAX + 16];
    kfk_brokers brokers;
    kfk_topics topics;
    kfk_seeds seeds;
    kfk_list discoveries; /* that are active */
    kfk_list orphans;     /* requests under way whose discovery has ended */
    kfk_refresh refresh;
    kfk_coordinators coordinators;
    kfk_task close_task;
    uint64_t connections; /* begun by links so far: the number of the last */
    bool closed;
};

/* seeds.c */
void kfk_seeds_init(kfk_cluster *c);
void kfk_seeds_close_loop(kfk_cluster *c);
/* A discovery waits for a connection to a bootstrap address; none may wait any more. */
void kfk_seeds_want_loop(kfk_cluster *c);
void kfk_seeds_unwant_loop(kfk_cluster *c);
/* All that was learned of the cluster may be wrong: the next question goes to the bootstrap addresses. */
void kfk_seeds_rebootstrap_loop(kfk_cluster *c);
/* An answer that came through this link was good: races begin without a backoff again, and connections to bootstrap
 * addresses find their brokers or go. */
void kfk_seeds_good_loop(kfk_cluster *c, kfk_link *by);

/* discover.c: what came of a race that it waited for; NULL = nothing, and why. */
void kfk_discovery_seed_loop(kfk_discovery *d, kfk_link *seed, const kfk_error *why);

/* refresh.c */
void kfk_refresh_init(kfk_cluster *c);
void kfk_refresh_close_loop(kfk_cluster *c, const kfk_error *why);
/* Sets the time of the next request. */
void kfk_refresh_plan_loop(kfk_cluster *c);
/* The topic has to be asked for, in a request that begins from now on. */
void kfk_refresh_need_loop(kfk_cluster *c, kfk_topic *t);

/* coordinator.c */
void kfk_coordinators_init(kfk_cluster *c);
void kfk_coordinators_close_loop(kfk_cluster *c, const kfk_error *why);
void kfk_coordinators_fini(kfk_cluster *c);

#endif
