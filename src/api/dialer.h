/* dialer: what everything that is given a kafka_dialer and addresses has in common. */
#ifndef KFK_API_DIALER_H
#define KFK_API_DIALER_H
#include "kafka/dialer.h"
#include "net/address.h"

/* What fields that are 0 stand for, and the most addresses that a list may have. */
enum { KFK_DIALER_TIMEOUT_MS = 10000, KFK_DIALER_FALLBACK_MS = 300, KFK_DIALER_ADDRESSES = 64 };

/* 0, KAFKA_EINVAL naming the field, KAFKA_ENOTSUP. Looks at neither `deadline` nor local_addr. */
int kfk_dialer_check(const kafka_dialer *d, kfk_error *err);
/* "ip" or "ip:port"; NULL leaves *out as it is. 0, or KAFKA_EINVAL quoting it. */
int kfk_dialer_local(const char *text, kfk_address *out, kfk_error *err);
/* Splits "a:1,b:2" into KFK_DIALER_ADDRESSES at most. 0 with *count >= 1, or KAFKA_EINVAL quoting what is wrong. */
int kfk_dialer_addresses(const char *text, kfk_hostport *out, size_t *count, kfk_error *err);
/* "program@host (kafka-c)", as a broker's log shows who it is. */
void kfk_dialer_default_client_id(char *out, size_t cap);

#endif
