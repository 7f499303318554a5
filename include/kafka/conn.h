/* kafka/conn.h: one connection to one broker.
 *
 * A connection made by kafka_dial_leader belongs to one partition: it reads the partition's messages from a position
 * that moves along, appends to it, and knows its offsets. Every connection can also look up metadata and manage
 * topics.
 *
 * Waiting. Calls block until the broker has answered. They take no context; the connection has deadlines and a token
 * instead, which bear on calls that wait already as well:
 *
 *     read deadline    kafka_conn_read, _read_message, _read_batch, _seek, the offset calls, _read_partitions,
 *                      _brokers, _controller
 *     write deadline   kafka_conn_write, _write_messages, _create_topics, _delete_topics
 *
 * A deadline that passes is KAFKA_ETIMEDOUT, and one that had passed before sends nothing. The connection stays
 * usable. KAFKA_ECANCELED: the token fired. KAFKA_ECLOSED: closed, before or meanwhile. KAFKA_EAGAIN: called in a
 * callback.
 *
 * Failures. A code that the broker sent leaves the connection usable. After a failure of the socket, or bytes that
 * the protocol does not allow, it is of no more use: each further call fails with the same error immediately. It
 * never connects again.
 *
 * Forks. In a forked child each call on the parent's connection gives KAFKA_EFORKED, the setters do nothing, and
 * kafka_conn_offset gives 0. kafka_conn_free closes the child's copy of the socket; the parent's goes on.
 *
 * Threads. All calls but kafka_conn_free may run at the same time. Requests are pipelined, but a broker answers those
 * of one connection one after the other; a read that waits for messages therefore asks in short turns, so that others
 * get through within seconds. The position is shared: threads that read at once each get some of the messages, or the
 * same. */
#ifndef KAFKA_CONN_H
#define KAFKA_CONN_H
#include <kafka/batch.h>
#include <kafka/ctx.h>
#include <kafka/dialer.h>
#include <kafka/log.h>
#include <kafka/loop.h>
#include <kafka/types.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making and ending one --------------------------------------------------------------------------------------- */

typedef struct kafka_conn_config {
    const char *client_id;      /* NULL = as in kafka_dialer */
    const char *topic;          /* NULL = none: neither reading nor writing */
    const kafka_logger *logger; /* NULL = none */
    kafka_loop *loop;           /* NULL = the default one */
    int32_t partition;          /* of topic, 0 ... 2^31 - 1 */
    int32_t reserved;
    int64_t reserved2[2];
} kafka_conn_config;

/* kafka_conn_from_fd makes a connection of a stream socket that is connected already: TCP, a unix socket, one end of
 * socketpair(2), whatever leads to a broker. It does not block, and nothing is sent before the first call that needs
 * the broker: that one agrees on API versions first, for which the broker has 10 s.
 *
 * On success the descriptor belongs to the connection, which makes it non-blocking and close-on-exec, and closes it
 * soon after the connection has ended or was closed, in any case once it was freed; do not use it any more. On failure
 * it is the caller's, as it was. `cfg` may be NULL and is copied; a `topic` makes the connection one of
 * kafka_dial_leader's kind, for a broker that leads the partition.
 *
 * KAFKA_EINVAL: no open descriptor, no stream socket, not connected, or the configuration. KAFKA_ENOMEM, KAFKA_EIO. */
KAFKA_API KAFKA_NODISCARD int kafka_conn_from_fd(int fd, const kafka_conn_config *cfg, kafka_conn **out);
/* kafka_conn_close closes the connection; calls that wait on it return KAFKA_ECLOSED at once, as do later ones. It
 * does not wait for the broker, and returns 0, also the second time. */
KAFKA_API int kafka_conn_close(kafka_conn *);
/* kafka_conn_free closes and releases it. No other call may be using it, and its batch has to be closed before. NULL
 * is fine. */
KAFKA_API void kafka_conn_free(kafka_conn *);
/* kafka_conn_local_addr and kafka_conn_remote_addr give the two ends of the socket, as getsockname(2) and
 * getpeername(2): the length goes in as the room and comes out as the size. They do not block. */
KAFKA_API int kafka_conn_local_addr(kafka_conn *, struct sockaddr *, socklen_t *);
KAFKA_API int kafka_conn_remote_addr(kafka_conn *, struct sockaddr *, socklen_t *);

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* kafka_conn_set_deadline sets both deadlines, points on kafka_now_ms's clock (kafka_deadline_in); 0 = none, as at
 * first. They reach calls that wait already. The broker is told to be done a little earlier, by a second or a quarter
 * of the time left, so that its answer arrives in time. Without a deadline a broker gets 30 s for a write and 60 s to
 * create or delete topics; one that has answered nothing for another 30 s is given up, connection and all
 * (KAFKA_ETIMEDOUT), so no call waits for ever on a broker that hangs. */
KAFKA_API void kafka_conn_set_deadline(kafka_conn *, int64_t deadline);
KAFKA_API void kafka_conn_set_read_deadline(kafka_conn *, int64_t deadline);
KAFKA_API void kafka_conn_set_write_deadline(kafka_conn *, int64_t deadline);
/* kafka_conn_set_cancel gives the connection a token: once it fires, calls that wait and all later ones return
 * KAFKA_ECANCELED. NULL = none. The connection holds a reference. */
KAFKA_API void kafka_conn_set_cancel(kafka_conn *, kafka_cancel *);
/* kafka_conn_set_required_acks says whose acknowledgement later writes wait for; at first KAFKA_ACKS_ALL. A value
 * that is none of KAFKA_ACKS_... is KAFKA_ERR_INVALID_REQUIRED_ACKS. */
KAFKA_API int kafka_conn_set_required_acks(kafka_conn *, kafka_acks);

/* ---- the position ------------------------------------------------------------------------------------------------ */

/* What an offset counts from. The numbers are kafka-go's, not lseek's. */
enum {
    KAFKA_SEEK_START = 0,         /* forwards from the first offset of the partition */
    KAFKA_SEEK_ABSOLUTE = 1,      /* as it stands */
    KAFKA_SEEK_END = 2,           /* backwards from the last: 0 is the end, 1 the newest message */
    KAFKA_SEEK_CURRENT = 3,       /* from the position, forwards, or backwards when negative */
    KAFKA_SEEK_DONT_CHECK = 0x100 /* added to one of the above: do not ask the broker whether it is in range */
};

/* kafka_conn_offset returns the position and, in `whence` (which may be NULL), what it counts from: 0 from
 * KAFKA_SEEK_START on a new connection, an absolute offset once messages were read or a seek was done. It never
 * blocks. */
KAFKA_API int64_t kafka_conn_offset(kafka_conn *, int *whence);
/* kafka_conn_seek moves the position and stores it, absolute, in `out`, which may be NULL. From the first offset to
 * one behind the last message everything is allowed; outside it is KAFKA_ERR_OFFSET_OUT_OF_RANGE, an unknown whence
 * KAFKA_EINVAL, and the position stays. It asks the broker, except for an absolute offset that is the position
 * already, or with KAFKA_SEEK_DONT_CHECK where nothing has to be known; then a wrong offset shows in the next read.
 * KAFKA_OFFSET_FIRST and KAFKA_OFFSET_LAST, absolute and unchecked, are resolved by the next read, or now if `out`
 * wants to know. */
KAFKA_API int kafka_conn_seek(kafka_conn *, int64_t offset, int whence, int64_t *out);
/* kafka_conn_read_first_offset asks for the offset of the oldest message, kafka_conn_read_last_offset for that of the
 * next one to be written, kafka_conn_read_offsets for both. None of them moves the position. */
KAFKA_API int kafka_conn_read_first_offset(kafka_conn *, int64_t *);
KAFKA_API int kafka_conn_read_last_offset(kafka_conn *, int64_t *);
KAFKA_API int kafka_conn_read_offsets(kafka_conn *, int64_t *first, int64_t *last);
/* kafka_conn_read_offset asks for the offset of the first message whose time is `time_ms` (Unix) or later; -1, and no
 * error, when there is none. */
KAFKA_API int kafka_conn_read_offset(kafka_conn *, int64_t time_ms, int64_t *out);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* kafka_fetch bounds one fetch. 0 = the default; negative bounds, or min_bytes above max_bytes, are KAFKA_EINVAL. */
typedef struct kafka_fetch {
    int64_t max_wait_ms;    /* how long the broker waits for min_bytes; 0 = what is left to the read deadline */
    int32_t min_bytes;      /* answer once that much is there, 1 */
    int32_t max_bytes;      /* about that much at most, 1 MiB; a single message larger than that comes all the same */
    int32_t read_committed; /* 1 = leave out messages of aborted transactions, stop before open ones (KIP-98) */
    int32_t reserved;
    int64_t reserved2[2];
} kafka_fetch;

/* kafka_conn_read copies the value of the message at the position into `buf`, its size into `len`, and moves the
 * position behind it. A null value has size 0. It waits for a message until the read deadline.
 *
 * KAFKA_ESHORTBUF: the value is larger than `cap`; `buf` has its beginning, `len` the full size, and the position
 * does not move. (NULL, 0) asks for the size that way. KAFKA_ERR_OFFSET_OUT_OF_RANGE: the position was deleted
 * meanwhile; seek. KAFKA_ECORRUPT, KAFKA_ECODEC, KAFKA_EPROTO, KAFKA_ETOOBIG: the data at the position cannot be
 * read; what lies in front of it was delivered before. KAFKA_EINVAL: the connection has no topic. */
KAFKA_API int kafka_conn_read(kafka_conn *, void *buf, size_t cap, size_t *len);
/* kafka_conn_read_message reads the message at the position whole and moves behind it; free it with
 * kafka_message_free. `max_bytes` bounds the fetch, 0 = 1 MiB; a larger message is delivered as well. Otherwise as
 * kafka_conn_read, but never KAFKA_ESHORTBUF. For many messages kafka_conn_read_batch is cheaper. */
KAFKA_API int kafka_conn_read_message(kafka_conn *, int32_t max_bytes, kafka_message **out);
/* kafka_conn_read_batch fetches from the position on and returns what came, to be read with batch.h's functions and
 * closed with kafka_batch_close. `fetch` may be NULL.
 *
 * With max_wait_ms given it may return an empty batch, whose first read is KAFKA_EOF; without, it waits for messages
 * until the read deadline. Until the batch is closed other reads of this connection wait, or meet the read deadline;
 * everything else goes on. Closing sets the position to the first message that was not read from the batch. */
KAFKA_API int kafka_conn_read_batch(kafka_conn *, const kafka_fetch *fetch, kafka_batch **out);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* kafka_conn_write appends one message with a null key and the value given, empty when `len` is 0. */
KAFKA_API KAFKA_NODISCARD int kafka_conn_write(kafka_conn *, const void *data, size_t len);
/* kafka_conn_write_messages appends messages in order, as one batch: all of them or none. `bytes`, which may be NULL,
 * gets the size of keys and values before compression. It returns when the acknowledgement asked for is there. The
 * messages are not changed, and not looked at again once it has returned, whatever it returned. No messages: 0,
 * nothing is sent.
 *
 * Messages need not repeat topic and partition (NULL and 0) and may not differ from the connection's in them, nor
 * from the call in their compression, unless that is DEFAULT: such a message is KAFKA_EINVAL before anything is sent.
 * KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE: above the topic's max.message.bytes. KAFKA_ERR_NOT_LEADER_FOR_PARTITION: dial the
 * leader again.
 *
 * A broker before 0.11 gets messages in the older formats that it knows. KAFKA_EVERSION names it where these have no
 * place for what is to be written: headers, or zstd; before 0.10 they have none for the time either, which is left
 * out.
 *
 * After KAFKA_ETIMEDOUT, KAFKA_ECANCELED or a broken connection the messages may have been written:
 * kafka_last_written() says whether that is possible. Writing them again may then duplicate them. */
KAFKA_API KAFKA_NODISCARD int kafka_conn_write_messages(kafka_conn *, const kafka_message *, size_t count,
                                                        kafka_compression, size_t *bytes);

/* ---- the cluster and its topics ---------------------------------------------------------------------------------- */

/* kafka_conn_read_partitions lists the partitions of the topics named; of none (count 0): of the connection's own
 * topic, or of all where it has none. A topic that the broker has an error for fails the call with that code, a
 * missing one with KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION; a partition's own trouble stands in its `error`. Naming a
 * topic may create it (auto.create.topics.enable), with the broker's number of partitions and settings; to find out
 * whether there is one, list all. Free the list with kafka_partitions_free. */
KAFKA_API int kafka_conn_read_partitions(kafka_conn *, const char *const *topics, size_t count, kafka_partitions **out);
/* kafka_conn_brokers lists the cluster's brokers. Free with kafka_brokers_free. */
KAFKA_API int kafka_conn_brokers(kafka_conn *, kafka_brokers **out);
/* kafka_conn_controller tells the broker that acts as controller for clients. Free with kafka_broker_free. */
KAFKA_API int kafka_conn_controller(kafka_conn *, kafka_broker **out);

/* A setting of a topic, such as "retention.ms" and "60000". */
typedef struct kafka_config_entry {
    const char *name, *value;
} kafka_config_entry;
/* Which brokers shall hold a partition, the preferred leader first. */
typedef struct kafka_replica_assignment {
    const int32_t *brokers;
    size_t broker_count;
    int32_t partition, reserved;
} kafka_replica_assignment;
/* A topic to be created. */
typedef struct kafka_topic_config {
    const char *topic;
    const kafka_replica_assignment *assignments; /* NULL = the cluster chooses; otherwise both numbers below are 0 */
    size_t assignment_count;
    const kafka_config_entry *entries; /* NULL = the cluster's defaults */
    size_t entry_count;
    int32_t num_partitions;     /* 0, -1 = the broker's default (KIP-464, Kafka 2.4) */
    int32_t replication_factor; /* 0, -1 = the broker's default */
    int64_t reserved[2];
} kafka_topic_config;

/* kafka_conn_create_topics creates topics. One that exists already is left as it is and counts as success. `results`,
 * which may be NULL, gets one code for each; the call returns the first that is not 0, and its sentence holds the
 * broker's words. Each topic stands for itself: others may have been created. The leaders of new partitions may refuse
 * reads and writes for a moment after this has returned, with KAFKA_ERR_NOT_LEADER_FOR_PARTITION: try again.
 *
 * Brokers of a KRaft cluster pass the request on to the controller. One of an older cluster that is not the
 * controller answers KAFKA_ERR_NOT_CONTROLLER: dial the one that kafka_conn_controller names. KAFKA_EVERSION: brokers
 * before 0.10.1 cannot do this. After KAFKA_ETIMEDOUT topics may still come into being. */
KAFKA_API int kafka_conn_create_topics(kafka_conn *, const kafka_topic_config *, size_t count, int *results);
/* kafka_conn_delete_topics deletes topics with all their messages; results and controller as above. A topic that does
 * not exist is KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION. Brokers take a moment to forget one after this has returned. */
KAFKA_API int kafka_conn_delete_topics(kafka_conn *, const char *const *topics, size_t count, int *results);

#ifdef __cplusplus
}
#endif
#endif
