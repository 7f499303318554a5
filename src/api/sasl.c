/* Bearer tokens. No dial asks for one yet: a dialer with SASL settings is refused (dialer.c). */
#include "kafka/sasl.h"
#include "api/fail.h"

int kafka_token_set(kafka_token *token, const char *text, const char *principal, int64_t expires_unix_ms,
                    const char *error)
{
    (void)token;
    (void)text;
    (void)principal;
    (void)expires_unix_ms;
    (void)error;
    return kfk_failf(NULL, KAFKA_ENOTSUP, "kafka_token_set: SASL is not supported yet");
}
