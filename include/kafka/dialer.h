/* kafka/dialer.h: connecting to a broker, and finding out who leads a partition.
 *
 * Addresses. Wherever an address is asked for it may be a list, separated by commas, of which any broker that answers
 * will do:
 *
 *     "host:port"   "host" (port 9092)   "192.0.2.1:9092"   "[2001:db8::1]:9092"
 *     "unix:/path"  a local socket; KAFKA_ENOTSUP for now
 *
 * A malformed one is KAFKA_EINVAL and quoted. All addresses that a name resolves to are tried (RFC 8305). The brokers of
 * a list are tried in its order: the next one at once when one failed, and beside it when it has not answered for a
 * second (or less, where the time that is left has to do for more of them). The first to be usable counts. */
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

/* kafka_addrs collects what a custom resolver finds; it is valid during that call only. */
typedef struct kafka_addrs kafka_addrs;
/* kafka_addrs_add adds "host", "host:port" or an IP address, copied. The port counts only where the address that is
 * being dialled has none. KAFKA_EINVAL, KAFKA_ENOMEM. */
KAFKA_API int kafka_addrs_add(kafka_addrs *out, const char *host_or_host_port);

/* kafka_resolver finds addresses in place of the system. `lookup` runs on helper threads, may block, and may run
 * several times at once; a result other than 0 fails the dial, and adding nothing leaves the name to the system. One
 * that still runs when its dial has ended is not interrupted, its answer is dropped, so `userdata` has to outlive it.
 * KAFKA_ENOTSUP for now. */
typedef struct kafka_resolver {
    int (*lookup)(void *userdata, const char *host, kafka_addrs *out);
    void *userdata;
} kafka_resolver;

/* kafka_dialer says how to connect. It is a plain struct: zeroed it is the default, as is NULL in its place, and
 * nothing needs to be freed. It is copied, with everything it points to. */
typedef struct kafka_dialer {
    const char *client_id;          /* our name in brokers' logs, metrics, quotas; NULL = "program@host (kafka-c)" */
    int64_t timeout_ms;             /* for a whole dial, name to usable connection; 0 = 10 000, KAFKA_NEVER = none */
    int64_t deadline;               /* an end for every dial, on kafka_now_ms's clock; 0 = none. The earliest wins */
    int64_t fallback_delay_ms;      /* head start of one address before the next is tried beside it, 0 = 300 */
    int64_t keep_alive_ms;          /* TCP keep-alive after that much silence, 0 = off. KAFKA_ENOTSUP for now */
    const char *local_addr;         /* "ip" or "ip:port" to connect from, NULL = any. KAFKA_ENOTSUP for now */
    const kafka_resolver *resolver; /* NULL = the system's. KAFKA_ENOTSUP for now */
    const kafka_tls_config *tls;    /* NULL = plain TCP. KAFKA_ENOTSUP for now */
    const kafka_sasl_config *sasl;  /* NULL = no authentication. KAFKA_ENOTSUP for now */
    kafka_loop *loop;               /* that does the I/O, NULL = the default one */
    int32_t no_dual_stack;          /* 1 = try addresses strictly one after the other, no racing of IPv6 and IPv4 */
    int32_t reserved;
    const void *reserved2[6];
    int64_t reserved3[6];
} kafka_dialer;

/* kafka_conn is one connection to one broker: conn.h. */
typedef struct kafka_conn kafka_conn;

/* kafka_dial connects to a broker and agrees on API versions with it. The connection has no topic: it can look up
 * metadata and manage topics, but neither read nor write messages (kafka_dial_leader).
 *
 * It blocks until the connection is usable, at most until the earliest of the dialer's timeout and deadline and the
 * context's deadline; none of them bears on the connection afterwards. `dialer` and `ctx` may be NULL. Free the
 * connection with kafka_conn_free.
 *
 * KAFKA_EIO: nobody accepts connections there. KAFKA_ERESOLVE: no such name. KAFKA_EUNEXPECTED_EOF: the peer accepted
 * and hung up (a listener that wants TLS does that). KAFKA_ETIMEDOUT, KAFKA_ECANCELED. KAFKA_EVERSION: no version in
 * common. KAFKA_EPROTO: not a Kafka broker. KAFKA_EINVAL, KAFKA_ENOMEM; KAFKA_EAGAIN in a callback. The sentence
 * names the peer. */
KAFKA_API KAFKA_NODISCARD int kafka_dial(const kafka_dialer *, const kafka_ctx *, const char *address,
                                         kafka_conn **out);
/* kafka_dial_broker does the same with a broker that metadata named, at the address it advertises. One that was not
 * described (host "") is KAFKA_ERR_LEADER_NOT_AVAILABLE. */
KAFKA_API KAFKA_NODISCARD int kafka_dial_broker(const kafka_dialer *, const kafka_ctx *, const kafka_broker *,
                                                kafka_conn **out);
/* kafka_dial_leader looks up who leads the partition, through `address`, and connects there. The connection is bound
 * to topic and partition, its position is the first offset. Both steps together have the limits of one kafka_dial.
 *
 * Temporary errors, such as an election, are tried again after 100 ms, 400 ms, 900 ms ... up to 10 s, within the
 * limits. A topic or partition that does not exist ends in KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, unless brokers
 * create the topic because it was asked for (auto.create.topics.enable). A leader whose address does not answer is
 * named in the sentence together with the one that named it: look at advertised.listeners then. */
KAFKA_API KAFKA_NODISCARD int kafka_dial_leader(const kafka_dialer *, const kafka_ctx *, const char *address,
                                                const char *topic, int32_t partition, kafka_conn **out);
/* kafka_lookup_leader does the first step of kafka_dial_leader alone. Free the broker with kafka_broker_free. */
KAFKA_API KAFKA_NODISCARD int kafka_lookup_leader(const kafka_dialer *, const kafka_ctx *, const char *address,
                                                  const char *topic, int32_t partition, kafka_broker **out);
/* kafka_lookup_partitions returns the partitions of a topic as the first broker that answers knows them, asking once.
 * A topic it does not know is KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION; a partition's own trouble stands in its `error`.
 * Free the list with kafka_partitions_free. */
KAFKA_API KAFKA_NODISCARD int kafka_lookup_partitions(const kafka_dialer *, const kafka_ctx *, const char *address,
                                                      const char *topic, kafka_partitions **out);

#ifdef __cplusplus
}
#endif
#endif
