/* kafka/dialer.h: connecting to a broker, and finding out who leads a partition.
 *
 * Addresses. Wherever an address is asked for it may be a list, separated by commas, of which any broker that answers
 * will do:
 *
 *     "host:port"   "host" (port 9092)   "192.0.2.1:9092"   "[2001:db8::1]:9092"
 *     "unix:/path"  a local socket; "unix:@name" one with an abstract name (Linux)
 *
 * A malformed one is KAFKA_EINVAL and quoted; paths are absolute, have no comma, and 107 bytes at most. All addresses
 * that a name resolves to are tried (RFC 8305), up to 32. The brokers of a list are tried in its order: the next one at
 * once when one failed, and beside it when it has not answered for a second (or less, where the time that is left has
 * to do for more of them). The first to be usable counts.
 *
 * A unix socket leads to one broker, through a proxy usually. What that broker says about its cluster names hosts and
 * ports: kafka_dial_leader looks the leader up through the socket, and dials it where it advertises to be. */
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
/* kafka_addrs_add adds "host", "host:port", an IP address or "unix:/path", copied. The port counts only where the
 * address that is being dialled has none. Addresses are tried as in dialer.h's list above; names are looked up by the
 * system, and those it does not know are passed over. The first 32 count: more are dropped, and no error. KAFKA_EINVAL
 * quotes what is malformed. KAFKA_ENOMEM. */
KAFKA_API int kafka_addrs_add(kafka_addrs *out, const char *host_or_host_port);

/* kafka_resolver finds addresses in place of the system. `lookup` gets the host alone, numeric ones too, but no unix
 * socket. It runs on helper threads, may block, and may run several times at once. A result other than 0 fails the dial
 * of that address with KAFKA_ERESOLVE, and stands in the sentence (KAFKA_ENOMEM fails it as such); adding nothing
 * leaves the host to the system.
 *
 * One that still runs when its dial has ended is not interrupted: its answer is dropped, and neither closing, freeing
 * nor the end of the process waits for it. So `userdata` has to outlive it. There are 16 helper threads; while all of
 * them hang, further look-ups wait for one until their own dials end. */
typedef struct kafka_resolver {
    int (*lookup)(void *userdata, const char *host, kafka_addrs *out);
    void *userdata;
} kafka_resolver;

/* kafka_dialer says how to connect. It is a plain struct: zeroed it is the default, as is NULL in its place, and
 * nothing needs to be freed. It is copied, with everything it points to.
 *
 * With keep_alive_ms a peer that is silent for so long is probed three times, a third of that time apart (1 to 15 s);
 * one that answers none is given up. Without, an idle connection whose peer has vanished is noticed by its next request
 * only; data that is not acknowledged for 30 s ends a connection in any case.
 *
 * With local_addr addresses of the other family (IPv4, IPv6) are passed over. A port in it serves one connection to a
 * broker at a time, and the system keeps it from that broker for about a minute after we have closed one (KAFKA_EIO);
 * kafka_dial_leader looks the leader up from any port. None of the two bears on unix sockets. */
typedef struct kafka_dialer {
    const char *client_id;          /* our name in brokers' logs, metrics, quotas; NULL = "program@host (kafka-c)" */
    int64_t timeout_ms;             /* for a whole dial, name to usable connection; 0 = 10 000, KAFKA_NEVER = none */
    int64_t deadline;               /* an end for every dial, on kafka_now_ms's clock; 0 = none. The earliest wins */
    int64_t fallback_delay_ms;      /* head start of one address before the next is tried beside it, 0 = 300 */
    int64_t keep_alive_ms;          /* TCP keep-alive after that much silence, rounded up to seconds; 0 = off */
    const char *local_addr;         /* "ip" or "ip:port" to connect from, NULL = any */
    const kafka_resolver *resolver; /* NULL = the system's */
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
 * A broker that has not answered the look-up for a second is not waited for alone: another one is asked beside it.
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
 * A topic it does not know is KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, and asking for it may create it
 * (auto.create.topics.enable); a partition's own trouble stands in its `error`. Free the list with
 * kafka_partitions_free. */
KAFKA_API KAFKA_NODISCARD int kafka_lookup_partitions(const kafka_dialer *, const kafka_ctx *, const char *address,
                                                      const char *topic, kafka_partitions **out);

#ifdef __cplusplus
}
#endif
#endif
