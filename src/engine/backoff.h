/* backoff: how long to wait after failures in a row, so that what is down is not stormed, nor by all clients in
 * step. */
#ifndef KFK_ENGINE_BACKOFF_H
#define KFK_ENGINE_BACKOFF_H
#include "net/loop.h"

enum { KFK_BACKOFF_LAST_MS = 1000 };

/* 100 ms after the first, doubling to `most_ms`, +- 20 %. Under the loop's baton. */
int64_t kfk_backoff_ms(kfk_loop *l, unsigned failures, int64_t most_ms);

#endif
