/* brokers: the table of a cluster's brokers by id, as metadata names them.
 *
 * An entry comes from a Metadata answer, or from one that names a broker by the way (FindCoordinator, leader hints).
 * What an answer may say is decided in engine/metadata.h: an id, host or port that cannot be counts as not named, and
 * of two entries for one id the first counts. A broker that the newest Metadata answer did not name is not `named` any
 * more; it stays in the table while somebody is connected to it. Pure: no network, no clock. */
#ifndef KFK_ENGINE_BROKERS_H
#define KFK_ENGINE_BROKERS_H
#include "base/map.h"
#include "engine/metadata.h"
#include "net/address.h"

typedef struct kfk_node {
    kfk_map_node by_id;
    int32_t id;
    uint16_t port;
    char *host;              /* valid as a host name */
    char *rack;              /* NULL = none */
    uint64_t seen;           /* the number of the last answer that named it */
    struct kfk_links *links; /* engine/links.h: the connections to it; NULL = none so far */
} kfk_node;

typedef struct kfk_brokers {
    kfk_map by_id;
    uint64_t answer; /* the number of the newest Metadata answer, 1 before the first */
    /* Optional: the address has changed, so that connections to the old one are of no use. */
    void (*moved)(kfk_node *);
} kfk_brokers;

/* What of an answer was ignored: how many entries, and the first of them. */
typedef struct kfk_ignored {
    unsigned count;
    char first[160];
} kfk_ignored;
void kfk_ignored_note(kfk_ignored *i, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void kfk_brokers_init(kfk_brokers *b, uint64_t seed);
/* Nobody may have `links` any more. */
void kfk_brokers_fini(kfk_brokers *b);

/* NULL = not known. */
kfk_node *kfk_brokers_find(const kfk_brokers *b, int32_t id);
/* Does the newest answer name it? */
bool kfk_brokers_is_named(const kfk_brokers *b, const kfk_node *n);
/* How many are named. */
size_t kfk_brokers_count(const kfk_brokers *b);
/* The next one that is named, in the order in which they became known; NULL begins, and ends. */
kfk_node *kfk_brokers_next(const kfk_brokers *b, const kfk_node *after);
void kfk_node_address(const kfk_node *n, kfk_hostport *out);

/* Takes over the brokers of the Metadata answer with this number, which ascend from 2. 0; KAFKA_EPROTO when it names no
 * broker that can be (nothing is changed then); KAFKA_ENOMEM (some are taken over, none is gone). */
int kfk_brokers_apply(kfk_brokers *b, const kfk_metadata_response *answer, uint64_t number, kfk_ignored *ignored,
                      kfk_error *err);
/* Takes over one broker that was named by the way; without a rack it keeps the one it has. 0, KAFKA_EINVAL when it
 * cannot be, KAFKA_ETOOBIG when there are too many, KAFKA_ENOMEM. */
int kfk_brokers_learn(kfk_brokers *b, int32_t id, kafka_bytes host, int32_t port, kafka_bytes rack);
/* Frees what is neither named nor connected to. */
void kfk_brokers_sweep(kfk_brokers *b);
/* All are not named any more: the cluster is to be found again. */
void kfk_brokers_forget(kfk_brokers *b);

#endif
