/* base64: RFC 4648. */
#ifndef KC_BASE64_H
#define KC_BASE64_H
#include "kc.h"

/* Appends the encoding; for_url: with - and _, without padding, as Kafka's tools print ids. */
void kc_base64(const void *data, size_t len, bool for_url, kc_buf *out);

#endif
