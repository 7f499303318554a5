/* kafka/types.h: bytes, time, messages, and what a cluster consists of. */
#ifndef KAFKA_TYPES_H
#define KAFKA_TYPES_H
#include <kafka/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

/* kafka_bytes is a range of bytes that somebody else owns. Null and empty are two things in Kafka, for keys and for
 * values (a null value deletes its key in a compacted topic): data NULL is null, any other data with len 0 is empty. */
typedef struct kafka_bytes {
    const void *data;
    size_t len;
} kafka_bytes;

/* KAFKA_BYTES(ptr, n) is the range itself, null when ptr is; KAFKA_LIT("text") that of a string literal without its
 * final NUL, never null. */
#ifdef __cplusplus
#define KAFKA_BYTES(ptr, n) (kafka_bytes{(ptr), (n)})
#define KAFKA_LIT(s) (kafka_bytes{"" s, sizeof(s) - 1})
#else
#define KAFKA_BYTES(ptr, n) ((kafka_bytes){(ptr), (n)})
#define KAFKA_LIT(s) ((kafka_bytes){"" s, sizeof(s) - 1})
#endif
/* kafka_str returns the bytes of a C string, without its NUL; null for NULL. Nothing is copied. */
KAFKA_API kafka_bytes kafka_str(const char *s);
/* kafka_bytes_of returns the range and is never null: NULL with 0 gives empty bytes. Use it where a buffer that
 * happens to be NULL must not turn into a deletion. */
KAFKA_API kafka_bytes kafka_bytes_of(const void *data, size_t len);

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* KAFKA_NEVER as a duration: off, or without limit. */
#define KAFKA_NEVER INT64_C(-1)
/* kafka_now_ms returns the monotonic time that deadlines are compared with. Only differences mean something. */
KAFKA_API int64_t kafka_now_ms(void);
/* kafka_deadline_in returns the deadline that is `ms` from now. KAFKA_NEVER gives 0, which means no deadline; 0 and
 * less give one that has passed; very large values give the latest there is. */
KAFKA_API int64_t kafka_deadline_in(int64_t ms);

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* How the messages of a batch are compressed. From 1 on these are the codes of the protocol; a codec that was
 * registered under another (compress.h) is chosen by that. One that was not built in (kafka_features) gives
 * KAFKA_ECODEC, when writing and when reading. */
typedef int32_t kafka_compression;
enum {
    KAFKA_COMPRESSION_NONE = -1,
    KAFKA_COMPRESSION_DEFAULT = 0, /* what the writer or the call says; there itself: none */
    KAFKA_COMPRESSION_GZIP = 1,
    KAFKA_COMPRESSION_SNAPPY = 2,
    KAFKA_COMPRESSION_LZ4 = 3,
    KAFKA_COMPRESSION_ZSTD = 4 /* needs Kafka 2.1 (KIP-110) */
};

/* Whose acknowledgement a write waits for. */
typedef int32_t kafka_acks;
enum {
    KAFKA_ACKS_NONE = -2,   /* nobody's: the broker sends no answer, so failures go unnoticed and offsets are unknown */
    KAFKA_ACKS_ALL = -1,    /* of all replicas in sync, at least the topic's min.insync.replicas */
    KAFKA_ACKS_DEFAULT = 0, /* as KAFKA_ACKS_ALL */
    KAFKA_ACKS_ONE = 1      /* the leader's; what it has not replicated is lost with it */
};

/* Positions with a meaning of their own, in place of an offset. */
#define KAFKA_OFFSET_LAST INT64_C(-1)    /* the end: that of the next message to be written */
#define KAFKA_OFFSET_FIRST INT64_C(-2)   /* the oldest message that is still there */
#define KAFKA_OFFSET_NONE INT64_C(-1001) /* no offset: an answer only, refused where one is asked for */

/* A header of a message (KIP-82): a name, which may repeat or be empty but not NULL, and a value, which may be null. */
typedef struct kafka_header {
    const char *key;
    kafka_bytes value;
} kafka_header;

/* kafka_message is one record, in both directions. To write one, zero the struct and set key, value, headers, and
 * what else is wanted; the library copies all of it before the call returns. In a message that was read every pointer
 * belongs to the library: until kafka_message_free for one that came as a pointer, until the batch is closed for one
 * that kafka_batch_read_message filled in. */
typedef struct kafka_message {
    const char *topic;      /* read: its topic. Written: NULL, or that of the connection or writer */
    int64_t offset;         /* read: its offset. Written: ignored */
    int64_t high_watermark; /* read: the partition's when this was fetched: below it everything is replicated */
    int64_t time_ms;        /* Unix ms. Read: -1 = the record has none. Written: 0 and -1 = now, one now per call */
    kafka_bytes key, value;
    const kafka_header *headers;
    size_t header_count;
    void *userdata;                /* written: comes back with the outcome. Read: NULL */
    int64_t assignment;            /* read in a group: under which assignment of partitions; 0 otherwise */
    int32_t partition;             /* read: its partition. Written on a connection: 0, or the connection's own */
    kafka_compression compression; /* written: DEFAULT, or the codec for this message */
    kafka_written written;         /* in an outcome: is it in the log? */
    int32_t leader_epoch;          /* read: of the leader that stored it (KIP-320), -1 = unknown */
    int32_t time_type;             /* read: whose clock time_ms is, 0 = producer, 1 = broker (KIP-32), -1 = none */
    int32_t reserved;
    int64_t reserved2;
} kafka_message;

/* kafka_message_free releases a message that the library returned as a pointer, with all it points to. Any thread may
 * do so, even when the connection or reader that it came from is long gone. NULL is fine. */
KAFKA_API void kafka_message_free(kafka_message *m);
/* kafka_message_dup copies a message with everything it points to into one that needs nothing else to live; null and
 * empty stay apart. Free it with kafka_message_free. KAFKA_EINVAL for a message that contradicts itself (a length
 * without data, a header without a name), KAFKA_ENOMEM. It never blocks. */
KAFKA_API KAFKA_NODISCARD int kafka_message_dup(const kafka_message *m, kafka_message **out);

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

/* A broker and the address it advertises to this client. One that the metadata mentions without describing it keeps
 * its id and has host "" and port 0. */
typedef struct kafka_broker {
    const char *host;
    const char *rack; /* NULL = none */
    int32_t id, port, reserved[2];
} kafka_broker;

/* A partition as one broker sees it now. */
typedef struct kafka_partition {
    const char *topic;
    kafka_broker leader;          /* host "" where none is known; `error` is then 5 or what the broker said */
    const kafka_broker *replicas; /* all, the preferred leader first */
    size_t replica_count;
    const kafka_broker *isr; /* those in sync */
    size_t isr_count;
    const kafka_broker *offline; /* those on failed disks or brokers */
    size_t offline_count;
    uint8_t topic_id[16]; /* KIP-516; zeros from a broker without topic ids */
    int32_t id;           /* from 0 */
    int32_t leader_epoch; /* KIP-320, -1 = unknown */
    int32_t error;        /* 0, or the code that the broker gave for this partition */
    int32_t internal;     /* 1 = of a topic of Kafka's own, such as __consumer_offsets */
    int64_t reserved[6];
} kafka_partition;

/* Lists that the library returns: whole objects, freed with one call, read-only, good from any thread. */
typedef struct kafka_brokers {
    const kafka_broker *items;
    size_t count;
} kafka_brokers;
/* Sorted by topic, then id. */
typedef struct kafka_partitions {
    const kafka_partition *items;
    size_t count;
} kafka_partitions;

/* These release an object that the library returned as a pointer, never an item of a list. NULL is fine. */
KAFKA_API void kafka_broker_free(kafka_broker *);
KAFKA_API void kafka_brokers_free(kafka_brokers *);
KAFKA_API void kafka_partitions_free(kafka_partitions *);

#ifdef __cplusplus
}
#endif
#endif
