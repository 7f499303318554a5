#ifndef KAFKA_SASL_H
#define KAFKA_SASL_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_token kafka_token;
KAFKA_API int kafka_token_set(kafka_token *, const char *token, const char *principal, int64_t expires_unix_ms, const char *error);
typedef struct kafka_oidc {
    const char *token_url, *client_id, *client_secret, *scope, *ca_file;
    const void *reserved[6];
    int64_t reserved2[2];
} kafka_oidc;
typedef struct kafka_kerberos {
    const char *service, *keytab, *ccache, *principal;
    const void *reserved[4];
} kafka_kerberos;
typedef struct kafka_sasl_config {
    const char *mechanism;
    const char *username, *password;
    void (*token)(void *userdata, kafka_token *out);
    void *token_userdata;
    const char *extensions;
    const kafka_oidc *oidc;
    const kafka_kerberos *kerberos;
    const void *reserved[5];
    int32_t allow_plaintext;
    int32_t reserved2[3];
} kafka_sasl_config;

#ifdef __cplusplus
}
#endif
#endif
