/* kafka/tls.h: encrypted connections. Declared ahead: a dialer that has `tls` set is refused with KAFKA_ENOTSUP until
 * a later version brings it. */
#ifndef KAFKA_TLS_H
#define KAFKA_TLS_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_tls_config says whom to trust and who we are. Zeroed: the system's authorities, no certificate of our own.
 * The broker's certificate has to be valid for the host that was dialled (RFC 6125), whatever `ssl_ctx` says. Each
 * item is a file or a text in PEM form, not both. Strings are copied when it is used for dialling. */
typedef struct kafka_tls_config {
    const char *ca_file, *ca_pem;     /* authorities to trust in place of the system's */
    const char *cert_file, *cert_pem; /* our certificate, then its intermediates, for brokers that ask for one */
    const char *key_file, *key_pem;   /* its private key */
    const char *key_password;         /* NULL = the key is not encrypted */
    const char *server_name;          /* the name to ask for and to check; NULL = the host that is dialled */
    void *ssl_ctx;                    /* an OpenSSL SSL_CTX, in place of the files above; counted, not copied */
    const void *reserved[6];
    int32_t insecure_skip_verify; /* 1 = check nothing: anybody in between can read and change everything. Logged */
    int32_t skip_host_check;      /* 1 = any name will do as long as the chain is trusted. Logged */
    int32_t reserved2[4];
} kafka_tls_config;

#ifdef __cplusplus
}
#endif
#endif
