#ifndef KAFKA_TYPES_H
#define KAFKA_TYPES_H
#include <kafka/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_bytes { const void *data; size_t len; } kafka_bytes;
#ifdef __cplusplus
#define KAFKA_BYTES(ptr, n) (kafka_bytes{(ptr), (n)})
#define KAFKA_LIT(s) (kafka_bytes{"" s, sizeof(s) - 1})
#else
#define KAFKA_BYTES(ptr, n) ((kafka_bytes){(ptr), (n)})
#define KAFKA_LIT(s) ((kafka_bytes){"" s, sizeof(s) - 1})
#endif
KAFKA_API kafka_bytes kafka_str(const char *s);
KAFKA_API kafka_bytes kafka_bytes_of(const void *data, size_t len);
#define KAFKA_NEVER INT64_C(-1)
KAFKA_API int64_t kafka_now_ms(void);
KAFKA_API int64_t kafka_deadline_in(int64_t ms);
typedef int32_t kafka_compression;
enum {
    KAFKA_COMPRESSION_NONE = -1, KAFKA_COMPRESSION_DEFAULT = 0, KAFKA_COMPRESSION_GZIP = 1,
    KAFKA_COMPRESSION_SNAPPY = 2, KAFKA_COMPRESSION_LZ4 = 3, KAFKA_COMPRESSION_ZSTD = 4
};
typedef int32_t kafka_acks;
enum { KAFKA_ACKS_NONE = -2, KAFKA_ACKS_ALL = -1, KAFKA_ACKS_DEFAULT = 0, KAFKA_ACKS_ONE = 1 };
#define KAFKA_OFFSET_LAST INT64_C(-1)
#define KAFKA_OFFSET_FIRST INT64_C(-2)
#define KAFKA_OFFSET_NONE INT64_C(-1001)
typedef struct kafka_header { const char *key; kafka_bytes value; } kafka_header;
typedef struct kafka_message {
    const char *topic;
    int64_t offset;
    int64_t high_watermark;
    int64_t time_ms;
    kafka_bytes key, value;
    const kafka_header *headers;
    size_t header_count;
    void *userdata;
    int64_t assignment;
    int32_t partition;
    kafka_compression compression;
    kafka_written written;
    int32_t leader_epoch;
    int32_t time_type;
    int32_t reserved;
    int64_t reserved2;
} kafka_message;
KAFKA_API void kafka_message_free(kafka_message *m);
KAFKA_API KAFKA_NODISCARD int kafka_message_dup(const kafka_message *m, kafka_message **out);
typedef struct kafka_broker { const char *host, *rack; int32_t id, port, reserved[2]; } kafka_broker;
typedef struct kafka_partition {
    const char *topic;
    kafka_broker leader;
    const kafka_broker *replicas;
    size_t replica_count;
    const kafka_broker *isr;
    size_t isr_count;
    const kafka_broker *offline;
    size_t offline_count;
    uint8_t topic_id[16];
    int32_t id, leader_epoch, error, internal;
    int64_t reserved[6];
} kafka_partition;
typedef struct kafka_brokers { const kafka_broker *items; size_t count; } kafka_brokers;
typedef struct kafka_partitions { const kafka_partition *items; size_t count; } kafka_partitions;
KAFKA_API void kafka_broker_free(kafka_broker *);
KAFKA_API void kafka_brokers_free(kafka_brokers *);
KAFKA_API void kafka_partitions_free(kafka_partitions *);

#ifdef __cplusplus
}
#endif
#endif
