/* when: points in time as people write them. */
#ifndef KC_WHEN_H
#define KC_WHEN_H
#include "options.h"

/* Unix ms, now. */
int64_t kc_when_now_ms(void);

/* Reads a time into Unix ms: an ISO 8601 (RFC 3339) time such as 2024-05-01T12:30:00Z, local without a zone; "now"; or
 * "1h30m ago", in w, d, h, m, s, ms, also written out ("2 days ago"), counted back from `now_ms`. False: it is none of
 * these. */
bool kc_when_read(const char *text, int64_t now_ms, int64_t *out);

kc_take kc_take_time; /* int64_t, any of these or Unix ms; all of it may stand behind an @ */

#endif
