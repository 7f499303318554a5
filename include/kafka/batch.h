/* kafka/batch.h: messages that were fetched together, read one by one without copying.
 *
 * A batch comes from kafka_conn_read_batch. Only one thread may use it at a time, not always the same. None of its
 * functions waits for the network. Messages come in order of their offsets, gaps (compaction, transactions) are
 * skipped. An error sticks: every later read gives it again.
 *
 * In a forked child the parent's batch gives no more messages (KAFKA_EFORKED). Those that came out before stay
 * readable, the functions without an error code answer, and kafka_batch_close releases it, with KAFKA_EFORKED. */
#ifndef KAFKA_BATCH_H
#define KAFKA_BATCH_H
#include <kafka/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_batch kafka_batch;

/* kafka_batch_read copies the value of the next message into `buf` and its size into `len`. KAFKA_EOF behind the last
 * message. KAFKA_ESHORTBUF: it is larger than `cap`; `buf` has its beginning, `len` the full size, the batch is over,
 * and the connection will read this message again. Damaged data: as kafka_batch_read_message. */
KAFKA_API int kafka_batch_read(kafka_batch *, void *buf, size_t cap, size_t *len);
/* kafka_batch_read_message fills `out` with the next message. What it points to stays valid until the batch is
 * closed; kafka_message_dup makes a copy that lasts. Do not free it.
 *
 * KAFKA_EOF behind the last message. KAFKA_ECORRUPT (checksum, compression, malformed records), KAFKA_ECODEC (a codec
 * that is not built in), KAFKA_ETOOBIG (inflates beyond the limit), each after everything whole in front of it was
 * delivered: records that the producer sent as one unit come out all or not at all. KAFKA_ENOMEM.
 *
 * Messages that were stored in formats 0 and 1, by brokers before 0.11, read like any other; those of format 0 have no
 * time (time_ms and time_type are -1). */
KAFKA_API int kafka_batch_read_message(kafka_batch *, kafka_message *out);
/* kafka_batch_topic and kafka_batch_partition tell where the messages are from, also when there are none. The string
 * lives as long as the batch. */
KAFKA_API const char *kafka_batch_topic(const kafka_batch *);
KAFKA_API int32_t kafka_batch_partition(const kafka_batch *);
/* kafka_batch_assignment is what kafka_message.assignment is in its messages: 0 outside of a group. */
KAFKA_API int64_t kafka_batch_assignment(const kafka_batch *);
/* kafka_batch_offset tells where the next message is: at first the position that was fetched from, after the last
 * message the position to go on from, which lies behind gaps and markers as well. */
KAFKA_API int64_t kafka_batch_offset(const kafka_batch *);
/* kafka_batch_high_watermark returns the partition's high watermark when it was fetched: the offset below which all
 * messages are replicated, and the first that a reader cannot see yet. */
KAFKA_API int64_t kafka_batch_high_watermark(const kafka_batch *);
/* kafka_batch_throttle_ms returns for how long the broker holds this client back because it exceeds a quota
 * (KIP-124). */
KAFKA_API int64_t kafka_batch_throttle_ms(const kafka_batch *);
/* kafka_batch_error returns the error that sticks to the batch, KAFKA_EOF at its end, 0 while there is none. */
KAFKA_API int kafka_batch_error(const kafka_batch *);
/* kafka_batch_close releases the batch and its memory: as with fclose, the handle and all messages from it are
 * invalid afterwards, whatever it returns: the error that stuck, 0 where that was KAFKA_EOF. NULL is fine. */
KAFKA_API int kafka_batch_close(kafka_batch *);

#ifdef __cplusplus
}
#endif
#endif
