/* lag: was it the machine that was late? A thread that wakes every few milliseconds and notes by how much it was late.
 *
 * For tests that assert how late something may be: a case that fails while the machine itself stood still may be tried
 * once more. Not for anything else. */
#ifndef KAFKA_TESTS_SUPPORT_LAG_H
#define KAFKA_TESTS_SUPPORT_LAG_H
#include <stdint.h>

/* More than this is a machine that stood still. */
enum { LAG_STALLED_MS = 100 };

void lag_start(void);
void lag_stop(void);
/* The worst since the last call. */
int64_t lag_worst_ms(void);

#endif
