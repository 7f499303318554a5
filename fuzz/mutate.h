/* mutate: small damage to an input. */
#ifndef KAFKA_FUZZ_MUTATE_H
#define KAFKA_FUZZ_MUTATE_H
#include "base/rand.h"
#include "corpus.h"

/* An entry of the corpus with one to eight changes, in `out`, which has room for `cap` bytes; returns its length. The
 * same generator gives the same bytes. */
size_t mutate(kfk_rand *r, const corpus *c, uint8_t *out, size_t cap);

#endif
