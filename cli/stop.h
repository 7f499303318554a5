/* stop: how a signal ends kc.
 *
 * SIGINT (Ctrl-C), SIGTERM and SIGHUP ask kc to stop: every call of the library that uses the token ends with
 * KAFKA_ECANCELED, waiting for input or time ends, and the subcommand tells what was done. The same signal a second
 * time kills. */
#ifndef KC_STOP_H
#define KC_STOP_H
#include <kafka/ctx.h>
#include <stdbool.h>
#include <stdint.h>

/* Installs the handlers. False: no memory or no descriptors; said. */
bool kc_stop_init(void);
/* Stops all waiting without a signal: the work is done, or has failed. */
void kc_stop_all(void);

/* The token for calls of the library. */
kafka_cancel *kc_stop_token(void);
/* Becomes readable when kc is to stop, and stays so. */
int kc_stop_fd(void);
/* The signal that stopped kc, 0 = none. */
int kc_stop_signal(void);
/* Waits; false when kc is to stop. */
bool kc_stop_pause(int64_t ms);

#endif
