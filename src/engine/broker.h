/* broker: one connection to one broker.
 *
 * It connects (every address of the host, RFC 8305), learns which versions of which APIs the broker has (KIP-35, with
 * downgrade), then sends requests one behind the other and hands out the answers, matched by correlation id. Each
 * request has its own deadline; a broker that misses one loses the connection, since it answers in order. Throttle
 * times are obeyed (KIP-219). Frames are bounded: 1 MiB until the broker has introduced itself, then 100 MiB,
 * or what a request asked for.
 *
 * With `reconnect` a lost connection comes back by itself when there is something to send, with exponential backoff and
 * jitter; requests of which not a byte was sent wait for it. Without, the first failure is the end.
 *
 * Errors say phase, peer, cause, and what to look at: "dial localhost:9092: 127.0.0.1:9092: connect: Connection
 * refused".
 *
 * Everything under the loop's baton, unless it says otherwise. */
#ifndef KFK_ENGINE_BROKER_H
#define KFK_ENGINE_BROKER_H
#include "base/log.h"
#include "engine/request.h"
#include "net/address.h"

typedef struct kfk_broker kfk_broker;

enum { KFK_BROKER_MAX_FRAME = 100 * 1024 * 1024 };

typedef struct kfk_broker_config {
    kfk_loop *loop;
    kfk_hostport address;
    const char *client_id;      /* copied */
    int64_t connect_timeout_ms; /* resolve, connect, versions; 0 = none */
    int64_t fallback_delay_ms;
    kfk_connect_options options;
    kafka_resolver resolver; /* lookup NULL = the system's */
    bool dual_stack;
    bool reconnect;
    const kfk_log *log; /* copied; may be NULL */
    /* How many lines tell of connections that are lost or cannot be made: shared by all that have it, until they are
     * closed. NULL = its own. */
    kfk_log_limit *lost_lines;
    /* Called when the connection became usable (err NULL), and when it was lost or could not be made. May be NULL. */
    void (*changed)(void *owner, kfk_broker *, const kfk_error *err);
    void *owner;
    uint64_t number; /* the owner's, see kfk_broker_number */
} kfk_broker_config;

/* Any thread. Nothing is connected yet. Holds a reference to the loop. 0 or KAFKA_ENOMEM. */
int kfk_broker_new(const kfk_broker_config *cfg, kfk_broker **out);
/* Gives it a connected stream (kfk_loop_adopt), which it names itself after, in place of an address to dial: what
 * starts connecting agrees on versions only. For one that is new, known to nobody else yet, and does not reconnect. */
void kfk_broker_adopt(kfk_broker *b, kfk_stream *stream_take, int fd);
/* Starts connecting; without it the first request does. */
void kfk_broker_connect_loop(kfk_broker *b);
/* Queues a request and sends it as far as possible. Its `done` may come before this returns. */
void kfk_broker_send_loop(kfk_broker *b, kfk_request *r);
/* Takes back a request of which nothing was sent: it is done with KAFKA_ECANCELED. One that was sent, or is not here,
 * is left alone. */
void kfk_broker_withdraw_loop(kfk_broker *b, kfk_request *r);
/* Ends everything with this error: requests are done with it, `changed` is not called any more, later requests fail
 * with it. Again is harmless. */
void kfk_broker_close_loop(kfk_broker *b, const kfk_error *why);
/* `changed` is not called any more: the connection goes to another owner. */
void kfk_broker_forget_owner_loop(kfk_broker *b);
/* From now on this is called. */
void kfk_broker_set_owner_loop(kfk_broker *b, void (*changed)(void *owner, kfk_broker *, const kfk_error *err),
                               void *owner);
/* Closes, if that was not done, and releases. Also from inside its own callbacks. */
void kfk_broker_free_loop(kfk_broker *b);
/* The same for a thread that does not hold the baton. */
void kfk_broker_free(kfk_broker *b);
/* In a forked child, for a broker of the parent's, without the baton: closes the inherited socket and leaves everything
 * else. Again is harmless. */
void kfk_broker_abandon(kfk_broker *b);

/* The version of an API in which requests of these versions will go out: kfk_offer_choose; KAFKA_EAGAIN, without a
 * text, before the broker has introduced itself. Any thread may ask, without the baton, as long as the connection does
 * not reconnect: what was offered once stays the same then. */
int kfk_broker_choose(const kfk_broker *b, int16_t api_key, int16_t min, int16_t max, int16_t *version, kfk_error *err);

bool kfk_broker_is_ready(const kfk_broker *b);
/* What its owner numbered it with. Of a cluster's connections (engine/links.h) no two have the same, ever. */
uint64_t kfk_broker_number(const kfk_broker *b);
/* "host:port" as it was dialled; valid as long as the broker. */
const char *kfk_broker_name(const kfk_broker *b);
/* What it is doing, for the text of a timeout: "resolving h", "connecting to 127.0.0.1:9092", ... Always terminated. */
void kfk_broker_describe(const kfk_broker *b, char *out, size_t cap);
/* Why it is DEAD for good: what the next request would end with. NULL when it is not. */
const kfk_error *kfk_broker_failure(const kfk_broker *b);
/* The two ends of the last connection, also after it was lost. Of one that does not reconnect they are constant once it
 * has been made: any thread may look. */
typedef struct kfk_broker_ends {
    struct sockaddr_storage local, peer;
    socklen_t local_len, peer_len; /* 0 = not known */
} kfk_broker_ends;
const kfk_broker_ends *kfk_broker_ends_of(const kfk_broker *b);

#endif
