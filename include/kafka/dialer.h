#ifndef KAFKA_DIALER_H
#define KAFKA_DIALER_H
#include <kafka/ctx.h>
#include <kafka/loop.h>
#include <kafka/sasl.h>
#include <kafka/tls.h>
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_addrs kafka_addrs;
KAFKA_API int kafka_addrs_add(kafka_addrs *out, const char *host_or_host_port);
typedef struct kafka_resolver { int (*lookup)(void *userdata, const char *host, kafka_addrs *out); void *userdata; } kafka_resolver;
typedef struct kafka_dialer {
    const char *client_id;
    int64_t timeout_ms;
    int64_t deadline;
    int64_t fallback_delay_ms;
    int64_t keep_alive_ms;
    const char *local_addr;
    const kafka_resolver *resolver;
    const kafka_tls_config *tls;
    const kafka_sasl_config *sasl;
    kafka_loop *loop;
    int32_t no_dual_stack, reserved;
    const void *reserved2[6];
    int64_t reserved3[6];
} kafka_dialer;
typedef struct kafka_conn kafka_conn;
KAFKA_API KAFKA_NODISCARD int kafka_dial(const kafka_dialer *, const kafka_ctx *, const char *address, kafka_conn **out);
KAFKA_API KAFKA_NODISCARD int kafka_dial_broker(const kafka_dialer *, const kafka_ctx *, const kafka_broker *, kafka_conn **out);
KAFKA_API KAFKA_NODISCARD int kafka_dial_leader(const kafka_dialer *, const kafka_ctx *, const char *address, const char *topic, int32_t partition, kafka_conn **out);
KAFKA_API KAFKA_NODISCARD int kafka_lookup_leader(const kafka_dialer *, const kafka_ctx *, const char *address, const char *topic, int32_t partition, kafka_broker **out);
KAFKA_API KAFKA_NODISCARD int kafka_lookup_partitions(const kafka_dialer *, const kafka_ctx *, const char *address, const char *topic, kafka_partitions **out);

#ifdef __cplusplus
}
#endif
#endif
