/* client.h: a client of the protocol that has no opinions: it sends any message of any version and gives back the
 * decoded answer, whatever that says. Everything waits 30 s at most; what does not come fails the running test. */
#ifndef KAFKA_TESTS_CONFORMANCE_CLIENT_H
#define KAFKA_TESTS_CONFORMANCE_CLIENT_H
#include "support/memcheck.h"
#include "wire/api.h"

typedef struct client client;

/* A connection to "host:port". client_close(NULL) is fine. */
client *client_open(const char *address);
void client_close(client *c);

/* Sends a request, whose API is that of the schema, and returns the decoded answer, a struct of the API's response. It
 * lives until the next call with this client. */
void *client_ask(client *c, const kfk_schema *request, int16_t version, const void *message);
#define ASK(c, name, version, message) \
    ((kfk_##name##_response *)client_ask((c), &kfk_##name##_request_schema, (version), (message)))
/* A request at its defaults, to change fields of. */
#define DEFAULTS(name) (*(const kfk_##name##_request *)kfk_##name##_request_schema.defaults)

/* The same in two steps. The answer to a request of `version` is decoded as one of `answered`. */
void client_send(client *c, const kfk_schema *request, int16_t version, const void *message);
void *client_receive(client *c, const kfk_schema *request, int16_t answered);
/* Bytes as they are. False: the broker has hung up. */
bool client_send_bytes(client *c, const void *bytes, size_t len);
/* Waits until the broker hangs up; false: it has sent something instead. */
bool client_is_hung_up_on(client *c);
/* Has something come? Waits for it as long. */
bool client_has_answer(client *c, int wait_ms);

#endif
