#ifndef KAFKA_BATCH_H
#define KAFKA_BATCH_H
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_batch kafka_batch;
KAFKA_API int kafka_batch_read(kafka_batch *, void *buf, size_t cap, size_t *len);
KAFKA_API int kafka_batch_read_message(kafka_batch *, kafka_message *out);
KAFKA_API const char *kafka_batch_topic(const kafka_batch *);
KAFKA_API int32_t kafka_batch_partition(const kafka_batch *);
KAFKA_API int64_t kafka_batch_assignment(const kafka_batch *);
KAFKA_API int64_t kafka_batch_offset(const kafka_batch *);
KAFKA_API int64_t kafka_batch_high_watermark(const kafka_batch *);
KAFKA_API int64_t kafka_batch_throttle_ms(const kafka_batch *);
KAFKA_API int kafka_batch_error(const kafka_batch *);
KAFKA_API int kafka_batch_close(kafka_batch *);

#ifdef __cplusplus
}
#endif
#endif
