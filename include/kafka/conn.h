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

typedef struct kafka_conn_config {
    const char *client_id, *topic;
    const kafka_logger *logger;
    kafka_loop *loop;
    int32_t partition, reserved;
    int64_t reserved2[2];
} kafka_conn_config;
enum { KAFKA_SEEK_START = 0, KAFKA_SEEK_ABSOLUTE = 1, KAFKA_SEEK_END = 2, KAFKA_SEEK_CURRENT = 3, KAFKA_SEEK_DONT_CHECK = 0x100 };
typedef struct kafka_fetch { int64_t max_wait_ms; int32_t min_bytes, max_bytes, read_committed, reserved; int64_t reserved2[2]; } kafka_fetch;
typedef struct kafka_config_entry { const char *name, *value; } kafka_config_entry;
typedef struct kafka_replica_assignment { const int32_t *brokers; size_t broker_count; int32_t partition, reserved; } kafka_replica_assignment;
typedef struct kafka_topic_config {
    const char *topic;
    const kafka_replica_assignment *assignments;
    size_t assignment_count;
    const kafka_config_entry *entries;
    size_t entry_count;
    int32_t num_partitions, replication_factor;
    int64_t reserved[2];
} kafka_topic_config;
KAFKA_API KAFKA_NODISCARD int kafka_conn_from_fd(int fd, const kafka_conn_config *, kafka_conn **out);
KAFKA_API int kafka_conn_close(kafka_conn *);
KAFKA_API void kafka_conn_free(kafka_conn *);
KAFKA_API int kafka_conn_local_addr(kafka_conn *, struct sockaddr *, socklen_t *);
KAFKA_API int kafka_conn_remote_addr(kafka_conn *, struct sockaddr *, socklen_t *);
KAFKA_API void kafka_conn_set_deadline(kafka_conn *, int64_t deadline);
KAFKA_API void kafka_conn_set_read_deadline(kafka_conn *, int64_t deadline);
KAFKA_API void kafka_conn_set_write_deadline(kafka_conn *, int64_t deadline);
KAFKA_API void kafka_conn_set_cancel(kafka_conn *, kafka_cancel *);
KAFKA_API int kafka_conn_set_required_acks(kafka_conn *, kafka_acks);
KAFKA_API int64_t kafka_conn_offset(kafka_conn *, int *whence);
KAFKA_API int kafka_conn_seek(kafka_conn *, int64_t offset, int whence, int64_t *out);
KAFKA_API int kafka_conn_read_first_offset(kafka_conn *, int64_t *);
KAFKA_API int kafka_conn_read_last_offset(kafka_conn *, int64_t *);
KAFKA_API int kafka_conn_read_offsets(kafka_conn *, int64_t *first, int64_t *last);
KAFKA_API int kafka_conn_read_offset(kafka_conn *, int64_t time_ms, int64_t *out);
KAFKA_API int kafka_conn_read(kafka_conn *, void *buf, size_t cap, size_t *len);
KAFKA_API int kafka_conn_read_message(kafka_conn *, int32_t max_bytes, kafka_message **out);
KAFKA_API int kafka_conn_read_batch(kafka_conn *, const kafka_fetch *, kafka_batch **out);
KAFKA_API KAFKA_NODISCARD int kafka_conn_write(kafka_conn *, const void *data, size_t len);
KAFKA_API KAFKA_NODISCARD int kafka_conn_write_messages(kafka_conn *, const kafka_message *, size_t count, kafka_compression, size_t *bytes);
KAFKA_API int kafka_conn_read_partitions(kafka_conn *, const char *const *topics, size_t count, kafka_partitions **out);
KAFKA_API int kafka_conn_brokers(kafka_conn *, kafka_brokers **out);
KAFKA_API int kafka_conn_controller(kafka_conn *, kafka_broker **out);
KAFKA_API int kafka_conn_create_topics(kafka_conn *, const kafka_topic_config *, size_t count, int *results);
KAFKA_API int kafka_conn_delete_topics(kafka_conn *, const char *const *topics, size_t count, int *results);

#ifdef __cplusplus
}
#endif
#endif
