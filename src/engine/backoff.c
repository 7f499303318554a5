/* See the header. */
#include "engine/backoff.h"

enum { FIRST_MS = 100 };

int64_t kfk_backoff_ms(kfk_loop *l, unsigned failures, int64_t most_ms)
{
    int64_t ms = FIRST_MS;
    for (unsigned i = 1; i < failures && ms < most_ms; i++) ms *= 2;
    if (ms > most_ms) ms = most_ms;
    return ms - ms / 5 + (int64_t)(kfk_loop_random(l) % (uint64_t)(ms / 5 * 2 + 1));
}
