/* partitioner.c: the table behind --partitioner. Where a balancer does what another client's partitioner does, it goes
 * by the name that it has there, so that what works with `kcat -X partitioner=` or in a producer's configuration works
 * here. */
#include "partitioner.h"
#include "suggest.h"
#include <stdio.h>
#include <string.h>

static kafka_balancer *make_hash(void)
{
    return kafka_balancer_hash(NULL);
}

static kafka_balancer *make_reference_hash(void)
{
    return kafka_balancer_reference_hash(NULL);
}

static kafka_balancer *make_murmur2(void)
{
    return kafka_balancer_murmur2(true);
}

static kafka_balancer *make_murmur2_random(void)
{
    return kafka_balancer_murmur2(false);
}

static kafka_balancer *make_consistent(void)
{
    return kafka_balancer_crc32(true);
}

static kafka_balancer *make_consistent_random(void)
{
    return kafka_balancer_crc32(false);
}

const kc_partitioner kc_partitioner_default = {"sticky", kafka_balancer_sticky};

static const kc_partitioner others[] = {
    {"round_robin", kafka_balancer_round_robin},
    {"least_bytes", kafka_balancer_least_bytes},
    {"murmur2", make_murmur2},
    {"murmur2_random", make_murmur2_random},
    {"consistent", make_consistent},
    {"consistent_random", make_consistent_random},
    {"hash", make_hash},
    {"reference_hash", make_reference_hash},
};

static const kc_partitioner *find(const char *name, kc_suggestion *s)
{
    const kc_partitioner *found = NULL;
    kc_suggest_offer(s, kc_partitioner_default.name);
    if (strcmp(name, kc_partitioner_default.name) == 0) return &kc_partitioner_default;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        kc_suggest_offer(s, others[i].name);
        if (strcmp(name, others[i].name) == 0) found = &others[i];
    }
    return found;
}

bool kc_take_partitioner(void *into, const char *text, kc_why *why)
{
    kc_suggestion s = {.word = text};
    const kc_partitioner *found = find(text, &s);
    if (found != NULL) {
        *(const kc_partitioner **)into = found;
        return true;
    }
    if (s.best != NULL)
        snprintf(why->text, sizeof why->text, "is no partitioner; did you mean %s?", s.best);
    else
        snprintf(why->text, sizeof why->text, "is no partitioner; kc produce --help names them");
    return false;
}
