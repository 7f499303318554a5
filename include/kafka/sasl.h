/* kafka/sasl.h: who we are to the broker. Declared ahead: a dialer that has `sasl` set is refused with KAFKA_ENOTSUP
 * until a later version brings it. */
#ifndef KAFKA_SASL_H
#define KAFKA_SASL_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* kafka_token is the place for one bearer token that the library has asked for. It stays valid until kafka_token_set,
 * also when the connection that wanted it is gone by then. */
typedef struct kafka_token kafka_token;
/* kafka_token_set hands the token over, once, from any thread; the kafka_token is gone afterwards. `principal` may be
 * NULL; `expires_unix_ms` is Unix time, from which the library asks for the next one early enough. With an `error`
 * that is not NULL there is no token: authentication fails with KAFKA_EAUTH and that text. Strings are copied. */
KAFKA_API int kafka_token_set(kafka_token *, const char *token, const char *principal, int64_t expires_unix_ms,
                              const char *error);

/* kafka_oidc lets the library fetch tokens itself, by OAuth client credentials (RFC 6749 section 4.4, KIP-768). */
typedef struct kafka_oidc {
    const char *token_url; /* https only */
    const char *client_id, *client_secret;
    const char *scope;   /* NULL = none */
    const char *ca_file; /* authorities for token_url, NULL = the system's */
    const void *reserved[6];
    int64_t reserved2[2];
} kafka_oidc;

/* kafka_kerberos is for GSSAPI (RFC 4752). All of it may be NULL. */
typedef struct kafka_kerberos {
    const char *service;   /* first part of the broker's principal, NULL = "kafka" */
    const char *keytab;    /* NULL = the default one */
    const char *ccache;    /* credentials cache, NULL = the default one */
    const char *principal; /* ours, NULL = the default one */
    const void *reserved[4];
} kafka_kerberos;

/* kafka_sasl_config chooses a mechanism and its credentials. Passwords and tokens are kept out of log lines and
 * sentences. */
typedef struct kafka_sasl_config {
    const char *mechanism;           /* "PLAIN" "SCRAM-SHA-256" "SCRAM-SHA-512" "OAUTHBEARER" "GSSAPI" */
    const char *username, *password; /* PLAIN (RFC 4616) and SCRAM (RFC 5802) */
    /* OAUTHBEARER (RFC 7628): called when a token is needed, on a helper thread, where it may block; it calls
     * kafka_token_set itself or lets another thread do so. */
    void (*token)(void *userdata, kafka_token *out);
    void *token_userdata;
    const char *extensions;         /* OAUTHBEARER: "key=value,key=value" (KIP-342), NULL = none */
    const kafka_oidc *oidc;         /* OAUTHBEARER: in place of `token` */
    const kafka_kerberos *kerberos; /* GSSAPI, NULL = the defaults */
    const void *reserved[5];
    int32_t allow_plaintext; /* 1 = PLAIN and OAUTHBEARER may be sent without TLS, readable for anybody in between */
    int32_t reserved2[3];
} kafka_sasl_config;

#ifdef __cplusplus
}
#endif
#endif
