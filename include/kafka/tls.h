#ifndef KAFKA_TLS_H
#define KAFKA_TLS_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_tls_config {
    const char *ca_file, *ca_pem, *cert_file, *cert_pem, *key_file, *key_pem, *key_password, *server_name;
    void *ssl_ctx;
    const void *reserved[6];
    int32_t insecure_skip_verify;
    int32_t skip_host_check;
    int32_t reserved2[4];
} kafka_tls_config;

#ifdef __cplusplus
}
#endif
#endif
