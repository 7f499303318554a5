/* request: one request to a broker, from the moment it is queued to its outcome.
 *
 * Its owner embeds it, fills it and gives it to a connection (engine/broker.h), which tells the outcome exactly once
 * through `done`. Between the two the owner leaves it alone; afterwards it may use the answer, and finally calls
 * kfk_request_fini. Everything under the loop's baton. */
#ifndef KFK_ENGINE_REQUEST_H
#define KFK_ENGINE_REQUEST_H
#include "net/loop.h"
#include "wire/frame.h"

typedef struct kfk_request kfk_request;
struct kfk_request {
    /* The owner's to set. */
    const kfk_api *api;
    int16_t min_version, max_version; /* what the owner can use; the connection narrows it to what the broker has */
    void *message;                    /* struct of api->request; must live until `done` */
    /* Optional: the version is chosen, `message` may be adapted to it before it is encoded; once for each connection
     * that it is encoded for. 0, or an error that becomes the outcome. */
    int (*prepare)(kfk_request *, kfk_error *);
    void *response;      /* struct of api->response: the answer is decoded into it */
    int64_t timeout_ms;  /* from queueing, or the end of a throttle, to being sent; for the answer anew from when the
                            one before it came */
    size_t answer_bytes; /* what the answer may hold beside 64 KiB: a Fetch's max_bytes */
    bool no_answer;      /* the broker sends none (acks = 0): done when it was written */
    /* err NULL: `response` is filled and points into `frame` and `arena`. Otherwise the sentence says what happened. */
    void (*done)(kfk_request *, const kfk_error *err);

    /* To read in `done`. */
    int16_t version;  /* the chosen one, -1 before */
    bool touched;     /* some of it was handed to the connection: the broker may have acted on it */
    kfk_block *frame; /* the answer's bytes, one reference */
    kfk_arena arena;

    /* The connection's. */
    kfk_list node;
    kfk_timer timer;
    struct kfk_broker *broker;
    kfk_gather out;
    size_t written;
    int32_t correlation_id;
};

/* All zero but for API, versions (all that the library knows) and a timeout of 30 s. */
void kfk_request_init(kfk_request *r, int16_t api_key);
/* For how long the answer asks not to send anything (KIP-219), one minute at most; 0 where it does not, or where the
 * broker has waited by itself. */
int32_t kfk_request_throttle_ms(const kfk_request *r);
/* Frees answer and buffers. Not while the connection has it. */
void kfk_request_fini(kfk_request *r);

#endif
